//! Compiled statements of the object's code, and where they rest between two executions.
//!
//! A statement owns its connection, so that a cursor can outlive the call that made it. The runtime's own statements rest elsewhere: they
//! are compiled without asking the authorizer, and the same text from the object's code must not find them.

use std::{cell::Cell, collections::BTreeMap, rc::Rc};

use rusqlite::{Batch, Connection, Rows, Statement, fallible_iterator::FallibleIterator as _};
use self_cell::self_cell;

use super::{counts::Before, handle::Handle};

/// How many bytes of text the resting statements may have (EX-8) ...
const TEXT_BYTES_MAX: usize = 1 << 20;
/// ... and how many there may be: each holds some kilobytes of SQLite's.
const STATEMENTS_MAX: usize = 64;

self_cell!(
    struct Cells {
        owner: Rc<Connection>,
        #[not_covariant]
        dependent: Statement,
    }
);

/// A compiled statement.
pub(crate) struct Compiled {
    cells: Cells,
    about: Rc<About>,
}

/// What is known of a compiled statement beside SQLite's own. Kept no longer than the statement.
pub(crate) struct About {
    pub(super) handle: Handle,
    /// What was handed in: the statement's own text and what stood after it.
    text: Rc<str>,
    /// How much of it is the statement's.
    len: usize,
    /// It may change the name of a table.
    alters_table: bool,
    pub(super) before: Before,
}

impl Compiled {
    /// Compiles the first statement of `text`; `None` if there is none.
    pub(super) fn new(
        connection: &Rc<Connection>,
        text: &str,
        alters_table: &Cell<bool>,
    ) -> rusqlite::Result<Option<Self>> {
        alters_table.set(false);
        let cells = Cells::try_new(Rc::clone(connection), |connection| {
            let mut statements = Batch::new(connection, text);
            statements.next()?.ok_or(rusqlite::Error::Empty)
        });
        let cells = match cells {
            Ok(cells) => cells,
            Err(rusqlite::Error::Empty) => return Ok(None),
            Err(error) => return Err(error),
        };
        let (handle, len) =
            Handle::newest(connection, text).expect("a statement was just compiled from this");
        let about = Rc::new(About {
            handle,
            text: text.into(),
            len,
            alters_table: alters_table.get(),
            before: Before::default(),
        });
        Ok(Some(Self { cells, about }))
    }

    pub(crate) fn about(&self) -> &Rc<About> {
        &self.about
    }

    pub(crate) fn with<T>(&self, f: impl FnOnce(&Statement<'_>) -> T) -> T {
        self.cells.with_dependent(|_, statement| f(statement))
    }

    pub(crate) fn parameter_count(&self) -> usize {
        self.cells
            .with_dependent(|_, statement| statement.parameter_count())
    }

    pub(crate) fn is_readonly(&self) -> bool {
        self.cells
            .with_dependent(|_, statement| statement.readonly())
    }

    /// Begins it.
    pub(crate) fn query(&mut self) -> Rows<'_> {
        self.cells
            .with_dependent_mut(|_, statement| statement.raw_query())
    }

    pub(crate) fn with_mut<T>(&mut self, f: impl FnOnce(&mut Statement<'_>) -> T) -> T {
        self.cells.with_dependent_mut(|_, statement| f(statement))
    }
}

impl About {
    /// The statement's own text.
    pub(crate) fn text(&self) -> &str {
        &self.text[..self.len]
    }

    /// Whether it may change the name of a table.
    pub(crate) fn alters_table(&self) -> bool {
        self.alters_table
    }
}

/// Statements at rest; the ones used longest ago go first.
#[derive(Default)]
pub(super) struct Resting {
    by_text: BTreeMap<Rc<str>, (u64, Compiled)>,
    by_age: BTreeMap<u64, Rc<str>>,
    text_bytes: usize,
    age: u64,
}

impl Resting {
    /// The statement of a text, if it rests here.
    pub(super) fn take(&mut self, text: &str) -> Option<Compiled> {
        let (age, statement) = self.by_text.remove(text)?;
        self.by_age.remove(&age);
        self.text_bytes -= text.len();
        Some(statement)
    }

    pub(super) fn put(&mut self, mut statement: Compiled) {
        let text = Rc::clone(&statement.about.text);
        if self.by_text.contains_key(&text) {
            return; // a copy, made while this one was in use
        }
        statement
            .cells
            .with_dependent_mut(|_, statement| statement.clear_bindings());
        self.age += 1;
        self.text_bytes += text.len();
        self.by_age.insert(self.age, Rc::clone(&text));
        self.by_text.insert(text, (self.age, statement));
        while self.text_bytes > TEXT_BYTES_MAX || self.by_text.len() > STATEMENTS_MAX {
            let (_, oldest) = self.by_age.first_key_value().expect("one is left");
            let oldest = Rc::clone(oldest);
            drop(self.take(&oldest));
        }
    }
}
