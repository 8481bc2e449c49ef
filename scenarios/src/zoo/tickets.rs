//! Numbers: no two callers get the same.

use dormouse::{DurableObject, ObjectClass};
use dormouse_objects::zoo::{SharedTickets, Tickets};
use dormouse_sim::{
    Client, Invariant, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;

use super::tally::no_two_alike;

const NO_TWO: &str = "no ticket has the number of another";

fn suite_of<T: DurableObject + ObjectClass>(name: &'static str) -> Suite {
    Scenario::new(name)
        .object::<T>("TICKETS")
        .workload(Just(()), 1..=6)
        .step(
            |client: Client, ()| async move { client.stub::<Tickets>("TICKETS", "t").next().await },
        )
        .check(Invariant::new(NO_TWO, no_two_alike))
        .into_suite()
}

/// Each call remembers its own number.
pub fn tickets() -> Suite {
    suite_of::<Tickets>("tickets")
}

/// Faulty: each call looks again at the last number that was given.
pub fn shared_tickets() -> Suite {
    suite_of::<SharedTickets>("shared_tickets")
}

/// Two calls: the second one counts on while the first one waits for the printer.
pub const EXHIBIT: Exhibit = Exhibit {
    bug: "A shared field, read again after a wait",
    suite: shared_tickets,
    correct: "tickets",
    found_as: &[NO_TWO],
    smallest: Smallest {
        calls: 2,
        clients: 2,
        faults: 0,
    },
    symptom: "On a busy day two people have the same number, and one number nobody has.",
    cause: "The object adds one to a field, waits for something, and returns the field. While it waited another call has added one.",
    fix: "Keep what belongs to a call in a variable of that call.",
};
