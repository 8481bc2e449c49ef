//! A job that every object of a class has, noted when the object is constructed.

use dormouse::{DurableObject, Env, Result, SqlStorage, State, durable_object, rpc};
use serde::Deserialize;

#[derive(Deserialize)]
struct Count {
    count: u64,
}

fn create_table(sql: &SqlStorage) {
    let created = sql.exec(
        "CREATE TABLE IF NOT EXISTS jobs (id INTEGER PRIMARY KEY, callback TEXT NOT NULL)",
        None,
    );
    created.expect("the statement is right; a broken storage fails the constructor");
}

/// Notes the job. If the storage fails, so does the constructor.
fn note(state: &State, statement: &'static str) {
    let sql = state.storage().sql();
    drop(state.block_concurrency_while(async move {
        sql.exec(statement, None)?;
        Ok(())
    }));
}

fn jobs(sql: &SqlStorage) -> Result<u64> {
    let rows = sql.exec("SELECT count(*) AS count FROM jobs", None)?;
    Ok(rows.one::<Count>()?.count)
}

/// Notes it under an id that is always the same.
#[durable_object]
#[derive(Debug)]
pub struct Maintained {
    sql: SqlStorage,
}

impl DurableObject for Maintained {
    fn new(state: State, _env: Env) -> Self {
        let sql = state.storage().sql();
        create_table(&sql);
        note(
            &state,
            "INSERT OR IGNORE INTO jobs (id, callback) VALUES (1, 'maintain')",
        );
        Self { sql }
    }
}

#[rpc]
impl Maintained {
    /// How many jobs are noted.
    pub async fn jobs(&self) -> Result<u64> {
        jobs(&self.sql)
    }
}

/// Faulty: notes it whenever it is constructed.
#[durable_object]
#[derive(Debug)]
pub struct MultiplyingJobs {
    sql: SqlStorage,
}

impl DurableObject for MultiplyingJobs {
    fn new(state: State, _env: Env) -> Self {
        let sql = state.storage().sql();
        create_table(&sql);
        note(&state, "INSERT INTO jobs (callback) VALUES ('maintain')");
        Self { sql }
    }
}

#[rpc]
impl MultiplyingJobs {
    /// How many jobs are noted.
    pub async fn jobs(&self) -> Result<u64> {
        jobs(&self.sql)
    }
}
