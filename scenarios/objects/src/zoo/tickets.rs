//! Gives out numbers, and has each printed.

use std::{cell::Cell, rc::Rc, time::Duration};

use dormouse::{Delay, DurableObject, Env, Result, State, durable_object, rpc};

/// The printer's time.
const PRINTING_TAKES: Duration = Duration::from_millis(5);

type Last = Rc<Cell<u64>>;

fn restored(state: &State) -> Last {
    let last = Last::default();
    let (storage, restored) = (state.storage(), Rc::clone(&last));
    drop(state.block_concurrency_while(async move {
        restored.set(storage.get("last").await?.unwrap_or(0));
        Ok(())
    }));
    last
}

/// Remembers which number is its own while it waits.
#[durable_object]
#[derive(Debug)]
pub struct Tickets {
    state: State,
    last: Last,
}

impl DurableObject for Tickets {
    fn new(state: State, _env: Env) -> Self {
        let last = restored(&state);
        Self { state, last }
    }
}

#[rpc]
impl Tickets {
    /// The next number, printed.
    pub async fn next(&self) -> Result<u64> {
        let number = self.last.get() + 1;
        self.last.set(number);
        self.state.storage().put("last", number).await?;
        Delay::from(PRINTING_TAKES).await;
        Ok(number)
    }
}

/// Faulty: looks at the shared number again after it has waited.
#[durable_object]
#[derive(Debug)]
pub struct SharedTickets {
    state: State,
    last: Last,
}

impl DurableObject for SharedTickets {
    fn new(state: State, _env: Env) -> Self {
        let last = restored(&state);
        Self { state, last }
    }
}

#[rpc]
impl SharedTickets {
    /// The next number, printed.
    pub async fn next(&self) -> Result<u64> {
        self.last.set(self.last.get() + 1);
        self.state.storage().put("last", self.last.get()).await?;
        Delay::from(PRINTING_TAKES).await;
        Ok(self.last.get())
    }
}
