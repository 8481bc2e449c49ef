//! A migration: wherever a crash falls, the object can be used afterwards.

use dormouse::{DurableObject, ObjectClass};
use dormouse_objects::zoo::{HalfMigratedLibrary, Library};
use dormouse_sim::{
    Client, Invariant, Outcome, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;

const USABLE: &str = "no call fails over the tables";

fn suite_of<T: DurableObject + ObjectClass>(name: &'static str) -> Suite {
    Scenario::new(name)
        .object::<T>("LIBRARY")
        .clients(2)
        .workload(Just(()), 1..=4)
        .step(|client: Client, ()| async move {
            let library = client.stub::<Library>("LIBRARY", "l");
            library.add("The Dormouse's Tale".to_owned()).await
        })
        .check(Invariant::new(USABLE, |run| {
            let calls = run.history.calls().iter();
            let mut failed = calls.filter_map(|call| match &call.outcome {
                Outcome::Failed(why) | Outcome::Unknown(why) if why.contains("no column") => {
                    Some(why)
                }
                _ => None,
            });
            failed.next().map_or(Ok(()), |why| Err(why.clone()))
        }))
        .into_suite()
}

/// A version, and one transaction for each step.
pub fn library() -> Suite {
    suite_of::<Library>("library")
}

/// Faulty: a table that is there has everything.
pub fn half_migrated_library() -> Suite {
    suite_of::<HalfMigratedLibrary>("half_migrated_library")
}

/// The first call makes the table and is cut off before the column; the next one finds the table.
pub const EXHIBIT: Exhibit = Exhibit {
    bug: "A migration without a version",
    suite: half_migrated_library,
    correct: "library",
    found_as: &[USABLE],
    smallest: Smallest {
        calls: 2,
        clients: 2,
        faults: 1,
    },
    symptom: "A few objects fail at every call since a deployment, with a column that does not exist.",
    cause: "The constructor makes the table if it is not there, waits for something, and adds the column. The object was reset in between; ever since the table is there.",
    fix: "A version in storage, and each step one transaction with its number in it.",
};
