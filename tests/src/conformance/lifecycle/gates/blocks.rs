//! Critical sections: in the constructor, around timers, nested, and for too long.

/// `block_concurrency_while` in the constructor delays the first event until its callback is done.
pub(crate) mod block_in_constructor {
    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj {
        ready: Rc<Cell<bool>>,
    }

    impl DurableObject for Obj {
        fn new(state: State, _: Env) -> Self {
            let ready = Rc::new(Cell::new(false));
            O.ev("constructor start", ());
            let (storage, set_ready) = (state.storage(), Rc::clone(&ready));
            drop(state.block_concurrency_while(async move {
                O.ev("block start", ());
                let v: Option<Value> = storage.get("x").await?;
                sleep(20).await;
                set_ready.set(true);
                O.ev("block end", json!({"x": describe(&v.unwrap_or_default())}));
                Ok(())
            }));
            O.ev("constructor end", ());
            Self { ready }
        }
    }

    #[rpc]
    impl Obj {
        pub fn hello(&self) {
            O.ev("hello", json!({"ready": self.ready.get()}));
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.stub::<Obj>("OBJ", "a");
        assert_eq!(join(stub.hello(), stub.hello()).await, (Ok(()), Ok(())));
    }
}

/// Storage reads started by the constructor outside of any block: the reads are done before the first event, what follows the timer
/// is not.
pub(crate) mod async_work_in_constructor_without_block {
    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj {
        ready: Rc<Cell<bool>>,
    }

    impl DurableObject for Obj {
        fn new(state: State, _: Env) -> Self {
            let ready = Rc::new(Cell::new(false));
            let (storage, set_ready) = (state.storage(), Rc::clone(&ready));
            state.wait_until(async move {
                let read: Result<Option<Value>> = storage.get("x").await;
                assert_eq!(read, Ok(None));
                O.ev("read done", ());
                sleep(10).await;
                set_ready.set(true);
                O.ev("sleep done", ());
            });
            O.ev("constructor end", ());
            Self { ready }
        }
    }

    #[rpc]
    impl Obj {
        pub fn hello(&self) {
            O.ev("hello", json!({"ready": self.ready.get()}));
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let hello = env.stub::<Obj>("OBJ", "a").hello().await;
        assert_eq!(hello, Ok(()));
        env.sleep(40).await;
    }
}

/// A timer outside of a block, due after the block's own: the block ends, then the outside timer runs.
pub(crate) mod long_timer_outside_block {
    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj {
        state: State,
    }

    impl DurableObject for Obj {
        fn new(state: State, _: Env) -> Self {
            Self { state }
        }
    }

    #[rpc]
    impl Obj {
        pub async fn work(&self) -> Result<()> {
            self.state.wait_until(async {
                sleep(60).await;
                O.ev("outside timer", ());
            });
            let block = self.state.block_concurrency_while(async {
                O.ev("block start", ());
                sleep(20).await;
                O.ev("block end", ());
                Ok(())
            });
            block.await?;
            sleep(80).await;
            Ok(())
        }
    }

    pub(crate) async fn worker(env: Worker) {
        W.attempt("work", env.stub::<Obj>("OBJ", "a").work()).await;
    }
}

/// During a block its own timers and storage run, other calls wait, and waiting calls then run in order.
pub(crate) mod block_while_other_calls_wait {
    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj {
        state: State,
    }

    impl DurableObject for Obj {
        fn new(state: State, _: Env) -> Self {
            Self { state }
        }
    }

    #[rpc]
    impl Obj {
        pub async fn first(&self) -> Result<()> {
            O.ev("first start", ());
            let storage = self.state.storage();
            let block = self.state.block_concurrency_while(async move {
                O.ev("block start", ());
                sleep(20).await;
                storage.put("k", 1).await?;
                O.ev("block end", ());
                Ok(())
            });
            block.await?;
            O.ev("first end", ());
            Ok(())
        }

        pub fn other(&self, n: u32) {
            O.ev("other", json!({"n": n}));
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.stub::<Obj>("OBJ", "a");
        let (first, others) = (stub.first(), [1, 2, 3].map(|n| stub.other(n)));
        let (first, others) = join(first, join_all(others)).await;
        assert_eq!((first, others), (Ok(()), vec![Ok(()); 3]));
    }
}

/// A call is already awaiting another object when a second call enters a block: its answer is not delivered until the block ends.
pub(crate) mod running_call_during_block {
    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj {
        state: State,
        env: Env,
    }

