//! Counts on from a number that has to be fetched when the object comes into memory.

use std::{cell::Cell, rc::Rc, time::Duration};

use dormouse::{Delay, DurableObject, Env, Result, State, Storage, durable_object, rpc};

/// The settings service, which is asked first.
const SETTINGS_TAKE: Duration = Duration::from_millis(5);

async fn load(storage: &Storage) -> Result<u64> {
    Delay::from(SETTINGS_TAKE).await;
    Ok(storage.get("count").await?.unwrap_or(0))
}

/// Loads in the constructor, with the input gate shut.
#[durable_object]
#[derive(Debug)]
pub struct Tally {
    state: State,
    count: Rc<Cell<u64>>,
}

impl DurableObject for Tally {
    fn new(state: State, _env: Env) -> Self {
        let count = Rc::new(Cell::new(0));
        let (storage, loaded) = (state.storage(), Rc::clone(&count));
        drop(state.block_concurrency_while(async move {
            loaded.set(load(&storage).await?);
            Ok(())
        }));
        Self { state, count }
    }
}

#[rpc]
impl Tally {
    /// Adds one; returns the new number.
    pub async fn add(&self) -> Result<u64> {
        let count = self.count.get() + 1;
        self.count.set(count);
        self.state.storage().put("count", count).await?;
        Ok(count)
    }
}

/// Faulty: says that it has loaded, and loads.
#[durable_object]
#[derive(Debug)]
pub struct HastyTally {
    state: State,
    has_loaded: Cell<bool>,
    count: Cell<u64>,
}

impl DurableObject for HastyTally {
    fn new(state: State, _env: Env) -> Self {
        Self {
            state,
            has_loaded: Cell::new(false),
            count: Cell::new(0),
        }
    }
}

#[rpc]
impl HastyTally {
    /// Adds one; returns the new number.
    pub async fn add(&self) -> Result<u64> {
        let storage = self.state.storage();
        if !self.has_loaded.replace(true) {
            self.count.set(load(&storage).await?);
        }
        let count = self.count.get() + 1;
        self.count.set(count);
        storage.put("count", count).await?;
        Ok(count)
    }
}
