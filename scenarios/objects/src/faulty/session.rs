//! A session whose expiry comes later.

use std::time::Duration;

use dormouse::{Delay, DurableObject, Env, Result, SqlStorage, State, durable_object, rpc};

use crate::user_session::{create_table, now, read};

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
