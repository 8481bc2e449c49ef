//! What the storage costs beside bare rusqlite that runs the same statements: `cargo bench --bench storage`.
//!
//! Machines are noisy, so figures count only beside each other, within one run: rounds of ours and of the bare one take turns, and what is
//! printed are medians. Both run in this process, on files in temporary folders, on the same SQLite. The bare one is as good as it gets:
//! its statements stay compiled, it locks its file once and for all, and it neither makes bytes of values nor values of bytes.
//!
//! Three things are compared:
//! - *statements*: the loop alone, its `BEGIN` included and its commit not. Ours in one call of an object, and so in one turn;
//! - *turns*: the same with everything around it. Ours: the call, the commit, the sync that others may share, the reply. The bare
//!   one: a transaction with `synchronous = FULL`, so a sync of its own at its end;
//! - *objects*: 64 of ours that are called at once and awaited, against 64 bare databases with one such transaction each.

use std::{
    hint::black_box,
    io,
    path::Path,
    time::{Duration, Instant},
};

use dormouse::{
    DurableObject, Env, ListOptions, Node, NodeBuilder, Result, SqlStorage, State, Storage,
    durable_object, platform::real, rpc,
};
use futures_util::future::join_all;
use rusqlite::{Connection, OptionalExtension as _, params};

/// Keys of an object, and operations of a call.
const KEYS: usize = 1000;
/// Rounds of each case, each on both sides.
const ROUNDS: usize = 15;
/// Lists of all keys in one call.
const LISTS: usize = 5;
/// Transactions in one call.
const TRANSACTIONS: usize = 50;
/// Objects that commit at once.
const OBJECTS: usize = 64;

const BINDING: &str = "STORE";
const INSERT: &str = "INSERT INTO entries (text) VALUES (?)";
const SELECT: &str = "SELECT text FROM entries WHERE id = ?";
const ENTRIES: &str = "CREATE TABLE IF NOT EXISTS entries (id INTEGER PRIMARY KEY, text TEXT)";

fn keys() -> Vec<String> {
    (0..KEYS).map(|number| format!("key:{number:05}")).collect()
}

/// Another one in each round: SQLite does not write what is there already.
fn value(round: usize) -> String {
    format!("{round:0>100}")
}

/// The value as it is stored: the byte of the format, the head of a text of 100 bytes, the text.
fn stored(round: usize) -> Vec<u8> {
    [&[1, 0x78, 100], value(round).as_bytes()].concat()
}

/// The object that is measured. Each method says how many nanoseconds its loop took.
#[durable_object]
struct Store {
    storage: Storage,
    sql: SqlStorage,
    keys: Vec<String>,
}

#[derive(serde::Deserialize)]
struct Entry {
    text: String,
}

impl DurableObject for Store {
    fn new(state: State, _: Env) -> Self {
        let storage = state.storage();
        Self {
            sql: storage.sql(),
            storage,
            keys: keys(),
        }
    }
}

fn nanos(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).expect("not that long")
}

#[rpc]
impl Store {
    pub async fn put(&self, round: usize) -> Result<u64> {
        let value = value(round);
        let start = Instant::now();
        for key in &self.keys {
            self.storage.put(key, value.as_str()).await?;
        }
        Ok(nanos(start))
    }

    pub async fn put_one(&self, round: usize) -> Result<()> {
        self.storage.put("one", value(round)).await
    }

    pub async fn get(&self, _: usize) -> Result<u64> {
        let start = Instant::now();
        for key in &self.keys {
            black_box(self.storage.get::<String>(key).await?).expect("it was put");
        }
        Ok(nanos(start))
    }

    pub async fn get_nothing(&self, _: usize) -> Result<u64> {
        let start = Instant::now();
        for _ in &self.keys {
            assert_eq!(self.storage.get::<String>("key:none").await?, None);
        }
        Ok(nanos(start))
    }

    pub async fn list(&self, _: usize) -> Result<u64> {
        let start = Instant::now();
        for _ in 0..LISTS {
            let options = ListOptions::new().prefix("key:");
            let entries: Vec<(String, String)> = self.storage.list_as(options).await?;
            assert_eq!(black_box(entries).len(), KEYS);
        }
        Ok(nanos(start))
    }

    pub fn insert(&self, round: usize) -> Result<u64> {
        self.sql.exec(ENTRIES, None)?;
        let value = value(round);
        let start = Instant::now();
        for _ in 0..KEYS {
            self.sql.exec(INSERT, vec![value.as_str().into()])?;
        }
        Ok(nanos(start))
    }

    pub fn select(&self, _: usize) -> Result<u64> {
        let start = Instant::now();
        for id in 1..=KEYS {
            let id = i32::try_from(id).expect("few");
            let entry: Entry = self.sql.exec(SELECT, vec![id.into()])?.one()?;
            black_box(entry.text);
        }
        Ok(nanos(start))
    }

