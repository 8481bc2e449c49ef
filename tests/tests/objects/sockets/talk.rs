//! What is said: messages, closing, tags, attachments, and misuse.

use super::{Client, Switchboard, ask};
use crate::{error_of, ms, noted, on_both, serving};

#[test]
fn messages_of_both_types_come_and_go_and_a_close_is_answered_by_the_handler() {
    // (W-16, W-23; recorded: hibernatable_echo, hibernatable_answered_close)
    on_both(&serving::<Switchboard>(), |bench| async move {
        let client = Client::connect(&bench, "a", "/one").await;
        client.say("hello");
        assert_eq!(client.hear().await, "echo hello");
        client.0.send_with_bytes([0, 255]).expect("it is open");
        assert_eq!(client.hear().await, "Some([0, 255])");
        client.0.close(Some(4000), Some("bye")).expect("it is open");
        assert_eq!(client.hear().await, "closed 4000 'answered' true");
        assert_eq!(
            noted(),
            [
                "constructor 1: 0",
                "one says hello (1)",
                "done with hello",
                "binary Binary([0, 255])",
                "one closes 4000 'bye' true, Closing, listed 1",
            ]
        );
    });
}

#[test]
fn a_welcome_sent_before_the_response_arrives_behind_it() {
    // (W-2; recorded: handlers_missing)
    on_both(&serving::<Switchboard>(), |bench| async move {
        let client = Client::connect(&bench, "a", "/welcomed").await;
        assert_eq!(client.hear().await, "welcome");
    });
}

#[test]
fn an_accepted_socket_answers_a_close_by_itself() {
    // (W-29; recorded: standard_client_closes)
    let serves = serving::<Switchboard>();
    on_both(&serves, |bench| async move {
        let client = Client::connect(&bench, "a", "/plain").await;
        client.say("hello");
        assert_eq!(client.hear().await, "echo hello");
        client
            .0
            .close(Some(4999), Some("last"))
            .expect("it is open");
        assert_eq!(client.hear().await, "closed 4999 'last' true");
        assert_eq!(
            noted(),
            [
                "constructor 1: 0",
                "heard hello",
                "closes 4999 'last' true, Closed"
            ]
        );
    });
    on_both(
        &serves.compatibility_date("2026-04-06"),
        |bench| async move {
            let client = Client::connect(&bench, "a", "/plain").await;
            client
                .0
                .close(Some(4999), Some("last"))
                .expect("it is open");
            bench.pass(ms(300)).await;
            assert_eq!(
                noted(),
                ["constructor 1: 0", "closes 4999 'last' true, Closing"]
            );
        },
    );
}

#[test]
fn states_while_the_object_closes() {
    // (W-5, W-25, W-31; recorded: send_and_close_states)
    on_both(&serving::<Switchboard>(), |bench| async move {
        let client = Client::connect(&bench, "a", "/one").await;
        client.say("close");
        assert_eq!(client.hear().await, "closed 4000 'object closes' true");
        bench.pass(ms(200)).await;
        assert_eq!(
            noted(),
            [
                "constructor 1: 0",
                "one says close (1)",
                "Closing, listed 1",
                "TypeError: Can't call WebSocket send() after close().",
                "one closes 4000 'object closes' true, Closed, listed 1",
                "Closed, listed 0",
            ]
        );
    });
}

#[test]
fn handlers_start_in_order_and_the_close_does_not_wait_for_their_ends() {
    // (W-16; recorded: message_order_one_socket)
    on_both(&serving::<Switchboard>(), |bench| async move {
        let client = Client::connect(&bench, "a", "/one").await;
        for text in ["slow", "2", "3"] {
            client.say(text);
        }
        client
            .0
            .close(Some(1000), Some("leave me"))
            .expect("it is open");
        for text in ["echo 2", "echo 3", "echo slow"] {
            assert_eq!(client.hear().await, text);
        }
        assert_eq!(
            noted(),
            [
                "constructor 1: 0",
                "one says slow (1)",
                "one says 2 (2)",
                "done with 2",
                "one says 3 (3)",
                "done with 3",
                "one closes 1000 'leave me' true, Closing, listed 1",
                "done with slow",
            ]
        );
    });
}

#[test]
fn a_handler_that_fails_leaves_the_socket_and_the_object_as_they_are() {
    // (W-20; recorded: exception_in_message_handler)
    on_both(&serving::<Switchboard>(), |bench| async move {
        let client = Client::connect(&bench, "a", "/one").await;
        client.say("fail");
        client.say("next");
        assert_eq!(client.hear().await, "echo next");
        assert_eq!(
            noted(),
            [
                "constructor 1: 0",
                "one says fail (1)",
                "one says next (2)",
                "done with next"
            ]
        );
    });
}

