//! A statement under way, together with the connection that it lives in.
//!
//! A cursor outlives the call that made it, so it must own what SQLite's row iterator borrows: the compiled statement, and
//! through it the connection. Dropping it ends the statement and gives it back to the connection's cache.

use std::{cell::Cell, rc::Rc};

use rusqlite::{CachedStatement, Rows};
use self_cell::{MutBorrow, self_cell};

use super::SqlStorageValue;
use crate::storage::sqlite::{Database, PrepareError};

type Compiled<'a> = CachedStatement<'a>;
type Stepping<'a> = Rows<'a>;

self_cell!(
    struct CompiledCell {
        owner: Rc<Database>,
        #[not_covariant]
        dependent: Compiled,
    }
);

self_cell!(
    struct SteppingCell {
        owner: MutBorrow<CompiledCell>,
        #[not_covariant]
        dependent: Stepping,
    }
);

/// A statement that was compiled and has not begun.
pub(super) struct Statement(CompiledCell);

impl Statement {
    pub(super) fn compile(database: &Rc<Database>, sql: &str) -> Result<Self, PrepareError> {
        CompiledCell::try_new(Rc::clone(database), |database| database.prepare(sql)).map(Self)
    }

    pub(super) fn parameter_count(&self) -> usize {
        self.0
            .with_dependent(|_, statement| statement.parameter_count())
    }

    pub(super) fn is_readonly(&self) -> bool {
        self.0.with_dependent(|_, statement| statement.readonly())
    }

    fn column_names(&self) -> Vec<String> {
        self.0.with_dependent(|_, statement| names(statement))
    }

    pub(super) fn bind(&mut self, bindings: &[SqlStorageValue]) -> rusqlite::Result<()> {
        self.0.with_dependent_mut(|_, statement| {
            bindings
                .iter()
                .zip(1..)
                .try_for_each(|(value, at): (_, usize)| statement.raw_bind_parameter(at, value))
        })
    }

    /// Begins it; the first row is fetched by [`Running::step`].
    pub(super) fn begin(self) -> Running {
        let database = Rc::clone(self.0.borrow_owner());
        let cell = SteppingCell::new(MutBorrow::new(self.0), |compiled| {
            compiled
                .borrow_mut()
                .with_dependent_mut(|_, statement| statement.raw_query())
        });
        Running {
            database,
            cell,
            rows_written: Cell::new(0),
        }
    }
}

/// A statement under way.
pub(super) struct Running {
    database: Rc<Database>,
    cell: SteppingCell,
    rows_written: Cell<u64>,
}

impl Running {
    /// Fetches the next row. After `None` or an error it is over.
    pub(super) fn step(&mut self) -> rusqlite::Result<Option<Vec<SqlStorageValue>>> {
        let database = Rc::clone(&self.database);
        let before = database.total_changes();
        let outcome = database.as_object(|| {
            self.cell.with_dependent_mut(|_, rows| {
                let Some(row) = rows.next()? else {
                    return Ok(None);
                };
                let columns = row.as_ref().column_count();
                (0..columns)
                    .map(|at| row.get_ref(at).map(SqlStorageValue::from_column))
                    .collect::<Result<_, _>>()
                    .map(Some)
            })
        });
        self.rows_written
            .set(self.rows_written.get() + database.total_changes() - before);
        outcome
    }

    /// The columns' names; while a row is at hand, as the statement was last compiled.
    pub(super) fn column_names(&self) -> Vec<String> {
        self.cell
            .with_dependent(|_, rows| rows.as_ref().map(names))
            .unwrap_or_default()
    }

    pub(super) fn rows_written(&self) -> u64 {
        self.rows_written.get()
    }

    /// Ends a statement that is over, for its columns' names.
    pub(super) fn into_column_names(self) -> Vec<String> {
        Statement(self.cell.into_owner().into_inner()).column_names()
    }
}

fn names(statement: &rusqlite::Statement<'_>) -> Vec<String> {
    statement.column_names().map(str::to_owned).collect()
}
