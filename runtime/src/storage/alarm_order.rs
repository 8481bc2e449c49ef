//! The order in which an object's database and the node's scheduler learn of a change of the alarm.
//!
//! The rule between them ([`alarm`](crate::alarm)): the scheduler's time is never later than the durable one. So
//! - a change to an *earlier* time goes to the scheduler first. The turn's commit is made, but held back from the disk
//!   ([`HeldLog`](super::held::HeldLog)) until the scheduler's index is durable. If the scheduler refuses, nothing is committed and the object is
//!   reset;
//! - a change to a *later* time, or to none, is committed first and told when that is durable. Nobody waits for it, and if it never
//!   arrives the object is woken once for nothing. Of several in a row only the last is told;
//! - what leaves the time as it was is not told at all.
//!
//! In: `alarm`, `delete_all` and a restore say that the alarm was touched; `batch` asks before and after each commit, and a transaction
//! that is not the outermost never gets here. Out: the node's [`AlarmSink`].

use std::{
    cell::Cell,
    rc::{Rc, Weak},
};

use futures_util::FutureExt as _;

use super::object::ObjectStorage;
use crate::{
    Error, Result,
    alarm::{AlarmSink, is_earlier, traced},
    instrument::point,
    mutation::Mutation,
    platform::{LocalBoxFuture, WallTime},
};

/// What is known of the alarm in both places.
pub(super) struct AlarmOrder {
    sink: Rc<dyn AlarmSink>,
    /// The other fields mean something.
    is_known: Cell<bool>,
    /// It was written since the last commit, perhaps.
    touched: Cell<bool>,
    /// In the database, as of the last commit.
    committed: Cell<Option<WallTime>>,
    /// The last that is known to be durable there.
    durable: Cell<Option<WallTime>>,
    /// What the scheduler was asked for last: it wakes the object then, or earlier.
    asked: Cell<Option<WallTime>>,
    /// Counts the changes that were committed.
    version: Cell<u64>,
    /// Requests to move earlier that are not durable yet: commits are held back until there is none.
    under_way: Cell<u32>,
}

/// A change of the alarm that a commit carries.
#[derive(Clone, Copy)]
pub(super) struct AlarmChange {
    at: Option<WallTime>,
    version: u64,
}

impl AlarmOrder {
    pub(super) fn new(sink: Rc<dyn AlarmSink>) -> Self {
        Self {
            sink,
            is_known: Cell::default(),
            touched: Cell::default(),
            committed: Cell::default(),
            durable: Cell::default(),
            asked: Cell::default(),
            version: Cell::default(),
            under_way: Cell::default(),
        }
    }

    /// The alarm that the files hold when they are opened. That the scheduler has it, or an earlier one, is taken for granted: it was so when it
    /// was written.
    pub(super) fn begin_with(&self, at: Option<WallTime>) {
        self.is_known.set(true);
        for place in [&self.committed, &self.durable, &self.asked] {
            place.set(at);
        }
    }

    /// Whether the scheduler may be told `at` once more, because it has that time already, or the object has it durably.
    pub(super) fn may_repeat(&self, at: WallTime) -> bool {
        self.asked.get() == Some(at) || self.durable.get() == Some(at)
    }

    /// Commits are held back.
    pub(super) fn is_waiting(&self) -> bool {
        self.under_way.get() > 0
    }

    /// Looks whether the scheduler would wake the object in time for the alarm that its files hold, and sees to it if not. It always would,
    /// unless its index was lost: the rule holds after every crash. Then this is the last chance to learn of it.
    ///
    /// # Errors
    /// The scheduler's.
    pub(super) fn repair(&self, object: &str, at: Option<WallTime>) -> Result<()> {
        let scheduled = self.sink.scheduled();
        if is_earlier(at, scheduled) {
            point!(
                "alarm_repaired",
                object = object,
                at = traced(at),
                scheduled = traced(scheduled)
            );
            drop(self.sink.schedule(at)?);
        }
        Ok(())
    }

    /// The last alarm that is known to be durable.
    pub(super) fn durable(&self) -> Option<WallTime> {
        self.durable.get()
    }

