//! A batcher: items are collected for ten seconds and then delivered together, by an alarm.
//!
//! Between the items that a run of the alarm has read and the end of that run stands a call to the outside. Meanwhile items arrive, the node may crash,
//! the call may fail after it has taken effect. So an item is a row of its own; a run deletes the rows that it has sent and no others; a crash in
//! between sends them again, under the same keys.

use std::time::Duration;

use dormouse::{
    AlarmInfo, DurableObject, Env, Method, Request, Response, Result, SqlStorage, State,
    durable_object, rpc,
};
use serde::Deserialize;

use crate::receiver::{Delivery, deliver};

/// How long items are collected.
const COLLECTS: Duration = Duration::from_secs(10);

/// How many items are delivered at once.
const BATCH: i64 = 100;

/// From this many failures on the batcher does not wait for the runtime to give the alarm up, but sets a new one.
const FAILURES_MAX: u32 = 5;

/// When it tries again then.
const REST: Duration = Duration::from_mins(1);

/// Collects items and delivers them in batches, each at least once, to a [`Receiver`](crate::Receiver).
#[durable_object(alarm)]
#[derive(Debug)]
pub struct Batcher {
    state: State,
    env: Env,
    sql: SqlStorage,
}

#[derive(Deserialize)]
struct Query {
    item: String,
}

#[derive(Deserialize)]
struct Row {
    id: i64,
    item: String,
}

#[derive(Deserialize)]
struct Count {
    count: u64,
}

impl DurableObject for Batcher {
    fn new(state: State, env: Env) -> Self {
        let sql = state.storage().sql();
        let created = sql.exec(
            "CREATE TABLE IF NOT EXISTS items (id INTEGER PRIMARY KEY AUTOINCREMENT, item TEXT NOT NULL)",
            None,
        );
        created.expect("the statement is right; a broken storage fails the constructor");
        Self { state, env, sql }
    }

    /// `POST /add?item=x` and `GET /pending`.
    async fn fetch(&self, request: Request) -> Result<Response> {
        match (request.method(), request.path().as_str()) {
            (Method::Post, "/add") => {
                let Query { item } = request.query()?;
                self.add(item).await?;
                Response::empty()
            }
            (Method::Get, "/pending") => Response::ok(format!("{}\n", self.pending().await?)),
            _ => Response::error("Not found: try POST /add?item=x or GET /pending\n", 404),
        }
    }

    async fn alarm_with_info(&self, alarm: AlarmInfo) -> Result<Response> {
        let sent = self.send_batch().await;
        let storage = self.state.storage();
        match sent {
            Err(error) if alarm.retry_count < FAILURES_MAX => return Err(error), // it is tried again
            // The next failure but one would be the last. A new alarm has tries of its own.
            Err(_) => storage.set_alarm(REST).await?,
            Ok(()) if self.pending().await? > 0 => storage.set_alarm(0).await?,
            Ok(()) => {}
        }
        Response::empty()
    }
}

impl Batcher {
    /// Sends the oldest items and deletes them, and only them: others may have come meanwhile.
    async fn send_batch(&self) -> Result<()> {
        let rows = self.sql.exec(
            "SELECT id, item FROM items ORDER BY id LIMIT ?",
            vec![BATCH.into()],
        )?;
        let rows = rows.to_array::<Row>()?;
        let Some(last) = rows.last().map(|row| row.id) else {
            return Ok(());
        };
        let batcher = self.state.id().to_string();
        let batch = rows.into_iter().map(|Row { id, item }| Delivery {
            key: format!("{batcher}-{id}"), // the same each time that this item is sent
            body: item,
        });
        deliver(&self.env, batch.collect()).await?;
        self.sql
            .exec("DELETE FROM items WHERE id <= ?", vec![last.into()])?;
        Ok(())
    }
}

#[rpc]
impl Batcher {
    /// Takes an item; it is delivered within about ten seconds.
    pub async fn add(&self, item: String) -> Result<()> {
        self.sql
            .exec("INSERT INTO items (item) VALUES (?)", vec![item.into()])?;
        // While a run sends, none counts as set: then this item has an alarm of its own, after that run.
        let storage = self.state.storage();
        if storage.get_alarm().await?.is_none() {
            storage.set_alarm(COLLECTS).await?;
        }
        Ok(())
    }

    /// How many items wait.
    pub async fn pending(&self) -> Result<u64> {
        let rows = self.sql.exec("SELECT count(*) AS count FROM items", None)?;
        Ok(rows.one::<Count>()?.count)
    }
}
