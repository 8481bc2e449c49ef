//! Sets of seeds, kept as ranges: what a campaign has done, small even after a billion.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Numbers, as ranges in order that neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Adds a range; false, and nothing is added, if some of it is there already.
    #[must_use]
    pub(super) fn add(&mut self, range: &Range<u64>) -> bool {
        if range.is_empty() {
            return true;
        }
        let at = self.0.partition_point(|&(start, _)| start < range.start);
        let touches_before = at > 0 && self.0[at - 1].1 >= range.start;
        let overlaps_before = at > 0 && self.0[at - 1].1 > range.start;
        let overlaps_after = self.0.get(at).is_some_and(|&(start, _)| start < range.end);
        if overlaps_before || overlaps_after {
            return false;
        }
        let touches_after = self.0.get(at).is_some_and(|&(start, _)| start == range.end);
        match (touches_before, touches_after) {
            (true, true) => {
                self.0[at - 1].1 = self.0[at].1;
                self.0.remove(at);
            }
            (true, false) => self.0[at - 1].1 = range.end,
            (false, true) => self.0[at].0 = range.start,
            (false, false) => self.0.insert(at, (range.start, range.end)),
        }
        true
    }

    /// What of `range` is not there.
    pub(super) fn missing(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        let (mut missing, mut from) = (Vec::new(), range.start);
        let first = self.0.partition_point(|&(_, end)| end <= range.start);
        for &(start, end) in &self.0[first..] {
            if start >= range.end {
                break;
            }
            if from < start {
                missing.push(from..start);
            }
            from = from.max(end);
        }
        if from < range.end {
            missing.push(from..range.end);
        }
        missing
    }

    /// The ranges, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Range<u64>> {
        self.0.iter().map(|&(start, end)| start..end)
    }

    /// How many numbers there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> u64 {
        self.iter().map(|range| range.end - range.start).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Held against a set that knows every number.
        #[test]
        fn ranges_are_the_set_that_they_stand_for(added in prop::collection::vec((0..60_u64, 0..12_u64), 0..30), asked in (0..60_u64, 0..60_u64)) {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for (start, length) in added {
                let range = start..start + length;
                let fits = range.clone().all(|number| !set.contains(&number));
                prop_assert_eq!(ranges.add(&range), fits);
                if fits {
                    set.extend(range);
                }
            }
            prop_assert_eq!(ranges.len(), set.len() as u64);
            prop_assert!(ranges.0.windows(2).all(|pair| pair[0].1 < pair[1].0), "in order, and none touch: {:?}", ranges);
            let asked = asked.0..asked.0 + asked.1;
            let missing: Vec<u64> = ranges.missing(&asked).into_iter().flatten().collect();
            let expected: Vec<u64> = asked.filter(|number| !set.contains(number)).collect();
            prop_assert_eq!(missing, expected);
        }
    }
}
