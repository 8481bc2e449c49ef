//! The order of requests to the scheduler and of commits: told by a scheduler that answers when the test says so.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use futures_channel::oneshot;

use super::{Activation, Node, PATH, disk::Loss};
use crate::{
    Error, Result, ScheduledTime, Storage,
    alarm::AlarmSink,
    platform::{LocalBoxFuture, WallTime},
};

/// 2100-01-01T00:00Z.
pub(super) const LATER: i64 = 4_102_444_800_000;

/// A scheduler that writes down what it is asked, and answers when it is told to.
#[derive(Default)]
pub(super) struct Scheduler {
    asked: RefCell<Vec<Option<i64>>>,
    waiting: RefCell<Vec<oneshot::Sender<Result<()>>>>,
    refuses: Cell<bool>,
    /// What it wakes the object for.
    at: Cell<Option<WallTime>>,
}

impl AlarmSink for Scheduler {
    fn schedule(&self, at: Option<WallTime>) -> Result<LocalBoxFuture<'static, Result<()>>> {
        if self.refuses.get() {
            return Err(Error::from("no").with_reset());
        }
        let millis = at.map(|at| at.as_millis() - LATER);
        self.asked.borrow_mut().push(millis);
        self.at.set(at);
        let (answer, answered) = oneshot::channel();
        self.waiting.borrow_mut().push(answer);
        Ok(Box::pin(async move { answered.await.unwrap_or(Ok(())) }))
    }

    fn scheduled(&self) -> Option<WallTime> {
        self.at.get()
    }
}

impl Scheduler {
    /// What it was asked since the last time, in milliseconds after [`LATER`].
    pub(super) fn asked(&self) -> Vec<Option<i64>> {
        self.asked.take()
    }

    pub(super) fn answers(&self, answer: &Result<()>) {
        for waiting in self.waiting.take() {
            let _ = waiting.send(answer.clone());
        }
    }
}

fn node() -> (Node, Rc<Scheduler>) {
    let scheduler = Rc::<Scheduler>::default();
    let node = Node {
        alarms: scheduler.clone(),
        ..Node::new()
    };
    (node, scheduler)
}

/// Sets the alarm so many milliseconds after [`LATER`], or deletes it.
pub(super) fn set(object: &Activation, alarm: Option<i64>) {
    object
        .turn(async |storage| write(&storage, alarm).await)
        .expect("written");
}

pub(super) async fn write(storage: &Storage, alarm: Option<i64>) -> Result<()> {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    match alarm {
        Some(millis) => {
            let at = ScheduledTime::at_millis((LATER + millis) as f64);
            storage.set_alarm(at).await
        }
        None => storage.delete_alarm().await,
    }
}

pub(super) fn stored(object: &Activation) -> Option<i64> {
    let stored = object.turn(async |storage| storage.get_alarm().await);
    stored.expect("read").map(|at| at - LATER)
}

/// What a loss of power leaves that spares everything it can.
fn after_power_loss(node: &Node) -> Option<i64> {
    stored(&node.lose_power(Loss::Nothing).open())
}

/// Settled at `alarm`, with nothing under way.
pub(super) fn settled_at(alarm: Option<i64>) -> (Node, Rc<Scheduler>, Activation) {
    let (node, scheduler) = node();
    let object = node.open();
    object.put("other", 1);
    set(&object, alarm);
    object.tasks.run();
    scheduler.answers(&Ok(()));
    object.run_to_durable();
    scheduler.asked();
    (node, scheduler, object)
}

#[test]
fn an_earlier_alarm_is_not_on_the_disk_before_the_scheduler_has_it() {
    for before in [None, Some(9)] {
        let (node, scheduler, object) = settled_at(before);
        set(&object, Some(5));
        object.put("later turn", 1);
        assert_eq!(scheduler.asked(), [Some(5)]);
        assert_eq!(stored(&object), Some(5), "the object goes on at once");
        assert_eq!(object.get("later turn"), Some(1));
        assert_eq!(object.reply(), None);
        assert_eq!(after_power_loss(&node), before);
        scheduler.answers(&Ok(()));
        assert_eq!(object.reply(), Some(Ok(())));
        assert_eq!(after_power_loss(&node), Some(5));
        assert_eq!(scheduler.asked(), [None; 0], "it knows already");
    }
}

#[test]
fn a_scheduler_that_refuses_keeps_the_commit_from_being_made() {
    let (node, scheduler, object) = settled_at(None);
    scheduler.refuses.set(true);
    set(&object, Some(5));
    assert!(matches!(object.reply(), Some(Err(_))));
    assert_eq!(stored(&node.open()), None);
    // Or it finds out later that it could not make it durable.
    let (node, scheduler, object) = settled_at(None);
    set(&object, Some(5));
    assert_eq!(object.reply(), None);
    scheduler.answers(&Err(Error::from("no")));
    assert!(matches!(object.reply(), Some(Err(_))));
    assert_eq!(after_power_loss(&node), None);
}

#[test]
fn a_later_alarm_is_told_when_it_is_durable_and_of_several_only_the_last() {
    let (node, scheduler, object) = settled_at(Some(1));
    node.disk.hold_syncs(true);
    for alarm in [Some(2), None, Some(7)] {
        set(&object, alarm);
        object.tasks.run();
    }
    assert_eq!(scheduler.asked(), [None; 0]);
    object.run_to_durable();
    assert_eq!(scheduler.asked(), [Some(7)]);
    // Nobody waits for its answer.
    assert_eq!(object.reply(), Some(Ok(())));
    set(&object, None);
    object.run_to_durable();
    assert_eq!(scheduler.asked(), [None]);
}

