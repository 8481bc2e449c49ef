//! SQL on the object's own database: `exec`, and the cursor that it returns.
//!
//! Statements run at once, in the call. What they write belongs to the batch of the turn, like every other write, and is always
//! confirmed (SQLTX-7).

mod cursor;
mod error;
mod renamed;
mod row;
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

/// What may stand after the last semicolon.
const WHITE_SPACE: [char; 6] = [' ', '\t', '\n', '\r', '\x0b', '\x0c'];

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
            let statement = self.compile(&database, rest)?;
            rest = rest[statement.about().text().len()..].trim_start_matches(WHITE_SPACE);
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

    /// The size of the object's database in bytes, without the pages that are free: the runtime's own tables count, and so do pages that
    /// the open batch has written. Zero if the storage is broken or shut down, where the original throws.
    pub fn database_size(&self) -> usize {
        let database = self.storage.database().ok();
        let size = database.and_then(|database| database.size().ok());
        size.and_then(|size| usize::try_from(size).ok())
            .unwrap_or(0)
    }

    /// The first statement of `text`.
    fn compile(&self, database: &Rc<Database>, text: &str) -> Result<Statement> {
        let compiled = Statement::compile(database, text).map_err(|error| match error {
            PrepareError::Refused(text) => Error::from(text),
            PrepareError::Sqlite(error) => self.storage.statement_failed(&error, 0),
        })?;
        let statement =
            compiled.ok_or_else(|| Error::from("SQL code did not contain a statement."))?;
        // SQLite does not ask about the new name while it compiles.
        let about = statement.about();
        if about.alters_table() && renamed::to(about.text()).is_some_and(Database::is_reserved) {
            return Err(Error::from("not authorized: SQLITE_AUTH"));
        }
        Ok(statement)
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
