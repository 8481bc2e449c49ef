//! SQL on the object's own database: `exec`, and the cursor that it returns.
//!
//! Statements run at once, in the call. What they write belongs to the batch of the turn, like every other write, and is always
//! confirmed (SQLTX-7).

mod cursor;
mod error;
mod row;
mod script;
mod statement;
mod value;

use std::{fmt, rc::Rc};

pub(super) use cursor::CursorState;
pub use cursor::{SqlCursor, SqlCursorIterator, SqlCursorRawIterator};
pub(super) use error::SqliteFailure;
pub use value::SqlStorageValue;

use self::statement::Statement;
use super::{
    batch::Confirm,
    object::ObjectStorage,
    sqlite::{Database, PrepareError},
};
use crate::{Error, Result};

/// The SQL side of an object's storage. A cheap handle.
///
/// # Example
/// ```
/// # fn example(storage: dormouse::Storage) -> dormouse::Result<()> {
/// let sql = storage.sql();
/// sql.exec("CREATE TABLE IF NOT EXISTS people (name TEXT, age INTEGER)", None)?;
/// sql.exec("INSERT INTO people VALUES (?, ?)", vec!["Ada".into(), 36.into()])?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SqlStorage {
    pub(super) storage: Rc<ObjectStorage>,
}

impl SqlStorage {
    /// Runs one or more statements, separated by semicolons, one by one. Bindings and cursor belong to the last.
    ///
    /// A statement without a result is complete when this returns; a query has been advanced to its first row.
    ///
    /// # Errors
    /// A plain error with SQLite's message and code, or with the original's texts for a wrong number of bindings and for a text without
    /// a statement. What earlier statements of the text did stays (EX-5); the failed statement did nothing. After a full disk or a
    /// disk error the object is reset (SQLTX-11).
    pub fn exec(
        &self,
        query: &str,
        bindings: impl Into<Option<Vec<SqlStorageValue>>>,
    ) -> Result<SqlCursor> {
        self.storage.backend.check_sql()?;
        let bindings = bindings.into().unwrap_or_default();
        let mut rest = query;
        loop {
            let database = self.storage.database()?;
            let (text, tail) = script::split_first(rest);
            let statement = self.compile(&database, text)?;
            rest = tail.trim_start_matches([' ', '\n']);
            if rest.is_empty() {
                return self.run(statement, &bindings);
            }
            if statement.parameter_count() > 0 {
                return Err(Error::from(
                    "When executing multiple SQL statements in a single call, only the last statement can have parameters.",
                ));
            }
            // Stepped once, its rows are dropped (EX-4).
            drop(self.run(statement, &[])?);
        }
    }

    fn compile(&self, database: &Rc<Database>, text: &str) -> Result<Statement> {
        if script::renames_to(text).is_some_and(|name| Database::is_reserved(&name)) {
            return Err(Error::from("not authorized: SQLITE_AUTH"));
        }
        Statement::compile(database, text).map_err(|error| match error {
            PrepareError::Refused(text) => Error::from(text),
            PrepareError::Sqlite(rusqlite::Error::Empty) => {
                Error::from("SQL code did not contain a statement.")
            }
            PrepareError::Sqlite(error) => {
                let skipped = text.len() - text.trim_start().len(); // the cache of statements trims
                self.storage.statement_failed(&error, skipped)
            }
        })
    }

    fn run(&self, mut statement: Statement, bindings: &[SqlStorageValue]) -> Result<SqlCursor> {
        if statement.parameter_count() != bindings.len() {
            return Err(Error::from(
                "Wrong number of parameter bindings for SQL query.",
            ));
        }
        let writes = !statement.is_readonly();
        if writes {
            self.storage.begin_write(Confirm::Required)?;
        }
        statement
            .bind(bindings)
            .map_err(|error| self.storage.statement_failed(&error, 0))?;
        let cursor = SqlCursor::start(&self.storage, statement)?;
        if writes {
            self.storage.wrote();
        }
        Ok(cursor)
    }
}

impl fmt::Debug for SqlStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SqlStorage")
            .field(&self.storage.label())
            .finish()
    }
}
