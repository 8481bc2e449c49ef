//! The storage service: where an object's keys, values and alarm are applied and become durable.
//!
//! It plays the remote service of the original and keeps one object's data in a SQLite database of its own. Each message, and each
//! transaction of messages, is one commit, and is answered when that is durable; so an answer means what it says even if the power goes
//! with the next breath. Removing everything is the exception: it takes one small commit after the other, in no particular order of
//! keys, and can be stopped after any of them (LK-25).
//!
//! The service checks the limits once more and refuses what exceeds them: it does not know what its client has checked (KV-42).

use std::{
    cell::{Cell, RefCell},
    future::Future,
    rc::Rc,
};

use futures_channel::oneshot;
use rusqlite::{
    Connection, OptionalExtension as _, params,
    types::{ToSqlOutput, Value as SqlValue, ValueRef},
};

use super::{
    Stored,
    alarm::AlarmChange,
    cache::Key,
    change::Change,
    limits::{MESSAGE_BYTES_MAX, PAIRS_MAX, check_pairs},
};
use crate::{
    Error, Result,
    alarm::{AlarmSink, is_earlier, traced},
    instrument::point,
    mutation::Mutation,
    platform::{Entropy, WallTime},
    storage::{
        durability::Durability,
        object::{Left, StorageSetup},
        options::Bounds,
        sql::SqliteFailure,
        sqlite::{Database, ObjectFiles, own},
    },
};

const HAS_TABLES: &str = "SELECT 1 FROM sqlite_schema WHERE name = 'entries'";
const CREATE_ENTRIES: &str =
    "CREATE TABLE entries (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID";
/// At most one row, the alarm.
const CREATE_ALARM: &str =
    "CREATE TABLE alarm (id INTEGER PRIMARY KEY CHECK (id = 1), at_millis INTEGER NOT NULL)";
const GET: &str = "SELECT value FROM entries WHERE key = ?1";
const COUNT: &str = "SELECT count(*) FROM entries";
const DELETE_SOME: &str =
    "DELETE FROM entries WHERE key IN (SELECT key FROM entries ORDER BY key LIMIT ?1 OFFSET ?2)";
const LIST: &str = "SELECT key, value FROM entries WHERE key >= ?1 AND (?3 IS NULL OR key < ?3) ORDER BY key LIMIT ?2";
const LIST_REVERSE: &str = "SELECT key, value FROM entries WHERE key >= ?1 AND (?3 IS NULL OR key < ?3) ORDER BY key DESC LIMIT ?2";
const GET_ALARM: &str = "SELECT at_millis FROM alarm";
/// How far into the remaining keys a step of the removal of everything may begin. Finding the place costs as many steps of an index.
const SCATTER_KEYS_MAX: usize = 1024;

/// Why a message was not answered as asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Whether it was applied is not known.
    #[error("the connection to the storage service was lost")]
    Disconnected,
    /// In words that are meant for the object's code. Nothing was applied.
    #[error("the storage service refused: {0}")]
    Refused(Error),
    /// Nothing is known to be durable.
    #[error("the storage service failed: {0}")]
    Internal(String),
}

/// A part of the answer to a list.
pub(super) struct Page {
    pub(super) entries: Vec<(Key, Stored)>,
    /// There may be more behind the last one.
    pub(super) is_cut: bool,
}

/// A transaction whose messages have been received and not applied. Dropping it is its rollback.
#[derive(Default)]
pub(super) struct Staged(RefCell<Vec<Change>>);

/// The service, as far as it keeps one object's data.
pub(super) struct Service {
    object: Rc<str>,
    entropy: Rc<dyn Entropy>,
    files: Rc<ObjectFiles>,
    durability: Rc<Durability>,
    /// Nothing after the activation has ended: its successor opens the same files.
    database: RefCell<Option<Rc<Database>>>,
    has_tables: Cell<bool>,
    wal_bytes_max: u64,
    /// The files were there, and are not known to be durable.
    is_in_doubt: bool,
    alarms: Rc<dyn AlarmSink>,
    /// What the scheduler was asked for last, and the last alarm that is durable; nothing before they were looked up.
    asked_and_durable: Cell<Option<(Option<WallTime>, Option<WallTime>)>>,
}

