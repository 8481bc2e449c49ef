//! Linearizability: is there an order of the calls, one at a time, that explains every answer?
//!
//! Each call must take effect at one instant between its invocation and its return. A history is linearizable if such
//! instants can be chosen so that a sequential [`Model`](super::model::Model) gives the answers that the clients saw. Then, and only then, the
//! object behaved as if it had no concurrency, no cache and no crash.
//!
//! - An answered call has one place, before its return.
//! - A failed call has none: it is left out.
//! - An unknown call, or one that never settled, has one place anywhere after its invocation, or none.
//!
//! Objects are independent, so each is searched on its own (Herlihy and Wing's locality); [`search`] is the search of Wing
//! and Gong with Lowe's memory. Deciding is NP-complete: linear in the length of a history, exponential in how many calls
//! overlap. So there is a [`Budget`], and past it the verdict is [`Verdict::Unknown`], never `Ok`.
//!
//! In: a history and a model. Out: a [`Verdict`]; if the history is illegal, the longest order that works, the calls that do not fit behind
//! it, and the states that they met there.

mod events;
#[cfg(test)]
mod mutated_tests;
mod search;
mod table;
#[cfg(test)]
mod tests;

use std::{
    fmt::{self, Debug},
    iter,
};

use super::model::NondeterministicModel;
use crate::history::History;
use search::{DeadEnd, Search};

/// The steps that each object is given in the first round. An object that is easy to refute is then found before the
/// budget is spent on one that is hard to explain.
const STEPS_FIRST_ROUND: u64 = 4_096;
/// By how much more each round gives. What was searched in former rounds is kept.
const ROUND_GROWTH: u64 = 8;

/// How much work a check may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How often a call may be tried at a place, over all objects.
    pub steps: u64,
    /// How many bytes the memory of searched places may take. What a state holds on the heap counts if the model says it
    /// ([`heap_bytes`](super::model::Model::heap_bytes)).
    pub memory_bytes_max: usize,
}

impl Default for Budget {
    /// Two million steps, 512 MiB.
    fn default() -> Self {
        Self {
            steps: 2_000_000,
            memory_bytes_max: 512 << 20,
        }
    }
}

/// What the checker found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// There is an order that explains every answer.
    Ok,
    /// There is none.
    Illegal(Explanation),
    /// The budget ended first: nothing is known.
    Unknown(Bound),
}

/// The bound at which a search gave up. `Display` tells it in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// So many steps were made.
    Steps(u64),
    /// The memory of searched places took so many bytes.
    MemoryBytes(usize),
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps(steps) => write!(f, "{steps} steps"),
            Self::MemoryBytes(bytes) => write!(f, "{bytes} bytes of memory"),
        }
    }
}

/// The proof, as far as a person can follow it. `Display` tells it in a sentence; `{:#}` goes through the last calls of the longest
/// order and all those that could not be placed behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The object whose calls no order explains.
    pub object: String,
    /// The calls of a longest order that works, in that order, by their places in the history.
    pub longest_prefix: Vec<usize>,
    /// The place of the call that had to come next, before it returned, and could not.
    pub stuck: usize,
    /// The places of the other calls that had been made by then and could not come next either.
    pub open: Vec<usize>,
    /// The states that they met, as text: after that order, then after others as long; at most [`Explanation::STATES_MAX`].
    pub states: Vec<String>,
    /// The stuck call, as text.
    call: String,
    /// The open calls, as text.
    open_calls: Vec<String>,
    /// The end of the longest order, as text.
    last_calls: Vec<String>,
}

impl Explanation {
    /// How many states an explanation names at most.
    pub const STATES_MAX: usize = search::STATES_MAX;
    /// How many calls at the end of the longest order an explanation tells at most.
    pub const LAST_CALLS_MAX: usize = 8;

    fn new<M>(
        object: &str,
        history: &History<M::Op, M::Ret>,
        search: &Search<'_, M>,
        end: DeadEnd,
    ) -> Self
    where
        M: NondeterministicModel,
        M::Op: Debug,
        M::Ret: Debug,
    {
        let DeadEnd {
            order,
            stuck,
            open,
            states,
        } = end;
        let words = |place: &usize| history.calls()[*place].in_words();
        let last_calls = &order[order.len().saturating_sub(Self::LAST_CALLS_MAX)..];
        Self {
            object: object.to_owned(),
            stuck,
            states: states
                .into_iter()
                .map(|state| search.state_in_words(state))
                .collect(),
            call: words(&stuck),
            open_calls: open.iter().map(words).collect(),
            last_calls: last_calls.iter().map(words).collect(),
            longest_prefix: order,
            open,
        }
    }

