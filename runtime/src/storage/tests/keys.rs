//! The key-value calls.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Serialize;

use super::{Activation, Node};
use crate::{Error, ListOptions, Result, SqlStorageValue};

#[test]
fn reads_before_the_first_write_find_nothing_and_make_nothing() {
    let object = Node::new().open();
    assert_eq!(object.get("k"), None);
    let listed: Vec<(String, i32)> = object
        .turn(async |storage| storage.list_as(ListOptions::new()).await)
        .expect("list");
    assert!(listed.is_empty());
    assert_eq!(
        object
            .sql("SELECT count(*) FROM sqlite_schema")
            .expect("count"),
        [[0.into()]]
    );
    assert_eq!(
        object.turn(async |storage| storage.delete("k").await),
        Ok(false)
    );
    assert_eq!(
        object.sql("SELECT name FROM sqlite_schema").expect("names"),
        [["_cf_KV".into()]]
    );
}

#[test]
fn values_come_back_as_they_went_in() {
    let object = Node::new().open();
    object
        .turn(async |storage| {
            storage.put("text", "ä").await?;
            storage.put("", vec![1.5, 2.5]).await?;
            storage.put("nul\0key", ("a", 1)).await
        })
        .expect("put");
    object.turn(async |storage| {
        assert_eq!(storage.get("text").await, Ok(Some("ä".to_owned())));
        assert_eq!(storage.get("").await, Ok(Some(vec![1.5, 2.5])));
        assert_eq!(storage.get("nul\0key").await, Ok(Some(("a".to_owned(), 1))));
        assert_eq!(storage.get::<i32>("nul").await, Ok(None));
        assert!(storage.get::<i32>("text").await.is_err());
    });
}

#[test]
fn putting_nothing_is_a_type_error_and_writes_nothing() {
    let object = Node::new().open();
    let error = object
        .turn(async |storage| storage.put("k", None::<i32>).await)
        .expect_err("undefined");
    assert_eq!(
        (error.name(), error.message()),
        ("TypeError", "put() called with undefined value.")
    );
    assert_eq!(object.storage.confirmed_batch(), 0);
}

#[test]
fn a_multi_put_takes_fields_and_string_keys_and_leaves_out_what_is_undefined() {
    #[derive(Serialize)]
    struct Fields {
        a: i32,
        b: Option<i32>,
    }
    let object = Node::new().open();
    object
        .turn(async |storage| storage.put_multiple(Fields { a: 1, b: None }).await)
        .expect("struct");
    object
        .turn(async |storage| storage.put_multiple(BTreeMap::from([("c", 3)])).await)
        .expect("map");
    for error in [
        object.turn(async |storage| storage.put_multiple(5).await),
        object.turn(async |storage| storage.put_multiple(BTreeMap::from([(1, 3)])).await),
        object.turn(async |storage| storage.put_multiple(vec![1]).await),
    ] {
        assert_eq!(error, Err(Error::from("Must pass in a struct type")));
    }
    let values: BTreeMap<String, i32> = object
        .turn(async |storage| storage.get_multiple_as(vec!["c", "b", "a", "c"]).await)
        .expect("get");
    assert_eq!(values, BTreeMap::from([("a".into(), 1), ("c".into(), 3)]));
}

#[test]
fn a_multi_put_of_which_one_entry_fails_undoes_itself_and_nothing_else() {
    let object = Node::new().open();
    object.put("z", 0);
    let database = object.storage.database().expect("open");
    // What a limit on sizes will do later: refuse one row of several.
    database
        .run_once("CREATE TRIGGER no_b BEFORE INSERT ON _cf_KV WHEN NEW.key = 'b' BEGIN SELECT RAISE(ABORT, 'no b'); END")
        .expect("trigger");
    drop(database);
    object.turn(async |storage| {
        storage.put("x", 1).await.expect("put");
        let error = storage
            .put_multiple(BTreeMap::from([("a", 1), ("b", 2)]))
            .await
            .expect_err("refused");
        assert!(error.to_string().starts_with("no b"), "{error}");
        storage.put("y", 1).await.expect("put");
    });
    assert_eq!(
        (object.get("x"), object.get("y"), object.get("a")),
        (Some(1), Some(1), None)
    );
    assert_eq!(object.reply(), Some(Ok(())));
}

