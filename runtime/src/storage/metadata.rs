//! What the runtime remembers about an object beside its data: one row for each thing, in a table of its own.

use std::rc::Rc;

use rusqlite::OptionalExtension as _;

use super::{batch::Confirm, object::ObjectStorage, sqlite::own};
use crate::Result;

/// The rows of the table. Their numbers are those of the original (section 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// When the alarm is due, in nanoseconds since the epoch; NULL for none.
    Alarm = 1,
    /// How often a bookmark was asked for.
    Bookmarks = 2,
    /// The state to go back to when the storage is opened next, as a position of the history.
    Restore = 3,
}

impl ObjectStorage {
    /// The value of a row; `None` also for NULL and before the table was made.
    pub(super) fn metadata(&self, row: Row) -> Result<Option<i64>> {
        let database = self.database()?;
        if !self.tables.metadata.is_there(self, &database)? {
            return Ok(None);
        }
        database
            .as_runtime(|connection| {
                connection
                    .prepare_cached(own::GET_METADATA)?
                    .query_row([row as i64], |row| row.get::<_, Option<i64>>(0))
                    .optional()
            })
            .map(Option::flatten)
            .map_err(|error| self.statement_failed(&error, 0))
    }

    /// Writes a row, in the turn's batch.
    pub(super) fn set_metadata(
        self: &Rc<Self>,
        row: Row,
        value: Option<i64>,
        confirm: Confirm,
    ) -> Result<()> {
        let database = self.begin_write(confirm)?;
        self.tables.metadata.make(self, &database)?;
        database
            .as_runtime(|connection| {
                connection
                    .prepare_cached(own::PUT_METADATA)?
                    .execute((row as i64, value))
            })
            .map_err(|error| self.statement_failed(&error, 0))?;
        self.wrote();
        Ok(())
    }
}
