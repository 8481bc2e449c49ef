//! Running plans, many and changed ones: what a shrinker, a sweep, a search and `why` have in common.
//!
//! They hand over plans as text and get back what was [`Seen`]. [`here`] runs them one after another in this process, as a test does; [`pool`] spreads
//! them over processes, as the command does. Which of the two it is, and over how many processes, makes no difference to what is found: where
//! the first plan counts that breaks a promise, it is the first in the order of the list.

pub(crate) mod here;
pub(super) mod pool;
pub(super) mod worker;

use serde::{Deserialize, Serialize};

use crate::{
    Run, Tape, Violation,
    anatomy::{Firing, Passages},
};

/// What came of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) violation: Option<Violation>,
    pub(crate) hash: u64,
    pub(crate) tape: Tape,
    /// The calls in the order in which they were made: client's number and call's index.
    pub(crate) invoked: Vec<(usize, usize)>,
    pub(crate) firings: Vec<Firing>,
    pub(crate) passages: Vec<Passages>,
}

impl Seen {
    /// What a run with its anatomy shows.
    pub(crate) fn of(run: Run) -> Self {
        let anatomy = run.anatomy.unwrap_or_default();
        Self {
            violation: run.violation,
            hash: run.hash,
            tape: run.tape,
            invoked: anatomy.invoked,
            firings: anatomy.firings,
            passages: anatomy.passages,
        }
    }

    /// Whether this very promise was broken.
    pub(crate) fn broke(&self, promise: &str) -> bool {
        self.violation
            .as_ref()
            .is_some_and(|violation| violation.promise == promise)
    }
}

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until<'a> {
    /// When all have been run.
    AllRan,
    /// At the first that breaks this promise.
    Broken(&'a str),
}

impl Until<'_> {
    fn is_reached(self, seen: Option<&Seen>) -> bool {
        match self {
            Self::AllRan => false,
            Self::Broken(promise) => seen.is_some_and(|seen| seen.broke(promise)),
        }
    }
}

/// Runs plans.
pub(crate) trait RunsPlans {
    /// Runs `plans` in their order. Gives what was seen of the first ones, until the end of the list, `until`, or the end of the time; `None` of
    /// a plan that cannot be run: it is none, or its run hung or took its process with it.
    fn run(&mut self, plans: &[String], until: Until<'_>) -> Vec<Option<Seen>>;

    /// Whether the time is over that this may take.
    fn time_is_up(&self) -> bool;
}
