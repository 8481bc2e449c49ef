//! Reads SQLite's counters for [`counts`](super::counts): from zero for each execution, and at all only if SQLite has them.

use super::{
    counts::Counts,
    statement::{About, Compiled},
};

#[cfg(sqlite_counts)]
pub(super) use exact::Programs;

#[cfg(sqlite_counts)]
mod exact {
    use std::cell::OnceCell;

    use super::{About, Compiled, Counts};
    use crate::storage::sqlite::{
        counts::{self, Execution, Op},
        handle::ProgramReader,
    };

    /// The programs of one connection's statements.
    #[derive(Default)]
    pub(in super::super) struct Programs(OnceCell<ProgramReader>);

    impl Programs {
        /// An execution begins. What its triggers have executed before, SQLite cannot reset; so it is noted, where there are any.
        pub(in super::super) fn begin(&self, statement: &Compiled) {
            let About { handle, before, .. } = &**statement.about();
            let compiled_again = handle.compiled_again();
            if before.is_used.replace(true)
                && !statement.is_readonly()
                && !before.is_known(compiled_again)
                && let Some(program) = self.read(statement.about())
            {
                before.note(&program, compiled_again);
            }
            handle.reset_counts();
        }

        /// What the execution has read and written so far.
        pub(in super::super) fn counts(
            &self,
            about: &About,
            changed: u64,
            rows_below: &dyn Fn(i64) -> u64,
        ) -> Option<Counts> {
            let mut program = self.read(about)?;
            let before = &about.before;
            before.take_from(&mut program, about.handle.compiled_again());
            let execution = Execution {
                stepped_to: about.handle.rows_stepped_to(),
                changed,
                rows_below,
            };
            Some(counts::of(&program, &execution))
        }

        fn read(&self, about: &About) -> Option<Vec<Op>> {
            if self.0.get().is_none() {
                let _ = self.0.set(ProgramReader::new().ok()?); // it was not set
            }
            self.0.get()?.read(&about.handle).ok()
        }
    }
}

/// There is nothing to read.
#[cfg(not(sqlite_counts))]
#[derive(Default)]
pub(super) struct Programs {}

#[cfg(not(sqlite_counts))]
#[expect(clippy::unused_self, reason = "as where there is something to read")]
impl Programs {
    pub(super) fn begin(&self, statement: &Compiled) {
        statement.about().before.is_used.set(true);
    }

    pub(super) fn counts(&self, _: &About, _: u64, _: &dyn Fn(i64) -> u64) -> Option<Counts> {
        None
    }
}
