//! The write-back cache: what is known of the stored data, and what has changed and is not stored yet (LK-1).
//!
//! A key is *present* or *absent* by its entry, absent by a known stretch of the key space without an entry ([`Ranges`]), or unknown.
//! A *dirty* entry is a change that no finished flush has carried; each has a number, and writing a key again gives it a new one, so that
//! a flush that ends knows which of its entries were rewritten meanwhile (LK-2, LK-12). Clean entries may be dropped at any moment:
//! then a read asks the service again, and finds the same (LK-15).
//!
//! Nothing here waits, and nothing here knows of messages.

use std::{borrow::Borrow, collections::BTreeMap, rc::Rc};

use super::{
    Stored,
    alarm::AlarmSlot,
    contents::CountedDelete,
    delete_all::PendingDeleteAll,
    limits::{CLEAN_ABOVE_BYTES, UNUSED_TIME_MAX},
    ranges::{End, Ranges, successor},
};
use crate::{platform::Instant, storage::options::Bounds};

/// What an entry takes in memory beside key and value, in bytes: a round figure.
const ENTRY_BYTES: usize = 128;

/// A key. It can be looked up by any byte string, since the bounds of a list need not be valid UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(pub(super) Rc<str>);

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        self.0.as_bytes() // texts are ordered as their bytes are
    }
}

impl From<&str> for Key {
    fn from(key: &str) -> Self {
        Self(key.into())
    }
}

/// What the cache knows of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Unknown,
    Absent,
    Present(Stored),
}

impl From<Option<Stored>> for Known {
    fn from(value: Option<Stored>) -> Self {
        value.map_or(Self::Absent, Self::Present)
    }
}

/// What a write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Changed,
    /// It was already so, but that is not durable yet.
    Pending,
    /// It was already so, durably.
    Durable,
}

/// What the cache can say to a list.
#[derive(Debug)]
pub(super) enum Listed {
    Known(Vec<(Key, Stored)>),
    /// The entries in the range, absent ones included: they count, whatever the service says.
    Partly(BTreeMap<Key, Option<Stored>>),
}

/// What the cache knows of a key, explicitly.
pub(super) struct Entry {
    pub(super) value: Option<Stored>,
    /// The number of the change, if no finished flush has carried it.
    pub(super) dirty: Option<u64>,
    /// Dropped as soon as it is clean.
    pub(super) no_cache: bool,
    /// Where a clean entry stands in the order of use.
    use_number: u64,
    used_at: Instant,
}

/// The cache of one activation.
pub(super) struct Cache {
    pub(super) entries: BTreeMap<Key, Entry>,
    pub(super) known: Ranges,
    /// The dirty keys in the order in which they were last written.
    pub(super) dirty: BTreeMap<u64, Key>,
    pub(super) counted: Vec<Rc<CountedDelete>>,
    pub(super) alarm: AlarmSlot,
    pub(super) delete_all: Option<PendingDeleteAll>,
    /// Counts `deleteAll`s: what was read before one says nothing afterwards.
    pub(super) epoch: u64,
    numbers: u64,
    /// The clean entries, those not used for longest first.
    pub(super) uses: BTreeMap<u64, Key>,
    use_numbers: u64,
    pub(super) entry_bytes: usize,
    pub(super) dirty_bytes: usize,
    ranges_checked_at: Instant,
}

