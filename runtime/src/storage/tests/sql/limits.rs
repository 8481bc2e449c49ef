//! How large things may be (6.5), and how large they are (SZ-1).

use super::{rows, text};
use crate::{Result, SqlStorageValue, storage::tests::Node};

#[test]
fn a_large_sort_spills_into_memory() {
    let object = Node::new().open();
    let rows = object
        .sql("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) \
              SELECT count(*) FROM (SELECT DISTINCT hex(zeroblob(200)) || i FROM n ORDER BY 1 LIMIT -1)")
        .expect("sort");
    assert_eq!(rows, [[20_000.into()]]);
}

const LENGTH_MAX: usize = 2_200_000;

#[test]
fn texts_blobs_and_rows_have_2_200_000_bytes_at_most() {
    let object = Node::new().open();
    let length = |value: SqlStorageValue| {
        let cursor = object.handle.sql().exec("SELECT length(?)", vec![value])?;
        cursor.raw().collect::<Result<Vec<_>>>()
    };
    let too_big = "string or blob too big: SQLITE_TOOBIG";
    assert!(length(vec![0; LENGTH_MAX].into()).is_ok());
    assert_eq!(text(length(vec![0; LENGTH_MAX + 1].into())), too_big);
    assert!(length("a".repeat(LENGTH_MAX).into()).is_ok());
    assert_eq!(text(length("€".repeat(LENGTH_MAX / 3 + 1).into())), too_big);
    for query in [
        "SELECT zeroblob(2200001)",
        "SELECT randomblob(2200001)",
        "CREATE TABLE t (a, b); INSERT INTO t VALUES (zeroblob(1100000), zeroblob(1100000))",
    ] {
        assert_eq!(text(object.sql(query)), too_big, "{query}");
    }
    let value = "v".repeat(LENGTH_MAX);
    let put = object.turn(async |storage| storage.put("k", &*value).await);
    assert_eq!(text(put), too_big);
}

#[test]
fn a_text_of_sql_has_100_000_bytes_at_most_however_many_statements_it_holds() {
    let object = Node::new().open();
    let script = format!("{}SELECT 1", "SELECT 1;".repeat(11_110));
    assert!(object.sql(&format!("{script}  ")).is_ok());
    assert_eq!(
        text(object.sql(&format!("{script}   "))),
        "statement too long: SQLITE_TOOBIG"
    );
}

#[test]
fn what_a_statement_may_hold_is_bounded() {
    let object = Node::new().open();
    let list = |item: &str, count: usize, between: &str| vec![item; count].join(between);
    let columns: Vec<_> = (0..101).map(|column| format!("c{column}")).collect();
    for (statement, expected) in [
        (
            format!("CREATE TABLE u ({})", columns.join(", ")),
            "too many columns on u: SQLITE_ERROR",
        ),
        (
            format!("SELECT {}", list("1", 101, ", ")),
            "too many columns in result set: SQLITE_ERROR",
        ),
        (
            format!("SELECT {}", list("1", 101, " + ")),
            "Expression tree is too large (maximum depth 100): SQLITE_ERROR",
        ),
        (
            list("SELECT 1", 6, " UNION ALL "),
            "too many terms in compound SELECT: SQLITE_ERROR",
        ),
        (
            format!("SELECT max({})", list("1", 128, ", ")),
            "too many arguments on function max at offset 7: SQLITE_ERROR",
        ),
        (
            "SELECT ?101".to_owned(),
            "variable number must be between ?1 and ?100 at offset 7: SQLITE_ERROR",
        ),
        (
            format!("SELECT 'a' LIKE '{}'", "a".repeat(51)),
            "LIKE or GLOB pattern too complex: SQLITE_ERROR",
        ),
    ] {
        assert_eq!(text(object.sql(&statement)), expected, "{statement}");
    }
    assert!(
        object
            .sql(&format!("SELECT 'a' LIKE '{}'", "a".repeat(50)))
            .is_ok()
    );
    assert!(
        object
            .sql(&format!("VALUES {}", list("(1)", 200, ", ")))
            .is_ok()
    );
}

#[test]
fn triggers_call_triggers_ten_deep_at_most() {
    let object = Node::new().open();
    rows(
        &object,
        "CREATE TABLE t (a); CREATE TRIGGER g AFTER INSERT ON t WHEN new.a < 50 BEGIN INSERT INTO t VALUES (new.a + 1); END; \
         PRAGMA recursive_triggers = on",
    );
    assert_eq!(
        text(object.sql("INSERT INTO t VALUES (1)")),
        "too many levels of trigger recursion: SQLITE_ERROR"
    );
}

#[test]
fn the_size_of_the_database_counts_pages_in_use_and_what_is_not_committed() {
    let node = Node::new();
    let object = node.open();
    let size = || object.handle.sql().database_size();
    assert_eq!(size(), 4096);
    object.put("k", 1);
    assert_eq!(size(), 8192);
    let outcome: Result<()> = object.handle.transaction_sync(|| {
        object.sql("CREATE TABLE t (a)")?;
        assert_eq!(size(), 12288);
        Err("no".into())
    });
    assert!(outcome.is_err());
    assert_eq!(size(), 8192);
    rows(
        &object,
        "CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(100000))",
    );
    assert_eq!(size(), 12288 + 98304);
    rows(&object, "DELETE FROM t");
    assert_eq!(size(), 12288); // the pages are free, not gone
    let sql = object.handle.sql();
    object.crash();
    assert_eq!(sql.database_size(), 0);
    assert_eq!(node.open().handle.sql().database_size(), 8192);
}
