//! A table that has got a column since: the constructor brings old ones up to date.

use std::time::Duration;

use dormouse::{
    Delay, DurableObject, Env, Result, SqlStorage, State, Storage, durable_object, rpc,
};
use serde::Deserialize;

/// The shelves that the second step fills in are known elsewhere.
const SHELVES_TAKE: Duration = Duration::from_millis(5);

const CREATE: &str =
    "CREATE TABLE IF NOT EXISTS books (id INTEGER PRIMARY KEY, title TEXT NOT NULL)";
const ADD_SHELF: &str = "ALTER TABLE books ADD COLUMN shelf INTEGER NOT NULL DEFAULT 0";

#[derive(Deserialize)]
struct Count {
    count: u64,
}

fn add(sql: &SqlStorage, title: String) -> Result<u64> {
    sql.exec(
        "INSERT INTO books (title, shelf) VALUES (?, 1)",
        vec![title.into()],
    )?;
    let rows = sql.exec("SELECT count(*) AS count FROM books", None)?;
    Ok(rows.one::<Count>()?.count)
}

/// Each step is one transaction, with the number of the step in it.
#[durable_object]
#[derive(Debug)]
pub struct Library {
    sql: SqlStorage,
}

async fn bring_up_to_date(storage: Storage) -> Result<()> {
    let (sql, kv) = (storage.sql(), storage.kv());
    for (number, statement) in [(1, CREATE), (2, ADD_SHELF)] {
        if storage.get("version").await?.unwrap_or(0) >= number {
            continue;
        }
        if number == 2 {
            Delay::from(SHELVES_TAKE).await;
        }
        storage.transaction_sync(|| {
            sql.exec(statement, None)?;
            kv.put("version", number)
        })?;
    }
    Ok(())
}

impl DurableObject for Library {
    fn new(state: State, _env: Env) -> Self {
        let sql = state.storage().sql();
        drop(state.block_concurrency_while(bring_up_to_date(state.storage())));
        Self { sql }
    }
}

#[rpc]
impl Library {
    /// Adds a book; returns how many there are.
    pub async fn add(&self, title: String) -> Result<u64> {
        add(&self.sql, title)
    }
}

/// Faulty: takes it that a table that is there has all its columns.
#[durable_object]
#[derive(Debug)]
pub struct HalfMigratedLibrary {
    sql: SqlStorage,
}

async fn create_if_missing(sql: SqlStorage) -> Result<()> {
    let tables = sql.exec(
        "SELECT count(*) AS count FROM sqlite_master WHERE name = 'books'",
        None,
    )?;
    if tables.one::<Count>()?.count == 0 {
        sql.exec(CREATE, None)?;
        Delay::from(SHELVES_TAKE).await;
        sql.exec(ADD_SHELF, None)?;
    }
    Ok(())
}

impl DurableObject for HalfMigratedLibrary {
    fn new(state: State, _env: Env) -> Self {
        let sql = state.storage().sql();
        drop(state.block_concurrency_while(create_if_missing(state.storage().sql())));
        Self { sql }
    }
}

#[rpc]
impl HalfMigratedLibrary {
    /// Adds a book; returns how many there are.
    pub async fn add(&self, title: String) -> Result<u64> {
        add(&self.sql, title)
    }
}
