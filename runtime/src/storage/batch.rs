//! The implicit transaction: all writes of one turn become durable together, or not at all.
//!
//! The first statement of a turn that may write begins a transaction; the end of the turn commits it (SQLTX-1, SQLTX-2). A commit is
//! complete in the page cache at once, so the next turn can go on; that it is durable is known later, and until then the output gate is
//! held (SQLTX-6, SQLTX-7). If anything fails in between, the object is reset: a part of a turn is never kept.
//!
//! In: [`ObjectStorage::begin_write`] before each write, [`ObjectStorage::end_turn`] after each turn. Out: a ticket of
//! [`durability`](super::durability), and a confirmation for the gate.

use std::{
    future::{Future, poll_fn},
    rc::{Rc, Weak},
    task::Poll,
};

use futures_channel::oneshot;

use super::{
    alarm_order::AlarmChange,
    object::ObjectStorage,
    sql::SqliteFailure,
    sqlite::{Database, own},
};
use crate::{Error, Result, gate::output::Confirmation, instrument::point, mutation::Mutation};

/// Whether outputs wait until a write is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Confirm {
    /// They do: the rule.
    Required,
    /// They do not, as asked for by `allow_unconfirmed`. If the write fails, the object is reset all the same.
    Waived,
}

/// An open implicit transaction.
#[derive(Default)]
pub(super) struct Batch {
    number: u64,
    /// There from the first confirmed write on.
    pub(super) confirmation: Option<Confirmation>,
    /// Calls of `sync` that wait for it.
    pub(super) waiting: Vec<oneshot::Sender<Result<()>>>,
}

impl ObjectStorage {
    /// Makes sure that a batch is open, for a write that follows.
    ///
    /// # Errors
    /// The reason for which the storage is closed.
    pub(super) fn begin_write(&self, confirm: Confirm) -> Result<Rc<Database>> {
        let database = self.database()?;
        let open = self.batch.borrow().is_some() || self.in_transaction();
        if open && database.is_autocommit() {
            // A conflict clause rolled everything back (SQLTX-14). Going on, the rest of the turn would be committed without its beginning.
            let error =
                Error::from("cannot commit - no transaction is active: SQLITE_ERROR").with_reset();
            self.break_with(error.clone());
            return Err(error);
        }
        if self.note_write_in_transaction(confirm) {
            return Ok(database); // the transaction's commit is its batch
        }
        if self.batch.borrow().is_none() {
            database
                .run_bounded(own::BEGIN)
                .map_err(|error| self.statement_failed(&error, 0))?;
            *self.batch.borrow_mut() = Some(self.new_batch());
        }
        if confirm == Confirm::Required
            && let Some(batch) = &mut *self.batch.borrow_mut()
        {
            self.last_confirmed.set(batch.number);
            batch.confirmation.get_or_insert_with(|| self.gate.hold());
        }
        Ok(database)
    }

    fn new_batch(&self) -> Batch {
        let number = self.batches_begun.get() + 1;
        self.batches_begun.set(number);
        Batch {
            number,
            ..Batch::default()
        }
    }

    /// Called after each statement that wrote. In the ordinary way that means nothing.
    pub(super) fn wrote(self: &Rc<Self>) {
        if Mutation::CommitSplit.is_active() && self.savepoints.get() == 0 {
            self.commit();
        }
    }

    /// The last batch with a confirmed write, the open one included, counted from 1 in this activation; 0 if there was none.
    pub(crate) fn confirmed_batch(&self) -> u64 {
        self.last_confirmed.get()
    }

    /// Commits what the turn wrote, and moves a long log into the database.
    pub(crate) fn end_turn(self: &Rc<Self>) {
        self.turns.set(self.turns.get() + 1);
        self.commit();
        // Only where something was committed, by the turn or by a transaction in it: a turn that reads waits for no disk.
        if self.committed.replace(false) && !self.in_transaction() {
            self.checkpoint_if_long();
        }
    }

    /// Commits the open batch, if there is one.
    pub(super) fn commit(self: &Rc<Self>) {
        let Some(number) = self.batch.borrow().as_ref().map(|batch| batch.number) else {
            return;
        };
        if let Some(alarm) = self.commit_with(number, |database| database.run(own::COMMIT))
            && let Some(batch) = self.batch.take()
        {
            self.wait_for(batch, alarm);
        }
    }

    /// Commits an explicit transaction as a batch of its own. If anything in it is to be confirmed, outputs wait from here on (GATE-16).
    /// Returns whether that succeeded; if not, the storage is broken.
    pub(super) fn commit_transaction(
        self: &Rc<Self>,
        confirm: Confirm,
        release: impl FnOnce(&Database) -> rusqlite::Result<()>,
    ) -> bool {
        let mut batch = self.new_batch();
        let Some(alarm) = self.commit_with(batch.number, release) else {
            return false;
        };
        if confirm == Confirm::Required {
            self.last_confirmed.set(batch.number);
            batch.confirmation = Some(self.gate.hold());
        }
        self.wait_for(batch, alarm);
        true
    }

