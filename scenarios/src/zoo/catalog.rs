//! Prices from a source that is slow now and then: whoever asks for one gets an answer.

use dormouse::{DurableObject, ObjectClass};
use dormouse_objects::zoo::{Catalog, GatedCatalog, PriceSource};
use dormouse_sim::{
    Client, Invariant, Observed, Outcome, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;

/// No call ends because its object shut its gate for too long.
pub(super) const NOT_STUCK: &str = "no object is reset because its gate was shut for too long";

pub(super) fn no_gate_is_shut_for_too_long<Op, Ret>(
    run: &Observed<'_, Op, Ret>,
) -> Result<(), String> {
    for call in run.history.calls() {
        if let Outcome::Unknown(why) | Outcome::Failed(why) = &call.outcome
            && why.contains("blockConcurrencyWhile() in a Durable Object waited for too long")
        {
            return Err(format!("client-{} was told: {why}", call.client));
        }
    }
    Ok(())
}

fn suite_of<T: DurableObject + ObjectClass>(name: &'static str) -> Suite {
    Scenario::new(name)
        .object::<T>("CATALOG")
        .object::<PriceSource>("SOURCE")
        .clients(2)
        .workload(Just(()), 1..=5)
        .step(|client: Client, ()| async move { client.stub::<Catalog>("CATALOG", "c").price().await })
        .without_eviction_transparency() // a price may be known or not
        .check(Invariant::new(NOT_STUCK, no_gate_is_shut_for_too_long))
        .into_suite()
}

/// What is stored first, and what is new if it comes in time.
pub fn catalog() -> Suite {
    suite_of::<Catalog>("catalog")
}

/// Faulty: nothing runs before the source has answered.
pub fn gated_catalog() -> Suite {
    suite_of::<GatedCatalog>("gated_catalog")
}

/// The source is slow every second time, so the object has to be constructed twice: it sleeps between two calls.
pub const EXHIBIT: Exhibit = Exhibit {
    bug: "Slow work with the gate shut",
    suite: gated_catalog,
    correct: "catalog",
    found_as: &[NOT_STUCK],
    smallest: Smallest {
        calls: 2,
        clients: 1,
        faults: 0,
    },
    symptom: "While another service is slow, objects that need it only a little fail altogether, again and again.",
    cause: "The constructor waits for the service under `block_concurrency_while`. After thirty seconds the object is reset, and with it every call that waited; the next \
            one constructs it again.",
    fix: "Only the object's own storage behind the gate. What comes from elsewhere is fetched when it is needed, with a limit, and something to answer without it.",
};