    /// Has the scheduler wake the object at `at`, whatever it was asked for before: `at` is the durable alarm, or earlier.
    ///
    /// # Errors
    /// The scheduler's.
    pub(super) fn tell(&self, at: Option<WallTime>) -> Result<()> {
        self.asked.set(at);
        drop(self.sink.schedule(at)?);
        Ok(())
    }
}

impl ObjectStorage {
    /// The alarm is about to be written, perhaps.
    ///
    /// # Errors
    /// The storage is closed.
    pub(super) fn touch_alarm(&self) -> Result<()> {
        self.know_alarm()?;
        self.alarm_order.touched.set(true);
        Ok(())
    }

    /// Reads what the files hold, before anything is written.
    pub(super) fn know_alarm(&self) -> Result<()> {
        if !self.alarm_order.is_known.get() {
            let at = self.stored_alarm()?;
            self.alarm_order.begin_with(at);
        }
        Ok(())
    }

    /// Before the commit of a batch: if it moves the alarm earlier, the scheduler is asked, and what is written from here on is held back
    /// until it has answered.
    ///
    /// # Errors
    /// The scheduler refused, or the storage is closed: there must be no commit.
    pub(super) fn alarm_before_commit(self: &Rc<Self>) -> Result<Option<AlarmChange>> {
        let order = &self.alarm_order;
        if !order.touched.take() {
            return Ok(None);
        }
        let at = self.stored_alarm()?;
        if at == order.committed.get() {
            return Ok(None);
        }
        point!("alarm_commit", object = &*self.object, at = traced(at));
        if is_earlier(at, order.asked.get()) && !Mutation::AlarmScheduledLate.is_active() {
            let durable = order.sink.schedule(at)?;
            order.asked.set(at);
            self.hold_until(durable)?;
        }
        let version = order.version.get() + 1;
        order.version.set(version);
        order.committed.set(at);
        Ok(Some(AlarmChange { at, version }))
    }

    fn hold_until(self: &Rc<Self>, mut durable: LocalBoxFuture<'static, Result<()>>) -> Result<()> {
        if let Some(outcome) = durable.as_mut().now_or_never() {
            return outcome; // nothing to wait for
        }
        self.held.hold();
        self.alarm_order
            .under_way
            .set(self.alarm_order.under_way.get() + 1);
        let storage: Weak<Self> = Rc::downgrade(self);
        self.durability.spawn(Box::pin(async move {
            let outcome = durable.await;
            if let Some(storage) = storage.upgrade() {
                storage.alarm_is_scheduled(outcome);
            }
        }));
        Ok(())
    }

    /// The scheduler has answered: the commits that waited for it go to the disk.
    fn alarm_is_scheduled(&self, outcome: Result<()>) {
        let order = &self.alarm_order;
        order.under_way.set(order.under_way.get() - 1);
        if self.database().is_err() {
            return; // the activation has ended, and what was held back with it
        }
        if let Err(refused) = outcome {
            return self.break_with(refused);
        }
        if order.under_way.get() == 0
            && let Err(error) = self.held.release()
        {
            self.break_with(
                Error::from(format!(
                    "Internal error in Durable Object storage write caused object to be reset: {error}"
                ))
                .with_reset(),
            );
        }
    }

    /// A change of the alarm is durable: if the scheduler would wake the object too early, it is told now.
    pub(super) fn alarm_is_durable(&self, change: AlarmChange) {
        let order = &self.alarm_order;
        let AlarmChange { at, version } = change;
        order.durable.set(at);
        point!("alarm_durable", object = &*self.object, at = traced(at));
        let is_last = order.version.get() == version; // a newer one tells by itself
        let too_early = is_earlier(order.asked.get(), at);
        let too_late = Mutation::AlarmScheduledLate.is_active() && order.asked.get() != at;
        if is_last && (too_early || too_late) && self.database().is_ok() {
            // If it cannot be told, the object is woken too early and says so then.
            let _ = order.tell(at);
        }
    }

    /// The files were set back to a former state, which `alarm_before` was not part of, and nothing of that has gone to the disk yet.
    ///
    /// # Errors
    /// The scheduler refused.
    pub(super) fn alarm_after_restore(
        self: &Rc<Self>,
        alarm_before: Option<WallTime>,
    ) -> Result<Option<AlarmChange>> {
        self.alarm_order.begin_with(alarm_before);
        self.alarm_order.touched.set(true);
        self.alarm_before_commit()
    }
}
