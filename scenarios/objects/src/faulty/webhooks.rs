//! Webhooks that are sent twice.

use dormouse::{DurableObject, Env, Response, Result, SqlStorage, State, durable_object, rpc};

use crate::{
    receiver::{Delivery, deliver},
    reminders::now,
    webhooks::{Row, create_table, oldest, sent, take},
};

/// Makes the key of a delivery when it sends it.
///
/// *Symptom:* a customer is charged twice. *Cause:* the call has taken effect, and before that is noted the node crashes; the alarm runs again, with a new
/// key, and the receiver cannot know that it is the same. *Fix:* a key that is stored with what is to be sent.
#[durable_object(alarm)]
#[derive(Debug)]
pub struct FreshKeyWebhooks {
    state: State,
    env: Env,
    sql: SqlStorage,
}

impl DurableObject for FreshKeyWebhooks {
    fn new(state: State, env: Env) -> Self {
        let sql = state.storage().sql();
        create_table(&sql);
        Self { state, env, sql }
    }

    async fn alarm(&self) -> Result<Response> {
        while let Some(Row { id, body }) = oldest(&self.sql)? {
            let key = format!("{}-{}", self.state.id(), now());
            deliver(&self.env, vec![Delivery { key, body }]).await?;
            sent(&self.sql, id)?;
        }
        Response::empty()
    }
}

#[rpc]
impl FreshKeyWebhooks {
    /// Takes a webhook.
    pub async fn enqueue(&self, body: String) -> Result<()> {
        take(&self.state, &self.sql, body).await
    }
}
