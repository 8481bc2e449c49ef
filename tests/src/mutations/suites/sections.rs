//! Critical sections and transactions: what nobody may come between, and what may leave nothing behind.

use std::time::Duration;

use dormouse::{Delay, DurableObject, Env, Error, Result, State, durable_object, rpc};
use dormouse_scenarios::counter::{CounterModel, Op};
use dormouse_sim::{Linearizable, Model, Scenario, Suite};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

/// Counts in a critical section that waits for something other than the storage.
#[durable_object]
struct Turnstile {
    state: State,
}

impl DurableObject for Turnstile {
    fn new(state: State, _: Env) -> Self {
        Self { state }
    }
}

#[rpc]
impl Turnstile {
    pub async fn pass(&self) -> Result<u64> {
        let storage = self.state.storage();
        let section = async move {
            let passed = storage.get::<u64>("passed").await?.unwrap_or(0) + 1;
            Delay::from(Duration::from_millis(2)).await;
            storage.put("passed", passed).await?;
            Ok(passed)
        };
        self.state.block_concurrency_while(section).await
    }
}

/// Without the section two that pass at once would be counted once.
pub fn turnstile() -> Suite {
    Scenario::new("turnstile")
        .object::<Turnstile>("TURNSTILE")
        .workload(Just(Op::Increment("a".to_owned())), 1..=8)
        .step(|client, op| {
            let (Op::Increment(name) | Op::Get(name)) = op;
            client.stub::<Turnstile>("TURNSTILE", &name).pass()
        })
        .check(Linearizable::per_object(CounterModel))
        .into_suite()
}

/// Writes in transactions, and gives some of them up.
#[durable_object]
struct Hesitant {
    state: State,
}

impl DurableObject for Hesitant {
    fn new(state: State, _: Env) -> Self {
        Self { state }
    }
}

#[rpc]
impl Hesitant {
    pub async fn add(&self) -> Result<u64> {
        let add = |txn: dormouse::Transaction| async move {
            let value = txn.get_optional::<u64>("value").await?.unwrap_or(0) + 1;
            txn.put("value", value).await?;
            Ok(value)
        };
        self.state.storage().transaction(add).await
    }

    /// Writes, changes its mind, and says what is there.
    pub async fn give_up(&self) -> Result<u64> {
        let storage = self.state.storage();
        let given_up = storage.transaction(|txn| async move {
            txn.put("value", 1_000).await?;
            Err::<(), _>(Error::from("changed its mind"))
        });
        drop(given_up.await);
        Ok(storage.get("value").await?.unwrap_or(0))
    }

    /// The same with a `transaction_sync`.
    pub async fn give_up_at_once(&self) -> Result<u64> {
        let storage = self.state.storage();
        let kv = storage.kv();
        let given_up = storage.transaction_sync(|| {
            kv.put("value", 1_000)?;
            Err::<(), _>(Error::from("changed its mind"))
        });
        drop(given_up);
        Ok(storage.get("value").await?.unwrap_or(0))
    }
}

/// What clients ask of a [`Hesitant`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Write {
    Add,
    GiveUp,
    GiveUpAtOnce,
}

/// Only what is not given up counts.
struct HesitantModel;

impl Model for HesitantModel {
    type Op = Write;
    type Ret = u64;
    type State = u64;

    fn initial(&self) -> u64 {
        0
    }

    fn step(&self, value: &u64, op: &Write, returned: Option<&u64>) -> Option<u64> {
        let next = match op {
            Write::Add => value + 1,
            Write::GiveUp | Write::GiveUpAtOnce => *value,
        };
        returned
            .is_none_or(|returned| *returned == next)
            .then_some(next)
    }

    fn object(&self, _: &Write) -> String {
        "hesitant".to_owned()
    }
}

/// Transactions that are rolled back, between others that are not.
pub fn hesitant() -> Suite {
    Scenario::new("hesitant")
        .object::<Hesitant>("HESITANT")
        .workload(
            prop_oneof![
                2 => Just(Write::Add),
                1 => Just(Write::GiveUp),
                1 => Just(Write::GiveUpAtOnce),
            ],
            1..=8,
        )
        .step(|client, op| {
            let object = client.stub::<Hesitant>("HESITANT", "h");
            match op {
                Write::Add => object.add(),
                Write::GiveUp => object.give_up(),
                Write::GiveUpAtOnce => object.give_up_at_once(),
            }
        })
        .finally(vec![Write::GiveUp])
        .check(Linearizable::per_object(HesitantModel))
        .into_suite()
}
