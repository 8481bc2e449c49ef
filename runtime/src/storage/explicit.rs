//! The explicit transactions of the SQLite backend: savepoints around everything that happens until they end.
//!
//! A root transaction takes the place of the turn's batch: it spans turns, and becomes durable as a whole when it is released. Nested
//! ones are savepoints inside it (TXN-12). While one is open every storage call is part of it, whatever handle it was made through
//! (TXN-10), and no output waits: a message sent inside may leave before the commit, and even if there is none (GATE-16).
//!
//! In: [`ObjectStorage::begin_transaction`] and its two ends, called by `transaction`. Out: the root's commit, as a batch.

use std::rc::Rc;

use super::{batch::Confirm, object::ObjectStorage};
use crate::{Error, Result, mutation::Mutation, platform::WallTime};

/// An open explicit transaction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Explicit {
    /// Something was written, or is being written.
    wrote: bool,
    /// A confirmed write was among it (TXN-14).
    confirmed: bool,
    /// What the running alarm's handler had decided when it began (AL-12).
    alarm: Option<WallTime>,
}

impl ObjectStorage {
    /// Whether an explicit transaction is open.
    pub(super) fn in_transaction(&self) -> bool {
        !self.explicit.borrow().is_empty()
    }

    /// Notes a write of the innermost transaction; returns whether there is one.
    pub(super) fn note_write_in_transaction(&self, confirm: Confirm) -> bool {
        let mut explicit = self.explicit.borrow_mut();
        let Some(innermost) = explicit.last_mut() else {
            return false;
        };
        innermost.wrote = true;
        innermost.confirmed |= confirm == Confirm::Required;
        true
    }

    /// Begins a transaction inside those that are open; returns how many there were. A batch that is open is committed first: the
    /// transaction's rollback does not undo it (TXN-11).
    ///
    /// # Errors
    /// The storage is closed; the database's own.
    pub(super) fn begin_transaction(self: &Rc<Self>) -> Result<usize> {
        self.commit();
        let database = self.database()?;
        let depth = self.explicit.borrow().len();
        database
            .run_bounded(&format!("SAVEPOINT _cf_savepoint_{depth}"))
            .map_err(|error| self.statement_failed(&error, 0))?;
        self.explicit.borrow_mut().push(Explicit {
            alarm: self.running_alarm.save(),
            ..Explicit::default()
        });
        self.closures.set(self.closures.get() + 1);
        Ok(depth)
    }

    /// The closure of a transaction is over; the transaction itself may have ended before, by a rollback.
    pub(super) fn leave_transaction(&self) {
        self.closures.set(self.closures.get().saturating_sub(1));
    }

    /// Whether the code of some transaction runs.
    pub(super) fn in_closure(&self) -> bool {
        self.closures.get() > 0
    }

    /// Ends the transaction begun at `depth` and keeps what it wrote: durably if it is the root (TXN-12).
    ///
    /// # Errors
    /// A nested transaction is still running, or the commit failed: then the object must be reset (TXN-7).
    pub(super) fn release_transaction(self: &Rc<Self>, depth: usize) -> Result<()> {
        let database = self.database()?;
        self.check_innermost(
            depth,
            "Cannot commit an outer transaction while a nested transaction is still running.",
        )?;
        let Some(ended) = self.explicit.borrow_mut().pop() else {
            return Ok(());
        };
        let release = format!("RELEASE _cf_savepoint_{depth}");
        if depth > 0 {
            database
                .run(&release)
                .map_err(|error| self.statement_failed(&error, 0).with_reset())?;
            if let Some(outer) = self.explicit.borrow_mut().last_mut() {
                outer.wrote |= ended.wrote;
                outer.confirmed |= ended.confirmed;
            }
            return Ok(());
        }
        if !ended.wrote {
            return database
                .run(&release)
                .map_err(|error| self.statement_failed(&error, 0).with_reset());
        }
        let confirm = if ended.confirmed {
            Confirm::Required
        } else {
            Confirm::Waived
        };
        if self.commit_transaction(confirm, |database| database.run(&release)) {
            Ok(())
        } else {
            self.database().map(drop)
        }
    }

    /// Ends the transaction begun at `depth` and undoes what it wrote.
    ///
    /// # Errors
    /// A nested transaction is still running (TXN-13); the database's own, and then the storage is broken.
    pub(super) fn undo_transaction(&self, depth: usize) -> Result<()> {
        let database = self.database()?;
        self.check_innermost(
            depth,
            "Cannot roll back an outer transaction while a nested transaction is still running.",
        )?;
        if let Some(undone) = self.explicit.borrow_mut().pop() {
            self.running_alarm.restore(undone.alarm);
        }
        self.tables.forget(); // one may have been made inside
        let mut sql = format!("ROLLBACK TO _cf_savepoint_{depth}; RELEASE _cf_savepoint_{depth}");
        if Mutation::RollbackKeepsWrites.is_active() {
            sql = format!("RELEASE _cf_savepoint_{depth}");
        }
        database.run_once(&sql).map_err(|error| {
            // A part of a transaction must not be committed.
            let error = self.statement_failed(&error, 0).with_reset();
            self.break_with(error.clone());
            error
        })
    }

    fn check_innermost(&self, depth: usize, otherwise: &str) -> Result<()> {
        if self.explicit.borrow().len() == depth + 1 {
            Ok(())
        } else {
            Err(Error::from(otherwise))
        }
    }
}
