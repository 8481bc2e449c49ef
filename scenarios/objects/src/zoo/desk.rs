//! Two objects that need one another: a desk has its clerk decide, and the clerk has to know what lies on the desk.

use std::{cell::Cell, rc::Rc};

use dormouse::{DurableObject, Env, Result, State, durable_object, rpc};

/// Decides about so many papers.
#[durable_object]
#[derive(Debug)]
pub struct Clerk {
    env: Env,
}

impl DurableObject for Clerk {
    fn new(_state: State, env: Env) -> Self {
        Self { env }
    }
}

#[rpc]
impl Clerk {
    /// Decides about what he is told of.
    pub async fn decide(&self, papers: u64) -> Result<bool> {
        Ok(papers > 0)
    }

    /// Looks at the desk himself, and decides.
    pub async fn look_and_decide(&self, desk: String) -> Result<bool> {
        let desk = self.env.durable_object("DESK")?.get_by_name(&desk)?;
        let papers = desk.typed::<Desk>().papers().await?;
        self.decide(papers).await
    }
}

fn clerk(env: &Env) -> Result<<Clerk as dormouse::Rpc>::Stub> {
    Ok(env
        .durable_object("CLERK")?
        .get_by_name("c")?
        .typed::<Clerk>())
}

async fn count(state: &State) -> Result<u64> {
    let storage = state.storage();
    let papers = storage.get::<u64>("papers").await?.unwrap_or(0) + 1;
    storage.put("papers", papers).await?;
    Ok(papers)
}

/// Tells the clerk what lies there.
#[durable_object]
#[derive(Debug)]
pub struct Desk {
    state: State,
    env: Env,
}

impl DurableObject for Desk {
    fn new(state: State, env: Env) -> Self {
        Self { state, env }
    }
}

#[rpc]
impl Desk {
    /// Puts a paper on the desk and has the clerk decide.
    pub async fn submit(&self) -> Result<bool> {
        let papers = count(&self.state).await?;
        clerk(&self.env)?.decide(papers).await
    }

    /// How many papers lie there.
    pub async fn papers(&self) -> Result<u64> {
        Ok(self.state.storage().get("papers").await?.unwrap_or(0))
    }
}

/// Faulty: shuts its gate while the clerk decides, so that nobody puts a paper there meanwhile; and the clerk comes to look.
#[durable_object]
#[derive(Debug)]
pub struct LockedDesk {
    state: State,
    env: Env,
}

impl DurableObject for LockedDesk {
    fn new(state: State, env: Env) -> Self {
        Self { state, env }
    }
}

#[rpc]
impl LockedDesk {
    /// Puts a paper on the desk and has the clerk decide.
    pub async fn submit(&self) -> Result<bool> {
        count(&self.state).await?;
        let desk = self.state.id().name().unwrap_or_default();
        let clerk = clerk(&self.env)?;
        let decision = Rc::new(Cell::new(false));
        let decided = Rc::clone(&decision);
        let section = self.state.block_concurrency_while(async move {
            decided.set(clerk.look_and_decide(desk).await?);
            Ok(())
        });
        section.await?;
        Ok(decision.get())
    }

    /// How many papers lie there.
    pub async fn papers(&self) -> Result<u64> {
        Ok(self.state.storage().get("papers").await?.unwrap_or(0))
    }
}
