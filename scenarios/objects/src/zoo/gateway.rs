//! Passes things on to a service outside, and tries once more if that fails.

use dormouse::{DurableObject, Env, Result, State, durable_object, rpc};

use crate::receiver::{Delivery, deliver, take};

/// Gives each thing a key, the same at each attempt.
#[durable_object]
#[derive(Debug)]
pub struct Gateway {
    env: Env,
}

impl DurableObject for Gateway {
    fn new(_state: State, env: Env) -> Self {
        Self { env }
    }
}

#[rpc]
impl Gateway {
    /// Passes `item` on.
    pub async fn pass(&self, item: String) -> Result<()> {
        let delivery = Delivery {
            key: item.clone(),
            body: item,
        };
        match deliver(&self.env, vec![delivery.clone()]).await {
            Ok(()) => Ok(()),
            Err(_) => deliver(&self.env, vec![delivery]).await,
        }
    }
}

/// Faulty: takes an error for a sign that nothing happened.
#[durable_object]
#[derive(Debug)]
pub struct RepeatingGateway {
    env: Env,
}

impl DurableObject for RepeatingGateway {
    fn new(_state: State, env: Env) -> Self {
        Self { env }
    }
}

#[rpc]
impl RepeatingGateway {
    /// Passes `item` on.
    pub async fn pass(&self, item: String) -> Result<()> {
        match take(&self.env, item.clone()).await {
            Ok(()) => Ok(()),
            Err(_) => take(&self.env, item).await,
        }
    }
}
