//! One SQLite connection to an object's files: opened, secured, and used either as ours or as the object's code.
//!
//! It is opened in every activation, so it asks SQLite for as little as it can: one pragma for exclusive locking, the rest by calls
//! that compile no SQL. Exclusive locking keeps the log's index in this process's heap, so there is no shared memory file.
//!
//! What SQLite would take from the operating system comes from the ports: `random()` and `randomblob()` are replaced, `'now'` is the
//! time of the turn. The salts in the log's header are the exception: they come from one generator for the whole process that SQLite
//! seeds by itself. They change bytes in the file and nothing that anybody can see.

use std::{
    cell::{Cell, RefCell},
    ffi::c_int,
    rc::Rc,
};

use rusqlite::{
    Connection, MAIN_DB, OpenFlags,
    backup::{Backup, StepResult},
    config::DbConfig,
    ffi,
    hooks::Wal,
    limits::Limit,
};
use send_wrapper::SendWrapper;

use super::{
    ObjectFiles,
    authorizer::{Authorizer, MODULES, USE_TRANSACTION, is_reserved},
    counting::Programs,
    counts::Counts,
    functions, handle,
    image::PAGE_BYTES,
    statement::{About, Compiled, Resting},
    vfs::{self, Ports, Registration},
};
use crate::platform::{Entropy, WallTime};

/// How many compiled statements of the runtime's own a connection keeps.
const STATEMENTS_CACHED_MAX: usize = 32;

/// What SQLite enforces on everything in the database, ours included (6.5), with the values that the recordings show. Together they bound
/// what a statement takes to compile; how long one runs they do not bound, as in the original.
const LIMITS: [(Limit, i32); 12] = [
    (Limit::SQLITE_LIMIT_LENGTH, 2_200_000),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, 100_000),
    (Limit::SQLITE_LIMIT_COLUMN, 100),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 5),
    (Limit::SQLITE_LIMIT_VDBE_OP, 25_000),
    (Limit::SQLITE_LIMIT_FUNCTION_ARG, 127),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50),
    (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 100),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 10),
    (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
];

/// How many pages SQLite can count.
const PAGES_MAX: u64 = 0xffff_fffe;

/// The statements of the runtime, as far as their text is fixed.
pub(crate) mod own {
    pub(crate) const BEGIN: &str = "BEGIN";
    pub(crate) const COMMIT: &str = "COMMIT";
    pub(crate) const ROLLBACK: &str = "ROLLBACK";
    pub(super) const CHECKPOINT: &str = "PRAGMA wal_checkpoint(RESTART)";
    pub(super) const LOOK_AT_LOG: &str = "PRAGMA wal_checkpoint(NOOP)";
    pub(crate) const HAS_TABLE: &str = "SELECT 1 FROM sqlite_schema WHERE name = ?1";
    pub(crate) const CREATE_KV: &str =
        "CREATE TABLE IF NOT EXISTS _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID";
    pub(crate) const CREATE_METADATA: &str =
        "CREATE TABLE IF NOT EXISTS _cf_METADATA (key INTEGER PRIMARY KEY, value BLOB)";
    pub(crate) const GET_METADATA: &str = "SELECT value FROM _cf_METADATA WHERE key = ?1";
    pub(crate) const PUT_METADATA: &str =
        "INSERT INTO _cf_METADATA VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
    pub(crate) const DISARM: &str = "DELETE FROM _cf_METADATA WHERE key = 3";
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

    pub(crate) const SIZE: &str = "SELECT (page_count - freelist_count) * page_size \
         FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
    pub(super) const TABLE_OF_ROOT: &str = "SELECT tbl_name FROM sqlite_schema WHERE rootpage = ?1 \
         UNION ALL SELECT 'sqlite_schema' WHERE ?1 = 1";
}

