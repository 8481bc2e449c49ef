//! Keeps a lease while it has something to do, by an alarm.

use std::time::Duration;

use dormouse::{DurableObject, Env, Response, Result, State, durable_object, rpc};

/// How often the lease is renewed.
const LEASE: Duration = Duration::from_secs(30);

async fn begin(state: &State) -> Result<()> {
    let storage = state.storage();
    storage.put("work", 2_u32).await?;
    storage.set_alarm(LEASE).await
}

/// Does one piece; says whether any is left.
async fn work(state: &State) -> Result<bool> {
    let storage = state.storage();
    let left = storage
        .get::<u32>("work")
        .await?
        .unwrap_or(0)
        .saturating_sub(1);
    storage.put("work", left).await?;
    Ok(left > 0)
}

async fn is_armed(state: &State) -> Result<bool> {
    Ok(state.storage().get_alarm().await?.is_some())
}

/// Renews the lease if there is work left.
#[durable_object(alarm)]
#[derive(Debug)]
pub struct Heartbeat {
    state: State,
}

impl DurableObject for Heartbeat {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    async fn alarm(&self) -> Result<Response> {
        if work(&self.state).await? {
            self.state.storage().set_alarm(LEASE).await?;
        }
        Response::empty()
    }
}

#[rpc]
impl Heartbeat {
    /// Gives it something to do.
    pub async fn begin(&self) -> Result<()> {
        begin(&self.state).await
    }

    /// Whether an alarm is armed.
    pub async fn is_armed(&self) -> Result<bool> {
        is_armed(&self.state).await
    }
}

/// Faulty: renews the lease first, so that it is kept while the work is done, and never lets it go.
#[durable_object(alarm)]
#[derive(Debug)]
pub struct EternalHeartbeat {
    state: State,
}

impl DurableObject for EternalHeartbeat {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    async fn alarm(&self) -> Result<Response> {
        self.state.storage().set_alarm(LEASE).await?;
        work(&self.state).await?;
        Response::empty()
    }
}

#[rpc]
impl EternalHeartbeat {
    /// Gives it something to do.
    pub async fn begin(&self) -> Result<()> {
        begin(&self.state).await
    }

    /// Whether an alarm is armed.
    pub async fn is_armed(&self) -> Result<bool> {
        is_armed(&self.state).await
    }
}
