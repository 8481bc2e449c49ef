//! The search for one defect in one suite.

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

/// The first of so many seeds of `suite` that breaks a promise while the runtime has this defect, and breaks none without it.
pub fn find(mutation: Mutation, suite: &Suite, seeds: u64) -> Option<Finding> {
    (0..seeds).map(Seed).find_map(|seed| {
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
