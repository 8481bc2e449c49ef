//! Where the history has a gap: what a log held was moved into the database and not kept, and the log goes on.
//!
//! The story behind it: a bookmark of an early commit of such a log was accepted, and restoring it played that commit over a database that
//! had the later ones already: a mixture of two states, or a damaged file, without a word.

use std::time::Duration;

use super::{
    Activation, Node, PATH,
    disk::Loss,
    history::{WAL_BYTES_MAX, change, reopen, seen, segments},
};
use crate::storage::History;

const NOT_KEPT: &str = "The bookmark names a point that is not kept any more.";

/// Nothing that is moved into the database is kept.
fn without_room() -> History {
    History::keep(Duration::from_secs(1 << 40), 1)
}

fn node(history: History) -> Node {
    Node {
        wal_bytes_max: WAL_BYTES_MAX,
        history,
        ..Node::new()
    }
}

/// Makes changes until the log was moved into the database; the bookmark and the state after each.
fn change_until_moved(node: &Node, object: &Activation, from: i32) -> Vec<(String, String)> {
    let barriers = node.disk.barriers();
    let mut told = Vec::new();
    for number in from..from + 50 {
        change(object, number).expect("a change");
        told.push((object.bookmark(), seen(object)));
        if node.disk.barriers() > barriers {
            return told;
        }
    }
    panic!("the log was never moved");
}

/// States are long: of two that differ the ends tell.
fn same(found: &str, expected: &str, bookmark: &str) {
    let end = |state: &str| state[state.len().saturating_sub(200)..].to_owned();
    assert!(
        found == expected,
        "{bookmark}: found {}, expected {}",
        end(found),
        end(expected)
    );
}

/// Each bookmark either brings back its state or is refused. Returns how many were not refused.
fn check(node: &Node, mut object: Activation, told: &[(String, String)]) -> usize {
    let mut kept = 0;
    for (bookmark, state) in told {
        let before = seen(&object);
        match object.try_restore(bookmark) {
            Ok(undo) => {
                object = reopen(node, object);
                same(&seen(&object), state, bookmark);
                if object.try_restore(&undo).is_ok() {
                    object = reopen(node, object);
                    same(&seen(&object), &before, &undo);
                }
                kept += 1;
            }
            Err(error) => assert_eq!(error.message(), NOT_KEPT, "{bookmark}"),
        }
    }
    kept
}

#[test]
fn an_early_commit_of_a_log_that_was_moved_without_being_kept_is_refused() {
    let node = node(without_room());
    let object = node.open();
    let mut told = change_until_moved(&node, &object, 1);
    assert!(told.len() > 1, "there is an early commit");
    assert_eq!(segments(&node.disk).len(), 1);
    // The next activation appends to the same log.
    let object = reopen(&node, object);
    let (early, _) = told[0].clone();
    let error = object.try_restore(&early).expect_err("it is gone");
    assert_eq!(error.message(), NOT_KEPT);
    change(&object, 100).expect("a change");
    told.push((object.bookmark(), seen(&object)));
    change(&object, 101).expect("a change");
    told.push((object.bookmark(), seen(&object)));
    let last = told.len() - 2;
    assert!(
        check(&node, object, &told[last..]) >= 1,
        "what came after the gap is kept"
    );
}

#[test]
fn bookmarks_around_gaps_restore_exactly_or_are_refused_in_every_order_of_restarts() {
    let mut kept = 0;
    for (restart_each, room) in [(1, 1), (2, 1), (5, 1), (7, 1), (3, 200_000), (4, 400_000)] {
        let node = node(History::keep(Duration::from_secs(1 << 40), room));
        let mut object = node.open();
        let mut told = Vec::new();
        for number in 1..=30 {
            change(&object, number).expect("a change");
            told.push((object.bookmark(), seen(&object)));
            if number % restart_each == 0 {
                object = reopen(&node, object);
            }
        }
        object.run_to_durable();
        object.crash();
        // Each from the same files: going back costs room as well.
        for (number, one) in told.iter().enumerate() {
            let node = node.lose_power(Loss::Nothing);
            let object = node.open();
            let is_kept = check(&node, object, std::slice::from_ref(one));
            assert!(
                is_kept == 1 || number + 1 < told.len(),
                "the current state has a bookmark, after restarts each {restart_each}"
            );
            kept += is_kept;
        }
    }
    assert!(kept > 12, "{kept}");
}

