//! SQLite's errors in the original's words: `<message>[ at offset N]: <CODE>[ (extended: <XCODE>)]` (EX-9).

use std::fmt::Write as _;

use rusqlite::ffi;

use crate::storage::sqlite::is_known_function;

/// A failure of SQLite, as the object's code reads it.
#[derive(Debug)]
pub(crate) struct SqliteFailure {
    /// The text of EX-9.
    pub(crate) text: String,
    /// The primary result code; `SQLITE_ERROR` if the failure did not come from SQLite.
    pub(crate) code: i32,
    extended: i32,
}

impl SqliteFailure {
    /// `skipped` bytes of the statement's text stood before what SQLite saw; offsets count from the text.
    pub(crate) fn new(error: &rusqlite::Error, skipped: usize) -> Self {
        let (inner, message, offset) = match error {
            rusqlite::Error::SqliteFailure(inner, message) => (*inner, message.as_deref(), None),
            rusqlite::Error::SqlInputError {
                error, msg, offset, ..
            } => (*error, Some(msg.as_str()), usize::try_from(*offset).ok()),
            other => {
                return Self {
                    text: other.to_string(),
                    code: ffi::SQLITE_ERROR,
                    extended: ffi::SQLITE_ERROR,
                };
            }
        };
        let extended = inner.extended_code;
        let primary = extended & 0xff;
        let mut text = in_the_originals_words(message.unwrap_or("unknown error"));
        if let Some(offset) = offset {
            let _ = write!(text, " at offset {}", offset + skipped); // writing to a string cannot fail
        }
        let _ = write!(text, ": {}", primary_name(primary));
        if extended != primary
            && let Some(name) = extended_name(extended)
        {
            let _ = write!(text, " (extended: {name})");
        }
        Self {
            text,
            code: primary,
            extended,
        }
    }

    /// The file is damaged. An index of full-text search may be so by the object's own doing, and that is no more than an error.
    pub(crate) fn is_damage(&self) -> bool {
        [ffi::SQLITE_CORRUPT, ffi::SQLITE_NOTADB].contains(&self.code)
            && self.extended != ffi::SQLITE_CORRUPT_VTAB
    }

    /// After one of these SQLite may have rolled back the transaction by itself (SQLTX-11).
    pub(crate) fn is_critical(&self) -> bool {
        [
            ffi::SQLITE_FULL,
            ffi::SQLITE_IOERR,
            ffi::SQLITE_NOMEM,
            ffi::SQLITE_INTERRUPT,
        ]
        .contains(&self.code)
    }
}

/// SQLite's message as the original's SQLite puts it, which is an older one. It also knows fewer functions: of one that the authorizer
/// refuses it may never have heard.
fn in_the_originals_words(message: &str) -> String {
    if message == "triggers nested too deep" {
        return "too many levels of trigger recursion".to_owned();
    }
    let function = message
        .strip_prefix("not authorized to use function: ")
        .or_else(|| {
            let function = message.strip_prefix("wrong number of arguments to function ")?;
            function.strip_suffix("()")
        });
    match function {
        Some(function) if !is_known_function(function) => format!("no such function: {function}"),
        _ => message.to_owned(),
    }
}

fn primary_name(code: i32) -> &'static str {
    match code {
        ffi::SQLITE_INTERNAL => "SQLITE_INTERNAL",
        ffi::SQLITE_PERM => "SQLITE_PERM",
        ffi::SQLITE_ABORT => "SQLITE_ABORT",
        ffi::SQLITE_BUSY => "SQLITE_BUSY",
        ffi::SQLITE_LOCKED => "SQLITE_LOCKED",
        ffi::SQLITE_NOMEM => "SQLITE_NOMEM",
        ffi::SQLITE_READONLY => "SQLITE_READONLY",
        ffi::SQLITE_INTERRUPT => "SQLITE_INTERRUPT",
        ffi::SQLITE_IOERR => "SQLITE_IOERR",
        ffi::SQLITE_CORRUPT => "SQLITE_CORRUPT",
        ffi::SQLITE_NOTFOUND => "SQLITE_NOTFOUND",
        ffi::SQLITE_FULL => "SQLITE_FULL",
        ffi::SQLITE_CANTOPEN => "SQLITE_CANTOPEN",
        ffi::SQLITE_PROTOCOL => "SQLITE_PROTOCOL",
        ffi::SQLITE_SCHEMA => "SQLITE_SCHEMA",
        ffi::SQLITE_TOOBIG => "SQLITE_TOOBIG",
        ffi::SQLITE_CONSTRAINT => "SQLITE_CONSTRAINT",
        ffi::SQLITE_MISMATCH => "SQLITE_MISMATCH",
        ffi::SQLITE_MISUSE => "SQLITE_MISUSE",
        ffi::SQLITE_AUTH => "SQLITE_AUTH",
        ffi::SQLITE_RANGE => "SQLITE_RANGE",
        ffi::SQLITE_NOTADB => "SQLITE_NOTADB",
        _ => "SQLITE_ERROR",
    }
}

