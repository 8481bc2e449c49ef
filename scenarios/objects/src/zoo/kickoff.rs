//! Begins a game, and tells every player.

use dormouse::{DurableObject, Env, Response, Result, SqlStorage, State, durable_object, rpc};
use serde::Deserialize;

use crate::receiver::{Delivery, deliver, take};

/// Who plays.
pub const PLAYERS: [&str; 3] = ["ann", "bob", "eve"];

#[derive(Deserialize)]
struct Row {
    player: String,
}

/// Has a row for each player who is still to be told, and an alarm that tells them one by one.
#[durable_object(alarm)]
#[derive(Debug)]
pub struct Kickoff {
    state: State,
    env: Env,
    sql: SqlStorage,
}

impl DurableObject for Kickoff {
    fn new(state: State, env: Env) -> Self {
        let sql = state.storage().sql();
        let created = sql.exec(
            "CREATE TABLE IF NOT EXISTS untold (player TEXT PRIMARY KEY)",
            None,
        );
        created.expect("the statement is right; a broken storage fails the constructor");
        Self { state, env, sql }
    }

    async fn alarm(&self) -> Result<Response> {
        let rows = self
            .sql
            .exec("SELECT player FROM untold ORDER BY player", None)?;
        for Row { player } in rows.to_array::<Row>()? {
            let news = Delivery {
                key: player.clone(),
                body: player.clone(),
            };
            deliver(&self.env, vec![news]).await?;
            self.sql
                .exec("DELETE FROM untold WHERE player = ?", vec![player.into()])?;
        }
        Response::empty()
    }
}

#[rpc]
impl Kickoff {
    /// Begins the game, unless it has begun.
    pub async fn start(&self) -> Result<()> {
        let storage = self.state.storage();
        if storage.get("started").await?.unwrap_or(false) {
            return Ok(());
        }
        storage.put("started", true).await?;
        for player in PLAYERS {
            self.sql.exec(
                "INSERT INTO untold (player) VALUES (?)",
                vec![player.into()],
            )?;
        }
        storage.set_alarm(0).await
    }
}

/// Faulty: notes that the game has begun, and tells the players in a loop.
#[durable_object(alarm)]
#[derive(Debug)]
pub struct HalfToldKickoff {
    state: State,
    env: Env,
}

impl DurableObject for HalfToldKickoff {
    fn new(state: State, env: Env) -> Self {
        Self { state, env }
    }
}

#[rpc]
impl HalfToldKickoff {
    /// Begins the game, unless it has begun.
    pub async fn start(&self) -> Result<()> {
        let storage = self.state.storage();
        if storage.get("started").await?.unwrap_or(false) {
            return Ok(());
        }
        storage.put("started", true).await?;
        for player in PLAYERS {
            take(&self.env, player.to_owned()).await?;
        }
        Ok(())
    }
}
