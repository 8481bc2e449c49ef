//! What the output gate waits for, and what breaks it.

use std::time::Duration;

use super::*;
use crate::platform::Leg;

#[test]
fn a_reply_is_held_from_the_write_until_its_flush_is_durable() {
    let node = Node::new();
    let object = node.open();
    assert_eq!(
        (object.reply(), object.storage.confirmed_batch()),
        (Some(Ok(())), 0)
    );
    object.put("k", "1");
    assert_eq!(object.storage.confirmed_batch(), 1);
    assert_eq!(
        object.reply(),
        None,
        "the turn has not ended, so nothing is flushed"
    );
    node.links.hold(true);
    object.end_turn();
    assert_eq!(object.reply(), None);
    node.disk.hold_syncs(true);
    node.links.hold(false);
    assert_eq!(
        object.reply(),
        None,
        "applied, and a loss of power could take it back"
    );
    assert_eq!(node.durable().0.len(), 0);
    node.disk.hold_syncs(false);
    assert_eq!(object.reply(), Some(Ok(())));
    assert_eq!(node.durable().0.len(), 1);
}

#[test]
fn an_unconfirmed_batch_holds_nothing_and_a_confirmed_write_upgrades_it() {
    let node = Node::new();
    let object = node.open();
    node.links.hold(true);
    assert!(object.storage.is_idle());
    object.put_with("k", "1", unconfirmed());
    assert!(!object.storage.is_idle());
    object.end_turn();
    assert!(!object.storage.is_idle());
    assert_eq!(
        (object.reply(), object.storage.confirmed_batch()),
        (Some(Ok(())), 0)
    );
    object.put_with("l", "1", unconfirmed());
    object.put("m", "1");
    assert_eq!(
        (object.reply(), object.storage.confirmed_batch()),
        (None, 2)
    );
    node.links.hold(false);
    object.end_turn();
    assert_eq!(object.reply(), Some(Ok(())));
    assert!(object.storage.is_idle());
}

#[test]
fn a_confirmed_write_that_changes_nothing_waits_for_the_unconfirmed_one_that_did() {
    for flush_has_started in [false, true] {
        let node = Node::new();
        let object = node.open();
        node.links.hold(true);
        object.put_with("k", "1", unconfirmed());
        now(object
            .storage
            .set_alarm(Some(WallTime::from_millis(5)), unconfirmed()));
        if flush_has_started {
            object.end_turn();
        }
        assert_eq!(object.reply(), Some(Ok(())));
        object.put("k", "1");
        assert_eq!(object.reply(), None);
        object.set_alarm(Some(5));
        node.links.hold(false);
        object.end_turn();
        assert_eq!(object.reply(), Some(Ok(())));
        assert_eq!(node.durable().0.len(), 1);
    }
}

#[test]
fn writing_what_is_stored_writes_nothing() {
    let node = Node::new();
    let object = node.open();
    object.write(&[("k", "1")]);
    object.set_alarm(Some(5));
    object.end_turn();
    node.links.take_calls();
    object.put("k", "1");
    object.set_alarm(Some(5));
    assert_eq!(object.delete(&["missing"]), 0);
    node.links.take_calls();
    object.delete(&["missing"]);
    object.end_turn();
    assert_eq!(node.links.take_calls(), [0; 0]);
    assert_eq!(object.reply(), Some(Ok(())));
}

#[test]
fn a_hold_on_the_gate_ends_after_thirty_seconds_with_the_object() {
    let node = Node::new();
    let object = node.open();
    node.links.hold(true);
    object.put_with("k", "1", unconfirmed());
    object.end_turn();
    node.clock.advance(Duration::from_secs(25));
    object.write(&[("l", "1")]); // its flush waits for the first one
    node.clock.advance(Duration::from_secs(29));
    assert_eq!(object.reply(), None, "only a confirmed write is in a hurry");
    node.clock.advance(Duration::from_secs(1));
    let error = object.broken();
    assert_eq!(
        error.message(),
        "Durable Object storage operation exceeded timeout which caused object to be reset."
    );
    assert!(error.durable_object_reset() && error.overloaded());
}

