//! Writing: into the cache at once, and with the next flush to the service.
//!
//! A completed write promises nothing about durability (GEN-3): the output gate does. Limits are checked for every key and value of a
//! call before anything changes (KV-41).

use std::{cell::RefCell, rc::Rc};

use futures_channel::oneshot;

use super::{
    Answer, LegacyStorage, Stored,
    cache::{Key, Known, Written},
    contents::CountedDelete,
    limits::{DIRTY_BYTES_MAX, check_key, check_value},
};
use crate::{PutOptions, Result, platform::LocalBoxFuture, storage::batch::Confirm};

impl LegacyStorage {
    /// Stores `entries`, any number of them, in place of former ones; all or none.
    ///
    /// # Errors
    /// Range errors for keys of more than 2048 bytes and values of more than 131072 + 34 serialised bytes; nothing is written then. The
    /// reason for which the storage is closed. That the memory is exceeded: the object is reset then.
    pub(crate) fn put(
        self: &Rc<Self>,
        entries: Vec<(String, Vec<u8>)>,
        options: PutOptions,
    ) -> Result<Answer<()>> {
        self.require_open()?;
        for (key, value) in &entries {
            check_key(key)?;
            check_value(value)?;
        }
        for (key, value) in entries {
            self.write(&Key::from(&*key), Some(value.into()), options);
        }
        self.after_write()
    }

    /// Removes `keys`, any number of them; gives how many of them were there. A key that is named twice counts once.
    ///
    /// # Errors
    /// A range error for keys of more than 2048 bytes; nothing is removed then. Else as [`put`](Self::put).
    pub(crate) fn delete(
        self: &Rc<Self>,
        keys: &[impl AsRef<str>],
        options: PutOptions,
    ) -> Result<Answer<usize>> {
        self.require_open()?;
        for key in keys {
            check_key(key.as_ref())?;
        }
        let (mut deleted, mut unknown) = (0, Vec::new());
        for key in keys {
            let key = Key::from(key.as_ref());
            let known = self.cache.borrow_mut().look(&key, self.clock.now());
            match known {
                Known::Present(_) => deleted += 1,
                Known::Absent => {}
                Known::Unknown => unknown.push(key.clone()),
            }
            self.write(&key, None, options);
        }
        if unknown.is_empty() {
            return Ok(self.after_write()?.map(move |()| deleted));
        }
        let (waiting, counted) = oneshot::channel();
        self.cache.borrow_mut().count(CountedDelete {
            keys: unknown,
            already: deleted,
            waiting: RefCell::new(Some(waiting)),
        });
        self.limit_memory()?;
        let storage = Rc::clone(self);
        Ok(Answer::Later(Box::pin(async move {
            let deleted = counted.await;
            deleted.map_err(|oneshot::Canceled| storage.why_stopped())
        })))
    }

    /// Writes one change, unchecked.
    pub(super) fn write(self: &Rc<Self>, key: &Key, value: Option<Stored>, options: PutOptions) {
        let now = self.clock.now();
        let written = {
            let mut cache = self.cache.borrow_mut();
            cache.write(key, value, options.no_cache, now)
        };
        self.wrote(written, options);
    }

    /// Sees to it that a change is flushed, and that outputs wait for it.
    pub(super) fn wrote(self: &Rc<Self>, written: Written, options: PutOptions) {
        let confirm = if options.allow_unconfirmed {
            Confirm::Waived
        } else {
            Confirm::Required
        };
        match (written, confirm) {
            (Written::Changed, confirm) => self.arm(confirm),
            // The flush that carries it may be one that nobody waits for.
            (Written::Pending, Confirm::Required) => self.arm(Confirm::Required),
            (Written::Pending, Confirm::Waived) | (Written::Durable, _) => {}
        }
    }

    /// What a write gives: nothing, or that the caller is to wait.
    pub(super) fn after_write(self: &Rc<Self>) -> Result<Answer<()>> {
        self.limit_memory()?;
        Ok(match self.backpressure() {
            None => Answer::Now(()),
            Some(relief) => Answer::Later(relief),
        })
    }

    /// While too much is waiting to be written: a future that completes when it is not too much any more. Until then no event of the object
    /// may be delivered (LK-14).
    pub(crate) fn backpressure(self: &Rc<Self>) -> Option<LocalBoxFuture<'static, Result<()>>> {
        self.cache_is_crowded().then(|| {
            let storage = Rc::clone(self);
            Box::pin(async move {
                let relieved = || {
                    if let Err(closed) = storage.require_open() {
                        return Some(Err(closed));
                    }
                    if let Some(failed) = &*storage.failed.borrow() {
                        return Some(Err(failed.clone()));
                    }
                    (!storage.cache_is_crowded()).then_some(Ok(()))
                };
                storage.drained.until(relieved).await
            }) as LocalBoxFuture<'static, Result<()>>
        })
    }

    fn cache_is_crowded(&self) -> bool {
        self.cache.borrow().dirty_bytes() > DIRTY_BYTES_MAX
    }
}
