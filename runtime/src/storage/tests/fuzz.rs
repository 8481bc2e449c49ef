//! Random use of the storage, against the simplest thing that does the same: a sorted map, and a bare SQLite.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};
use rusqlite::{Connection, fallible_iterator::FallibleIterator as _};

use super::{Activation, Node, disk::Loss};
use crate::{Error, ListOptions, Result, SqlStorageValue, Storage, platform::LocalBoxFuture};

type Map = BTreeMap<String, i64>;

/// What is done with keys.
#[derive(Clone, Debug)]
enum Op {
    Put(String, i64),
    PutSync(String, i64),
    PutMultiple(Map),
    Delete(String),
    DeleteMultiple(Vec<String>),
    DeleteAll,
    /// A `transaction_sync` of the synchronous calls among these, undone if asked to.
    Savepoint(Vec<Op>, bool),
    /// An explicit transaction of these, undone if asked to.
    Transaction(Vec<Op>, bool),
}

/// What happens to the object.
#[derive(Clone, Debug)]
enum Event {
    /// One turn.
    Turn(Vec<Op>),
    /// Everything becomes durable.
    Settle,
    /// The process dies.
    Crash,
    /// The power goes, and takes this with it.
    PowerLoss(u64),
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c]{0,3}",
        "\\PC{0,4}",
        Just("nul\0".to_owned()),
        Just("\u{10ffff}".to_owned())
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let leaf = prop_oneof![
        4 => (key(), any::<i32>()).prop_map(|(key, value)| Op::Put(key, value.into())),
        2 => (key(), any::<i32>()).prop_map(|(key, value)| Op::PutSync(key, value.into())),
        1 => proptest::collection::btree_map(key(), 0..9_i64, 0..6).prop_map(Op::PutMultiple),
        3 => key().prop_map(Op::Delete),
        1 => vec(key(), 0..4).prop_map(Op::DeleteMultiple),
        1 => Just(Op::DeleteAll),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            (vec(inner.clone(), 0..4), any::<bool>())
                .prop_map(|(ops, undo)| Op::Savepoint(ops, undo)),
            (vec(inner, 0..4), any::<bool>()).prop_map(|(ops, undo)| Op::Transaction(ops, undo)),
        ]
    })
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => vec(op(), 1..5).prop_map(Event::Turn),
        2 => Just(Event::Settle),
        1 => Just(Event::Crash),
        1 => any::<u64>().prop_map(Event::PowerLoss),
    ]
}

/// What the model knows: the present, and every state that the last loss of power may have left.
#[derive(Clone, Default)]
struct Model {
    now: Map,
    since_durable: Vec<Map>,
}

fn inside(depth: usize) -> Error {
    assert!(depth > 0);
    Error::from("Cannot call deleteAll() within a transaction")
}

/// Does `op` to both and compares what they say. `before` is what the turn's batch began with.
fn apply<'a>(
    storage: &'a Storage,
    model: &'a mut Map,
    op: &'a Op,
    depth: usize,
) -> LocalBoxFuture<'a, ()> {
    Box::pin(async move {
        match op {
            Op::Put(key, value) => {
                storage.put(key, value).await.expect("put");
                model.insert(key.clone(), *value);
            }
            Op::PutSync(key, value) => {
                storage.kv().put(key, value).expect("put");
                model.insert(key.clone(), *value);
            }
            Op::PutMultiple(entries) => {
                storage.put_multiple(entries).await.expect("put");
                model.extend(entries.clone());
            }
            Op::Delete(key) => {
                let was_there = model.remove(key).is_some();
                assert_eq!(storage.delete(key).await, Ok(was_there));
            }
            Op::DeleteMultiple(keys) => {
                let deleted = keys.iter().filter(|key| model.remove(*key).is_some());
                let deleted = deleted.count();
                let keys = keys.iter().map(String::as_str).collect();
                assert_eq!(storage.delete_multiple(keys).await, Ok(deleted));
            }
            Op::DeleteAll if depth > 0 => {
                assert_eq!(storage.delete_all().await, Err(inside(depth)));
            }
            Op::DeleteAll => {
                storage.delete_all().await.expect("delete");
                model.clear();
            }
            Op::Savepoint(ops, undo) => {
                let before = model.clone();
                let outcome = storage.transaction_sync(|| {
                    for op in ops {
                        if !matches!(op, Op::Transaction(..)) {
                            let done = super::poll_once(apply(storage, model, op, depth + 1));
                            done.expect("nothing in it waits");
                        }
                    }
                    if *undo {
                        Err(Error::from("undo"))
                    } else {
                        Ok(())
                    }
                });
                assert_eq!(outcome.is_err(), *undo);
                if *undo {
                    *model = before;
                }
            }
            Op::Transaction(ops, undo) => {
                let (nested, ops, undo) = (storage.clone(), ops.clone(), *undo);
                let before = model.clone();
                let mut changed = before.clone();
                let outcome: Result<Map> = storage
                    .transaction(move |_| async move {
                        for op in &ops {
                            apply(&nested, &mut changed, op, depth + 1).await;
                        }
                        if undo {
                            Err(Error::from("undo"))
                        } else {
                            Ok(changed)
                        }
                    })
                    .await;
                assert_eq!(outcome.is_err(), undo);
                *model = outcome.unwrap_or(before);
            }
        }
        let listed: Vec<(String, i64)> = storage.list_as(ListOptions::new()).await.expect("list");
        assert!(
            listed
                .iter()
                .map(|(key, value)| (key, value))
                .eq(model.iter()),
            "{listed:?} is not {model:?}"
        );
    })
}

