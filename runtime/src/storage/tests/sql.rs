//! SQL and its cursors.

use serde::Deserialize;

use super::{Activation, Node};
use crate::{Error, Result, SqlStorageValue};

fn object_with_numbers() -> Activation {
    let object = Node::new().open();
    object.sql("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')")
        .expect("table");
    object.storage.end_turn();
    object
}

fn text(outcome: Result<impl Sized>) -> String {
    outcome.map(drop).expect_err("fails").to_string()
}

#[derive(Debug, PartialEq, Deserialize)]
struct Row {
    id: i32,
    name: String,
}

#[derive(Debug, Deserialize)]
struct Flag {
    #[expect(dead_code, reason = "never filled")]
    id: bool,
}

#[test]
fn rows_are_read_by_column_names() {
    let object = object_with_numbers();
    let cursor = object
        .handle
        .sql()
        .exec("SELECT * FROM t WHERE id > ? ORDER BY id", vec![1.into()])
        .expect("query");
    assert_eq!(cursor.column_names(), ["id", "name"]);
    let rows: Vec<Row> = cursor.to_array().expect("rows");
    assert_eq!(
        rows,
        [
            Row {
                id: 2,
                name: "b".into()
            },
            Row {
                id: 3,
                name: "c".into()
            }
        ]
    );
    assert_eq!(cursor.to_array::<Row>(), Ok(vec![]));
    assert_eq!(cursor.column_names(), ["id", "name"]);
    let error = text(
        object
            .handle
            .sql()
            .exec("SELECT id FROM t", None)
            .and_then(|cursor| cursor.to_array::<Flag>()),
    );
    assert!(error.contains("invalid type"), "{error}");
}

#[test]
fn a_cursor_is_one_row_ahead_and_clones_share_its_position() {
    let object = object_with_numbers();
    let cursor = object
        .handle
        .sql()
        .exec("SELECT id FROM t", None)
        .expect("query");
    assert_eq!(cursor.rows_read(), 1);
    let clone = cursor.clone();
    assert_eq!(cursor.raw().next(), Some(Ok(vec![1.into()])));
    assert_eq!(clone.rows_read(), 2);
    assert_eq!(
        clone.raw().collect::<Result<Vec<_>>>(),
        Ok(vec![vec![2.into()], vec![3.into()]])
    );
    assert_eq!((cursor.rows_read(), cursor.raw().next()), (3, None));
}

#[test]
fn one_insists_on_one_row() {
    let object = object_with_numbers();
    let one = |query| {
        object
            .handle
            .sql()
            .exec(query, None)
            .and_then(|cursor| cursor.one::<Row>())
    };
    assert_eq!(
        one("SELECT * FROM t WHERE id = 1"),
        Ok(Row {
            id: 1,
            name: "a".into()
        })
    );
    assert_eq!(
        text(one("SELECT * FROM t WHERE id = 9")),
        "Expected exactly one result from SQL query, but got no results."
    );
    assert_eq!(
        text(one("SELECT * FROM t")),
        "Expected exactly one result from SQL query, but got multiple results."
    );
}

#[test]
fn errors_have_the_message_the_place_and_the_codes() {
    let object = object_with_numbers();
    for (statement, expected) in [
        (
            "INSERT INTO t VALUES (1, 'x')",
            "UNIQUE constraint failed: t.id: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_PRIMARYKEY)",
        ),
        (
            "SELECT * bunk",
            "near \"bunk\": syntax error at offset 9: SQLITE_ERROR",
        ),
        (
            "\n  SELECT * bunk",
            "near \"bunk\": syntax error at offset 12: SQLITE_ERROR",
        ),
        (
            "SELECT * FROM missing",
            "no such table: missing: SQLITE_ERROR",
        ),
        ("", "SQL code did not contain a statement."),
        (";", "SQL code did not contain a statement."),
        ("SELECT 1; -- done", "SQL code did not contain a statement."),
        ("SELECT 1;;", "SQL code did not contain a statement."),
        (
            "SELECT ?",
            "Wrong number of parameter bindings for SQL query.",
        ),
        (
            "SELECT ?; SELECT 1",
            "When executing multiple SQL statements in a single call, only the last statement can have parameters.",
        ),
    ] {
        assert_eq!(text(object.sql(statement)), expected, "{statement}");
    }
    assert!(object.sql("SELECT 1; \n").is_ok());
    assert_eq!(
        text(object.handle.sql().exec("SELECT 1", vec![1.into()])),
        "Wrong number of parameter bindings for SQL query."
    );
}

