//! Checkers: from what clients saw and what the runtime did to a verdict.
//!
//! Always on: [`activations`] (an object runs once at a time), [`alarms`] (never early, never lost, never twice without need), [`sockets`] (what
//! `WebSockets` promise), the durability oracle of the world (nothing leaves before it is durable), and that every call settles. By the scenario:
//!
//! - [`linearizable`] against a [`model`], which also says whether what was acknowledged survived; [`linearizability`] is its search;
//! - [`transactional`]: transactions are isolated from each other; [`transactions`] is its inference;
//! - [`durable`], [`effects`] and [`monotonic`]: single promises, without a model;
//! - [`invariant`]s of the author's own.

pub mod activations;
pub mod alarms;
pub mod assertions;
pub mod durable;
pub mod effects;
mod index;
pub mod invariant;
pub mod linearizability;
pub mod linearizable;
pub mod model;
pub mod monotonic;
pub mod sockets;
mod tally;
pub mod transactional;
pub mod transactions;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    history::{Call, History},
    trace::Trace,
};

/// A promise that was broken, and why one can say so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// The promise, in words: the name of the checker.
    pub promise: String,
    /// What was seen.
    pub why: String,
    /// Where in the run it can be seen; the first is the one to look at first. Empty if nobody can point at it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<Mark>,
}

/// A place in a run, for those who draw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// The event of this number in the trace, from 0 on.
    Event(usize),
    /// A call.
    Call {
        /// The client's number, from 1 on.
        client: usize,
        /// The call's number among those of its client, from 0 on.
        index: usize,
    },
}

impl Mark {
    /// Points at `call`.
    pub fn call<Op, Ret>(call: &Call<Op, Ret>) -> Self {
        Self::Call {
            client: call.client,
            index: call.index,
        }
    }
}

impl Violation {
    /// `promise` was broken, as `why` shows.
    pub fn new(promise: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            promise: promise.into(),
            why: why.into(),
            marks: Vec::new(),
        }
    }

    /// Says where it can be seen.
    #[must_use]
    pub fn at(mut self, mark: Mark) -> Self {
        self.marks.push(mark);
        self
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
