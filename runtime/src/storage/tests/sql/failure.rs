//! What a statement leaves behind that fails, or does not end (SQLTX-10 to SQLTX-15).

use super::{object_with_numbers, text};
use crate::{Error, Result, SqlStorageValue, storage::tests::Node};

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
        ))),
        "as recorded: without the flag of a reset"
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
fn a_writing_cursor_that_is_open_keeps_a_transaction_from_beginning() {
    let object = object_with_numbers();
    let cursor = object
        .handle
        .sql()
        .exec("UPDATE t SET name = 'x' RETURNING id", None)
        .expect("update");
    let outcome: Result<()> = object.handle.transaction_sync(|| Ok(()));
    assert!(text(outcome).contains("SQL statements in progress"));
    assert_eq!(cursor.raw().count(), 3);
    assert_eq!(object.handle.transaction_sync(|| Ok(1)), Ok(1));
    object.storage.end_turn();
    assert_eq!(object.reply(), Some(Ok(())));
}

#[test]
fn a_writing_cursor_of_one_row_is_over_when_the_row_was_read() {
    let object = object_with_numbers();
    let cursor = object
        .handle
        .sql()
        .exec("UPDATE t SET name = 'x' WHERE id = 1 RETURNING id", None)
        .expect("update");
    assert!(cursor.raw().next().is_some_and(|row| row.is_ok()));
    object.storage.end_turn();
    assert_eq!(object.reply(), Some(Ok(())));
}

#[test]
fn an_error_between_rows_takes_a_rows_place_and_ends_the_cursor() {
    let object = object_with_numbers();
    let cursor = object
        .handle
        .sql()
        .exec(
            "SELECT abs(CASE id WHEN 2 THEN -9223372036854775808 ELSE id END) FROM t",
            None,
        )
        .expect("the first row has no error");
    assert_eq!(
        text(cursor.raw().next().expect("something")),
        "integer overflow: SQLITE_ERROR"
    );
    assert!(cursor.raw().next().is_none());
    assert_eq!(object.sql("SELECT 1"), Ok(vec![vec![1.into()]]));
}
