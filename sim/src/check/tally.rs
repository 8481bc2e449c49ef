//! What was asked for, held against what is there: the arithmetic behind [`durable`](super::durable) and [`effects`](super::effects).
//!
//! A call that was answered was done, a call that failed was not, and of any other nobody knows: one that is there although only such a call asked for
//! it is fine, and so is one that is not. What nobody can have asked for is never fine.

use std::{collections::BTreeMap, fmt::Debug};

use super::{Mark, Observed, Violation};
use crate::history::{Call, Outcome};

/// The items that a call asks for: from the operation, and the answer if there was one.
pub(super) type Asked<Op, Ret, Item> = Box<dyn Fn(&Op, Option<&Ret>) -> Vec<Item>>;
/// The items that a call saw, if it was one that looks: from the operation and the answer.
pub(super) type Seen<Op, Ret, Item> = Box<dyn Fn(&Op, &Ret) -> Option<Vec<Item>>>;

/// What is wrong, and the call that shows it.
pub(super) type Wrong = (String, Option<Mark>);

/// How many times each item was asked for and seen.
pub(super) struct Tally<'a, Op, Ret, Item> {
    items: BTreeMap<Item, Count<'a, Op, Ret>>,
}

struct Count<'a, Op, Ret> {
    /// A call that asked for it and was answered, or else one of which nobody knows.
    asked: Option<&'a Call<Op, Ret>>,
    acknowledged: bool,
    /// A call that asked for it and failed.
    refused: Option<&'a Call<Op, Ret>>,
    seen: usize,
}

impl<Op, Ret> Default for Count<'_, Op, Ret> {
    fn default() -> Self {
        Self {
            asked: None,
            acknowledged: false,
            refused: None,
            seen: 0,
        }
    }
}

impl<'a, Op: Debug, Ret: Debug, Item: Ord + Debug> Tally<'a, Op, Ret, Item> {
    /// From all calls, and from the last one that looked; `None` if none did.
    pub(super) fn new(
        run: &Observed<'a, Op, Ret>,
        asks: &Asked<Op, Ret, Item>,
        sees: &Seen<Op, Ret, Item>,
    ) -> Option<Self> {
        let calls = run.history.calls();
        let last_seen = calls.iter().rev().find_map(|call| match &call.outcome {
            Outcome::Ok(ret) => sees(&call.op, ret),
            Outcome::Failed(_) | Outcome::Unknown(_) => None,
        })?;
        let mut items: BTreeMap<Item, Count<'a, Op, Ret>> = BTreeMap::new();
        for call in calls {
            let (ret, is_refused) = match &call.outcome {
                Outcome::Ok(ret) => (Some(ret), false),
                Outcome::Unknown(_) => (None, false),
                Outcome::Failed(_) => (None, true),
            };
            for item in asks(&call.op, ret) {
                let count = items.entry(item).or_default();
                if is_refused {
                    count.refused.get_or_insert(call);
                    continue;
                }
                if count.asked.is_none() || (ret.is_some() && !count.acknowledged) {
                    count.asked = Some(call);
                }
                count.acknowledged |= ret.is_some();
            }
        }
        for item in last_seen {
            items.entry(item).or_default().seen += 1;
        }
        Some(Self { items })
    }

    /// An item that is not there although a call that asked for it was answered.
    pub(super) fn missing(&self) -> Option<Wrong> {
        let missing =
            |(_, count): &(&Item, &Count<'_, Op, Ret>)| count.acknowledged && count.seen == 0;
        let (item, count) = self.items.iter().find(missing)?;
        let call = count.asked.expect("it was acknowledged");
        let why = format!(
            "{item:?} is not there, which was acknowledged: {}",
            call.in_words()
        );
        Some((why, Some(Mark::call(call))))
    }

    /// An item that is there more than once.
    pub(super) fn repeated(&self) -> Option<Wrong> {
        let (item, count) = self.items.iter().find(|(_, count)| count.seen > 1)?;
        let asked = count
            .asked
            .map_or_else(String::new, |call| format!(": {}", call.in_words()));
        let why = format!("{item:?} is there {} times{asked}", count.seen);
        Some((why, count.asked.map(Mark::call)))
    }

    /// An item that is there although nobody asked for it, or only calls that failed.
    pub(super) fn unasked(&self) -> Option<Wrong> {
        let unasked =
            |(_, count): &(&Item, &Count<'_, Op, Ret>)| count.seen > 0 && count.asked.is_none();
        let (item, count) = self.items.iter().find(unasked)?;
        let why = match count.refused {
            Some(call) => format!(
                "{item:?} is there, although the call that asked for it failed: {}",
                call.in_words()
            ),
            None => format!("{item:?} is there, although nobody asked for it"),
        };
        Some((why, count.refused.map(Mark::call)))
    }
}

/// The violation that something wrong is.
pub(super) fn verdict(promise: &str, wrong: Option<Wrong>) -> Result<(), Violation> {
    wrong.map_or(Ok(()), |(why, mark)| {
        let mut violation = Violation::new(promise, why);
        violation.marks.extend(mark);
        Err(violation)
    })
}
