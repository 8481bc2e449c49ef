//! The storage of one activation: opened with it, broken or shut down with it, never repaired.
//!
//! What goes wrong without a strict end: an activation that was thrown away still runs some code, which writes into files that its
//! successor has opened. So the connection is closed at once, under every handle and cursor, and each later call fails with the
//! reason (SQLTX-12, SHUT-2).

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
};

use super::{
    alarm_order::{AlarmChange, AlarmOrder},
    alarm_run::RunningAlarm,
    batch::Batch,
    durability::{Durability, SyncFailures},
    explicit::Explicit,
    held::HeldLog,
    history::{History, Past, Restored},
    sql::{CursorState, SqliteFailure},
    sqlite::{Database, ObjectFiles},
    sync_kv::KvLists,
    tables::OwnTables,
};
use crate::{
    Error, Result,
    alarm::AlarmSink,
    gate::output::OutputGate,
    instrument::point,
    platform::{Clock, Disk, Entropy, Links, Spawn, WallTime},
};

/// From how many bytes on the write-ahead log is moved into the database: about a thousand pages, as SQLite itself does.
pub(crate) const WAL_BYTES_MAX: u64 = 4 << 20;

/// What an object's database may take at most, in bytes: the documented 10 GB (6.5).
pub(crate) const OBJECT_BYTES_MAX: u64 = 10_000_000_000;

/// What the storage of an activation is made of.
pub(crate) struct StorageSetup {
    pub(crate) disk: Rc<dyn Disk>,
    pub(crate) clock: Rc<dyn Clock>,
    pub(crate) entropy: Rc<dyn Entropy>,
    pub(crate) spawn: Rc<dyn Spawn>,
    /// Of the database file, relative to the node's folder: `objects/Counter/<id>.sqlite`.
    pub(crate) path: String,
    /// How the object is called in traces and errors: `Counter/a`.
    pub(crate) object: Rc<str>,
    pub(crate) gate: Rc<OutputGate>,
    /// From how many bytes on the write-ahead log is moved into the database.
    pub(crate) wal_bytes_max: u64,
    /// How much of the past is kept.
    pub(crate) history: History,
    /// What is known of the files since the last activation.
    pub(crate) left: Left,
    /// The time that the object's code sees: it stands still during a turn.
    pub(crate) now: Rc<dyn Fn() -> WallTime>,
    /// The way to the service of the legacy backend: opened as `links.open("Counter/a", "storage of Counter/a")`.
    pub(crate) links: Rc<dyn Links>,
    /// Failures of syncs of the files, of former activations as well.
    pub(crate) sync_failures: SyncFailures,
    /// `delete_all` deletes the alarm as well (DEL-2).
    pub(crate) delete_all_deletes_alarm: bool,
    /// The node's scheduler, for this object.
    pub(crate) alarms: Rc<dyn AlarmSink>,
    /// What a database may take at most, in bytes. The legacy backend has no such limit.
    pub(crate) bytes_max: u64,
    /// The object's code is held to the documented limits, and to its turns.
    pub(crate) strict: bool,
}

/// How the last activation left an object's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Everything in them was durable, in this very process.
    Durable,
    /// A sync may have failed or been outstanding, or another process wrote them.
    InDoubt,
}

/// The storage of one activation.
pub(crate) struct ObjectStorage {
    pub(super) object: Rc<str>,
    /// Of the database file.
    path: String,
    pub(super) gate: Rc<OutputGate>,
    pub(super) files: Rc<ObjectFiles>,
    pub(super) durability: Rc<Durability>,
    /// The connection, or why there is none any more.
    database: RefCell<Result<Rc<Database>>>,
    /// The open implicit transaction.
    pub(super) batch: RefCell<Option<Batch>>,
    pub(super) batches_begun: Cell<u64>,
    pub(super) last_confirmed: Cell<u64>,
    /// How many `transaction_sync` are under way, one inside the other.
    pub(super) savepoints: Cell<usize>,
    /// The open explicit transactions, one inside the other.
    pub(super) explicit: RefCell<Vec<Explicit>>,
    /// How many closures of transactions run, those included whose transaction was rolled back.
    pub(super) closures: Cell<usize>,
    pub(super) tables: OwnTables,
    pub(super) kv_lists: KvLists,
    pub(super) delete_all_deletes_alarm: bool,
    /// Cursors, each of which keeps its statement and so the connection.
    cursors: RefCell<Vec<Weak<RefCell<CursorState>>>>,
    /// A critical error of SQLite broke the storage (SQLTX-11).
    pub(super) had_critical_error: Cell<bool>,
    /// What the application left behind could not be committed.
    pub(super) broken_by_application: Cell<bool>,
    /// From how many bytes on the log is moved into the database.
    pub(super) wal_bytes_max: Cell<u64>,
    /// Something was committed since the end of the last turn.
    pub(super) committed: Cell<bool>,
    /// How many turns have ended.
    pub(super) turns: Cell<u64>,
    /// What outlives its turn without a promise of what it shows then is refused.
    pub(super) strict: bool,
    pub(super) past: Past,
    /// Between the files and the disk: commits that wait for the scheduler.
    pub(super) held: Rc<HeldLog>,
    pub(super) alarm_order: AlarmOrder,
    pub(super) running_alarm: RunningAlarm,
    /// What the files held when they were opened is not known to be durable yet.
    pub(super) is_in_doubt: Cell<bool>,
}

