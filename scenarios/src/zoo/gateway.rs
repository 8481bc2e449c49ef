//! A gateway that tries twice: what it passes on arrives once.

use dormouse::{DurableObject, ObjectClass};
use dormouse_objects::{
    Receiver,
    zoo::{Gateway, RepeatingGateway},
};
use dormouse_sim::{
    Client, Effects, Scenario, Suite,
    check::effects::PROMISE_EXACTLY_ONCE,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

/// What clients ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Pass this on; drawn from so many that no two are the same.
    Pass(u32),
    /// What has arrived.
    Arrived,
}

fn suite_of<T: DurableObject + ObjectClass>(name: &'static str) -> Suite {
    Scenario::new(name)
        .object::<T>("GATEWAY")
        .object::<Receiver>("RECEIVER")
        .clients(2)
        .workload(any::<u32>().prop_map(Op::Pass), 1..=6)
        .step(|client: Client, op| async move {
            match op {
                Op::Pass(item) => {
                    let gateway = client.stub::<Gateway>("GATEWAY", "g");
                    gateway.pass(item.to_string()).await.map(|()| Vec::new())
                }
                Op::Arrived => {
                    client
                        .stub::<Receiver>("RECEIVER", "outside")
                        .received()
                        .await
                }
            }
        })
        .finally(vec![Op::Arrived])
        .check(Effects::exactly_once(
            |op, _| match op {
                Op::Pass(item) => vec![item.to_string()],
                Op::Arrived => vec![],
            },
            |op, arrived: &Vec<String>| (*op == Op::Arrived).then(|| arrived.clone()),
        ))
        .into_suite()
}

/// With a key that is the same at both attempts.
pub fn gateway() -> Suite {
    suite_of::<Gateway>("gateway")
}

/// Faulty: an error is taken for nothing.
pub fn repeating_gateway() -> Suite {
    suite_of::<RepeatingGateway>("repeating_gateway")
}

/// One call, and a reply that is lost.
pub const EXHIBIT: Exhibit = Exhibit {
    bug: "A retry of what may have happened",
    suite: repeating_gateway,
    correct: "gateway",
    found_as: &[PROMISE_EXACTLY_ONCE],
    smallest: Smallest {
        calls: 1,
        clients: 1,
        faults: 1,
    },
    symptom: "Now and then a number is too high by one, or something was sent twice. The log has a lost connection at that time.",
    cause: "The call took effect and its reply was lost. To the caller that looks like a call that never arrived, and it makes it again.",
    fix: "Give the operation an id that is the same at each attempt, and have whoever is called store the ids that it has done.",
};
