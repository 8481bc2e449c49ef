//! The search for one defect in one suite.

use std::ops::Range;

use dormouse::Mutation;
use dormouse_sim::{Detail, Seed, Suite, Violation, explore::run_seed};

/// A defect that a suite has caught.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The suite's name.
    pub suite: &'static str,
    /// The first seed that breaks a promise.
    pub seed: u64,
    /// What it breaks; a panic of the runtime breaks one as well.
    pub violation: Violation,
}

impl Finding {
    /// How many seeds it took.
    pub fn seeds(&self) -> u64 {
        self.seed + 1
    }
}

/// The first of these seeds of `suite` that breaks a promise while the runtime has this defect, and breaks none without it.
pub fn find(mutation: Mutation, suite: &Suite, mut seeds: Range<u64>) -> Option<Finding> {
    seeds.find_map(|seed| {
        let seed = Seed(seed);
        let run = || run_seed(suite, seed, Detail::Brief).violation;
        let violation = mutation.during(run)?;
        // What breaks anyhow says nothing about the defect.
        run().is_none().then(|| Finding {
            suite: suite.name(),
            seed: seed.0,
            violation,
        })
    })
}
