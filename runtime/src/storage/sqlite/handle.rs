//! What SQLite tells about a connection's statements in C only: where one ends in a text of several, and what it has executed.
//!
//! A [`Handle`] is SQLite's pointer to a compiled statement, found beside the safe one. It is kept in one place together with that
//! ([`Compiled`](super::Compiled)), and so never outlives it.
#![expect(
    unsafe_code,
    reason = "rusqlite does not show statements as SQLite numbers them"
)]

use std::{
    ffi::{CStr, c_char},
    ptr,
};

use rusqlite::{Connection, ffi};

/// Takes away every virtual table module but those in `names`. SQLite's own, as `json_each`, come back when they are asked for.
pub(super) fn keep_modules(connection: &Connection, names: &[&CStr]) {
    let mut list: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    list.push(ptr::null());
    // SAFETY: the pointer is used while the connection is borrowed.
    let database = unsafe { connection.handle() };
    // SAFETY: the connection is open; the list holds C strings that outlive the call and ends with a null.
    unsafe { ffi::sqlite3_drop_modules(database, list.as_mut_ptr()) };
}

/// SQLite's own pointer to a statement.
pub(super) struct Handle(*mut ffi::sqlite3_stmt);

impl Handle {
    /// The statement of `connection` that was compiled last from the beginning of `text`, and how much of the text it took.
    pub(super) fn newest(connection: &Connection, text: &str) -> Option<(Self, usize)> {
        // SAFETY: the pointer is used while the connection is borrowed.
        let database = unsafe { connection.handle() };
        let mut at = ptr::null_mut();
        loop {
            // SAFETY: the connection is open, and `at` is null or one of its statements.
            at = unsafe { ffi::sqlite3_next_stmt(database, at) };
            if at.is_null() {
                return None;
            }
            // SAFETY: `at` is a statement of an open connection.
            let source = unsafe { ffi::sqlite3_sql(at) };
            if source.is_null() {
                continue;
            }
            // SAFETY: SQLite returns a C string that lives as long as the statement.
            let source = unsafe { CStr::from_ptr(source) }.to_bytes();
            if text.as_bytes().starts_with(source) {
                return Some((Self(at), source.len()));
            }
        }
    }
}

#[cfg(sqlite_counts)]
mod counts {
    use std::ffi::c_int;

    use rusqlite::{Connection, OpenFlags, ffi};

    use super::{
        super::{counts::Op, vfs},
        Handle,
    };

    /// Which of a statement's counters hold how often a loop came to another row: without a name of its own, in a scan of everything, and
    /// to fill an automatic index.
    const CAME_TO_ANOTHER_ROW: [c_int; 3] = [
        0,
        ffi::SQLITE_STMTSTATUS_FULLSCAN_STEP,
        ffi::SQLITE_STMTSTATUS_AUTOINDEX,
    ];

    impl Handle {
        /// Lets the counts begin anew, but for those of the triggers, which SQLite leaves.
        pub(in super::super) fn reset_counts(&self) {
            for counter in CAME_TO_ANOTHER_ROW {
                self.counter(counter, 1);
            }
            // SAFETY: the statement is alive, as this handle is.
            unsafe { ffi::sqlite3_stmt_scanstatus_reset(self.0) };
        }

        /// How often a loop came to another row.
        pub(in super::super) fn rows_stepped_to(&self) -> u64 {
            let counters = CAME_TO_ANOTHER_ROW.into_iter();
            counters.map(|counter| self.counter(counter, 0)).sum()
        }

        /// How often it was compiled anew because the schema had changed.
        pub(in super::super) fn compiled_again(&self) -> u64 {
            self.counter(ffi::SQLITE_STMTSTATUS_REPREPARE, 0)
        }

        fn counter(&self, counter: c_int, reset: c_int) -> u64 {
            // SAFETY: the statement is alive, as this handle is, and the number is one of its counters.
            let count = unsafe { ffi::sqlite3_stmt_status(self.0, counter, reset) };
            u64::from(count.cast_unsigned())
        }
    }

    /// Reads statements' programs, on a connection of its own: the table that shows them is not for the object's code.
    pub(in super::super) struct ProgramReader(Connection);

    impl ProgramReader {
        const PROGRAM: &str =
            "SELECT addr, opcode, p1, p2, p3, p5, nexec, subprog IS NOT NULL FROM bytecode(?1)";

        pub(in super::super) fn new() -> rusqlite::Result<Self> {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            Connection::open_in_memory_with_flags_and_vfs(flags, vfs::NAME).map(Self)
        }

        pub(in super::super) fn read(&self, statement: &Handle) -> rusqlite::Result<Vec<Op>> {
            let mut reading = self.0.prepare_cached(Self::PROGRAM)?;
            let (own, _) = Handle::newest(&self.0, Self::PROGRAM).expect("it was just compiled");
            // SAFETY: both statements are alive; the type's name is a static string, and SQLite frees nothing without a destructor.
            unsafe {
                ffi::sqlite3_bind_pointer(
                    own.0,
                    1,
                    statement.0.cast(),
                    c"stmt-pointer".as_ptr(),
                    None,
                )
            };
            let mut rows = reading.raw_query();
            let mut program = Vec::new();
            while let Some(row) = rows.next()? {
                program.push(Op {
                    address: row.get(0)?,
                    code: row.get(1)?,
                    p1: row.get(2)?,
                    p2: row.get(3)?,
                    p3: row.get(4)?,
                    p5: row.get(5)?,
                    executed: row.get(6)?,
                    is_of_trigger: row.get(7)?,
                });
            }
            Ok(program)
        }
    }
}

#[cfg(sqlite_counts)]
pub(super) use counts::ProgramReader;
