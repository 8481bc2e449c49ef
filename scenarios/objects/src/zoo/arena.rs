//! A game that is begun once and then goes on: whoever asks gets the same one.

use std::{cell::Cell, rc::Rc, time::Duration};

use dormouse::{Delay, DurableObject, Env, Result, State, Storage, durable_object, rpc};

/// The settings service, which is asked first.
const SETTINGS_TAKE: Duration = Duration::from_millis(5);

type Game = Rc<Cell<Option<u64>>>;

async fn restore(storage: Storage, game: Game) -> Result<()> {
    Delay::from(SETTINGS_TAKE).await;
    if let Some(stored) = storage.get("game").await? {
        game.set(Some(stored));
    }
    Ok(())
}

/// The game that goes on; if there is none, the one that begins now.
async fn join(state: &State, game: &Game) -> Result<u64> {
    if let Some(game) = game.get() {
        return Ok(game);
    }
    let storage = state.storage();
    let number = storage.get::<u64>("games").await?.unwrap_or(0) + 1;
    storage.put("games", number).await?;
    storage.put("game", number).await?;
    game.set(Some(number));
    Ok(number)
}

/// Restores with the input gate shut.
#[durable_object]
#[derive(Debug)]
pub struct Arena {
    state: State,
    game: Game,
}

impl DurableObject for Arena {
    fn new(state: State, _env: Env) -> Self {
        let game = Game::default();
        drop(state.block_concurrency_while(restore(state.storage(), Rc::clone(&game))));
        Self { state, game }
    }
}

#[rpc]
impl Arena {
    /// The number of the game that goes on.
    pub async fn join(&self) -> Result<u64> {
        join(&self.state, &self.game).await
    }
}

/// Faulty: restores beside the first events.
#[durable_object]
#[derive(Debug)]
pub struct UnrestoredArena {
    state: State,
    game: Game,
}

impl DurableObject for UnrestoredArena {
    fn new(state: State, _env: Env) -> Self {
        let game = Game::default();
        let restoring = restore(state.storage(), Rc::clone(&game));
        state.wait_until(async move {
            let _ = restoring.await; // there is nobody to be told
        });
        Self { state, game }
    }
}

#[rpc]
impl UnrestoredArena {
    /// The number of the game that goes on.
    pub async fn join(&self) -> Result<u64> {
        join(&self.state, &self.game).await
    }
}