#[test]
fn what_leaves_the_alarm_as_it_was_is_not_told() {
    let (_node, scheduler, object) = settled_at(Some(3));
    set(&object, Some(3));
    object
        .turn(async |storage| {
            write(&storage, Some(1)).await?;
            write(&storage, None).await?;
            write(&storage, Some(3)).await
        })
        .expect("written");
    let undone: Result<()> = object.turns(async |storage: Storage| {
        storage
            .transaction(|txn| async move {
                txn.set_alarm(0).await?;
                Err(Error::from("undone"))
            })
            .await
    });
    assert!(undone.is_err());
    object.run_to_durable();
    assert_eq!(scheduler.asked(), [None; 0]);
}

#[test]
fn a_transaction_tells_when_the_outermost_one_commits() {
    let (_node, scheduler, object) = settled_at(Some(3));
    let seen = Rc::clone(&scheduler);
    let done: Result<()> = object.turns(async move |storage: Storage| {
        let inner = storage.clone();
        storage
            .transaction(move |_| async move {
                let nested: Result<()> = inner
                    .transaction(|txn| async move {
                        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
                        let at = ScheduledTime::at_millis((LATER + 1) as f64);
                        txn.set_alarm(at).await
                    })
                    .await;
                assert_eq!(seen.asked(), [None; 0]);
                nested
            })
            .await
    });
    done.expect("committed");
    assert_eq!(scheduler.asked(), [Some(1)]);
}

#[test]
fn commits_behind_one_that_waits_keep_their_order() {
    let (node, scheduler, object) = settled_at(None);
    set(&object, Some(5));
    set(&object, Some(9)); // later than what is under way, and not told before it is durable
    set(&object, Some(2)); // earlier again: it must be known, too
    assert_eq!(scheduler.asked(), [Some(5), Some(2)]);
    object.tasks.run();
    assert_eq!(after_power_loss(&node), None);
    scheduler.answers(&Ok(()));
    object.run_to_durable();
    assert_eq!(after_power_loss(&node), Some(2));
    assert_eq!(scheduler.asked(), [None; 0]);
}

#[test]
fn an_activation_that_ends_while_its_commit_waits_has_never_made_it() {
    let (node, scheduler, object) = settled_at(Some(8));
    set(&object, Some(5));
    object.crash();
    scheduler.answers(&Ok(()));
    node.run_tasks();
    let object = node.open();
    assert_eq!(stored(&object), Some(8));
    assert_eq!(
        scheduler.asked(),
        [Some(5)],
        "it wakes the object too early, and that is all"
    );
}

#[test]
fn a_commit_that_was_given_up_never_counts_as_durable() {
    let (node, _scheduler, object) = settled_at(Some(8));
    node.disk.hold_syncs(true);
    object.put("before", 1);
    object.tasks.run(); // its sync is under way
    set(&object, Some(5));
    object
        .storage
        .shut_down(Error::from("another one has taken its place"));
    node.disk.hold_syncs(false);
    // Whoever still waits for what it wrote: the gate was not told, as if it were that of an activation that goes on speaking.
    let waits = Rc::new(Cell::new(None));
    let told = Rc::clone(&waits);
    object
        .storage
        .durability
        .when_durable(move |outcome| told.set(Some(outcome.is_ok())));
    object.tasks.run();
    assert_eq!(waits.get(), Some(false));
    assert_eq!(after_power_loss(&node), Some(8));
}

#[test]
fn a_scheduler_that_lost_its_index_is_told_when_the_object_comes_into_memory() {
    let (node, scheduler, object) = settled_at(Some(8));
    object.crash();
    scheduler.at.set(None);
    let object = node.open();
    assert_eq!(scheduler.asked(), [Some(8)]);
    object.crash();
    scheduler.at.set(Some(WallTime::from_millis(LATER)));
    node.open();
    assert_eq!(scheduler.asked(), [None; 0], "too early is no harm");
}

#[test]
fn a_checkpoint_waits_for_a_commit_that_is_held_back() {
    let (node, scheduler, object) = settled_at(None);
    object.storage.wal_bytes_max.set(10_000);
    let database_bytes = || node.disk.contents(PATH).map(|contents| contents.len());
    let before = database_bytes();
    object
        .turn(async |storage| {
            storage.put("long", "x".repeat(40_000)).await?;
            write(&storage, Some(5)).await
        })
        .expect("written");
    assert_eq!(database_bytes(), before);
    assert_eq!(after_power_loss(&node), None);
    scheduler.answers(&Ok(()));
    object.run_to_durable();
    assert_eq!(database_bytes(), before, "a later turn does it");
    object.put("later turn", 1);
    assert!(database_bytes() > before);
}

#[test]
fn a_restore_of_an_earlier_alarm_is_not_on_the_disk_before_the_scheduler_has_it() {
    let (node, scheduler, object) = settled_at(Some(5));
    let bookmark = object.bookmark();
    set(&object, Some(9));
    object.run_to_durable();
    object.restore(&bookmark);
    object.run_to_durable();
    object.crash();
    assert_eq!(scheduler.asked(), [Some(9)]);
    let log = || node.disk.contents(&format!("{PATH}-wal"));
    let before = log();
    let object = node.open();
    assert_eq!(scheduler.asked(), [Some(5)]);
    assert_eq!(stored(&object), Some(5), "the object goes on at once");
    assert_eq!(object.reply(), None);
    assert_eq!(log(), before);
    scheduler.answers(&Ok(()));
    assert_eq!(object.reply(), Some(Ok(())));
    assert_ne!(log(), before);
}
