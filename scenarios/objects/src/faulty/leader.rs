//! A leader election that trusts its memory.

use std::cell::RefCell;

use dormouse::{DurableObject, Env, Result, SqlStorage, State, durable_object, rpc};

use crate::leader_election::create_table;

/// Keeps the leader in memory, so as not to ask the database each time, and takes "I know of none" for "there is none".
///
/// *Symptom:* two workers both lead. *Cause:* after a hibernation the memory is empty while the table is not. *Fix:* let the primary key decide, or restore the
/// memory in the constructor.
#[durable_object]
#[derive(Debug)]
pub struct ForgetfulElection {
    sql: SqlStorage,
    leader: RefCell<Option<String>>,
}

impl DurableObject for ForgetfulElection {
    fn new(state: State, _env: Env) -> Self {
        let sql = state.storage().sql();
        create_table(&sql);
        Self {
            sql,
            leader: RefCell::default(),
        }
    }
}

#[rpc]
impl ForgetfulElection {
    /// Whether `worker_id` has become the leader; it has not if there is one.
    pub async fn elect(&self, worker_id: String) -> Result<bool> {
        if self.leader.borrow().is_some() {
            return Ok(false);
        }
        let statement = "INSERT OR REPLACE INTO leader (id, worker_id) VALUES (1, ?)";
        self.sql.exec(statement, vec![worker_id.as_str().into()])?;
        *self.leader.borrow_mut() = Some(worker_id);
        Ok(true)
    }

    /// Gives the leadership up, if `worker_id` has it; says whether it had.
    pub async fn release(&self, worker_id: String) -> Result<bool> {
        let deleted = self.sql.exec(
            "DELETE FROM leader WHERE worker_id = ?",
            vec![worker_id.into()],
        )?;
        let had = deleted.rows_written() > 0;
        if had {
            *self.leader.borrow_mut() = None;
        }
        Ok(had)
    }

    /// The leader.
    pub async fn leader(&self) -> Result<Option<String>> {
        let cursor = self.sql.exec("SELECT worker_id FROM leader", None)?;
        let rows = cursor.to_array::<crate::leader_election::Worker>()?;
        Ok(rows.into_iter().next().map(|row| row.worker_id))
    }
}
