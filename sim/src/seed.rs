//! The seed, and the random streams that are derived from it.
//!
//! A draw is a function of *(seed, purpose, who, which one)*, not of how many draws came before: taking a call out of a plan leaves the latencies and
//! choices of all others as they were. Without that, shrinking a failing run would change everything at each step.
//! `ChaCha` is counter-based, so a stream for every purpose costs nothing until it is drawn from.

use std::fmt;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The number that a whole run is a function of.
///
/// # Example
/// ```
/// use dormouse_sim::Seed;
/// let seed = Seed(412);
/// assert_eq!(seed.draw("latency", "client-1", 7).number(), seed.draw("latency", "client-1", 7).number());
/// assert_ne!(seed.draw("latency", "client-1", 7).number(), seed.draw("latency", "client-1", 8).number());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl Seed {
    /// The stream for draw number `which` that `who` makes for `purpose`.
    pub fn draw(self, purpose: &str, who: &str, which: u64) -> Draw {
        self.keyed(purpose, self.key(who), which)
    }

    /// A short form of `who`, to be computed once by those who draw often.
    pub fn key(self, who: &str) -> u64 {
        xxh3_64_with_seed(who.as_bytes(), self.0)
    }

    /// The same as [`draw`](Self::draw), with `who` as [`key`](Self::key) made it.
    pub fn keyed(self, purpose: &str, who: u64, which: u64) -> Draw {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&who.to_le_bytes());
        key[8..].copy_from_slice(&which.to_le_bytes());
        let stream = xxh3_64_with_seed(&key, xxh3_64_with_seed(purpose.as_bytes(), self.0));
        let mut generator = ChaCha8Rng::seed_from_u64(self.0);
        generator.set_stream(stream);
        Draw(generator)
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One stream of random numbers.
#[derive(Clone, Debug)]
pub struct Draw(ChaCha8Rng);

impl Draw {
    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// The next number below `end`; the tiny bias does not matter here.
    ///
    /// # Panics
    /// If `end` is zero.
    pub fn below(&mut self, end: u64) -> u64 {
        assert!(end > 0, "nothing is below zero");
        u64::try_from((u128::from(self.number()) * u128::from(end)) >> 64)
            .expect("a product's upper half fits")
    }

    /// True once in `times`, on average.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_depends_on_its_key_and_not_on_other_draws() {
        let alone = Seed(1).draw("latency", "a", 3).number();
        let mut others = Seed(1).draw("latency", "a", 2);
        others.number();
        assert_eq!(Seed(1).draw("latency", "a", 3).number(), alone);
        for different in [
            Seed(2).draw("latency", "a", 3),
            Seed(1).draw("order", "a", 3),
            Seed(1).draw("latency", "b", 3),
            Seed(1).draw("latency", "a", 4),
        ] {
            assert_ne!(different.clone().number(), alone);
        }
    }

    #[test]
    fn numbers_below_a_bound_reach_all_of_them() {
        let mut draw = Seed(7).draw("test", "x", 0);
        let mut seen = [false; 5];
        for _ in 0..200 {
            seen[usize::try_from(draw.below(5)).expect("small")] = true;
        }
        assert_eq!(seen, [true; 5]);
    }
}
