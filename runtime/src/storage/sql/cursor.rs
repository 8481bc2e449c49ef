//! The rows of a query, fetched as they are asked for.
//!
//! A cursor is always one row ahead: when it gives row *n* it has already fetched *n + 1* (CUR-1). So with the last row the statement is
//! over, and a query of one row holds nothing open. An error while fetching *n + 1* takes the place of row *n* (CUR-2).

use std::{cell::RefCell, fmt, marker::PhantomData, rc::Rc};

use serde::de::DeserializeOwned;

use super::{
    SqlStorageValue,
    row::from_row,
    statement::{Running, Statement},
};
use crate::{
    Error, Result,
    storage::{object::ObjectStorage, sqlite::Counts},
};

/// The result of [`SqlStorage::exec`](crate::SqlStorage::exec). Clones share one position.
///
/// Fetches rows lazily. It may outlive the turn that made it, and other statements may run meanwhile; whether later rows
/// show their writes is not specified (CUR-5). Better read it at once. A cursor of a *writing* statement (`... RETURNING`) that
/// is still open at the end of the turn makes the commit impossible and resets the object (SQLTX-15). Where storage is
/// [strict](crate::NodeBuilder::strict_storage), every cursor ends with its turn.
///
/// # Example
/// ```
/// # fn example(sql: dormouse::SqlStorage) -> dormouse::Result<()> {
/// #[derive(serde::Deserialize)]
/// struct Person {
///     name: String,
///     age: u32,
/// }
/// let people: Vec<Person> = sql.exec("SELECT name, age FROM people ORDER BY age", None)?.to_array()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SqlCursor {
    storage: Rc<ObjectStorage>,
    state: Rc<RefCell<CursorState>>,
}

/// Where a cursor stands.
pub(crate) struct CursorState {
    /// The statement, until the storage is shut down.
    running: Option<Running>,
    /// The row that was fetched and not yet given.
    ahead: Option<Vec<SqlStorageValue>>,
    columns: Rc<[String]>,
    /// The storage was shut down under the cursor.
    dead: Option<Error>,
    /// In which turn it was made.
    turn: u64,
}

/// What a cursor says where turns are minded.
const OF_ANOTHER_TURN: &str = "strict storage: this SQL cursor was made in a turn that has ended, and what it shows now is not specified. \
    Read its rows before awaiting anything but storage calls that do not wait.";

impl CursorState {
    /// Ends the statement: the connection is about to be closed.
    pub(crate) fn kill(&mut self, reason: Error) {
        self.running = None;
        self.ahead = None;
        self.dead = Some(reason);
    }

    fn fetch(&mut self) -> rusqlite::Result<()> {
        if let Some(running) = &mut self.running {
            self.ahead = running.step()?;
        }
        Ok(())
    }

    fn counts(&self) -> Counts {
        self.running
            .as_ref()
            .map(Running::counts)
            .unwrap_or_default()
    }
}

impl SqlCursor {
    /// Runs `statement` to its first row, or to its end.
    pub(super) fn start(storage: &Rc<ObjectStorage>, statement: Statement) -> Result<Self> {
        let mut running = statement.begin();
        let ahead = running
            .step()
            .map_err(|error| storage.statement_failed(&error, 0))?;
        let state = CursorState {
            columns: running.column_names().into(),
            running: Some(running),
            ahead,
            dead: None,
            turn: storage.turns.get(),
        };
        let cursor = Self {
            storage: Rc::clone(storage),
            state: Rc::new(RefCell::new(state)),
        };
        storage.register_cursor(&cursor.state);
        Ok(cursor)
    }

    fn next_row(&self) -> Result<Option<Vec<SqlStorageValue>>> {
        let fetched = {
            let mut state = self.state.borrow_mut();
            if let Some(error) = &state.dead {
                return Err(error.clone());
            }
            if self.storage.strict && state.turn != self.storage.turns.get() {
                return Err(Error::from(OF_ANOTHER_TURN));
            }
            let Some(row) = state.ahead.take() else {
                return Ok(None);
            };
            state.fetch().map(|()| row)
        };
        // Outside of the borrow: a critical error shuts the storage down, and that ends open cursors.
        fetched
            .map(Some)
            .map_err(|error| self.storage.statement_failed(&error, 0))
    }

