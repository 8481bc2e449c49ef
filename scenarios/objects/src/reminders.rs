//! Reminders: many times, and one alarm for all of them.
//!
//! An object has one alarm, and setting it replaces the one before. So the times are rows, and the alarm is always that of the first of them: after
//! each new reminder, and after each run.

use dormouse::{
    Date, DurableObject, Env, Response, Result, ScheduledTime, SqlStorage, State, Storage,
    durable_object, rpc,
};
use serde::Deserialize;

use crate::receiver::{Delivery, deliver};

/// Keeps reminders until they are due, and delivers them then, each at least once, to a [`Receiver`](crate::Receiver).
#[durable_object(alarm)]
#[derive(Debug)]
pub struct ReminderQueue {
    state: State,
    env: Env,
    sql: SqlStorage,
}

#[derive(Deserialize)]
pub(crate) struct Row {
    pub(crate) id: i64,
    text: String,
}

#[derive(Deserialize)]
struct Next {
    due: Option<i64>,
}

/// Makes the table, if it is not there.
pub(crate) fn create_table(sql: &SqlStorage) {
    let created = sql.exec(
        "CREATE TABLE IF NOT EXISTS reminders (id INTEGER PRIMARY KEY AUTOINCREMENT, due INTEGER NOT NULL, text TEXT NOT NULL)",
        None,
    );
    created.expect("the statement is right; a broken storage fails the constructor");
}

/// Stores a reminder for `after_millis` from now; returns when that is.
pub(crate) fn store(sql: &SqlStorage, text: String, after_millis: u64) -> Result<i64> {
    let due = now() + i64::try_from(after_millis).unwrap_or(i64::MAX / 2);
    sql.exec(
        "INSERT INTO reminders (due, text) VALUES (?, ?)",
        vec![due.into(), text.into()],
    )?;
    Ok(due)
}

/// Delivers what is due, and removes it.
pub(crate) async fn deliver_due(state: &State, env: &Env, sql: &SqlStorage) -> Result<()> {
    let rows = sql.exec(
        "SELECT id, text FROM reminders WHERE due <= ? ORDER BY due, id",
        vec![now().into()],
    )?;
    let rows = rows.to_array::<Row>()?;
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let queue = state.id().to_string();
    let due = rows.into_iter().map(|Row { id, text }| Delivery {
        key: format!("{queue}-{id}"),
        body: text,
    });
    deliver(env, due.collect()).await?;
    for id in ids {
        sql.exec("DELETE FROM reminders WHERE id = ?", vec![id.into()])?;
    }
    Ok(())
}

/// Milliseconds since the epoch, as a number that SQL takes.
pub(crate) fn now() -> i64 {
    i64::try_from(Date::now().as_millis()).expect("the present fits")
}

/// Sets the alarm to a time.
pub(crate) async fn set_alarm_at(storage: &Storage, at: i64) -> Result<()> {
    #[expect(clippy::cast_precision_loss, reason = "a date is far below 2^53")]
    let at = ScheduledTime::at_millis(at as f64);
    storage.set_alarm(at).await
}

impl DurableObject for ReminderQueue {
    fn new(state: State, env: Env) -> Self {
        let sql = state.storage().sql();
        create_table(&sql);
        Self { state, env, sql }
    }

    async fn alarm(&self) -> Result<Response> {
        deliver_due(&self.state, &self.env, &self.sql).await?;
        self.wait_for_the_next().await?;
        Response::empty()
    }
}

impl ReminderQueue {
    /// Sets the alarm for the first reminder.
    async fn wait_for_the_next(&self) -> Result<()> {
        let next = self
            .sql
            .exec("SELECT min(due) AS due FROM reminders", None)?;
        match next.one::<Next>()?.due {
            Some(due) => set_alarm_at(&self.state.storage(), due).await,
            None => Ok(()),
        }
    }
}

#[rpc]
impl ReminderQueue {
    /// Reminds somebody of something in so many milliseconds.
    pub async fn remind(&self, text: String, after_millis: u64) -> Result<()> {
        store(&self.sql, text, after_millis)?;
        self.wait_for_the_next().await
    }
}
