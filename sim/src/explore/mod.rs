//! Exploration: many seeds, on all cores, until something breaks or the number is reached.
//!
//! - [`command`] is the `dormouse` command; [`pool`] spreads seeds over [`worker`] processes, one for each core, so that a crash or a hang costs one
//!   seed and not the campaign; [`watchdog`] finds the hangs;
//! - [`test()`] is what a `#[test]` runs: its seeds one after another, in its own process;
//! - [`strategy`] says where plans come from; [`regressions`] are run before all others;
//! - [`campaign`] runs the seeds that were asked for and can be taken up again after a kill; [`tally`] is what came of it so far, and what shards are
//!   joined from; [`report`] says what was found, made small by [`crate::shrink`], [`table`] how much was searched, [`blind_spots`] what was never seen;
//!   [`junit`] and [`github`] tell the same to CI;
//! - [`replay`] looks at one run, with [`logs`] if wanted; [`sweep`](mod@sweep) strikes each injection point of one plan, [`why`] looks for the event that
//!   decided; [`closer`] has the commands of the last two;
//! - [`zoo`] has what there is to say of bugs, and searches for all of them;
//! - [`seeds`] and [`environment`] are how all of this is asked for.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the explorer runs worlds from outside: it has real time, threads and an environment"
)]

pub mod blind_spots;
mod campaign;
mod closer;
pub mod command;
mod environment;
mod github;
mod junit;
mod logs;
pub(crate) mod plans;
pub mod pool;
mod ranges;
pub mod regressions;
mod replay;
pub mod report;
pub mod seeds;
pub mod strategy;
pub mod sweep;
mod table;
mod tally;
mod target;
mod test;
mod watchdog;
pub mod why;
pub mod worker;
mod worker_process;
pub mod zoo;

use std::{collections::BTreeMap, fmt, path::Path, time::Duration};

use serde::{Deserialize, Serialize};

use self::campaign::is_about_the_object;
pub use self::test::test;
use crate::{Detail, Run, Seed, Suite, Violation, fault::armed::Effects, plan::PlanError};

/// A suite as the command knows it.
#[derive(Clone, Copy)]
pub struct Listed {
    make: fn() -> Suite,
    /// What is expected of it.
    pub expectation: Expectation,
    regressions: Option<&'static str>,
    exhibit: Option<&'static zoo::Exhibit>,
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
            regressions: None,
            exhibit: None,
        }
    }

    /// A suite of objects with a bug.
    pub fn faulty(make: fn() -> Suite) -> Self {
        Self {
            make,
            expectation: Expectation::IsFound,
            regressions: None,
            exhibit: None,
        }
    }

    /// Runs the [`regressions`] of this folder before anything else, and adds to them.
    #[must_use]
    pub fn regressions_in(mut self, folder: &'static str) -> Self {
        self.regressions = Some(folder);
        self
    }

    pub(crate) fn regressions(&self) -> Option<&Path> {
        self.regressions.map(Path::new)
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
    /// How many of them were answered with a result.
    #[serde(default)]
    pub answered: u64,
    /// How often each assertion in objects and steps held.
    #[serde(default)]
    pub assertions: BTreeMap<String, u64>,
    /// What became of the faults that were drawn, by kind and place.
    #[serde(default)]
    pub fates: BTreeMap<String, blind_spots::Fates>,
    /// The plans of the seeds that failed, where they are not the seeds' own.
    #[serde(default)]
    pub plans: BTreeMap<u64, String>,
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
        self.answered += other.answered;
        for (name, times) in other.assertions {
            *self.assertions.entry(name).or_default() += times;
        }
        for (place, more) in other.fates {
            let sum = self.fates.entry(place).or_default();
            sum.drawn += more.drawn;
            sum.fired += more.fired;
            sum.took_effect += more.took_effect;
        }
        self.plans.extend(other.plans);
        self.failures.extend(other.failures);
        self.failures.sort_by_key(|failure| failure.seed);
    }

    pub(crate) fn add(&mut self, seed: Seed, run: Run) {
        self.seeds += 1;
        self.calls += run.calls as u64;
        self.simulated += run.lasted;
        self.effects.merge(&run.effects);
        self.answered += run.answered as u64;
        blind_spots::add(&mut self.fates, &run.fates);
        for (name, times) in run.assertions {
            *self.assertions.entry(name).or_default() += times;
        }
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
pub fn run_seed(suite: &Suite, seed: Seed, detail: Detail) -> Run {
    caught(|| suite.run_seed(seed, detail)).unwrap_or_else(Run::panicked)
}

/// Runs a plan, with panics as broken promises as well.
pub(crate) fn run_plan(suite: &Suite, plan: &str, detail: Detail) -> Result<Run, PlanError> {
    caught(|| suite.run_plan(plan, detail)).unwrap_or_else(|panic| Ok(Run::panicked(panic)))
}

fn caught<T>(run: impl FnOnce() -> T) -> Result<T, Violation> {
    let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
    run.map_err(|panic| {
        let text = panic
            .downcast_ref::<&'static str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("(no text)");
        Violation::new(NO_PANIC, text)
    })
}
