//! Reminders that forget each other.

use dormouse::{DurableObject, Env, Response, Result, SqlStorage, State, durable_object, rpc};

use crate::reminders::{create_table, deliver_due, set_alarm_at, store};

/// Sets the alarm for each reminder when it is made.
///
/// *Symptom:* the reminder for this evening comes next week, with the one for next week. *Cause:* an object has one alarm, and the second call replaces
/// the first. *Fix:* set it for the first of all, after each new one and after each run.
#[durable_object(alarm)]
#[derive(Debug)]
pub struct OverwritingReminders {
    state: State,
    env: Env,
    sql: SqlStorage,
}

impl DurableObject for OverwritingReminders {
    fn new(state: State, env: Env) -> Self {
        let sql = state.storage().sql();
        create_table(&sql);
        Self { state, env, sql }
    }

    async fn alarm(&self) -> Result<Response> {
        deliver_due(&self.state, &self.env, &self.sql).await?;
        Response::empty()
    }
}

#[rpc]
impl OverwritingReminders {
    /// Reminds somebody of something in so many milliseconds.
    pub async fn remind(&self, text: String, after_millis: u64) -> Result<()> {
        let due = store(&self.sql, text, after_millis)?;
        set_alarm_at(&self.state.storage(), due).await
    }
}
