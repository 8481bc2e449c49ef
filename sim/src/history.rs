//! What clients saw: every call of a run, when it was made, when it was answered, and how.
//!
//! A checker may use nothing else. What the runtime did stands in the trace; what a caller can hold it to stands here. The
//! third outcome is the one that makes histories honest: a client whose connection broke does not know whether its call
//! took effect, and a history that wrote "failed" there would accuse a correct object.
//!
//! In: [`History::push`] at the invocation, [`History::settle`] at the answer. Out: the checkers read [`History::calls`].

use std::{
    collections::BTreeMap,
    fmt::{self, Debug},
    slice,
    time::Duration,
};

use serde::{Deserialize, Serialize};

/// One call, as its client saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call<Op, Ret> {
    /// The client's number. Its calls follow one another, unless one of them never settled.
    pub client: usize,
    /// The call's number among those of its client, from 0 on.
    pub index: usize,
    /// What was asked.
    pub op: Op,
    /// When it was asked.
    pub invoked: Moment,
    /// When it was answered; `None` if it never settled.
    pub returned: Option<Moment>,
    /// The answer.
    pub outcome: Outcome<Ret>,
}

/// A point in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Moment {
    /// The position among all events of the run: no two are equal, and it alone says what came first.
    pub order: u64,
    /// The virtual time since the start, for people; many events can share it.
    pub at: Duration,
}

/// How a call ended, from where its client stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome<Ret> {
    /// It took effect once, between invocation and return, and gave this result.
    Ok(Ret),
    /// It had no effect, for the reason given.
    Failed(String),
    /// Nobody knows: it took effect once at any time after the invocation, later than the return included, or never.
    Unknown(String),
}

impl<Op: Debug, Ret: Debug> Call<Op, Ret> {
    /// The call as reports tell it: `client-1's Get -> 3 (+0.001s to +0.004s)`.
    pub(crate) fn in_words(&self) -> String {
        let Self {
            client,
            op,
            invoked,
            ..
        } = self;
        let asked = format!("client-{client}'s {op:?}");
        match (&self.outcome, self.returned) {
            (Outcome::Ok(ret), Some(returned)) => {
                format!("{asked} -> {ret:?} ({invoked} to {returned})")
            }
            (Outcome::Ok(ret), None) => format!("{asked} -> {ret:?} (from {invoked} on)"),
            (Outcome::Failed(_), _) => format!("{asked} -> failed (from {invoked} on)"),
            (Outcome::Unknown(_), _) => format!("{asked} -> unknown (from {invoked} on)"),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}.{:03}s", self.at.as_secs(), self.at.subsec_millis())
    }
}

/// All calls of a run, in the order in which they were pushed.
///
/// # Example
/// ```
/// use std::time::Duration;
///
/// use dormouse_sim::{Call, History, Moment, Outcome};
///
/// let moment = |order| Moment { order, at: Duration::from_millis(order) };
/// let mut history = History::default();
/// let place = history.push(Call {
///     client: 1,
///     index: 0,
///     op: "increment",
///     invoked: moment(0),
///     returned: None,
///     outcome: Outcome::Unknown("never settled".to_owned()),
/// });
/// history.settle(place, moment(1), Outcome::Ok(1));
/// assert_eq!(history.calls()[place].outcome, Outcome::Ok(1));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct History<Op, Ret> {
    calls: Vec<Call<Op, Ret>>,
}

impl<Op, Ret> History<Op, Ret> {
    /// Adds a call and gives its place in the history.
    pub fn push(&mut self, call: Call<Op, Ret>) -> usize {
        self.calls.push(call);
        self.calls.len() - 1
    }

    /// The call at `place` was answered.
    ///
    /// # Panics
    /// If there is no such call, if it has settled before, or if it would return before it was invoked.
    pub fn settle(&mut self, place: usize, returned: Moment, outcome: Outcome<Ret>) {
        let call = &mut self.calls[place];
        assert!(call.returned.is_none(), "a call settles once");
        assert!(
            call.invoked.order < returned.order,
            "a call returns after its invocation"
        );
        call.returned = Some(returned);
        call.outcome = outcome;
    }