#[test]
fn deleting_tells_what_was_there() {
    let object = Node::new().open();
    object.put("a", 1);
    object.put("b", 1);
    assert_eq!(
        object.turn(async |storage| storage.delete("a").await),
        Ok(true)
    );
    assert_eq!(
        object.turn(async |storage| storage.delete("a").await),
        Ok(false)
    );
    assert_eq!(
        object.turn(async |storage| storage.delete_multiple(vec!["a", "b", "b"]).await),
        Ok(1)
    );
    assert_eq!(
        object.turn(async |storage| storage.delete_multiple(Vec::<&str>::new()).await),
        Ok(0)
    );
}

#[test]
fn a_transaction_that_fails_undoes_its_writes_and_keeps_the_ones_before_it() {
    let object = Node::new().open();
    object
        .turn(async |storage| storage.put("k", 1).await)
        .expect("put");
    let outcome: Result<()> = object.handle.transaction_sync(|| {
        write(&object, "k", 2);
        object.handle.transaction_sync(|| {
            write(&object, "inner", 1);
            Ok(())
        })?;
        Err(Error::from("no"))
    });
    assert_eq!(outcome, Err(Error::from("no")));
    assert_eq!((object.get("k"), object.get("inner")), (Some(1), None));
}

fn write(object: &Activation, key: &str, value: i32) {
    super::poll_once(object.handle.put(key, value))
        .expect("does not suspend")
        .expect("put");
}

#[test]
fn an_inner_transaction_that_fails_keeps_the_outer_one() {
    let object = Node::new().open();
    object
        .handle
        .transaction_sync(|| {
            write(&object, "outer", 1);
            let inner: Result<()> = object.handle.transaction_sync(|| {
                write(&object, "inner", 1);
                Err(Error::from("no"))
            });
            assert!(inner.is_err());
            Ok(())
        })
        .expect("outer");
    object.storage.end_turn();
    assert_eq!((object.get("outer"), object.get("inner")), (Some(1), None));
    assert_eq!(object.reply(), Some(Ok(())));
}

#[test]
fn the_table_that_was_made_in_a_transaction_that_failed_is_made_again() {
    let object = Node::new().open();
    let outcome: Result<()> = object.handle.transaction_sync(|| {
        write(&object, "k", 1);
        Err(Error::from("no"))
    });
    assert!(outcome.is_err());
    assert_eq!(object.get("k"), None);
    object.put("k", 2);
    assert_eq!(object.get("k"), Some(2));
}

