//! Limits that a node sets its objects: how large they get, and how strictly they are held to what is documented.

use std::collections::BTreeMap;

use dormouse::{DurableObject, Env, Result, State, StorageBackend, durable_object, rpc};

use super::{NodeBuilder, error_of, on_both, serving};

/// Keeps what it is given.
#[durable_object]
struct Heap {
    state: State,
}

impl DurableObject for Heap {
    fn new(state: State, _: Env) -> Self {
        Self { state }
    }
}

#[rpc]
impl Heap {
    pub async fn put(&self, key: String, bytes: usize) -> Result<()> {
        self.state.storage().put(&key, "v".repeat(bytes)).await
    }

    pub async fn count(&self) -> Result<usize> {
        let options = dormouse::ListOptions::new();
        let all: Vec<(String, String)> = self.state.storage().list_as(options).await?;
        Ok(all.len())
    }

    pub async fn fill(&self, count: usize) -> Result<()> {
        let entries: BTreeMap<String, usize> = (0..count)
            .map(|number| (format!("{number}"), number))
            .collect();
        self.state.storage().put_multiple(entries).await
    }

    /// Reads a row in the turn of the query, and one in a later turn.
    pub async fn read_across_turns(&self) -> Result<()> {
        let storage = self.state.storage();
        let cursor = storage
            .sql()
            .exec("SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3", None)?;
        let mut rows = cursor.raw();
        rows.next().expect("a row")?;
        storage.sync().await?;
        rows.next().expect("a row").map(drop)
    }
}

#[test]
fn an_object_that_is_full_is_reset_and_keeps_what_it_had() {
    let serves = serving::<Heap>().object_bytes_max(64 << 10);
    on_both(&serves, |bench| async move {
        let mut kept = 0;
        let error = loop {
            match bench.stub::<Heap>("a").put(format!("{kept}"), 5000).await {
                Ok(()) => kept += 1,
                failed => break error_of(failed),
            }
        };
        assert!(
            error.contains("database or disk is full: SQLITE_FULL"),
            "{error}"
        );
        assert!(kept > 4, "{kept}");
        assert_eq!(bench.stub::<Heap>("a").count().await, Ok(kept));
        assert_eq!(bench.stub::<Heap>("b").put("k".into(), 5000).await, Ok(()));
    });
}

#[test]
fn strict_storage_holds_objects_to_128_keys_and_to_their_turns() {
    for backend in [StorageBackend::Sqlite, StorageBackend::KeyValue] {
        let serves = NodeBuilder::new("app").object_on::<Heap>("Heap", backend);
        on_both(&serves.clone().strict_storage(), move |bench| async move {
            let stub = bench.stub::<Heap>("a");
            assert_eq!(stub.fill(128).await, Ok(()));
            let error = error_of(stub.fill(129).await);
            assert!(
                error
                    .contains("Maximum number of key value pairs is 128. 129 pairs were provided."),
                "{error}"
            );
            if backend == StorageBackend::Sqlite {
                let error = error_of(stub.read_across_turns().await);
                assert!(error.contains("strict storage"), "{error}");
            }
        });
        on_both(&serves, move |bench| async move {
            let stub = bench.stub::<Heap>("a");
            assert_eq!(stub.fill(129).await, Ok(()));
            if backend == StorageBackend::Sqlite {
                assert_eq!(stub.read_across_turns().await, Ok(()));
            }
        });
    }
}
