//! Explicit transactions: all of it or nothing, over several turns.

use super::{Node, disk::Loss};
use crate::{Error, PutOptions, Result, Transaction};

async fn put(txn: &Transaction, key: &str, value: i32) -> Result<()> {
    txn.put(key, value).await
}

#[test]
fn what_a_failed_transaction_wrote_is_undone_and_nothing_else() {
    let object = Node::new().open();
    let outcome = object.turns(async |storage| {
        storage.put("before", 1).await?;
        let inside = storage.clone();
        let failed: Result<()> = storage
            .transaction(move |txn| async move {
                put(&txn, "a", 1).await?;
                inside.put("b", 1).await?; // the handle of the storage is part of it, too
                inside.kv().put("c", 1)?;
                inside.sql().exec("CREATE TABLE t (a)", None)?;
                Err(Error::range_error("no"))
            })
            .await;
        assert_eq!(failed, Err(Error::range_error("no")));
        storage.put("after", 1).await
    });
    assert_eq!(outcome, Ok(()));
    let seen = ["before", "a", "b", "c", "after"].map(|key| object.get(key));
    assert_eq!(seen, [Some(1), None, None, None, Some(1)]);
    assert!(object.sql("SELECT * FROM t").is_err());
}

#[test]
fn a_transaction_of_several_turns_becomes_durable_as_a_whole() {
    let node = Node::new();
    let object = node.open();
    object.put("old", 1);
    object.run_to_durable();
    object.disk.hold_syncs(true);
    let committed: Result<i32> = object.turns(async |storage| {
        storage
            .transaction(move |txn| async move {
                put(&txn, "a", 1).await?;
                super::next_turn().await;
                put(&txn, "b", 2).await?;
                super::next_turn().await;
                put(&txn, "c", 3).await?;
                Ok(7)
            })
            .await
    });
    assert_eq!(committed, Ok(7));
    assert_eq!(object.reply(), None, "it is not durable yet");
    let lost = node.lose_power(Loss::Everything).open();
    assert_eq!(["a", "b", "c"].map(|key| lost.get(key)), [None; 3]);
    assert_eq!(lost.get("old"), Some(1));
    object.run_to_durable();
    let kept = node.lose_power(Loss::Everything).open();
    assert_eq!(
        ["a", "b", "c"].map(|key| kept.get(key)),
        [Some(1), Some(2), Some(3)]
    );
}

#[test]
fn outputs_do_not_wait_inside_and_do_wait_after_the_commit() {
    let object = Node::new().open();
    object.disk.hold_syncs(true);
    let gate = std::rc::Rc::clone(&object.gate);
    object
        .turns(async move |storage| {
            storage
                .transaction(move |txn| async move {
                    put(&txn, "a", 1).await?;
                    assert_eq!(
                        super::poll_once(gate.pass()),
                        Some(Ok(())),
                        "a message sent inside may leave (GATE-16)"
                    );
                    Ok(())
                })
                .await
        })
        .expect("commits");
    assert_eq!(object.reply(), None);
}

#[test]
fn a_transaction_of_unconfirmed_writes_holds_nothing_back() {
    let object = Node::new().open();
    object.disk.hold_syncs(true);
    let unconfirmed = PutOptions {
        allow_unconfirmed: true,
        ..PutOptions::default()
    };
    object
        .turns(async move |storage| {
            storage
                .transaction(
                    move |txn| async move { txn.put_with_options("a", 1, unconfirmed).await },
                )
                .await
        })
        .expect("commits");
    assert_eq!(object.reply(), Some(Ok(())));
    object
        .turns(async move |storage| {
            let inner_only = storage.clone();
            storage
                .transaction(move |txn| async move {
                    txn.put_with_options("b", 1, unconfirmed).await?;
                    let undone: Result<()> = inner_only
                        .transaction(|inner| async move {
                            put(&inner, "c", 1).await?;
                            Err(Error::from("undo"))
                        })
                        .await;
                    assert!(undone.is_err());
                    Ok(())
                })
                .await
        })
        .expect("commits");
    assert_eq!(
        object.reply(),
        Some(Ok(())),
        "the confirmed write was rolled back (TXN-14)"
    );
}

