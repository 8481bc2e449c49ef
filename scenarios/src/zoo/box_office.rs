//! Seats: no more are sold than there are.

use dormouse::{DurableObject, ObjectClass};
use dormouse_objects::zoo::{BoxOffice, OversoldBoxOffice, SEATS};
use dormouse_sim::{
    Client, Invariant, Outcome, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;

const NOT_OVERSOLD: &str = "no more seats are sold than there are";

fn suite_of<T: DurableObject + ObjectClass>(name: &'static str) -> Suite {
    Scenario::new(name)
        .object::<T>("BOX_OFFICE")
        .workload(Just(()), 1..=4)
        .step(|client: Client, ()| async move {
            client.stub::<BoxOffice>("BOX_OFFICE", "b").book().await
        })
        .check(Invariant::new(NOT_OVERSOLD, |run| {
            let sold = run.history.calls().iter();
            let sold = sold
                .filter(|call| matches!(call.outcome, Outcome::Ok(true)))
                .count();
            if sold as u64 > SEATS {
                return Err(format!("{sold} seats of {SEATS} were sold"));
            }
            Ok(())
        }))
        .into_suite()
}

/// Held first, verified then.
pub fn box_office() -> Suite {
    suite_of::<BoxOffice>("box_office")
}

/// Faulty: verified while the seat is anybody's.
pub fn oversold_box_office() -> Suite {
    suite_of::<OversoldBoxOffice>("oversold_box_office")
}

/// Three at once, for two seats.
pub const EXHIBIT: Exhibit = Exhibit {
    bug: "The last seat is sold twice",
    suite: oversold_box_office,
    correct: "box_office",
    found_as: &[NOT_OVERSOLD],
    smallest: Smallest {
        calls: 3,
        clients: 3,
        faults: 0,
    },
    symptom: "More seats are sold than there are, if many want them at once.",
    cause: "The object counts, waits for another service, and inserts. Whoever comes meanwhile counts the same.",
    fix: "Insert a hold before the wait; confirm or release it after.",
};
