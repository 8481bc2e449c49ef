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
use crate::{Error, Result, storage::object::ObjectStorage};

/// The result of [`SqlStorage::exec`](crate::SqlStorage::exec). Clones share one position.
///
/// Fetches rows lazily. It may outlive the turn that made it, and other statements may run meanwhile; whether later rows
/// show their writes is not specified (CUR-5). Better read it at once. A cursor of a *writing* statement (`... RETURNING`) that
/// is still open at the end of the turn makes the commit impossible and resets the object (SQLTX-15).
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
    /// The statement, until it is over.
    running: Option<Running>,
    /// The row that was fetched and not yet given.
    ahead: Option<Vec<SqlStorageValue>>,
    columns: Rc<[String]>,
    rows_read: usize,
    rows_written: u64,
    /// The storage was shut down under the cursor.
    dead: Option<Error>,
}

impl CursorState {
    /// Ends the statement: the connection is about to be closed.
    pub(crate) fn kill(&mut self, reason: Error) {
        self.running = None;
        self.ahead = None;
        self.dead = Some(reason);
    }

    fn fetch(&mut self) -> rusqlite::Result<()> {
        let Some(running) = &mut self.running else {
            return Ok(());
        };
        let outcome = running.step();
        self.rows_written = running.rows_written();
        match outcome {
            Ok(Some(row)) => {
                self.rows_read += 1;
                self.ahead = Some(row);
            }
            Ok(None) => {
                if let Some(running) = self.running.take()
                    && self.rows_read == 0
                {
                    self.columns = running.into_column_names().into();
                }
            }
            Err(error) => {
                self.running = None;
                return Err(error);
            }
        }
        Ok(())
    }
}

impl SqlCursor {
    /// Runs `statement` to its first row, or to its end.
    pub(super) fn start(storage: &Rc<ObjectStorage>, statement: Statement) -> Result<Self> {
        let mut state = CursorState {
            running: Some(statement.begin()),
            ahead: None,
            columns: Rc::from([]),
            rows_read: 0,
            rows_written: 0,
            dead: None,
        };
        let fetched = state.fetch();
        if let (Some(running), Some(_)) = (&state.running, &state.ahead) {
            state.columns = running.column_names().into();
        }
        fetched.map_err(|error| storage.statement_failed(&error, 0))?;
        let has_more = state.running.is_some();
        let cursor = Self {
            storage: Rc::clone(storage),
            state: Rc::new(RefCell::new(state)),
        };
        if has_more {
            storage.register_cursor(&cursor.state);
        }
        Ok(cursor)
    }

    fn next_row(&self) -> Result<Option<Vec<SqlStorageValue>>> {
        let fetched = {
            let mut state = self.state.borrow_mut();
            if let Some(error) = &state.dead {
                return Err(error.clone());
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
                state.running = None;
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

    /// How many rows were fetched so far: one more than were given, until the end.
    ///
    /// The original counts the rows that SQLite visited, which is more where a query has no index to go by.
    pub fn rows_read(&self) -> usize {
        self.state.borrow().rows_read
    }

    /// How many rows the statement inserted, changed or deleted so far.
    ///
    /// The original also counts the rows of indexes.
    pub fn rows_written(&self) -> usize {
        usize::try_from(self.state.borrow().rows_written).unwrap_or(usize::MAX)
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
            .field("rows_read", &self.rows_read())
            .finish_non_exhaustive()
    }
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