/// A connection to one object's database.
pub(crate) struct Database {
    /// Shared with the compiled statements, none of which outlives this.
    connection: Rc<Connection>,
    /// Compiled statements of the object's code.
    resting: RefCell<Resting>,
    /// The object's code had something compiled.
    has_compiled: Cell<bool>,
    /// The size that SQLite is still to be told, in pages: before the first write, because telling it reads the schema.
    pages_max: Cell<Option<u64>>,
    programs: Programs,
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
        for (limit, value) in LIMITS {
            connection.set_limit(limit, value)?;
        }
        handle::keep_modules(&connection, &MODULES);
        functions::register(&connection, &ports.entropy)?;
        let authorizer = Rc::<Authorizer>::default();
        let judge = SendWrapper::new(Rc::clone(&authorizer)); // the connection never leaves this thread
        connection.authorizer(Some(move |context: rusqlite::hooks::AuthContext<'_>| {
            judge.judge(context)
        }))?;
        drop(in_use);
        Ok(Self {
            connection: Rc::new(connection),
            resting: RefCell::default(),
            has_compiled: Cell::default(),
            pages_max: Cell::default(),
            programs: Programs::default(),
            authorizer,
            ports,
            _registration: registration,
        })
    }

    /// Replaces everything with another database, after `change` was made to it if it has our table: one transaction.
    ///
    /// # Errors
    /// Of either database; then nothing is replaced. No handle of the object's code may have the connection yet.
    pub(crate) fn replace_with(&mut self, image: &[u8], change: &str) -> rusqlite::Result<()> {
        let _in_use = self.ports.enter();
        let mut past = Connection::open_in_memory_with_flags_and_vfs(
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
            vfs::NAME,
        )?;
        past.deserialize_read_exact(MAIN_DB, image, image.len(), false)?;
        if past.prepare(own::HAS_TABLE)?.exists(["_cf_METADATA"])? {
            past.execute_batch(change)?;
        }
        let connection =
            Rc::get_mut(&mut self.connection).ok_or(rusqlite::Error::SqliteSingleThreadedMode)?;
        self.authorizer.trusted.set(true);
        let outcome = Backup::new(&past, connection).and_then(|backup| backup.step(-1));
        self.authorizer.trusted.set(false);
        match outcome? {
            StepResult::Done => Ok(()),
            // It tells so when somebody else has a lock.
            _ => Err(rusqlite::Error::SqliteFailure(
                ffi::Error::new(ffi::SQLITE_BUSY),
                None,
            )),
        }
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

    /// Runs one of the runtime's own statements, which is kept compiled.
    pub(crate) fn run(&self, sql: &str) -> rusqlite::Result<()> {
        self.as_runtime(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.raw_query();
            while rows.next()?.is_some() {}
            Ok(())
        })
    }

    /// The database shall take no more than so many bytes, of which an incomplete page does not count. One that is larger stays as it is
    /// and grows no more.
    pub(crate) fn bound_size(&self, bytes_max: u64) {
        let pages = (bytes_max / PAGE_BYTES as u64).clamp(1, PAGES_MAX);
        self.pages_max.set(Some(pages));
    }

    /// Runs a statement with which writing begins.
    pub(crate) fn run_bounded(&self, sql: &str) -> rusqlite::Result<()> {
        if let Some(pages) = self.pages_max.get() {
            self.run_once(&format!("PRAGMA max_page_count = {pages}"))?;
            self.pages_max.set(None);
        }
        self.run(sql)
    }

    /// Runs statements that are rare: a rollback to a savepoint.
    pub(crate) fn run_once(&self, sql: &str) -> rusqlite::Result<()> {
        self.as_runtime(|connection| connection.execute_batch(sql))
    }

    /// Compiles the first statement of a text of the object's code, or finds it compiled. `None` if the text holds none.
    ///
    /// # Errors
    /// The statement's own, and the explanation of AU-4 as [`Refused`](PrepareError::Refused).
    pub(crate) fn prepare(&self, text: &str) -> Result<Option<Compiled>, PrepareError> {
        if let Some(statement) = self.resting.borrow_mut().take(text) {
            return Ok(Some(statement));
        }
        let _in_use = self.ports.enter();
        self.authorizer.refused_transaction.set(false);
        let compile = || Compiled::new(&self.connection, text, &self.authorizer.alters_table);
        let mut compiled = compile();
        if compiled.is_err() && !self.has_compiled.replace(true) {
            // SQLite reads the schema on the way to the first error, and then has forgotten the error's place.
            compiled = compile();
        }
        compiled.map_err(|error| {
            if self.authorizer.refused_transaction.get() {
                PrepareError::Refused(USE_TRANSACTION)
            } else {
                PrepareError::Sqlite(error)
            }
        })
    }

    /// Keeps a statement that is over for the next time.
    pub(crate) fn rest(&self, statement: Compiled) {
        self.resting.borrow_mut().put(statement);
    }

    /// An execution of a statement begins: its counts do so, too.
    pub(crate) fn begin_counting(&self, statement: &Compiled) {
        let _in_use = self.ports.enter();
        self.programs.begin(statement);
    }

    /// What the last execution of a statement has read and written so far, in which `changed` rows were; `None` if SQLite does not count.
    pub(crate) fn counts(&self, about: &About, changed: u64) -> Option<Counts> {
        let _in_use = self.ports.enter();
        let rows_below = |root| self.rows_below(root).unwrap_or(0);
        self.programs.counts(about, changed, &rows_below)
    }

    /// How many rows the table has whose tree, or one of whose indexes' trees, has this root page.
    fn rows_below(&self, root: i64) -> rusqlite::Result<u64> {
        self.as_runtime(|connection| {
            let name: String = connection
                .prepare_cached(own::TABLE_OF_ROOT)?
                .query_row([root], |row| row.get(0))?;
            let count = format!("SELECT count(*) FROM \"{}\"", name.replace('"', "\"\""));
            let rows: i64 = connection.query_row(&count, [], |row| row.get(0))?;
            Ok(rows.cast_unsigned())
        })
    }

    /// How many bytes the pages in use have (SZ-1).
    pub(crate) fn size(&self) -> rusqlite::Result<i64> {
        self.as_runtime(|connection| {
            connection
                .prepare_cached(own::SIZE)?
                .query_row([], |row| row.get(0))
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

    /// Copies the pages of the write-ahead log into the database. Returns whether that were all.
    ///
    /// # Errors
    /// Of the disk. The log has everything all the same.
    pub(crate) fn checkpoint(&self) -> rusqlite::Result<bool> {
        let (busy, in_log, moved) = self.as_runtime(|connection| {
            let mut checkpoint = connection.prepare_cached(own::CHECKPOINT)?;
            checkpoint.query_row([], |row| {
                Ok((
                    row.get::<_, bool>("busy")?,
                    row.get::<_, i64>("log")?,
                    row.get::<_, i64>("checkpointed")?,
                ))
            })
        })?;
        Ok(!busy && in_log == moved)
    }

    /// How many frames the write-ahead log has.
    pub(super) fn frames_in_log(&self) -> rusqlite::Result<u64> {
        self.as_runtime(|connection| {
            let mut look = connection.prepare(own::LOOK_AT_LOG)?; // it comes once in an activation, and in few
            look.query_row([], |row| row.get::<_, i64>("log"))
        })
        .map(|frames| u64::try_from(frames).unwrap_or(0)) // -1 if there is no log
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
