//! One SQLite connection to an object's files: opened, secured, and used either as ours or as the object's code.
//!
//! It is opened in every activation, so it asks SQLite for as little as it can: one pragma for exclusive locking, the rest by calls
//! that compile no SQL. Exclusive locking keeps the log's index in this process's heap, so there is no shared memory file.
//!
//! What SQLite would take from the operating system comes from the ports: `random()` and `randomblob()` are replaced, `'now'` is the
//! time of the turn. The salts in the log's header are the exception: they come from one generator for the whole process that SQLite
//! seeds by itself. They change bytes in the file and nothing that anybody can see.

use std::{ffi::c_int, rc::Rc};

use rusqlite::{
    CachedStatement, Connection, OpenFlags, Statement, config::DbConfig, functions::FunctionFlags,
    hooks::Wal,
};
use send_wrapper::SendWrapper;

use super::{
    ObjectFiles,
    authorizer::{Authorizer, USE_TRANSACTION, is_reserved},
    vfs::{self, Ports, Registration},
};
use crate::platform::{Entropy, WallTime};

/// How many compiled statements a connection keeps (EX-8).
const STATEMENTS_CACHED_MAX: usize = 64;

/// The largest blob that `randomblob` makes.
const RANDOM_BLOB_BYTES_MAX: i64 = 1 << 30;

/// The statements of the runtime, as far as their text is fixed. Compiled statements are cached by their text, and these were
/// compiled unasked: the same text from the object's code must not find them.
pub(crate) mod own {
    pub(crate) const BEGIN: &str = "BEGIN";
    pub(crate) const COMMIT: &str = "COMMIT";
    pub(crate) const ROLLBACK: &str = "ROLLBACK";
    pub(crate) const CHECKPOINT: &str = "PRAGMA wal_checkpoint(RESTART)";
    pub(crate) const HAS_TABLE: &str = "SELECT 1 FROM sqlite_schema WHERE name = ?1 -- _cf_";
    pub(crate) const CREATE_KV: &str =
        "CREATE TABLE IF NOT EXISTS _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID";
    pub(crate) const CREATE_METADATA: &str =
        "CREATE TABLE IF NOT EXISTS _cf_METADATA (key INTEGER PRIMARY KEY, value BLOB)";
    pub(crate) const GET_METADATA: &str = "SELECT value FROM _cf_METADATA WHERE key = ?1";
    pub(crate) const PUT_METADATA: &str =
        "INSERT INTO _cf_METADATA VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
    pub(crate) const GET: &str = "SELECT value FROM _cf_KV WHERE key = ?1";
    pub(crate) const PUT: &str =
        "INSERT INTO _cf_KV VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
    pub(crate) const DELETE: &str = "DELETE FROM _cf_KV WHERE key = ?1";
    pub(crate) const LIST: &str =
        "SELECT key, value FROM _cf_KV WHERE key >= ?1 ORDER BY key LIMIT ?2";
    pub(crate) const LIST_REVERSE: &str =
        "SELECT key, value FROM _cf_KV WHERE key >= ?1 ORDER BY key DESC LIMIT ?2";
    pub(crate) const LIST_TO: &str =
        "SELECT key, value FROM _cf_KV WHERE key >= ?1 AND key < ?3 ORDER BY key LIMIT ?2";
    pub(crate) const LIST_TO_REVERSE: &str =
        "SELECT key, value FROM _cf_KV WHERE key >= ?1 AND key < ?3 ORDER BY key DESC LIMIT ?2";

    pub(super) const ALL: [&str; 16] = [
        BEGIN,
        COMMIT,
        ROLLBACK,
        CHECKPOINT,
        HAS_TABLE,
        CREATE_KV,
        CREATE_METADATA,
        GET_METADATA,
        PUT_METADATA,
        GET,
        PUT,
        DELETE,
        LIST,
        LIST_REVERSE,
        LIST_TO,
        LIST_TO_REVERSE,
    ];
}

/// A connection to one object's database.
pub(crate) struct Database {
    connection: Connection,
    authorizer: Rc<Authorizer>,
    ports: Rc<Ports>,
    _registration: Registration,
}

