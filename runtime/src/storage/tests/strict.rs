//! Strict storage: what the original lets pass and does not promise is refused.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;

use super::Node;
use crate::{ListOptions, Result, Storage};

fn strict() -> Node {
    Node {
        strict: true,
        ..Node::new()
    }
}

fn keys(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("k{number:03}")).collect()
}

fn entries(count: usize) -> BTreeMap<String, usize> {
    keys(count).into_iter().zip(0..).collect()
}

fn refused<T: std::fmt::Debug>(outcome: Result<T>, pairs: usize) {
    let error = outcome.expect_err("it is refused");
    assert_eq!(error.name(), "RangeError");
    let text = format!("Maximum number of key value pairs is 128. {pairs} pairs were provided.");
    assert_eq!(error.message(), text);
}

async fn too_many(storage: &Storage) {
    refused(storage.get_multiple_as::<usize>(keys(129)).await, 129);
    refused(storage.put_multiple(entries(130)).await, 130);
    refused(storage.delete_multiple(keys(131)).await, 131);
}

#[test]
fn no_call_takes_more_than_128_keys() {
    let node = strict();
    let object = node.open();
    object.turn(async |storage: Storage| {
        storage
            .put_multiple(entries(128))
            .await
            .expect("as many as may be");
        let found = storage.get_multiple_as::<usize>(keys(128)).await;
        assert_eq!(found.expect("as many as may be").len(), 128);
        too_many(&storage).await;
        assert_eq!(
            storage.delete_multiple(keys(128)).await,
            Ok(128),
            "nothing was written or deleted"
        );
        assert_eq!(storage.get::<usize>("k128").await, Ok(None));
    });
    assert_eq!(object.reply(), Some(Ok(())));
    let outcome = object.turns(async |storage: Storage| {
        storage
            .transaction(|txn| async move {
                refused(txn.get_multiple_as::<usize>(keys(129)).await, 129);
                refused(txn.put_multiple(entries(130)).await, 130);
                refused(txn.delete_multiple(keys(131)).await, 131);
                Ok(())
            })
            .await
    });
    assert_eq!(outcome, Ok(()));
}

#[test]
fn unless_it_is_asked_for_any_number_of_keys_goes() {
    let object = Node::new().open();
    object.turn(async |storage: Storage| {
        storage.put_multiple(entries(300)).await.expect("put");
        assert_eq!(
            storage
                .get_multiple_as::<usize>(keys(300))
                .await
                .expect("get")
                .len(),
            300
        );
        assert_eq!(storage.delete_multiple(keys(300)).await, Ok(300));
    });
}

const ROWS: &str = "SELECT 1 AS x UNION ALL SELECT 2 UNION ALL SELECT 3";

#[test]
fn a_cursor_ends_with_its_turn() {
    let object = strict().open();
    let sql = object.handle.sql();
    let cursor = sql.exec(ROWS, None).expect("query");
    let empty = sql.exec("SELECT 1 WHERE 0", None).expect("query");
    assert_eq!(
        cursor.raw().take(1).count(),
        1,
        "in its turn it can be read"
    );
    object.storage.end_turn();
    for cursor in [cursor, empty] {
        let first = cursor.raw().next().expect("it does not seem to be over");
        let error = first.expect_err("its turn is over");
        assert!(
            error
                .message()
                .starts_with("strict storage: this SQL cursor was made in a turn that has ended"),
            "{error}"
        );
        assert!(cursor.to_array::<IgnoredAny>().is_err());
        assert!(cursor.one::<IgnoredAny>().is_err());
        assert_eq!(
            cursor.column_names().len(),
            1,
            "what is known of it can still be asked"
        );
    }
    assert_eq!(object.reply(), Some(Ok(())), "the object goes on");
}

#[test]
fn a_list_of_keys_ends_with_its_turn() {
    let object = strict().open();
    object.put("a", 1);
    object.put("b", 2);
    let mut list = object
        .handle
        .kv()
        .list_as::<i32>(ListOptions::new())
        .expect("a list");
    assert_eq!(list.next(), Some(Ok(("a".into(), 1))));
    object.storage.end_turn();
    let error = list
        .next()
        .expect("it does not seem to be over")
        .expect_err("its turn is over");
    assert!(
        error.message().starts_with(
            "strict storage: this kv.list() iterator was made in a turn that has ended"
        ),
        "{error}"
    );
}

#[test]
fn unless_it_is_asked_for_a_cursor_outlives_its_turn() {
    let object = Node::new().open();
    let cursor = object.handle.sql().exec(ROWS, None).expect("query");
    object.storage.end_turn();
    assert_eq!(cursor.to_array::<IgnoredAny>().expect("rows").len(), 3);
}
