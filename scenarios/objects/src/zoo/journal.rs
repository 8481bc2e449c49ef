//! Keeps what failed, each under a key of its own.

use dormouse::{
    Date, DurableObject, Env, ListOptions, Result, State, Storage, durable_object, rpc,
};

const FAILED: &str = "failed:";

async fn entries(storage: &Storage) -> Result<Vec<u64>> {
    let options = ListOptions::new().prefix(FAILED);
    let entries: Vec<(String, u64)> = storage.list_as(options).await?;
    Ok(entries.into_iter().map(|(_, entry)| entry).collect())
}

/// Counts its keys.
#[durable_object]
#[derive(Debug)]
pub struct Journal {
    state: State,
}

impl DurableObject for Journal {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }
}

#[rpc]
impl Journal {
    /// Keeps an entry.
    pub async fn note(&self, entry: u64) -> Result<()> {
        let storage = self.state.storage();
        let number = storage.get::<u64>("last").await?.unwrap_or(0) + 1;
        storage.put("last", number).await?;
        storage.put(&format!("{FAILED}{number:020}"), entry).await
    }

    /// What is kept, in order.
    pub async fn entries(&self) -> Result<Vec<u64>> {
        entries(&self.state.storage()).await
    }
}

/// Faulty: takes the time for a key.
#[durable_object]
#[derive(Debug)]
pub struct ClockJournal {
    state: State,
}

impl DurableObject for ClockJournal {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }
}

#[rpc]
impl ClockJournal {
    /// Keeps an entry.
    pub async fn note(&self, entry: u64) -> Result<()> {
        let key = format!("{FAILED}{:020}", Date::now().as_millis());
        self.state.storage().put(&key, entry).await
    }

    /// What is kept, in order.
    pub async fn entries(&self) -> Result<Vec<u64>> {
        entries(&self.state.storage()).await
    }
}
