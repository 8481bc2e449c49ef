//! Two accounts and transfers between them: all or nothing, without any transaction being mentioned.
//!
//! The two writes belong to one turn, because nothing is awaited between them but storage; so they are one batch.

use dormouse::{DurableObject, Env, Result, State, durable_object, rpc};

/// What is in a ledger whose transfers have not begun.
pub const OPENING_BALANCE: i64 = 100;

/// Two accounts, `a` and `b`.
#[durable_object]
#[derive(Debug)]
pub struct Ledger {
    state: State,
}

impl DurableObject for Ledger {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }
}

/// The balances of `a` and `b`.
pub(crate) async fn balances(state: &State) -> Result<(i64, i64)> {
    let stored = state
        .storage()
        .get_multiple_as::<i64>(vec!["a", "b"])
        .await?;
    let balance = |account| stored.get(account).copied().unwrap_or(OPENING_BALANCE);
    Ok((balance("a"), balance("b")))
}

#[rpc]
impl Ledger {
    /// Moves `amount` from `a` to `b`; returns the new balances.
    pub async fn transfer(&self, amount: i64) -> Result<(i64, i64)> {
        let (a, b) = balances(&self.state).await?;
        let storage = self.state.storage();
        storage.put("a", a - amount).await?;
        storage.put("b", b + amount).await?;
        Ok((a - amount, b + amount))
    }

    /// The balances of `a` and `b`.
    pub async fn balances(&self) -> Result<(i64, i64)> {
        balances(&self.state).await
    }
}
