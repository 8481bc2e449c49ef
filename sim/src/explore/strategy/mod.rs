//! Strategies: where the next plan comes from.
//!
//! - [`Random`](Strategy::Random): each seed's own plan, its order of events drawn;
//! - [`Pct`](Strategy::Pct): each seed's own plan, its order by [priorities](pct) that change at a few points;
//! - [`Coverage`](Strategy::Coverage): plans that showed something new are kept and [changed](mutation).
//!
//! Whatever the strategy, a seed's run is a function of the seeds that were run before it in the same task, and for the first two of the seed alone. So a range of seeds
//! always finds the same.

mod coverage;
mod mutation;
mod pct;

use serde::{Deserialize, Serialize};

use self::coverage::Corpus;
use super::{run_plan, run_repeatedly, worker::Repeat};
use crate::{Detail, Run, Seed, Suite};

/// Where plans come from.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Each seed's own plan and order
    #[default]
    Random,
    /// Each seed's own plan, with an order by priorities that change at a few points
    Pct,
    /// Plans that showed something new are kept and changed
    Coverage,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Random, Self::Pct, Self::Coverage];

    /// Its name, as the command takes it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Pct => "pct",
            Self::Coverage => "coverage",
        }
    }
}

/// Runs the seeds of one task by a strategy.
pub(super) struct Searcher {
    strategy: Strategy,
    corpus: Corpus,
}

impl Searcher {
    pub(super) fn new(strategy: Strategy) -> Self {
        Self {
            strategy,
            corpus: Corpus::default(),
        }
    }

    /// Runs the plan that the strategy makes of `seed`. Gives the plan as well, if it is not the seed's own.
    /// A random one is repeated, if asked.
    pub(super) fn run(
        &mut self,
        suite: &Suite,
        seed: Seed,
        repeat: Repeat,
    ) -> (Run, Option<String>) {
        let (plan, detail) = match self.strategy {
            Strategy::Random => return (run_repeatedly(suite, seed, repeat), None),
            Strategy::Pct => (pct::plan(suite, seed), Detail::Brief),
            Strategy::Coverage => (self.corpus.plan(suite, seed), Detail::Anatomy),
        };
        let text = plan.to_json();
        // A changed plan that cannot be used would be our mistake; the seed's own always can.
        let run = run_plan(suite, &text, detail)
            .unwrap_or_else(|error| panic!("the strategy made a plan that is none: {error}"));
        if self.strategy == Strategy::Coverage {
            self.corpus.learn(plan, &run);
        }
        (run, Some(text))
    }
}
