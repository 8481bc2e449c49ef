//! Passes calls on to a counter.

use dormouse::{DurableObject, Env, Result, Rpc, State, durable_object, rpc};

use crate::Counter;

fn counter(env: &Env) -> Result<<Counter as Rpc>::Stub> {
    Ok(env
        .durable_object("COUNTER")?
        .get_by_name("c")?
        .typed::<Counter>())
}

/// Makes a stub for each call.
#[durable_object]
#[derive(Debug)]
pub struct Relay {
    env: Env,
}

impl DurableObject for Relay {
    fn new(_state: State, env: Env) -> Self {
        Self { env }
    }
}

#[rpc]
impl Relay {
    /// Has the counter add one.
    pub async fn increment(&self) -> Result<u64> {
        counter(&self.env)?.increment().await
    }
}

/// Faulty: makes one stub when it is constructed, and uses it from then on.
#[durable_object]
#[derive(Debug)]
pub struct PoisonedRelay {
    counter: Result<<Counter as Rpc>::Stub>,
}

impl DurableObject for PoisonedRelay {
    fn new(_state: State, env: Env) -> Self {
        Self {
            counter: counter(&env),
        }
    }
}

#[rpc]
impl PoisonedRelay {
    /// Has the counter add one.
    pub async fn increment(&self) -> Result<u64> {
        self.counter
            .as_ref()
            .map_err(Clone::clone)?
            .increment()
            .await
    }
}
