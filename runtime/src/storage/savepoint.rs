//! `transaction_sync`: a part of a turn that happens as a whole or not at all.
//!
//! It is a savepoint inside the turn's batch, not a transaction of its own: it is durable when the batch is (TXS-6). Nesting is a
//! savepoint inside a savepoint.

use super::{Storage, batch::Confirm, legacy::refusals, object::ObjectStorage};
use crate::{Error, Result, mutation::Mutation, platform::WallTime};

impl Storage {
    /// Runs `closure`; if it fails, everything that it wrote is undone, and nothing else. May be nested.
    ///
    /// Writes made earlier in the turn stay in either case. The writes become durable with the turn's batch, and like it are
    /// confirmed. If `closure` panics, its writes are undone and the panic goes on.
    ///
    /// # Errors
    /// The closure's own. With the original's text if the database gave up the whole turn inside the closure and it did not
    /// pass that error on (TXS-4). SQLite's, if a writing cursor is still open (SQLTX-15).
    ///
    /// # Example
    /// ```
    /// # fn example(storage: dormouse::Storage) -> dormouse::Result<()> {
    /// let sql = storage.sql();
    /// storage.transaction_sync(|| {
    ///     sql.exec("UPDATE accounts SET balance = balance - 10 WHERE name = 'a'", None)?;
    ///     sql.exec("UPDATE accounts SET balance = balance + 10 WHERE name = 'b'", None)?;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn transaction_sync<T>(&self, closure: impl FnOnce() -> Result<T>) -> Result<T> {
        let savepoint = Savepoint::open(self.activation.sqlite(refusals::TRANSACTION_SYNC)?)?;
        let value = closure()?; // an error, or a panic, drops the savepoint and so rolls back
        savepoint.release()?;
        Ok(value)
    }
}

/// An open savepoint; dropping it rolls back to it.
struct Savepoint<'a> {
    storage: &'a ObjectStorage,
    depth: usize,
    is_open: bool,
    /// What the running alarm's handler had decided when it was opened (AL-12).
    alarm: Option<WallTime>,
}

impl<'a> Savepoint<'a> {
    fn open(storage: &'a ObjectStorage) -> Result<Self> {
        let database = storage.begin_write(Confirm::Required)?;
        let depth = storage.savepoints.get();
        database
            .run(&format!("SAVEPOINT _cf_sync_savepoint_{depth}"))
            .map_err(|error| storage.statement_failed(&error, 0))?;
        storage.savepoints.set(depth + 1);
        Ok(Self {
            storage,
            depth,
            is_open: true,
            alarm: storage.running_alarm.save(),
        })
    }

    fn release(mut self) -> Result<()> {
        if self.storage.had_critical_error.get() {
            return Err(Error::from(
                "Cannot commit transaction due to an earlier SQL critical error",
            ));
        }
        let database = self.storage.database()?;
        database
            .run(&format!("RELEASE _cf_sync_savepoint_{}", self.depth))
            .map_err(|error| self.storage.statement_failed(&error, 0))?;
        self.is_open = false;
        Ok(())
    }
}

impl Drop for Savepoint<'_> {
    fn drop(&mut self) {
        let Self {
            storage,
            depth,
            is_open,
            alarm,
        } = *self;
        storage.savepoints.set(depth);
        if !is_open {
            return;
        }
        let Ok(database) = storage.database() else {
            return;
        }; // closed: the whole batch is gone
        storage.running_alarm.restore(alarm);
        storage.tables.forget(); // one may have been made inside
        let mut sql =
            format!("ROLLBACK TO _cf_sync_savepoint_{depth}; RELEASE _cf_sync_savepoint_{depth}");
        if Mutation::SyncRollbackKeepsWrites.is_active() {
            sql = format!("RELEASE _cf_sync_savepoint_{depth}");
        }
        if let Err(error) = database.run_once(&sql) {
            // A part of a transaction must not be committed.
            let error = storage.statement_failed(&error, 0);
            storage.break_with(error.with_reset());
        }
    }
}
