//! The alarm slot: what is known of the object's one alarm, and what the next flush does to it.
//!
//! An alarm is a change like any other and travels in the flush (AL-8). While its handler runs it counts as gone, but is only deleted
//! when the handler has succeeded (AL-10, AL-11), and only if the service still has the time for which the handler ran: a cache that
//! did not know the alarm must not delete one that it never saw (AL-13).

use std::rc::Rc;

use super::{Answer, LegacyStorage, cache::Written};
use crate::{PutOptions, Result, platform::WallTime, storage::batch::Confirm};

/// What a flush does to the stored alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AlarmChange {
    Set(Option<WallTime>),
    /// Delete it if it is still at this time.
    DeleteIf(WallTime),
}

/// What is known of the alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AlarmKnown {
    Unknown,
    Known(Option<WallTime>),
}

/// The alarm in the cache.
pub(super) struct AlarmSlot {
    known: AlarmKnown,
    /// What is still to be written, and the number of the change.
    pub(super) dirty: Option<(u64, AlarmChange)>,
    /// The time for which the handler is running, as long as its success means that the alarm is deleted.
    running: Option<WallTime>,
    /// The time for which the handler is running, whatever becomes of the alarm.
    scheduled: Option<WallTime>,
}

impl Default for AlarmSlot {
    fn default() -> Self {
        Self {
            known: AlarmKnown::Unknown,
            dirty: None,
            running: None,
            scheduled: None,
        }
    }
}

impl AlarmSlot {
    pub(super) fn look(&self) -> AlarmKnown {
        match self.running {
            Some(_) => AlarmKnown::Known(None),
            None => self.known,
        }
    }

    /// Sets the alarm; `number` is that of the change, if it is one (AL-6).
    pub(super) fn write(&mut self, at: Option<WallTime>, number: u64) -> Written {
        // A handler that sets or deletes the alarm decides its fate itself (AL-12).
        self.running = None;
        if self.known == AlarmKnown::Known(at) {
            return if self.dirty.is_some() {
                Written::Pending
            } else {
                Written::Durable
            };
        }
        self.known = AlarmKnown::Known(at);
        self.dirty = Some((number, AlarmChange::Set(at)));
        Written::Changed
    }

    /// What the service answered. A change that was made meanwhile wins.
    pub(super) fn fill(&mut self, at: Option<WallTime>) {
        if self.known == AlarmKnown::Unknown {
            self.known = AlarmKnown::Known(at);
        }
    }

    /// The change `number` is durable.
    pub(super) fn settle(&mut self, number: u64, deleted: bool) {
        let Some((_, change)) = self.dirty.take_if(|(dirty, _)| *dirty == number) else {
            return; // set again meanwhile
        };
        if matches!(change, AlarmChange::DeleteIf(_)) && !deleted {
            self.known = AlarmKnown::Unknown;
        }
    }

    /// Whatever is stored, and whatever is still to be written, will be deleted (LK-22).
    pub(super) fn forget_for_delete_all(&mut self) {
        *self = Self {
            known: AlarmKnown::Known(None),
            dirty: None,
            running: None,
            scheduled: self.scheduled,
        };
    }

    /// The data are gone: the stored alarm goes next, unless a newer one is to be written (LK-22).
    pub(super) fn delete_after_delete_all(&mut self, number: u64) {
        self.dirty.get_or_insert((number, AlarmChange::Set(None)));
    }

    /// Drops what is known and stored.
    #[cfg(test)]
    pub(super) fn evict(&mut self) {
        if self.dirty.is_none() {
            self.known = AlarmKnown::Unknown;
        }
    }

    fn begin_run(&mut self, scheduled: WallTime) -> AlarmRun {
        let differs = match self.known {
            AlarmKnown::Unknown => false,
            AlarmKnown::Known(at) => at != Some(scheduled),
        };
        match (differs, self.dirty) {
            (true, None) => return AlarmRun::Cancelled,
            // Nobody has been promised that change yet, so the old alarm may run; the new one is not to be deleted afterwards.
            (true, Some(_)) => {}
            (false, _) => self.running = Some(scheduled),
        }
        self.scheduled = Some(scheduled);
        AlarmRun::Runs
    }

