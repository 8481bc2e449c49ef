//! Two sessions that never quite end.

use std::time::Duration;

use dormouse::{
    Delay, DurableObject, Env, Response, Result, SqlStorage, State, durable_object, rpc,
};

use crate::{
    reminders::set_alarm_at,
    user_session::{create_table, first_expiry, keys, now, read, remove_expired},
};

/// Stores the value, asks elsewhere how long it may live, and then stores when it expires.
///
/// *Symptom:* sessions that never end. *Cause:* a crash between the two statements leaves a value without expiry. *Fix:* ask first, then write both at
/// once.
#[durable_object]
#[derive(Debug)]
pub struct SplitSession {
    sql: SqlStorage,
}

impl DurableObject for SplitSession {
    fn new(state: State, _env: Env) -> Self {
        let sql = state.storage().sql();
        create_table(&sql);
        Self { sql }
    }
}

#[rpc]
impl SplitSession {
    /// Stores `value`, for `ttl` milliseconds or for good.
    pub async fn set(&self, key: String, value: String, ttl: Option<u64>) -> Result<()> {
        self.sql.exec(
            "INSERT OR REPLACE INTO session (key, value, expires_at) VALUES (?, ?, NULL)",
            vec![key.as_str().into(), value.into()],
        )?;
        Delay::from(Duration::from_millis(2)).await; // the service that knows
        let expires_at = ttl.map(|ttl| now() + i64::try_from(ttl).unwrap_or(i64::MAX / 2));
        self.sql.exec(
            "UPDATE session SET expires_at = ? WHERE key = ?",
            vec![expires_at.into(), key.into()],
        )?;
        Ok(())
    }

    /// The value of `key`, if there is one that has not expired.
    pub async fn get(&self, key: String) -> Result<Option<String>> {
        read(&self.sql, &key)
    }
}

/// Sets its alarm only if none is set: it is set already, so it need not be set again.
///
/// *Symptom:* what should be gone after two seconds lies about for an hour. *Cause:* the alarm that is set is that of a value which lives longer. *Fix:*
/// the alarm is that of the first value to expire, after each change.
#[durable_object(alarm)]
#[derive(Debug)]
pub struct LatestExpirySession {
    state: State,
    sql: SqlStorage,
}

impl DurableObject for LatestExpirySession {
    fn new(state: State, _env: Env) -> Self {
        let sql = state.storage().sql();
        create_table(&sql);
        Self { state, sql }
    }

    async fn alarm(&self) -> Result<Response> {
        remove_expired(&self.sql)?;
        if let Some(at) = first_expiry(&self.sql)? {
            set_alarm_at(&self.state.storage(), at).await?;
        }
        Response::empty()
    }
}

#[rpc]
impl LatestExpirySession {
    /// Stores `value`, for `ttl` milliseconds or for good.
    pub async fn set(&self, key: String, value: String, ttl: Option<u64>) -> Result<()> {
        let expires_at = ttl.map(|ttl| now() + i64::try_from(ttl).unwrap_or(i64::MAX / 2));
        self.sql.exec(
            "INSERT OR REPLACE INTO session (key, value, expires_at) VALUES (?, ?, ?)",
            vec![key.into(), value.into(), expires_at.into()],
        )?;
        let storage = self.state.storage();
        match expires_at {
            Some(at) if storage.get_alarm().await?.is_none() => set_alarm_at(&storage, at).await,
            _ => Ok(()),
        }
    }

    /// The keys under which something is stored, expired or not.
    pub async fn stored(&self) -> Result<Vec<String>> {
        keys(&self.sql)
    }
}