impl ObjectStorage {
    /// Opens the object's files, making them if there are none.
    ///
    /// The files of a former activation may hold commits that no sync has covered: the process died in between. So the output gate is
    /// held until they are synced, or a caller could read what a later loss of power takes back.
    ///
    /// # Errors
    /// Naming the object, if the disk fails or the file is no database. The files are left as they are.
    pub(crate) fn open(setup: StorageSetup) -> Result<Rc<Self>> {
        let object = Rc::clone(&setup.object);
        let path = setup.path.clone();
        let cannot_open = |reason: &dyn std::fmt::Display| {
            Error::from(format!(
                "cannot open the storage of {object} ({path}): {reason}"
            ))
        };
        let held = HeldLog::on(Rc::clone(&setup.disk));
        let disk: Rc<dyn Disk> = held.clone();
        let files = ObjectFiles::open(&disk, &setup.path, &setup.sync_failures)
            .map_err(|error| cannot_open(&error))?;
        held.watch(files.log_id());
        let is_new = files.is_new();
        if !is_new && setup.left == Left::InDoubt {
            files.write_again().map_err(|error| cannot_open(&error))?;
        }
        point!(
            "storage_open",
            object = &*object,
            path = &*setup.path,
            existing = !is_new
        );
        let sqlite_failed =
            |error: rusqlite::Error| cannot_open(&SqliteFailure::new(&error, 0).text);
        let mut database =
            Database::open(&files, &setup.path, setup.entropy, Rc::clone(&setup.now))
                .map_err(sqlite_failed)?;
        database.bound_size(setup.bytes_max);
        // Reading the schema is what finds a damaged file. A new one was written by us a moment ago.
        let tables = if is_new {
            OwnTables::of_new()
        } else {
            OwnTables::look(&database).map_err(sqlite_failed)?
        };
        let past = Past::new(
            setup.history,
            Rc::clone(&files),
            Rc::clone(&setup.clock),
            setup.path.clone(),
        );
        let restored = if is_new {
            None
        } else {
            past.begin(&object)
                .map_err(|error| cannot_open(&error.message()))?;
            held.hold(); // the alarm of the state to go back to may be an earlier one
            past.restore_if_armed(&mut database, &object)
                .map_err(|error| cannot_open(&error.message()))?
        };
        if restored.is_some() {
            tables.forget();
        }
        let is_in_doubt = !is_new && setup.left == Left::InDoubt;
        let storage = Rc::new(Self {
            durability: Durability::new(
                Rc::clone(&files),
                setup.left,
                Rc::clone(&setup.clock),
                setup.spawn,
            ),
            object: setup.object,
            path: setup.path,
            gate: setup.gate,
            files,
            database: RefCell::new(Ok(Rc::new(database))),
            batch: RefCell::default(),
            batches_begun: Cell::new(0),
            last_confirmed: Cell::new(0),
            savepoints: Cell::new(0),
            explicit: RefCell::default(),
            closures: Cell::default(),
            tables,
            kv_lists: KvLists::default(),
            delete_all_deletes_alarm: setup.delete_all_deletes_alarm,
            cursors: RefCell::default(),
            had_critical_error: Cell::new(false),
            broken_by_application: Cell::new(false),
            wal_bytes_max: Cell::new(setup.wal_bytes_max),
            committed: Cell::default(),
            turns: Cell::default(),
            strict: setup.strict,
            past,
            held,
            alarm_order: AlarmOrder::new(setup.alarms),
            running_alarm: RunningAlarm::default(),
            is_in_doubt: Cell::new(is_in_doubt),
        });
        let alarm = storage.open_alarm(is_new, restored.as_ref())?;
        if !storage.alarm_order.is_waiting() {
            storage
                .held
                .release()
                .map_err(|error| cannot_open(&error))?;
        }
        if restored.is_some() || is_in_doubt {
            storage.confirm_what_was_found(alarm);
        }
        Ok(storage)
    }

