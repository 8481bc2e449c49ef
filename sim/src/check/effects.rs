//! What objects do in the world outside: a service that is asked to charge a card, send a letter, start a machine.
//!
//! An object's storage is rolled back by a crash, the world is not. A call that goes out between two writes goes out again when the work is
//! taken up again, or never, if the crash forgot that it was to be made. Two promises can be kept all the same: *at least once*, by writing down
//! the work before it is done; and *exactly once in effect*, if moreover the service knows by an idempotency key what it has done already.
//!
//! The service is part of the scenario: an object of its own, or whatever the step closure asks, that writes down one key for every effect. This check
//! holds its record against what clients were promised.

use std::fmt::{self, Debug};

use super::{
    Check, Observed, Violation,
    linearizable::PROMISE_JUDGED,
    tally::{self, Asked, Seen, Tally},
};

/// The promise of at-least-once.
pub const PROMISE_AT_LEAST_ONCE: &str = "what was acknowledged is done outside, at least once";
/// The promise of exactly-once.
pub const PROMISE_EXACTLY_ONCE: &str =
    "what was acknowledged is done outside, and nothing is done twice";

/// Holds the effects that a service recorded against the calls that asked for them.
///
/// # Example
/// ```
/// use dormouse_sim::Effects;
///
/// enum Op {
///     Pay(String),
///     Charges, // asks the service
/// }
///
/// let check = Effects::<Op, Vec<String>>::exactly_once(
///     |op, _| match op {
///         Op::Pay(invoice) => vec![invoice.clone()],
///         Op::Charges => vec![],
///     },
///     |op, answer| matches!(op, Op::Charges).then(|| answer.clone()),
/// );
/// # let _ = check;
/// ```
pub struct Effects<Op, Ret> {
    promise: &'static str,
    asked: Asked<Op, Ret, String>,
    recorded: Seen<Op, Ret, String>,
}

impl<Op, Ret> Effects<Op, Ret> {
    /// Every effect that an answered call asked for is in the record. `asked`: the idempotency keys of the effects that a call asks for.
    /// `recorded`: the keys that the service wrote down, one for each effect, if the operation is one that asks it; the last such answer
    /// counts, which [`Scenario::finally`](crate::Scenario::finally) should ask for.
    pub fn at_least_once(
        asked: impl Fn(&Op, Option<&Ret>) -> Vec<String> + 'static,
        recorded: impl Fn(&Op, &Ret) -> Option<Vec<String>> + 'static,
    ) -> Self {
        Self {
            promise: PROMISE_AT_LEAST_ONCE,
            asked: Box::new(asked),
            recorded: Box::new(recorded),
        }
    }

    /// As [`at_least_once`](Self::at_least_once), and no key is in the record twice.
    pub fn exactly_once(
        asked: impl Fn(&Op, Option<&Ret>) -> Vec<String> + 'static,
        recorded: impl Fn(&Op, &Ret) -> Option<Vec<String>> + 'static,
    ) -> Self {
        Self {
            promise: PROMISE_EXACTLY_ONCE,
            ..Self::at_least_once(asked, recorded)
        }
    }
}

impl<Op: Debug, Ret: Debug> Check<Op, Ret> for Effects<Op, Ret> {
    fn check(&self, run: &Observed<'_, Op, Ret>) -> Result<(), Violation> {
        let Some(tally) = Tally::new(run, &self.asked, &self.recorded) else {
            let why =
                "nobody asked the service what it did: put an operation that does into `finally`";
            return Err(Violation::new(PROMISE_JUDGED, why));
        };
        let mut wrong = tally.missing().or_else(|| tally.unasked());
        if self.promise == PROMISE_EXACTLY_ONCE {
            wrong = wrong.or_else(|| tally.repeated());
        }
        tally::verdict(self.promise, wrong)
    }
}

impl<Op, Ret> fmt::Debug for Effects<Op, Ret> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Effects")
            .field("promise", &self.promise)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        History,
        history::{Outcome, tests::one_by_one},
        trace::Trace,
    };

    #[derive(Clone, Debug)]
    enum Op {
        Pay(&'static str),
        Charges,
    }

    fn pay(invoice: &'static str, outcome: Outcome<Vec<String>>) -> (Op, Outcome<Vec<String>>) {
        (Op::Pay(invoice), outcome)
    }

    fn done() -> Outcome<Vec<String>> {
        Outcome::Ok(vec![])
    }

    fn unknown() -> Outcome<Vec<String>> {
        Outcome::Unknown("lost".to_owned())
    }

    /// What both checks say, at least once and exactly once.
    fn checked(calls: &[(Op, Outcome<Vec<String>>)], charges: &[&str]) -> [Option<String>; 2] {
        let charges = charges.iter().map(|charge| (*charge).to_owned()).collect();
        let mut calls = calls.to_vec();
        calls.push((Op::Charges, Outcome::Ok(charges)));
        let history: History<Op, Vec<String>> = one_by_one(&calls);
        let run = Observed {
            history: &history,
            last_reads: 1,
            trace: &Trace::default(),
        };
        let asked = |op: &Op, _: Option<&Vec<String>>| match op {
            Op::Pay(invoice) => vec![(*invoice).to_owned()],
            Op::Charges => vec![],
        };
        let recorded =
            |op: &Op, answer: &Vec<String>| matches!(op, Op::Charges).then(|| answer.clone());
        [
            Effects::at_least_once(asked, recorded).check(&run),
            Effects::exactly_once(asked, recorded).check(&run),
        ]
        .map(|verdict| verdict.err().map(|violation| violation.why))
    }

    #[test]
    fn one_effect_for_each_acknowledged_call_is_fine() {
        let calls = [pay("a", done()), pay("b", unknown()), pay("c", unknown())];
        assert_eq!(checked(&calls, &["a", "c"]), [None, None]);
    }

    #[test]
    fn an_acknowledged_call_without_an_effect_is_found() {
        let [at_least, exactly] = checked(&[pay("a", done()), pay("b", done())], &["a"]);
        let why = at_least.expect("b was never charged");
        assert!(
            why.starts_with("\"b\" is not there, which was acknowledged"),
            "{why}"
        );
        assert_eq!(exactly, Some(why));
    }

    #[test]
    fn an_effect_that_happened_twice_is_found_where_once_was_promised() {
        // A client that asks again after it heard nothing asks for the same effect.
        let calls = [pay("a", unknown()), pay("a", done())];
        let [at_least, exactly] = checked(&calls, &["a", "a"]);
        assert_eq!(at_least, None);
        let why = exactly.expect("a was charged twice");
        assert!(
            why.starts_with("\"a\" is there 2 times: client-1's Pay(\"a\") -> []"),
            "{why}"
        );
    }

    #[test]
    fn an_effect_that_nobody_may_have_caused_is_found() {
        let refused = Outcome::Failed("no".to_owned());
        for (calls, charge) in [(vec![pay("a", refused)], "a"), (vec![], "b")] {
            let [at_least, exactly] = checked(&calls, &[charge]);
            assert!(at_least.is_some() && exactly.is_some(), "{charge}");
        }
    }
}
