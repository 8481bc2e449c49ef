//! Two objects that need one another: a submission is decided.

use dormouse::{DurableObject, ObjectClass};
use dormouse_objects::zoo::{Clerk, Desk, LockedDesk};
use dormouse_sim::{
    Client, Invariant, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;

use super::catalog::{NOT_STUCK, no_gate_is_shut_for_too_long};

fn suite_of<T: DurableObject + ObjectClass>(name: &'static str) -> Suite {
    Scenario::new(name)
        .object::<T>("DESK")
        .object::<Clerk>("CLERK")
        .clients(2)
        .workload(Just(()), 1..=4)
        .step(|client: Client, ()| async move {
            let desk = client.stub::<Desk>("DESK", "d");
            desk.submit().await
        })
        .check(Invariant::new(NOT_STUCK, no_gate_is_shut_for_too_long))
        .into_suite()
}

/// The desk says what lies on it.
pub fn desk() -> Suite {
    suite_of::<Desk>("desk")
}

/// Faulty: the desk waits for the clerk with its gate shut, and the clerk comes to look.
pub fn locked_desk() -> Suite {
    suite_of::<LockedDesk>("locked_desk")
}

/// One call is enough: each waits for the other.
pub const EXHIBIT: Exhibit = Exhibit {
    bug: "Two objects that wait for each other",
    suite: locked_desk,
    correct: "desk",
    found_as: &[NOT_STUCK],
    smallest: Smallest {
        calls: 1,
        clients: 1,
        faults: 0,
    },
    symptom: "A call takes thirty seconds and fails. Each of the two objects works when it is tried alone.",
    cause: "One object calls another from inside `block_concurrency_while`, and that one calls back. The call back waits for the gate, and the gate for the call.",
    fix: "No calls out of a shut gate to anybody who may call back; pass along what the other one would ask for.",
};
