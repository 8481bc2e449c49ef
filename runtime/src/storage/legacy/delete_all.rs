//! `deleteAll`: three steps, which are not atomic together (LK-21).
//!
//! 1. A flush of what was written before the call: it is not skipped.
//! 2. The service removes everything, a few keys at a time, each time durably. For a large object that takes long, and may be stopped in
//!    between by a crash or by the limit of the output gate. Then an arbitrary part of the keys is gone, and calling again
//!    goes on from there (LK-25).
//! 3. A flush of what was written after the call.
//!
//! Each step waits for the one before, so nothing of step 3 is ever seen beside remains of step 1 (LK-26). In the cache everything is
//! absent from the call on (LK-20).
//!
//! Two rough edges of the original are not kept: a flush of later writes is confirmed if they are, whatever the `deleteAll` was (LKVTX-3);
//! and an alarm that was set after the call is never deleted with the old one (LK-22).

use std::{collections::BTreeMap, rc::Rc};

use futures_channel::oneshot;

use super::{
    Answer, LegacyStorage, Stored,
    cache::{Cache, Key, Written},
    contents::{CountedDelete, Part},
    limits::WRITE_ATTEMPTS_MAX,
    service::Failure,
};
use crate::{
    PutOptions, Result,
    platform::{Instant, LocalBoxFuture},
};

/// What a `deleteAll` gives.
pub(crate) struct DeletedAll {
    /// When the caller may go on: as for every write.
    pub(crate) answer: Answer<()>,
    /// How many keys the service removed; 0 if this call became part of one that was not finished (LK-23). The object API of the
    /// original does not show it.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the API has no count, like that of the original")
    )]
    pub(crate) count: LocalBoxFuture<'static, Result<usize>>,
}

/// A `deleteAll` that the service has not carried out yet. Until then the whole key space is known, and every entry is dirty.
pub(super) struct PendingDeleteAll {
    /// The changes made before it: they are written first (LK-21).
    pub(super) before: BTreeMap<Key, (u64, Option<Stored>)>,
    pub(super) before_bytes: usize,
    pub(super) counted: Vec<Rc<CountedDelete>>,
    pub(super) deletes_alarm: bool,
    waiting: Option<oneshot::Sender<usize>>,
}

impl LegacyStorage {
    /// Removes everything, the alarm only if the setup says so. Inside a transaction it takes effect at once, outside of it (DEL-3).
    ///
    /// # Errors
    /// The reason for which the storage is closed.
    pub(crate) fn delete_all(self: &Rc<Self>, options: PutOptions) -> Result<DeletedAll> {
        self.require_open()?;
        let (waiting, deleted) = oneshot::channel();
        let now = self.clock.now();
        {
            let mut cache = self.cache.borrow_mut();
            cache.delete_all(self.delete_all_deletes_alarm, waiting, now);
        }
        self.wrote(Written::Changed, options);
        let storage = Rc::clone(self);
        Ok(DeletedAll {
            answer: self.after_write()?,
            count: Box::pin(async move {
                let deleted = deleted.await;
                deleted.map_err(|oneshot::Canceled| storage.why_stopped())
            }),
        })
    }

    pub(super) fn has_pending_delete_all(&self) -> bool {
        self.cache.borrow().has_pending_delete_all()
    }

    /// The first two steps; the third is the flush that follows.
    pub(super) async fn flush_delete_all(self: &Rc<Self>, batch: u64) -> Result<()> {
        let mut attempt = 1;
        while let Err(failure) = self.attempt(Part::BeforeDeleteAll, batch, attempt).await {
            if !matches!(failure, Failure::Disconnected) || attempt == WRITE_ATTEMPTS_MAX {
                return Err(self.write_failed(failure, "write"));
            }
            attempt += 1;
        }
        let mut attempt = 1;
        let deleted = loop {
            match self.connect().delete_all().await {
                Ok(deleted) => break deleted,
                Err(Failure::Disconnected) if attempt < WRITE_ATTEMPTS_MAX => attempt += 1,
                Err(failure) => return Err(self.write_failed(failure, "deleteAll()")),
            }
        };
        self.cache.borrow_mut().delete_all_done(deleted);
        self.drained.notify();
        Ok(())
    }
}

impl Cache {
    /// Everything is absent from now on (LK-20).
    pub(super) fn delete_all(
        &mut self,
        deletes_alarm: bool,
        waiting: oneshot::Sender<usize>,
        now: Instant,
    ) {
        self.epoch += 1;
        if deletes_alarm {
            self.alarm.forget_for_delete_all();
        }
        let entries = std::mem::take(&mut self.entries);
        let dirty_bytes = std::mem::take(&mut self.dirty_bytes);
        self.entry_bytes = 0;
        self.dirty.clear();
        self.uses.clear();
        let counted = std::mem::take(&mut self.counted);
        self.known.insert(b"", None, now);
        if self.delete_all.is_some() {
            // Nothing that was written between the two was ever sent, and nothing of it is left to delete (LK-23).
            let _ = waiting.send(0); // the caller may not wait
            return;
        }
        let before = entries
            .into_iter()
            .filter_map(|(key, entry)| Some((key, (entry.dirty?, entry.value))));
        self.delete_all = Some(PendingDeleteAll {
            before: before.collect(),
            before_bytes: dirty_bytes,
            counted,
            deletes_alarm,
            waiting: Some(waiting),
        });
    }

    pub(super) fn has_pending_delete_all(&self) -> bool {
        self.delete_all.is_some()
    }

    /// The service has removed everything, `deleted` keys.
    pub(super) fn delete_all_done(&mut self, deleted: usize) {
        let Some(pending) = self.delete_all.take() else {
            return;
        };
        if pending.deletes_alarm {
            let number = self.next_number();
            self.alarm.delete_after_delete_all(number);
        }
        if let Some(waiting) = pending.waiting {
            let _ = waiting.send(deleted); // the caller may not wait
        }
    }
}