#[test]
fn an_armed_restore_after_a_gap_is_kept_until_it_is_done() {
    let node = node(without_room());
    let object = node.open();
    change_until_moved(&node, &object, 1);
    let object = reopen(&node, object);
    change(&object, 100).expect("a change");
    let (bookmark, state) = (object.bookmark(), seen(&object));
    object.restore(&bookmark);
    for number in 101..=130 {
        change(&object, number).expect("a change");
    }
    assert_eq!(seen(&reopen(&node, object)), state);
}

#[test]
fn a_history_that_is_switched_on_begins_there() {
    let mut node = node(History::off());
    let object = node.open();
    change(&object, 1).expect("a change");
    // Where a bookmark would be that history could have told, had it been on.
    let early = object.storage.past.tag_of("00000001-00000001-00000000");
    change_until_moved(&node, &object, 2);
    object.crash();
    node.history = History::default();
    let object = node.open();
    let error = object.try_restore(&early).expect_err("it was never kept");
    assert_eq!(error.message(), NOT_KEPT);
    let mut told = vec![(object.bookmark(), seen(&object))];
    for number in 50..=80 {
        change(&object, number).expect("a change");
        told.push((object.bookmark(), seen(&object)));
    }
    assert_eq!(check(&node, object, &told), told.len());
}

#[test]
fn a_damaged_segment_of_the_log_that_goes_on_becomes_a_gap() {
    let node = node(History::default());
    let object = node.open();
    let told = change_until_moved(&node, &object, 1);
    let object = reopen(&node, object);
    let path = segments(&node.disk).pop().expect("a segment");
    node.disk.plant(&path, b"not what it was");
    let error = object.try_restore(&told[0].0).expect_err("it is damaged");
    assert_eq!(error.message(), "a part of the history is damaged");
    let mut after = change_until_moved(&node, &object, 100);
    let error = object.try_restore(&told[0].0).expect_err("it is gone");
    assert_eq!(error.message(), NOT_KEPT);
    let object = reopen(&node, object);
    change(&object, 150).expect("a change");
    after.push((object.bookmark(), seen(&object)));
    after.reverse();
    assert!(check(&node, object, &after[..1]) == 1);
}

#[test]
fn gaps_survive_the_loss_of_power_at_every_operation() {
    let run = |node: &Node| {
        let mut told = Vec::new();
        for from in [1, 20] {
            let Ok(object) = node.try_open() else { break };
            for number in from..from + 9 {
                if change(&object, number).is_err() || object.storage.database().is_err() {
                    return told;
                }
                let bookmark = object.turn(async |storage| storage.get_current_bookmark().await);
                let Ok(bookmark) = bookmark else { return told };
                if object.reply() != Some(Ok(())) {
                    return told;
                }
                told.push((bookmark, seen(&object)));
            }
            object.crash();
        }
        told
    };
    let whole = node(without_room());
    assert_eq!(run(&whole).len(), 18);
    let points = whole.disk.passages();
    let mut restores = 0;
    for point in 1..=points {
        let node = node(without_room());
        node.disk.cut_power_at(point);
        let mut told = run(&node);
        told.reverse();
        for loss in [Loss::Everything, Loss::Nothing, Loss::Some(point)] {
            let node = node.lose_power(loss);
            let object = node.open();
            restores += check(&node, object, &told);
        }
        node.tasks.clear();
    }
    assert!(restores > 200, "{restores} restores prove little");
}

#[test]
fn without_room_for_its_history_a_log_waits_and_the_object_goes_on() {
    let node = node(History::default());
    let object = node.open();
    object.put("count", 0);
    // For a log that is twice as long as usual, but not for a segment beside one of the usual length.
    node.disk.give_room(52_000);
    let mut number = 0;
    let log_len = loop {
        let log = node.disk.contents(&format!("{PATH}-wal"));
        number += 1;
        assert!(number < 100, "the room was never used up");
        let put = object.turn(async |storage| storage.put("count", number).await);
        if put.is_err() || object.reply() != Some(Ok(())) {
            break log.expect("there").len();
        }
    };
    assert!(
        log_len as u64 > WAL_BYTES_MAX + (12 << 10),
        "it ended with the first checkpoint, at {number}"
    );
    assert_eq!(segments(&node.disk), Vec::<String>::new());
    node.disk.give_room(usize::MAX);
    node.tasks.clear();
    let object = node.open();
    assert!(
        [number - 1, number]
            .map(i64::from)
            .contains(&object.count())
    );
    for number in 0..20 {
        object.put("count", number);
    }
    assert!(!segments(&node.disk).is_empty());
}
