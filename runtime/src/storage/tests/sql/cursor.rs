//! Cursors: one row ahead, shared positions, columns, several at once (CUR-1 to CUR-6).

use serde::Deserialize;

use super::{object_with_numbers, text};
use crate::Result;

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
