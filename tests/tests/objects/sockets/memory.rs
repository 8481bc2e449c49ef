//! What becomes of sockets when their object leaves memory, and what wakes it.

use super::{Client, Switchboard, ask};
use crate::{ms, noted, on_both, on_the_simulator, secs, serving};

#[test]
fn a_close_that_no_handler_answers_stays_unanswered_until_the_object_leaves_memory() {
    // (W-28, W-29; recorded: hibernatable_unanswered_close)
    on_the_simulator(&serving::<Switchboard>(), |bench| async move {
        let client = Client::connect(&bench, "a", "/one").await;
        client
            .0
            .close(Some(4000), Some("leave me"))
            .expect("it is open");
        bench.pass(secs(9)).await;
        let asked = bench.now();
        ask(&bench, "a", "/list", false).await.expect("it answers");
        assert_eq!(
            noted(),
            [
                "constructor 1: 0",
                "one closes 4000 'leave me' true, Closing, listed 1",
                "all [], even []",
            ]
        );
        assert_eq!(
            client.hear().await,
            "closed 1006 'WebSocket disconnected without sending Close frame.' false"
        );
        assert!(
            bench.now() - asked >= secs(10),
            "only hibernation lets go of it"
        );
    });
}

#[test]
fn a_hibernated_object_is_woken_by_a_message_and_finds_its_sockets() {
    // (L-13, W-22; recorded: idle_with_hibernatable_socket, message_after_eviction)
    on_the_simulator(&serving::<Switchboard>(), |bench| async move {
        let one = Client::connect(&bench, "a", "/one?even").await;
        let two = Client::connect(&bench, "a", "/two").await;
        one.say("before");
        assert_eq!(one.hear().await, "echo before");
        bench.pass(secs(9)).await;
        assert_eq!(bench.node.activation_count(), 1);
        two.say("still there");
        assert_eq!(two.hear().await, "echo still there");
        bench.pass(secs(12)).await;
        assert_eq!(bench.node.activation_count(), 0);
        two.say("after");
        one.say("after");
        assert_eq!(two.hear().await, "echo after");
        assert_eq!(one.hear().await, "echo after");
        ask(&bench, "a", "/list", false).await.expect("it answers");
        let notes = noted();
        assert!(
            notes.contains(&"two says still there (2)".to_owned()),
            "{notes:?}"
        );
        assert!(notes.contains(&"constructor 2: 2".to_owned()), "{notes:?}");
        assert!(
            notes.contains(&r#"all ["two", "one"], even ["one"]"#.to_owned()),
            "{notes:?}"
        );
    });
}

#[test]
fn a_close_wakes_a_hibernated_object_and_leaves_with_it() {
    // (W-22, W-26; recorded: close_while_hibernated)
    on_both(&serving::<Switchboard>(), |bench| async move {
        let one = Client::connect(&bench, "a", "/one").await;
        bench.pass(ms(10)).await;
        assert_eq!(bench.node.hibernate_idle(), 1);
        one.0.close(Some(4000), Some("bye")).expect("it is open");
        assert_eq!(one.hear().await, "closed 4000 'answered' true");
        assert_eq!(
            noted(),
            [
                "constructor 1: 0",
                "constructor 2: 1",
                "one closes 4000 'bye' true, Closing, listed 1",
            ]
        );
        bench.pass(ms(10)).await;
        assert_eq!(bench.node.hibernate_idle(), 1);
        ask(&bench, "a", "/list", false).await.expect("it answers");
        assert_eq!(noted(), ["constructor 3: 0", "all [], even []"]);
    });
}

#[test]
fn an_automatic_answer_wakes_nobody_and_leaves_a_time() {
    // (W-11, W-13; recorded: auto_response, auto_response_while_hibernated)
    on_both(&serving::<Switchboard>(), |bench| async move {
        let client = Client::connect(&bench, "a", "/one").await;
        client.say("ping");
        assert_eq!(client.hear().await, "echo ping");
        ask(&bench, "a", "/answer", false)
            .await
            .expect("it answers");
        for text in ["x", "ping", "ping "] {
            client.say(text);
        }
        for text in ["echo x", "pong", "echo ping "] {
            assert_eq!(client.hear().await, text);
        }
        bench.pass(ms(10)).await;
        assert_eq!(bench.node.hibernate_idle(), 1);
        client.say("ping");
        assert_eq!(client.hear().await, "pong");
        assert_eq!(bench.node.activation_count(), 0);
        client.say("after");
        assert_eq!(client.hear().await, "echo after");
        let notes = noted();
        assert_eq!(
            notes
                .iter()
                .filter(|note| note.contains("says ping ("))
                .count(),
            1,
            "{notes:?}"
        );
    });
}

#[test]
fn an_accepted_socket_keeps_its_object_in_memory() {
    // (L-8; recorded: idle_with_standard_socket)
    on_the_simulator(&serving::<Switchboard>(), |bench| async move {
        let client = Client::connect(&bench, "a", "/plain").await;
        bench.pass(secs(100)).await;
        assert_eq!(bench.node.activation_count(), 1);
        client.say("hello");
        assert_eq!(client.hear().await, "echo hello");
        client.0.close(Some(1000), Some("")).expect("it is open");
        assert_eq!(client.hear().await, "closed 1000 '' true");
        bench.pass(secs(11)).await;
        assert_eq!(bench.node.activation_count(), 0);
    });
}

#[test]
fn an_abort_breaks_sockets_of_both_kinds_and_the_next_instance_has_none() {
    // (W-33; recorded: abort_closes_sockets)
    on_both(&serving::<Switchboard>(), |bench| async move {
        let held = Client::connect(&bench, "a", "/one").await;
        let plain = Client::connect(&bench, "a", "/plain").await;
        assert!(ask(&bench, "a", "/abort", false).await.is_err());
        let lost = "closed 1006 'WebSocket disconnected without sending Close frame.' false";
        assert_eq!(held.hear().await, lost);
        assert_eq!(plain.hear().await, lost);
        assert_eq!(held.0.send_with_str("into nothing"), Ok(()));
        ask(&bench, "a", "/list", false).await.expect("it answers");
        assert_eq!(
            noted(),
            ["constructor 1: 0", "constructor 2: 0", "all [], even []"]
        );
    });
}

#[test]
fn a_constructor_that_fails_when_it_is_woken_drops_the_sockets_and_what_it_sent() {
    // (C-6; recorded: constructor_throws_when_woken)
    on_both(&serving::<Switchboard>(), |bench| async move {
        let client = Client::connect(&bench, "fails when woken", "/one").await;
        let other = Client::connect(&bench, "fails when woken", "/two").await;
        bench.pass(ms(10)).await;
        assert_eq!(bench.node.hibernate_idle(), 1);
        client.say("hello");
        let lost = "closed 1006 'WebSocket disconnected without sending Close frame.' false";
        assert_eq!(client.hear().await, lost);
        assert_eq!(other.hear().await, lost);
        ask(&bench, "fails when woken", "/list", false)
            .await
            .expect("the third is fine");
        assert_eq!(
            noted(),
            [
                "constructor 1: 0",
                "constructor 2: 2",
                "constructor 3: 0",
                "all [], even []"
            ]
        );
    });
}

#[test]
fn a_caller_that_drops_its_end_is_a_lost_connection() {
    // (W-2, W-26)
    on_both(&serving::<Switchboard>(), |bench| async move {
        drop(
            ask(&bench, "a", "/one", true)
                .await
                .expect("it is upgraded"),
        );
        bench.pass(ms(50)).await;
        assert_eq!(
            noted(),
            [
                "constructor 1: 0",
                "one closes 1006 'WebSocket disconnected without sending Close frame.' false, Closing, listed 1",
            ]
        );
        let client = Client::connect(&bench, "a", "/unanswered").await;
        assert_eq!(
            client.hear().await,
            "closed 1006 'WebSocket disconnected without sending Close frame.' false"
        );
    });
}

#[test]
fn an_event_that_takes_longer_than_its_limit_resets_the_object() {
    // (W-15, W-34)
    on_the_simulator(&serving::<Switchboard>(), |bench| async move {
        ask(&bench, "a", "/limit", false).await.expect("it answers");
        let client = Client::connect(&bench, "a", "/one").await;
        client.say("endless");
        let asked = bench.now();
        assert_eq!(
            client.hear().await,
            "closed 1006 'WebSocket disconnected without sending Close frame.' false"
        );
        assert_eq!((bench.now() - asked).as_secs(), 5);
    });
}
