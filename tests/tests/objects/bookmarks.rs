//! Going back in time, as an object does it: arm, abort, and be there.

use std::convert::Infallible;

use dormouse::{DurableObject, Env, Result, State, durable_object, rpc};

use super::{error_of, on_both, serving};

/// Keeps one number and remembers where it was.
#[durable_object]
struct Traveller {
    state: State,
}

impl DurableObject for Traveller {
    fn new(state: State, _: Env) -> Self {
        Self { state }
    }
}

#[rpc]
impl Traveller {
    /// Returns the bookmark of the state with that number.
    pub async fn put(&self, number: i64) -> Result<String> {
        let storage = self.state.storage();
        storage.put("number", number).await?;
        storage.get_current_bookmark().await
    }

    pub async fn get(&self) -> Result<i64> {
        Ok(self.state.storage().get("number").await?.unwrap_or(0))
    }

    /// The way of the documentation: nothing between the call and the abort.
    pub async fn go_back(&self, bookmark: String) -> Result<()> {
        let storage = self.state.storage();
        storage.put("number", -1).await?;
        storage.on_next_session_restore_bookmark(&bookmark).await?;
        let never: Infallible = self.state.abort(Some("back")).await;
        match never {}
    }

    /// Everything is deleted in between.
    pub async fn wipe_and_go_back(&self, bookmark: String) -> Result<()> {
        let storage = self.state.storage();
        storage.on_next_session_restore_bookmark(&bookmark).await?;
        storage.delete_all().await?;
        storage.sync().await?;
        let never: Infallible = self.state.abort(Some("back")).await;
        match never {}
    }
}

#[test]
fn an_object_that_aborts_right_after_it_asked_for_a_restore_comes_back_restored() {
    on_both(&serving::<Traveller>(), |bench| async move {
        let stub = bench.stub::<Traveller>("a");
        let first = stub.put(1).await.expect("put");
        let second = stub.put(2).await.expect("put");
        assert!(error_of(stub.go_back(first).await).contains("back"));
        let stub = bench.stub::<Traveller>("a");
        assert_eq!(stub.get().await, Ok(1));
        assert!(error_of(stub.wipe_and_go_back(second).await).contains("back"));
        let stub = bench.stub::<Traveller>("a");
        assert_eq!(stub.get().await, Ok(2));
    });
}
