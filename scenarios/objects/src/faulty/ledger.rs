//! A transfer in two halves.

use std::time::Duration;

use dormouse::{Delay, DurableObject, Env, Result, State, durable_object, rpc};

use crate::ledger::balances;

/// Takes the money from one account, waits for an outside service, and puts it into the other.
///
/// *Symptom:* money vanishes. *Cause:* the wait ends the turn, and with it the batch: a crash in between keeps the first write and loses the second, and a reader in
/// between sees half. *Fix:* nothing but storage between writes that belong together.
#[durable_object]
#[derive(Debug)]
pub struct SplitLedger {
    state: State,
}

impl DurableObject for SplitLedger {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }
}

#[rpc]
impl SplitLedger {
    /// Moves `amount` from `a` to `b`; returns the new balances.
    pub async fn transfer(&self, amount: i64) -> Result<(i64, i64)> {
        let (a, b) = balances(&self.state).await?;
        let storage = self.state.storage();
        storage.put("a", a - amount).await?;
        Delay::from(Duration::from_millis(1)).await;
        storage.put("b", b + amount).await?;
        Ok((a - amount, b + amount))
    }

    /// The balances of `a` and `b`.
    pub async fn balances(&self) -> Result<(i64, i64)> {
        balances(&self.state).await
    }
}
