//! A workspace with documents, which can be destroyed for good.

use std::cell::Cell;

use dormouse::{
    DurableObject, Env, ListOptions, Response, Result, State, Storage, durable_object, rpc,
};

const DOCUMENTS: &str = "document:";
/// What is left of a workspace that was destroyed.
const TOMBSTONE: &str = "destroyed";

async fn write(storage: &Storage, document: u64) -> Result<()> {
    storage
        .put(&format!("{DOCUMENTS}{document:020}"), document)
        .await
}

async fn documents(storage: &Storage) -> Result<Vec<(String, u64)>> {
    let options = ListOptions::new().prefix(DOCUMENTS);
    storage.list_as(options).await
}

/// Notes that it is destroyed, first and durably; removes what it has by an alarm, and keeps the note.
#[durable_object(alarm)]
#[derive(Debug)]
pub struct Workspace {
    state: State,
}

impl DurableObject for Workspace {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    async fn alarm(&self) -> Result<Response> {
        let storage = self.state.storage();
        if self.is_destroyed().await? {
            for (key, _) in documents(&storage).await? {
                storage.delete(&key).await?;
            }
        }
        Response::empty()
    }
}

impl Workspace {
    async fn is_destroyed(&self) -> Result<bool> {
        Ok(self.state.storage().get(TOMBSTONE).await?.unwrap_or(false))
    }
}

#[rpc]
impl Workspace {
    /// Writes a document; says whether there is a workspace to write to.
    pub async fn write(&self, document: u64) -> Result<bool> {
        if self.is_destroyed().await? {
            return Ok(false);
        }
        write(&self.state.storage(), document).await?;
        Ok(true)
    }

    /// The documents, unless the workspace was destroyed.
    pub async fn read(&self) -> Result<Option<Vec<u64>>> {
        if self.is_destroyed().await? {
            return Ok(None);
        }
        let documents = documents(&self.state.storage()).await?;
        Ok(Some(
            documents
                .into_iter()
                .map(|(_, document)| document)
                .collect(),
        ))
    }

    /// Destroys the workspace.
    pub async fn destroy(&self) -> Result<()> {
        let storage = self.state.storage();
        storage.put(TOMBSTONE, true).await?;
        storage.set_alarm(0).await
    }
}

/// Faulty: removes everything, and remembers that it did.
#[durable_object(alarm)]
#[derive(Debug)]
pub struct ZombieWorkspace {
    state: State,
    is_destroyed: Cell<bool>,
}

impl DurableObject for ZombieWorkspace {
    fn new(state: State, _env: Env) -> Self {
        Self {
            state,
            is_destroyed: Cell::new(false),
        }
    }
}

#[rpc]
impl ZombieWorkspace {
    /// Writes a document; says whether there is a workspace to write to.
    pub async fn write(&self, document: u64) -> Result<bool> {
        if self.is_destroyed.get() {
            return Ok(false);
        }
        write(&self.state.storage(), document).await?;
        Ok(true)
    }

    /// The documents, unless the workspace was destroyed.
    pub async fn read(&self) -> Result<Option<Vec<u64>>> {
        if self.is_destroyed.get() {
            return Ok(None);
        }
        let documents = documents(&self.state.storage()).await?;
        Ok(Some(
            documents
                .into_iter()
                .map(|(_, document)| document)
                .collect(),
        ))
    }

    /// Destroys the workspace.
    pub async fn destroy(&self) -> Result<()> {
        self.is_destroyed.set(true);
        let storage = self.state.storage();
        storage.delete_alarm().await?;
        storage.delete_all().await
    }
}
