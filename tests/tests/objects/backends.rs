//! The two storage backends behind one API: what is the same on both, and what is not.

use dormouse::{
    DurableObject, Env, Error, GetOptions, ListOptions, NodeBuilder, ObjectClass as _, Result,
    State, StorageBackend, durable_object, rpc,
};
use futures_util::future::join;

use super::{Bench, error_of, ms, on_both};

/// Keeps numbers under keys.
#[durable_object]
struct Shelf {
    state: State,
}

impl DurableObject for Shelf {
    fn new(state: State, _: Env) -> Self {
        Self { state }
    }
}

#[rpc]
impl Shelf {
    pub async fn put(&self, key: &str, value: i64) -> Result<()> {
        self.state.storage().put(key, value).await
    }

    pub async fn fill(&self, count: i64) -> Result<()> {
        let entries = (0..count).map(|number| (format!("{number:03}"), number));
        let entries: std::collections::BTreeMap<_, _> = entries.collect();
        self.state.storage().put_multiple(entries).await
    }

    pub async fn get(&self, key: &str) -> Result<Option<i64>> {
        self.state.storage().get(key).await
    }

    pub async fn remove(&self, keys: Vec<String>) -> Result<usize> {
        self.state.storage().delete_multiple(keys).await
    }

    pub async fn count(&self) -> Result<usize> {
        let storage = self.state.storage();
        let all = storage.list_as::<i64>(ListOptions::new()).await?;
        Ok(all.len())
    }

    /// Reads, and writes what it has read and one more. The read may have to wait for the storage.
    pub async fn increment(&self) -> Result<i64> {
        let storage = self.state.storage();
        let next = storage.get::<i64>("n").await?.unwrap_or(0) + 1;
        storage.put("n", next).await?;
        Ok(next)
    }

    /// The same, and lets others run while it waits.
    pub async fn increment_concurrently(&self) -> Result<i64> {
        let storage = self.state.storage();
        let options = GetOptions {
            allow_concurrency: true,
            ..GetOptions::default()
        };
        let next = storage.get_with_options::<i64>("n", options).await?;
        let next = next.unwrap_or(0) + 1;
        storage.put("n", next).await?;
        Ok(next)
    }

    pub async fn clear(&self) -> Result<()> {
        self.state.storage().delete_all().await
    }

    /// Changes two keys in a transaction, sees what of it shows outside, and ends it as told.
    pub async fn change_in_transaction(&self, undo: bool) -> Result<Option<i64>> {
        let outside = self.state.storage();
        let seen = outside.clone();
        let outcome = outside
            .transaction(move |txn| async move {
                txn.put("a", 10).await?;
                txn.delete("b").await?;
                assert_eq!(txn.get::<i64>("a").await, Ok(10));
                let seen = seen.get("a").await?;
                if undo {
                    Err(Error::from("undo"))
                } else {
                    Ok(seen)
                }
            })
            .await;
        if undo { outcome.or(Ok(None)) } else { outcome }
    }

    pub async fn store_long_key(&self, len: usize) -> Result<()> {
        self.state.storage().put(&"k".repeat(len), 1).await
    }

    pub fn ask_sql(&self) -> Result<()> {
        self.state.storage().sql().exec("SELECT 1", None).map(drop)
    }

    pub fn ask_sync_kv(&self) -> Result<Option<i64>> {
        self.state.storage().kv().get("a")
    }

    pub fn ask_transaction_sync(&self) -> Result<()> {
        self.state.storage().transaction_sync(|| Ok(()))
    }
}

fn shelves_on(backend: StorageBackend) -> NodeBuilder {
    NodeBuilder::new("app").object_on::<Shelf>(Shelf::CLASS_NAME, backend)
}

const BACKENDS: [StorageBackend; 3] = [
    StorageBackend::Sqlite,
    StorageBackend::KeyValue,
    StorageBackend::KeyValueEmulated,
];

#[test]
fn what_is_stored_is_there_after_a_restart_and_gone_after_delete_all() {
    for backend in BACKENDS {
        on_both(&shelves_on(backend), move |bench: Bench| async move {
            let shelf = bench.stub::<Shelf>("a");
            shelf.fill(300).await.expect("fill");
            let bench = bench.restart(&shelves_on(backend));
            let shelf = bench.stub::<Shelf>("a");
            assert_eq!(shelf.count().await, Ok(300));
            assert_eq!(shelf.get("007").await, Ok(Some(7)));
            let some = ["007", "008", "none"].map(str::to_owned).to_vec();
            assert_eq!(shelf.remove(some).await, Ok(2));
            assert_eq!(shelf.count().await, Ok(298));
            shelf.clear().await.expect("clear");
            assert_eq!(shelf.count().await, Ok(0));
            let bench = bench.restart(&shelves_on(backend));
            assert_eq!(bench.stub::<Shelf>("a").count().await, Ok(0));
        });
    }
}

