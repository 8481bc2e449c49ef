//! A mailbox that takes the removal of everything for one step.

use dormouse::{DurableObject, Env, Result, State, durable_object, rpc};

use crate::mailbox::{Inventory, deliver, inventory};

/// Empties itself with `delete_all`, and takes it for granted that the total and the letters go together.
///
/// *Symptom:* the total and the letters differ, or letters come back that were thrown away. *Cause:* on the legacy backend the storage service removes
/// a large object's keys in steps, in no particular order, and a crash between two of them leaves the rest. *Fix:* use SQLite, where it is one commit and
/// this very code is right; or begin a new generation, as [`Mailbox`](crate::Mailbox) does.
#[durable_object]
#[derive(Debug)]
pub struct TrustingMailbox {
    state: State,
}

impl DurableObject for TrustingMailbox {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }
}

#[rpc]
impl TrustingMailbox {
    /// Takes [`LETTERS_PER_DELIVERY`](crate::mailbox::LETTERS_PER_DELIVERY) more letters.
    pub async fn deliver(&self) -> Result<Inventory> {
        deliver(&self.state.storage(), "").await
    }

    /// What is in it.
    pub async fn inventory(&self) -> Result<Inventory> {
        inventory(&self.state.storage(), "").await
    }

    /// Empties it.
    pub async fn purge(&self) -> Result<Inventory> {
        let storage = self.state.storage();
        storage.delete_all().await?;
        inventory(&storage, "").await
    }
}
