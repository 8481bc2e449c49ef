//! The legacy storage of one activation: opened with it, broken or shut down with it, never repaired.
//!
//! When a write fails for good, the output gate breaks, and with it the activation. Until that has shut the storage down, writes are
//! still accepted into memory and never sent (LKVTX-4); from then on every call fails with the reason, and nothing of the activation
//! reaches the files any more, which its successor may have opened.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    rc::{Rc, Weak},
};

use futures_channel::oneshot;
use futures_util::future::{AbortHandle, Abortable};

use super::{
    cache::Cache,
    flush::Batches,
    limits::{CACHE_BYTES_MAX, memory_exceeded},
    reads::Reads,
    rpc::Connection,
    service::Service,
    signal::Signal,
};
use crate::{
    Error, Result,
    gate::output::OutputGate,
    instrument::point,
    platform::{Clock, Entropy, Links, Spawn, WallTime},
    storage::{Left, StorageSetup},
};

/// The legacy storage of one activation. See the module for how it is called.
pub(crate) struct LegacyStorage {
    pub(super) object: Rc<str>,
    pub(super) clock: Rc<dyn Clock>,
    pub(super) gate: Rc<OutputGate>,
    entropy: Rc<dyn Entropy>,
    spawn: Rc<dyn Spawn>,
    links: Rc<dyn Links>,
    service: Rc<Service>,
    pub(super) delete_all_deletes_alarm: bool,
    pub(super) cache: RefCell<Cache>,
    pub(super) batches: RefCell<Batches>,
    pub(super) reads: Reads,
    /// Told when dirty data became less, or when that will never happen.
    pub(super) drained: Signal,
    /// A write failed for good.
    pub(super) failed: RefCell<Option<Error>>,
    closed: RefCell<Option<Error>>,
    tasks: RefCell<Vec<AbortHandle>>,
    /// Results of reads that are not in the cache yet, in bytes.
    pub(super) reading_bytes: Cell<usize>,
}

/// How many finished tasks may stand in the list of running ones before it is tidied up.
const TASKS_BEFORE_CLEANING: usize = 64;

impl LegacyStorage {
    /// Opens the service's files of the object, making them if there are none.
    ///
    /// The files of a former activation may hold commits that no sync has covered. So the output gate is held until they are synced.
    ///
    /// # Errors
    /// Naming the object, if the disk fails or the file is no database. The files are left as they are.
    pub(crate) fn open(setup: StorageSetup) -> Result<Rc<Self>> {
        let storage = Rc::new(Self {
            object: Rc::clone(&setup.object),
            clock: Rc::clone(&setup.clock),
            gate: Rc::clone(&setup.gate),
            entropy: Rc::clone(&setup.entropy),
            spawn: Rc::clone(&setup.spawn),
            links: Rc::clone(&setup.links),
            delete_all_deletes_alarm: setup.delete_all_deletes_alarm,
            cache: RefCell::new(Cache::new(setup.clock.now())),
            batches: RefCell::default(),
            reads: Reads::default(),
            drained: Signal::default(),
            failed: RefCell::default(),
            closed: RefCell::default(),
            tasks: RefCell::default(),
            reading_bytes: Cell::new(0),
            service: Service::open(setup)?,
        });
        if storage.service.is_in_doubt() {
            let confirmation = storage.gate.hold();
            let weak: Weak<Self> = Rc::downgrade(&storage);
            storage.service.when_durable(move |outcome| match outcome {
                Ok(()) => confirmation.confirm(),
                Err(error) => {
                    if let Some(storage) = weak.upgrade() {
                        storage.fail(error.clone());
                    }
                    confirmation.fail(error);
                }
            });
        }
        Ok(storage)
    }

    /// Completes when what the service had when it was opened is durable.
    ///
    /// # Errors
    /// It cannot become durable.
    pub(crate) async fn when_out_of_doubt(&self) -> Result<()> {
        let (done, durable) = oneshot::channel();
        self.service.when_durable(move |outcome| {
            let _ = done.send(outcome); // whoever waited may have been stopped
        });
        durable.await.unwrap_or(Ok(()))
    }

    /// The last alarm that is known to be durable.
    pub(crate) fn durable_alarm(&self) -> Option<WallTime> {
        self.service.durable_alarm()
    }

    /// Whether the scheduler may be told `at` once more, because it has that time already, or the object has it durably.
    pub(super) fn may_repeat_alarm(&self, at: WallTime) -> bool {
        self.service.may_repeat_alarm(at)
    }