#[test]
fn a_read_that_waits_for_the_storage_lets_nobody_in_unless_it_may() {
    let serves = shelves_on(StorageBackend::KeyValue);
    on_both(&serves, |bench: Bench| async move {
        bench.stub::<Shelf>("a").put("n", 0).await.expect("put");
        // Nothing is in the cache of a new activation.
        let bench = bench.restart(&shelves_on(StorageBackend::KeyValue));
        let (one, two) = (bench.stub::<Shelf>("a"), bench.stub::<Shelf>("a"));
        let (first, second) = join(one.increment(), two.increment()).await;
        let mut numbers = [first.expect("increments"), second.expect("increments")];
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2]);
        let bench = bench.restart(&shelves_on(StorageBackend::KeyValue));
        let (one, two) = (bench.stub::<Shelf>("a"), bench.stub::<Shelf>("a"));
        let both = join(one.increment_concurrently(), two.increment_concurrently());
        let (first, second) = both.await;
        let now = bench.stub::<Shelf>("a").get("n").await;
        let lost = first == Ok(3) && second == Ok(3) && now == Ok(Some(3));
        let in_order = now == Ok(Some(4));
        assert!(lost || in_order, "{first:?}, {second:?}, {now:?}");
    });
}

#[test]
fn a_transaction_shows_outside_on_sqlite_and_not_on_the_legacy_backend() {
    for (backend, shown) in [
        (StorageBackend::Sqlite, Some(10)),
        (StorageBackend::KeyValueEmulated, Some(10)),
        (StorageBackend::KeyValue, Some(1)),
    ] {
        on_both(&shelves_on(backend), move |bench: Bench| async move {
            let shelf = bench.stub::<Shelf>("a");
            shelf.put("a", 1).await.expect("put");
            shelf.put("b", 2).await.expect("put");
            assert_eq!(shelf.change_in_transaction(true).await, Ok(None));
            assert_eq!(
                (shelf.get("a").await, shelf.get("b").await),
                (Ok(Some(1)), Ok(Some(2)))
            );
            assert_eq!(shelf.change_in_transaction(false).await, Ok(shown));
            assert_eq!(
                (shelf.get("a").await, shelf.get("b").await),
                (Ok(Some(10)), Ok(None))
            );
            let bench = bench.restart(&shelves_on(backend));
            let shelf = bench.stub::<Shelf>("a");
            assert_eq!(
                (shelf.get("a").await, shelf.get("b").await),
                (Ok(Some(10)), Ok(None))
            );
        });
    }
}

#[test]
fn the_legacy_backend_refuses_long_keys_and_what_only_sqlite_can_do() {
    let serves = shelves_on(StorageBackend::KeyValue);
    on_both(&serves, |bench: Bench| async move {
        let shelf = bench.stub::<Shelf>("a");
        shelf.store_long_key(2048).await.expect("just fits");
        assert_eq!(
            error_of(shelf.store_long_key(2049).await),
            "RangeError: Keys cannot be larger than 2048 bytes. A key of size 2049 was provided. [remote]"
        );
        let sql = error_of(shelf.ask_sql().await);
        assert!(
            sql.starts_with("Error: This Durable Object is not backed by SQLite storage, so the SQL API is not available."),
            "{sql}"
        );
        let kv = error_of(shelf.ask_sync_kv().await);
        assert!(
            kv.starts_with("Error: The storage.kv (synchronous KV) API is only available for SQLite-backed Durable Objects"),
            "{kv}"
        );
        assert_eq!(
            error_of(shelf.ask_transaction_sync().await),
            "Error: Durable Object is not backed by SQL. [remote]"
        );
    });
}

#[test]
fn an_object_is_not_served_on_another_backend_than_its_own() {
    let pairs = [
        (StorageBackend::Sqlite, StorageBackend::KeyValue),
        (StorageBackend::KeyValue, StorageBackend::Sqlite),
    ];
    for (own, other) in pairs {
        on_both(&shelves_on(own), move |bench: Bench| async move {
            bench.stub::<Shelf>("a").put("a", 1).await.expect("put");
            let bench = bench.restart(&shelves_on(other));
            let refused = error_of(bench.stub::<Shelf>("a").get("a").await);
            assert!(
                refused.contains("cannot open the storage of Shelf/a"),
                "{refused}"
            );
            assert!(refused.contains("cannot be changed later"), "{refused}");
            bench
                .stub::<Shelf>("b")
                .put("a", 1)
                .await
                .expect("others go on");
            let bench = bench.restart(&shelves_on(own));
            assert_eq!(bench.stub::<Shelf>("a").get("a").await, Ok(Some(1)));
        });
    }
}

#[test]
fn the_legacy_backend_keeps_its_data_over_hibernation() {
    let serves = shelves_on(StorageBackend::KeyValue);
    on_both(&serves, |bench: Bench| async move {
        let shelf = bench.stub::<Shelf>("a");
        shelf.put("a", 1).await.expect("put");
        bench.pass(ms(5)).await;
        assert_eq!(bench.node.hibernate_idle(), 1);
        assert_eq!(shelf.get("a").await, Ok(Some(1)));
    });
}
