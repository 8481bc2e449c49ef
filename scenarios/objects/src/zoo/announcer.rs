//! Announces later under which name it was spoken to: by an alarm, which knows no names.

use std::{cell::RefCell, time::Duration};

use dormouse::{DurableObject, Env, Response, Result, State, durable_object, rpc};

use crate::receiver::{Delivery, deliver};

/// Longer than an idle object stays in memory.
const LATER: Duration = Duration::from_secs(15);

async fn announce(env: &Env, name: String) -> Result<()> {
    let announcement = Delivery {
        key: name.clone(),
        body: name,
    };
    deliver(env, vec![announcement]).await
}

/// Stores its name when it hears it first.
#[durable_object(alarm)]
#[derive(Debug)]
pub struct Announcer {
    state: State,
    env: Env,
}

impl DurableObject for Announcer {
    fn new(state: State, env: Env) -> Self {
        Self { state, env }
    }

    async fn alarm(&self) -> Result<Response> {
        if let Some(name) = self.state.storage().get("name").await? {
            announce(&self.env, name).await?;
        }
        Response::empty()
    }
}

#[rpc]
impl Announcer {
    /// Announces the object, which goes by this name, in a quarter of a minute.
    pub async fn open(&self, name: String) -> Result<()> {
        let storage = self.state.storage();
        storage.put("name", name).await?;
        storage.set_alarm(LATER).await
    }
}

/// Faulty: keeps its name in memory, as the last request said it.
#[durable_object(alarm)]
#[derive(Debug)]
pub struct NamelessAnnouncer {
    state: State,
    env: Env,
    name: RefCell<Option<String>>,
}

impl DurableObject for NamelessAnnouncer {
    fn new(state: State, env: Env) -> Self {
        Self {
            state,
            env,
            name: RefCell::default(),
        }
    }

    async fn alarm(&self) -> Result<Response> {
        let name = self.name.borrow().clone();
        if let Some(name) = name {
            announce(&self.env, name).await?;
        }
        Response::empty()
    }
}

#[rpc]
impl NamelessAnnouncer {
    /// Announces the object, which goes by this name, in a quarter of a minute.
    pub async fn open(&self, name: String) -> Result<()> {
        self.name.replace(Some(name));
        self.state.storage().set_alarm(LATER).await
    }
}
