//! What was acknowledged survives: a check that needs no model.
//!
//! For objects that collect things (letters, votes, entries of a log) the whole specification is often too much to write, and one sentence of it is what
//! matters: nothing that somebody was promised is gone in the end, after the last loss of power, and nothing is there that nobody put there.
//!
//! What it does not see: order, values that are replaced, anything that is removed on purpose. Those need a [`Model`](super::model::Model).

use std::fmt::{self, Debug};

use super::{
    Check, Observed, Violation,
    linearizable::{PROMISE_DURABLE, PROMISE_JUDGED},
    tally::{self, Asked, Seen, Tally},
};

/// Holds the items that calls added against those that the last read shows.
///
/// # Example
/// ```
/// use dormouse_sim::Durable;
///
/// enum Op {
///     Post(u32),
///     All,
/// }
///
/// let check = Durable::<Op, Vec<u32>, u32>::new(
///     |op, _| match op {
///         Op::Post(letter) => vec![*letter],
///         Op::All => vec![],
///     },
///     |op, answer| matches!(op, Op::All).then(|| answer.clone()),
/// );
/// # let _ = check;
/// ```
pub struct Durable<Op, Ret, Item> {
    added: Asked<Op, Ret, Item>,
    read: Seen<Op, Ret, Item>,
}

impl<Op, Ret, Item> Durable<Op, Ret, Item> {
    /// `added`: the items that a call adds, from the operation and the answer, if it was answered. `read`: the items that an answer
    /// shows, all that there are, if the operation is one that reads them; the last such answer counts, which [`Scenario::finally`] should ask for.
    ///
    /// [`Scenario::finally`]: crate::Scenario::finally
    pub fn new(
        added: impl Fn(&Op, Option<&Ret>) -> Vec<Item> + 'static,
        read: impl Fn(&Op, &Ret) -> Option<Vec<Item>> + 'static,
    ) -> Self {
        Self {
            added: Box::new(added),
            read: Box::new(read),
        }
    }
}

impl<Op: Debug, Ret: Debug, Item: Ord + Debug> Check<Op, Ret> for Durable<Op, Ret, Item> {
    fn check(&self, run: &Observed<'_, Op, Ret>) -> Result<(), Violation> {
        let Some(tally) = Tally::new(run, &self.added, &self.read) else {
            let why = "nobody read what is there: put an operation that does into `finally`";
            return Err(Violation::new(PROMISE_JUDGED, why));
        };
        let wrong = tally.missing().or_else(|| tally.unasked());
        tally::verdict(PROMISE_DURABLE, wrong)
    }
}

impl<Op, Ret, Item> fmt::Debug for Durable<Op, Ret, Item> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Durable").finish_non_exhaustive()
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
        Post(u32),
        All,
    }

    fn checked(calls: &[(Op, Outcome<Vec<u32>>)]) -> Result<(), Violation> {
        let history: History<Op, Vec<u32>> = one_by_one(calls);
        let check = Durable::new(
            |op, _| match op {
                Op::Post(letter) => vec![*letter],
                Op::All => vec![],
            },
            |op, answer: &Vec<u32>| matches!(op, Op::All).then(|| answer.clone()),
        );
        check.check(&Observed {
            history: &history,
            last_reads: 1,
            trace: &Trace::default(),
        })
    }

    fn unknown() -> Outcome<Vec<u32>> {
        Outcome::Unknown("lost".to_owned())
    }

    #[test]
    fn what_was_acknowledged_and_is_there_is_fine_and_so_is_what_nobody_knows() {
        let posted = (Op::Post(1), Outcome::Ok(vec![]));
        let lost = (Op::Post(2), unknown());
        for all in [vec![1], vec![1, 2]] {
            let calls = [posted.clone(), lost.clone(), (Op::All, Outcome::Ok(all))];
            assert_eq!(checked(&calls), Ok(()));
        }
    }

    #[test]
    fn what_was_acknowledged_and_is_gone_is_found() {
        let calls = [
            (Op::All, Outcome::Ok(vec![1])),
            (Op::Post(1), Outcome::Ok(vec![])),
            (Op::All, Outcome::Ok(vec![])),
        ];
        let violation = checked(&calls).expect_err("1 is gone");
        assert_eq!(
            violation.to_string(),
            "what was acknowledged survives a loss of power: 1 is not there, which was acknowledged: \
             client-1's Post(1) -> [] (+0.003s to +0.004s)"
        );
    }

    #[test]
    fn what_nobody_added_or_only_who_was_refused_is_found() {
        let refused = (Op::Post(1), Outcome::Failed("no".to_owned()));
        let violation = checked(&[refused, (Op::All, Outcome::Ok(vec![1]))]);
        let why = violation.expect_err("it was refused").why;
        assert!(
            why.starts_with("1 is there, although the call that asked for it failed"),
            "{why}"
        );
        let violation = checked(&[(Op::All, Outcome::Ok(vec![1]))]);
        let why = violation.expect_err("nobody asked").why;
        assert_eq!(why, "1 is there, although nobody asked for it");
    }

    #[test]
    fn a_run_in_which_nobody_looked_does_not_pass() {
        let violation = checked(&[(Op::Post(1), Outcome::Ok(vec![])), (Op::All, unknown())]);
        assert_eq!(
            violation.expect_err("nobody looked").promise,
            PROMISE_JUDGED
        );
    }
}
