//! Reading: from the cache where it knows, else from the service.
//!
//! A read shows the moment of its call. What the cache knows is taken at the call; the service is asked for the rest, and no flush
//! that holds later changes is sent before it has answered (KV-3, LK-4). The question runs in a task of its own, so that a
//! caller who does not wait for the answer holds up nobody.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    future::Future,
    rc::Rc,
};

use futures_channel::oneshot;

use super::{
    Answer, Entries, LegacyStorage, Stored,
    cache::{Key, Known, Listed, known_part},
    limits::{PAIRS_MAX, READ_ATTEMPTS_MAX, check_pairs},
    rpc::{Connection, Reply},
    service::Failure,
    signal::Signal,
};
use crate::{Error, Result, instrument::point, platform::LocalBoxFuture, storage::options::Bounds};

/// Whether the result of a read stays in the cache (KV-22).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caching {
    Keep,
    /// As asked for by `no_cache`.
    Skip,
}

/// The reads that the service has not answered yet.
#[derive(Default)]
pub(super) struct Reads {
    begun: Cell<u64>,
    in_flight: RefCell<BTreeSet<u64>>,
    ended: Signal,
}

impl Reads {
    fn begin(&self) -> u64 {
        let number = self.begun.get();
        self.begun.set(number + 1);
        self.in_flight.borrow_mut().insert(number);
        number
    }

    fn end(&self, number: u64) {
        self.in_flight.borrow_mut().remove(&number);
        self.ended.notify();
    }

    /// Completes when the reads that are in flight now have ended; later ones do not matter.
    pub(super) async fn ended(&self) {
        let before = self.begun.get();
        let all_ended = || {
            let oldest = self.in_flight.borrow().first().copied();
            oldest.is_none_or(|oldest| oldest >= before).then_some(())
        };
        self.ended.until(all_ended).await;
    }
}

/// Ends a read however it ends.
struct InFlight(Rc<LegacyStorage>, u64);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.reads.end(self.1);
    }
}

impl LegacyStorage {
    /// The value of `key`, or `None` if there is none. The key's length is not checked (KV-41).
    ///
    /// # Errors
    /// The reason for which the storage is closed. Later: the connection was lost twice (`Network connection lost.`), or the service
    /// failed; the object is not reset for that (LK-13).
    pub(crate) fn get(
        self: &Rc<Self>,
        key: &str,
        caching: Caching,
    ) -> Result<Answer<Option<Stored>>> {
        let values = self.values(BTreeSet::from([Key::from(key)]), caching)?;
        Ok(values.map(|mut values| values.pop_first().map(|(_, value)| value)))
    }

    /// The values of those of `keys` that exist, in the order of the keys' bytes, each key once.
    ///
    /// # Errors
    /// A range error for more than 128 keys; else as [`get`](Self::get).
    pub(crate) fn get_multiple(
        self: &Rc<Self>,
        keys: &[impl AsRef<str>],
        caching: Caching,
    ) -> Result<Answer<Entries>> {
        check_pairs(keys.len())?;
        let keys = keys.iter().map(|key| Key::from(key.as_ref())).collect();
        Ok(self.values(keys, caching)?.map(as_entries))
    }

    /// The values of those of any number of `keys` that exist.
    pub(super) fn values(
        self: &Rc<Self>,
        keys: BTreeSet<Key>,
        caching: Caching,
    ) -> Result<Answer<BTreeMap<Key, Stored>>> {
        self.require_open()?;
        let (mut known, mut missing, epoch) =
            (BTreeMap::new(), Vec::new(), { self.cache.borrow().epoch() });
        for key in keys {
            match self.cache.borrow_mut().look(&key, self.clock.now()) {
                Known::Present(value) => {
                    known.insert(key, value);
                }
                Known::Absent => {}
                Known::Unknown => missing.push(key),
            }
        }
        if missing.is_empty() {
            return Ok(Answer::Now(known));
        }
        let storage = Rc::clone(self);
        Ok(Answer::Later(self.read(async move {
            let mut found = BTreeMap::new();
            for keys in missing.chunks(PAIRS_MAX) {
                found.extend(
                    storage
                        .ask(|connection| connection.get(keys.to_vec()))
                        .await?,
                );
            }
            if caching == Caching::Keep {
                let now = storage.clock.now();
                let mut cache = storage.cache.borrow_mut();
                cache.fill(epoch, &missing, &found, now);
            }
            found.extend(known);
            storage.limit_memory()?;
            Ok(found)
        })))
    }

    /// The entries within `bounds`, in their order.
    ///
    /// # Errors
    /// As [`get`](Self::get). Later also: the result does not fit into the memory, and the object is reset (LK-40).
    pub(crate) fn list(
        self: &Rc<Self>,
        bounds: Bounds,
        caching: Caching,
    ) -> Result<Answer<Entries>> {
        Ok(self.entries(bounds, caching)?.map(|entries| {
            entries
                .into_iter()
                .map(|(key, value)| (key.0.to_string(), value))
                .collect()
        }))
    }

