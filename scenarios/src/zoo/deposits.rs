//! Messages that may come twice: each counts once.

use std::collections::BTreeSet;

use dormouse::{DurableObject, ObjectClass};
use dormouse_objects::zoo::{Deposits, ForgetfulDeposits};
use dormouse_sim::{
    Client, Linearizable, Model, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
};

use crate::promises::{DURABLE, EVICTED, ORDER};

/// The ids that were seen.
#[derive(Clone, Copy, Debug)]
pub struct SeenModel;

impl Model for SeenModel {
    type Op = u32;
    type Ret = u64;
    type State = BTreeSet<u32>;

    fn initial(&self) -> BTreeSet<u32> {
        BTreeSet::new()
    }

    fn step(
        &self,
        seen: &BTreeSet<u32>,
        id: &u32,
        returned: Option<&u64>,
    ) -> Option<BTreeSet<u32>> {
        let mut next = seen.clone();
        next.insert(*id);
        returned
            .is_none_or(|count| *count == next.len() as u64)
            .then_some(next)
    }

    fn is_same(&self, one: &u32, other: &u32) -> bool {
        one == other
    }

    fn object(&self, _: &u32) -> String {
        "deposits".to_owned()
    }
}

fn suite_of<T: DurableObject + ObjectClass>(name: &'static str) -> Suite {
    Scenario::new(name)
        .object::<T>("DEPOSITS")
        .clients(2)
        .workload(0..4_u32, 1..=8)
        .step(|client: Client, id| async move {
            client.stub::<Deposits>("DEPOSITS", "d").take(id).await
        })
        .finally(vec![0])
        .check(Linearizable::per_object(SeenModel))
        .into_suite()
}

/// What was seen is in storage.
pub fn deposits() -> Suite {
    suite_of::<Deposits>("deposits")
}

/// Faulty: what was seen is in memory.
pub fn forgetful_deposits() -> Suite {
    suite_of::<ForgetfulDeposits>("forgetful_deposits")
}

/// A message, and the same one once more after the last loss of power: the last read is one.
pub const EXHIBIT: Exhibit = Exhibit {
    bug: "What was seen is remembered in memory",
    suite: forgetful_deposits,
    correct: "deposits",
    found_as: &[DURABLE, ORDER, EVICTED],
    smallest: Smallest {
        calls: 1,
        clients: 1,
        faults: 0,
    },
    symptom: "A client that connects again and sends its last message once more is counted twice, though there is code against it.",
    cause: "The set of ids that were seen is a field. Between the message and its repetition the object was evicted.",
    fix: "Store the ids with what they did, in one batch; or the highest one of each client.",
};
