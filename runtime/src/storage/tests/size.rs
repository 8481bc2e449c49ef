//! How large an object may get, and that its log does not grow without end.

use super::Node;
use crate::{Error, Result, SqlStorageValue};

const FULL: &str = "database or disk is full: SQLITE_FULL";

fn small() -> Node {
    Node {
        bytes_max: 100_000,
        ..Node::new()
    }
}

/// The last page that fits: a part of one does not count.
const BYTES_FIT: usize = 100_000 / 4096 * 4096;

fn text<T: std::fmt::Debug>(outcome: Result<T>) -> String {
    outcome.expect_err("it fails").message().to_owned()
}

#[test]
fn a_write_that_does_not_fit_resets_the_object_and_loses_its_batch_alone() {
    let node = small();
    let object = node.open();
    let mut kept = 0;
    let error = loop {
        let put =
            object.turn(async |storage| storage.put(&format!("{kept:04}"), "v".repeat(900)).await);
        match put {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
        assert_eq!(object.reply(), Some(Ok(())));
        assert!(object.handle.sql().database_size() <= BYTES_FIT);
    };
    assert_eq!(error.message(), FULL);
    assert!(kept > 60, "{kept}");
    let reason = object
        .reply()
        .expect("decided")
        .expect_err("it is reset (LM-2)");
    assert_eq!(reason.message(), FULL);
    let object = node.open();
    let left = object.sql("SELECT 1").and_then(|_| {
        object.turn(async |storage| storage.list_as::<String>(crate::ListOptions::new()).await)
    });
    assert_eq!(left.expect("a list").len(), kept, "earlier batches stay");
    // Deleting makes room.
    let first: Vec<String> = (0..20).map(|number| format!("{number:04}")).collect();
    object
        .turn(async |storage| storage.delete_multiple(first).await)
        .expect("delete");
    object
        .turn(async |storage| storage.put("again", "v".repeat(900)).await)
        .expect("there is room");
    assert_eq!(object.reply(), Some(Ok(())));
    object
        .turn(async |storage| storage.delete_all().await)
        .expect("delete");
    object.put("k", 1);
    assert_eq!(object.reply(), Some(Ok(())));
}

#[test]
fn an_explicit_transaction_is_bounded_as_well_and_undone() {
    let node = small();
    let object = node.open();
    object.put("k", 1);
    let node_after = {
        let outcome = object.try_turns(async |storage| {
            storage
                .transaction(|txn| async move {
                    for number in 0..500 {
                        txn.put(&format!("{number}"), "v".repeat(900)).await?;
                    }
                    Ok(())
                })
                .await
        });
        // The object is reset, so the call may never hear of it.
        assert!(outcome.is_none_or(|outcome: Result<()>| outcome.is_err()));
        assert_eq!(
            object
                .reply()
                .expect("decided")
                .map_err(|error| error.message().to_owned()),
            Err(FULL.to_owned())
        );
        node.tasks.clear();
        node
    };
    let object = node_after.open();
    assert_eq!(object.get("k"), Some(1));
    assert_eq!(object.get("0"), None);
}

#[test]
fn a_database_that_is_larger_than_it_may_be_can_be_read_and_emptied() {
    let mut node = Node::new();
    let object = node.open();
    for number in 0..100 {
        object
            .turn(async |storage| storage.put(&format!("{number}"), "v".repeat(2000)).await)
            .expect("put");
    }
    object.crash();
    node.bytes_max = 8192;
    let object = node.open();
    assert!(object.handle.sql().database_size() > 8192);
    let put = object.turn(async |storage| storage.put("more", "v".repeat(50_000)).await);
    assert_eq!(text(put), FULL);
    let object = node.open();
    for number in 0..100 {
        let deleted = object.turn(async |storage| storage.delete(&format!("{number}")).await);
        assert_eq!(deleted, Ok(true));
    }
    assert_eq!(object.reply(), Some(Ok(())));
}

#[test]
fn the_limit_holds_for_the_objects_own_tables() {
    let node = small();
    let object = node.open();
    object.sql("CREATE TABLE t (x)").expect("table");
    object.storage.end_turn();
    let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO t SELECT zeroblob(1000) FROM n";
    assert_eq!(text(object.sql(fill)), FULL);
    object.storage.end_turn();
    let object = match object.storage.database() {
        Ok(_) => object, // only the statement was undone: also allowed (LM-2)
        Err(_) => node.open(),
    };
    let rows = object.sql("SELECT count(*) FROM t");
    assert_eq!(
        rows,
        Ok::<_, Error>(vec![vec![SqlStorageValue::Integer(0)]])
    );
}

/// The story: only a turn with an implicit batch looked at the log's length, so that of an object that wrote in transactions alone grew without
/// end.
#[test]
fn transactions_alone_move_a_long_log_as_well() {
    let node = Node {
        wal_bytes_max: 40_000,
        ..Node::new()
    };
    let object = node.open();
    for number in 0..60 {
        let outcome = object.turns(async move |storage| {
            storage
                .transaction(move |txn| async move { txn.put("k", number).await })
                .await
        });
        assert_eq!(outcome, Ok(()));
    }
    assert_eq!(object.reply(), Some(Ok(())));
    let log = node
        .disk
        .contents(&format!("{}-wal", super::PATH))
        .expect("there")
        .len();
    assert!(log < 80_000, "{log}");
}