fn all(object: &Activation) -> Map {
    let listed = object.turn(async |storage| storage.list_as(ListOptions::new()).await);
    listed.expect("list").into_iter().collect()
}

fn run(events: Vec<Event>) {
    let mut node = Node {
        wal_bytes_max: 32 << 10,
        ..Node::new()
    };
    let mut object = node.open();
    let mut model = Model::default();
    for event in events {
        match event {
            Event::Turn(ops) => {
                node.disk.hold_syncs(true);
                for op in ops {
                    // A turn for each, so that the model knows every state in which the power may go.
                    let mut now = model.now.clone();
                    now = object.turns(async move |storage| {
                        apply(&storage, &mut now, &op, 0).await;
                        now
                    });
                    model
                        .since_durable
                        .push(std::mem::replace(&mut model.now, now));
                }
            }
            Event::Settle => {
                object.run_to_durable();
                model.since_durable.clear();
            }
            Event::Crash => {
                object.crash();
                object = node.open();
                assert_eq!(all(&object), model.now, "the page cache survives");
            }
            Event::PowerLoss(tear) => {
                object.crash();
                node = node.lose_power(Loss::Some(tear));
                object = node.open();
                let found = all(&object);
                let legal = found == model.now || model.since_durable.contains(&found);
                assert!(
                    legal,
                    "{found:?} is none of {:?}, {:?}",
                    model.since_durable, model.now
                );
                object.run_to_durable();
                model = Model {
                    now: found,
                    since_durable: Vec::new(),
                };
            }
        }
    }
}

fn table() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => Just("t"), 4 => Just("u"), 1 => Just("nowhere")]
}

fn column() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("a"), Just("b"), Just("c"), Just("rowid")]
}

fn literal() -> impl Strategy<Value = String> {
    prop_oneof![
        (-3..9_i32).prop_map(|number| number.to_string()),
        (-30..90_i32).prop_map(|number| format!("{number}e-1")),
        "[a-z]{0,3}".prop_map(|text| format!("'{text}'")),
        Just("NULL".to_owned()),
        Just("x'00ff'".to_owned()),
        Just("'ä'".to_owned()),
    ]
}

fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![literal(), column().prop_map(str::to_owned)];
    leaf.prop_recursive(3, 12, 2, |inner| {
        let operator = prop_oneof![
            Just("+"),
            Just("*"),
            Just("/"),
            Just("||"),
            Just("="),
            Just("<"),
            Just("IS"),
            Just("AND"),
            Just("OR"),
            Just("->>")
        ];
        prop_oneof![
            (inner.clone(), operator, inner.clone())
                .prop_map(|(a, operator, b)| format!("({a} {operator} {b})")),
            inner.clone().prop_map(|a| format!("length({a})")),
            inner.clone().prop_map(|a| format!("typeof({a})")),
            inner.clone().prop_map(|a| format!("coalesce({a}, 0)")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("CASE WHEN {a} THEN {b} END")),
        ]
    })
}

