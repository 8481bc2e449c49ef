//! A lease that is kept while there is something to do, and let go then.

use dormouse::{DurableObject, ObjectClass};
use dormouse_objects::zoo::{EternalHeartbeat, Heartbeat};
use dormouse_sim::{
    Client, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;

const LET_GO: &str = "an object with nothing to do has no alarm";

fn suite_of<T: DurableObject + ObjectClass>(name: &'static str) -> Suite {
    Scenario::new(name)
        .object::<T>("HEARTBEAT")
        .alarms()
        .clients(1)
        .workload(Just(()), 1..=3)
        .step(|client: Client, ()| async move {
            client.stub::<Heartbeat>("HEARTBEAT", "h").begin().await
        })
        .eventually(LET_GO, |client| async move {
            let heartbeat = client.stub::<Heartbeat>("HEARTBEAT", "h");
            Ok(!heartbeat.is_armed().await?)
        })
        .into_suite()
}

/// Renewed if work is left.
pub fn heartbeat() -> Suite {
    suite_of::<Heartbeat>("heartbeat")
}

/// Faulty: renewed at each run.
pub fn eternal_heartbeat() -> Suite {
    suite_of::<EternalHeartbeat>("eternal_heartbeat")
}

/// One call is enough: the alarm that it sets arms itself for ever.
pub const EXHIBIT: Exhibit = Exhibit {
    bug: "A heartbeat that never ends",
    suite: eternal_heartbeat,
    correct: "heartbeat",
    found_as: &[LET_GO],
    smallest: Smallest {
        calls: 1,
        clients: 1,
        faults: 0,
    },
    symptom: "Objects that nobody uses any more wake twice a minute, and are paid for.",
    cause: "The alarm's handler arms the next alarm before it works, so as not to lose its lease, and nothing disarms it when the work is done.",
    fix: "Arm by what is left to do, at the end; delete the alarm when nothing is.",
};
