//! A job noted at construction: however often the object is constructed, it has the job once.

use dormouse::{DurableObject, ObjectClass};
use dormouse_objects::zoo::{Maintained, MultiplyingJobs};
use dormouse_sim::{
    Client, Invariant, Outcome, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;

use crate::promises::EVICTED;

const ONCE: &str = "a job is noted once";

fn suite_of<T: DurableObject + ObjectClass>(name: &'static str) -> Suite {
    Scenario::new(name)
        .object::<T>("OBJECT")
        .clients(2)
        .workload(Just(()), 1..=6)
        .step(|client: Client, ()| async move { client.stub::<Maintained>("OBJECT", "a").jobs().await })
        .finally(vec![()])
        .check(Invariant::new(ONCE, |run| {
            let seen = run.history.calls().iter();
            let mut wrong = seen.filter_map(|call| match call.outcome {
                Outcome::Ok(jobs) if jobs != 1 => Some(jobs),
                _ => None,
            });
            wrong.next().map_or(Ok(()), |jobs| Err(format!("there were {jobs} of them")))
        }))
        .into_suite()
}

/// Under an id that is always the same.
pub fn maintenance() -> Suite {
    suite_of::<Maintained>("maintenance")
}

/// Faulty: a new row at each construction.
pub fn multiplying_jobs() -> Suite {
    suite_of::<MultiplyingJobs>("multiplying_jobs")
}

/// The last read, after the last loss of power, finds the row of the construction before.
pub const EXHIBIT: Exhibit = Exhibit {
    bug: "A new row at every cold start",
    suite: multiplying_jobs,
    correct: "maintenance",
    found_as: &[ONCE, EVICTED],
    smallest: Smallest {
        calls: 1,
        clients: 1,
        faults: 0,
    },
    symptom: "After a month an object has thousands of the same job, and all of them run.",
    cause: "The constructor adds the job. It runs whenever the object comes into memory, which is many times a day.",
    fix: "A fixed id, and an insertion that does nothing if it is there.",
};