impl Cache {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            entries: BTreeMap::new(),
            known: Ranges::default(),
            dirty: BTreeMap::new(),
            counted: Vec::new(),
            alarm: AlarmSlot::default(),
            delete_all: None,
            epoch: 0,
            numbers: 0,
            uses: BTreeMap::new(),
            use_numbers: 0,
            entry_bytes: 0,
            dirty_bytes: 0,
            ranges_checked_at: now,
        }
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What the cache takes in memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.entry_bytes + self.known.bytes() + self.before_bytes()
    }

    /// How much of it is changes that are not stored yet.
    pub(super) fn dirty_bytes(&self) -> usize {
        self.dirty_bytes + self.before_bytes()
    }

    fn before_bytes(&self) -> usize {
        self.delete_all
            .as_ref()
            .map_or(0, |pending| pending.before_bytes)
    }

    /// The number of the next change.
    pub(super) fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    // Reading.

    pub(super) fn look(&mut self, key: &Key, now: Instant) -> Known {
        if let Some(entry) = self.entries.get_mut(key) {
            if entry.dirty.is_none() {
                self.uses.remove(&entry.use_number);
                self.use_numbers += 1;
                self.uses.insert(self.use_numbers, key.clone());
                entry.use_number = self.use_numbers;
            }
            entry.used_at = now;
            return entry.value.clone().into();
        }
        if self.known.end_of(key.borrow(), now).is_some() {
            Known::Absent
        } else {
            Known::Unknown
        }
    }

    pub(super) fn list(&mut self, bounds: &Bounds, now: Instant) -> Listed {
        let limit = bounds.limit.unwrap_or(usize::MAX);
        let (start, end, is_complete) = if bounds.reverse {
            // Where nothing is known at the upper end, that is where the known part begins.
            let known_from = self.known_down_from(bounds, now);
            let is_complete = known_from
                .as_ref()
                .is_some_and(|known_from| *known_from <= bounds.start);
            let nothing = known_from.is_none();
            let start = known_from.unwrap_or_default().max(bounds.start.clone());
            let end = if nothing {
                Some(start.clone())
            } else {
                bounds.end.clone()
            };
            (start, end, is_complete)
        } else {
            let (end, is_complete) = self.known_up_from(bounds, now);
            (bounds.start.clone(), end, is_complete)
        };
        let present = |(key, entry): (&Key, &Entry)| Some((key.clone(), entry.value.clone()?));
        let range = self.entries_in(&start, end.as_deref());
        let entries: Vec<_> = if bounds.reverse {
            range.rev().filter_map(present).take(limit).collect()
        } else {
            range.filter_map(present).take(limit).collect()
        };
        if is_complete || entries.len() == limit {
            for (key, _) in &entries {
                self.look(key, now);
            }
            return Listed::Known(entries);
        }
        let overlay = self.entries_in(&bounds.start, bounds.end.as_deref());
        Listed::Partly(
            overlay
                .map(|(key, entry)| (key.clone(), entry.value.clone()))
                .collect(),
        )
    }

    /// How far the range of a list is known from its start on, and whether that is all of it.
    fn known_up_from(&mut self, bounds: &Bounds, now: Instant) -> (End, bool) {
        let mut at = bounds.start.clone();
        loop {
            if bounds.end.as_ref().is_some_and(|end| at >= *end) {
                return (bounds.end.clone(), true);
            }
            match self.known.end_of(&at, now) {
                Some(None) => return (bounds.end.clone(), true),
                Some(Some(end)) => at = end,
                None if self.entries.contains_key(at.as_slice()) => at.push(0),
                None => return (Some(at), false),
            }
        }
    }

    /// How far the range of a list is known from its end downwards; nothing if not even that is.
    fn known_down_from(&mut self, bounds: &Bounds, now: Instant) -> Option<Vec<u8>> {
        let mut at = bounds.end.clone();
        loop {
            if at.as_ref().is_some_and(|at| *at <= bounds.start) {
                return at;
            }
            if let Some(start) = self.known.start_of(&at, now) {
                at = Some(start);
                continue;
            }
            match at.as_deref().and_then(<[u8]>::split_last) {
                Some((0, key)) if self.entries.contains_key(key) => at = Some(key.to_vec()),
                _ => return at,
            }
        }
    }

    fn entries_in(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
    ) -> impl DoubleEndedIterator<Item = (&Key, &Entry)> {
        use std::ops::Bound;
        let end = end.map_or(Bound::Unbounded, Bound::Excluded);
        self.entries.range::<[u8], _>((Bound::Included(start), end))
    }

    /// What the service said of `keys`, of which nothing was known at the time `epoch`. What was written meanwhile wins.
    pub(super) fn fill(
        &mut self,
        epoch: u64,
        keys: &[Key],
        found: &BTreeMap<Key, Stored>,
        now: Instant,
    ) {
        for key in keys {
            if self.epoch == epoch && !self.entries.contains_key(key) {
                self.insert_clean(key.clone(), found.get(key).cloned(), now);
            }
        }
    }

    /// What the service said of a list, whose range held the entries `overlay` at the time `epoch`; `stored` is everything from `start`
    /// up to `end`.
    ///
    /// A key of the overlay is left alone: its entry may have been written, made durable and dropped since the service looked.
    pub(super) fn fill_list(
        &mut self,
        epoch: u64,
        (start, end): (&[u8], End),
        overlay: &BTreeMap<Key, Option<Stored>>,
        stored: &BTreeMap<Key, Stored>,
        now: Instant,
    ) {
        if self.epoch != epoch {
            return;
        }
        self.known.insert(start, end, now);
        for (key, value) in stored {
            if !overlay.contains_key(key) && !self.entries.contains_key(key) {
                self.insert_clean(key.clone(), Some(Rc::clone(value)), now);
            }
        }
        for key in overlay.keys() {
            if !self.entries.contains_key(key) {
                self.known.cut(key.borrow());
            }
        }
    }

    // Writing.

    /// Writes `value`, or deletes the key with `None`.
    pub(super) fn write(
        &mut self,
        key: &Key,
        value: Option<Stored>,
        no_cache: bool,
        now: Instant,
    ) -> Written {
        let known = self.look(key, now);
        if known != Known::Unknown && known == Known::from(value.clone()) {
            let entry = self.entries.get_mut(key);
            if let Some(entry) = entry.filter(|entry| entry.dirty.is_some()) {
                entry.no_cache = no_cache;
                return Written::Pending;
            }
            return if self.delete_all.is_some() {
                Written::Pending
            } else {
                Written::Durable
            };
        }
        self.remove(key);
        let number = self.next_number();
        self.dirty.insert(number, key.clone());
        let bytes = footprint(key, value.as_ref());
        self.entry_bytes += bytes;
        self.dirty_bytes += bytes;
        let entry = Entry {
            value,
            dirty: Some(number),
            no_cache,
            use_number: 0,
            used_at: now,
        };
        self.entries.insert(key.clone(), entry);
        Written::Changed
    }

    /// Takes in what the service has.
    pub(super) fn insert_clean(&mut self, key: Key, value: Option<Stored>, now: Instant) {
        self.use_numbers += 1;
        self.uses.insert(self.use_numbers, key.clone());
        self.entry_bytes += footprint(&key, value.as_ref());
        let entry = Entry {
            value,
            dirty: None,
            no_cache: false,
            use_number: self.use_numbers,
            used_at: now,
        };
        let former = self.entries.insert(key, entry);
        assert!(former.is_none(), "only unknown keys are filled in");
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        let bytes = footprint(key, entry.value.as_ref());
        self.entry_bytes -= bytes;
        if let Some(number) = entry.dirty {
            self.dirty.remove(&number);
            self.dirty_bytes -= bytes;
        } else {
            self.uses.remove(&entry.use_number);
        }
        Some(entry)
    }

    // Forgetting.

    /// Drops what nobody used for long, and the clean entries that are too many.
    pub(super) fn evict(&mut self, now: Instant) {
        if self.delete_all.is_some() {
            return; // what is known now is not what the service has
        }
        let is_old = |used_at: Instant| now - used_at >= UNUSED_TIME_MAX;
        while let Some(key) = self.uses.first_key_value().map(|(_, key)| key.clone())
            && is_old(self.entries[&key].used_at)
        {
            self.drop_clean(&key);
        }
        if now - self.ranges_checked_at >= UNUSED_TIME_MAX / 2 {
            self.ranges_checked_at = now;
            self.known.retain(|used_at| !is_old(used_at));
        }
        if self.bytes() > CLEAN_ABOVE_BYTES && self.known.bytes() > CLEAN_ABOVE_BYTES / 4 {
            self.known.retain(|_| false);
        }
        while self.bytes() > CLEAN_ABOVE_BYTES
            && let Some(key) = self.uses.first_key_value().map(|(_, key)| key.clone())
        {
            self.drop_clean(&key);
        }
    }

    /// Drops every entry that is stored as it is known, and what is known of stretches; returns whether there was anything.
    pub(super) fn evict_all_clean(&mut self) -> bool {
        if self.delete_all.is_some() {
            return false; // as in `evict`
        }
        let bytes_before = self.bytes();
        while let Some(key) = self.uses.first_key_value().map(|(_, key)| key.clone()) {
            self.drop_clean(&key);
        }
        self.known.retain(|_| false);
        self.bytes() < bytes_before
    }

    fn drop_clean(&mut self, key: &Key) {
        let dropped = self.remove(key);
        let was_present = dropped.is_some_and(|entry| entry.value.is_some());
        if was_present {
            self.known.cut(key.borrow()); // an absent key in a known stretch stays absent without its entry
        }
    }
}

/// Where a list that stopped at `last` is known up to, in its direction.
pub(super) fn known_part(bounds: &Bounds, last: Option<&Key>) -> (Vec<u8>, End) {
    let (mut start, mut end) = (bounds.start.clone(), bounds.end.clone());
    if let Some(last) = last {
        if bounds.reverse {
            start = last.0.as_bytes().to_vec();
        } else {
            end = Some(successor(last.borrow()));
        }
    }
    (start, end)
}

/// What an entry takes in memory, in bytes.
pub(super) fn footprint(key: &Key, value: Option<&Stored>) -> usize {
    ENTRY_BYTES + key.0.len() + value.map_or(0, |value| value.len())
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
