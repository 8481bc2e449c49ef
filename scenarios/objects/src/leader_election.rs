//! Leader election: the table has room for one row, so the second candidate's insert fails.
//!
//! The decision is the database's, not the program's: it stays right whatever the object has forgotten.

use dormouse::{
    DurableObject, Env, Method, Request, Response, Result, SqlStorage, State, durable_object, rpc,
};
use serde::Deserialize;

/// Elects one leader among workers.
#[durable_object]
#[derive(Debug)]
pub struct LeaderElection {
    sql: SqlStorage,
}

#[derive(Deserialize)]
pub(crate) struct Worker {
    pub(crate) worker_id: String,
}

/// Makes the table, if it is not there.
pub(crate) fn create_table(sql: &SqlStorage) {
    let created = sql.exec(
        "CREATE TABLE IF NOT EXISTS leader (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            worker_id TEXT NOT NULL
        )",
        None,
    );
    created.expect("the statement is right; a broken storage fails the constructor");
}

impl DurableObject for LeaderElection {
    fn new(state: State, _env: Env) -> Self {
        let sql = state.storage().sql();
        create_table(&sql);
        Self { sql }
    }

    /// `POST /elect?worker_id=w`, `POST /release?worker_id=w`, `GET /leader`.
    async fn fetch(&self, request: Request) -> Result<Response> {
        match (request.method(), request.path().as_str()) {
            (Method::Post, "/elect") => {
                let Worker { worker_id } = request.query()?;
                Response::ok(format!("{}\n", self.elect(worker_id).await?))
            }
            (Method::Post, "/release") => {
                let Worker { worker_id } = request.query()?;
                Response::ok(format!("{}\n", self.release(worker_id).await?))
            }
            (Method::Get, "/leader") => {
                Response::ok(format!("{}\n", self.leader().await?.unwrap_or_default()))
            }
            _ => Response::error(
                "Not found: try POST /elect?worker_id=w or GET /leader\n",
                404,
            ),
        }
    }
}

#[rpc]
impl LeaderElection {
    /// Whether `worker_id` has become the leader; it has not if there is one.
    pub async fn elect(&self, worker_id: String) -> Result<bool> {
        let inserted = self.sql.exec(
            "INSERT INTO leader (id, worker_id) VALUES (1, ?)",
            vec![worker_id.into()],
        );
        match inserted {
            Ok(_) => Ok(true),
            Err(conflict) if conflict.message().contains("SQLITE_CONSTRAINT_PRIMARYKEY") => {
                Ok(false)
            }
            Err(other) => Err(other),
        }
    }

    /// Gives the leadership up, if `worker_id` has it; says whether it had.
    pub async fn release(&self, worker_id: String) -> Result<bool> {
        let deleted = self.sql.exec(
            "DELETE FROM leader WHERE worker_id = ?",
            vec![worker_id.into()],
        )?;
        Ok(deleted.rows_written() > 0)
    }

    /// The leader.
    pub async fn leader(&self) -> Result<Option<String>> {
        let rows = self
            .sql
            .exec("SELECT worker_id FROM leader", None)?
            .to_array::<Worker>()?;
        Ok(rows.into_iter().next().map(|row| row.worker_id))
    }
}
