//! Blocks that fail, aborts and exceptions: who sees them, and what they leave behind.

/// The callback of a block fails inside a call: the object is reset; waiting calls fail too; the next call constructs again.
pub(crate) mod throw_in_block {
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
        pub async fn bad(&self) -> Result<()> {
            let block = self.state.block_concurrency_while(async {
                sleep(10).await;
                O.ev("throwing", ());
                Err::<(), _>(Error::range_error("block failed"))
            });
            block
                .await
                .inspect_err(|error| O.ev("caught inside", json!({"message": error.message()})))
        }

        pub fn other(&self, n: u32) -> u32 {
            O.ev("other", json!({"n": n}));
            n
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.stub::<Obj>("OBJ", "a");
        join(
            W.attempt("bad", stub.bad()),
            W.attempt("other 1", stub.other(1)),
        )
        .await;
        W.attempt("same stub", stub.other(2)).await;
        W.attempt("new stub", env.stub::<Obj>("OBJ", "a").other(3))
            .await;
    }
}

/// The callback of a block in the constructor fails: every waiting call fails; a new stub constructs again.
pub(crate) mod throw_in_constructor_block {
    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj;

    impl DurableObject for Obj {
        fn new(state: State, _: Env) -> Self {
            let build = count("builds");
            O.ev("constructor", json!({"build": build}));
            drop(state.block_concurrency_while(async move {
                sleep(5).await;
                if build == 1 {
                    return Err(Error::range_error("setup failed").with_property("code", "E_SETUP"));
                }
                Ok(())
            }));
            Self
        }
    }

    #[rpc]
    impl Obj {
        pub fn hello(&self, n: u32) -> u32 {
            O.ev("hello", json!({"n": n}));
            n
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.stub::<Obj>("OBJ", "a");
        let (one, two) = (stub.hello(1), stub.hello(2));
        join(W.attempt("call 1", one), W.attempt("call 2", two)).await;
        W.attempt("new stub", env.stub::<Obj>("OBJ", "a").hello(3))
            .await;
    }
}

/// Puts that were not awaited, then an abort in the same turn: what the next instance finds.
#[allow(non_snake_case, reason = "the recorded names")]
pub(crate) mod abort_with_pending_puts {
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
        pub async fn setup(&self) -> Result<()> {
            self.state.storage().put("before", 1).await
        }

        pub async fn die(&self) {
            not_awaited(self.state.storage().put("pending", 1));
            self.state.abort(Some("die")).await;
        }

        pub async fn dieAfterTick(&self) {
            not_awaited(self.state.storage().put("tick", 1));
            std::future::ready(()).await;
            self.state.abort(Some("die after tick")).await;
        }

        pub async fn dieAfterAwait(&self) -> Result<()> {
            self.state.storage().put("awaited", 1).await?;
            not_awaited(self.state.storage().put("after awaited", 1));
            self.state.abort(Some("die after await")).await;
            Ok(())
        }

        pub async fn dieAfterSleep(&self) {
            not_awaited(self.state.storage().put("slept", 1));
            sleep(10).await;
            self.state.abort(Some("die after sleep")).await;
        }

        pub async fn dieAfterSync(&self) -> Result<()> {
            not_awaited(self.state.storage().put("synced", 1));
            self.state.storage().sync().await?;
            self.state.abort(Some("die after sync")).await;
            Ok(())
        }

        pub async fn keys(&self) -> Result<Vec<String>> {
            keys(&self.state.storage()).await
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let setup = env.stub::<Obj>("OBJ", "a").setup().await;
        assert_eq!(setup, Ok(()));
        for method in [
            "die",
            "dieAfterTick",
            "dieAfterAwait",
            "dieAfterSleep",
            "dieAfterSync",
        ] {
            let call = env.plain("OBJ", "a").call_with(method, Ok(Vec::new()));
            W.attempt(method, call).await;
            let keys = env.stub::<Obj>("OBJ", "a").keys();
            W.attempt(&format!("keys after {method}"), keys).await;
        }
    }
}

/// A method that puts without awaiting and then fails: the write stays.
pub(crate) mod exception_after_put {
    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj {
        state: State,
    }

    impl DurableObject for Obj {
        fn new(state: State, _: Env) -> Self {
            Self { state }
        }

        async fn fetch(&self, _: Request) -> Result<Response> {
            let keys = keys(&self.state.storage()).await?;
            O.ev("keys", json!({"keys": keys}));
            Response::ok("ok")
        }
    }

    #[rpc]
    impl Obj {
        pub fn sync(&self) -> Result<()> {
            not_awaited(self.state.storage().put("sync", 1));
            Err("after put".into())
        }

        pub async fn later(&self) -> Result<()> {
            not_awaited(self.state.storage().put("later", 1));
            sleep(5).await;
            Err("after sleep".into())
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.stub::<Obj>("OBJ", "a");
        W.attempt("sync", stub.sync()).await;
        W.attempt("later", stub.later()).await;
    }

    pub(crate) async fn client(c: Client) {
        c.step("run worker", c.run()).await;
        c.step("GET", c.get("/o/a/")).await;
        c.restart();
        c.step("GET after SIGKILL and restart", c.get("/o/a/"))
            .await;
    }
}

/// An abort while another call sleeps and a third waits: all get the same error; background work of the old instance stops.
pub(crate) mod abort_with_calls_in_flight {
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
        pub async fn sleeper(&self) -> String {
            O.ev("sleeper start", ());
            sleep(50).await;
            O.ev("sleeper woke", ());
            "slept".to_owned()
        }

        pub async fn die(&self) {
            O.ev("die", ());
            self.state.abort(Some("killed")).await;
        }

        pub fn hello(&self) -> String {
            O.ev("hello", ());
            "hello".to_owned()
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.stub::<Obj>("OBJ", "a");
        let (sleeper, die, hello) = (stub.sleeper(), stub.die(), stub.hello());
        join3(
            W.attempt("sleeper", sleeper),
            W.attempt("die", die),
            W.attempt("hello, issued after die", hello),
        )
        .await;
        W.attempt("new stub", env.stub::<Obj>("OBJ", "a").hello())
            .await;
        env.sleep(80).await;
    }
}

/// An abort in the constructor.
pub(crate) mod abort_in_constructor {
    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj;

    impl DurableObject for Obj {
        fn new(state: State, _: Env) -> Self {
            let build = count("builds");
            O.ev("constructor", json!({"build": build}));
            if build == 1 {
                let never = state.abort(Some("constructor abort")).now_or_never();
                assert!(never.is_none());
            }
            Self
        }
    }

    #[rpc]
    impl Obj {
        pub fn hello(&self) -> String {
            "hello".to_owned()
        }
    }

    pub(crate) async fn worker(env: Worker) {
        W.attempt("first", env.stub::<Obj>("OBJ", "a").hello())
            .await;
        W.attempt("new stub", env.stub::<Obj>("OBJ", "a").hello())
            .await;
    }
}
