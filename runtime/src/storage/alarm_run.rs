//! An alarm fires: whether its handler is to run, and what becomes of the stored alarm when it has.
//!
//! The scheduler may be early, late, or wrong after a crash; only the object's own storage knows what is due (AL-9). While the handler runs
//! the alarm counts as gone, but it is deleted only when the handler has succeeded, in the batch of its last turn (AL-10, AL-11): a
//! crash before that is durable runs it again. A handler that sets or deletes the alarm decides its fate itself (AL-12).
//!
//! In: the activation, when an alarm is delivered, when its handler has ended, and when it is given up.

use std::{cell::Cell, rc::Rc};

use futures_channel::oneshot;

use super::{
    ActivationStorage,
    batch::Confirm,
    engine::Engine,
    legacy::{AlarmRun, AlarmRunEnd, Answer},
    metadata::Row,
    object::ObjectStorage,
};
use crate::{
    Result,
    alarm::{is_earlier, traced},
    instrument::point,
    mutation::Mutation,
    platform::{LocalBoxFuture, WallTime},
};

/// The alarm whose handler runs.
#[derive(Default)]
pub(super) struct RunningAlarm {
    /// The time for which it runs.
    scheduled: Cell<Option<WallTime>>,
    /// The stored alarm that is deleted when it succeeds. Until then it counts as gone.
    deleted_on_success: Cell<Option<WallTime>>,
}

/// Whether an alarm that fired is to run its handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arming {
    /// It is. [`ActivationStorage::end_alarm`] must follow.
    Runs,
    /// The object's alarm is another one, durably, or there is none. The scheduler has been told.
    Canceled,
}

/// How a handler ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandlerEnd {
    Succeeded,
    /// The alarm stays as it is, and fires again.
    Failed,
}

impl RunningAlarm {
    /// The stored alarm counts as gone.
    pub(super) fn hides_alarm(&self) -> bool {
        self.deleted_on_success.get().is_some()
    }

    /// The object sets or deletes the alarm: it is not deleted when the handler ends.
    pub(super) fn decide(&self) {
        self.deleted_on_success.set(None);
    }

    /// What is to be put back if what happens from here on is undone.
    pub(super) fn save(&self) -> Option<WallTime> {
        self.deleted_on_success.get()
    }

    /// Undoes what was decided since.
    pub(super) fn restore(&self, saved: Option<WallTime>) {
        if self.scheduled.get().is_some() {
            self.deleted_on_success.set(saved);
        }
    }

    /// A handler runs.
    pub(super) fn is_running(&self) -> bool {
        self.scheduled.get().is_some()
    }
}

impl ObjectStorage {
    /// The alarm set for `scheduled` has fired; the time is `now`.
    async fn arm_alarm(
        self: Rc<Self>,
        scheduled: WallTime,
        now: impl Fn() -> WallTime,
    ) -> Result<Arming> {
        if self.is_in_doubt.get() {
            // What a former process left may be gone after a loss of power: only what is durable says what is due.
            let (done, durable) = oneshot::channel();
            self.durability.when_durable(move |outcome| {
                let _ = done.send(outcome); // the run may have been stopped
            });
            durable.await.unwrap_or(Ok(()))?;
        }
        self.know_alarm()?;
        let stored = self.stored_alarm()?;
        let durable = self.alarm_order.durable();
        let is_changing = stored != durable;
        let is_due = stored == Some(scheduled)
            || is_changing // nobody has been promised the change yet
            || is_earlier(stored, Some(now()))
            || (stored.is_none() && Mutation::DeletedAlarmRuns.is_active());
        point!(
            "alarm_arm",
            object = &*self.object,
            at = traced(Some(scheduled)),
            stored = traced(stored),
            durable = traced(durable),
            runs = is_due
        );
        if !is_due {
            self.alarm_order.tell(stored)?;
            return Ok(Arming::Canceled);
        }
        self.running_alarm.scheduled.set(Some(scheduled));
        // A change that is on its way to the disk must survive.
        let deleted = stored.filter(|_| stored == Some(scheduled) || !is_changing);
        self.running_alarm.deleted_on_success.set(deleted);
        Ok(Arming::Runs)
    }

