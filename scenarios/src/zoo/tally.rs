//! A number that is fetched first: nobody counts on before it is there.

use dormouse::{DurableObject, ObjectClass};
use dormouse_objects::zoo::{HastyTally, Tally};
use dormouse_sim::{
    Client, Invariant, Outcome, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;

use crate::promises::EVICTED;

const NO_TWO: &str = "no number is given twice";

/// No two calls were answered with the same number.
pub(super) fn no_two_alike(run: &dormouse_sim::Observed<'_, (), u64>) -> Result<(), String> {
    let mut given = std::collections::BTreeSet::new();
    for call in run.history.calls() {
        if let Outcome::Ok(number) = call.outcome
            && !given.insert(number)
        {
            return Err(format!("{number} was given twice"));
        }
    }
    Ok(())
}

fn suite_of<T: DurableObject + ObjectClass>(name: &'static str) -> Suite {
    Scenario::new(name)
        .object::<T>("TALLY")
        .workload(Just(()), 1..=6)
        .step(|client: Client, ()| async move { client.stub::<Tally>("TALLY", "t").add().await })
        .check(Invariant::new(NO_TWO, no_two_alike))
        .into_suite()
}

/// Loaded with the input gate shut.
pub fn tally() -> Suite {
    suite_of::<Tally>("tally")
}

/// Faulty: marked as loaded before it is.
pub fn hasty_tally() -> Suite {
    suite_of::<HastyTally>("hasty_tally")
}

/// Two at once; and when the object has slept, two at once again, of which the second counts on from nothing. Three would do, with pauses that differ by the time that loading takes.
pub const EXHIBIT: Exhibit = Exhibit {
    bug: "Marked as loaded before it is",
    suite: hasty_tally,
    correct: "tally",
    found_as: &[NO_TWO, EVICTED],
    smallest: Smallest {
        calls: 4,
        clients: 2,
        faults: 0,
    },
    symptom: "Right after a quiet time a counter begins at one again, for one caller.",
    cause: "The first call sets the flag and then waits for what is loaded. The second one finds the flag set, and the field empty.",
    fix: "Load in the constructor under `block_concurrency_while`; or set the flag last, and have everybody wait for the same loading.",
};
