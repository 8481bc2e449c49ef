//! Files that are not what they were: reported by the object's name, never written on, never replaced.

use super::{Node, PATH};
use crate::Error;

/// An object whose table has many pages, all of them in the database file.
fn node_with_rows() -> Node {
    let node = Node {
        wal_bytes_max: 0,
        ..Node::new()
    };
    let object = node.open();
    object
        .sql(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, x);
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
             INSERT INTO t SELECT i, hex(zeroblob(500)) FROM n",
        )
        .expect("rows");
    object.put("k", 1);
    object.run_to_durable();
    object.crash();
    node
}

fn text(error: &Error) -> String {
    error.message().to_owned()
}

#[test]
fn damage_that_a_statement_meets_is_told_by_name_and_resets_the_object() {
    let node = node_with_rows();
    let whole = node.disk.contents(PATH).expect("there");
    let mut damaged = whole.clone();
    // A page in the middle of the table, by its type: nothing of the kind exists.
    for page in damaged.chunks_mut(4096).skip(1) {
        if page[0] == 0x0d && page.len() == 4096 && !page.windows(4).any(|bytes| bytes == b"_cf_") {
            page[0] = 0x77;
        }
    }
    assert_ne!(damaged, whole);
    node.disk.plant(PATH, &damaged);
    let log = node.disk.contents(&format!("{PATH}-wal")).expect("there");
    node.disk.plant(&format!("{PATH}-wal"), &vec![0; log.len()]);
    let object = node.open();
    object
        .turn(async |storage| storage.sql().exec("CREATE TABLE other (x)", None).map(drop))
        .ok();
    let error = object
        .sql("SELECT count(x) FROM t")
        .expect_err("it is damaged");
    assert_eq!(
        text(&error),
        "the storage of Counter/a (objects/Counter/a.sqlite) is damaged: database disk image is malformed: SQLITE_CORRUPT"
    );
    let reason = object.reply().expect("decided").expect_err("it is reset");
    assert_eq!(text(&reason), text(&error));
    assert_eq!(object.sql("SELECT 1"), Err(reason));
}

#[test]
fn an_index_of_words_that_the_object_spoilt_itself_is_an_error_and_no_damage() {
    let object = Node::new().open();
    object
        .sql(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, x);
             CREATE VIRTUAL TABLE w USING fts5(x, content='t', content_rowid='id');
             INSERT INTO w (rowid, x) VALUES (77, 'seven')",
        )
        .expect("allowed");
    let error = object
        .sql("INSERT INTO w (w, rank) VALUES ('integrity-check', 1)")
        .expect_err("the index names a row that is not there");
    assert!(error.message().contains("SQLITE_CORRUPT_VTAB"), "{error}");
    assert!(object.sql("SELECT 1").is_ok());
    object.storage.end_turn();
    assert_eq!(object.reply(), Some(Ok(())));
}

#[test]
fn a_database_that_was_cut_off_is_not_taken_for_one_that_is_being_made() {
    let node = node_with_rows();
    // The log goes on, is moved into the database, and begins anew.
    let object = node.open();
    object.put("k", 2);
    object.put("k", 3);
    object.run_to_durable();
    object.crash();
    let log = node.disk.contents(&format!("{PATH}-wal")).expect("there");
    for left in [&[][..], &[0; 4096], &[0; 100]] {
        node.disk.plant(PATH, left);
        let error = node.try_open().err().expect("it is refused");
        assert!(
            text(&error).starts_with(
                "cannot open the storage of Counter/a (objects/Counter/a.sqlite): disk error: the database is empty or cut off"
            ),
            "{error}"
        );
        assert_eq!(
            node.disk.contents(PATH).as_deref(),
            Some(left),
            "it is left alone"
        );
        assert_eq!(
            node.disk.contents(&format!("{PATH}-wal")),
            Some(log.clone())
        );
        assert_eq!(node.disk.files_open(), 0);
    }
}
