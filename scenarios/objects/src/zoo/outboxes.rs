//! Five more ways to lose what a batcher has accepted: faulty twins of [`Batcher`](crate::Batcher), with the same method.

use std::time::Duration;

use dormouse::{
    AlarmInfo, DurableObject, Env, Response, Result, SqlStorage, State, durable_object, rpc,
};
use serde::Deserialize;

use crate::receiver::{Delivery, deliver};

const COLLECTS: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_hours(1);
/// How many items the one with pages sends at once.
const PAGE: i64 = 2;
/// From which retry on the one that gives up does.
const GIVES_UP: u32 = 3;

#[derive(Debug, Deserialize)]
struct Row {
    id: i64,
    item: String,
}

/// Items that wait, as rows, each of which is deleted when it has been sent. The faults are in when that happens.
#[derive(Debug)]
struct Outbox {
    state: State,
    env: Env,
    sql: SqlStorage,
}

impl Outbox {
    fn new(state: State, env: Env) -> Self {
        let sql = state.storage().sql();
        let created = sql.exec(
            "CREATE TABLE IF NOT EXISTS items (id INTEGER PRIMARY KEY AUTOINCREMENT, item TEXT NOT NULL)",
            None,
        );
        created.expect("the statement is right; a broken storage fails the constructor");
        Self { state, env, sql }
    }

    fn insert(&self, item: String) -> Result<()> {
        self.sql
            .exec("INSERT INTO items (item) VALUES (?)", vec![item.into()])?;
        Ok(())
    }

    /// The oldest items, at most so many if there is a limit.
    fn oldest(&self, limit: Option<i64>) -> Result<Vec<Row>> {
        let limit = limit.unwrap_or(-1); // none, as SQLite says it
        let rows = self.sql.exec(
            "SELECT id, item FROM items ORDER BY id LIMIT ?",
            vec![limit.into()],
        )?;
        rows.to_array()
    }

    async fn send(&self, rows: &[Row]) -> Result<()> {
        let outbox = self.state.id().to_string();
        let deliveries = rows.iter().map(|Row { id, item }| Delivery {
            key: format!("{outbox}-{id}"),
            body: item.clone(),
        });
        deliver(&self.env, deliveries.collect()).await
    }

    fn delete(&self, rows: &[Row]) -> Result<()> {
        for Row { id, .. } in rows {
            self.sql
                .exec("DELETE FROM items WHERE id = ?", vec![(*id).into()])?;
        }
        Ok(())
    }

    async fn arm(&self, after: Duration) -> Result<()> {
        self.state.storage().set_alarm(after).await
    }

    async fn arm_if_none_is(&self) -> Result<()> {
        match self.state.storage().get_alarm().await? {
            None => self.arm(COLLECTS).await,
            Some(_) => Ok(()),
        }
    }
}

/// Sends one page, and comes again if that failed.
#[durable_object(alarm)]
#[derive(Debug)]
pub struct OnePageOutbox(Outbox);

impl DurableObject for OnePageOutbox {
    fn new(state: State, env: Env) -> Self {
        Self(Outbox::new(state, env))
    }

    async fn alarm(&self) -> Result<Response> {
        let rows = self.0.oldest(Some(PAGE))?;
        match self.0.send(&rows).await {
            Ok(()) => self.0.delete(&rows)?,
            Err(_) => self.0.arm(COLLECTS).await?,
        }
        Response::empty()
    }
}

#[rpc]
impl OnePageOutbox {
    /// Takes an item.
    pub async fn add(&self, item: String) -> Result<()> {
        self.0.insert(item)?;
        self.0.arm_if_none_is().await
    }
}

/// Sets its next alarm first, so that it cannot be forgotten, and works then.
#[durable_object(alarm)]
#[derive(Debug)]
pub struct HourlyOutbox(Outbox);

impl DurableObject for HourlyOutbox {
    fn new(state: State, env: Env) -> Self {
        Self(Outbox::new(state, env))
    }

    async fn alarm(&self) -> Result<Response> {
        self.0.arm(HOUR).await?;
        let rows = self.0.oldest(None)?;
        self.0.send(&rows).await?;
        self.0.delete(&rows)?;
        Response::empty()
    }
}

#[rpc]
impl HourlyOutbox {
    /// Takes an item, which is sent at once, or at the latest with the next hour's.
    pub async fn add(&self, item: String) -> Result<()> {
        self.0.insert(item)?;
        self.0.arm(Duration::ZERO).await
    }
}

/// Notes that it has armed its alarm, so as not to ask.
#[durable_object(alarm)]
#[derive(Debug)]
pub struct FlaggedOutbox(Outbox);

impl DurableObject for FlaggedOutbox {
    fn new(state: State, env: Env) -> Self {
        Self(Outbox::new(state, env))
    }

    async fn alarm(&self) -> Result<Response> {
        let rows = self.0.oldest(None)?;
        self.0.send(&rows).await?;
        self.0.delete(&rows)?;
        self.0.state.storage().put("is_armed", false).await?;
        Response::empty()
    }
}

#[rpc]
impl FlaggedOutbox {
    /// Takes an item.
    pub async fn add(&self, item: String) -> Result<()> {
        self.0.insert(item)?;
        let storage = self.0.state.storage();
        if storage.get("is_armed").await?.unwrap_or(false) {
            return Ok(());
        }
        storage.put("is_armed", true).await?;
        self.0.arm(COLLECTS).await
    }
}

/// Takes every failure for one of the item, which is not to be sent for ever.
#[durable_object(alarm)]
#[derive(Debug)]
pub struct SwallowingOutbox(Outbox);

impl DurableObject for SwallowingOutbox {
    fn new(state: State, env: Env) -> Self {
        Self(Outbox::new(state, env))
    }

    async fn alarm(&self) -> Result<Response> {
        let rows = self.0.oldest(None)?;
        let _ = self.0.send(&rows).await; // somebody reads the log of it
        self.0.delete(&rows)?;
        Response::empty()
    }
}

#[rpc]
impl SwallowingOutbox {
    /// Takes an item.
    pub async fn add(&self, item: String) -> Result<()> {
        self.0.insert(item)?;
        self.0.arm_if_none_is().await
    }
}

/// Gives up after a few retries, before the runtime does.
#[durable_object(alarm)]
#[derive(Debug)]
pub struct QuittingOutbox(Outbox);

impl DurableObject for QuittingOutbox {
    fn new(state: State, env: Env) -> Self {
        Self(Outbox::new(state, env))
    }

    async fn alarm_with_info(&self, alarm: AlarmInfo) -> Result<Response> {
        let rows = self.0.oldest(None)?;
        if alarm.retry_count <= GIVES_UP {
            self.0.send(&rows).await?;
        }
        self.0.delete(&rows)?;
        Response::empty()
    }
}

#[rpc]
impl QuittingOutbox {
    /// Takes an item.
    pub async fn add(&self, item: String) -> Result<()> {
        self.0.insert(item)?;
        self.0.arm_if_none_is().await
    }
}
