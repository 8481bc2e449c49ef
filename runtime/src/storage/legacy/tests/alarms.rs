//! The alarm: a change like any other, and its handler.

use super::super::{AlarmRun, AlarmRunEnd};
use super::*;

fn at(millis: i64) -> WallTime {
    WallTime::from_millis(millis)
}

fn with_alarm(millis: i64) -> (Node, Object) {
    let node = Node::new();
    let object = node.open();
    object.set_alarm(Some(millis));
    object.end_turn();
    (node, object)
}

#[test]
fn an_alarm_is_read_once_and_then_answered_at_once() {
    let (node, object) = with_alarm(5);
    object.crash();
    let object = node.open();
    assert!(matches!(object.storage.get_alarm(), Ok(Answer::Later(_))));
    assert_eq!(object.alarm(), Some(5));
    assert_eq!(now(object.storage.get_alarm()), Some(at(5)));
    object.set_alarm(None);
    assert_eq!(now(object.storage.get_alarm()), None);
    object.end_turn();
    assert_eq!(node.durable().1, None);
}

#[test]
fn an_alarm_that_fires_at_its_time_counts_as_gone_and_is_deleted_when_the_handler_succeeds() {
    for known in [true, false] {
        let (node, object) = with_alarm(5);
        if !known {
            object.storage.evict_clean();
        }
        assert_eq!(object.storage.begin_alarm(at(5)), AlarmRun::Runs);
        assert_eq!(now(object.storage.get_alarm()), None);
        object.end_turn();
        assert_eq!(
            node.durable().1,
            Some(5),
            "not before the handler has succeeded"
        );
        node.links.hold(true);
        object.storage.end_alarm(AlarmRunEnd::Succeeded);
        object.end_turn();
        assert_eq!(object.reply(), None, "a confirmed write");
        node.links.hold(false);
        assert_eq!(object.reply(), Some(Ok(())));
        assert_eq!(node.durable().1, None);
        let known = now(object.storage.get_alarm());
        assert_eq!(known, None, "without asking the service");
    }
}

#[test]
fn an_alarm_whose_handler_failed_stays() {
    let (node, object) = with_alarm(5);
    object.storage.begin_alarm(at(5));
    object.storage.end_alarm(AlarmRunEnd::Failed);
    object.end_turn();
    assert_eq!((node.durable().1, object.alarm()), (Some(5), Some(5)));
}

#[test]
fn a_handler_that_sets_the_alarm_decides_its_fate() {
    for (set, left) in [(Some(8), Some(8)), (Some(5), Some(5)), (None, None)] {
        let (node, object) = with_alarm(5);
        object.storage.begin_alarm(at(5));
        object.set_alarm(set);
        object.storage.end_alarm(AlarmRunEnd::Succeeded);
        object.end_turn();
        assert_eq!((node.durable().1, object.alarm()), (left, left));
    }
}

#[test]
fn a_run_for_a_time_that_is_durably_another_is_cancelled() {
    let (node, object) = with_alarm(5);
    assert_eq!(object.storage.begin_alarm(at(4)), AlarmRun::Cancelled);
    // A change that nobody was promised yet lets the old alarm run, and is not deleted afterwards.
    node.links.hold(true);
    object.set_alarm(Some(9));
    assert_eq!(object.storage.begin_alarm(at(5)), AlarmRun::Runs);
    object.storage.end_alarm(AlarmRunEnd::Succeeded);
    object.end_turn();
    node.links.hold(false);
    object.run();
    assert_eq!(node.durable().1, Some(9));
}

#[test]
fn an_alarm_that_the_cache_never_saw_is_only_deleted_if_it_is_still_at_its_time() {
    let (node, object) = with_alarm(9);
    object.storage.evict_clean();
    assert_eq!(
        object.storage.begin_alarm(at(5)),
        AlarmRun::Runs,
        "the cache does not know better"
    );
    object.storage.end_alarm(AlarmRunEnd::Succeeded);
    object.end_turn();
    assert_eq!(node.durable().1, Some(9));
    assert_eq!(object.alarm(), Some(9), "asked for again");
}

#[test]
fn an_alarm_that_was_never_sent_is_deleted_after_its_run_whatever_the_service_has() {
    let (node, object) = with_alarm(9);
    node.links.hold(true);
    object.set_alarm(Some(5));
    assert_eq!(object.storage.begin_alarm(at(5)), AlarmRun::Runs);
    object.storage.end_alarm(AlarmRunEnd::Succeeded);
    object.end_turn();
    node.links.hold(false);
    object.run();
    assert_eq!(node.durable().1, None);
}
