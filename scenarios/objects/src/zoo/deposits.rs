//! Takes messages that are sent again when their sender is in doubt, and counts each once.

use std::{cell::RefCell, collections::BTreeSet};

use dormouse::{DurableObject, Env, Result, SqlStorage, State, durable_object, rpc};
use serde::Deserialize;

#[derive(Deserialize)]
struct Count {
    count: u64,
}

/// Has a row for each message: the second one with the same id changes nothing.
#[durable_object]
#[derive(Debug)]
pub struct Deposits {
    sql: SqlStorage,
}

impl DurableObject for Deposits {
    fn new(state: State, _env: Env) -> Self {
        let sql = state.storage().sql();
        let created = sql.exec(
            "CREATE TABLE IF NOT EXISTS seen (id INTEGER PRIMARY KEY)",
            None,
        );
        created.expect("the statement is right; a broken storage fails the constructor");
        Self { sql }
    }
}

#[rpc]
impl Deposits {
    /// Takes the message with this id; returns how many different ones there were.
    pub async fn take(&self, id: u32) -> Result<u64> {
        self.sql.exec(
            "INSERT OR IGNORE INTO seen (id) VALUES (?)",
            vec![i64::from(id).into()],
        )?;
        let rows = self.sql.exec("SELECT count(*) AS count FROM seen", None)?;
        Ok(rows.one::<Count>()?.count)
    }
}

/// Faulty: remembers in memory what it has seen.
#[durable_object]
#[derive(Debug)]
pub struct ForgetfulDeposits {
    state: State,
    seen: RefCell<BTreeSet<u32>>,
}

impl DurableObject for ForgetfulDeposits {
    fn new(state: State, _env: Env) -> Self {
        Self {
            state,
            seen: RefCell::default(),
        }
    }
}

#[rpc]
impl ForgetfulDeposits {
    /// Takes the message with this id; returns how many different ones there were.
    pub async fn take(&self, id: u32) -> Result<u64> {
        let storage = self.state.storage();
        let count = storage.get::<u64>("count").await?.unwrap_or(0);
        if !self.seen.borrow_mut().insert(id) {
            return Ok(count);
        }
        storage.put("count", count + 1).await?;
        Ok(count + 1)
    }
}
