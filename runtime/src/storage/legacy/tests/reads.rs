//! What reads show, when they suspend, and what they leave in the cache.

use std::time::Duration;

use super::*;
use crate::platform::Leg;

fn range(start: &str, end: &str) -> Bounds {
    Bounds {
        start: start.into(),
        end: Some(end.into()),
        ..everything()
    }
}

/// A node whose object has `a`, `b`, `c` and nothing in its cache.
fn with_three() -> (Node, Object) {
    let node = Node::new();
    let object = node.open();
    object.write(&[("a", "1"), ("b", "2"), ("c", "3")]);
    object.crash();
    let object = node.open();
    assert_eq!(object.reply(), Some(Ok(())));
    node.links.take_calls();
    (node, object)
}

#[test]
fn a_key_is_asked_for_once_and_then_answered_at_once() {
    let (node, object) = with_three();
    assert!(matches!(
        object.storage.get("a", Caching::Keep),
        Ok(Answer::Later(_))
    ));
    assert_eq!(object.get("a").as_deref(), Some("1"));
    assert_eq!(
        now(object.storage.get("a", Caching::Keep))
            .map(text)
            .as_deref(),
        Some("1")
    );
    assert_eq!(object.get("missing"), None);
    assert!(now(object.storage.get("missing", Caching::Keep)).is_none());
    let ends = node.links.ends();
    assert!(
        ends.contains(&("Counter/a".into(), "storage of Counter/a".into())),
        "{ends:?}"
    );
}

#[test]
fn with_no_cache_a_read_leaves_nothing_behind() {
    let (_node, object) = with_three();
    for _ in 0..2 {
        let read = later(object.storage.get("a", Caching::Skip));
        assert_eq!(
            object
                .wait(Ok(Answer::Later(read)))
                .expect("get")
                .map(text)
                .as_deref(),
            Some("1")
        );
        let read = later(object.storage.list(everything(), Caching::Skip));
        assert_eq!(object.wait(Ok(Answer::Later(read))).expect("list").len(), 3);
    }
}

#[test]
fn several_keys_come_sorted_and_once_and_without_the_missing() {
    let (_node, object) = with_three();
    let keys = ["c", "x", "a", "c"];
    let found = object
        .wait(object.storage.get_multiple(&keys, Caching::Keep))
        .expect("get");
    assert_eq!(texts(found), pairs(&[("a", "1"), ("c", "3")]));
    let none: [&str; 0] = [];
    assert_eq!(now(object.storage.get_multiple(&none, Caching::Keep)), []);
}

#[test]
fn a_list_teaches_its_whole_range_the_gaps_included() {
    let (_node, object) = with_three();
    assert_eq!(
        object.list(range("a", "c")),
        pairs(&[("a", "1"), ("b", "2")])
    );
    assert_eq!(
        texts(now(object.storage.list(range("a", "b"), Caching::Keep))),
        pairs(&[("a", "1")])
    );
    assert!(now(object.storage.get("aa", Caching::Keep)).is_none());
    assert!(matches!(
        object.storage.get("c", Caching::Keep),
        Ok(Answer::Later(_))
    ));
    assert!(matches!(
        object.storage.list(range("a", "d"), Caching::Keep),
        Ok(Answer::Later(_))
    ));
}

#[test]
fn a_list_with_a_limit_teaches_as_far_as_it_went_in_either_direction() {
    let (_node, object) = with_three();
    let first_two = Bounds {
        limit: Some(2),
        ..everything()
    };
    assert_eq!(
        object.list(first_two.clone()),
        pairs(&[("a", "1"), ("b", "2")])
    );
    assert_eq!(now(object.storage.list(first_two, Caching::Keep)).len(), 2);
    assert!(matches!(
        object.storage.get("bb", Caching::Keep),
        Ok(Answer::Later(_))
    ));
    let last = Bounds {
        limit: Some(1),
        reverse: true,
        ..everything()
    };
    assert_eq!(object.list(last.clone()), pairs(&[("c", "3")]));
    assert_eq!(
        texts(now(object.storage.list(last, Caching::Keep))),
        pairs(&[("c", "3")])
    );
    assert!(now(object.storage.get("zzz", Caching::Keep)).is_none());
}

#[test]
fn a_list_shows_unwritten_changes_and_deletions_do_not_use_up_its_limit() {
    let (node, object) = with_three();
    object.get("a");
    node.links.hold(true);
    object.put("bb", "new");
    now(object.storage.delete(&["a"], PutOptions::default()));
    let list = later(object.storage.list(
        Bounds {
            limit: Some(2),
            ..everything()
        },
        Caching::Keep,
    ));
    node.links.hold(false);
    let list = object.wait(Ok(Answer::Later(list))).expect("list");
    assert_eq!(texts(list), pairs(&[("b", "2"), ("bb", "new")]));
}

