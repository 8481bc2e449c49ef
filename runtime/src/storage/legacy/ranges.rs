//! Which stretches of the key space are known: inside one, a key without an entry in the cache does not exist.
//!
//! A list teaches such stretches. They are half open, `[start, end)` over byte strings, never overlap and never touch; an end of `None` is
//! that of the key space. An entry that is dropped from the cache takes its key out of the stretch that holds it.

use std::{collections::BTreeMap, ops::Bound};

use crate::platform::Instant;

/// The end of a stretch, exclusive; `None` is the end of the key space and greater than any other.
pub(super) type End = Option<Vec<u8>>;

/// The known stretches of one cache.
#[derive(Default)]
pub(super) struct Ranges {
    by_start: BTreeMap<Vec<u8>, Range>,
    bytes: usize,
}

struct Range {
    end: End,
    used_at: Instant,
}

/// What a stretch takes in memory beside its bounds, in bytes: a round figure.
const RANGE_BYTES: usize = 96;

impl Ranges {
    /// What the stretches take in memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    #[cfg(test)]
    pub(super) fn contains(&self, key: &[u8]) -> bool {
        self.around(key).is_some()
    }

    /// Where the stretch that holds `at` ends.
    pub(super) fn end_of(&mut self, at: &[u8], now: Instant) -> Option<End> {
        let start = self.around(at)?.to_vec();
        let range = self.by_start.get_mut(&start)?;
        range.used_at = now;
        Some(range.end.clone())
    }

    /// Where the stretch begins that reaches up to `end` or beyond.
    pub(super) fn start_of(&mut self, end: &End, now: Instant) -> Option<Vec<u8>> {
        let (start, range) = match end {
            None => self.by_start.iter_mut().next_back(),
            Some(end) => self
                .by_start
                .range_mut::<[u8], _>((Bound::Unbounded, Bound::Excluded(end.as_slice())))
                .next_back(),
        }?;
        if is_below(&range.end, end) {
            return None;
        }
        range.used_at = now;
        Some(start.clone())
    }

    /// Everything from `start` up to `end` is known.
    pub(super) fn insert(&mut self, start: &[u8], end: End, now: Instant) {
        if end.as_deref().is_some_and(|end| end <= start) {
            return;
        }
        let (mut start, mut end) = (start.to_vec(), end);
        // Those that it overlaps or touches become part of it.
        let upper = match &end {
            None => Bound::Unbounded,
            Some(end) => Bound::Included(end.as_slice()),
        };
        let touched: Vec<_> = self
            .by_start
            .range::<[u8], _>((Bound::Unbounded, upper))
            .rev()
            .take_while(|(_, range)| range.end.as_deref().is_none_or(|end| end >= &start[..]))
            .map(|(start, _)| start.clone())
            .collect();
        for other in touched {
            let range = self.remove(&other);
            if is_below(&end, &range.end) {
                end = range.end;
            }
            start = start.min(other);
        }
        self.add(start, Range { end, used_at: now });
    }

    /// `key` is not known any more.
    pub(super) fn cut(&mut self, key: &[u8]) {
        let Some(start) = self.around(key).map(<[u8]>::to_vec) else {
            return;
        };
        let Range { end, used_at } = self.remove(&start);
        let after = successor(key);
        if start.as_slice() < key {
            let end = Some(key.to_vec());
            self.add(start, Range { end, used_at });
        }
        if end.as_deref().is_none_or(|end| &after[..] < end) {
            self.add(after, Range { end, used_at });
        }
    }

    /// Forgets the stretches that `keep` does not want, given the time of their last use.
    pub(super) fn retain(&mut self, keep: impl Fn(Instant) -> bool) {
        self.by_start.retain(|start, range| {
            let kept = keep(range.used_at);
            if !kept {
                self.bytes -= footprint(start, &range.end);
            }
            kept
        });
    }

    /// The start of the stretch that holds `key`.
    fn around(&self, key: &[u8]) -> Option<&[u8]> {
        let (start, range) = self
            .by_start
            .range::<[u8], _>((Bound::Unbounded, Bound::Included(key)))
            .next_back()?;
        range
            .end
            .as_deref()
            .is_none_or(|end| key < end)
            .then_some(start)
    }

    fn add(&mut self, start: Vec<u8>, range: Range) {
        self.bytes += footprint(&start, &range.end);
        self.by_start.insert(start, range);
    }

    fn remove(&mut self, start: &[u8]) -> Range {
        let range = self.by_start.remove(start);
        let range = range.expect("the start was found a moment ago");
        self.bytes -= footprint(start, &range.end);
        range
    }
}

/// The next byte string after `key`.
pub(super) fn successor(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

fn is_below(end: &End, other: &End) -> bool {
    match (end, other) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(end), Some(other)) => end < other,
    }
}

fn footprint(start: &[u8], end: &End) -> usize {
    RANGE_BYTES + start.len() + end.as_ref().map_or(0, Vec::len)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use proptest::prelude::*;

    use super::*;

    const NOW: Instant = Instant::from_origin(Duration::ZERO);

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u8, Option<u8>),
        Cut(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..20_u8, prop::option::of(0..20_u8))
                .prop_map(|(start, end)| Step::Insert(start, end)),
            (0..20_u8).prop_map(Step::Cut),
        ]
    }

    proptest! {
        /// Held against a plain set of the keys of one byte that are known.
        #[test]
        fn what_is_known_is_what_was_inserted_and_not_cut(steps in prop::collection::vec(step(), 1..40)) {
            let (mut ranges, mut known) = (Ranges::default(), BTreeSet::new());
            for step in steps {
                match step {
                    Step::Insert(start, end) => {
                        ranges.insert(&[start], end.map(|end| vec![end]), NOW);
                        known.extend(start..end.unwrap_or(21).max(start));
                    }
                    Step::Cut(key) => {
                        ranges.cut(&[key]);
                        known.remove(&key);
                    }
                }
                for key in 0..21 {
                    prop_assert_eq!(ranges.contains(&[key]), known.contains(&key), "key {}", key);
                }
                let expected: usize = ranges.by_start.iter().map(|(start, range)| footprint(start, &range.end)).sum();
                prop_assert_eq!(ranges.bytes(), expected);
            }
        }
    }

    #[test]
    fn a_key_that_is_cut_out_leaves_both_sides_known() {
        let mut ranges = Ranges::default();
        ranges.insert(b"a", None, NOW);
        ranges.cut(b"k");
        assert!(!ranges.contains(b"k"));
        assert!(ranges.contains(b"k\0") && ranges.contains(b"j") && ranges.contains(b"zzz"));
        assert_eq!(ranges.end_of(b"b", NOW), Some(Some(b"k".to_vec())));
        assert_eq!(ranges.start_of(&None, NOW), Some(b"k\0".to_vec()));
        assert_eq!(
            ranges.start_of(&Some(b"k".to_vec()), NOW),
            Some(b"a".to_vec())
        );
        assert_eq!(ranges.start_of(&Some(b"k\0".to_vec()), NOW), None);
    }
}