#[test]
fn a_failed_flush_breaks_the_gate_and_its_writes_do_not_come_back() {
    let node = Node::new();
    let object = node.open();
    object.write(&[("before", "v")]);
    node.disk.fill_up(true);
    object.write(&[("lost", "v")]);
    let error = object.broken();
    let (text, reference) = error
        .message()
        .split_once("; reference = ")
        .expect("a reference");
    assert_eq!(
        text,
        "Internal error in Durable Object storage write caused object to be reset"
    );
    assert_eq!(reference.len(), 24);
    assert!(error.durable_object_reset() && !error.retryable());
    node.disk.fill_up(false);
    node.links.take_calls();
    object.put("later", "v");
    assert_eq!(
        object.get("later").as_deref(),
        Some("v"),
        "accepted into memory"
    );
    object.end_turn();
    assert_eq!(node.links.take_calls(), [0; 0], "and never sent");
    object.crash();
    assert_eq!(node.open().list(everything()), pairs(&[("before", "v")]));
}

#[test]
fn an_unconfirmed_write_that_fails_breaks_the_gate_all_the_same() {
    let node = Node::new();
    let object = node.open();
    object.put_with("k", "1", unconfirmed());
    node.disk.fail_syncs();
    object.end_turn();
    assert!(
        object
            .broken()
            .message()
            .starts_with("Internal error in Durable Object storage write")
    );
}

#[test]
fn what_the_service_refuses_breaks_the_object_in_the_service_s_words() {
    let node = Node::new();
    let object = node.open();
    let mut transaction = object.storage.begin_transaction().expect("open");
    let key = "k".repeat(2049);
    transaction
        .put(vec![entry(&key, "v")], PutOptions::default())
        .expect("unchecked");
    now(transaction.commit());
    object.put("other", "v");
    object.end_turn();
    let error = object.broken();
    assert_eq!(
        (error.name(), error.message()),
        (
            "RangeError",
            "Keys cannot be larger than 2048 bytes. A key of size 2049 was provided."
        )
    );
    assert!(error.durable_object_reset());
    assert_eq!(node.durable().0.len(), 0);
}

#[test]
fn sync_waits_for_the_flushes_that_are_armed_and_starts_none() {
    let node = Node::new();
    let object = node.open();
    now(object.storage.sync());
    object.put_with("k", "1", unconfirmed());
    let mut synced = later(object.storage.sync());
    object.run();
    assert_eq!(poll_once(synced.as_mut()), None, "the turn has not ended");
    node.disk.hold_syncs(true);
    object.end_turn();
    assert_eq!(poll_once(synced.as_mut()), None);
    let also = later(object.storage.sync());
    node.disk.hold_syncs(false);
    object.run();
    assert_eq!(poll_once(synced.as_mut()), Some(Ok(())));
    assert_eq!(poll_once(also), Some(Ok(())));
    assert_eq!(node.durable().0.len(), 1);
    now(object.storage.sync());
}

#[test]
fn sync_fails_with_the_batch_it_waits_for() {
    let node = Node::new();
    let object = node.open();
    object.put("k", "1");
    let synced = later(object.storage.sync());
    node.disk.fail_syncs();
    object.end_turn();
    let error = object.broken();
    assert_eq!(poll_once(synced), Some(Err(error.clone())));
    assert_eq!(object.storage.sync().map(|_| ()), Err(error));
}

