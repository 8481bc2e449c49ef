//! Webhooks: each is sent by an alarm, and takes effect once, although an alarm may run twice.
//!
//! Between the call and the note that it was made stands a crash, sooner or later. Nobody can close that gap from one side; so the hook carries a key that
//! was made when it was taken, and the receiver sees by it that the second call is the first.

use dormouse::{DurableObject, Env, Response, Result, SqlStorage, State, durable_object, rpc};
use serde::Deserialize;

use crate::receiver::{Delivery, deliver};

/// Takes webhooks and sends each to a [`Receiver`](crate::Receiver).
#[durable_object(alarm)]
#[derive(Debug)]
pub struct WebhookSender {
    state: State,
    env: Env,
    sql: SqlStorage,
}

#[derive(Deserialize)]
pub(crate) struct Row {
    pub(crate) id: i64,
    pub(crate) body: String,
}

/// Makes the table, if it is not there.
pub(crate) fn create_table(sql: &SqlStorage) {
    let created = sql.exec(
        "CREATE TABLE IF NOT EXISTS hooks (id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL)",
        None,
    );
    created.expect("the statement is right; a broken storage fails the constructor");
}

/// Takes a hook, and sees to it that it is sent.
pub(crate) async fn take(state: &State, sql: &SqlStorage, body: String) -> Result<()> {
    sql.exec("INSERT INTO hooks (body) VALUES (?)", vec![body.into()])?;
    state.storage().set_alarm(0).await
}

/// The hook that waits for longest.
pub(crate) fn oldest(sql: &SqlStorage) -> Result<Option<Row>> {
    let rows = sql.exec("SELECT id, body FROM hooks ORDER BY id LIMIT 1", None)?;
    Ok(rows.to_array::<Row>()?.into_iter().next())
}

/// Notes that a hook was sent.
pub(crate) fn sent(sql: &SqlStorage, id: i64) -> Result<()> {
    sql.exec("DELETE FROM hooks WHERE id = ?", vec![id.into()])?;
    Ok(())
}

impl DurableObject for WebhookSender {
    fn new(state: State, env: Env) -> Self {
        let sql = state.storage().sql();
        create_table(&sql);
        Self { state, env, sql }
    }

    async fn alarm(&self) -> Result<Response> {
        while let Some(Row { id, body }) = oldest(&self.sql)? {
            let key = format!("{}-{id}", self.state.id());
            deliver(&self.env, vec![Delivery { key, body }]).await?;
            sent(&self.sql, id)?;
        }
        Response::empty()
    }
}

#[rpc]
impl WebhookSender {
    /// Takes a webhook.
    pub async fn enqueue(&self, body: String) -> Result<()> {
        take(&self.state, &self.sql, body).await
    }
}