/// Statements over two small tables, most of them right, some of them wrong in every way that comes to mind.
fn statement() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (table(), vec(literal(), 2..=4)).prop_map(|(table, values)| format!("INSERT INTO {table} VALUES ({})", values.join(", "))),
        2 => (table(), literal(), literal(), literal())
            .prop_map(|(table, a, b, c)| format!("INSERT OR REPLACE INTO {table} VALUES ({a}, {b}, {c}) RETURNING *")),
        2 => (table(), literal(), literal(), literal())
            .prop_map(|(table, a, b, c)| format!("INSERT INTO {table} VALUES ({a}, {b}, {c}) ON CONFLICT DO UPDATE SET c = excluded.c")),
        2 => (table(), column(), expression(), expression())
            .prop_map(|(table, column, value, condition)| format!("UPDATE {table} SET {column} = {value} WHERE {condition}")),
        1 => (table(), expression()).prop_map(|(table, condition)| format!("DELETE FROM {table} WHERE {condition}")),
        4 => (table(), expression(), expression(), column())
            .prop_map(|(table, value, condition, order)| format!("SELECT *, {value} AS v FROM {table} WHERE {condition} ORDER BY {order}, 1, 2, 3")),
        1 => (table(), column(), expression())
            .prop_map(|(table, column, value)| format!("SELECT {column}, count(*), sum({value}) FROM {table} GROUP BY 1 ORDER BY 1")),
        1 => expression().prop_map(|condition| format!("SELECT t.a, u.b FROM t LEFT JOIN u ON t.a = u.a WHERE t.b IS NOT {} ORDER BY 1, 2", condition.replace(['a', 'b', 'c'], "1"))),
        1 => Just("CREATE INDEX IF NOT EXISTS by_b ON t (b)".to_owned()),
        1 => Just("DROP TABLE IF EXISTS scratch; CREATE TABLE scratch AS SELECT * FROM t; SELECT count(*) FROM scratch".to_owned()),
        1 => "[A-Za-z*(),;'\" ]{0,20}".prop_map(|text| format!("SELECT {text}")),
    ]
}

const SCHEMA: &str = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT UNIQUE, c); \
    CREATE TABLE u (a REFERENCES t (a), b NOT NULL, c CHECK (c IS NOT 'no'), PRIMARY KEY (a, b)) WITHOUT ROWID";

/// The rows of the last statement of a text, or what went wrong.
type Outcome = Result<Vec<Vec<SqlStorageValue>>, String>;

fn with_us(object: &Activation, sql: &str) -> Outcome {
    object.sql(sql).map_err(|error| error.to_string())
}

/// The same on a connection that nobody watches.
fn bare(connection: &Connection, sql: &str) -> Outcome {
    let run = || -> rusqlite::Result<Vec<Vec<SqlStorageValue>>> {
        let mut batch = rusqlite::Batch::new(connection, sql);
        let mut rows = Vec::new();
        while let Some(mut statement) = batch.next()? {
            let columns = statement.column_count();
            rows = statement
                .query_map([], |row| {
                    (0..columns)
                        .map(|at| row.get_ref(at).map(SqlStorageValue::from_column))
                        .collect()
                })?
                .collect::<rusqlite::Result<_>>()?;
        }
        Ok(rows)
    };
    run().map_err(|error| match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message,
        rusqlite::Error::SqlInputError { msg, .. } => msg,
        other => other.to_string(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_calls_give_what_a_sorted_map_gives_whatever_happens_in_between(events in vec(event(), 1..12)) {
        run(events);
    }

    #[test]
    fn random_sql_gives_what_a_bare_sqlite_gives(statements in vec(vec(statement(), 1..6), 1..6)) {
        let node = Node::new();
        let mut object = node.open();
        let reference = Connection::open_in_memory().expect("memory");
        object.sql(SCHEMA).expect("schema");
        reference.execute_batch(SCHEMA).expect("schema");
        for turn in statements {
            for sql in turn {
                let (ours, expected) = (with_us(&object, &sql), bare(&reference, &sql));
                match (&ours, &expected) {
                    (Ok(ours), Ok(expected)) => prop_assert_eq!(ours, expected, "{}", sql),
                    (Err(ours), Err(expected)) => {
                        let refused_earlier = ours.starts_with("SQL code did not contain") || ours.starts_with("not authorized");
                        prop_assert!(refused_earlier || ours.starts_with(expected.as_str()), "{}: {} is not {}", sql, ours, expected);
                    }
                    _ => {
                        let text_without_statement = ours.as_ref().is_err_and(|error| error.starts_with("SQL code did not contain"));
                        prop_assert!(text_without_statement, "{}: {:?} is not {:?}", sql, ours, expected);
                    }
                }
            }
            object.storage.end_turn();
            object.crash();
            object = node.open();
        }
        let dump = "SELECT * FROM t ORDER BY a";
        prop_assert_eq!(with_us(&object, dump), bare(&reference, dump));
        prop_assert_eq!(with_us(&object, "PRAGMA quick_check"), Ok(vec![vec!["ok".into()]]));
    }
}
