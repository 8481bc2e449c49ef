//! One object that is called in two ways.

use dormouse_objects::Counter;
use dormouse_sim::{Scenario, Suite};
use proptest::prelude::any;

/// A counter that is reached by its name, or by its id as a text.
pub fn counter_by_name_and_by_id() -> Suite {
    Scenario::new("counter_by_name_and_by_id")
        .object::<Counter>("COUNTER")
        .workload(any::<bool>(), 1..=20)
        .step(|client, by_id| async move {
            let namespace = client.env().durable_object("COUNTER")?;
            let id = namespace.id_from_name("a")?;
            let stub = if by_id {
                namespace.get(&namespace.id_from_string(&id.to_string())?)?
            } else {
                namespace.get(&id)?
            };
            stub.typed::<Counter>().increment().await
        })
        .into_suite()
}
