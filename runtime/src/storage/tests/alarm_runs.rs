//! An alarm that fires, held against what the object's storage holds.

use super::{
    Activation,
    alarm_order::{LATER, set, settled_at, stored, write},
    poll_once,
};
use crate::{
    Error, Result, Storage,
    platform::WallTime,
    storage::{Arming, HandlerEnd},
};

/// Delivers the alarm for so many milliseconds after [`LATER`].
fn arm(object: &Activation, at: i64) -> Option<Result<Arming>> {
    let armed = object.whole.arm_alarm(WallTime::from_millis(LATER + at));
    let armed = poll_once(armed);
    object.storage.end_turn();
    armed
}

/// The handler of the alarm that runs comes to its end.
fn succeed(object: &Activation) {
    object
        .whole
        .end_alarm(HandlerEnd::Succeeded)
        .expect("ended");
    object.run_to_durable();
}

#[test]
fn an_alarm_that_fires_is_held_against_what_is_stored() {
    let (_node, scheduler, object) = settled_at(Some(5));
    // Durably another one: the scheduler is told, and nothing runs.
    assert_eq!(arm(&object, 3), Some(Ok(Arming::Canceled)));
    assert_eq!(scheduler.asked(), [Some(5)]);
    // That very one.
    assert_eq!(arm(&object, 5), Some(Ok(Arming::Runs)));
    assert_eq!(stored(&object), None, "it counts as gone");
    object.whole.end_alarm(HandlerEnd::Failed).expect("ended");
    assert_eq!(stored(&object), Some(5), "it is there again");
    // A change that nobody was promised yet: the old one may run, and the new one is not deleted with it.
    object.disk.hold_syncs(true);
    set(&object, Some(9));
    assert_eq!(arm(&object, 5), Some(Ok(Arming::Runs)));
    succeed(&object);
    assert_eq!(stored(&object), Some(9));
    // None any more.
    set(&object, None);
    object.run_to_durable();
    scheduler.asked();
    assert_eq!(arm(&object, 9), Some(Ok(Arming::Canceled)));
    assert_eq!(scheduler.asked(), [None]);
}

#[test]
fn after_a_crash_an_alarm_waits_until_what_is_stored_is_durable() {
    let (node, _scheduler, object) = settled_at(Some(5));
    object.crash();
    node.disk.hold_syncs(true);
    let object = node.open();
    assert_eq!(arm(&object, 5), None);
    object.run_to_durable();
    assert_eq!(arm(&object, 5), Some(Ok(Arming::Runs)));
}

#[test]
fn an_alarm_set_again_to_its_own_time_fires_again_unless_that_is_undone() {
    let (_node, scheduler, object) = settled_at(Some(5));
    assert_eq!(arm(&object, 5), Some(Ok(Arming::Runs)));
    set(&object, Some(5));
    assert_eq!(scheduler.asked(), [Some(5)], "although nothing changes");
    succeed(&object);
    assert_eq!(stored(&object), Some(5));
    assert_eq!(arm(&object, 5), Some(Ok(Arming::Runs)));
    let undone = object.turn(async |storage| {
        storage.transaction_sync(|| {
            poll_once(write(&storage, Some(5))).expect("it does not suspend")?;
            Err::<(), _>(Error::from("undone"))
        })
    });
    assert!(undone.is_err());
    succeed(&object);
    assert_eq!(stored(&object), None);
}

#[test]
fn a_transaction_that_is_undone_leaves_a_running_alarm_to_be_deleted() {
    let (_node, _scheduler, object) = settled_at(Some(5));
    assert_eq!(arm(&object, 5), Some(Ok(Arming::Runs)));
    let undone: Result<()> = object.turns(async |storage: Storage| {
        storage
            .transaction(|txn| async move {
                txn.delete_alarm().await?;
                Err(Error::from("undone"))
            })
            .await
    });
    assert!(undone.is_err());
    succeed(&object);
    assert_eq!(stored(&object), None);
}

#[test]
fn an_abandoned_alarm_is_deleted_if_it_is_still_that_one() {
    let (_node, scheduler, object) = settled_at(Some(5));
    let abandon = |at: i64| {
        let told = object
            .whole
            .abandon_alarm(WallTime::from_millis(LATER + at));
        poll_once(told).expect("at once").expect("told");
        object.run_to_durable();
    };
    abandon(3);
    assert_eq!(
        (stored(&object), scheduler.asked()),
        (Some(5), vec![Some(5)])
    );
    abandon(5);
    assert_eq!((stored(&object), scheduler.asked()), (None, vec![None]));
}

#[test]
fn an_alarm_that_fires_for_another_time_runs_if_the_objects_own_is_past() {
    let (node, _scheduler, object) = settled_at(Some(5));
    node.now.set(LATER + 5);
    let fires_for_its_own_time = Some(Ok(Arming::Canceled));
    assert_eq!(arm(&object, 3), fires_for_its_own_time);
    node.now.set(LATER + 6);
    assert_eq!(arm(&object, 3), Some(Ok(Arming::Runs)));
    succeed(&object);
    assert_eq!(stored(&object), None, "it is the one that ran");
}

#[test]
fn an_alarm_that_fires_before_it_is_durable_is_deleted_by_its_run() {
    let (_node, scheduler, object) = settled_at(Some(9));
    object.disk.hold_syncs(true);
    set(&object, Some(5));
    scheduler.answers(&Ok(()));
    assert_eq!(arm(&object, 5), Some(Ok(Arming::Runs)));
    succeed(&object);
    assert_eq!(stored(&object), None);
}

#[test]
fn a_handler_that_sets_a_later_alarm_tells_the_scheduler_when_that_is_durable() {
    let (_node, scheduler, object) = settled_at(Some(5));
    assert_eq!(arm(&object, 5), Some(Ok(Arming::Runs)));
    object.disk.hold_syncs(true);
    set(&object, Some(9));
    assert_eq!(object.reply(), None);
    assert_eq!(scheduler.asked(), [None; 0]);
    object.run_to_durable();
    assert_eq!(scheduler.asked(), [Some(9)]);
}