#[test]
fn statements_of_one_text_run_one_by_one_and_keep_what_they_did() {
    let object = Node::new().open();
    let cursor = object
        .handle
        .sql()
        .exec("CREATE TABLE t (x); INSERT INTO t VALUES (1); SELECT x FROM t; INSERT INTO t VALUES (?), (?)", vec![2.into(), 3.into()])
        .expect("script");
    assert_eq!((cursor.rows_written(), cursor.column_names()), (2, vec![]));
    assert!(
        object
            .sql("INSERT INTO t VALUES (4); SELECT * FROM missing")
            .is_err()
    );
    assert_eq!(
        object.sql("SELECT sum(x) FROM t").expect("sum"),
        [[10.into()]]
    );
    object.sql("CREATE TRIGGER log AFTER INSERT ON t BEGIN DELETE FROM t WHERE x = 1; END; INSERT INTO t VALUES (5)").expect("trigger");
    assert_eq!(
        object.sql("SELECT sum(x) FROM t").expect("sum"),
        [[14.into()]]
    );
}

#[test]
fn numbers_are_bound_as_reals_and_read_back_as_integers() {
    let object = Node::new().open();
    let query = "SELECT typeof(?1), ?1 || '', ?2, ?3, ?4, typeof(?5), ?6";
    let bindings = vec![
        456.into(),
        true.into(),
        None::<i32>.into(),
        vec![1_u8, 2].into(),
        f64::NAN.into(),
        2.5.into(),
    ];
    let rows: Vec<_> = object
        .handle
        .sql()
        .exec(query, bindings)
        .expect("query")
        .raw()
        .collect();
    let expected = vec![
        "real".into(),
        "456.0".into(),
        SqlStorageValue::Integer(1),
        SqlStorageValue::Null,
        vec![1_u8, 2].into(),
        "null".into(),
        2.5.into(),
    ];
    assert_eq!(rows, [Ok(expected)]);
    let stored = object.sql("CREATE TABLE t (i INTEGER, n)").and_then(|_| {
        object
            .handle
            .sql()
            .exec("INSERT INTO t VALUES (?, ?)", vec![5.into(), 5.into()])?;
        object.sql("SELECT typeof(i), typeof(n), i, n FROM t")
    });
    assert_eq!(
        stored,
        Ok(vec![vec![
            "integer".into(),
            "real".into(),
            5.into(),
            5.into()
        ]])
    );
}

#[test]
fn the_same_text_may_run_twice_at_once() {
    let object = object_with_numbers();
    let first = object
        .handle
        .sql()
        .exec("SELECT id FROM t", None)
        .expect("query");
    let second = object
        .handle
        .sql()
        .exec("SELECT id FROM t", None)
        .expect("query");
    assert_eq!(first.raw().next(), Some(Ok(vec![1.into()])));
    assert_eq!(second.raw().count(), 3);
    assert_eq!(first.raw().count(), 2);
}

#[test]
fn reading_opens_no_batch_and_an_open_cursor_survives_a_commit() {
    let object = object_with_numbers();
    let batches = object.storage.batches_begun.get();
    let cursor = object
        .handle
        .sql()
        .exec("SELECT id FROM t", None)
        .expect("query");
    assert_eq!(object.storage.batches_begun.get(), batches);
    object.put("k", 1);
    assert_eq!(object.storage.confirmed_batch(), batches + 1);
    assert_eq!(cursor.raw().count(), 3);
    assert_eq!(object.reply(), Some(Ok(())));
}

#[test]
fn a_writing_cursor_left_open_makes_the_commit_fail_and_resets_the_object() {
    let object = object_with_numbers();
    let cursor = object
        .handle
        .sql()
        .exec("UPDATE t SET name = 'x' RETURNING id", None)
        .expect("update");
    object.storage.end_turn();
    let error = object.reply().expect("decided").expect_err("broken");
    assert!(
        error.to_string().contains("SQL statements in progress"),
        "{error}"
    );
    assert!(cursor.raw().next().is_some_and(|row| row.is_err()));
}

#[test]
fn a_violated_deferred_constraint_resets_the_object_with_the_originals_text() {
    let object = Node::new().open();
    object
        .sql("CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (a REFERENCES a (id))")
        .expect("tables");
    assert!(
        text(object.sql("INSERT INTO b VALUES (1)")).starts_with("FOREIGN KEY constraint failed")
    );
    object.storage.end_turn();
    object
        .handle
        .transaction_sync(|| {
            object
                .sql("PRAGMA defer_foreign_keys = ON; INSERT INTO b VALUES (1)")
                .map(drop)
        })
        .expect("checked at the commit only");
    object.storage.end_turn();
    assert_eq!(
        object.reply(),
        Some(Err(Error::from(
            "Durable Object was reset and rolled back to its last known good state because the application left the database in a \
             state where constraints were violated: FOREIGN KEY constraint failed: SQLITE_CONSTRAINT (extended: \
             SQLITE_CONSTRAINT_FOREIGNKEY)"
        )
        .with_reset()))
    );
}

