//! Two ways to lose what a batcher has accepted.

use std::{cell::RefCell, rc::Rc, time::Duration};

use dormouse::{DurableObject, Env, Response, Result, State, durable_object, rpc};

use crate::receiver::{Delivery, deliver};

const COLLECTS: Duration = Duration::from_secs(10);

/// What is sent, with each item as its own key: the items of a workload differ.
fn deliveries(items: &[String]) -> Vec<Delivery> {
    let items = items.iter().cloned();
    items
        .map(|item| Delivery {
            key: item.clone(),
            body: item,
        })
        .collect()
}

/// The batcher as it stands in many guides: a list in memory, stored as a whole, sent and cleared by the alarm.
///
/// *Symptom:* now and then an item is never delivered, and nothing was ever wrong. *Cause:* while the alarm waits for the outside, an `add` is let in, is
/// stored and acknowledged; then the alarm clears the list, the new item with it. *Fix:* remove what was sent, and nothing else.
#[durable_object(alarm)]
#[derive(Debug)]
pub struct ClearingBatcher {
    state: State,
    env: Env,
    buffer: Rc<RefCell<Vec<String>>>,
}

impl DurableObject for ClearingBatcher {
    fn new(state: State, env: Env) -> Self {
        let buffer = Rc::<RefCell<Vec<String>>>::default();
        let (storage, restored) = (state.storage(), Rc::clone(&buffer));
        drop(state.block_concurrency_while(async move {
            *restored.borrow_mut() = storage.get("buffer").await?.unwrap_or_default();
            Ok(())
        }));
        Self { state, env, buffer }
    }

    async fn alarm(&self) -> Result<Response> {
        let items = self.buffer.borrow().clone();
        if !items.is_empty() {
            deliver(&self.env, deliveries(&items)).await?;
            self.buffer.borrow_mut().clear();
            let nothing: [String; 0] = [];
            self.state.storage().put("buffer", nothing).await?;
        }
        Response::empty()
    }
}

#[rpc]
impl ClearingBatcher {
    /// Takes an item.
    pub async fn add(&self, item: String) -> Result<()> {
        self.buffer.borrow_mut().push(item);
        let items = self.buffer.borrow().clone();
        let storage = self.state.storage();
        storage.put("buffer", items).await?;
        if storage.get_alarm().await?.is_none() {
            storage.set_alarm(COLLECTS).await?;
        }
        Ok(())
    }
}

/// Keeps the items in memory: the alarm comes in ten seconds anyway.
///
/// *Symptom:* after a quiet moment, or a deployment, items are gone. *Cause:* an object that waits for its alarm is idle, and an idle object is thrown
/// out of memory. *Fix:* store what was accepted before saying so.
#[durable_object(alarm)]
#[derive(Debug)]
pub struct MemoryBatcher {
    state: State,
    env: Env,
    buffer: RefCell<Vec<String>>,
}

impl DurableObject for MemoryBatcher {
    fn new(state: State, env: Env) -> Self {
        Self {
            state,
            env,
            buffer: RefCell::default(),
        }
    }

    async fn alarm(&self) -> Result<Response> {
        let items = self.buffer.borrow().clone();
        deliver(&self.env, deliveries(&items)).await?;
        self.buffer
            .borrow_mut()
            .retain(|item| !items.contains(item));
        if !self.buffer.borrow().is_empty() {
            self.state.storage().set_alarm(COLLECTS).await?;
        }
        Response::empty()
    }
}

#[rpc]
impl MemoryBatcher {
    /// Takes an item.
    pub async fn add(&self, item: String) -> Result<()> {
        self.buffer.borrow_mut().push(item);
        let storage = self.state.storage();
        if storage.get_alarm().await?.is_none() {
            storage.set_alarm(COLLECTS).await?;
        }
        Ok(())
    }
}