    /// Commits; gives what that changes of the alarm, or nothing if it failed and the storage is broken.
    #[expect(
        clippy::option_option,
        reason = "the outer one is success, the inner one a change of the alarm"
    )]
    fn commit_with(
        self: &Rc<Self>,
        number: u64,
        commit: impl FnOnce(&Database) -> rusqlite::Result<()>,
    ) -> Option<Option<AlarmChange>> {
        let alarm = match self.alarm_before_commit() {
            Ok(alarm) => alarm,
            Err(error) => {
                self.break_with(error);
                return None;
            }
        };
        point!("commit", object = &*self.object, batch = number);
        let database = self.database().ok()?;
        if let Err(error) = commit(&database) {
            self.commit_failed(&database, &error);
            return None;
        }
        let object = Rc::clone(&self.object);
        self.held.when_written(move || {
            point!("committed", object = &*object, batch = number);
        });
        self.past.note_commit();
        self.committed.set(true);
        Some(alarm)
    }

    /// Lets the outputs that a committed batch holds back go when it is durable.
    fn wait_for(self: &Rc<Self>, batch: Batch, alarm: Option<AlarmChange>) {
        let object = Rc::clone(&self.object);
        let number = batch.number;
        let storage: Weak<Self> = Rc::downgrade(self);
        self.confirm_when_durable(batch.confirmation, move |outcome| {
            if outcome.is_ok() {
                point!("durable", object = &*object, batch = number);
                if let (Some(alarm), Some(storage)) = (alarm, storage.upgrade()) {
                    storage.alarm_is_durable(alarm);
                }
            }
            for waiting in batch.waiting {
                let _ = waiting.send(outcome.clone()); // whoever called `sync` may not wait any more
            }
        });
    }

    fn commit_failed(&self, database: &Database, error: &rusqlite::Error) {
        let failure = SqliteFailure::new(error, 0);
        if !database.is_autocommit() {
            let _ = database.run(own::ROLLBACK); // the connection is closed in any case, which rolls back too
        }
        if failure.is_damage() {
            return self.break_with(self.damaged(&failure));
        }
        if failure.code == rusqlite::ffi::SQLITE_CONSTRAINT {
            // Exact text of the original (SQLTX-10).
            let error = Error::from(format!(
                "Durable Object was reset and rolled back to its last known good state because the application left the database \
                 in a state where constraints were violated: {}",
                failure.text
            ));
            self.broken_by_application.set(true);
            // As recorded: at the end of a turn it has no flag of a reset, although it is one; at that of a transaction it has.
            return self.break_with(if self.in_closure() {
                error.with_reset()
            } else {
                error
            });
        }
        self.break_with(Error::from(failure.text).with_reset());
    }

    /// Takes a ticket for everything written up to now. When it is durable, calls `then` and lets the held outputs go; if
    /// it cannot become durable, the storage breaks, also if nothing was held (SQLTX-8).
    pub(super) fn confirm_when_durable(
        self: &Rc<Self>,
        confirmation: Option<Confirmation>,
        then: impl FnOnce(&Result<()>) + 'static,
    ) {
        let storage: Weak<Self> = Rc::downgrade(self);
        self.durability.when_durable(move |outcome| {
            then(&outcome);
            match (outcome, confirmation) {
                (Ok(()), Some(confirmation)) => confirmation.confirm(),
                (Ok(()), None) => {}
                (Err(error), confirmation) => {
                    if let Some(storage) = storage.upgrade() {
                        storage.break_with(error.clone());
                    }
                    if let Some(confirmation) = confirmation {
                        confirmation.fail(error);
                    }
                }
            }
        });
    }

    /// Completes when every write made before is durable (SYNC-1). It commits nothing: it suspends, and so ends the turn, which
    /// does (SYNC-2, SYNC-4).
    pub(super) async fn sync(self: Rc<Self>) -> Result<()> {
        self.database()?;
        let (done, durable) = oneshot::channel();
        let done = match &mut *self.batch.borrow_mut() {
            Some(batch) => {
                batch.waiting.push(done);
                None
            }
            None => Some(done),
        };
        if let Some(done) = done {
            self.durability.when_durable(move |outcome| {
                let _ = done.send(outcome); // the caller may not wait any more
            });
        }
        end_turn().await;
        let outcome = durable.await;
        self.database()?;
        outcome.unwrap_or_else(|_| {
            Err(Error::from("output lock was canceled before completion").with_reset())
        })
    }

    /// A checkpoint copies the log's pages into the database, and has the log begin anew. It waits for the disk a few times, in the
    /// turn, and so is rare. It does not cut the log: the file keeps its length, and later syncs have no new length to
    /// make durable. An open cursor still reads from the log; then the checkpoint waits for a later turn.
    fn checkpoint_if_long(&self) {
        let Ok(database) = self.database() else {
            return;
        };
        let is_long = || self.files.log_bytes() > self.wal_bytes_max.get();
        // What is held back is not in the log yet; then, too, a later turn does it.
        if !is_long() || database.is_busy() || self.held.is_holding() {
            return;
        }
        let checkpoint = || {
            let failed = |error: rusqlite::Error| Error::from(SqliteFailure::new(&error, 0).text);
            self.files.measure_log(&database).map_err(failed)?;
            if !is_long() {
                return Ok(());
            }
            point!("checkpoint", object = &*self.object);
            let armed = self.armed()?;
            if !self.past.before_checkpoint(&self.object, armed)? {
                return Ok(()); // the disk is full: the log has to wait
            }
            let moved = self.files.during_checkpoint(|| database.checkpoint());
            if moved.map_err(failed)? {
                let begun = self.files.begin_log_anew();
                begun.map_err(|error| Error::from(error.to_string()))?;
                self.past.after_checkpoint(armed);
            }
            Ok(())
        };
        if let Err(error) = checkpoint() {
            let error: Error = error;
            self.break_with(error.with_reset());
        }
    }
}

/// Suspends once, also where there is nothing to wait for.
fn end_turn() -> impl Future<Output = ()> {
    let mut suspended = false;
    poll_fn(move |cx| {
        if std::mem::replace(&mut suspended, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}
