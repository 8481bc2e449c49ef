//! Three ways to get a counter wrong.

use std::{cell::Cell, rc::Rc, time::Duration};

use dormouse::{Delay, DurableObject, Env, PutOptions, Result, State, durable_object, rpc};

use crate::audited_counter::note;

/// Keeps the number in memory and saves it a little later, to save writes.
///
/// *Symptom:* now and then the count falls back. *Cause:* the answer leaves before anything was written, so the output gate has nothing to wait for; a crash
/// or an eviction within the delay loses what was acknowledged. *Fix:* write before answering: the runtime already merges writes.
#[durable_object]
#[derive(Debug)]
pub struct ForgetfulCounter {
    state: State,
    count: Rc<Cell<u64>>,
    save_pending: Rc<Cell<bool>>,
}

impl DurableObject for ForgetfulCounter {
    fn new(state: State, _env: Env) -> Self {
        let count = Rc::new(Cell::new(0));
        let (storage, restored) = (state.storage(), Rc::clone(&count));
        drop(state.block_concurrency_while(async move {
            restored.set(storage.get("value").await?.unwrap_or(0));
            Ok(())
        }));
        Self {
            state,
            count,
            save_pending: Rc::default(),
        }
    }
}

#[rpc]
impl ForgetfulCounter {
    /// Adds one; returns the new number.
    pub async fn increment(&self) -> Result<u64> {
        self.count.set(self.count.get() + 1);
        if !self.save_pending.replace(true) {
            let (storage, count, pending) = (
                self.state.storage(),
                Rc::clone(&self.count),
                Rc::clone(&self.save_pending),
            );
            self.state.wait_until(async move {
                Delay::from(Duration::from_millis(50)).await;
                pending.set(false);
                let _ = storage.put("value", count.get()).await; // nobody is left to be told
            });
        }
        Ok(self.count.get())
    }

    /// The number.
    pub async fn get(&self) -> Result<u64> {
        Ok(self.count.get())
    }
}

/// Does not wait for its writes to be durable, to be quick.
///
/// *Symptom:* after a loss of power the count falls back. *Cause:* `allow_unconfirmed` takes the write out of the output gate. *Fix:* leave the option away, or
/// call `sync()` before answering.
#[durable_object]
#[derive(Debug)]
pub struct UnconfirmedCounter {
    state: State,
}

impl DurableObject for UnconfirmedCounter {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }
}

#[rpc]
impl UnconfirmedCounter {
    /// Adds one; returns the new number.
    pub async fn increment(&self) -> Result<u64> {
        let storage = self.state.storage();
        let value = storage.get::<u64>("value").await?.unwrap_or(0) + 1;
        let options = PutOptions {
            allow_unconfirmed: true,
            ..PutOptions::default()
        };
        storage.put_with_options("value", value, options).await?;
        Ok(value)
    }

    /// The number.
    pub async fn get(&self) -> Result<u64> {
        Ok(self.state.storage().get("value").await?.unwrap_or(0))
    }
}

/// Reads the number, tells the audit log, writes the number.
///
/// *Symptom:* two clients get the same number. *Cause:* the call to the other object lets a second increment in, which reads the same number. *Fix:* read after
/// the call, as [`AuditedCounter`](crate::AuditedCounter) does.
#[durable_object]
#[derive(Debug)]
pub struct RacingCounter {
    state: State,
    env: Env,
}

impl DurableObject for RacingCounter {
    fn new(state: State, env: Env) -> Self {
        Self { state, env }
    }
}

#[rpc]
impl RacingCounter {
    /// Adds one; returns the new number.
    pub async fn increment(&self) -> Result<u64> {
        let storage = self.state.storage();
        let value = storage.get::<u64>("value").await?.unwrap_or(0) + 1;
        note(&self.env).await?;
        storage.put("value", value).await?;
        Ok(value)
    }

    /// The number.
    pub async fn get(&self) -> Result<u64> {
        Ok(self.state.storage().get("value").await?.unwrap_or(0))
    }
}