#[test]
fn inner_transactions_are_undone_alone_and_outer_ones_undo_the_inner() {
    let object = Node::new().open();
    let outcome: Result<()> = object.turns(async |storage| {
        let nested = storage.clone();
        storage
            .transaction(|outer| async move {
                put(&outer, "outer", 1).await?;
                let undone: Result<()> = nested
                    .transaction(|inner| async move {
                        put(&inner, "undone", 1).await?;
                        inner.rollback()
                    })
                    .await;
                assert_eq!(undone, Ok(()));
                nested
                    .transaction(|inner| async move { put(&inner, "kept", 1).await })
                    .await
            })
            .await?;
        assert_eq!(storage.get("undone").await, Ok(None::<i32>));
        assert_eq!(storage.get("kept").await, Ok(Some(1)));
        let nested = storage.clone();
        storage
            .transaction(|outer| async move {
                put(&outer, "outer", 2).await?;
                nested
                    .transaction(|inner| async move { put(&inner, "kept", 2).await })
                    .await?;
                Err(Error::from("undo both"))
            })
            .await
    });
    assert_eq!(outcome, Err(Error::from("undo both")));
    assert_eq!(
        (object.get("outer"), object.get("kept")),
        (Some(1), Some(1))
    );
}

#[test]
fn a_handle_says_why_it_is_of_no_use_any_more() {
    let object = Node::new().open();
    object.turns(async |storage| {
        let rolled_back = storage
            .transaction(move |txn| async move {
                put(&txn, "a", 1).await?;
                txn.rollback()?;
                txn.rollback()?;
                assert_eq!(
                    put(&txn, "a", 2).await,
                    Err(Error::from("Cannot put() on rolled back transaction"))
                );
                Ok(txn)
            })
            .await
            .expect("its value is the result all the same");
        assert_eq!(
            rolled_back.get_alarm().await,
            Err(Error::from("Cannot getAlarm() on rolled back transaction"))
        );
        let committed = storage
            .transaction(|txn| async move { Ok(txn) })
            .await
            .expect("commits");
        assert_eq!(
            committed.rollback(),
            Err(Error::from(
                "Cannot call rollback() on transaction that has already committed: did you move `txn` outside of the closure?"
            ))
        );
        assert_eq!(storage.get("a").await, Ok(None::<i32>));
    });
}

#[test]
fn a_missing_value_is_an_error_on_a_transaction() {
    let object = Node::new().open();
    let missing: Result<i32> = object.turns(async |storage| {
        storage
            .transaction(move |txn| async move {
                assert_eq!(txn.get_optional::<i32>("a").await, Ok(None));
                txn.get("a").await
            })
            .await
    });
    assert_eq!(missing, Err(Error::from("No such value in storage.")));
}

#[test]
fn an_outer_transaction_cannot_be_rolled_back_under_an_inner_one() {
    let object = Node::new().open();
    object
        .turns(async |storage| {
            let nested = storage.clone();
            storage
                .transaction(|outer| async move {
                    put(&outer, "a", 1).await?;
                    let refused = nested
                        .transaction(|_| async move { outer.rollback() })
                        .await
                        .expect_err("refused");
                    assert_eq!(
                        refused.to_string(),
                        "Cannot roll back an outer transaction while a nested transaction is still running."
                    );
                    Ok(())
                })
                .await
        })
        .expect("goes on");
    assert_eq!(object.get("a"), Some(1));
}

#[test]
fn writes_after_a_rollback_are_a_batch_of_their_own() {
    let object = Node::new().open();
    let failed: Result<()> = object.turns(async |storage| {
        let inside = storage.clone();
        storage
            .transaction(move |txn| async move {
                put(&txn, "a", 1).await?;
                txn.rollback()?;
                inside.put("b", 1).await?;
                Err(Error::from("too late to undo b"))
            })
            .await
    });
    assert!(failed.is_err());
    assert_eq!((object.get("a"), object.get("b")), (None, Some(1)));
}

#[test]
fn a_transaction_that_only_reads_writes_nothing() {
    let object = Node::new().open();
    object.put("a", 1);
    object.run_to_durable();
    let before = object.storage.confirmed_batch();
    let read = object.turns(async |storage| {
        storage
            .transaction(|txn| async move { txn.get::<i32>("a").await })
            .await
    });
    assert_eq!(read, Ok(1));
    assert_eq!(object.reply(), Some(Ok(())));
    assert_eq!(object.storage.confirmed_batch(), before);
}

#[test]
fn a_violation_that_is_found_at_the_commit_resets_the_object() {
    let node = Node::new();
    let object = node.open();
    object
        .sql(
            "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED)",
        )
        .expect("tables");
    object.run_to_durable();
    let never: Result<()> = object.turns(async |storage| {
        let inside = storage.clone();
        storage
            .transaction(|_| async move {
                inside
                    .sql()
                    .exec("INSERT INTO c VALUES (1)", None)
                    .map(drop)
            })
            .await
    });
    assert!(never.is_err(), "the section failed");
    let reset = object
        .reply()
        .expect("the gate is broken")
        .expect_err("broken");
    assert!(reset.durable_object_reset());
    assert!(
        reset.to_string().contains("FOREIGN KEY constraint failed"),
        "{reset}"
    );
    let object = node.open();
    assert_eq!(object.sql("SELECT * FROM c").expect("select").len(), 0);
}