    /// The calls, by place.
    pub fn calls(&self) -> &[Call<Op, Ret>] {
        &self.calls
    }

    /// The calls, by place.
    pub fn iter(&self) -> slice::Iter<'_, Call<Op, Ret>> {
        self.calls.iter()
    }

    /// The places of the calls that share a key, for each key; within a key in the history's order.
    pub fn partition<Key: Ord>(
        &self,
        key: impl Fn(&Call<Op, Ret>) -> Key,
    ) -> BTreeMap<Key, Vec<usize>> {
        let mut parts = BTreeMap::<Key, Vec<usize>>::new();
        for (place, call) in self.calls.iter().enumerate() {
            parts.entry(key(call)).or_default().push(place);
        }
        parts
    }
}

// By hand: a derived one would ask `Op` and `Ret` for a default, too.
impl<Op, Ret> Default for History<Op, Ret> {
    fn default() -> Self {
        Self { calls: Vec::new() }
    }
}

impl<Op, Ret> FromIterator<Call<Op, Ret>> for History<Op, Ret> {
    fn from_iter<Calls: IntoIterator<Item = Call<Op, Ret>>>(calls: Calls) -> Self {
        Self {
            calls: calls.into_iter().collect(),
        }
    }
}

impl<'a, Op, Ret> IntoIterator for &'a History<Op, Ret> {
    type Item = &'a Call<Op, Ret>;
    type IntoIter = slice::Iter<'a, Call<Op, Ret>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Calls of one client, one after the other, a millisecond between any two events.
    pub(crate) fn one_by_one<Op: Clone, Ret: Clone>(
        calls: &[(Op, Outcome<Ret>)],
    ) -> History<Op, Ret> {
        let call = |(index, (op, outcome)): (usize, &(Op, Outcome<Ret>))| Call {
            client: 1,
            index,
            op: op.clone(),
            invoked: moment(index as u64 * 2 + 1),
            returned: Some(moment(index as u64 * 2 + 2)),
            outcome: outcome.clone(),
        };
        calls.iter().enumerate().map(call).collect()
    }

    fn moment(order: u64) -> Moment {
        Moment {
            order,
            at: Duration::from_millis(order),
        }
    }

    fn asked(client: usize, op: &'static str, order: u64) -> Call<&'static str, u32> {
        Call {
            client,
            index: 0,
            op,
            invoked: moment(order),
            returned: None,
            outcome: Outcome::Unknown("never settled".to_owned()),
        }
    }

    #[test]
    fn a_call_is_unknown_until_it_settles() {
        let mut history = History::default();
        let place = history.push(asked(1, "get", 0));
        assert_eq!(history.calls()[place].returned, None);
        history.settle(place, moment(3), Outcome::Ok(7));
        assert_eq!(history.calls()[place].returned, Some(moment(3)));
        assert_eq!(history.calls()[place].outcome, Outcome::Ok(7));
    }

    #[test]
    #[should_panic(expected = "a call settles once")]
    fn a_call_does_not_settle_twice() {
        let mut history = History::default();
        let place = history.push(asked(1, "get", 0));
        history.settle(place, moment(1), Outcome::Ok(7));
        history.settle(place, moment(2), Outcome::Ok(8));
    }

    #[test]
    fn parts_keep_the_order_of_the_history() {
        let history: History<_, _> = [asked(2, "b", 0), asked(1, "a", 1), asked(2, "c", 2)]
            .into_iter()
            .collect();
        let parts = history.partition(|call| call.client);
        assert_eq!(parts[&1], [1]);
        assert_eq!(parts[&2], [0, 2]);
    }

    #[test]
    fn a_history_survives_json() {
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        struct Get;
        let mut history = History::default();
        let call = asked(1, "get", 0);
        let place = history.push(Call {
            client: call.client,
            index: call.index,
            op: Get,
            invoked: call.invoked,
            returned: call.returned,
            outcome: call.outcome,
        });
        history.settle(place, moment(1), Outcome::Ok(7));
        let text = serde_json::to_string(&history).expect("plain data");
        let read: History<Get, u32> = serde_json::from_str(&text).expect("its own format");
        assert_eq!(read, history);
    }
}
