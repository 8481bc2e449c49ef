//! Monotonic reads: a client that has seen something does not see less of it later.
//!
//! Weaker than linearizability, and often all that is promised where answers may be old, from a cache or a copy. Two clients may see
//! different things at one time; one client never goes back.
//!
//! What it does not see: answers that are old from the beginning, and anything between clients.

use std::{
    collections::BTreeMap,
    fmt::{self, Debug},
};

use super::{Check, Mark, Observed, Violation};
use crate::history::{Call, Outcome};

/// The promise that is checked here.
pub const PROMISE: &str = "a client never sees less than it has seen";

/// Looks at the reads of each client, object by object.
///
/// # Example
/// ```
/// use dormouse_sim::MonotonicReads;
///
/// // Operations name a counter; answers are its value.
/// let check = MonotonicReads::<String, u64, u64>::new(|name, value| Some((name.clone(), *value)));
/// # let _ = check;
/// ```
pub struct MonotonicReads<Op, Ret, Version> {
    #[expect(
        clippy::type_complexity,
        reason = "a boxed closure, named nowhere else"
    )]
    seen: Box<dyn Fn(&Op, &Ret) -> Option<(String, Version)>>,
}

impl<Op, Ret, Version> MonotonicReads<Op, Ret, Version> {
    /// `seen`: of which object an answer shows what, if it shows any; what is seen later must not be smaller.
    pub fn new(seen: impl Fn(&Op, &Ret) -> Option<(String, Version)> + 'static) -> Self {
        Self {
            seen: Box::new(seen),
        }
    }
}

/// The largest that a client has seen of an object, and in which call.
type Largest<'a, Op, Ret, Version> = (Version, &'a Call<Op, Ret>);

impl<Op: Debug, Ret: Debug, Version: Ord> Check<Op, Ret> for MonotonicReads<Op, Ret, Version> {
    fn check(&self, run: &Observed<'_, Op, Ret>) -> Result<(), Violation> {
        let mut answered: Vec<&Call<Op, Ret>> = run.history.iter().collect();
        // A client that does not wait for its answers has reads that overlap, and those have no order.
        answered.retain(|call| call.returned.is_some());
        answered.sort_by_key(|call| call.returned);
        let mut by_client: BTreeMap<usize, Vec<&Call<Op, Ret>>> = BTreeMap::new();
        for call in answered {
            by_client.entry(call.client).or_default().push(call);
        }
        for calls in by_client.values() {
            self.check_client(calls)?;
        }
        Ok(())
    }
}

impl<Op: Debug, Ret: Debug, Version: Ord> MonotonicReads<Op, Ret, Version> {
    /// `calls` of one client, in the order in which they returned.
    fn check_client(&self, calls: &[&Call<Op, Ret>]) -> Result<(), Violation> {
        let mut returned = 0;
        let mut largest: BTreeMap<String, Largest<'_, Op, Ret, Version>> = BTreeMap::new();
        let mut invoked_in_order = calls.to_vec();
        invoked_in_order.sort_by_key(|call| call.invoked);
        for call in invoked_in_order {
            // What had returned by the time of this call's invocation is what it must not fall behind.
            while let Some(before) = calls.get(returned)
                && before.returned.is_some_and(|moment| moment < call.invoked)
            {
                if let Some((object, version)) = self.seen_by(before) {
                    let is_larger = |(known, _): &Largest<'_, Op, Ret, Version>| version > *known;
                    if largest.get(&object).is_none_or(is_larger) {
                        largest.insert(object, (version, before));
                    }
                }
                returned += 1;
            }
            if let Some((object, version)) = self.seen_by(call)
                && let Some((known, before)) = largest.get(&object)
                && version < *known
            {
                let why = format!("{object}: {} after {}", call.in_words(), before.in_words());
                let marked = Violation::new(PROMISE, why).at(Mark::call(call));
                return Err(marked.at(Mark::call(before)));
            }
        }
        Ok(())
    }

    fn seen_by(&self, call: &Call<Op, Ret>) -> Option<(String, Version)> {
        match &call.outcome {
            Outcome::Ok(ret) => (self.seen)(&call.op, ret),
            Outcome::Failed(_) | Outcome::Unknown(_) => None,
        }
    }
}

impl<Op, Ret, Version> fmt::Debug for MonotonicReads<Op, Ret, Version> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MonotonicReads").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        History,
        history::{Moment, tests::one_by_one},
        trace::Trace,
    };

    fn checked(history: &History<&'static str, u64>) -> Result<(), Violation> {
        let check =
            MonotonicReads::new(|name: &&str, value: &u64| Some(((*name).to_owned(), *value)));
        check.check(&Observed {
            history,
            last_reads: 0,
            trace: &Trace::default(),
        })
    }

    fn read(name: &'static str, value: u64) -> (&'static str, Outcome<u64>) {
        (name, Outcome::Ok(value))
    }

    #[test]
    fn what_stays_or_grows_is_fine_object_by_object() {
        let reads = [
            read("a", 1),
            read("b", 5),
            read("a", 1),
            read("b", 6),
            read("a", 4),
        ];
        assert_eq!(checked(&one_by_one(&reads)), Ok(()));
    }

    #[test]
    fn what_goes_back_is_found() {
        let lost = ("a", Outcome::Unknown("lost".to_owned()));
        let history = one_by_one(&[read("a", 2), lost, read("a", 1)]);
        let violation = checked(&history).expect_err("from 2 to 1");
        assert_eq!(
            violation.to_string(),
            "a client never sees less than it has seen: a: client-1's \"a\" -> 1 (+0.005s to +0.006s) after \
             client-1's \"a\" -> 2 (+0.001s to +0.002s)"
        );
    }

    #[test]
    fn clients_do_not_bind_each_other_and_reads_that_overlap_have_no_order() {
        let mut calls: Vec<_> = one_by_one(&[read("a", 2), read("a", 1)])
            .iter()
            .cloned()
            .collect();
        calls[1].client = 2;
        assert_eq!(checked(&calls.iter().cloned().collect()), Ok(()));
        calls[1].client = 1;
        let early = Moment {
            order: 0,
            ..calls[0].invoked
        };
        calls[1].invoked = early;
        assert_eq!(checked(&calls.into_iter().collect()), Ok(()));
    }
}
