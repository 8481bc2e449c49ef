//! The shape of a flush, and that it happens as a whole or not at all.

use super::*;
use crate::platform::Leg;

#[test]
fn the_writes_of_a_turn_are_one_flush_and_later_turns_join_until_it_starts() {
    let node = Node::new();
    let object = node.open();
    node.links.hold(true);
    object.put("a", "1");
    object.put("b", "1");
    object.end_turn();
    assert_eq!(node.links.take_calls(), [1]);
    object.put("c", "1");
    object.end_turn();
    object.put("d", "1");
    object.end_turn();
    assert_eq!(node.links.take_calls(), [0; 0], "one flush at a time");
    node.links.hold(false);
    object.run();
    assert_eq!(node.links.take_calls(), [1], "both turns in one message");
    assert_eq!(node.durable().0.len(), 4);
}

#[test]
fn a_flush_has_as_few_messages_as_its_changes_allow() {
    let node = Node::new();
    let object = node.open();
    let flush = |changes: &dyn Fn()| {
        changes();
        object.end_turn();
        node.links.take_calls()
    };
    assert_eq!(flush(&|| put_all(&object, &many("k", 128))), [1], "one put");
    assert_eq!(
        flush(&|| put_all(&object, &many("l", 129))),
        [3],
        "two puts and a commit"
    );
    assert_eq!(flush(&|| object.set_alarm(Some(9))), [1], "one alarm");
    assert_eq!(
        flush(&|| assert_eq!(object.delete(&["k0000", "k0001"]), 2)),
        [1],
        "one delete"
    );
    assert_eq!(
        flush(&|| {
            object.delete(&["k0002"]);
            object.put("k0001", "again");
            object.set_alarm(None);
        }),
        [4],
        "a delete, a put, an alarm and a commit"
    );
    assert_eq!(object.alarm(), None);
    assert_eq!(object.list(everything()).len(), 128 - 2 + 129);
}

#[test]
fn only_the_last_value_of_a_key_is_written() {
    let node = Node::new();
    let object = node.open();
    let value = |number: usize| format!("{number}{}", "x".repeat(3000));
    for number in 0..100 {
        object.put("k", &value(number));
    }
    let bytes_before = node
        .disk
        .contents(&format!("{PATH}-wal"))
        .map_or(0, |log| log.len());
    object.end_turn();
    let bytes = node
        .disk
        .contents(&format!("{PATH}-wal"))
        .expect("a log")
        .len()
        - bytes_before;
    assert!(bytes < 60_000, "{bytes}");
    assert_eq!(node.durable().0["k"], value(99));
}

#[test]
fn a_retry_carries_what_was_written_since() {
    let node = Node::new();
    let object = node.open();
    node.links.hold(true);
    node.links.lose([Leg::Call]);
    object.write(&[("a", "1"), ("b", "1")]);
    object.write(&[("a", "2"), ("c", "1")]);
    node.links.hold(false);
    object.run();
    assert_eq!(object.reply(), Some(Ok(())));
    assert_eq!(
        node.links.take_calls(),
        [1, 1],
        "the second flush has nothing left to do"
    );
    assert_eq!(
        object.list(everything()),
        pairs(&[("a", "2"), ("b", "1"), ("c", "1")])
    );
    assert_eq!(node.durable().0["a"], "2");
}

#[test]
fn a_value_that_was_rewritten_during_its_flush_stays_to_be_written() {
    let node = Node::new();
    let object = node.open();
    node.links.hold(true);
    object.write(&[("k", "old")]);
    object.write(&[("k", "new")]);
    node.links.hold(false);
    object.run();
    assert_eq!(node.links.take_calls(), [1, 1]);
    assert_eq!(node.durable().0["k"], "new");
}

#[test]
fn with_no_cache_a_write_is_forgotten_once_it_is_durable() {
    let node = Node::new();
    let object = node.open();
    object.list(everything());
    object.put_with("k", "1", uncached());
    now(object.storage.get("k", Caching::Keep));
    object.end_turn();
    assert!(matches!(
        object.storage.get("k", Caching::Keep),
        Ok(Answer::Later(_))
    ));
    assert_eq!(object.get("k").as_deref(), Some("1"));
}

