//! What a stub is good for when its object was reset, or left memory.

/// After an abort the stub that saw it keeps failing; others work.
pub(crate) mod stub_after_abort {
    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj {
        state: State,
        n: Cell<u32>,
    }

    impl DurableObject for Obj {
        fn new(state: State, _: Env) -> Self {
            O.ev("constructor", ());
            Self {
                state,
                n: Cell::new(0),
            }
        }
    }

    #[rpc]
    impl Obj {
        pub fn inc(&self) -> u32 {
            self.n.set(self.n.get() + 1);
            self.n.get()
        }

        pub async fn die(&self) {
            self.state.abort(Some("gone")).await;
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let old = env.stub::<Obj>("OBJ", "a");
        let idle = env.stub::<Obj>("OBJ", "a");
        W.attempt("inc", old.inc()).await;
        W.attempt("die", old.die()).await;
        W.attempt("inc, stub that saw the abort", old.inc()).await;
        W.attempt("inc, stub made before, never used", idle.inc())
            .await;
        W.attempt("inc, new stub", env.stub::<Obj>("OBJ", "a").inc())
            .await;
        W.attempt("inc, stub that saw the abort, again", old.inc())
            .await;
    }
}

/// A stub keeps working after the object was evicted from memory; instance memory is new, storage is kept.
pub(crate) mod stub_after_eviction {
    use serde::{Deserialize, Serialize};

    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj {
        state: State,
        n: Cell<u32>,
    }

    #[derive(Serialize, Deserialize)]
    pub(crate) struct Counts {
        memory: u32,
        stored: Option<u32>,
    }

    impl DurableObject for Obj {
        fn new(state: State, _: Env) -> Self {
            O.ev("constructor", ());
            Self {
                state,
                n: Cell::new(0),
            }
        }
    }

    #[rpc]
    impl Obj {
        pub async fn inc(&self) -> Result<Counts> {
            let storage = self.state.storage();
            let n = storage.get("n").await?.unwrap_or(0);
            not_awaited(storage.put("n", n + 1));
            self.n.set(self.n.get() + 1);
            Ok(Counts {
                memory: self.n.get(),
                stored: storage.get("n").await?,
            })
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.stub::<Obj>("OBJ", "a");
        W.attempt("inc", stub.inc()).await;
        W.attempt("inc", stub.inc()).await;
        env.evict().await;
        W.ev("evicted", ());
        W.attempt("inc", stub.inc()).await;
    }
}