    fn end_alarm(self: &Rc<Self>, end: HandlerEnd) -> Result<()> {
        self.running_alarm.scheduled.set(None);
        let deleted = self.running_alarm.deleted_on_success.take();
        if end == HandlerEnd::Failed || deleted.is_none() {
            return Ok(());
        }
        self.delete_alarm_if(deleted)
    }

    fn delete_alarm_if(self: &Rc<Self>, at: Option<WallTime>) -> Result<()> {
        if self.stored_alarm()? == at {
            self.touch_alarm()?;
            self.set_metadata(Row::Alarm, None, Confirm::Required)?;
            self.wrote();
        }
        Ok(())
    }

    /// The scheduler has given up the alarm set for `at` (AL-14).
    fn abandon_alarm(self: &Rc<Self>, at: WallTime) -> Result<()> {
        if self.running_alarm.scheduled.get().is_some() {
            return Ok(()); // something runs all the same, and decides
        }
        self.know_alarm()?;
        let stored = self.stored_alarm()?;
        if stored == Some(at) {
            return self.delete_alarm_if(stored);
        }
        if stored == self.alarm_order.durable() {
            self.alarm_order.tell(stored)?;
        }
        Ok(())
    }
}

impl ActivationStorage {
    /// The alarm set for `scheduled` has fired: whether its handler is to run. Called in a turn.
    ///
    /// # Errors
    /// The storage is closed or fails; the scheduler refuses.
    pub(crate) fn arm_alarm(&self, scheduled: WallTime) -> LocalBoxFuture<'static, Result<Arming>> {
        let now = Rc::clone(&self.now);
        match &self.engine {
            Engine::Sqlite(sqlite) => {
                Box::pin(Rc::clone(sqlite).arm_alarm(scheduled, move || now()))
            }
            Engine::Legacy(legacy) => {
                let (legacy, object) = (Rc::clone(legacy), Rc::clone(&self.object));
                Box::pin(async move {
                    legacy.when_out_of_doubt().await?;
                    let stored = match legacy.get_alarm()? {
                        Answer::Now(stored) => stored,
                        Answer::Later(stored) => stored.await?,
                    };
                    let run = legacy.begin_alarm(scheduled);
                    point!(
                        "alarm_arm",
                        object = &*object,
                        at = traced(Some(scheduled)),
                        stored = traced(stored),
                        durable = traced(legacy.durable_alarm()),
                        runs = run == AlarmRun::Runs
                    );
                    match run {
                        AlarmRun::Runs => Ok(Arming::Runs),
                        AlarmRun::Cancelled => {
                            legacy.tell_scheduler(stored)?;
                            Ok(Arming::Canceled)
                        }
                    }
                })
            }
        }
    }

    /// Its handler has ended. Called in the handler's last turn, whose batch carries the deletion.
    ///
    /// # Errors
    /// The storage is closed or fails.
    pub(crate) fn end_alarm(&self, end: HandlerEnd) -> Result<()> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.end_alarm(end),
            Engine::Legacy(legacy) => {
                legacy.end_alarm(match end {
                    HandlerEnd::Succeeded => AlarmRunEnd::Succeeded,
                    HandlerEnd::Failed => AlarmRunEnd::Failed,
                });
                Ok(())
            }
        }
    }

    /// The scheduler has given up the alarm set for `at`: it is deleted if it is still that one. Called in a turn.
    ///
    /// # Errors
    /// The storage is closed or fails; the scheduler refuses.
    pub(crate) fn abandon_alarm(&self, at: WallTime) -> LocalBoxFuture<'static, Result<()>> {
        match &self.engine {
            Engine::Sqlite(sqlite) => {
                let sqlite = Rc::clone(sqlite);
                Box::pin(async move { sqlite.abandon_alarm(at) })
            }
            Engine::Legacy(legacy) => {
                let legacy = Rc::clone(legacy);
                Box::pin(async move { legacy.abandon_alarm(at).await })
            }
        }
    }
}
