//! Transactions: overlays on the cache.

use super::*;

fn with_two() -> (Node, Object) {
    let node = Node::new();
    let object = node.open();
    object.write(&[("a", "1"), ("b", "1")]);
    object.storage.evict_clean();
    (node, object)
}

fn begin(object: &Object) -> super::super::Overlay {
    object.storage.begin_transaction().expect("open")
}

#[test]
fn a_transaction_sees_its_own_changes_over_the_cache_and_nobody_else_does() {
    let (_node, object) = with_two();
    let mut transaction = begin(&object);
    transaction
        .put(
            vec![entry("a", "mine"), entry("c", "mine")],
            PutOptions::default(),
        )
        .expect("open");
    let deleted = transaction.delete(&["b"], PutOptions::default());
    assert_eq!(object.wait(deleted), Ok(1));
    let get = |key| {
        object
            .wait(transaction.get(key, Caching::Keep))
            .expect("get")
            .map(text)
    };
    assert_eq!(
        (get("a").as_deref(), get("b"), get("x")),
        (Some("mine"), None, None)
    );
    let found = object
        .wait(transaction.get_multiple(&["c", "b", "a"], Caching::Keep))
        .expect("get");
    assert_eq!(texts(found), pairs(&[("a", "mine"), ("c", "mine")]));
    let list = object
        .wait(transaction.list(everything(), Caching::Keep))
        .expect("list");
    assert_eq!(texts(list), pairs(&[("a", "mine"), ("c", "mine")]));
    assert_eq!(object.list(everything()), pairs(&[("a", "1"), ("b", "1")]));
}

#[test]
fn a_list_in_a_transaction_keeps_its_limit_and_direction() {
    let (_node, object) = with_two();
    object.write(&[("c", "1"), ("d", "1")]);
    let mut transaction = begin(&object);
    object
        .wait(transaction.delete(&["d"], PutOptions::default()))
        .expect("delete");
    transaction
        .put(
            vec![entry("bb", "mine"), entry("z", "mine")],
            PutOptions::default(),
        )
        .expect("open");
    let list = |reverse, limit| {
        let bounds = Bounds {
            reverse,
            limit: Some(limit),
            end: Some("y".into()),
            ..everything()
        };
        let list = object
            .wait(transaction.list(bounds, Caching::Keep))
            .expect("list");
        list.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(list(false, 3), ["a", "b", "bb"]);
    assert_eq!(list(true, 2), ["c", "bb"]);
}

#[test]
fn a_commit_is_one_flush_with_everything_else_that_is_dirty() {
    let (node, object) = with_two();
    object.put("outside", "v");
    let mut transaction = begin(&object);
    for (key, value) in many("k", 200) {
        transaction
            .put(vec![entry(&key, &value)], PutOptions::default())
            .expect("open");
    }
    transaction
        .set_alarm(Some(WallTime::from_millis(5)), PutOptions::default())
        .expect("open");
    assert_eq!(
        now(transaction.get_alarm()).map(WallTime::as_millis),
        Some(5)
    );
    node.links.take_calls();
    now(transaction.commit());
    object.end_turn();
    assert_eq!(
        node.links.take_calls(),
        [4],
        "two puts, the alarm, the commit"
    );
    assert_eq!((node.durable().0.len(), node.durable().1), (203, Some(5)));
}

#[test]
fn a_rollback_leaves_nothing_and_holds_nothing() {
    let (node, object) = with_two();
    let mut transaction = begin(&object);
    transaction
        .put(vec![entry("a", "mine")], PutOptions::default())
        .expect("open");
    transaction
        .set_alarm(Some(WallTime::from_millis(5)), PutOptions::default())
        .expect("open");
    transaction.rollback();
    node.links.take_calls();
    object.end_turn();
    assert_eq!(
        (object.reply(), node.links.take_calls()),
        (Some(Ok(())), vec![])
    );
    assert_eq!(
        (object.get("a").as_deref(), object.alarm()),
        (Some("1"), None)
    );
}

#[test]
fn writes_beside_the_transaction_take_effect_at_once_and_survive_its_rollback() {
    let (node, object) = with_two();
    let mut transaction = begin(&object);
    transaction
        .put(vec![entry("a", "mine")], PutOptions::default())
        .expect("open");
    object.write(&[("a", "beside"), ("c", "beside")]);
    let get = |key| {
        object
            .wait(transaction.get(key, Caching::Keep))
            .expect("get")
            .map(text)
    };
    assert_eq!(
        (get("a").as_deref(), get("c").as_deref()),
        (Some("mine"), Some("beside"))
    );
    transaction.rollback();
    assert_eq!(node.durable().0["a"], "beside");
}

#[test]
fn nested_transactions_are_independent() {
    let (node, object) = with_two();
    let mut outer = begin(&object);
    outer
        .put(vec![entry("a", "outer")], PutOptions::default())
        .expect("open");
    let mut inner = begin(&object);
    assert_eq!(
        object
            .wait(inner.get("a", Caching::Keep))
            .expect("get")
            .map(text)
            .as_deref(),
        Some("1")
    );
    inner
        .put(vec![entry("b", "inner")], PutOptions::default())
        .expect("open");
    now(inner.commit());
    outer.rollback();
    object.end_turn();
    assert_eq!(
        node.durable().0,
        pairs(&[("a", "1"), ("b", "inner")]).into_iter().collect()
    );
}

#[test]
fn a_deletion_in_a_transaction_reads_unknown_keys_to_count_them() {
    let (node, object) = with_two();
    node.links.hold(true);
    let mut transaction = begin(&object);
    transaction
        .put(vec![entry("mine", "v")], PutOptions::default())
        .expect("open");
    let keys = ["mine", "a", "missing", "a"];
    let deleted = later(transaction.delete(&keys, PutOptions::default()));
    assert!(now(transaction.get("a", Caching::Keep)).is_none());
    node.links.hold(false);
    assert_eq!(object.wait(Ok(Answer::Later(deleted))), Ok(2));
    assert_eq!(now(transaction.delete(&["a"], PutOptions::default())), 0);
    now(transaction.commit());
    object.end_turn();
    assert_eq!(node.durable().0.keys().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn a_transaction_of_unconfirmed_writes_holds_nothing_and_one_confirmed_write_changes_that() {
    for (options, held) in [(unconfirmed(), false), (PutOptions::default(), true)] {
        let (node, object) = with_two();
        node.links.hold(true);
        let mut transaction = begin(&object);
        transaction
            .put(vec![entry("a", "2")], unconfirmed())
            .expect("open");
        transaction
            .put(vec![entry("b", "2")], options)
            .expect("open");
        assert_eq!(object.reply(), Some(Ok(())), "nothing before the commit");
        now(transaction.commit());
        assert_eq!(object.reply().is_none(), held);
    }
}
