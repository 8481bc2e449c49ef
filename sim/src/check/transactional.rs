//! The scenario's side of the transaction checker: a history whose operations are transactions in, verdict in words out.

use std::fmt::{self, Debug, Write as _};

use super::{
    Check, Mark, Observed, Violation,
    linearizable::PROMISE_JUDGED,
    transactions::{self, Action, Budget, End, Level, Transaction, Transactions, Verdict},
};
use crate::history::{Call, Outcome};

/// Checks that the transactions of a run are isolated from each other, whether they are calls to one object or to several.
///
/// # Example
/// ```
/// use dormouse_sim::{Transactional, check::transactions::Action};
///
/// #[derive(Clone, Debug)]
/// enum Op {
///     Add(String, i64), // gives the list as it is then
///     All(String),
/// }
///
/// let check = Transactional::strict_serializable(|op: &Op, answer: Option<&Vec<i64>>| {
///     let mut actions = Vec::new();
///     let (Op::Add(key, _) | Op::All(key)) = op;
///     if let Op::Add(key, value) = op {
///         actions.push(Action::Append(key.as_str().into(), (*value).into()));
///     }
///     // Without an answer nobody saw anything.
///     actions.extend(answer.map(|seen| Action::ReadList(key.as_str().into(), seen.iter().map(|value| (*value).into()).collect())));
///     actions
/// });
/// # let _ = check;
/// ```
pub struct Transactional<Op, Ret> {
    level: Level,
    budget: Budget,
    #[expect(
        clippy::type_complexity,
        reason = "a boxed closure, named nowhere else"
    )]
    actions: Box<dyn Fn(&Op, Option<&Ret>) -> Vec<Action>>,
}

impl<Op, Ret> Transactional<Op, Ret> {
    /// Some order of the transactions explains what each saw, and keeps that of those that did not overlap. `actions`: what a call did, from the
    /// operation and the answer; without an answer, what it may have written.
    pub fn strict_serializable(
        actions: impl Fn(&Op, Option<&Ret>) -> Vec<Action> + 'static,
    ) -> Self {
        Self::at(Level::StrictSerializable, actions)
    }

    /// Some order of the transactions explains what each saw.
    pub fn serializable(actions: impl Fn(&Op, Option<&Ret>) -> Vec<Action> + 'static) -> Self {
        Self::at(Level::Serializable, actions)
    }

    /// At a level of choice.
    pub fn at(level: Level, actions: impl Fn(&Op, Option<&Ret>) -> Vec<Action> + 'static) -> Self {
        Self {
            level,
            budget: Budget::default(),
            actions: Box::new(actions),
        }
    }

    /// With another bound than the default one.
    #[must_use]
    pub fn within(mut self, budget: Budget) -> Self {
        self.budget = budget;
        self
    }

    fn transaction(&self, call: &Call<Op, Ret>) -> Transaction {
        let (end, ret) = match &call.outcome {
            Outcome::Ok(ret) => (End::Committed, Some(ret)),
            Outcome::Failed(_) => (End::Aborted, None),
            Outcome::Unknown(_) => (End::Unknown, None),
        };
        Transaction {
            client: call.client,
            invoked: call.invoked.order,
            returned: call.returned.map(|returned| returned.order),
            end,
            actions: (self.actions)(&call.op, ret),
        }
    }
}

/// The promise of a level.
pub fn promise(level: Level) -> String {
    format!("transactions are {level}")
}

impl<Op: Debug, Ret: Debug> Check<Op, Ret> for Transactional<Op, Ret> {
    fn check(&self, run: &Observed<'_, Op, Ret>) -> Result<(), Violation> {
        let calls = run.history.calls();
        let history: Transactions = calls.iter().map(|call| self.transaction(call)).collect();
        match transactions::check(&history, self.level, self.budget) {
            Verdict::Ok => Ok(()),
            Verdict::Unknown(reason) => {
                let why = format!("the transactions cannot be judged: {reason}");
                Err(Violation::new(PROMISE_JUDGED, why))
            }
            Verdict::Illegal(explanation) => {
                // One finding is enough for a report; the first is the gravest.
                let finding = &explanation.findings[0];
                let mut why = finding.to_string();
                let mut numbers = finding.transactions.clone();
                numbers.sort_unstable();
                numbers.dedup();
                for number in numbers {
                    write!(why, "\n  T{number} is {}", calls[number].in_words())
                        .expect("a string takes it");
                }
                let mut violation = Violation::new(promise(self.level), why);
                let marks = finding
                    .transactions
                    .iter()
                    .map(|number| Mark::call(&calls[*number]));
                violation.marks.extend(marks);
                Err(violation)
            }
        }
    }
}

impl<Op, Ret> fmt::Debug for Transactional<Op, Ret> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transactional")
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}
