//! The three steps of `deleteAll`, and what becomes of the alarm. What an interruption leaves is swept in `flushes`.

use std::time::Duration;

use super::*;
use crate::platform::Leg;

fn with_entries(count: usize) -> (Node, Object) {
    let node = Node::new();
    let object = node.open();
    put_all(&object, &many("old", count));
    object.set_alarm(Some(9));
    object.end_turn();
    node.links.take_calls();
    (node, object)
}

fn keys(node: &Node) -> Vec<String> {
    node.durable().0.into_keys().collect()
}

#[test]
fn everything_is_gone_at_once_for_reads_and_later_for_the_service() {
    let (node, object) = with_entries(3);
    object.storage.evict_clean();
    object.put("k", "v");
    object.delete_all();
    assert_eq!(now(object.storage.list(everything(), Caching::Keep)), []);
    assert!(now(object.storage.get("k", Caching::Keep)).is_none());
    assert_eq!(
        now(object.storage.delete(&["old0000"], PutOptions::default())),
        0
    );
    object.put("later", "v");
    assert_eq!(
        texts(now(object.storage.list(everything(), Caching::Keep))),
        pairs(&[("later", "v")])
    );
    assert_eq!(keys(&node).len(), 3);
    object.end_turn();
    assert_eq!(
        node.links.take_calls(),
        [1, 1, 3],
        "what came before, the removal, what came after with the end of the alarm"
    );
    assert_eq!(keys(&node), ["later"]);
}

#[test]
fn the_count_is_that_of_the_service() {
    let (_node, object) = with_entries(300);
    object.put("k", "v");
    let deleted = object
        .storage
        .delete_all(PutOptions::default())
        .expect("open");
    let again = object
        .storage
        .delete_all(PutOptions::default())
        .expect("open");
    object.end_turn();
    assert_eq!(
        poll_once(deleted.count),
        Some(Ok(301)),
        "the write before it was not skipped"
    );
    assert_eq!(poll_once(again.count), Some(Ok(0)), "part of the first");
}

#[test]
fn a_second_one_while_the_first_is_under_way_drops_the_writes_in_between() {
    let (node, object) = with_entries(3);
    node.links.hold(true);
    object.delete_all();
    object.put("between", "v");
    object.end_turn();
    let second = object
        .storage
        .delete_all(PutOptions::default())
        .expect("open");
    object.put("after", "v");
    object.end_turn();
    node.links.hold(false);
    object.run();
    assert_eq!(poll_once(second.count), Some(Ok(0)));
    assert_eq!(object.reply(), Some(Ok(())));
    assert_eq!(
        node.links.take_calls(),
        [1, 3],
        "one removal, and the writes after with the end of the alarm"
    );
    assert_eq!(keys(&node), ["after"]);
}

#[test]
fn one_that_comes_after_the_removal_is_one_of_its_own() {
    let (node, object) = with_entries(3);
    object.delete_all();
    object.end_turn();
    object.write(&[("k", "v")]);
    let deleted = object
        .storage
        .delete_all(PutOptions::default())
        .expect("open");
    object.end_turn();
    assert_eq!(poll_once(deleted.count), Some(Ok(1)));
    assert_eq!(keys(&node).len(), 0);
}

#[test]
fn writes_after_an_unconfirmed_one_are_gated_all_the_same() {
    let (node, object) = with_entries(3);
    node.links.hold(true);
    let deleted = object.storage.delete_all(unconfirmed()).expect("open");
    now(Ok(deleted.answer));
    object.end_turn();
    assert_eq!(object.reply(), Some(Ok(())));
    object.put("after", "v");
    assert_eq!(object.reply(), None);
    object.end_turn();
    node.links.hold(false);
    assert_eq!(object.reply(), Some(Ok(())));
    assert_eq!(keys(&node), ["after"]);
}

#[test]
fn a_confirmed_deletion_of_what_an_unconfirmed_one_removed_is_gated() {
    let (node, object) = with_entries(3);
    node.links.hold(true);
    object.storage.delete_all(unconfirmed()).expect("open");
    assert_eq!(object.reply(), Some(Ok(())));
    assert_eq!(object.delete(&["old0000"]), 0);
    assert_eq!(
        object.reply(),
        None,
        "that nothing was there must not be taken back"
    );
}

#[test]
fn the_removal_is_retried_four_times_and_then_breaks_the_object() {
    for leg in [Leg::Call, Leg::Reply] {
        for losses in 1..=5 {
            let (node, object) = with_entries(3);
            node.links.lose(std::iter::repeat_n(leg, losses));
            object.delete_all();
            object.put("after", "v");
            object.end_turn();
            if losses <= 4 {
                assert_eq!(object.reply(), Some(Ok(())));
                assert_eq!(keys(&node), ["after"]);
            } else {
                let error = object.broken();
                let (text, _) = error
                    .message()
                    .split_once("; reference = ")
                    .expect("a reference");
                assert_eq!(
                    text,
                    "Internal error in Durable Object storage deleteAll() caused object to be reset"
                );
                assert!(!keys(&node).contains(&"after".into()));
                assert_eq!(node.durable().1, Some(9), "the alarm stays");
            }
        }
    }
}

