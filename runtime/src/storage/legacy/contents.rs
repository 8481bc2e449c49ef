//! What a flush carries, and what the cache knows when it has arrived.
//!
//! The contents are fixed when an attempt starts (LK-4). While it is under way the object goes on, so when it has succeeded, each of its
//! changes is looked at again: one that was made anew meanwhile stays dirty (LK-12).

use std::{borrow::Borrow, cell::RefCell, collections::BTreeSet, rc::Rc};

use futures_channel::oneshot;

use super::{
    Stored,
    alarm::AlarmChange,
    cache::{Cache, Key, footprint},
};
use crate::platform::Instant;

/// Which changes a flush carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Those made before the pending `deleteAll`.
    BeforeDeleteAll,
    /// All that are dirty now. Not while a `deleteAll` is pending.
    Now,
}

/// The changes that one attempt of a flush carries, fixed when it starts (LK-4).
#[derive(Default)]
pub(super) struct Contents {
    pub(super) puts: Vec<(Key, Stored)>,
    /// Deletions that nobody counts.
    pub(super) deletes: Vec<Key>,
    pub(super) counted: Vec<Rc<CountedDelete>>,
    pub(super) alarm: Option<(u64, AlarmChange)>,
    /// Which change of which key this is.
    numbers: Vec<(Key, u64)>,
}

/// What the service answered to the contents of a flush.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    /// How many keys each counted deletion found.
    pub(super) counts: Vec<usize>,
    /// A conditional deletion found the alarm at its time.
    pub(super) alarm_deleted: bool,
}

/// A deletion whose caller waits for the number, because the cache did not know whether the keys were there (LK-7).
pub(super) struct CountedDelete {
    pub(super) keys: Vec<Key>,
    /// How many more keys the call deleted that were known to be there.
    pub(super) already: usize,
    pub(super) waiting: RefCell<Option<oneshot::Sender<usize>>>,
}

impl CountedDelete {
    fn is_waited_for(&self) -> bool {
        let waiting = self.waiting.borrow();
        waiting.as_ref().is_some_and(|caller| !caller.is_canceled())
    }

    fn settle(&self, deleted: usize) {
        if let Some(caller) = self.waiting.borrow_mut().take() {
            let _ = caller.send(self.already + deleted); // the caller may not wait any more
        }
    }
}

impl Cache {
    /// Remembers a deletion whose keys have been [written](Self::write) as absent, and must be counted by the service.
    pub(super) fn count(&mut self, counted: CountedDelete) {
        self.counted.push(Rc::new(counted));
    }

    /// The changes that a flush which starts now carries.
    pub(super) fn contents(&mut self, part: Part) -> Contents {
        let mut contents = Contents::default();
        let alarm_waits = self
            .delete_all
            .as_ref()
            .is_some_and(|pending| pending.deletes_alarm);
        let counted = match (part, &mut self.delete_all) {
            (Part::BeforeDeleteAll, Some(pending)) => &mut pending.counted,
            (Part::BeforeDeleteAll, None) => return contents,
            (Part::Now, _) => &mut self.counted,
        };
        counted.retain(|counted| counted.is_waited_for());
        let counted = counted.clone();
        let counted_keys: BTreeSet<&Key> =
            counted.iter().flat_map(|counted| &counted.keys).collect();
        let mut add = |key: &Key, number: u64, value: &Option<Stored>| {
            contents.numbers.push((key.clone(), number));
            match value {
                Some(value) => contents.puts.push((key.clone(), Rc::clone(value))),
                None if counted_keys.contains(key) => {}
                None => contents.deletes.push(key.clone()),
            }
        };
        match (part, &self.delete_all) {
            (Part::BeforeDeleteAll, Some(pending)) => {
                for (key, (number, value)) in &pending.before {
                    add(key, *number, value);
                }
            }
            _ => {
                for (number, key) in &self.dirty {
                    add(key, *number, &self.entries[key].value);
                }
            }
        }
        // A new alarm goes out with the first step where the old one survives, and after the last where it does not: else it would be
        // deleted with the old one.
        if part == Part::Now || !alarm_waits {
            contents.alarm = self.alarm.dirty;
        }
        contents.counted = counted;
        contents
    }

    /// `contents` are durable.
    pub(super) fn settle(&mut self, contents: Contents, outcome: &Delivered, now: Instant) {
        for (key, number) in contents.numbers {
            let dirty_still = self
                .entries
                .get(&key)
                .is_some_and(|entry| entry.dirty == Some(number));
            if dirty_still && let Some(entry) = self.remove(&key) {
                if entry.no_cache {
                    self.known.cut(key.borrow());
                } else {
                    self.insert_clean(key, entry.value, now);
                }
            } else if let Some(pending) = &mut self.delete_all
                && let Some((before, value)) = pending.before.get(&key)
                && *before == number
            {
                pending.before_bytes -= footprint(&key, value.as_ref());
                pending.before.remove(&key);
            }
        }
        for (counted, deleted) in contents.counted.iter().zip(&outcome.counts) {
            counted.settle(*deleted);
        }
        self.counted.retain(|counted| counted.is_waited_for());
        if let Some((number, _)) = contents.alarm {
            self.alarm.settle(number, outcome.alarm_deleted);
        }
    }
}
