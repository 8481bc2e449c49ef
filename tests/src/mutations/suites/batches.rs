//! The key-value backend, with more keys than fit into one of its messages.

use std::collections::BTreeMap;

use dormouse::{
    DurableObject, Env, ListOptions, Result, State, StorageBackend, durable_object, rpc,
};
use dormouse_sim::{FaultKind, Faults, Linearizable, Model, Scenario, Suite};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

/// More than two messages' worth.
const KEYS: u64 = 300;

/// Is filled, and emptied with `delete_all`.
#[durable_object]
struct Bucket {
    state: State,
}

impl DurableObject for Bucket {
    fn new(state: State, _: Env) -> Self {
        Self { state }
    }
}

#[rpc]
impl Bucket {
    pub async fn fill(&self) -> Result<u64> {
        let drops: BTreeMap<_, _> = (0..KEYS).map(|n| (format!("{n:03}"), n)).collect();
        self.state.storage().put_multiple(drops).await?;
        self.look().await
    }

    pub async fn empty(&self) -> Result<u64> {
        self.state.storage().delete_all().await?;
        self.look().await
    }

    pub async fn look(&self) -> Result<u64> {
        let drops = self
            .state
            .storage()
            .list_as::<u64>(ListOptions::new())
            .await?;
        Ok(drops.len() as u64)
    }
}

/// What clients do with a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Op {
    Fill,
    Empty,
    Look,
}

struct BucketModel;

impl Model for BucketModel {
    type Op = Op;
    type Ret = u64;
    type State = u64;

    fn initial(&self) -> u64 {
        0
    }

    fn step(&self, drops: &u64, op: &Op, returned: Option<&u64>) -> Option<u64> {
        let next = match op {
            Op::Fill => KEYS,
            Op::Empty => 0,
            Op::Look => *drops,
        };
        returned
            .is_none_or(|returned| *returned == next)
            .then_some(next)
    }

    fn object(&self, _: &Op) -> String {
        "bucket".to_owned()
    }
}

/// The object is dropped from memory now and then, and nothing else goes wrong: a `delete_all` that is cut short may leave anything.
pub fn bucket() -> Suite {
    Scenario::new("bucket")
        .object_on::<Bucket>("BUCKET", StorageBackend::KeyValue)
        .faults(Faults::only([FaultKind::Hibernate]))
        .workload(
            prop_oneof![Just(Op::Fill), Just(Op::Empty), Just(Op::Look)],
            1..=4,
        )
        .step(|client, op| {
            let bucket = client.stub::<Bucket>("BUCKET", "b");
            match op {
                Op::Fill => bucket.fill(),
                Op::Empty => bucket.empty(),
                Op::Look => bucket.look(),
            }
        })
        .finally(vec![Op::Look])
        .check(Linearizable::per_object(BucketModel))
        .into_suite()
}