    impl DurableObject for Obj {
        fn new(state: State, env: Env) -> Self {
            Self { state, env }
        }
    }

    #[rpc]
    impl Obj {
        pub async fn caller(&self) -> Result<()> {
            O.ev("caller start", ());
            stub::<Side>(&self.env, "SIDE", "s").slow().await?;
            O.ev("caller resumed", ());
            Ok(())
        }

        pub async fn blocker(&self) -> Result<()> {
            let block = self.state.block_concurrency_while(async {
                O.ev("block start", ());
                sleep(60).await;
                O.ev("block end", ());
                Ok(())
            });
            block.await
        }
    }

    #[durable_object]
    pub(crate) struct Side;

    impl DurableObject for Side {
        fn new(_: State, _: Env) -> Self {
            Self
        }
    }

    #[rpc]
    impl Side {
        pub async fn slow(&self) {
            sleep(20).await;
            O.ev("side answers", ());
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.stub::<Obj>("OBJ", "a");
        assert_eq!(join(stub.caller(), stub.blocker()).await, (Ok(()), Ok(())));
    }
}

/// A call sleeps; a second call enters a block and sleeps longer.
pub(crate) mod sleeping_call_stalls_block {
    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj {
        state: State,
    }

    impl DurableObject for Obj {
        fn new(state: State, _: Env) -> Self {
            Self { state }
        }
    }

    #[rpc]
    impl Obj {
        pub async fn sleeper(&self) {
            O.ev("sleeper start", ());
            sleep(20).await;
            O.ev("sleeper woke", ());
        }

        pub async fn blocker(&self) -> Result<()> {
            let block = self.state.block_concurrency_while(async {
                O.clocked("block start", ());
                sleep(60).await;
                O.ev("block end", ());
                Ok(())
            });
            block.await
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.stub::<Obj>("OBJ", "a");
        join(
            W.attempt("sleeper", stub.sleeper()),
            W.attempt("blocker", stub.blocker()),
        )
        .await;
        W.clocked("over", ());
    }
}

/// A block inside a block, awaited.
pub(crate) mod nested_block {
    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj {
        state: Rc<State>,
    }

    impl DurableObject for Obj {
        fn new(state: State, _: Env) -> Self {
            let state = Rc::new(state);
            Self { state }
        }
    }

    #[rpc]
    impl Obj {
        pub async fn work(&self) -> Result<String> {
            let state = Rc::clone(&self.state);
            let outer = self.state.block_concurrency_while(async move {
                O.ev("outer start", ());
                let inner = state.block_concurrency_while(async {
                    O.ev("inner start", ());
                    sleep(5).await;
                    O.ev("inner end", ());
                    Ok("inner value")
                });
                let v = inner.await?;
                O.ev("outer end", json!({"v": v}));
                Ok(format!("outer({v})"))
            });
            outer.await
        }
    }

    pub(crate) async fn worker(env: Worker) {
        W.attempt("work", env.stub::<Obj>("OBJ", "a").work()).await;
    }
}

/// A block that does not finish is cancelled after 30 seconds and the object is reset.
pub(crate) mod block_timeout {
    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj {
        state: State,
    }

    impl DurableObject for Obj {
        fn new(state: State, _: Env) -> Self {
            O.ev("constructor", ());
            Self { state }
        }
    }

    #[rpc]
    impl Obj {
        pub async fn stuck(&self) -> Result<()> {
            O.clocked("block start", ());
            let block = self.state.block_concurrency_while(async {
                sleep(120_000).await;
                Ok(())
            });
            block.await
        }

        pub fn hello(&self) -> String {
            "hello".to_owned()
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.stub::<Obj>("OBJ", "a");
        join(
            W.attempt("stuck", stub.stuck()),
            W.attempt("waiting", stub.hello()),
        )
        .await;
        W.clocked("over", ());
        W.attempt("new stub", env.stub::<Obj>("OBJ", "a").hello())
            .await;
    }
}
