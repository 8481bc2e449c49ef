//! A service outside, as far as it matters here: it takes deliveries, takes its time for each, and knows idempotency keys.
//!
//! It stands for whatever an alarm's handler calls. What has the same key is the same delivery, however often it comes: it takes effect once. So a
//! sender that may have to send twice gives what it sends a key that stays the same.

use std::time::Duration;

use dormouse::{
    Delay, DurableObject, Env, Error, Result, Rpc, SqlStorage, State, durable_object, rpc,
};
use serde::{Deserialize, Serialize};

use crate::reminders::now;

/// How long the service takes.
const TAKES: Duration = Duration::from_millis(25);

/// One thing that is delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// What has the same key is the same delivery.
    pub key: String,
    /// What it says.
    pub body: String,
}

/// Takes deliveries, and keeps those that it has not seen.
#[durable_object(fetch)]
#[derive(Debug)]
pub struct Receiver {
    state: State,
    sql: SqlStorage,
}

impl DurableObject for Receiver {
    fn new(state: State, _env: Env) -> Self {
        let sql = state.storage().sql();
        let created = sql.exec(
            "CREATE TABLE IF NOT EXISTS received (
                place INTEGER PRIMARY KEY AUTOINCREMENT,
                key TEXT UNIQUE,
                body TEXT NOT NULL
            )",
            None,
        );
        created.expect("the statement is right; a broken storage fails the constructor");
        Self { state, sql }
    }
}

impl Receiver {
    /// Takes its time.
    ///
    /// # Errors
    /// It is closed.
    async fn be_open(&self) -> Result<()> {
        Delay::from(TAKES).await;
        match self.state.storage().get::<i64>("closed_until").await? {
            Some(until) if now() < until => Err(Error::from("the service is closed")),
            _ => Ok(()),
        }
    }
}

#[derive(Deserialize)]
struct Row {
    body: String,
}

#[rpc]
impl Receiver {
    /// Takes deliveries, all of them or none.
    pub async fn deliver(&self, deliveries: Vec<Delivery>) -> Result<()> {
        self.be_open().await?;
        for Delivery { key, body } in deliveries {
            self.sql.exec(
                "INSERT OR IGNORE INTO received (key, body) VALUES (?, ?)",
                vec![key.into(), body.into()],
            )?;
        }
        Ok(())
    }

    /// Takes something without a key: it takes effect as often as it comes.
    pub async fn take(&self, body: String) -> Result<()> {
        self.be_open().await?;
        self.sql
            .exec("INSERT INTO received (body) VALUES (?)", vec![body.into()])?;
        Ok(())
    }

    /// Refuses everything for so many milliseconds.
    pub async fn close_for(&self, millis: u64) -> Result<()> {
        let until = now() + i64::try_from(millis).unwrap_or(i64::MAX / 2);
        self.state.storage().put("closed_until", until).await
    }

    /// What has taken effect, in its order.
    pub async fn received(&self) -> Result<Vec<String>> {
        let rows = self
            .sql
            .exec("SELECT body FROM received ORDER BY place", None)?;
        let rows = rows.to_array::<Row>()?;
        Ok(rows.into_iter().map(|row| row.body).collect())
    }
}

/// The service outside. A stub for each call: one that met a reset would fail for ever.
fn outside(env: &Env) -> Result<<Receiver as Rpc>::Stub> {
    let stub = env.durable_object("RECEIVER")?.get_by_name("outside")?;
    Ok(stub.typed::<Receiver>())
}

/// Delivers to the service outside.
pub(crate) async fn deliver(env: &Env, deliveries: Vec<Delivery>) -> Result<()> {
    outside(env)?.deliver(deliveries).await
}

/// Gives the service outside something that has no key.
pub(crate) async fn take(env: &Env, body: String) -> Result<()> {
    outside(env)?.take(body).await
}