    /// Has the scheduler wake the object at `at`: at its alarm, or earlier.
    ///
    /// # Errors
    /// The scheduler's.
    pub(crate) fn tell_scheduler(&self, at: Option<WallTime>) -> Result<()> {
        self.service.tell_scheduler(at)
    }

    /// How this activation leaves the files, if it ends now.
    pub(crate) fn left(&self) -> Left {
        if self.service.is_settled() {
            Left::Durable
        } else {
            Left::InDoubt
        }
    }

    /// Discards what no flush has carried yet and stops everything; every later call fails with `reason`. What the service has applied
    /// goes on to the disk and may or may not land (SHUT-1).
    pub(crate) fn shut_down(&self, reason: Error) {
        if self.closed.borrow().is_some() {
            return;
        }
        *self.closed.borrow_mut() = Some(reason);
        self.service.close();
        let tasks = self.tasks.take();
        for task in tasks {
            task.abort();
        }
        let cache = self.cache.replace(Cache::new(self.clock.now()));
        drop(cache); // those who waited for a count learn that there will be none
        self.abandon_batches(&self.why_stopped());
        self.drained.notify();
    }

    /// A write failed for good, or it is not known whether it did: the object must be reset.
    pub(super) fn fail(&self, error: Error) {
        if self.failed.borrow().is_some() || self.closed.borrow().is_some() {
            return;
        }
        let reason = error.clone();
        *self.failed.borrow_mut() = Some(error.clone());
        point!(
            "storage_broken",
            object = &*self.object,
            reason = error.message()
        );
        // Tells the activation, which shuts this storage down; before the batches, whose ends would break the gate for other reasons.
        self.gate.break_with(error);
        self.abandon_batches(&reason);
        self.drained.notify();
    }

    /// # Errors
    /// The reason for which the storage is closed.
    pub(super) fn require_open(&self) -> Result<()> {
        match &*self.closed.borrow() {
            Some(reason) => Err(reason.clone()),
            None => Ok(()),
        }
    }

    /// Why something that was waited for will never come.
    pub(super) fn why_stopped(&self) -> Error {
        let closed = self.closed.borrow().clone();
        closed.unwrap_or_else(|| {
            Error::from("output lock was canceled before completion").with_reset()
        })
    }

    /// Drops cached data that are too many or too old; what cannot be dropped must not overflow either (LK-15, LK-40).
    ///
    /// # Errors
    /// The original's, if the memory is exceeded: the object is reset then, and unwritten changes are lost.
    pub(super) fn limit_memory(&self) -> Result<()> {
        let bytes = {
            let mut cache = self.cache.borrow_mut();
            cache.evict(self.clock.now());
            cache.bytes() + self.reading_bytes.get()
        };
        if bytes <= CACHE_BYTES_MAX {
            return Ok(());
        }
        let error = memory_exceeded();
        self.fail(error.clone());
        self.shut_down(error.clone());
        Err(error)
    }

    /// Drops all data from the cache that the service has as well; returns whether there were any. It never changes what a call gives, only whether it
    /// suspends (LK-15).
    pub(crate) fn forget_clean(&self) -> bool {
        self.cache.borrow_mut().evict_all_clean()
    }

    /// The same, and the alarm as well: as if this activation had never seen it.
    #[cfg(test)]
    pub(crate) fn evict_clean(&self) {
        self.forget_clean();
        let mut cache = self.cache.borrow_mut();
        if !cache.has_pending_delete_all() {
            cache.alarm.evict();
        }
    }

    pub(super) fn connect(&self) -> Connection {
        Connection::open(&self.links, &self.service, &self.object)
    }

    /// Runs `task` until it is done or the storage is shut down.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let (abort, registration) = AbortHandle::new_pair();
        {
            let mut tasks = self.tasks.borrow_mut();
            if tasks.len() >= TASKS_BEFORE_CLEANING {
                tasks.retain(|task| !task.is_aborted());
            }
            tasks.push(abort.clone());
        }
        self.spawn.spawn(Box::pin(async move {
            let _ = Abortable::new(task, registration).await; // stopped on purpose
            abort.abort(); // marks it as done for the cleaning above
        }));
    }

    /// A name under which an internal failure can be found in the trace.
    pub(super) fn reference(&self) -> String {
        const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
        let mut bytes = [0; 24];
        self.entropy.fill(&mut bytes);
        bytes
            .iter()
            .map(|byte| char::from(DIGITS[usize::from(byte % 32)]))
            .collect()
    }
}