    fn next_as<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        let Some(row) = self.next_row()? else {
            return Ok(None);
        };
        let columns = Rc::clone(&self.state.borrow().columns);
        from_row(&columns, row).map(Some)
    }

    /// The remaining rows.
    ///
    /// # Errors
    /// SQLite's, if fetching fails; with `invalid type` in its text if a row does not fit `T`.
    pub fn to_array<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        self.next().collect()
    }

    /// The one remaining row.
    ///
    /// # Errors
    /// `Expected exactly one result from SQL query, but got no results.` or `... but got multiple results.`, which also closes
    /// the cursor; and as in [`to_array`](Self::to_array).
    pub fn one<T: DeserializeOwned>(&self) -> Result<T> {
        let Some(row) = self.next_row()? else {
            return Err(Error::from(
                "Expected exactly one result from SQL query, but got no results.",
            ));
        };
        let columns = {
            let mut state = self.state.borrow_mut();
            if state.ahead.take().is_some() {
                if let Some(running) = &mut state.running {
                    running.end();
                }
                return Err(Error::from(
                    "Expected exactly one result from SQL query, but got multiple results.",
                ));
            }
            Rc::clone(&state.columns)
        };
        from_row(&columns, row)
    }

    /// The names of the columns, in their order; empty for a statement without a result. Stays readable at the end.
    pub fn column_names(&self) -> Vec<String> {
        self.state.borrow().columns.to_vec()
    }

    /// How many rows of tables and indexes the last statement of the text has come to so far, as the original counts them: more than it
    /// gave where there is no index to go by, one ahead of those given (CUR-1). Zero once the storage is shut down.
    ///
    /// Exact if SQLite was compiled with `SQLITE_ENABLE_STMT_SCANSTATUS` and `SQLITE_ENABLE_BYTECODE_VTAB` (in the variable
    /// `LIBSQLITE3_FLAGS` of the build's environment); else the rows fetched so far. Worked out when it is asked for, so best
    /// not in a loop.
    pub fn rows_read(&self) -> usize {
        to_usize(self.state.borrow().counts().read)
    }

    /// How many rows of tables and indexes the last statement of the text has inserted, changed or deleted so far (CUR-8).
    ///
    /// Exact in the same case as [`rows_read`](Self::rows_read); else without the rows of indexes. Zero once the storage is shut down.
    pub fn rows_written(&self) -> usize {
        to_usize(self.state.borrow().counts().written)
    }

    /// An iterator of the remaining rows as `T`, over the same position.
    pub fn next<T: DeserializeOwned>(&self) -> SqlCursorIterator<T> {
        SqlCursorIterator {
            cursor: self.clone(),
            row: PhantomData,
        }
    }

    /// An iterator of the remaining rows as lists of values, over the same position. Shows all of several columns with the same name.
    pub fn raw(&self) -> SqlCursorRawIterator {
        SqlCursorRawIterator {
            cursor: self.clone(),
        }
    }
}

impl fmt::Debug for SqlCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlCursor")
            .field("column_names", &self.column_names())
            .finish_non_exhaustive()
    }
}

fn to_usize(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// The rows of a cursor as the author's own type. After an error it ends.
#[derive(Clone, Debug)]
pub struct SqlCursorIterator<T> {
    cursor: SqlCursor,
    row: PhantomData<T>,
}

impl<T: DeserializeOwned> Iterator for SqlCursorIterator<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        self.cursor.next_as().transpose()
    }
}

/// The rows of a cursor as lists of values. After an error it ends.
#[derive(Clone, Debug)]
pub struct SqlCursorRawIterator {
    cursor: SqlCursor,
}

impl Iterator for SqlCursorRawIterator {
    type Item = Result<Vec<SqlStorageValue>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.cursor.next_row().transpose()
    }
}
