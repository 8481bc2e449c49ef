//! Finding things by hash, the same way in every run: what the checkers use where others use a hash map.
//!
//! The standard library's maps are seeded per thread, and their order with them; this one has no order at all, only numbers that are
//! given out in the order of arrival.

use std::hash::{Hash, Hasher};

use xxhash_rust::xxh3::xxh3_64;

/// Marks a free slot. No number that is given out.
pub(super) const NONE: u32 = u32::MAX;

/// Finds numbers by hash: open addressing, at most half full. What a number stands for is its user's to know.
pub(super) struct Index {
    /// Half a hash, which says where the search for it begins, and a number.
    slots: Vec<(u32, u32)>,
    len: usize,
}

impl Default for Index {
    fn default() -> Self {
        Self::with_capacity(1)
    }
}

impl Index {
    /// Holds so many numbers before it grows.
    pub(super) fn with_capacity(capacity: usize) -> Self {
        let slots = (capacity.max(1) * 2).next_power_of_two();
        Self {
            slots: vec![(0, NONE); slots],
            len: 0,
        }
    }

    /// The number with this hash for which `is_it` holds; if there is none, `new` is put there.
    pub(super) fn find_or_put(
        &mut self,
        hash: u64,
        new: u32,
        is_it: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        assert!(new < NONE);
        let half = (hash >> 32) as u32;
        let mask = self.slots.len() - 1;
        let mut at = half as usize & mask;
        while self.slots[at].1 != NONE {
            let (there, number) = self.slots[at];
            if there == half && is_it(number) {
                return Some(number);
            }
            at = (at + 1) & mask;
        }
        self.slots[at] = (half, new);
        self.len += 1;
        if self.len * 2 > self.slots.len() {
            self.grow();
        }
        None
    }

    fn grow(&mut self) {
        let mut slots = vec![(0, NONE); self.slots.len() * 2];
        let mask = slots.len() - 1;
        for &(half, number) in self.slots.iter().filter(|(_, number)| *number != NONE) {
            let mut at = half as usize & mask;
            while slots[at].1 != NONE {
                at = (at + 1) & mask;
            }
            slots[at] = (half, number);
        }
        self.slots = slots;
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.slots.len() * size_of::<(u32, u32)>()
    }
}

/// A hash that is the same in every run.
pub(super) fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = StableHasher(0);
    value.hash(&mut hasher);
    hasher.finish()
}

/// Spreads a number over all 64 bits (the finaliser of `SplitMix64`).
pub(super) fn spread(number: u64) -> u64 {
    let mut number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// The same in every run, unlike the standard library's.
struct StableHasher(u64);

impl Hasher for StableHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = spread(self.0 ^ xxh3_64(bytes));
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = spread(self.0 ^ number);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
