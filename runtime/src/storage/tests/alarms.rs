//! The alarm as a stored value.

use super::{NOW, Node, disk::Loss};
use crate::{Error, ScheduledTime, SetAlarmOptions};

/// 2100-01-01T00:00Z.
const LATER: i64 = 4_102_444_800_000;

fn at(millis: i64) -> ScheduledTime {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    ScheduledTime::at_millis(millis as f64)
}

#[test]
fn an_alarm_is_kept_replaced_and_removed_across_activations() {
    let node = Node::new();
    let object = node.open();
    object
        .turn(async |storage| {
            assert_eq!(storage.get_alarm().await?, None);
            storage.set_alarm(at(LATER)).await?;
            storage.set_alarm(at(LATER + 1)).await
        })
        .expect("set");
    object.crash();
    let object = node.open();
    assert_eq!(
        object.turn(async |storage| storage.get_alarm().await),
        Ok(Some(LATER + 1))
    );
    object
        .turn(async |storage| storage.delete_alarm().await)
        .expect("delete");
    object.crash();
    assert_eq!(
        node.open().turn(async |storage| storage.get_alarm().await),
        Ok(None)
    );
}

#[test]
fn an_alarm_in_the_past_is_an_alarm_now() {
    let object = Node::new().open();
    object
        .turn(async |storage| storage.set_alarm(at(1000)).await)
        .expect("set");
    assert_eq!(
        object.turn(async |storage| storage.get_alarm().await),
        Ok(Some(NOW))
    );
}

#[test]
fn setting_what_is_set_writes_nothing() {
    let object = Node::new().open();
    object.disk.hold_syncs(true);
    object
        .turn(async |storage| storage.set_alarm(at(LATER)).await)
        .expect("set");
    assert_eq!(object.reply(), None, "the first one must become durable");
    let before = object.storage.confirmed_batch();
    object
        .turn(async |storage| {
            storage.set_alarm(at(LATER)).await?;
            storage.get_alarm().await
        })
        .expect("set again");
    assert_eq!(object.storage.confirmed_batch(), before);
    let untouched = Node::new().open();
    untouched
        .turn(async |storage| storage.delete_alarm().await)
        .expect("nothing to delete");
    assert_eq!(untouched.storage.confirmed_batch(), 0);
}

#[test]
fn an_alarm_is_part_of_the_batch_and_holds_the_gate_unless_it_is_unconfirmed() {
    let node = Node::new();
    let object = node.open();
    object.put("before", 1);
    object.run_to_durable();
    node.disk.hold_syncs(true);
    object
        .turn(async |storage| {
            storage.put("k", 1).await?;
            storage.set_alarm(at(LATER)).await
        })
        .expect("write");
    let after = node.lose_power(Loss::Everything).open();
    assert_eq!(
        after.get("k"),
        None,
        "neither was synced, so neither may be there without the other"
    );
    assert_eq!(
        after.turn(async |storage| storage.get_alarm().await),
        Ok(None)
    );
    let object = node.open();
    object.run_to_durable();
    object.disk.hold_syncs(true);
    let unconfirmed = SetAlarmOptions {
        allow_unconfirmed: Some(true),
        ..SetAlarmOptions::default()
    };
    object
        .turn(async |storage| {
            storage
                .set_alarm_with_options(at(LATER + 7), unconfirmed)
                .await
        })
        .expect("set");
    assert_eq!(object.reply(), Some(Ok(())));
}

#[test]
fn without_a_handler_only_setting_is_refused() {
    let object = Node::new().open();
    object.whole.allow_alarms(false);
    let refused = object.turn(async |storage| storage.set_alarm(at(LATER)).await);
    assert_eq!(
        refused,
        Err(Error::type_error(
            "Your Durable Object class must have an alarm() handler in order to call setAlarm()"
        ))
    );
    object
        .turn(async |storage| {
            assert_eq!(storage.get_alarm().await?, None);
            storage.delete_alarm().await
        })
        .expect("these never check");
}
