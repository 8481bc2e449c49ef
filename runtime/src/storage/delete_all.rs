//! `delete_all`: back to an empty database, in one batch.
//!
//! Everything goes: keys, tables, views, indexes, triggers, and the runtime's own tables. It happens inside a transaction like any other
//! write, so a crash leaves all or nothing, and the writes that follow in the turn share its commit. The writes of the turn that
//! came *before* it are never made: nobody can have seen them (DEL-6).

use std::rc::Rc;

use rusqlite::{Connection, config::DbConfig};

use super::{batch::Confirm, metadata::Row, object::ObjectStorage, sqlite::own};
use crate::{Error, Result, instrument::point};

/// What is to be dropped: dropping a table drops its indexes and triggers, and a virtual table its shadow tables, which nobody else may
/// drop. So virtual tables go first.
const OBJECTS: &str = "SELECT type, name FROM sqlite_schema \
    WHERE type IN ('table', 'view') AND (name NOT GLOB 'sqlite_*' OR name GLOB 'sqlite_stat[0-9]') \
    ORDER BY sql NOT LIKE 'CREATE VIRTUAL TABLE%', type DESC, name";

/// SQLite never drops the table in which it counts for AUTOINCREMENT. Under another name it is one like any other.
const DROP_SEQUENCE: &str = "PRAGMA writable_schema = ON;
    UPDATE sqlite_schema SET name = '_cf_sequence', tbl_name = '_cf_sequence', sql = 'CREATE TABLE _cf_sequence (name, seq)' \
    WHERE name = 'sqlite_sequence';
    PRAGMA writable_schema = RESET;
    DROP TABLE _cf_sequence";

/// What an open cursor, or an open list, says afterwards: the original's text (DEL-7).
const CANCELED: &str = "SQLite query was canceled because the database was deleted.";

impl ObjectStorage {
    /// Deletes everything. It is confirmed, whatever its caller asks for (KV-21).
    ///
    /// # Errors
    /// Inside a transaction: nothing is deleted then (DEL-3). The database's own.
    pub(super) fn delete_all(self: &Rc<Self>) -> Result<()> {
        let database = self.database()?;
        if self.in_closure() || self.savepoints.get() > 0 {
            // The original's text. Inside `transactionSync` the original fails as well, but only after everything is gone (DEL-4).
            return Err(Error::from("Cannot call deleteAll() within a transaction"));
        }
        self.touch_alarm()?;
        let kept_alarm = if self.delete_all_deletes_alarm {
            self.running_alarm.decide(); // nothing is left to delete when its handler ends
            None
        } else {
            self.metadata(Row::Alarm)?
        };
        // It is no data of the object: to go back to before the deletion is what restores are for (PITR-3).
        let armed = self.metadata(Row::Restore)?;
        self.cancel_cursors(&Error::from(CANCELED));
        self.kv_lists.cancel(CANCELED);
        let failed = |error: rusqlite::Error| self.statement_failed(&error, 0);
        if self.batch.borrow().is_some() && !database.is_autocommit() {
            // The batch goes on, for those who wait for it; what was written in it is gone.
            database.run(own::ROLLBACK).map_err(failed)?;
            database.run(own::BEGIN).map_err(failed)?;
        }
        drop(database);
        let database = self.begin_write(Confirm::Required)?;
        point!("delete_all", object = &*self.object);
        let outcome = database.as_runtime(drop_everything);
        self.tables.forget();
        if let Err(error) = outcome {
            // Half of it must not be committed.
            let error = failed(error).with_reset();
            self.break_with(error.clone());
            return Err(error);
        }
        if kept_alarm.is_some() {
            self.set_metadata(Row::Alarm, kept_alarm, Confirm::Required)?; // in the same batch (DEL-8)
        }
        if armed.is_some() {
            self.set_metadata(Row::Restore, armed, Confirm::Required)?;
        }
        self.wrote();
        Ok(())
    }
}

fn drop_everything(connection: &Connection) -> rusqlite::Result<()> {
    connection.flush_prepared_statement_cache(); // none of them will ever fit again
    let foreign_keys = connection.db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?; // it would look for orphans
    let objects: Vec<(String, String)> = connection
        .prepare(OBJECTS)?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (kind, name) in objects {
        let name = name.replace('"', "\"\"");
        connection.execute_batch(&format!("DROP {kind} IF EXISTS \"{name}\""))?;
    }
    let counts = connection
        .prepare("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'")?
        .exists([])?;
    if counts {
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false)?;
        let outcome = connection.execute_batch(DROP_SEQUENCE);
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        outcome?;
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, foreign_keys)?;
    Ok(())
}