    pub async fn transactions(&self, round: usize) -> Result<u64> {
        let value = value(round);
        let start = Instant::now();
        for key in &self.keys[..TRANSACTIONS] {
            let (key, value) = (key.clone(), value.clone());
            let put = |txn: dormouse::Transaction| async move { txn.put(&key, value).await };
            self.storage.transaction(put).await?;
        }
        Ok(nanos(start))
    }
}

/// When a commit of the bare one waits for the disk.
#[derive(Clone, Copy)]
enum Synchronous {
    /// Never, in this mode of the log.
    Normal,
    /// Each time.
    Full,
}

/// A file with bare SQLite on it.
struct Bare {
    connection: Connection,
    keys: Vec<String>,
}

impl Bare {
    fn open(path: &Path, synchronous: Synchronous) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;
             CREATE TABLE kv (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;",
        )?;
        connection.execute_batch(ENTRIES)?;
        connection.execute_batch(match synchronous {
            Synchronous::Normal => "PRAGMA synchronous = NORMAL",
            Synchronous::Full => "PRAGMA synchronous = FULL",
        })?;
        Ok(Self {
            connection,
            keys: keys(),
        })
    }

    fn run(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }

    fn put_row(&self, key: &str, value: &[u8]) -> rusqlite::Result<()> {
        let sql = "INSERT INTO kv VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.execute(params![key, value])?;
        Ok(())
    }

    fn get_row(&self, key: &str) -> rusqlite::Result<Option<Vec<u8>>> {
        let sql = "SELECT value FROM kv WHERE key = ?1";
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.query_row([key], |row| row.get(0)).optional()
    }

    /// A transaction around `statements`; what these took, with the `BEGIN`.
    fn turn(
        &self,
        statements: impl FnOnce(&Self) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<u64> {
        let start = Instant::now();
        self.run("BEGIN")?;
        statements(self)?;
        let took = nanos(start);
        self.run("COMMIT")?;
        Ok(took)
    }

    fn put(&self, round: usize) -> rusqlite::Result<u64> {
        let value = stored(round);
        self.turn(|bare| {
            bare.keys
                .iter()
                .try_for_each(|key| bare.put_row(key, &value))
        })
    }

    fn put_one(&self, round: usize) -> rusqlite::Result<u64> {
        let value = stored(round);
        self.turn(|bare| bare.put_row("one", &value))
    }

    fn get(&self, _: usize) -> rusqlite::Result<u64> {
        let start = Instant::now();
        for key in &self.keys {
            black_box(self.get_row(key)?).expect("it was put");
        }
        Ok(nanos(start))
    }

    fn get_nothing(&self, _: usize) -> rusqlite::Result<u64> {
        let start = Instant::now();
        for _ in &self.keys {
            assert_eq!(self.get_row("key:none")?, None);
        }
        Ok(nanos(start))
    }

    fn list(&self, _: usize) -> rusqlite::Result<u64> {
        let sql = "SELECT key, value FROM kv WHERE key >= ?1 AND key < ?3 ORDER BY key LIMIT ?2";
        let start = Instant::now();
        for _ in 0..LISTS {
            let mut statement = self.connection.prepare_cached(sql)?;
            let rows = statement.query_map(params!["key:", -1, "key;"], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
            let entries: Vec<(String, Vec<u8>)> = rows.collect::<rusqlite::Result<_>>()?;
            assert_eq!(black_box(entries).len(), KEYS);
        }
        Ok(nanos(start))
    }

    fn insert(&self, round: usize) -> rusqlite::Result<u64> {
        let value = value(round);
        self.turn(|bare| {
            (0..KEYS).try_for_each(|_| {
                let mut statement = bare.connection.prepare_cached(INSERT)?;
                statement.execute([&value]).map(drop)
            })
        })
    }

    fn select(&self, _: usize) -> rusqlite::Result<u64> {
        let start = Instant::now();
        for id in 1..=KEYS {
            let id = f64::from(i32::try_from(id).expect("few")); // numbers are bound so
            let mut statement = self.connection.prepare_cached(SELECT)?;
            black_box(statement.query_row([id], |row| row.get::<_, String>(0))?);
        }
        Ok(nanos(start))
    }

    fn transactions(&self, round: usize) -> rusqlite::Result<u64> {
        let value = stored(round);
        let start = Instant::now();
        for key in &self.keys[..TRANSACTIONS] {
            self.run("SAVEPOINT one")?;
            self.put_row(key, &value)?;
            self.run("RELEASE one")?;
        }
        Ok(nanos(start))
    }
}

/// Both sides of one comparison, in nanoseconds of each round.
#[derive(Default)]
struct Rounds {
    ours: Vec<u64>,
    bare: Vec<u64>,
}

impl Rounds {
    /// Prints the case; a round had so many `operations`.
    fn print(mut self, case: &str, operations: usize) {
        let mut median = |bare: bool| {
            let rounds = if bare { &mut self.bare } else { &mut self.ours };
            rounds.sort_unstable();
            let median = Duration::from_nanos(rounds[rounds.len() / 2]);
            median.as_secs_f64() * 1e6 / f64::from(u32::try_from(operations).expect("few"))
        };
        let (ours, bare) = (median(false), median(true));
        println!(
            "{case:<58} {ours:>9.2} us {bare:>9.2} us {:>7.2}",
            ours / bare
        );
    }
}

/// One case: what ours said that its loop took and how long the call was, beside the bare ones.
macro_rules! case {
    ($object:expr, $normal:expr, $full:expr, $method:ident) => {{
        let (mut loops, mut turns) = (Rounds::default(), Rounds::default());
        for round in 0..=ROUNDS {
            let start = Instant::now();
            let in_loop = $object.$method(round).await.expect("it works");
            let whole = nanos(start);
            let bare_loop = $normal.$method(round).expect("it works");
            let start = Instant::now();
            $full.$method(round).expect("it works");
            let bare_whole = nanos(start);
            if round > 0 {
                // the first one warms up
                loops.ours.push(in_loop);
                loops.bare.push(bare_loop);
                turns.ours.push(whole);
                turns.bare.push(bare_whole);
            }
        }
        (loops, turns)
    }};
}

fn object(node: &Node, name: &str) -> <Store as dormouse::Rpc>::Stub {
    let namespace = node.env().durable_object(BINDING);
    let stub = namespace.and_then(|namespace| namespace.get_by_name(name));
    stub.expect("the class is served").typed::<Store>()
}

/// Many objects with one write each.
async fn many(node: &Node, folder: &Path) -> Rounds {
    let objects: Vec<_> = (0..OBJECTS)
        .map(|number| object(node, &format!("one of many {number}")))
        .collect();
    let bare: Vec<_> = (0..OBJECTS)
        .map(|number| {
            let path = folder.join(format!("{number}.sqlite"));
            Bare::open(&path, Synchronous::Full).expect("the folder is writable")
        })
        .collect();
    let mut rounds = Rounds::default();
    for round in 0..=ROUNDS {
        let start = Instant::now();
        let outcomes = join_all(objects.iter().map(|object| object.put_one(round))).await;
        let ours = nanos(start);
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        let start = Instant::now();
        for database in &bare {
            database.put_one(round).expect("it works");
        }
        if round > 0 {
            rounds.ours.push(ours);
            rounds.bare.push(nanos(start));
        }
    }
    rounds
}

async fn compare(node: &Node, folder: &Path) {
    let ours = object(node, "a");
    let open = |name: &str, synchronous| {
        Bare::open(&folder.join(name), synchronous).expect("the folder is writable")
    };
    let normal = open("normal.sqlite", Synchronous::Normal);
    let full = open("full.sqlite", Synchronous::Full);

    let (put, put_turn) = case!(ours, normal, full, put);
    let (get, _) = case!(ours, normal, full, get);
    let (get_nothing, _) = case!(ours, normal, full, get_nothing);
    let (list, _) = case!(ours, normal, full, list);
    let (insert, insert_turn) = case!(ours, normal, full, insert);
    let (select, _) = case!(ours, normal, full, select);
    let (transactions, transactions_turn) = case!(ours, normal, full, transactions);
    let many = many(node, folder).await;

    println!("values of 100 bytes, medians of {ROUNDS} rounds\n");
    println!(
        "{:<58} {:>12} {:>12} {:>7}",
        "case", "ours", "bare", "ratio"
    );
    println!("statements, {KEYS} in one turn");
    put.print("  put", KEYS);
    get.print("  get, the key is there", KEYS);
    get_nothing.print("  get, the key is not there", KEYS);
    list.print(&format!("  list of {KEYS} keys, each key"), KEYS * LISTS);
    insert.print("  SQL insert", KEYS);
    select.print("  SQL select of one row", KEYS);
    transactions.print(
        "  transaction with one put; bare: synchronous = NORMAL",
        TRANSACTIONS,
    );
    println!("turns, with their syncs; bare: synchronous = FULL");
    put_turn.print(&format!("  {KEYS} puts, each put"), KEYS);
    insert_turn.print(&format!("  {KEYS} SQL inserts, each insert"), KEYS);
    transactions_turn.print(
        &format!("  {TRANSACTIONS} transactions, each transaction"),
        TRANSACTIONS,
    );
    println!("objects, with their syncs; bare: synchronous = FULL, one by one");
    many.print(
        &format!("  {OBJECTS} objects with one put, each object"),
        OBJECTS,
    );
}

fn main() {
    // The system's temporary folder may lie in memory, where a sync costs nothing.
    let folder = || tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let (ours, bare) = (folder(), folder());
    let done: io::Result<()> = real::run(async {
        let builder = NodeBuilder::new("app").object::<Store>(BINDING);
        let node = builder.start(real::platform(ours.path())?);
        compare(&node.expect("the node starts"), bare.path()).await;
        Ok(())
    });
    done.expect("the real platform starts");
}