#[test]
fn a_transaction_that_panics_undoes_its_writes() {
    let object = Node::new().open();
    object.put("k", 1);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        object.handle.transaction_sync(|| -> Result<()> {
            write(&object, "k", 2);
            panic!("the object's code panics");
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(object.get("k"), Some(1));
    assert_eq!(object.storage.savepoints.get(), 0);
}

#[test]
fn a_transaction_without_writes_is_confirmed_without_a_sync() {
    let node = Node::new();
    let object = node.open();
    object.handle.transaction_sync(|| Ok(())).expect("empty");
    object.storage.end_turn();
    assert_eq!(
        (
            object.reply(),
            node.disk.syncs(),
            object.storage.confirmed_batch()
        ),
        (Some(Ok(())), 0, 1)
    );
}

#[test]
fn the_runtimes_table_is_out_of_reach_of_sql() {
    let object = Node::new().open();
    object.put("k", 1);
    object.sql("CREATE TABLE t (x)").expect("table");
    let denied = "not authorized: SQLITE_AUTH";
    for (statement, text) in [
        (
            "SELECT value FROM _cf_KV WHERE key = ?1",
            "access to _cf_KV.value is prohibited: SQLITE_AUTH",
        ),
        (
            "SELECT value FROM _CF_kv",
            "access to _cf_KV.value is prohibited: SQLITE_AUTH",
        ),
        ("INSERT INTO _cf_KV VALUES ('a', 'b')", denied),
        ("DELETE FROM _cf_KV", denied),
        ("UPDATE _cf_KV SET value = 1", denied),
        ("DROP TABLE _cf_KV", denied),
        ("ALTER TABLE _cf_KV RENAME TO x", denied),
        ("ALTER TABLE t RENAME TO _cf_x", denied),
        ("ALTER TABLE t RENAME TO \"_CF_x\"", denied),
        ("CREATE TABLE _cf_mine (x)", denied),
        ("CREATE TABLE _Cf_mine (x)", denied),
        ("CREATE INDEX _cf_i ON t (x)", denied),
        ("CREATE VIEW _cf_v AS SELECT 1", denied),
        (
            "CREATE TRIGGER _cf_t AFTER INSERT ON t BEGIN SELECT 1; END",
            denied,
        ),
        ("PRAGMA table_info(_cf_KV)", denied),
        ("PRAGMA journal_mode = DELETE", denied),
        ("PRAGMA wal_checkpoint(RESTART)", denied),
        ("ATTACH 'x' AS y", denied),
        ("CREATE TEMP TABLE x (y)", denied),
        (
            "SELECT sqlite_version()",
            "not authorized to use function: sqlite_version",
        ),
    ] {
        let error = object.sql(statement).expect_err(statement);
        assert!(error.to_string().starts_with(text), "{statement}: {error}");
    }
    for statement in [
        "BEGIN",
        "COMMIT",
        "END",
        "ROLLBACK",
        "SAVEPOINT x",
        "RELEASE x",
        " begin immediate ",
    ] {
        let error = object.sql(statement).expect_err(statement);
        assert!(
            error.to_string().starts_with(
                "To execute a transaction, please use the state.storage.transaction()"
            )
        );
        assert!(
            error
                .to_string()
                .ends_with("automatic atomic write coalescing."),
            "{error}"
        );
    }
    object
        .sql("ALTER TABLE t RENAME TO u")
        .expect("an ordinary name");
    object
        .sql("ALTER TABLE u RENAME COLUMN x TO _cf_column")
        .expect("column names are free");
    object
        .sql("CREATE VIRTUAL TABLE f USING fts5(a)")
        .expect("a full text index");
    object
        .sql("INSERT INTO f VALUES ('hello world')")
        .expect("a document");
    let found = object
        .sql("SELECT a FROM f WHERE f MATCH 'hello'")
        .expect("search");
    assert_eq!(found, [[SqlStorageValue::from("hello world")]]);
    object.storage.end_turn();
    assert_eq!((object.get("k"), object.reply()), (Some(1), Some(Ok(()))));
}

/// Keys that differ in a few places, so that bounds and prefixes meet them.
fn key() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        proptest::sample::select(vec!['\0', 'a', 'b', '\u{7f}', 'é', '\u{ffff}', '\u{1f600}']),
        0..4,
    )
    .prop_map(|characters| characters.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_list_gives_what_a_sorted_map_would(
        keys in proptest::collection::btree_set(key(), 0..20),
        lists in proptest::collection::vec(
            (any::<bool>(), proptest::option::of(key()), proptest::option::of(key()), proptest::option::of(key()),
             any::<bool>(), proptest::option::of(1_usize..6)),
            20,
        ),
    ) {
        let object = Node::new().open();
        let model: BTreeMap<String, usize> = keys.iter().cloned().zip(0..).collect();
        object.turn(async |storage| storage.put_multiple(&model).await).expect("put");
        for (after, start, end, prefix, reverse, limit) in lists {
            let mut options = ListOptions::new().reverse(reverse);
            if let Some(start) = &start {
                options = if after { options.start_after(start) } else { options.start(start) };
            }
            if let Some(end) = &end {
                options = options.end(end);
            }
            if let Some(prefix) = &prefix {
                options = options.prefix(prefix);
            }
            if let Some(limit) = limit {
                options = options.limit(limit);
            }
            let mut expected: Vec<(String, usize)> = model
                .iter()
                .filter(|(key, _)| start.as_ref().is_none_or(|start| if after { *key > start } else { *key >= start }))
                .filter(|(key, _)| end.as_ref().is_none_or(|end| *key < end))
                .filter(|(key, _)| prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix.as_str())))
                .map(|(key, value)| (key.clone(), *value))
                .collect();
            if reverse {
                expected.reverse();
            }
            expected.truncate(limit.unwrap_or(usize::MAX));
            let found: Vec<(String, usize)> = object.turn(async |storage| storage.list_as(options).await).expect("list");
            prop_assert_eq!(found, expected);
        }
    }
}