#[test]
fn sockets_are_listed_newest_first_and_by_tag_oldest_first() {
    // (W-4; recorded: get_web_sockets)
    on_both(&serving::<Switchboard>(), |bench| async move {
        let mut clients = Vec::new();
        for (name, tag) in [("w1", "odd"), ("w2", "even"), ("w3", "odd"), ("w4", "even")] {
            clients.push(Client::connect(&bench, "a", &format!("/{name}?{tag}")).await);
        }
        ask(&bench, "a", "/list", false).await.expect("it answers");
        clients[1]
            .0
            .close(Some(1000), Some("bye"))
            .expect("it is open");
        assert_eq!(clients[1].hear().await, "closed 1000 'answered' true");
        ask(&bench, "a", "/list", false).await.expect("it answers");
        clients[3].say("all");
        for (client, heard) in [
            (0, "w4: all"),
            (2, "w4: all"),
            (3, "w4: all"),
            (3, "echo all"),
        ] {
            assert_eq!(clients[client].hear().await, heard);
        }
        assert_eq!(
            noted()[..4],
            [
                "constructor 1: 0",
                r#"all ["w4", "w3", "w2", "w1"], even ["w2", "w4"]"#,
                "w2 closes 1000 'bye' true, Closing, listed 4",
                r#"all ["w4", "w3", "w1"], even ["w4"]"#,
            ]
        );
    });
}

#[test]
fn a_message_leaves_when_the_write_before_it_is_durable() {
    // (G-15) What is sent behind a write comes after it; the oracle of the simulator looks at the disk when it leaves.
    on_both(&serving::<Switchboard>(), |bench| async move {
        let client = Client::connect(&bench, "a", "/one").await;
        client.say("store");
        client.say("next");
        assert_eq!(client.hear().await, "echo store");
        assert_eq!(client.hear().await, "echo next");
    });
}

#[test]
fn responses_with_and_without_sockets_are_checked() {
    // (FT-8; recorded: fetch/upgrade)
    on_both(&serving::<Switchboard>(), |bench| async move {
        assert_eq!(
            error_of(ask(&bench, "a", "/ok", true).await),
            "RangeError: Responses with a WebSocket must have status code 101. [remote]"
        );
        assert_eq!(
            error_of(ask(&bench, "a", "/one", false).await),
            "TypeError: Worker tried to return a WebSocket in a response to a request which did not contain the header \"Upgrade: websocket\". [remote]"
        );
    });
}

#[test]
fn misuse_is_told_with_the_texts_of_the_original() {
    // (W-1, W-3, W-7, W-10, W-15, W-30; recorded: accept_errors, tags, close_arguments)
    on_both(&serving::<Switchboard>(), |bench| async move {
        ask(&bench, "a", "/misuse", false)
            .await
            .expect("it answers");
        let not_accepted = "TypeError: You must call one of accept() or state.acceptWebSocket() on this WebSocket before sending messages.";
        let already = "Error: Cannot call `acceptWebSocket()` if the WebSocket was already accepted via `accept()`";
        let notes = noted();
        assert_eq!(
            notes[1..18],
            [
                not_accepted,
                not_accepted,
                already,
                "Error: only hibernatable websockets can have tags.",
                "Error: you must call 'acceptWebSocket()' before attempting to access the tags of a WebSocket.",
                "TypeError: Can't accept() WebSocket after enabling hibernation.",
                already,
                "Error: Cannot call `acceptWebSocket()` on this WebSocket because its pair has already been accepted or used in a Response.",
                "Error: a Hibernatable WebSocket cannot have more than 10 tags",
                " is longer than the max tag length (256 characters).",
                "InvalidAccessError: Invalid WebSocket close code: 999.",
                "InvalidAccessError: Invalid WebSocket close code: 1004.",
                "InvalidAccessError: Invalid WebSocket close code: 1005.",
                "InvalidAccessError: Invalid WebSocket close code: 1006.",
                "InvalidAccessError: Invalid WebSocket close code: 1015.",
                "InvalidAccessError: Invalid WebSocket close code: 5000.",
                "SyntaxError: WebSocket close reason must not be longer than 123 bytes when UTF-8 encoded.",
            ]
        );
        assert_eq!(
            notes[18..20],
            [
                "RangeError: Request cannot be larger than 2048 bytes. A request of size 2049 was provided.",
                "Error: Event timeout should not exceed 604800000 ms.",
            ]
        );
    });
}
