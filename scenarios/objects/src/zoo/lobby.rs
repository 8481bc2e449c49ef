//! A lobby that opens tables, each an object of its own, and has a list of them.

use dormouse::{DurableObject, Env, ListOptions, Result, State, Storage, durable_object, rpc};

const TABLES: &str = "table:";

/// A table.
#[durable_object]
#[derive(Debug)]
pub struct Table {
    state: State,
}

impl DurableObject for Table {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }
}

#[rpc]
impl Table {
    /// Opens it; it may be open already.
    pub async fn open(&self) -> Result<()> {
        self.state.storage().put("open", true).await
    }

    /// Whether it is open.
    pub async fn is_open(&self) -> Result<bool> {
        Ok(self.state.storage().get("open").await?.unwrap_or(false))
    }
}

async fn open_table(env: &Env, name: &str) -> Result<()> {
    let table = env.durable_object("TABLE")?.get_by_name(name)?;
    table.typed::<Table>().open().await
}

async fn list(storage: &Storage, name: &str) -> Result<()> {
    storage.put(&format!("{TABLES}{name}"), true).await
}

async fn listed(storage: &Storage) -> Result<Vec<String>> {
    let options = ListOptions::new().prefix(TABLES);
    let tables: Vec<(String, bool)> = storage.list_as(options).await?;
    let names = tables
        .into_iter()
        .map(|(key, _)| key[TABLES.len()..].to_owned());
    Ok(names.collect())
}

/// Puts a table on the list before it opens it: what is on the list may be opened again.
#[durable_object]
#[derive(Debug)]
pub struct Lobby {
    state: State,
    env: Env,
}

impl DurableObject for Lobby {
    fn new(state: State, env: Env) -> Self {
        Self { state, env }
    }
}

#[rpc]
impl Lobby {
    /// Opens the table of this name.
    pub async fn open(&self, name: String) -> Result<()> {
        list(&self.state.storage(), &name).await?;
        open_table(&self.env, &name).await
    }

    /// The names on the list.
    pub async fn tables(&self) -> Result<Vec<String>> {
        listed(&self.state.storage()).await
    }
}

/// Faulty: puts a table on the list when it is open.
#[durable_object]
#[derive(Debug)]
pub struct LosingLobby {
    state: State,
    env: Env,
}

impl DurableObject for LosingLobby {
    fn new(state: State, env: Env) -> Self {
        Self { state, env }
    }
}

#[rpc]
impl LosingLobby {
    /// Opens the table of this name.
    pub async fn open(&self, name: String) -> Result<()> {
        open_table(&self.env, &name).await?;
        list(&self.state.storage(), &name).await
    }

    /// The names on the list.
    pub async fn tables(&self) -> Result<Vec<String>> {
        listed(&self.state.storage()).await
    }
}