/// A list that was on its way while an uncached write became durable must not bring the value back that was there before.
#[test]
fn a_forgotten_write_is_not_replaced_by_what_an_earlier_read_found() {
    for reply_comes_first in [true, false] {
        let node = Node::new();
        let object = node.open();
        object.write(&[("k", "old"), ("l", "v")]);
        object.storage.evict_clean();
        object.put_with("k", "new", uncached());
        node.links
            .delay([[3, 0], [0, if reply_comes_first { 0 } else { 6 }]]);
        object.storage.end_turn();
        node.tasks.run(); // the flush has started, so it does not wait for the list
        let list = later(object.storage.list(everything(), Caching::Keep));
        object.run();
        let list = object.wait(Ok(Answer::Later(list))).expect("list");
        assert_eq!(texts(list), pairs(&[("k", "new"), ("l", "v")]));
        assert_eq!(object.get("k").as_deref(), Some("new"));
        assert_eq!(object.list(everything())[0].1, "new");
    }
}

#[test]
fn a_deletion_of_unknown_keys_waits_for_the_service_to_count() {
    let node = Node::new();
    let object = node.open();
    object.write(&[("a", "1"), ("b", "1"), ("c", "1")]);
    object.storage.evict_clean();
    object.get("c");
    let keys = ["a", "c", "missing", "a"];
    let deleted = later(object.storage.delete(&keys, PutOptions::default()));
    assert!(
        now(object.storage.get("a", Caching::Keep)).is_none(),
        "it is gone at once"
    );
    assert_eq!(now(object.storage.delete(&["a"], PutOptions::default())), 0);
    assert_eq!(object.wait(Ok(Answer::Later(deleted))), Ok(2));
    assert_eq!(node.durable().0.keys().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn a_counted_deletion_is_sent_although_the_key_was_written_again() {
    let node = Node::new();
    let object = node.open();
    object.write(&[("k", "old")]);
    object.storage.evict_clean();
    let deleted = later(object.storage.delete(&["k"], PutOptions::default()));
    object.put("k", "new");
    node.links.take_calls();
    object.end_turn();
    assert_eq!(node.links.take_calls(), [3], "delete, put, commit");
    assert_eq!(object.wait(Ok(Answer::Later(deleted))), Ok(1));
    assert_eq!(node.durable().0["k"], "new");
}

#[test]
fn a_deletion_whose_caller_has_gone_is_not_counted() {
    let node = Node::new();
    let object = node.open();
    object.write(&[("k", "old"), ("l", "old")]);
    object.storage.evict_clean();
    drop(later(object.storage.delete(&["k"], PutOptions::default())));
    object.put("k", "new");
    drop(later(object.storage.delete(&["l"], PutOptions::default())));
    node.links.take_calls();
    object.end_turn();
    assert_eq!(
        node.links.take_calls(),
        [3],
        "the deletion of l, the put, the commit"
    );
    assert_eq!(
        node.durable().0,
        pairs(&[("k", "new")]).into_iter().collect()
    );
}

#[test]
fn a_counted_deletion_that_a_lost_attempt_had_applied_counts_less() {
    for (leg, counted) in [(Leg::Call, 2), (Leg::Reply, 0)] {
        let node = Node::new();
        let object = node.open();
        object.write(&[("a", "1"), ("b", "1")]);
        object.storage.evict_clean();
        node.links.lose([leg]);
        assert_eq!(object.delete(&["a", "b"]), counted);
        assert_eq!(node.durable().0.len(), 0);
    }
}

#[test]
fn a_transaction_of_the_service_that_lost_a_part_is_not_applied() {
    let node = Node::new();
    let object = node.open();
    object.write(&[("before", "v")]);
    node.links.lose([Leg::Call, Leg::Reply]);
    put_all(&object, &many("k", 300));
    object.end_turn();
    assert_eq!(object.reply(), Some(Ok(())));
    assert_eq!(
        node.links.take_calls(),
        [1, 4, 4, 4],
        "each attempt sends everything"
    );
    assert_eq!(node.durable().0.len(), 301);
}

#[test]
fn a_commit_that_arrives_without_a_part_of_its_transaction_applies_nothing() {
    let node = Node::new();
    let object = node.open();
    node.links.lose_only(2);
    put_all(&object, &many("k", 300));
    object.end_turn();
    assert!(
        object
            .broken()
            .message()
            .starts_with("Internal error in Durable Object storage write")
    );
    assert_eq!(
        node.links.take_calls(),
        [4; 5],
        "five attempts, each with its commit"
    );
    assert_eq!(node.durable().0.len(), 0);
}

/// What a node was when its power went, or its process died, at each passage of `scenario` on a copy of `base`: which passage, whether
/// the scenario had succeeded, and the states in which the node may be found.
fn interruptions(
    base: &Rc<TestDisk>,
    wal_bytes_max: u64,
    scenario: impl Fn(&Object) -> bool,
) -> impl Iterator<Item = (u64, bool, Vec<State>)> {
    (1..).map_while(move |passage| {
        let node = Node::with_disk(base.after_power_loss(Loss::Everything));
        node.wal_bytes_max.set(wal_bytes_max);
        node.seed.set(passage); // so the keys go in another order each time
        node.disk.cut_power_at(passage);
        let acknowledged = node.try_open().is_ok_and(|object| {
            let acknowledged = scenario(&object);
            object.crash();
            acknowledged
        });
        if node.disk.passages() < passage {
            assert!(acknowledged, "without a fault it succeeds");
            return None;
        }
        let losses = [
            Loss::Everything,
            Loss::Nothing, // also what a process that died leaves
            Loss::Some(passage),
            Loss::Some(passage + 1000),
            Loss::Some(passage + 2000),
        ];
        let states = losses.map(|loss| node.lose_power(loss).open().state());
        Some((passage, acknowledged, states.into()))
    })
}

#[test]
fn a_flush_of_several_messages_survives_as_a_whole_or_not_at_all_wherever_the_power_goes() {
    let base = Node::new();
    base.open().write(&[("k0000", "old"), ("gone", "old")]);
    let new: State = (many("k", 300).into_iter().collect(), Some(5));
    let old = base.durable();
    let scenario = |object: &Object| {
        put_all(object, &many("k", 300));
        drop(object.storage.delete(&["gone"], PutOptions::default()));
        object.set_alarm(Some(5));
        object.end_turn();
        object.reply() == Some(Ok(()))
    };
    let (mut seen, mut passages) = ([false; 2], 0);
    // Once without and once with a checkpoint after the commit.
    let sweeps = [WAL_BYTES_MAX, 10_000].map(|max| interruptions(&base.disk, max, scenario));
    for (passage, acknowledged, states) in sweeps.into_iter().flatten() {
        passages += 1;
        for state in states {
            assert!(
                state == old || state == new,
                "a part survived at {passage}: {:?}",
                state.1
            );
            assert!(
                state == new || !acknowledged,
                "acknowledged and lost at {passage}"
            );
            seen[usize::from(state == new)] = true;
        }
    }
    assert_eq!(seen, [true; 2], "the sweep saw both");
    assert!(passages > 10, "the flush lost its passages: {passages}");
}

/// The disk before, and the sets of keys that an interrupted `deleteAll` may leave.
#[test]
fn an_interrupted_delete_all_leaves_exactly_the_states_that_it_may() {
    let old = many("old", 600);
    let (before, after) = (many("pre", 5), many("post", 5));
    let base = Node::new();
    let object = base.open();
    put_all(&object, &old);
    object.end_turn();
    let scenario = |object: &Object| {
        put_all(object, &before);
        object.delete_all();
        put_all(object, &after);
        object.end_turn();
        object.reply() == Some(Ok(()))
    };
    let (mut seen, mut subsets) = (
        std::collections::BTreeSet::new(),
        std::collections::BTreeSet::new(),
    );
    // Once without and once with checkpoints in between.
    let sweeps = [WAL_BYTES_MAX, 10_000].map(|max| interruptions(&base.disk, max, scenario));
    for (passage, acknowledged, states) in sweeps.into_iter().flatten() {
        for (entries, _) in states {
            let of = |prefix: &str| entries.keys().filter(|key| key.starts_with(prefix)).count();
            let found = (of("old"), of("pre"), of("post"));
            let kind = match found {
                (600, 0, 0) => "old",
                (600, 5, 0) => "old and before",
                (0, 0, 0) => "nothing",
                (0, 0, 5) => "after",
                (_, _, 0) => {
                    let left = found.0 + found.1;
                    assert_eq!((605 - left) % 128, 0, "at {passage}: {found:?}");
                    subsets.insert(entries.keys().cloned().collect::<Vec<_>>());
                    "a part"
                }
                _ => panic!("at {passage}: {found:?}"),
            };
            assert!(
                kind == "after" || !acknowledged,
                "acknowledged, and {kind} at {passage}"
            );
            seen.insert(kind);
        }
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
    assert!(
        subsets.len() > 8,
        "parts like each other: {}",
        subsets.len()
    );
    let first_keys_gone = |keys: &Vec<String>| keys.last().is_some_and(|key| key == "pre0004");
    let last_keys_gone = |keys: &Vec<String>| keys.first().is_some_and(|key| key == "old0000");
    assert!(subsets.iter().any(first_keys_gone) && subsets.iter().any(last_keys_gone));
}
