//! The key-value calls: the statements on the runtime's own table.
//!
//! The table is made by the first write, inside its batch; until then reads find nothing and make nothing. Calls do their work at once and
//! never suspend (KV-1), so a stretch of code with any number of awaited storage calls is one turn and one batch (SQLTX-3).

use std::rc::Rc;

use rusqlite::{
    OptionalExtension as _,
    types::{ToSqlOutput, Value as SqlValue, ValueRef},
};

use super::{
    batch::Confirm,
    object::ObjectStorage,
    options::Bounds,
    sqlite::{Database, own},
};
use crate::{Error, Result, mutation::Mutation};

/// Undoes a multi-put of which one entry failed, and nothing else (KV-43).
const PUT_MULTIPLE: &str = "SAVEPOINT _cf_put_multiple_savepoint";
const PUT_MULTIPLE_DONE: &str = "RELEASE _cf_put_multiple_savepoint";
const PUT_MULTIPLE_UNDONE: &str = "ROLLBACK TO _cf_put_multiple_savepoint";

impl ObjectStorage {
    pub(super) fn kv_get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let Some(database) = self.for_reading()? else {
            return Ok(None);
        };
        database
            .as_runtime(|connection| {
                connection
                    .prepare_cached(own::GET)?
                    .query_row([key], |row| row.get::<_, Vec<u8>>(0))
                    .optional()
            })
            .map_err(|error| self.statement_failed(&error, 0))
    }

    pub(super) fn kv_put(self: &Rc<Self>, key: &str, value: &[u8], confirm: Confirm) -> Result<()> {
        let database = self.for_writing(confirm)?;
        self.put_row(&database, key, value)?;
        self.wrote();
        Ok(())
    }

    /// All or nothing (KV-43).
    pub(super) fn kv_put_multiple(
        self: &Rc<Self>,
        entries: &[(String, Vec<u8>)],
        confirm: Confirm,
    ) -> Result<()> {
        if entries.is_empty() {
            self.database()?;
            return Ok(());
        }
        if Mutation::CommitSplit.is_active() {
            return entries
                .iter()
                .try_for_each(|(key, value)| self.kv_put(key, value, confirm));
        }
        if let [(key, value)] = entries {
            return self.kv_put(key, value, confirm);
        }
        let database = self.for_writing(confirm)?;
        let run = |sql: &str| {
            database
                .run(sql)
                .map_err(|error| self.statement_failed(&error, 0))
        };
        run(PUT_MULTIPLE)?;
        let outcome = entries
            .iter()
            .try_for_each(|(key, value)| self.put_row(&database, key, value));
        match outcome {
            Ok(()) => run(PUT_MULTIPLE_DONE),
            Err(error) => {
                if self.database().is_ok() {
                    run(PUT_MULTIPLE_UNDONE)?;
                    run(PUT_MULTIPLE_DONE)?;
                }
                Err(error)
            }
        }
    }

    fn put_row(&self, database: &Database, key: &str, value: &[u8]) -> Result<()> {
        database
            .as_runtime(|connection| connection.prepare_cached(own::PUT)?.execute((key, value)))
            .map_err(|error| self.statement_failed(&error, 0))?;
        Ok(())
    }

    /// Returns whether the key was there. It writes in either case (KV-6).
    pub(super) fn kv_delete(self: &Rc<Self>, key: &str, confirm: Confirm) -> Result<bool> {
        let database = self.for_writing(confirm)?;
        let deleted = database
            .as_runtime(|connection| connection.prepare_cached(own::DELETE)?.execute([key]))
            .map_err(|error| self.statement_failed(&error, 0))?;
        self.wrote();
        Ok(deleted > 0)
    }

    pub(super) fn kv_list(&self, bounds: &Bounds) -> Result<Vec<(String, Vec<u8>)>> {
        let Some(database) = self.for_reading()? else {
            return Ok(Vec::new());
        };
        let sql = match (&bounds.end, bounds.reverse) {
            (None, false) => own::LIST,
            (None, true) => own::LIST_REVERSE,
            (Some(_), false) => own::LIST_TO,
            (Some(_), true) => own::LIST_TO_REVERSE,
        };
        let limit = bounds
            .limit
            .map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
        // As text, although an end need not be valid UTF-8: SQLite compares a text with a text byte by byte.
        let text = |bytes| ToSqlOutput::Borrowed(ValueRef::Text(bytes));
        database
            .as_runtime(|connection| {
                let mut statement = connection.prepare_cached(sql)?;
                statement.raw_bind_parameter(1, text(&bounds.start))?;
                statement.raw_bind_parameter(2, ToSqlOutput::Owned(SqlValue::Integer(limit)))?;
                if let Some(end) = &bounds.end {
                    statement.raw_bind_parameter(3, text(end))?;
                }
                let mut rows = statement.raw_query();
                let mut entries = Vec::new();
                while let Some(row) = rows.next()? {
                    entries.push((row.get(0)?, row.get(1)?));
                }
                Ok(entries)
            })
            .map_err(|error: rusqlite::Error| self.statement_failed(&error, 0))
    }

    /// The connection, if the table is there.
    fn for_reading(&self) -> Result<Option<Rc<Database>>> {
        let database = self.database()?;
        let is_there = self.tables.kv.is_there(self, &database)?;
        Ok(is_there.then_some(database))
    }

    /// The connection in an open batch, with the table in it.
    fn for_writing(&self, confirm: Confirm) -> Result<Rc<Database>> {
        let database = self.begin_write(confirm)?;
        self.tables.kv.make(self, &database)?;
        Ok(database)
    }
}

/// A stored value that cannot be read back: the file was written by something else, or is damaged.
pub(super) fn undecodable(key: &str, reason: &dyn std::fmt::Display) -> Error {
    Error::from(format!(
        "the stored value of key {key:?} cannot be read: {reason}"
    ))
}
