//! `delete_all` on SQLite: everything, at once, with the rest of the turn.

use super::{Node, disk::Loss};
use crate::{Error, ScheduledTime, SqlStorageValue};

/// A database with one of everything.
const EVERYTHING: &str = "
    CREATE TABLE parents (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE);
    CREATE TABLE children (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parents (id));
    CREATE TABLE \"od\"\"d name\" (a);
    CREATE VIRTUAL TABLE words USING fts5(word);
    CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1);
    CREATE VIEW names AS SELECT name FROM parents;
    CREATE VIEW broken AS SELECT * FROM nowhere;
    CREATE INDEX by_parent ON children (parent);
    CREATE TRIGGER t AFTER DELETE ON parents BEGIN INSERT INTO children VALUES (99, old.id); END;
    INSERT INTO parents (name) VALUES ('a'), ('b');
    INSERT INTO children VALUES (1, 1), (2, 1);
    INSERT INTO words VALUES ('dormouse');
    INSERT INTO boxes VALUES (1, 0, 1);
    ANALYZE;
";

#[test]
fn nothing_is_left_of_anything_and_everything_can_be_made_again() {
    let node = Node::new();
    let object = node.open();
    let fill = |object: &super::Activation| {
        object.turn(async |storage| {
            storage.sql().exec(EVERYTHING, None).expect("fill");
            storage.put("k", 1).await.expect("put");
            storage
                .set_alarm(ScheduledTime::from(1000))
                .await
                .expect("alarm");
        });
    };
    for _ in 0..2 {
        fill(&object);
        object
            .turn(async |storage| storage.delete_all().await)
            .expect("delete");
        let left = object
            .sql("SELECT name FROM sqlite_schema")
            .expect("schema");
        assert_eq!(left, Vec::<Vec<SqlStorageValue>>::new());
        let violations = object.sql("PRAGMA foreign_key_check").expect("check");
        assert_eq!(violations.len(), 0);
        assert_eq!(
            object.sql("PRAGMA quick_check").expect("check"),
            [["ok".into()]]
        );
        assert_eq!(object.get("k"), None);
        assert_eq!(
            object.turn(async |storage| storage.get_alarm().await),
            Ok(None)
        );
        assert_eq!(
            object.sql("PRAGMA foreign_keys").expect("pragma"),
            [[1.into()]],
            "foreign keys are enforced again"
        );
    }
    object.crash();
    let object = node.open();
    assert_eq!(
        object
            .sql("SELECT count(*) FROM sqlite_schema")
            .expect("count"),
        [[0.into()]]
    );
}

#[test]
fn writes_before_it_in_the_turn_are_never_made_and_writes_after_it_share_its_commit() {
    let node = Node::new();
    let object = node.open();
    object.put("old", 1);
    object.run_to_durable();
    object.disk.hold_syncs(true);
    object
        .turn(async |storage| {
            storage.put("before", 1).await?;
            storage.delete_all().await?;
            storage.put("after", 1).await
        })
        .expect("all three");
    // Nothing of the turn was synced: the old state is there, whole.
    let lost = node.lose_power(Loss::Everything).open();
    assert_eq!(
        (lost.get("old"), lost.get("before"), lost.get("after")),
        (Some(1), None, None)
    );
    object.run_to_durable();
    let kept = node.lose_power(Loss::Everything).open();
    assert_eq!(
        (kept.get("old"), kept.get("before"), kept.get("after")),
        (None, None, Some(1))
    );
}

#[test]
fn it_is_confirmed_and_an_older_date_keeps_the_alarm() {
    let node = Node {
        delete_all_deletes_alarm: false,
        ..Node::new()
    };
    let object = node.open();
    object
        .turn(async |storage| {
            storage.put("k", 1).await?;
            storage.set_alarm(ScheduledTime::from(1000)).await
        })
        .expect("set");
    object.run_to_durable();
    let alarm = object
        .turn(async |storage| storage.get_alarm().await)
        .expect("alarm");
    object.disk.hold_syncs(true);
    object
        .turn(async |storage| storage.delete_all().await)
        .expect("delete");
    assert_eq!(object.reply(), None, "a reply must wait for it");
    object.run_to_durable();
    let object = node.lose_power(Loss::Everything).open();
    assert_eq!(object.get("k"), None);
    assert_eq!(
        object.turn(async |storage| storage.get_alarm().await),
        Ok(alarm)
    );
    assert!(alarm.is_some());
}

#[test]
fn an_open_cursor_and_an_open_list_say_that_the_database_was_deleted() {
    let object = Node::new().open();
    let canceled = Error::from("SQLite query was canceled because the database was deleted.");
    object.turn(async |storage| {
        let sql = storage.sql();
        sql.exec(
            "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2), (3)",
            None,
        )
        .expect("fill");
        storage.put("a", 1).await.expect("put");
        let mut rows = sql.exec("SELECT a FROM t", None).expect("select").raw();
        let mut entries = storage
            .kv()
            .list_as::<i32>(crate::ListOptions::new())
            .expect("list");
        storage.delete_all().await.expect("delete");
        assert_eq!(rows.next(), Some(Err(canceled.clone())));
        assert_eq!(entries.next(), Some(Err(canceled)));
        let gone = sql.exec("SELECT a FROM t", None).expect_err("gone");
        assert_eq!(gone.to_string(), "no such table: t: SQLITE_ERROR");
    });
}

#[test]
fn inside_a_transaction_it_is_refused_and_deletes_nothing() {
    let object = Node::new().open();
    object.put("k", 1);
    let refused = Error::from("Cannot call deleteAll() within a transaction");
    let expected = refused.clone();
    let outcome = object.turns(async move |storage| {
        let inside = storage.clone();
        storage
            .transaction(|txn| async move {
                assert_eq!(txn.delete_all().await, Err(expected.clone()));
                assert_eq!(inside.delete_all().await, Err(expected));
                txn.get::<i32>("k").await
            })
            .await
    });
    assert_eq!(outcome, Ok(1));
    let in_sync = object.turn(async |storage| {
        storage.transaction_sync(|| super::poll_once(storage.delete_all()).expect("it never waits"))
    });
    assert_eq!(in_sync, Err(refused));
    assert_eq!(object.get("k"), Some(1));
}