#[test]
fn a_removal_that_takes_too_long_leaves_a_part_and_the_next_one_finishes() {
    let (node, object) = with_entries(600);
    object.delete_all();
    object.put("after", "v");
    node.disk.hold_syncs(true); // after the first step the disk is slow
    object.end_turn();
    assert_eq!(object.reply(), None);
    node.clock.advance(Duration::from_secs(30));
    let error = object.broken();
    assert_eq!(
        error.message(),
        "Durable Object storage operation exceeded timeout which caused object to be reset."
    );
    object.storage.shut_down(error);
    node.disk.hold_syncs(false);
    let object = node.open();
    let left = object.list(everything()).len();
    assert!(left < 600 && (600 - left).is_multiple_of(128), "{left}");
    object.delete_all();
    object.end_turn();
    assert_eq!(object.reply(), Some(Ok(())));
    assert_eq!(keys(&node).len(), 0);
}

#[test]
fn one_that_comes_while_a_lost_flush_is_retried_keeps_the_order_of_its_steps() {
    let (node, object) = with_entries(3);
    node.links.hold(true);
    node.links.lose([Leg::Call]);
    object.write(&[("before", "v")]);
    object.delete_all();
    object.put("after", "v");
    object.end_turn();
    node.links.hold(false);
    assert_eq!(object.reply(), Some(Ok(())));
    assert_eq!(keys(&node), ["after"]);
}

#[test]
fn a_read_from_before_it_teaches_nothing_about_what_comes_after() {
    let (node, object) = with_entries(3);
    object.storage.evict_clean();
    node.links.hold(true);
    let get = later(object.storage.get("old0000", Caching::Keep));
    let list = later(object.storage.list(everything(), Caching::Keep));
    object.delete_all();
    object.end_turn();
    node.links.hold(false);
    assert!(object.wait(Ok(Answer::Later(get))).expect("get").is_some());
    assert_eq!(object.wait(Ok(Answer::Later(list))).expect("list").len(), 3);
    assert_eq!(object.get("old0000"), None);
    assert_eq!(object.state(), (BTreeMap::new(), None));
}

#[test]
fn eviction_does_not_bring_back_what_is_being_removed() {
    let (node, object) = with_entries(3);
    node.links.hold(true);
    object
        .storage
        .delete_all(unconfirmed()) // a confirmed one may not take so long
        .expect("open");
    object.end_turn();
    object.storage.evict_clean();
    node.clock.advance(Duration::from_mins(1));
    object.end_turn();
    assert_eq!(now(object.storage.list(everything(), Caching::Keep)), []);
    assert_eq!(now(object.storage.get_alarm()), None);
}

#[test]
fn an_old_object_keeps_its_alarm_set_before_or_after() {
    for before in [true, false] {
        let (node, object) = with_entries(3);
        object.crash();
        node.delete_all_deletes_alarm.set(false);
        let object = node.open();
        if before {
            object.set_alarm(Some(5));
        }
        object.delete_all();
        assert_eq!(object.alarm(), Some(if before { 5 } else { 9 }));
        if !before {
            object.set_alarm(Some(5));
        }
        object.end_turn();
        assert_eq!(node.durable(), (BTreeMap::new(), Some(5)));
    }
}

#[test]
fn a_new_object_loses_its_alarm_with_the_data_and_not_before() {
    let (node, object) = with_entries(3);
    object.set_alarm(Some(5)); // never sent
    object.delete_all();
    assert_eq!(now(object.storage.get_alarm()), None);
    node.disk.hold_syncs(true);
    object.end_turn();
    assert_eq!(node.durable().1, Some(9), "as long as data may be left");
    node.disk.hold_syncs(false);
    assert_eq!(object.reply(), Some(Ok(())));
    assert_eq!(node.durable(), (BTreeMap::new(), None));
    assert_eq!(object.alarm(), None);
}

#[test]
fn an_alarm_set_after_it_is_kept_whenever_the_flush_starts() {
    for turn_ends_between in [true, false] {
        let (node, object) = with_entries(3);
        node.links.hold(true);
        object.delete_all();
        if turn_ends_between {
            object.end_turn();
        }
        object.set_alarm(Some(7));
        object.put("after", "v");
        object.end_turn();
        node.links.hold(false);
        assert_eq!(object.reply(), Some(Ok(())));
        assert_eq!(object.alarm(), Some(7));
        assert_eq!(node.durable().1, Some(7));
    }
}