fn extended_name(code: i32) -> Option<&'static str> {
    Some(match code {
        ffi::SQLITE_ABORT_ROLLBACK => "SQLITE_ABORT_ROLLBACK",
        ffi::SQLITE_CONSTRAINT_CHECK => "SQLITE_CONSTRAINT_CHECK",
        ffi::SQLITE_CONSTRAINT_COMMITHOOK => "SQLITE_CONSTRAINT_COMMITHOOK",
        ffi::SQLITE_CONSTRAINT_DATATYPE => "SQLITE_CONSTRAINT_DATATYPE",
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => "SQLITE_CONSTRAINT_FOREIGNKEY",
        ffi::SQLITE_CONSTRAINT_FUNCTION => "SQLITE_CONSTRAINT_FUNCTION",
        ffi::SQLITE_CONSTRAINT_NOTNULL => "SQLITE_CONSTRAINT_NOTNULL",
        ffi::SQLITE_CONSTRAINT_PINNED => "SQLITE_CONSTRAINT_PINNED",
        ffi::SQLITE_CONSTRAINT_PRIMARYKEY => "SQLITE_CONSTRAINT_PRIMARYKEY",
        ffi::SQLITE_CONSTRAINT_ROWID => "SQLITE_CONSTRAINT_ROWID",
        ffi::SQLITE_CONSTRAINT_TRIGGER => "SQLITE_CONSTRAINT_TRIGGER",
        ffi::SQLITE_CONSTRAINT_UNIQUE => "SQLITE_CONSTRAINT_UNIQUE",
        ffi::SQLITE_CONSTRAINT_VTAB => "SQLITE_CONSTRAINT_VTAB",
        ffi::SQLITE_CORRUPT_INDEX => "SQLITE_CORRUPT_INDEX",
        ffi::SQLITE_CORRUPT_SEQUENCE => "SQLITE_CORRUPT_SEQUENCE",
        ffi::SQLITE_CORRUPT_VTAB => "SQLITE_CORRUPT_VTAB",
        ffi::SQLITE_ERROR_MISSING_COLLSEQ => "SQLITE_ERROR_MISSING_COLLSEQ",
        ffi::SQLITE_ERROR_RETRY => "SQLITE_ERROR_RETRY",
        ffi::SQLITE_ERROR_SNAPSHOT => "SQLITE_ERROR_SNAPSHOT",
        ffi::SQLITE_IOERR_CLOSE => "SQLITE_IOERR_CLOSE",
        ffi::SQLITE_IOERR_CORRUPTFS => "SQLITE_IOERR_CORRUPTFS",
        ffi::SQLITE_IOERR_DATA => "SQLITE_IOERR_DATA",
        ffi::SQLITE_IOERR_DELETE => "SQLITE_IOERR_DELETE",
        ffi::SQLITE_IOERR_FSTAT => "SQLITE_IOERR_FSTAT",
        ffi::SQLITE_IOERR_FSYNC => "SQLITE_IOERR_FSYNC",
        ffi::SQLITE_IOERR_NOMEM => "SQLITE_IOERR_NOMEM",
        ffi::SQLITE_IOERR_READ => "SQLITE_IOERR_READ",
        ffi::SQLITE_IOERR_SHORT_READ => "SQLITE_IOERR_SHORT_READ",
        ffi::SQLITE_IOERR_TRUNCATE => "SQLITE_IOERR_TRUNCATE",
        ffi::SQLITE_IOERR_WRITE => "SQLITE_IOERR_WRITE",
        ffi::SQLITE_LOCKED_SHAREDCACHE => "SQLITE_LOCKED_SHAREDCACHE",
        ffi::SQLITE_LOCKED_VTAB => "SQLITE_LOCKED_VTAB",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extended_code_is_named_where_it_says_more() {
        let error = rusqlite::Error::SqliteFailure(
            ffi::Error::new(ffi::SQLITE_CONSTRAINT_PRIMARYKEY),
            Some("UNIQUE constraint failed: t.id".into()),
        );
        let failure = SqliteFailure::new(&error, 0);
        assert_eq!(
            failure.text,
            "UNIQUE constraint failed: t.id: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_PRIMARYKEY)"
        );
        assert!(!failure.is_critical());
        let full = SqliteFailure::new(
            &rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), None),
            0,
        );
        assert!(full.is_critical());
    }
}
