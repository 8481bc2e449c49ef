//! What is refused for its size, and what happens when the cache is full.

use super::*;
use crate::value::{Value, cbor};

fn refusal<T>(result: Result<Answer<T>>) -> (String, String) {
    let error = result.expect_err("refused");
    (error.name().to_owned(), error.message().to_owned())
}

fn range_error(text: &str) -> (String, String) {
    ("RangeError".to_owned(), text.to_owned())
}

#[test]
fn keys_of_more_than_2048_bytes_are_refused() {
    let node = Node::new();
    let object = node.open();
    let (longest, longer) = ("é".repeat(1024), format!("{}x", "é".repeat(1024)));
    object.write(&[(&longest, "v")]);
    let text = "Keys cannot be larger than 2048 bytes. A key of size 2049 was provided.";
    let entries = vec![entry("good", "v"), entry(&longer, "v")];
    assert_eq!(
        refusal(object.storage.put(entries, PutOptions::default())),
        range_error(text)
    );
    let keys = [&*longest, &longer];
    assert_eq!(
        refusal(object.storage.delete(&keys, PutOptions::default())),
        range_error(text)
    );
    object.end_turn();
    assert_eq!(object.get(&longer), None, "reads are not checked");
    assert_eq!(node.durable().0.keys().collect::<Vec<_>>(), [&longest]);
}

#[test]
fn values_are_refused_from_the_size_on_that_the_original_refuses() {
    let node = Node::new();
    let object = node.open();
    let text = |len: usize| cbor::encode(&Value::String("x".repeat(len)));
    let bytes = |len: usize| cbor::encode(&Value::Bytes(vec![0; len]));
    let put = |value| {
        object
            .storage
            .put(vec![("k".into(), value)], PutOptions::default())
    };
    for value in [text(131_072), bytes(131_072), text(131_100)] {
        now(put(value));
    }
    let refused = "Values cannot be larger than 131072 bytes. A value of size 131107 was provided.";
    assert_eq!(refusal(put(text(131_101))), range_error(refused));
    assert_eq!(refusal(put(bytes(131_101))), range_error(refused));
    let mixed = vec![entry("new", "v"), ("k".into(), text(131_101))];
    refusal(object.storage.put(mixed, PutOptions::default()));
    object.end_turn();
    assert_eq!(object.get("new"), None, "nothing of the call was written");
}

#[test]
fn only_a_get_of_several_keys_is_limited_to_128() {
    let node = Node::new();
    let object = node.open();
    let entries = many("k", 300);
    put_all(&object, &entries);
    let keys: Vec<_> = entries.iter().map(|(key, _)| key.clone()).collect();
    assert_eq!(
        refusal(object.storage.get_multiple(&keys[..129], Caching::Keep)),
        range_error("Maximum number of key value pairs is 128. 129 pairs were provided.")
    );
    assert_eq!(
        now(object.storage.get_multiple(&keys[..128], Caching::Keep)).len(),
        128
    );
    object.end_turn();
    object.storage.evict_clean();
    assert_eq!(
        object.wait(object.storage.delete(&keys, PutOptions::default())),
        Ok(300)
    );
    assert_eq!(object.state().0.len(), 0);
}

#[test]
fn above_eight_mebibytes_of_unwritten_changes_the_object_is_held_back() {
    let node = Node::new();
    let object = node.open();
    let value = "x".repeat(128 << 10);
    node.links.hold(true);
    for number in 0..63 {
        now(object.storage.put(
            vec![entry(&format!("k{number}"), &value)],
            PutOptions::default(),
        ));
    }
    assert!(object.storage.backpressure().is_none());
    let mut waits = later(
        object
            .storage
            .put(vec![entry("k63", &value)], PutOptions::default()),
    );
    let mut relief = object.storage.backpressure().expect("held back");
    object.end_turn();
    assert_eq!(poll_once(waits.as_mut()), None);
    assert_eq!(poll_once(relief.as_mut()), None);
    node.links.hold(false);
    object.run();
    assert_eq!(poll_once(waits.as_mut()), Some(Ok(())));
    assert_eq!(poll_once(relief.as_mut()), Some(Ok(())));
    assert!(object.storage.backpressure().is_none());
}

#[test]
fn above_128_mebibytes_the_object_breaks_and_the_unwritten_changes_are_lost() {
    let node = Node::new();
    let object = node.open();
    object.write(&[("before", "v")]);
    let value = "x".repeat(128 << 10);
    let mut error = None;
    for number in 0..1030 {
        let put = object
            .storage
            .put(vec![entry(&format!("k{number}"), &value)], unconfirmed());
        if let Err(refused) = put {
            assert!(number > 1000, "{number}");
            error = Some(refused);
            break;
        }
    }
    let error = error.expect("the cache overflows");
    assert_eq!(
        error.message(),
        "Durable Object's isolate exceeded its memory limit due to overflowing the storage cache. This could be due to writing too many \
         values to storage without stopping to wait for writes to complete, or due to reading too many values in a single operation \
         (e.g. a large list()). All objects in the isolate were reset."
    );
    assert!(error.durable_object_reset() && error.overloaded());
    assert_eq!(object.broken(), error);
    assert_eq!(
        object.storage.get("before", Caching::Keep).map(|_| ()),
        Err(error)
    );
    object.end_turn();
    assert_eq!(node.durable().0.len(), 1);
}

#[test]
fn a_list_that_does_not_fit_into_the_memory_breaks_the_object() {
    let node = Node::new();
    let object = node.open();
    let value = "x".repeat(128 << 10);
    for batch in 0..17 {
        let keys: Vec<_> = (0..62).map(|number| format!("k{batch}-{number}")).collect();
        object.write(&keys.iter().map(|key| (&**key, &*value)).collect::<Vec<_>>());
    }
    let error = object
        .wait(object.storage.list(everything(), Caching::Skip))
        .expect_err("too large");
    assert!(
        error
            .message()
            .starts_with("Durable Object's isolate exceeded its memory limit")
    );
    assert_eq!(object.broken(), error);
}
