//! Texts of several statements, and the words of errors (EX-1 to EX-9).

use super::{object_with_numbers, rows, text};
use crate::{SqlStorageValue, storage::tests::Node};

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
fn a_text_is_cut_where_sqlite_ends_a_statement() {
    let object = Node::new().open();
    for (script, expected) in [
        ("SELECT 1; SELECT 2;\t\r\n\x0b\x0c ", 2),
        (";SELECT 3", 3),
        ("; ; SELECT 4", 4),
        ("SELECT 'a;b'; SELECT \"x;\" IS NULL OR 5", 1),
        ("SELECT 6 -- ; SELECT 7", 6),
        ("SELECT 8 /* open", 8),
    ] {
        assert_eq!(rows(&object, script), [[expected.into()]], "{script:?}");
    }
    let nothing = "SQL code did not contain a statement.";
    for script in [
        "",
        " \n\t ",
        "SELECT 1;;",
        "SELECT 1; ; ",
        "SELECT 1; -- done",
        "SELECT 1; /* done */",
        "/* open",
        "SELECT 1 AS a\0; SELECT 2",
    ] {
        assert_eq!(text(object.sql(script)), nothing, "{script:?}");
    }
}

#[test]
fn the_place_of_an_error_counts_from_its_own_statement() {
    let object = Node::new().open();
    assert_eq!(
        text(object.sql("CREATE TABLE t (a); SELEKT 1")),
        "near \"SELEKT\": syntax error at offset 0: SQLITE_ERROR"
    );
    assert_eq!(
        text(object.sql("SELECT 'a\0b' AS v")),
        "unrecognized token: \"'a\" at offset 7: SQLITE_ERROR"
    );
}

#[test]
fn earlier_statements_of_a_text_stay_done_when_the_last_has_too_few_bindings() {
    let object = Node::new().open();
    assert_eq!(
        text(object.sql("CREATE TABLE t (a); INSERT INTO t VALUES (?)")),
        "Wrong number of parameter bindings for SQL query."
    );
    assert!(rows(&object, "SELECT * FROM t").is_empty());
}

#[test]
fn a_text_that_ran_before_runs_again_with_other_bindings() {
    let object = Node::new().open();
    let query = "SELECT ? AS v";
    for value in [SqlStorageValue::from(1), "x".into(), SqlStorageValue::Null] {
        let cursor = object.handle.sql().exec(query, vec![value.clone()]);
        assert_eq!(cursor.expect("query").raw().next(), Some(Ok(vec![value])));
    }
    assert_eq!(
        text(object.sql(query)),
        "Wrong number of parameter bindings for SQL query."
    );
    for n in 0..200 {
        assert_eq!(rows(&object, &format!("SELECT {n}")), [[n.into()]]); // more texts than are kept
    }
    assert_eq!(rows(&object, "SELECT 0"), [[0.into()]]);
}

#[test]
fn what_the_runtime_compiled_for_itself_is_not_for_the_objects_code() {
    let object = Node::new().open();
    object.put("k", 1);
    assert_eq!(object.get("k"), Some(1));
    assert_eq!(
        text(object.sql("SELECT value FROM _cf_KV WHERE key = ?1")),
        "access to _cf_KV.value is prohibited: SQLITE_AUTH"
    );
}
