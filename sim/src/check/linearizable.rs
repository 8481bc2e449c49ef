//! The scenario's side of the linearizability checker: history and model in, verdict in words out.
//!
//! The last reads of a run are made after a final loss of power. If the history is fine without them and not with them, what was broken is
//! not the order of events but durability, and the report says so.

use std::fmt::{self, Debug};

use super::{
    Check, Mark, Observed, Violation,
    linearizability::{self, Budget, Verdict},
    model::NondeterministicModel,
};
use crate::history::History;

/// The promise about order.
pub const PROMISE_ORDER: &str =
    "calls take effect one at a time, in an order that clients could have seen";
/// The promise about survival.
pub const PROMISE_DURABLE: &str = "what was acknowledged survives a loss of power";

/// The promise of the checker itself: within its bounds it finds an answer.
pub const PROMISE_JUDGED: &str = "the history can be judged";

/// Checks every object of a run against a sequential [`Model`](super::model::Model), or one that leaves the object choices
/// ([`NondeterministicModel`]).
///
/// A run whose history cannot be judged within the [`Budget`] does not pass: it breaks the promise [`PROMISE_JUDGED`].
pub struct Linearizable<M> {
    model: M,
    budget: Budget,
}

impl<M: NondeterministicModel> Linearizable<M> {
    /// Each object on its own: calls to different objects are not ordered with each other.
    pub fn per_object(model: M) -> Self {
        Self {
            model,
            budget: Budget::default(),
        }
    }

    /// With another bound than the default one.
    #[must_use]
    pub fn within(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }
}

impl<M> Check<M::Op, M::Ret> for Linearizable<M>
where
    M: NondeterministicModel,
    M::Op: Clone + Debug,
    M::Ret: Clone + Debug,
{
    fn check(&self, run: &Observed<'_, M::Op, M::Ret>) -> Result<(), Violation> {
        match linearizability::check(&self.model, run.history, self.budget) {
            Verdict::Ok => Ok(()),
            Verdict::Unknown(bound) => {
                let why = format!(
                    "the checker gave up after {bound}; make the history shorter or the model simpler, or raise `Linearizable::within`"
                );
                Err(Violation::new(PROMISE_JUDGED, why))
            }
            Verdict::Illegal(explanation) => {
                let calls = run.history.calls();
                let before: History<_, _> = calls[..calls.len() - run.last_reads]
                    .iter()
                    .cloned()
                    .collect();
                let without_last_reads = linearizability::check(&self.model, &before, self.budget);
                let fine_before = matches!(without_last_reads, Verdict::Ok) && run.last_reads > 0;
                let promise = if fine_before {
                    PROMISE_DURABLE
                } else {
                    PROMISE_ORDER
                };
                let stuck = Mark::call(&calls[explanation.stuck]);
                let last = explanation.longest_prefix.last();
                let last = last.map(|last| Mark::call(&calls[*last]));
                let mut found = Violation::new(promise, explanation.to_string()).at(stuck);
                found.marks.extend(last);
                Err(found)
            }
        }
    }
}

impl<M> fmt::Debug for Linearizable<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Linearizable")
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}
