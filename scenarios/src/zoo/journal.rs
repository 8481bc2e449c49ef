//! A journal: every entry that was accepted is there.

use dormouse::{DurableObject, ObjectClass};
use dormouse_objects::zoo::{ClockJournal, Journal};
use dormouse_sim::{
    Client, Durable, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::promises::DURABLE;

/// What clients ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Keep this entry; drawn from so many that no two are the same.
    Note(u32),
    /// What is kept.
    Entries,
}

fn suite_of<T: DurableObject + ObjectClass>(name: &'static str) -> Suite {
    Scenario::new(name)
        .object::<T>("JOURNAL")
        .workload(any::<u32>().prop_map(Op::Note), 1..=8)
        .step(|client: Client, op| async move {
            let journal = client.stub::<Journal>("JOURNAL", "j");
            match op {
                Op::Note(entry) => journal.note(u64::from(entry)).await.map(|()| Vec::new()),
                Op::Entries => journal.entries().await,
            }
        })
        .finally(vec![Op::Entries])
        .check(Durable::new(
            |op, _| match op {
                Op::Note(entry) => vec![u64::from(*entry)],
                Op::Entries => vec![],
            },
            |op, entries: &Vec<u64>| (*op == Op::Entries).then(|| entries.clone()),
        ))
        .into_suite()
}

/// The keys are counted.
pub fn journal() -> Suite {
    suite_of::<Journal>("journal")
}

/// Faulty: the keys are times.
pub fn clock_journal() -> Suite {
    suite_of::<ClockJournal>("clock_journal")
}

/// Two entries of two clients at one time.
pub const EXHIBIT: Exhibit = Exhibit {
    bug: "Keys made from the clock",
    suite: clock_journal,
    correct: "journal",
    found_as: &[DURABLE],
    smallest: Smallest {
        calls: 2,
        clients: 2,
        faults: 0,
    },
    symptom: "Of many entries in one busy second a few are missing.",
    cause: "The key is the time in milliseconds. Two entries in one millisecond have the same, and the second one replaces the first. While code runs the clock stands still, so that one \
            call is enough.",
    fix: "A number that is counted in storage, or a random part in the key.",
};
