//! Rows read and written, as the original counts them: where not said otherwise, the figures of its recordings.
#![cfg(sqlite_counts)]

use super::rows;
use crate::storage::tests::{Activation, Node};

fn three_rows() -> Activation {
    let object = Node::new().open();
    rows(
        &object,
        "CREATE TABLE t (a INTEGER PRIMARY KEY, b); INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'z')",
    );
    object
}

/// What a statement has read and written at its first row, and at its end.
fn counts(object: &Activation, statement: &str) -> [(usize, usize); 2] {
    let cursor = object.handle.sql().exec(statement, None).expect(statement);
    let first = (cursor.rows_read(), cursor.rows_written());
    assert!(cursor.raw().all(|row| row.is_ok()), "{statement}");
    [first, (cursor.rows_read(), cursor.rows_written())]
}

#[track_caller]
fn expect(object: &Activation, statement: &str, end: (usize, usize)) {
    assert_eq!(counts(object, statement)[1], end, "{statement}");
}

#[test]
fn a_query_counts_the_rows_that_it_looks_at_and_is_one_ahead() {
    let object = three_rows();
    for (statement, first, end) in [
        ("SELECT * FROM t WHERE a = 2", 1, 1),
        ("SELECT * FROM t WHERE b = 'y'", 2, 3),
        ("SELECT * FROM t LIMIT 1", 1, 1),
        ("SELECT count(*) FROM t", 3, 3),
        ("SELECT max(a) FROM t", 1, 1),
        ("SELECT * FROM t ORDER BY b DESC", 4, 6),
        ("SELECT * FROM t AS x JOIN t AS y ON x.a = y.a", 2, 6),
        ("SELECT 1", 0, 0),
        ("SELECT * FROM t; SELECT * FROM t WHERE a = 1", 1, 1),
        ("SELECT value FROM json_each('[1, 2, 3]')", 0, 3),
    ] {
        assert_eq!(
            counts(&object, statement),
            [(first, 0), (end, 0)],
            "{statement}"
        );
    }
}

#[test]
fn a_writing_statement_counts_the_rows_of_indexes_too() {
    let object = three_rows();
    expect(&object, "INSERT INTO t (b) VALUES ('w')", (0, 1));
    expect(
        &object,
        "INSERT INTO t (b) VALUES ('w') RETURNING a",
        (1, 1),
    );
    expect(&object, "UPDATE t SET b = 'q' WHERE a = 99", (1, 0));
    expect(
        &object,
        "INSERT INTO t VALUES (1, 'n') ON CONFLICT DO UPDATE SET b = 'm'",
        (1, 1),
    );
    expect(&object, "DELETE FROM t WHERE a > 3", (2, 2)); // by reasoning: the search, and a step to the other row
    expect(&object, "INSERT INTO t (b) SELECT b FROM t", (6, 3));
    rows(
        &object,
        "DELETE FROM t WHERE a > 3; CREATE INDEX i ON t (b)",
    );
    expect(&object, "INSERT INTO t (b) VALUES ('w')", (0, 2));
    expect(&object, "SELECT a FROM t WHERE b = 'y'", (2, 0));
    expect(&object, "UPDATE t SET b = 'k' WHERE a = 1", (1, 2));
    expect(&object, "DELETE FROM t WHERE a = 1", (1, 1));
    expect(&object, "CREATE TABLE u (a)", (1, 2));
}

#[test]
fn a_search_that_finds_nothing_in_an_index_has_read_nothing() {
    let object = three_rows();
    rows(&object, "CREATE INDEX i ON t (b)");
    expect(&object, "SELECT a FROM t WHERE b = 'none'", (0, 0));
}

#[test]
fn emptying_a_table_at_one_go_counts_its_rows() {
    let object = three_rows();
    expect(&object, "DELETE FROM t", (0, 3));
}

#[test]
fn triggers_count_each_time_anew() {
    let object = three_rows();
    rows(
        &object,
        "CREATE TABLE l (a); CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO l VALUES (1), (2); END",
    );
    for _ in 0..3 {
        expect(&object, "INSERT INTO t (b) VALUES ('w')", (0, 3));
    }
    // A row of `t`, two of `l`, and each of these empties `l`: of seven rows, then of one. Now the two are put aside first and read again.
    rows(
        &object,
        "CREATE TRIGGER h AFTER INSERT ON l BEGIN DELETE FROM l; END",
    );
    expect(
        &object,
        "INSERT INTO t (b) VALUES ('w')",
        (2, 1 + 2 + 7 + 1),
    );
    expect(
        &object,
        "INSERT INTO t (b) VALUES ('w')",
        (2, 1 + 2 + 1 + 1),
    );
}

#[test]
fn the_same_statement_counts_from_zero_each_time_and_while_another_is_open() {
    let object = three_rows();
    let query = "SELECT * FROM t";
    expect(&object, query, (3, 0));
    let open = object.handle.sql().exec(query, None).expect("query");
    expect(&object, query, (3, 0));
    assert_eq!(open.rows_read(), 1);
    assert_eq!(open.raw().count(), 3);
    expect(&object, query, (3, 0));
    assert_eq!(open.rows_read(), 3);
}

#[test]
fn full_text_search_and_tables_without_rowid_count() {
    let object = Node::new().open();
    rows(
        &object,
        "CREATE VIRTUAL TABLE f USING fts5(x); CREATE TABLE w (k PRIMARY KEY, v) WITHOUT ROWID",
    );
    expect(&object, "INSERT INTO w VALUES (1, 2)", (0, 1));
    expect(&object, "SELECT * FROM w", (1, 0));
    assert_eq!(counts(&object, "INSERT INTO f VALUES ('a b')")[1].1, 1);
    expect(&object, "SELECT * FROM f WHERE f MATCH 'a'", (1, 0));
}

#[test]
fn counts_are_over_with_the_storage() {
    let object = three_rows();
    let cursor = object
        .handle
        .sql()
        .exec("SELECT * FROM t", None)
        .expect("query");
    object.storage.shut_down(crate::Error::from("gone"));
    assert_eq!((cursor.rows_read(), cursor.rows_written()), (0, 0));
}
