//! A counter that reports every increment to another object.
//!
//! A call to another object lets other events in. So the number is read and written *after* the call, in one turn: whatever happened meanwhile is in it.

use dormouse::{DurableObject, Env, Result, State, durable_object, rpc};

/// Counts, and has an [`AuditLog`] note it.
#[durable_object]
#[derive(Debug)]
pub struct AuditedCounter {
    state: State,
    env: Env,
}

impl DurableObject for AuditedCounter {
    fn new(state: State, env: Env) -> Self {
        Self { state, env }
    }
}

#[rpc]
impl AuditedCounter {
    /// Adds one; returns the new number.
    pub async fn increment(&self) -> Result<u64> {
        note(&self.env).await?;
        let storage = self.state.storage();
        let value = storage.get::<u64>("value").await?.unwrap_or(0) + 1;
        storage.put("value", value).await?;
        Ok(value)
    }

    /// The number.
    pub async fn get(&self) -> Result<u64> {
        Ok(self.state.storage().get("value").await?.unwrap_or(0))
    }
}

/// Tells the audit log of an increment.
pub(crate) async fn note(env: &Env) -> Result<u64> {
    env.durable_object("AUDIT_LOG")?
        .get_by_name("log")?
        .typed::<AuditLog>()
        .note()
        .await
}

/// Counts what others do.
#[durable_object]
#[derive(Debug)]
pub struct AuditLog {
    state: State,
}

impl DurableObject for AuditLog {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }
}

#[rpc]
impl AuditLog {
    /// Notes one more; returns how many there are.
    pub async fn note(&self) -> Result<u64> {
        let storage = self.state.storage();
        let noted = storage.get::<u64>("noted").await?.unwrap_or(0) + 1;
        storage.put("noted", noted).await?;
        Ok(noted)
    }
}