#[test]
fn a_read_shows_the_moment_of_its_call_and_no_later_write() {
    for losses in [vec![], vec![Leg::Call], vec![Leg::Reply]] {
        let (node, object) = with_three();
        node.links.hold(true);
        node.links.lose(losses);
        let get = later(object.storage.get("a", Caching::Keep));
        let list = later(object.storage.list(everything(), Caching::Keep));
        let alarm = later(object.storage.get_alarm());
        object.put("a", "later");
        object.put("d", "later");
        object.set_alarm(Some(7));
        object.end_turn();
        node.links.hold(false);
        object.run();
        assert_eq!(
            object
                .wait(Ok(Answer::Later(get)))
                .expect("get")
                .map(text)
                .as_deref(),
            Some("1")
        );
        let list = texts(object.wait(Ok(Answer::Later(list))).expect("list"));
        assert_eq!(list, pairs(&[("a", "1"), ("b", "2"), ("c", "3")]));
        assert_eq!(object.wait(Ok(Answer::Later(alarm))).expect("alarm"), None);
        assert_eq!(
            (object.get("a").as_deref(), object.alarm()),
            (Some("later"), Some(7))
        );
        assert_eq!(object.list(everything()).len(), 4);
    }
}

#[test]
fn a_flush_waits_for_the_reads_that_were_in_flight_when_it_started() {
    let (node, object) = with_three();
    node.links.hold(true);
    let read = later(object.storage.get("a", Caching::Keep));
    object.put("b", "later");
    object.end_turn();
    assert_eq!(node.links.take_calls(), [1], "the read and nothing else");
    node.links.hold(false);
    object.run();
    assert_eq!(node.links.take_calls(), [1], "the flush");
    drop(read);
}

#[test]
fn a_read_whose_caller_has_gone_holds_up_no_flush() {
    let (node, object) = with_three();
    drop(later(object.storage.get("a", Caching::Keep)));
    object.write(&[("b", "new")]);
    assert_eq!(object.reply(), Some(Ok(())));
    assert_eq!(node.durable().0["b"], "new");
}

#[test]
fn a_read_is_tried_twice_and_its_failure_breaks_nothing() {
    let (node, object) = with_three();
    for leg in [Leg::Call, Leg::Reply] {
        node.links.lose([leg]);
        assert_eq!(object.get("a").as_deref(), Some("1"));
        object.storage.evict_clean();
        node.links.lose([leg, leg]);
        let error = object
            .wait(object.storage.get("a", Caching::Keep))
            .expect_err("lost");
        assert_eq!(
            (error.message(), error.retryable()),
            ("Network connection lost.", true)
        );
        assert_eq!(object.reply(), Some(Ok(())));
        assert_eq!(object.get("a").as_deref(), Some("1"));
        object.storage.evict_clean();
    }
}

#[test]
fn an_entry_is_forgotten_when_nobody_used_it_for_thirty_seconds() {
    let (node, object) = with_three();
    assert_eq!(
        (object.get("a").is_some(), object.get("b").is_some()),
        (true, true)
    );
    node.clock.advance(Duration::from_secs(20));
    now(object.storage.get("a", Caching::Keep));
    node.clock.advance(Duration::from_secs(10));
    object.end_turn();
    now(object.storage.get("a", Caching::Keep));
    assert!(matches!(
        object.storage.get("b", Caching::Keep),
        Ok(Answer::Later(_))
    ));
}

#[test]
fn a_range_is_forgotten_when_nobody_used_it_for_thirty_seconds() {
    let (node, object) = with_three();
    object.list(range("x", "z"));
    now(object.storage.get("y", Caching::Keep));
    node.clock.advance(Duration::from_secs(46));
    object.end_turn();
    assert!(matches!(
        object.storage.get("y", Caching::Keep),
        Ok(Answer::Later(_))
    ));
}

#[test]
fn clean_entries_above_sixteen_mebibytes_are_dropped_the_oldest_first() {
    let node = Node::new();
    let object = node.open();
    let value = "x".repeat(128 << 10);
    for number in 0..160 {
        object.write(&[(&format!("k{number:03}"), &value)]);
    }
    now(object.storage.get("k159", Caching::Keep));
    assert!(matches!(
        object.storage.get("k000", Caching::Keep),
        Ok(Answer::Later(_))
    ));
    assert_eq!(object.get("k000"), Some(value));
    assert_eq!(
        object.list(everything()).len(),
        160,
        "a list in more than one message"
    );
    let reversed = Bounds {
        reverse: true,
        limit: Some(150),
        ..everything()
    };
    assert_eq!(object.list(reversed)[149].0, "k010");
}

#[test]
fn keys_with_any_characters_are_kept_in_the_order_of_their_bytes() {
    let node = Node::new();
    let object = node.open();
    let keys = ["", "\0", "a", "a\0", "a\0b", "b", "\u{ffff}", "\u{1f600}"];
    for key in keys.iter().rev() {
        object.put(key, "v");
    }
    object.end_turn();
    object.crash();
    let object = node.open();
    let found: Vec<_> = object
        .list(everything())
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    assert_eq!(found, keys);
    assert_eq!(object.delete(&["a\0", "a"]), 2);
}