    /// Holds the scheduler's row against the alarm in the files. Gives what a restore changes of it.
    fn open_alarm(
        self: &Rc<Self>,
        is_new: bool,
        restored: Option<&Restored>,
    ) -> Result<Option<AlarmChange>> {
        if let Some(restored) = restored {
            let before = restored.alarm_before;
            self.alarm_order.repair(&self.object, before)?;
            return self.alarm_after_restore(before);
        }
        if !is_new {
            self.know_alarm()?;
            let found = self.alarm_order.durable();
            self.alarm_order.repair(&self.object, found)?;
        }
        Ok(None)
    }

    /// Lets nothing out before what the files held, or were given back, is durable.
    fn confirm_what_was_found(self: &Rc<Self>, alarm: Option<AlarmChange>) {
        let weak = Rc::downgrade(self);
        self.confirm_when_durable(Some(self.gate.hold()), move |outcome| {
            if let (Ok(()), Some(storage)) = (outcome, weak.upgrade()) {
                storage.is_in_doubt.set(false);
                if let Some(alarm) = alarm {
                    storage.alarm_is_durable(alarm);
                }
            }
        });
    }

    /// How this activation leaves the files, if it ends now.
    pub(crate) fn left(&self) -> Left {
        if self.durability.is_settled() {
            Left::Durable
        } else {
            Left::InDoubt
        }
    }

    /// Discards the open batch and closes the connection; every later call fails with `reason`. Commits that are on their way
    /// to the disk go on and may or may not land (SHUT-1).
    pub(crate) fn shut_down(&self, reason: Error) {
        let batch = self.close(&reason);
        if let Some(confirmation) = batch.and_then(|batch| batch.confirmation) {
            confirmation.fail(reason);
        }
    }

    /// The storage failed: nothing that was not durable can be relied on, so the object is reset.
    pub(super) fn break_with(&self, error: Error) {
        if self.database.borrow().is_err() {
            return;
        }
        point!(
            "storage_broken",
            object = &*self.object,
            reason = error.message()
        );
        let batch = self.close(&error);
        // Before the batch is dropped, whose confirmation would break the gate with a reason of its own.
        self.gate.break_with(error);
        drop(batch);
    }

    fn close(&self, reason: &Error) -> Option<Batch> {
        let database = {
            let mut database = self.database.borrow_mut();
            if database.is_err() {
                return None;
            }
            std::mem::replace(&mut *database, Err(reason.clone()))
        };
        self.cancel_cursors(reason);
        self.explicit.borrow_mut().clear();
        drop(database);
        self.held.discard();
        self.batch.take()
    }

    /// Ends every open cursor; what it is asked from now on it answers with `reason`.
    pub(super) fn cancel_cursors(&self, reason: &Error) {
        for cursor in self.cursors.take() {
            // One that is stepping right now has brought us here by its error, and ends by itself.
            if let Some(state) = cursor.upgrade()
                && let Ok(mut state) = state.try_borrow_mut()
            {
                state.kill(reason.clone());
            }
        }
    }

    /// The connection.
    ///
    /// # Errors
    /// The reason for which the storage is closed.
    pub(super) fn database(&self) -> Result<Rc<Database>> {
        self.database.borrow().clone()
    }

    /// Turns a failure of a statement into the object's error, and breaks the storage if SQLite gave up the whole transaction.
    pub(super) fn statement_failed(&self, error: &rusqlite::Error, skipped: usize) -> Error {
        let failure = SqliteFailure::new(error, skipped);
        if failure.is_damage() {
            let error = self.damaged(&failure);
            self.break_with(error.clone());
            return error;
        }
        let lost = (self.batch.borrow().is_some() || self.in_transaction())
            && self
                .database()
                .is_ok_and(|database| database.is_autocommit());
        if lost && failure.is_critical() {
            self.had_critical_error.set(true);
            self.break_with(Error::from(failure.text.as_str()).with_reset());
        }
        Error::from(failure.text)
    }

    /// The error for a database whose pages do not fit together. Nothing may be written on top of that.
    pub(super) fn damaged(&self, failure: &SqliteFailure) -> Error {
        let Self { object, path, .. } = self;
        point!(
            "storage_damaged",
            object = &**object,
            path = &**path,
            reason = &*failure.text
        );
        tracing::error!(target: "dormouse::storage", "the storage of {object} ({path}) is damaged: {}", failure.text);
        Error::from(format!(
            "the storage of {object} ({path}) is damaged: {}",
            failure.text
        ))
        .with_reset()
    }

    /// Remembers a cursor, to take its statement away at the end. Forgotten ones are tidied up before the list grows.
    pub(super) fn register_cursor(&self, cursor: &Rc<RefCell<CursorState>>) {
        let mut cursors = self.cursors.borrow_mut();
        if cursors.len() == cursors.capacity() {
            cursors.retain(|cursor| cursor.strong_count() > 0);
        }
        cursors.push(Rc::downgrade(cursor));
    }
}