impl Database {
    /// Connects to `files`.
    ///
    /// # Errors
    /// If they hold no database, or the disk fails.
    pub(crate) fn open(
        files: &Rc<ObjectFiles>,
        path: &str,
        entropy: Rc<dyn Entropy>,
        now: Rc<dyn Fn() -> WallTime>,
    ) -> rusqlite::Result<Self> {
        vfs::register();
        let registration = Registration::new(Rc::clone(files), path);
        let ports = Rc::new(Ports { entropy, now });
        let in_use = ports.enter();
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection =
            Connection::open_with_flags_and_vfs(&registration.name, flags, vfs::NAME)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED_MAX);
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        // SQLite checkpoints by itself from this hook. It must not: a checkpoint waits for the disk.
        connection.wal_hook(None::<fn(&mut Wal, c_int) -> rusqlite::Result<()>>)?;
        connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE")?;
        replace_random_functions(&connection, &ports.entropy)?;
        let authorizer = Rc::<Authorizer>::default();
        let judge = SendWrapper::new(Rc::clone(&authorizer)); // the connection never leaves this thread
        connection.authorizer(Some(move |context: rusqlite::hooks::AuthContext<'_>| {
            judge.judge(context)
        }))?;
        drop(in_use);
        Ok(Self {
            connection,
            authorizer,
            ports,
            _registration: registration,
        })
    }

    /// Uses the connection for the runtime's own statements.
    pub(crate) fn as_runtime<T>(&self, f: impl FnOnce(&Connection) -> T) -> T {
        let _in_use = self.ports.enter();
        self.authorizer.trusted.set(true);
        let outcome = f(&self.connection);
        self.authorizer.trusted.set(false);
        outcome
    }

    /// Uses the connection for a statement of the object's code.
    pub(crate) fn as_object<T>(&self, f: impl FnOnce() -> T) -> T {
        let _in_use = self.ports.enter();
        f()
    }

    /// Runs one of the runtime's own statements.
    pub(crate) fn run(&self, sql: &'static str) -> rusqlite::Result<()> {
        self.as_runtime(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.raw_query();
            while rows.next()?.is_some() {}
            Ok(())
        })
    }

    /// Opens, releases or rolls back to a savepoint: text that is not worth keeping compiled.
    pub(crate) fn run_once(&self, sql: &str) -> rusqlite::Result<()> {
        self.as_runtime(|connection| connection.execute_batch(sql))
    }

    /// Compiles a statement of the object's code.
    ///
    /// # Errors
    /// The statement's own, and the explanation of AU-4 as [`Refused`](PrepareError::Refused).
    pub(crate) fn prepare(&self, sql: &str) -> Result<CachedStatement<'_>, PrepareError> {
        let _in_use = self.ports.enter();
        self.authorizer.refused_transaction.set(false);
        let trimmed = sql.trim();
        let prepared = if own::ALL.contains(&trimmed) {
            // Compiled for its error alone: the object's code may do none of this.
            self.connection
                .prepare(trimmed)
                .map(|statement: Statement<'_>| drop(statement))
                .and_then(|()| {
                    let denied = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_AUTH);
                    Err(rusqlite::Error::SqliteFailure(
                        denied,
                        Some("not authorized".into()),
                    ))
                })
        } else {
            self.connection.prepare_cached(sql)
        };
        prepared.map_err(|error| {
            if self.authorizer.refused_transaction.get() {
                PrepareError::Refused(USE_TRANSACTION)
            } else {
                PrepareError::Sqlite(error)
            }
        })
    }

    /// Whether a table name belongs to the runtime.
    pub(crate) fn is_reserved(name: &str) -> bool {
        is_reserved(name)
    }

    /// Whether no transaction is open.
    pub(crate) fn is_autocommit(&self) -> bool {
        self.connection.is_autocommit()
    }

    /// Whether a statement has begun and not ended.
    pub(crate) fn is_busy(&self) -> bool {
        self.connection.is_busy()
    }

    /// Rows inserted, changed or deleted since the connection was opened.
    pub(crate) fn total_changes(&self) -> u64 {
        self.connection.total_changes()
    }
}

/// Why a statement of the object's code does not compile.
#[derive(Debug)]
pub(crate) enum PrepareError {
    Sqlite(rusqlite::Error),
    /// With the original's explanation.
    Refused(&'static str),
}

fn replace_random_functions(
    connection: &Connection,
    entropy: &Rc<dyn Entropy>,
) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
    let source = SendWrapper::new(Rc::clone(entropy));
    connection.create_scalar_function(c"random", 0, flags, move |_| {
        let mut bytes = [0; 8];
        source.fill(&mut bytes);
        Ok(i64::from_le_bytes(bytes))
    })?;
    let source = SendWrapper::new(Rc::clone(entropy));
    connection.create_scalar_function(c"randomblob", 1, flags, move |context| {
        // As in SQLite: anything below one, or that is no number, gives one byte.
        let len = match context.get_raw(0) {
            rusqlite::types::ValueRef::Integer(len) => len,
            #[expect(
                clippy::cast_possible_truncation,
                reason = "SQLite converts a real to an integer in the same way"
            )]
            rusqlite::types::ValueRef::Real(len) => len as i64,
            rusqlite::types::ValueRef::Text(text) => std::str::from_utf8(text)
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or(1),
            _ => 1,
        };
        let too_big = || {
            rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_TOOBIG),
                None,
            )
        };
        if len > RANDOM_BLOB_BYTES_MAX {
            return Err(too_big());
        }
        let mut bytes = vec![0; usize::try_from(len.max(1)).map_err(|_| too_big())?];
        source.fill(&mut bytes);
        Ok(bytes)
    })
}