impl Service {
    /// Opens the object's files, making them if there are none.
    ///
    /// # Errors
    /// Naming the object, if the disk fails or the file is no database. The files are left as they are.
    pub(super) fn open(setup: StorageSetup) -> Result<Rc<Self>> {
        let object = setup.object;
        let path = setup.path;
        let cannot_open = |reason: &dyn std::fmt::Display| {
            Error::from(format!(
                "cannot open the storage of {object} ({path}): {reason}"
            ))
        };
        let files = ObjectFiles::open(&setup.disk, &path, &setup.sync_failures)
            .map_err(|error| cannot_open(&error))?;
        let is_in_doubt = !files.is_new() && setup.left == Left::InDoubt;
        if is_in_doubt {
            files.write_again().map_err(|error| cannot_open(&error))?;
        }
        point!(
            "storage_open",
            object = &*object,
            path = &*path,
            existing = !files.is_new()
        );
        let sqlite_failed =
            |error: rusqlite::Error| cannot_open(&SqliteFailure::new(&error, 0).text);
        let database = Database::open(&files, &path, Rc::clone(&setup.entropy), setup.now)
            .map_err(sqlite_failed)?;
        let has_tables = !files.is_new()
            && database
                .as_runtime(|connection| {
                    connection.query_row(HAS_TABLES, [], |_| Ok(())).optional()
                })
                .map_err(sqlite_failed)?
                .is_some();
        let durability = Durability::new(Rc::clone(&files), setup.left, setup.clock, setup.spawn);
        let service = Rc::new(Self {
            entropy: setup.entropy,
            files,
            durability,
            database: RefCell::new(Some(Rc::new(database))),
            has_tables: Cell::new(has_tables),
            wal_bytes_max: setup.wal_bytes_max,
            is_in_doubt,
            alarms: setup.alarms,
            asked_and_durable: Cell::default(),
            object,
        });
        let found = service.durable_alarm();
        let scheduled = service.alarms.scheduled();
        if is_earlier(found, scheduled) {
            // The scheduler's index was lost: this is the last chance to learn of it.
            point!(
                "alarm_repaired",
                object = &*service.object,
                at = traced(found),
                scheduled = traced(scheduled)
            );
            drop(service.alarms.schedule(found)?);
        }
        Ok(service)
    }

