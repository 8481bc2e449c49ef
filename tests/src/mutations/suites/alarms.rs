//! Alarms whose handlers fail.

use dormouse::{DurableObject, Env, Error, Response, Result, State, durable_object, rpc};
use dormouse_sim::{Scenario, Suite};
use proptest::prelude::Just;

/// Sets an alarm whose handler always fails.
#[durable_object(alarm)]
struct Unlucky {
    state: State,
}

impl DurableObject for Unlucky {
    fn new(state: State, _: Env) -> Self {
        Self { state }
    }

    async fn alarm(&self) -> Result<Response> {
        Err(Error::from("as always"))
    }
}

#[rpc]
impl Unlucky {
    pub async fn set(&self) -> Result<()> {
        self.state.storage().set_alarm(0).await
    }
}

/// An alarm that fails as often as it may.
pub fn unlucky() -> Suite {
    Scenario::new("unlucky")
        .object::<Unlucky>("UNLUCKY")
        .alarms()
        .clients(1)
        .workload(Just(()), 1..=2)
        .step(|client, ()| client.stub::<Unlucky>("UNLUCKY", "u").set())
        .into_suite()
}
