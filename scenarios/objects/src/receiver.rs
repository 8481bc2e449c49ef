//! A service outside, as far as it matters here: it takes deliveries, takes its time for each, and knows idempotency keys.
//!
//! It stands for whatever an alarm's handler calls. What has the same key is the same delivery, however often it comes: it takes effect once. So a
//! sender that may have to send twice gives what it sends a key that stays the same.

use std::time::Duration;

use dormouse::{Delay, DurableObject, Env, Result, SqlStorage, State, durable_object, rpc};
use serde::{Deserialize, Serialize};

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
    sql: SqlStorage,
}

impl DurableObject for Receiver {
    fn new(state: State, _env: Env) -> Self {
        let sql = state.storage().sql();
        let created = sql.exec(
            "CREATE TABLE IF NOT EXISTS received (
                place INTEGER PRIMARY KEY AUTOINCREMENT,
                key TEXT NOT NULL UNIQUE,
                body TEXT NOT NULL
            )",
            None,
        );
        created.expect("the statement is right; a broken storage fails the constructor");
        Self { sql }
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
        Delay::from(TAKES).await;
        for Delivery { key, body } in deliveries {
            self.sql.exec(
                "INSERT OR IGNORE INTO received (key, body) VALUES (?, ?)",
                vec![key.into(), body.into()],
            )?;
        }
        Ok(())
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

/// Delivers to the service outside.
pub(crate) async fn deliver(env: &Env, deliveries: Vec<Delivery>) -> Result<()> {
    // A stub for each call: one that met a reset would fail for ever.
    env.durable_object("RECEIVER")?
        .get_by_name("outside")?
        .typed::<Receiver>()
        .deliver(deliveries)
        .await
}