    fn sentence(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} fits into no order of the calls; ",
            self.object, self.call
        )?;
        match (self.last_calls.last(), self.longest_prefix.len()) {
            (None, _) => f.write_str("even as the first call")?,
            (Some(last), 1) => write!(f, "after {last}")?,
            (Some(last), length) => {
                write!(
                    f,
                    "after the longest order that works, {length} calls up to {last}"
                )?;
            }
        }
        write!(f, ", it met the state {}", self.states.join(", or "))
    }

    fn story(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.longest_prefix.len();
        write!(
            f,
            "{}: no order of the calls explains every answer",
            self.object
        )?;
        if length > self.last_calls.len() {
            write!(
                f,
                "\nthe longest order that works has {length} calls, the last of them"
            )?;
        } else if length > 0 {
            write!(f, "\nthe longest order that works")?;
        }
        for call in &self.last_calls {
            write!(f, "\n  {call}")?;
        }
        write!(f, "\npossible states then: {}", self.states.join(", or "))?;
        write!(f, "\nnone of these fits there, and the first had to")?;
        for call in iter::once(&self.call).chain(&self.open_calls) {
            write!(f, "\n  {call}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            self.story(f)
        } else {
            self.sentence(f)
        }
    }
}

/// Judges a history.
///
/// # Example
/// ```
/// use std::time::Duration;
///
/// use dormouse_sim::{
///     Call, History, Model, Moment, Outcome,
///     check::linearizability::{Budget, Verdict, check},
/// };
///
/// #[derive(Debug)]
/// struct Increment;
/// struct Counter;
///
/// impl Model for Counter {
///     type Op = Increment;
///     type Ret = u64;
///     type State = u64;
///
///     fn initial(&self) -> u64 {
///         0
///     }
///
///     fn step(&self, count: &u64, _: &Increment, ret: Option<&u64>) -> Option<u64> {
///         let next = count + 1;
///         ret.is_none_or(|ret| *ret == next).then_some(next)
///     }
///
///     fn object(&self, _: &Increment) -> String {
///         "counter".to_owned()
///     }
/// }
///
/// // Two clients, one after the other, and both are told "1": a lost update.
/// let moment = |order| Moment { order, at: Duration::from_millis(order) };
/// let one = |client, order| Call {
///     client,
///     index: 0,
///     op: Increment,
///     invoked: moment(order),
///     returned: Some(moment(order + 1)),
///     outcome: Outcome::Ok(1),
/// };
/// let history: History<_, _> = [one(1, 0), one(2, 2)].into_iter().collect();
///
/// let Verdict::Illegal(explanation) = check(&Counter, &history, Budget::default()) else {
///     panic!("a lost update")
/// };
/// assert_eq!(
///     explanation.to_string(),
///     "counter: client-2's Increment -> 1 (+0.002s to +0.003s) fits into no order of the calls; \
///      after client-1's Increment -> 1 (+0.000s to +0.001s), it met the state 1",
/// );
/// ```
pub fn check<M>(model: &M, history: &History<M::Op, M::Ret>, budget: Budget) -> Verdict
where
    M: NondeterministicModel,
    M::Op: Debug,
    M::Ret: Debug,
{
    let objects = history.partition(|call| model.object(&call.op));
    let mut open: Vec<_> = objects
        .iter()
        .map(|(object, places)| (object, Search::new(model, history.calls(), places)))
        .collect();
    let mut steps = 0;
    let mut quota = STEPS_FIRST_ROUND;
    loop {
        let mut held: usize = open.iter().map(|(_, search)| search.memory_bytes()).sum();
        let mut undecided = Vec::new();
        for (object, mut search) in open {
            let (steps_before, held_before) = (search.steps(), search.memory_bytes());
            let decided = search.run(
                quota.min(budget.steps - steps),
                budget.memory_bytes_max.saturating_sub(held - held_before),
            );
            steps += search.steps() - steps_before;
            held = held - held_before + search.memory_bytes();
            match decided {
                Some(Ok(())) => held -= search.memory_bytes(),
                Some(Err(end)) => {
                    return Verdict::Illegal(Explanation::new(object, history, &search, end));
                }
                None => undecided.push((object, search)),
            }
        }
        if undecided.is_empty() {
            return Verdict::Ok;
        }
        if held >= budget.memory_bytes_max {
            return Verdict::Unknown(Bound::MemoryBytes(held));
        }
        if steps >= budget.steps {
            return Verdict::Unknown(Bound::Steps(steps));
        }
        open = undecided;
        quota = quota.saturating_mul(ROUND_GROWTH);
    }
}
