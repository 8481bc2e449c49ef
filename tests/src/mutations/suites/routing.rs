//! Calls on one stub, whose order is promised.

use dormouse::{DurableObject, Env, Result, State, durable_object, rpc};
use dormouse_sim::{Client, Invariant, Outcome, Scenario, Suite};
use proptest::prelude::Just;

/// Numbers those who come.
#[durable_object]
struct Queue {
    state: State,
}

impl DurableObject for Queue {
    fn new(state: State, _: Env) -> Self {
        Self { state }
    }
}

#[rpc]
impl Queue {
    pub async fn come(&self) -> Result<u64> {
        let storage = self.state.storage();
        let number = storage.get::<u64>("number").await?.unwrap_or(0) + 1;
        storage.put("number", number).await?;
        Ok(number)
    }
}

/// What is promised of two calls on one stub.
pub const IN_ORDER: &str = "calls on one stub arrive in the order in which they were made";

/// Two calls on a new stub, of which the second does not wait for the first.
pub fn pairs() -> Suite {
    Scenario::new("pairs")
        .object::<Queue>("QUEUE")
        .workload(Just(()), 1..=8)
        .step(|client: Client, ()| async move {
            let queue = client.stub::<Queue>("QUEUE", "q");
            let (first, second) = (queue.come(), queue.come());
            Ok((first.await?, second.await?))
        })
        .check(Invariant::new(IN_ORDER, |run| {
            let pairs = run.history.calls().iter().map(|call| &call.outcome);
            for pair in pairs {
                if let Outcome::Ok((first, second)) = pair
                    && first > second
                {
                    return Err(format!(
                        "the first call was number {first}, the second {second}"
                    ));
                }
            }
            Ok(())
        }))
        .into_suite()
}
