//! Checkers: from what clients saw and what the runtime did to a verdict.
//!
//! Always on: [`activations`] (an object runs once at a time), [`alarms`] (never early, never lost, never twice without need), the durability oracle of the world (nothing leaves before it is durable), and
//! that every call settles. By the scenario: [`linearizable`] against a model, which also says whether what was acknowledged survived, and
//! [`invariant`]s of the author's own.

pub mod activations;
pub mod alarms;
pub mod invariant;
pub mod linearizability;
pub mod linearizable;
pub mod model;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{history::History, trace::Trace};

/// A promise that was broken, and why one can say so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The promise, in words: the name of the checker.
    pub promise: String,
    /// What was seen.
    pub why: String,
}

impl Violation {
    /// `promise` was broken, as `why` shows.
    pub fn new(promise: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            promise: promise.into(),
            why: why.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.why)
    }
}

/// What a checker is given of a run.
#[derive(Debug)]
pub struct Observed<'a, Op, Ret> {
    /// What the clients did and saw, the last reads after the end included.
    pub history: &'a History<Op, Ret>,
    /// How many calls at the end of the history are those last reads, made after a final loss of power.
    pub last_reads: usize,
    /// What the runtime and the world did.
    pub trace: &'a Trace,
}

/// Judges a run.
pub trait Check<Op, Ret> {
    /// Finds out whether a promise was broken.
    ///
    /// # Errors
    /// The promise that was broken, and why.
    fn check(&self, run: &Observed<'_, Op, Ret>) -> Result<(), Violation>;
}