    pub(super) fn entries(
        self: &Rc<Self>,
        bounds: Bounds,
        caching: Caching,
    ) -> Result<Answer<Vec<(Key, Stored)>>> {
        self.require_open()?;
        let epoch = self.cache.borrow().epoch();
        let listed = self.cache.borrow_mut().list(&bounds, self.clock.now());
        let overlay = match listed {
            Listed::Known(entries) => return Ok(Answer::Now(entries)),
            Listed::Partly(overlay) => overlay,
        };
        let storage = Rc::clone(self);
        Ok(Answer::Later(self.read(async move {
            // Keys that are deleted here may be stored still and use up the service's limit.
            let hidden = overlay.values().filter(|value| value.is_none()).count();
            let asked = Bounds {
                limit: bounds.limit.map(|limit| limit.saturating_add(hidden)),
                ..bounds.clone()
            };
            let stored = storage.ask_for_list(&asked).await?;
            if caching == Caching::Keep {
                let is_cut = asked.limit.is_some_and(|limit| stored.len() >= limit);
                let last = if bounds.reverse {
                    stored.keys().next()
                } else {
                    stored.keys().next_back()
                };
                let part = known_part(&bounds, last.filter(|_| is_cut));
                let now = storage.clock.now();
                let mut cache = storage.cache.borrow_mut();
                cache.fill_list(epoch, (&part.0, part.1), &overlay, &stored, now);
            }
            storage.limit_memory()?;
            Ok(merged(stored, overlay, &bounds))
        })))
    }

    /// Everything that the service has within `bounds`, message by message.
    async fn ask_for_list(self: &Rc<Self>, bounds: &Bounds) -> Result<BTreeMap<Key, Stored>> {
        let mut collected = Collected {
            storage: Rc::clone(self),
            entries: BTreeMap::new(),
            bytes: 0,
        };
        let mut rest = bounds.clone();
        loop {
            let page = self.ask(|connection| connection.list(rest.clone())).await?;
            let last = page
                .entries
                .last()
                .map(|(key, _)| key.0.as_bytes().to_vec());
            let count = page.entries.len();
            collected.add(page.entries);
            self.limit_memory()?;
            let limit = rest.limit.map(|limit| limit.saturating_sub(count));
            let Some(last) = last.filter(|_| page.is_cut && limit != Some(0)) else {
                return Ok(std::mem::take(&mut collected.entries));
            };
            rest.limit = limit;
            if rest.reverse {
                rest.end = Some(last);
            } else {
                rest.start = super::ranges::successor(&last);
            }
        }
    }

    /// Asks the service, once more if the connection is lost (LK-13).
    pub(super) async fn ask<T>(&self, question: impl Fn(&Connection) -> Reply<T>) -> Result<T> {
        let mut attempt = 1;
        loop {
            match question(&self.connect()).await {
                Ok(answer) => return Ok(answer),
                Err(Failure::Disconnected) if attempt < READ_ATTEMPTS_MAX => attempt += 1,
                Err(failure) => return Err(self.read_failed(failure)),
            }
        }
    }

    fn read_failed(&self, failure: Failure) -> Error {
        match failure {
            Failure::Disconnected => Error::connection_lost(),
            Failure::Refused(error) => error,
            Failure::Internal(reason) => {
                let reference = self.reference();
                point!(
                    "kv_failed",
                    object = &*self.object,
                    what = "read",
                    reason = &*reason,
                    reference = &*reference
                );
                Error::from(format!("internal error; reference = {reference}"))
            }
        }
    }

    /// Runs a read in a task of its own; flushes that start meanwhile wait for it.
    pub(super) fn read<T: 'static>(
        self: &Rc<Self>,
        read: impl Future<Output = Result<T>> + 'static,
    ) -> LocalBoxFuture<'static, Result<T>> {
        let in_flight = InFlight(Rc::clone(self), self.reads.begin());
        let (answer, answered) = oneshot::channel();
        self.spawn(async move {
            let outcome = read.await;
            drop(in_flight);
            let _ = answer.send(outcome); // the caller may not wait any more
        });
        let storage = Rc::clone(self);
        Box::pin(async move {
            let outcome = answered.await;
            outcome.unwrap_or_else(|oneshot::Canceled| Err(storage.why_stopped()))
        })
    }
}

/// A list on its way into the cache. It counts as memory until it is there.
struct Collected {
    storage: Rc<LegacyStorage>,
    entries: BTreeMap<Key, Stored>,
    bytes: usize,
}

impl Collected {
    fn add(&mut self, entries: Vec<(Key, Stored)>) {
        let bytes: usize = entries
            .iter()
            .map(|(key, value)| key.0.len() + value.len())
            .sum();
        self.bytes += bytes;
        let reading = &self.storage.reading_bytes;
        reading.set(reading.get() + bytes);
        self.entries.extend(entries);
    }
}

impl Drop for Collected {
    fn drop(&mut self) {
        let reading = &self.storage.reading_bytes;
        reading.set(reading.get() - self.bytes);
    }
}

/// `stored` with the changes of `overlay` on top, in the order and up to the limit of `bounds`.
pub(super) fn merged(
    mut stored: BTreeMap<Key, Stored>,
    overlay: BTreeMap<Key, Option<Stored>>,
    bounds: &Bounds,
) -> Vec<(Key, Stored)> {
    for (key, value) in overlay {
        match value {
            Some(value) => stored.insert(key, value),
            None => stored.remove(&key),
        };
    }
    let limit = bounds.limit.unwrap_or(usize::MAX);
    if bounds.reverse {
        stored.into_iter().rev().take(limit).collect()
    } else {
        stored.into_iter().take(limit).collect()
    }
}

pub(super) fn as_entries(values: BTreeMap<Key, Stored>) -> Entries {
    values
        .into_iter()
        .map(|(key, value)| (key.0.to_string(), value))
        .collect()
}
