//! A statement under way, together with the connection that it lives in.
//!
//! A cursor outlives the call that made it, so it must own what SQLite's row iterator borrows: the compiled statement, and
//! through it the connection. A statement that is over stays with its cursor, for its counts; then it goes to rest.

use std::{mem, rc::Rc};

use rusqlite::Rows;
use self_cell::{MutBorrow, self_cell};

use super::SqlStorageValue;
use crate::storage::sqlite::{About, Compiled, Counts, Database, PrepareError};

type Stepping<'a> = Rows<'a>;

self_cell!(
    struct SteppingCell {
        owner: MutBorrow<Compiled>,
        #[not_covariant]
        dependent: Stepping,
    }
);

/// A statement that was compiled and has not begun.
pub(super) struct Statement {
    database: Rc<Database>,
    compiled: Compiled,
}

impl Statement {
    /// The first statement of `text`; `None` if there is none.
    pub(super) fn compile(
        database: &Rc<Database>,
        text: &str,
    ) -> Result<Option<Self>, PrepareError> {
        let compiled = database.prepare(text)?;
        Ok(compiled.map(|compiled| Self {
            database: Rc::clone(database),
            compiled,
        }))
    }

    pub(super) fn about(&self) -> &About {
        self.compiled.about()
    }

    pub(super) fn parameter_count(&self) -> usize {
        self.compiled.parameter_count()
    }

    pub(super) fn is_readonly(&self) -> bool {
        self.compiled.is_readonly()
    }

    pub(super) fn bind(&mut self, bindings: &[SqlStorageValue]) -> rusqlite::Result<()> {
        self.compiled.with_mut(|statement| {
            bindings
                .iter()
                .zip(1..)
                .try_for_each(|(value, at): (_, usize)| statement.raw_bind_parameter(at, value))
        })
    }

    /// Begins it; the first row is fetched by [`Running::step`].
    pub(super) fn begin(self) -> Running {
        self.database.begin_counting(&self.compiled);
        let about = Rc::clone(self.compiled.about());
        let cell = SteppingCell::new(MutBorrow::new(self.compiled), |compiled| {
            compiled.borrow_mut().query()
        });
        Running {
            database: self.database,
            state: State::Stepping(cell),
            about,
            fetched: 0,
            changed: 0,
        }
    }
}

/// A statement under way, or over.
pub(super) struct Running {
    database: Rc<Database>,
    state: State,
    about: Rc<About>,
    /// Rows fetched so far.
    fetched: u64,
    /// Rows inserted, changed or deleted so far.
    changed: u64,
}

enum State {
    Stepping(SteppingCell),
    Over(Compiled),
    /// It went to rest.
    Gone,
}

impl Running {
    /// Fetches the next row. After `None` or an error it is over.
    pub(super) fn step(&mut self) -> rusqlite::Result<Option<Vec<SqlStorageValue>>> {
        let State::Stepping(cell) = &mut self.state else {
            return Ok(None);
        };
        let before = self.database.total_changes();
        let outcome = self.database.as_object(|| {
            cell.with_dependent_mut(|_, rows| {
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
        self.changed += self.database.total_changes() - before;
        if matches!(outcome, Ok(Some(_))) {
            self.fetched += 1;
        } else {
            self.end();
        }
        outcome
    }

    /// Ends it where it is.
    pub(super) fn end(&mut self) {
        self.state = match mem::replace(&mut self.state, State::Gone) {
            State::Stepping(cell) => State::Over(cell.into_owner().into_inner()),
            other => other,
        };
    }

    /// The columns' names, as the statement was last compiled.
    pub(super) fn column_names(&self) -> Vec<String> {
        match &self.state {
            State::Stepping(cell) => cell
                .with_dependent(|_, rows| rows.as_ref().map(names))
                .unwrap_or_default(),
            State::Over(compiled) => compiled.with(names),
            State::Gone => Vec::new(),
        }
    }

    /// The rows read and written so far. Where SQLite does not count, the rows fetched, and the rows changed.
    pub(super) fn counts(&self) -> Counts {
        let counts = self.database.counts(&self.about, self.changed);
        counts.unwrap_or(Counts {
            read: self.fetched,
            written: self.changed,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
        if let State::Over(compiled) = mem::replace(&mut self.state, State::Gone) {
            self.database.rest(compiled);
        }
    }
}

fn names(statement: &rusqlite::Statement<'_>) -> Vec<String> {
    statement.column_names().map(str::to_owned).collect()
}