#[test]
fn after_a_shutdown_every_call_fails_with_the_reason_and_nothing_is_sent() {
    let node = Node::new();
    let object = node.open();
    object.write(&[("stored", "v")]);
    object.storage.evict_clean();
    node.links.hold(true);
    let read = later(object.storage.get("stored", Caching::Keep));
    let count = later(object.storage.delete(&["other"], PutOptions::default()));
    object.put("k", "1");
    let synced = later(object.storage.sync());
    object.storage.end_turn();
    let reason = Error::from("Durable Object storage is no longer accessible.");
    object.storage.shut_down(reason.clone());
    node.links.hold(false);
    object.run();
    assert_eq!(
        poll_once(read).map(|read| read.map(drop)),
        Some(Err(reason.clone()))
    );
    assert_eq!(poll_once(count), Some(Err(reason.clone())));
    assert_eq!(poll_once(synced), Some(Err(reason.clone())));
    let failed = |error: Error| assert_eq!(error, reason);
    failed(
        object
            .storage
            .get("k", Caching::Keep)
            .map(drop)
            .expect_err("closed"),
    );
    failed(
        object
            .storage
            .list(everything(), Caching::Keep)
            .map(drop)
            .expect_err("closed"),
    );
    failed(
        object
            .storage
            .put(Vec::new(), PutOptions::default())
            .map(drop)
            .expect_err("closed"),
    );
    failed(
        object
            .storage
            .delete(&["k"], PutOptions::default())
            .map(drop)
            .expect_err("closed"),
    );
    failed(
        object
            .storage
            .delete_all(PutOptions::default())
            .map(drop)
            .expect_err("closed"),
    );
    failed(object.storage.get_alarm().map(drop).expect_err("closed"));
    failed(
        object
            .storage
            .set_alarm(None, PutOptions::default())
            .map(drop)
            .expect_err("closed"),
    );
    failed(object.storage.sync().map(drop).expect_err("closed"));
    failed(
        object
            .storage
            .begin_transaction()
            .map(drop)
            .expect_err("closed"),
    );
    object.storage.end_turn();
    assert_eq!(object.broken(), reason);
    assert_eq!(node.durable().0.len(), 1);
}

#[test]
fn replies_after_a_crash_wait_until_the_former_life_is_durable() {
    let node = Node::new();
    let object = node.open();
    node.disk.hold_syncs(true);
    object.write(&[("k", "1")]);
    assert_eq!(object.storage.left(), Left::InDoubt);
    object.crash();
    let object = node.open();
    assert_eq!(object.get("k").as_deref(), Some("1"));
    assert_eq!(
        object.reply(),
        None,
        "a loss of power could still take it back"
    );
    node.disk.hold_syncs(false);
    assert_eq!(object.reply(), Some(Ok(())));
    assert_eq!(object.storage.left(), Left::Durable);
}

#[test]
fn an_object_that_never_wrote_sends_and_syncs_nothing() {
    let node = Node::new();
    let object = node.open();
    object.end_turn();
    assert_eq!(object.reply(), Some(Ok(())));
    assert_eq!((node.disk.syncs(), node.links.take_calls()), (0, vec![]));
}

#[test]
fn a_long_log_is_moved_into_the_database() {
    let node = Node::new();
    let object = node.open();
    for round in 10..70 {
        object.write(&[("k", &round.to_string().repeat(50_000)), ("l", "v")]);
        assert_eq!(object.reply(), Some(Ok(())));
    }
    assert!(node.disk.barriers() > 0, "no checkpoint");
    assert_eq!(node.durable().0["k"], "69".repeat(50_000));
}

#[test]
fn a_file_that_is_no_database_is_refused_by_name() {
    let node = Node::new();
    node.disk.plant(PATH, &[b'x'; 8192]);
    let error = node.try_open().map(drop).expect_err("no database");
    assert!(
        error
            .message()
            .starts_with("cannot open the storage of Counter/a (objects/Counter/a.kv): "),
        "{error}"
    );
}

#[test]
fn a_lost_connection_is_retried_four_times_at_once_and_the_fifth_loss_breaks_the_object() {
    for leg in [Leg::Call, Leg::Reply] {
        for losses in 1..=5 {
            let node = Node::new();
            let object = node.open();
            node.links.lose(std::iter::repeat_n(leg, losses));
            object.write(&[("k", "1")]);
            if losses <= 4 {
                assert_eq!(object.reply(), Some(Ok(())), "{losses} losses");
                assert_eq!(node.durable().0.len(), 1);
                assert_eq!(node.links.take_calls().len(), losses + 1);
            } else {
                let error = object.broken();
                assert!(
                    error.message().starts_with(
                        "Internal error in Durable Object storage write caused object to be reset; reference = "
                    ),
                    "{error}"
                );
                assert!(error.durable_object_reset() && error.retryable());
                assert_eq!(node.links.take_calls().len(), 5);
                let applied = usize::from(leg == Leg::Reply);
                assert_eq!(node.durable().0.len(), applied, "a loss may hide a success");
            }
        }
    }
}
