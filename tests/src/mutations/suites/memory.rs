//! What keeps an object in memory when no call does.

use std::time::Duration;

use dormouse::{Delay, DurableObject, Env, Result, State, durable_object, rpc};
use dormouse_sim::{Faults, Scenario, Suite};
use proptest::prelude::Just;

/// Answers at once, and does what it was asked for a while later.
#[durable_object]
struct Leisurely {
    state: State,
}

/// Longer than an object with nothing to do stays in memory.
const LATER: Duration = Duration::from_secs(15);

impl DurableObject for Leisurely {
    fn new(state: State, _: Env) -> Self {
        Self { state }
    }
}

impl Leisurely {
    async fn add(storage: &dormouse::Storage, key: &str) -> Result<()> {
        let count = storage.get::<u64>(key).await?.unwrap_or(0) + 1;
        storage.put(key, count).await
    }
}

#[rpc]
impl Leisurely {
    pub async fn ask(&self) -> Result<()> {
        let storage = self.state.storage();
        Self::add(&storage, "asked").await?;
        self.state.wait_until(async move {
            Delay::from(LATER).await;
            drop(Self::add(&storage, "done").await); // a broken storage resets the object
        });
        Ok(())
    }

    /// Whether nothing is left to do.
    pub async fn is_done(&self) -> Result<bool> {
        let storage = self.state.storage();
        let asked = storage.get::<u64>("asked").await?;
        Ok(asked == storage.get::<u64>("done").await?)
    }
}

/// What a task in the background may rely on, as long as nothing goes wrong.
pub const DONE: &str = "what an object began in the background is done";

/// Nothing goes wrong here: a crash may end what runs in the background, hibernation may not.
pub fn leisurely() -> Suite {
    Scenario::new("leisurely")
        .object::<Leisurely>("LEISURELY")
        .faults(Faults::none())
        .clients(1)
        .workload(Just(()), 1..=3)
        .step(|client, ()| client.stub::<Leisurely>("LEISURELY", "l").ask())
        .eventually(DONE, |client| async move {
            client.stub::<Leisurely>("LEISURELY", "l").is_done().await
        })
        .without_eviction_transparency()
        .into_suite()
}
