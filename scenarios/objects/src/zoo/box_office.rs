//! Sells a limited number of seats, each to somebody who has to be verified elsewhere first.

use std::time::Duration;

use dormouse::{Delay, DurableObject, Env, Result, SqlStorage, State, durable_object, rpc};
use serde::Deserialize;

/// How many seats there are.
pub const SEATS: u64 = 2;

/// The service that knows whether somebody may have a seat.
const VERIFYING_TAKES: Duration = Duration::from_millis(5);

#[derive(Deserialize)]
struct Count {
    count: u64,
}

fn create_table(sql: &SqlStorage) {
    let created = sql.exec(
        "CREATE TABLE IF NOT EXISTS seats (id INTEGER PRIMARY KEY)",
        None,
    );
    created.expect("the statement is right; a broken storage fails the constructor");
}

fn is_free(sql: &SqlStorage) -> Result<bool> {
    let rows = sql.exec("SELECT count(*) AS count FROM seats", None)?;
    Ok(rows.one::<Count>()?.count < SEATS)
}

fn insert(sql: &SqlStorage) -> Result<()> {
    sql.exec("INSERT INTO seats DEFAULT VALUES", None)?;
    Ok(())
}

/// Holds the seat, and verifies then.
#[durable_object]
#[derive(Debug)]
pub struct BoxOffice {
    sql: SqlStorage,
}

impl DurableObject for BoxOffice {
    fn new(state: State, _env: Env) -> Self {
        let sql = state.storage().sql();
        create_table(&sql);
        Self { sql }
    }
}

#[rpc]
impl BoxOffice {
    /// Books a seat; says whether there was one.
    pub async fn book(&self) -> Result<bool> {
        if !is_free(&self.sql)? {
            return Ok(false);
        }
        insert(&self.sql)?;
        Delay::from(VERIFYING_TAKES).await;
        Ok(true)
    }
}

/// Faulty: verifies while the seat is anybody's.
#[durable_object]
#[derive(Debug)]
pub struct OversoldBoxOffice {
    sql: SqlStorage,
}

impl DurableObject for OversoldBoxOffice {
    fn new(state: State, _env: Env) -> Self {
        let sql = state.storage().sql();
        create_table(&sql);
        Self { sql }
    }
}

#[rpc]
impl OversoldBoxOffice {
    /// Books a seat; says whether there was one.
    pub async fn book(&self) -> Result<bool> {
        if !is_free(&self.sql)? {
            return Ok(false);
        }
        Delay::from(VERIFYING_TAKES).await;
        insert(&self.sql)?;
        Ok(true)
    }
}
