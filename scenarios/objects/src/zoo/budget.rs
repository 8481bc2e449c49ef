//! Spends up to a limit, and keeps the sum in memory beside the one in storage.

use std::{cell::Cell, rc::Rc};

use dormouse::{DurableObject, Env, Error, Result, State, durable_object, rpc};

/// How much may be spent altogether.
pub const LIMIT: u64 = 10;

const REFUSED: &str = "over the limit";

type Spent = Rc<Cell<u64>>;

fn restored(state: &State) -> Spent {
    let spent = Spent::default();
    let (storage, restored) = (state.storage(), Rc::clone(&spent));
    drop(state.block_concurrency_while(async move {
        restored.set(storage.get("spent").await?.unwrap_or(0));
        Ok(())
    }));
    spent
}

/// What is refused is an answer; all else is an error.
fn answered(outcome: Result<u64>) -> Result<Option<u64>> {
    match outcome {
        Ok(spent) => Ok(Some(spent)),
        Err(error) if error.message() == REFUSED => Ok(None),
        Err(error) => Err(error),
    }
}

fn checked(spent: u64) -> Result<u64> {
    if spent > LIMIT {
        return Err(Error::from(REFUSED));
    }
    Ok(spent)
}

/// Takes the new sum over when it has been committed.
#[durable_object]
#[derive(Debug)]
pub struct Budget {
    state: State,
    spent: Spent,
}

impl DurableObject for Budget {
    fn new(state: State, _env: Env) -> Self {
        let spent = restored(&state);
        Self { state, spent }
    }
}

#[rpc]
impl Budget {
    /// Spends so much; returns the sum, or nothing if that is over the limit.
    pub async fn spend(&self, amount: u64) -> Result<Option<u64>> {
        let sum = self.spent.get() + amount;
        let storage = self.state.storage();
        let committed = storage.transaction(move |txn| async move {
            txn.put("spent", sum).await?;
            checked(sum)
        });
        let spent = answered(committed.await)?;
        self.spent.set(spent.unwrap_or(self.spent.get()));
        Ok(spent)
    }

    /// What has been spent.
    pub async fn spent(&self) -> Result<Option<u64>> {
        Ok(Some(self.spent.get()))
    }
}

/// Faulty: adds to the sum in memory inside the transaction, which may be rolled back.
#[durable_object]
#[derive(Debug)]
pub struct RunawayBudget {
    state: State,
    spent: Spent,
}

impl DurableObject for RunawayBudget {
    fn new(state: State, _env: Env) -> Self {
        let spent = restored(&state);
        Self { state, spent }
    }
}

#[rpc]
impl RunawayBudget {
    /// Spends so much; returns the sum, or nothing if that is over the limit.
    pub async fn spend(&self, amount: u64) -> Result<Option<u64>> {
        let spent = Rc::clone(&self.spent);
        let storage = self.state.storage();
        let committed = storage.transaction(move |txn| async move {
            spent.set(spent.get() + amount);
            txn.put("spent", spent.get()).await?;
            checked(spent.get())
        });
        answered(committed.await)
    }

    /// What has been spent.
    pub async fn spent(&self) -> Result<Option<u64>> {
        Ok(Some(self.spent.get()))
    }
}
