//! New code for old data: what the code of yesterday stored the code of today can read.

use dormouse::{DurableObject, ObjectClass};
use dormouse_objects::zoo::greeter::{first, presuming, tolerant};
use dormouse_sim::{
    Client, Invariant, Outcome, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

const READABLE: &str = "no call fails over what is stored";

/// What clients ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Meet a guest.
    Meet(u8),
    /// Greet him.
    Greet,
}

fn suite_of<T: DurableObject + ObjectClass>(name: &'static str) -> Suite {
    Scenario::new(name)
        .object::<first::Greeter>("GREETER")
        .updated_to::<T>()
        .clients(2)
        .workload(
            prop_oneof![(0..3_u8).prop_map(Op::Meet), Just(Op::Greet)],
            1..=12,
        )
        .step(|client: Client, op| async move {
            let greeter = client.stub::<first::Greeter>("GREETER", "g");
            match op {
                Op::Meet(guest) => greeter.meet(format!("guest-{guest}")).await.map(|()| None),
                Op::Greet => greeter.greet().await,
            }
        })
        .check(Invariant::new(READABLE, |run| {
            let calls = run.history.calls().iter();
            let mut unread = calls.filter_map(|call| match &call.outcome {
                Outcome::Failed(why) | Outcome::Unknown(why) if why.contains("title") => Some(why),
                _ => None,
            });
            unread.next().map_or(Ok(()), |why| Err(why.clone()))
        }))
        .into_suite()
}

/// The next code takes it that a guest may have no title.
pub fn greeter() -> Suite {
    suite_of::<tolerant::Greeter>("greeter")
}

/// Faulty: the next code takes it that everybody has one.
pub fn presuming_greeter() -> Suite {
    suite_of::<presuming::Greeter>("presuming_greeter")
}

/// One guest is met by the old code and greeted by the new.
pub const EXHIBIT: Exhibit = Exhibit {
    bug: "Old data, new code",
    suite: presuming_greeter,
    correct: "greeter",
    found_as: &[READABLE],
    smallest: Smallest {
        calls: 2,
        clients: 1,
        faults: 1,
    },
    symptom: "After a deployment some objects fail at every call: those that had stored something before.",
    cause: "The new code expects a field that the old one did not write. Rows, values and the attachments of sockets that slept through the deployment are all of the old form.",
    fix: "Take what is missing for a default, or write a version with each value and bring old ones up to date.",
};
