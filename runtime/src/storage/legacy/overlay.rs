//! The overlay of a `transaction()`: changes that only it sees until it commits (TXN-20).
//!
//! Its reads see its own changes, then the cache. Nothing reaches the cache before [`Overlay::commit`], and then everything at
//! once, so that it is in one flush (TXN-21). Overlays know nothing of each other: a nested transaction is another one on the same
//! cache (TXN-23). Dropping one is its rollback.
//!
//! Sizes are not checked here: what is too large is refused by the service in the flush, and that breaks the object (KV-42).

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use super::{
    Answer, Caching, Entries, LegacyStorage, Stored,
    cache::Key,
    limits::check_pairs,
    reads::{as_entries, merged},
};
use crate::{PutOptions, Result, platform::WallTime, storage::options::Bounds};

/// The changes of a transaction that has not ended.
pub(crate) struct Overlay {
    storage: Rc<LegacyStorage>,
    changes: BTreeMap<Key, (Option<Stored>, PutOptions)>,
    alarm: Option<(Option<WallTime>, PutOptions)>,
}

impl LegacyStorage {
    /// Begins a transaction. That nothing else runs meanwhile is the caller's business (TXN-1).
    ///
    /// # Errors
    /// The reason for which the storage is closed.
    pub(crate) fn begin_transaction(self: &Rc<Self>) -> Result<Overlay> {
        self.require_open()?;
        Ok(Overlay {
            storage: Rc::clone(self),
            changes: BTreeMap::new(),
            alarm: None,
        })
    }
}

impl Overlay {
    /// As [`LegacyStorage::get`].
    pub(crate) fn get(&self, key: &str, caching: Caching) -> Result<Answer<Option<Stored>>> {
        let values = self.values(BTreeSet::from([Key::from(key)]), caching)?;
        Ok(values.map(|mut values| values.pop_first().map(|(_, value)| value)))
    }

    /// As [`LegacyStorage::get_multiple`].
    pub(crate) fn get_multiple(
        &self,
        keys: &[impl AsRef<str>],
        caching: Caching,
    ) -> Result<Answer<Entries>> {
        check_pairs(keys.len())?;
        let keys = keys.iter().map(|key| Key::from(key.as_ref())).collect();
        Ok(self.values(keys, caching)?.map(as_entries))
    }

    fn values(
        &self,
        mut keys: BTreeSet<Key>,
        caching: Caching,
    ) -> Result<Answer<BTreeMap<Key, Stored>>> {
        let mut own = BTreeMap::new();
        keys.retain(|key| match self.changes.get(key) {
            Some((value, _)) => {
                own.extend(value.clone().map(|value| (key.clone(), value)));
                false
            }
            None => true,
        });
        Ok(self.storage.values(keys, caching)?.map(|mut values| {
            values.extend(own);
            values
        }))
    }

    /// As [`LegacyStorage::list`].
    pub(crate) fn list(&self, bounds: Bounds, caching: Caching) -> Result<Answer<Entries>> {
        let own: BTreeMap<_, _> = self
            .changes
            .iter()
            .filter(|(key, _)| is_within(key, &bounds))
            .map(|(key, (value, _))| (key.clone(), value.clone()))
            .collect();
        let hidden = own.values().filter(|value| value.is_none()).count();
        let below = Bounds {
            limit: bounds.limit.map(|limit| limit.saturating_add(hidden)),
            ..bounds.clone()
        };
        let entries = self.storage.entries(below, caching)?;
        Ok(entries.map(move |entries| {
            merged(entries.into_iter().collect(), own, &bounds)
                .into_iter()
                .map(|(key, value)| (key.0.to_string(), value))
                .collect()
        }))
    }

    /// Stores `entries` in the overlay.
    ///
    /// # Errors
    /// The reason for which the storage is closed.
    pub(crate) fn put(
        &mut self,
        entries: Vec<(String, Vec<u8>)>,
        options: PutOptions,
    ) -> Result<()> {
        self.storage.require_open()?;
        for (key, value) in entries {
            self.changes
                .insert(Key::from(&*key), (Some(value.into()), options));
        }
        Ok(())
    }

    /// Removes `keys` in the overlay; gives how many of them were there. The rest of the storage may have to be read for that (TXN-22).
    ///
    /// # Errors
    /// As [`LegacyStorage::get`]. The keys count as removed all the same.
    pub(crate) fn delete(
        &mut self,
        keys: &[impl AsRef<str>],
        options: PutOptions,
    ) -> Result<Answer<usize>> {
        self.storage.require_open()?;
        let (mut deleted, mut unknown) = (0, BTreeSet::new());
        for key in keys {
            let key = Key::from(key.as_ref());
            match self.changes.insert(key.clone(), (None, options)) {
                Some((Some(_), _)) => deleted += 1,
                Some((None, _)) => {}
                None => {
                    unknown.insert(key);
                }
            }
        }
        let found = self.storage.values(unknown, Caching::Keep)?;
        Ok(found.map(move |found| deleted + found.len()))
    }

    /// As [`LegacyStorage::get_alarm`].
    pub(crate) fn get_alarm(&self) -> Result<Answer<Option<WallTime>>> {
        match self.alarm {
            Some((at, _)) => {
                self.storage.require_open()?;
                Ok(Answer::Now(at))
            }
            None => self.storage.get_alarm(),
        }
    }

    /// Sets the alarm in the overlay, or deletes it with `None`.
    ///
    /// # Errors
    /// The reason for which the storage is closed.
    pub(crate) fn set_alarm(&mut self, at: Option<WallTime>, options: PutOptions) -> Result<()> {
        self.storage.require_open()?;
        self.alarm = Some((at, options));
        Ok(())
    }

    /// Makes the changes those of the cache, all at once, each with the options of its write; then the alarm's.
    ///
    /// # Errors
    /// The reason for which the storage is closed. That the memory is exceeded: the object is reset then.
    pub(crate) fn commit(self) -> Result<Answer<()>> {
        self.storage.require_open()?;
        for (key, (value, options)) in self.changes {
            self.storage.write(&key, value, options);
        }
        if let Some((at, options)) = self.alarm {
            return self.storage.set_alarm(at, options);
        }
        self.storage.after_write()
    }

    /// Throws the changes away.
    pub(crate) fn rollback(self) {
        drop(self);
    }
}

fn is_within(key: &Key, bounds: &Bounds) -> bool {
    let key = key.0.as_bytes();
    key >= &bounds.start[..] && bounds.end.as_deref().is_none_or(|end| key < end)
}