    /// A loss of power could still take back what reads find.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.is_in_doubt
    }

    /// Everything that was applied is durable.
    pub(super) fn is_settled(&self) -> bool {
        self.durability.is_settled()
    }

    /// Closes the connection: nothing is applied any more.
    pub(super) fn close(&self) {
        drop(self.database.take());
    }

    /// Calls `settle` when everything applied so far is durable, or when that has failed.
    pub(super) fn when_durable(&self, settle: impl FnOnce(Result<()>) + 'static) {
        self.durability.when_durable(settle);
    }

    // Messages.

    /// The values of those of `keys` that exist.
    pub(super) fn get(&self, keys: &[Key]) -> Result<Vec<(Key, Stored)>, Failure> {
        point!(
            "kv_read",
            object = &*self.object,
            what = "get",
            keys = keys.len()
        );
        check_pairs(keys.len()).map_err(Failure::Refused)?;
        self.read(Vec::new(), |connection| {
            let mut statement = connection.prepare_cached(GET)?;
            let mut found = Vec::new();
            for key in keys {
                let value = statement
                    .query_row([&*key.0], |row| row.get::<_, Vec<u8>>(0))
                    .optional()?;
                found.extend(value.map(|value| (key.clone(), Stored::from(value))));
            }
            Ok(found)
        })
    }

    /// The first entries of a list, as many as fit into a message.
    pub(super) fn list(&self, bounds: &Bounds) -> Result<Page, Failure> {
        point!("kv_read", object = &*self.object, what = "list");
        let nothing = Page {
            entries: Vec::new(),
            is_cut: false,
        };
        self.read(nothing, |connection| {
            let sql = if bounds.reverse { LIST_REVERSE } else { LIST };
            let mut statement = connection.prepare_cached(sql)?;
            let limit = bounds
                .limit
                .map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
            // As text, although an end need not be valid UTF-8: SQLite compares a text with a text byte by byte.
            let text = |bytes| ToSqlOutput::Borrowed(ValueRef::Text(bytes));
            statement.raw_bind_parameter(1, text(&bounds.start))?;
            statement.raw_bind_parameter(2, limit)?;
            match &bounds.end {
                Some(end) => statement.raw_bind_parameter(3, text(end))?,
                None => {
                    statement.raw_bind_parameter(3, ToSqlOutput::Owned(SqlValue::Null))?;
                }
            }
            let mut rows = statement.raw_query();
            let (mut entries, mut bytes) = (Vec::new(), 0);
            while let Some(row) = rows.next()? {
                let (key, value): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
                bytes += key.len() + value.len();
                entries.push((Key::from(&*key), Stored::from(value)));
                if bytes >= MESSAGE_BYTES_MAX {
                    return Ok(Page {
                        entries,
                        is_cut: true,
                    });
                }
            }
            Ok(Page {
                entries,
                is_cut: false,
            })
        })
    }

    /// The stored alarm.
    pub(super) fn alarm(&self) -> Result<Option<WallTime>, Failure> {
        point!("kv_read", object = &*self.object, what = "alarm");
        self.stored_alarm()
    }

    /// Applies one change, as a whole.
    pub(super) async fn apply(self: Rc<Self>, change: Change) -> Result<usize, Failure> {
        change.check()?;
        let (what, keys) = (change.label(), change.keys());
        point!("kv_batch", object = &*self.object, what = what, keys = keys);
        let affected = self.make_durable(&[change]).await?;
        point!("kv_batch_done", object = &*self.object, what = what);
        Ok(affected[0])
    }

    /// Takes a change into a transaction.
    pub(super) fn stage(&self, staged: &Staged, change: Change) -> Result<(), Failure> {
        change.check()?;
        point!(
            "kv_batch",
            object = &*self.object,
            what = change.label(),
            keys = change.keys()
        );
        staged.0.borrow_mut().push(change);
        Ok(())
    }

    /// Applies the changes of a transaction in their order, as a whole. It must have received `expected` of them.
    pub(super) async fn commit(
        self: Rc<Self>,
        staged: Rc<Staged>,
        expected: usize,
    ) -> Result<Vec<usize>, Failure> {
        let changes = staged.0.take();
        if changes.len() != expected {
            return Err(Failure::Internal(format!(
                "{} of {expected} parts of a transaction arrived",
                changes.len()
            )));
        }
        point!(
            "kv_batch",
            object = &*self.object,
            what = "commit",
            keys = changes.iter().map(Change::keys).sum::<usize>()
        );
        let affected = self.make_durable(&changes).await?;
        point!("kv_batch_done", object = &*self.object, what = "commit");
        Ok(affected)
    }

    /// Removes all keys, a few at a time, each time durably; returns how many there were. Dropping the future stops it in between.
    pub(super) async fn delete_all(self: Rc<Self>) -> Result<usize, Failure> {
        let all = self.read(0, |connection| {
            connection.query_row(COUNT, [], |row| row.get::<_, i64>(0))
        })?;
        let all = usize::try_from(all).map_err(|_| Failure::Internal("a negative count".into()))?;
        let mut left = all;
        while left > 0 {
            point!("kv_delete_all_step", object = &*self.object, left = left);
            let places = (left.saturating_sub(PAIRS_MAX) + 1).min(SCATTER_KEYS_MAX);
            let skipped = self.random_below(places);
            let removed = self.in_transaction(|connection| {
                let mut statement = connection.prepare_cached(DELETE_SOME)?;
                statement.execute(params![sql_count(PAIRS_MAX), sql_count(skipped)])
            })?;
            if removed == 0 {
                return Err(Failure::Internal(format!(
                    "none of {left} keys could be removed"
                )));
            }
            self.durable().await?;
            if Mutation::DeleteAllStopsEarly.is_active() {
                break;
            }
            left = left.saturating_sub(removed);
        }
        point!("kv_batch_done", object = &*self.object, what = "delete_all");
        Ok(all)
    }

    // The alarm.

    /// The last alarm that is known to be durable.
    pub(super) fn durable_alarm(&self) -> Option<WallTime> {
        self.known_alarm().ok().and_then(|(_, durable)| durable)
    }

    /// Whether the scheduler may be told `at` once more.
    pub(super) fn may_repeat_alarm(&self, at: WallTime) -> bool {
        let known = self.known_alarm();
        known.is_ok_and(|(asked, durable)| [asked, durable].contains(&Some(at)))
    }

    /// Has the scheduler wake the object at `at`: at its alarm, or earlier.
    pub(super) fn tell_scheduler(&self, at: Option<WallTime>) -> Result<()> {
        drop(self.alarms.schedule(at)?);
        let known = self
            .known_alarm()
            .map_err(|error| Error::from(error.to_string()))?;
        self.asked_and_durable.set(Some((at, known.1)));
        Ok(())
    }

    /// What the scheduler was asked for last, and the durable alarm. That they agree when the files are opened is taken for granted.
    fn known_alarm(&self) -> Result<(Option<WallTime>, Option<WallTime>), Failure> {
        if let Some(known) = self.asked_and_durable.get() {
            return Ok(known);
        }
        let stored = self.stored_alarm()?;
        self.asked_and_durable.set(Some((stored, stored)));
        Ok((stored, stored))
    }

    fn stored_alarm(&self) -> Result<Option<WallTime>, Failure> {
        self.read(None, |connection| {
            connection
                .query_row(GET_ALARM, [], |row| row.get(0).map(WallTime::from_millis))
                .optional()
        })
    }

    /// Applies changes as a whole, and waits until they are durable. An alarm that moves earlier goes to the scheduler before, one that moves
    /// later after that: so the object is woken too early, if anything goes wrong, and never too late ([`alarm`](crate::alarm)).
    async fn make_durable(&self, changes: &[Change]) -> Result<Vec<usize>, Failure> {
        let alarm = changes.iter().rev().find_map(|change| match change {
            Change::Alarm(change) => Some(*change),
            Change::Put(_) | Change::Delete(_) => None,
        });
        let Some(alarm) = alarm else {
            let affected = self.commit_changes(changes)?;
            self.durable().await?;
            return Ok(affected);
        };
        let (asked, durable) = self.known_alarm()?;
        let at = match alarm {
            AlarmChange::Set(at) => at,
            AlarmChange::DeleteIf(at) if durable == Some(at) => None,
            AlarmChange::DeleteIf(_) => durable,
        };
        point!("alarm_commit", object = &*self.object, at = traced(at));
        if is_earlier(at, asked) && !Mutation::AlarmScheduledLate.is_active() {
            let refused = |error: Error| Failure::Internal(error.to_string());
            let scheduled = self.alarms.schedule(at).map_err(refused)?;
            self.asked_and_durable.set(Some((at, durable)));
            scheduled.await.map_err(refused)?;
        }
        let affected = self.commit_changes(changes)?;
        self.durable().await?;
        let (asked, _) = self.known_alarm()?;
        self.asked_and_durable.set(Some((asked, at)));
        point!("alarm_durable", object = &*self.object, at = traced(at));
        let too_late = Mutation::AlarmScheduledLate.is_active() && asked != at;
        if is_earlier(asked, at) || too_late {
            // If it cannot be told, the object is woken too early and says so then.
            let _ = self.tell_scheduler(at);
        }
        Ok(affected)
    }

    // The database.

    fn commit_changes(&self, changes: &[Change]) -> Result<Vec<usize>, Failure> {
        self.in_transaction(|connection| {
            changes
                .iter()
                .map(|change| change.apply(connection))
                .collect()
        })
    }

    fn database(&self) -> Result<Rc<Database>, Failure> {
        let database = self.database.borrow().clone();
        database.ok_or_else(|| Failure::Internal("the storage is closed".into()))
    }

    /// Reads; gives `nothing` as long as nothing was ever written.
    fn read<T>(
        &self,
        nothing: T,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Failure> {
        let database = self.database()?;
        if !self.has_tables.get() {
            return Ok(nothing);
        }
        database.as_runtime(read).map_err(|error| internal(&error))
    }

    fn in_transaction<T>(
        &self,
        write: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Failure> {
        let database = self.database()?;
        let outcome = database.run(own::BEGIN).and_then(|()| {
            if !self.has_tables.get() {
                database.run(CREATE_ENTRIES)?;
                database.run(CREATE_ALARM)?;
            }
            let outcome = database.as_runtime(write)?;
            database.run(own::COMMIT)?;
            Ok(outcome)
        });
        match outcome {
            Ok(outcome) => {
                self.has_tables.set(true);
                self.checkpoint_if_long(&database)?;
                Ok(outcome)
            }
            Err(error) => {
                if !database.is_autocommit() && database.run(own::ROLLBACK).is_err() {
                    self.close(); // a part of a transaction must not be committed with the next one
                }
                Err(internal(&error))
            }
        }
    }

    /// Moves a long log into the database.
    fn checkpoint_if_long(&self, database: &Database) -> Result<(), Failure> {
        let is_long = || self.files.log_bytes() > self.wal_bytes_max;
        if !is_long() {
            return Ok(());
        }
        let checkpoint = || {
            self.files
                .measure_log(database)
                .map_err(|error| internal(&error))?;
            if !is_long() {
                return Ok(());
            }
            point!("checkpoint", object = &*self.object);
            let moved = self.files.during_checkpoint(|| database.checkpoint());
            if moved.map_err(|error| internal(&error))? {
                let begun = self.files.begin_log_anew();
                begun.map_err(|error| Failure::Internal(error.to_string()))?;
            }
            Ok(())
        };
        checkpoint().inspect_err(|_| {
            // If a sync has failed, no later one proves anything. The answer that says so may be lost, and then the same changes
            // come again: they must not be applied to these files.
            self.close();
        })
    }

    /// Completes when everything applied before the call is durable.
    fn durable(&self) -> impl Future<Output = Result<(), Failure>> + use<> {
        let (done, durable) = oneshot::channel();
        self.durability.when_durable(move |outcome| {
            let _ = done.send(outcome); // whoever waited may have been stopped
        });
        async move {
            let outcome = durable.await.unwrap_or_else(|oneshot::Canceled| {
                Err(Error::from("the syncs of the object's files were stopped"))
            });
            outcome.map_err(|error| Failure::Internal(error.to_string()))
        }
    }

    fn random_below(&self, places: usize) -> usize {
        let mut bytes = [0; 8];
        self.entropy.fill(&mut bytes);
        let drawn = u64::from_le_bytes(bytes) % places.max(1) as u64;
        usize::try_from(drawn).expect("it is below a usize")
    }
}

fn internal(error: &rusqlite::Error) -> Failure {
    Failure::Internal(SqliteFailure::new(error, 0).text)
}

fn sql_count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
