//! A relay: when everything is healed, its calls go through again.

use std::time::Duration;

use dormouse::{DurableObject, ObjectClass};
use dormouse_objects::{
    Counter,
    zoo::{PoisonedRelay, Relay},
};
use dormouse_sim::{
    Client, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;

const THROUGH: &str = "calls go through in the end";

fn suite_of<T: DurableObject + ObjectClass>(name: &'static str) -> Suite {
    Scenario::new(name)
        .object::<T>("RELAY")
        .object::<Counter>("COUNTER")
        .clients(2)
        // The relay does not sleep before the end: a new one would have a new stub.
        .pauses(0..200_u64)
        .heal_at(Duration::from_secs(3))
        .workload(Just(()), 1..=8)
        .step(|client: Client, ()| async move { client.stub::<Relay>("RELAY", "r").increment().await })
        .eventually_every(Duration::from_secs(5)) // asked less often, it would sleep
        .eventually(THROUGH, |client| async move {
            client.stub::<Relay>("RELAY", "r").increment().await.map(|_| true)
        })
        .into_suite()
}

/// A stub for each call.
pub fn relay() -> Suite {
    suite_of::<Relay>("relay")
}

/// Faulty: one stub for all calls.
pub fn poisoned_relay() -> Suite {
    suite_of::<PoisonedRelay>("poisoned_relay")
}

/// One call, at which only the counter is reset, by a write that fails.
pub const EXHIBIT: Exhibit = Exhibit {
    bug: "A stub that was kept too long",
    suite: poisoned_relay,
    correct: "relay",
    found_as: &[THROUGH],
    smallest: Smallest {
        calls: 1,
        clients: 1,
        faults: 1,
    },
    symptom: "An object fails at everything from a certain time on, until it is restarted. The one that it calls is well.",
    cause: "It keeps a stub in a field. The other object was reset once, and a stub that has met that is broken for ever.",
    fix: "A new stub for each call, which costs nothing; or at least after every error.",
};
