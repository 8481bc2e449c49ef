//! Exploration: many seeds, on all cores, until something breaks or the number is reached.
//!
//! - [`command`] is the `dormouse` command; [`pool`] spreads seeds over [`worker`] processes, one for each core, so that a crash or a hang costs one
//!   seed and not the campaign; [`watchdog`] finds the hangs;
//! - [`test()`] is what a `#[test]` runs: its seeds one after another, in its own process;
//! - [`campaign`] runs the seeds that were asked for and can be taken up again after a kill; [`tally`] is what came of it so far, and what shards are
//!   joined from; [`report`] says what was found, [`table`] how much was searched, [`junit`] and [`github`] tell the same to CI;
//! - [`replay`] looks at one run, with [`logs`] if wanted;
//! - [`seeds`] and [`environment`] are how all of this is asked for.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the explorer runs worlds from outside: it has real time, threads and an environment"
)]

mod campaign;
pub mod command;
mod environment;
mod github;
mod junit;
mod logs;
pub mod pool;
mod ranges;
mod replay;
pub mod report;
pub mod seeds;
mod table;
mod tally;
mod target;
mod test;
mod watchdog;
pub mod worker;

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

pub use self::test::test;
use crate::{Detail, Run, Seed, Suite, Violation, fault::armed::Effects};

/// A suite as the command knows it.
#[derive(Clone, Copy)]
pub struct Listed {
    make: fn() -> Suite,
    /// What is expected of it.
    pub expectation: Expectation,
}

/// What is expected of a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// Every seed passes.
    Passes,
    /// Its objects have a bug that must be found.
    IsFound,
}

impl Listed {
    /// A suite of correct objects.
    pub fn correct(make: fn() -> Suite) -> Self {
        Self {
            make,
            expectation: Expectation::Passes,
        }
    }

    /// A suite of objects with a bug.
    pub fn faulty(make: fn() -> Suite) -> Self {
        Self {
            make,
            expectation: Expectation::IsFound,
        }
    }

    /// The suite.
    pub fn suite(&self) -> Suite {
        (self.make)()
    }
}

impl fmt::Debug for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listed")
            .field("suite", &self.suite())
            .field("expectation", &self.expectation)
            .finish_non_exhaustive()
    }
}

/// What came of a number of seeds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// How many seeds were run.
    pub seeds: u64,
    /// How many calls their clients made.
    pub calls: u64,
    /// How much virtual time passed in them.
    #[serde(with = "tally::seconds")]
    pub simulated: Duration,
    /// How much processor time they took, about: the sum of the workers' real time.
    #[serde(with = "tally::seconds")]
    pub worked: Duration,
    /// How often each kind of fault took effect.
    pub effects: Effects,
    /// What broke, in the order of the seeds.
    pub failures: Vec<Failure>,
}

/// A seed that broke a promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The seed.
    pub seed: Seed,
    /// The promise, and what was seen.
    pub violation: Violation,
    /// The trace's hash: the same whenever the seed is run again.
    pub hash: u64,
}

impl Summary {
    /// Adds what another part of the search found.
    pub fn merge(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.calls += other.calls;
        self.simulated += other.simulated;
        self.worked += other.worked;
        self.effects.merge(&other.effects);
        self.failures.extend(other.failures);
        self.failures.sort_by_key(|failure| failure.seed);
    }

    pub(crate) fn add(&mut self, seed: Seed, run: Run) {
        self.seeds += 1;
        self.calls += run.calls as u64;
        self.simulated += run.lasted;
        self.effects.merge(&run.effects);
        if let Some(violation) = run.violation {
            self.failures.push(Failure {
                seed,
                violation,
                hash: run.hash,
            });
        }
    }
}

/// The promise that simulator and objects make together.
pub(crate) const SAME_RUN: &str = "the same seed gives the same run";

/// Runs one seed, and once more if asked: a trace that differs is a broken promise.
pub(crate) fn run_repeatedly(suite: &Suite, seed: Seed, repeat: worker::Repeat) -> Run {
    let mut run = run_seed(suite, seed, Detail::Brief);
    if repeat == worker::Repeat::Twice {
        let again = run_seed(suite, seed, Detail::Brief);
        if again.hash != run.hash {
            let why = format!(
                "trace {:016x} the first time, {:016x} the second",
                run.hash, again.hash
            );
            run.violation = Some(Violation::new(SAME_RUN, why));
        }
    }
    run
}

/// The promise that runtime and simulator make for themselves.
pub(crate) const NO_PANIC: &str = "runtime and simulator do not panic";

/// Runs one seed; a panic of the simulator or the runtime is a broken promise of theirs.
pub(crate) fn run_seed(suite: &Suite, seed: Seed, detail: Detail) -> Run {
    let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        suite.run_seed(seed, detail)
    }));
    run.unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<&'static str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("(no text)");
        Run::panicked(Violation::new(NO_PANIC, text))
    })
}
