//! A bulletin: what is posted is shown on a screen outside, and can be read again later.

use dormouse::{DurableObject, Env, Result, SqlStorage, State, durable_object, rpc};
use serde::Deserialize;

use crate::receiver::take;

#[derive(Deserialize)]
struct Row {
    text: String,
}

fn create_table(sql: &SqlStorage) {
    let created = sql.exec(
        "CREATE TABLE IF NOT EXISTS posts (id INTEGER PRIMARY KEY, text TEXT NOT NULL)",
        None,
    );
    created.expect("the statement is right; a broken storage fails the constructor");
}

fn keep(sql: &SqlStorage, text: String) -> Result<()> {
    sql.exec("INSERT INTO posts (text) VALUES (?)", vec![text.into()])?;
    Ok(())
}

fn posts(sql: &SqlStorage) -> Result<Vec<String>> {
    let rows = sql.exec("SELECT text FROM posts ORDER BY id", None)?;
    let rows = rows.to_array::<Row>()?;
    Ok(rows.into_iter().map(|row| row.text).collect())
}

/// Stores what it shows, first: the screen is told when that is durable.
#[durable_object]
#[derive(Debug)]
pub struct Bulletin {
    env: Env,
    sql: SqlStorage,
}

impl DurableObject for Bulletin {
    fn new(state: State, env: Env) -> Self {
        let sql = state.storage().sql();
        create_table(&sql);
        Self { env, sql }
    }
}

#[rpc]
impl Bulletin {
    /// Posts a text.
    pub async fn post(&self, text: String) -> Result<()> {
        keep(&self.sql, text.clone())?;
        take(&self.env, text).await
    }

    /// What was posted.
    pub async fn posts(&self) -> Result<Vec<String>> {
        posts(&self.sql)
    }
}

/// Faulty: shows it at once, and stores it then.
#[durable_object]
#[derive(Debug)]
pub struct HastyBulletin {
    env: Env,
    sql: SqlStorage,
}

impl DurableObject for HastyBulletin {
    fn new(state: State, env: Env) -> Self {
        let sql = state.storage().sql();
        create_table(&sql);
        Self { env, sql }
    }
}

#[rpc]
impl HastyBulletin {
    /// Posts a text.
    pub async fn post(&self, text: String) -> Result<()> {
        take(&self.env, text.clone()).await?;
        keep(&self.sql, text)
    }

    /// What was posted.
    pub async fn posts(&self) -> Result<Vec<String>> {
        posts(&self.sql)
    }
}