#[test]
fn a_rollback_behind_our_back_resets_the_object() {
    let object = object_with_numbers();
    assert!(
        object
            .sql("INSERT OR ROLLBACK INTO t VALUES (1, 'x')")
            .is_err()
    );
    object.storage.end_turn();
    let error = object.reply().expect("decided").expect_err("broken");
    assert!(
        error.to_string().contains("no transaction is active"),
        "{error}"
    );
}

#[test]
fn after_a_rollback_behind_our_back_the_rest_of_the_turn_is_not_committed_without_its_beginning() {
    let node = Node::new();
    let object = node.open();
    object
        .sql("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)")
        .expect("table");
    object.storage.end_turn();
    assert_eq!(object.reply(), Some(Ok(())));
    object
        .sql("INSERT INTO t VALUES (2)")
        .expect("the first write of the turn");
    assert!(object.sql("INSERT OR ROLLBACK INTO t VALUES (1)").is_err());
    let error = text(object.sql("INSERT INTO t VALUES (3)"));
    assert!(error.contains("no transaction is active"), "{error}");
    object.storage.end_turn();
    object.crash();
    let rows = node.open().sql("SELECT id FROM t").expect("it is there");
    assert_eq!(rows, [[SqlStorageValue::Integer(1)]]);
}

#[test]
fn a_failed_statement_undoes_itself_and_the_batch_goes_on() {
    let object = object_with_numbers();
    object.sql("INSERT INTO t VALUES (4, 'd')").expect("insert");
    assert!(
        object
            .sql("INSERT INTO t VALUES (5, 'e'), (1, 'x')")
            .is_err()
    );
    object.storage.end_turn();
    assert_eq!(
        object.sql("SELECT count(*) FROM t").expect("count"),
        [[4.into()]]
    );
    assert_eq!(object.reply(), Some(Ok(())));
}

#[test]
fn a_full_disk_in_the_middle_of_a_turn_breaks_the_storage_at_once() {
    let node = Node::new();
    let object = node.open();
    object.sql("CREATE TABLE t (x)").expect("table");
    object.storage.end_turn();
    node.disk.fill_up(true);
    // More than the page cache holds, so that pages must be written before the commit.
    let insert = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) INSERT INTO t SELECT randomblob(2000) FROM n";
    let outcome: Result<()> = object.handle.transaction_sync(|| {
        let error = text(object.sql(insert));
        assert!(error.ends_with("SQLITE_FULL"), "{error}");
        Ok(())
    });
    let error = object.reply().expect("decided").expect_err("broken");
    assert_eq!(error.to_string(), "database or disk is full: SQLITE_FULL");
    assert_eq!(
        text(outcome),
        "Cannot commit transaction due to an earlier SQL critical error"
    );
    assert_eq!(object.sql("SELECT 1"), Err(error));
}

#[test]
fn time_and_chance_come_from_the_ports() {
    let object = Node::new().open();
    let rows = object
        .sql("SELECT datetime('now'), random(), randomblob(2), randomblob(0)")
        .expect("query");
    let ones = 0x0101_0101_0101_0101_i64;
    #[expect(clippy::cast_precision_loss, reason = "as a JavaScript number")]
    let random = SqlStorageValue::Float(ones as f64);
    assert_eq!(
        rows,
        [[
            "2023-11-14 22:13:20".into(),
            random,
            vec![1, 1].into(),
            vec![1].into()
        ]]
    );
}

#[test]
fn column_names_follow_a_change_of_the_table() {
    let object = object_with_numbers();
    let names = || {
        object
            .handle
            .sql()
            .exec("SELECT * FROM t", None)
            .expect("query")
            .column_names()
    };
    assert_eq!(names(), ["id", "name"]);
    object
        .sql("ALTER TABLE t RENAME COLUMN name TO label")
        .expect("alter");
    assert_eq!(names(), ["id", "label"]);
    object.sql("ALTER TABLE t ADD COLUMN more").expect("alter");
    assert_eq!(names(), ["id", "label", "more"]);
    let none = object
        .handle
        .sql()
        .exec("SELECT id FROM t WHERE id > 100", None)
        .expect("query");
    assert_eq!(none.column_names(), ["id"]);
}

#[test]
fn a_large_sort_spills_into_memory() {
    let object = Node::new().open();
    let rows = object
        .sql("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) \
              SELECT count(*) FROM (SELECT DISTINCT hex(zeroblob(200)) || i FROM n ORDER BY 1 LIMIT -1)")
        .expect("sort");
    assert_eq!(rows, [[20_000.into()]]);
}