    fn end_run(&mut self, end: AlarmRunEnd, number: u64) -> Written {
        self.scheduled = None;
        let Some(scheduled) = self.running.take() else {
            return Written::Durable;
        };
        if end == AlarmRunEnd::Failed {
            return Written::Durable;
        }
        let change = if self.dirty.is_some() {
            AlarmChange::Set(None) // the service may have another time still
        } else {
            AlarmChange::DeleteIf(scheduled)
        };
        self.known = AlarmKnown::Known(None);
        self.dirty = Some((number, change));
        Written::Changed
    }
}

/// Whether an alarm that fired is to run its handler (AL-9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AlarmRun {
    Runs,
    /// The object's alarm is at another time, durably: ask for it and let that one fire.
    Cancelled,
}

/// How a handler ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AlarmRunEnd {
    Succeeded,
    /// The alarm stays as it is, and fires again.
    Failed,
}

impl LegacyStorage {
    /// The object's alarm, or `None`, also while its handler runs and has not set a new one.
    ///
    /// # Errors
    /// The reason for which the storage is closed. Later: the connection was lost twice, or the service failed.
    pub(crate) fn get_alarm(self: &Rc<Self>) -> Result<Answer<Option<WallTime>>> {
        self.require_open()?;
        if let AlarmKnown::Known(at) = self.cache.borrow().alarm.look() {
            return Ok(Answer::Now(at));
        }
        let storage = Rc::clone(self);
        Ok(Answer::Later(self.read(async move {
            let at = storage.ask(|connection| connection.alarm()).await?;
            storage.cache.borrow_mut().alarm.fill(at);
            Ok(at)
        })))
    }

    /// Sets the alarm, or deletes it with `None`. The caller has checked and raised the time (AL-2 to AL-4).
    ///
    /// # Errors
    /// The reason for which the storage is closed.
    pub(crate) fn set_alarm(
        self: &Rc<Self>,
        at: Option<WallTime>,
        options: PutOptions,
    ) -> Result<Answer<()>> {
        self.require_open()?;
        let (written, runs) = {
            let mut cache = self.cache.borrow_mut();
            let number = cache.next_number();
            let runs = cache.alarm.scheduled.is_some();
            (cache.alarm.write(at, number), runs)
        };
        if let Some(repeated) = at
            && runs
            && self.may_repeat_alarm(repeated)
        {
            self.tell_scheduler(at)?; // the very alarm whose handler runs: it must fire again, although nothing changes
        }
        self.wrote(written, options);
        self.after_write()
    }

    /// The alarm set for `scheduled` has fired: whether its handler is to run. If so, [`end_alarm`](Self::end_alarm) must follow.
    pub(crate) fn begin_alarm(&self, scheduled: WallTime) -> AlarmRun {
        self.cache.borrow_mut().alarm.begin_run(scheduled)
    }

    /// The handler has ended. If it has succeeded and touched no alarm, the alarm is deleted, as a confirmed write.
    pub(crate) fn end_alarm(self: &Rc<Self>, end: AlarmRunEnd) {
        let written = {
            let mut cache = self.cache.borrow_mut();
            let number = cache.next_number();
            cache.alarm.end_run(end, number)
        };
        if written == Written::Changed {
            self.arm(Confirm::Required);
        }
    }

    /// The scheduler has given up the alarm set for `at`: it is deleted if it is still that one (AL-14).
    ///
    /// # Errors
    /// The storage is closed or breaks; the scheduler refuses.
    pub(crate) async fn abandon_alarm(self: &Rc<Self>, at: WallTime) -> Result<()> {
        self.when_out_of_doubt().await?;
        let stored = match self.get_alarm()? {
            Answer::Now(stored) => stored,
            Answer::Later(stored) => stored.await?,
        };
        if self.cache.borrow().alarm.scheduled.is_some() {
            return Ok(()); // something runs all the same, and decides
        }
        if stored == Some(at) {
            self.set_alarm(None, PutOptions::default())?;
        } else if self.cache.borrow().alarm.dirty.is_none() {
            self.tell_scheduler(stored)?;
        }
        Ok(())
    }
}
