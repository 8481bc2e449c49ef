//! The order in which calls start, run on and are answered.

/// Two calls that each log around three storage reads. Shows exactly where the second call may start.
pub(crate) mod interleaving_at_storage_reads {
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
        pub async fn work(&self, who: String) -> Result<()> {
            O.ev("start", json!({"who": who}));
            for i in 1..=3 {
                let _: Option<Value> = self.state.storage().get(&format!("k{i}")).await?;
                O.ev("after read", json!({"who": who, "i": i}));
            }
            Ok(())
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.stub::<Obj>("OBJ", "a");
        assert_eq!(stub.work("warm-up".into()).await, Ok(()));
        let done = join(stub.work("A".into()), stub.work("B".into())).await;
        assert_eq!(done, (Ok(()), Ok(())));
    }
}

/// Two calls that each log around three awaited puts.
pub(crate) mod interleaving_at_storage_writes {
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
        pub async fn work(&self, who: String) -> Result<()> {
            O.ev("start", json!({"who": who}));
            for i in 1..=3 {
                self.state.storage().put(&format!("k{i}"), &who).await?;
                O.ev("after put", json!({"who": who, "i": i}));
            }
            Ok(())
        }

        pub async fn read(&self) -> Result<Vec<(String, String)>> {
            self.state.storage().list_as(ListOptions::new()).await
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.stub::<Obj>("OBJ", "a");
        let done = join(stub.work("A".into()), stub.work("B".into())).await;
        assert_eq!(done, (Ok(()), Ok(())));
        W.attempt("read", stub.read()).await;
    }
}

/// Two calls that each sleep three times the same time: they alternate.
pub(crate) mod interleaving_at_timers {
    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj;

    impl DurableObject for Obj {
        fn new(_: State, _: Env) -> Self {
            Self
        }
    }

    #[rpc]
    impl Obj {
        pub async fn work(&self, who: String) {
            O.ev("start", json!({"who": who}));
            for i in 1..=3 {
                sleep(20).await;
                O.ev("after sleep", json!({"who": who, "i": i}));
            }
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.stub::<Obj>("OBJ", "a");
        let done = join(stub.work("A".into()), stub.work("B".into())).await;
        assert_eq!(done, (Ok(()), Ok(())));
    }
}

/// Twenty calls issued without awaiting through one stub start in the order they were issued.
pub(crate) mod e_order_one_stub {
    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj;

    impl DurableObject for Obj {
        fn new(_: State, _: Env) -> Self {
            Self
        }
    }

    #[rpc]
    impl Obj {
        pub fn hit(&self, n: u32) {
            O.ev("hit", json!({"n": n}));
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.stub::<Obj>("OBJ", "a");
        join_all((0..20).map(|n| stub.hit(n))).await;
        W.ev("done", ());
    }
}

/// Twenty fetches issued without awaiting through one stub.
pub(crate) mod e_order_fetch {
    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj;

    impl DurableObject for Obj {
        fn new(_: State, _: Env) -> Self {
            Self
        }

        async fn fetch(&self, request: Request) -> Result<Response> {
            let n: u32 = request.path()[1..].parse().expect("a number");
            O.ev("hit", json!({"n": n}));
            Response::ok("ok")
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.plain("OBJ", "a");
        join_all((0..20).map(|n| stub.fetch_with_str(&format!("http://x/{n}")))).await;
        W.ev("done", ());
    }
}

/// Twenty calls alternating between two stubs of the same object, the object not yet running.
pub(crate) mod e_order_two_stubs {
    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj;

    impl DurableObject for Obj {
        fn new(_: State, _: Env) -> Self {
            Self
        }
    }

    #[rpc]
    impl Obj {
        pub fn hit(&self, n: usize) {
            O.ev("hit", json!({"n": n, "stub": n % 2}));
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stubs = [env.stub::<Obj>("OBJ", "a"), env.stub::<Obj>("OBJ", "a")];
        join_all((0..20).map(|n| stubs[n % 2].hit(n))).await;
        W.ev("done", ());
    }
}

/// Calls start in order, but a fast call's answer arrives before a slow one's.
pub(crate) mod replies_may_overtake {
    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj;

    impl DurableObject for Obj {
        fn new(_: State, _: Env) -> Self {
            Self
        }
    }

    #[rpc]
    impl Obj {
        pub async fn work(&self, n: u32, millis: u64) -> u32 {
            O.ev("start", json!({"n": n}));
            if millis > 0 {
                sleep(millis).await;
            }
            O.ev("end", json!({"n": n}));
            n
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.stub::<Obj>("OBJ", "a");
        join_all([(1, 60), (2, 30), (3, 0)].map(|(n, millis)| {
            let work = stub.work(n, millis);
            async move {
                assert_eq!(work.await, Ok(n));
                W.ev("answer", json!({"n": n}));
            }
        }))
        .await;
    }
}

/// An object that awaits a call to itself: the inner call is let in while the outer one waits.
pub(crate) mod self_call {
    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj {
        env: Env,
    }

    impl DurableObject for Obj {
        fn new(_: State, env: Env) -> Self {
            Self { env }
        }
    }

    #[rpc]
    impl Obj {
        pub async fn outer(&self) -> Result<String> {
            O.ev("outer start", ());
            let v = stub::<Obj>(&self.env, "OBJ", "a").inner().await?;
            O.ev("outer end", json!({"v": v}));
            Ok(v)
        }

        pub fn inner(&self) -> String {
            O.ev("inner", ());
            "inner value".to_owned()
        }
    }

    pub(crate) async fn worker(env: Worker) {
        W.attempt("outer", env.stub::<Obj>("OBJ", "a").outer())
            .await;
    }
}

/// Object A calls object B, which calls back into A, which reads what A wrote before.
pub(crate) mod reentrancy_a_b_a {
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
        pub async fn go(&self) -> Result<Option<String>> {
            O.ev("A go start", ());
            self.state.storage().put("k", "written by go").await?;
            let v = stub::<B>(&self.env, "B", "b").relay().await?;
            O.ev("A go end", json!({"v": v}));
            Ok(v)
        }

        pub async fn back(&self) -> Result<Option<String>> {
            O.ev("A back", ());
            self.state.storage().get("k").await
        }
    }

    #[durable_object]
    pub(crate) struct B {
        env: Env,
    }

    impl DurableObject for B {
        fn new(_: State, env: Env) -> Self {
            Self { env }
        }
    }

    #[rpc]
    impl B {
        pub async fn relay(&self) -> Result<Option<String>> {
            O.ev("B relay start", ());
            let v = stub::<Obj>(&self.env, "OBJ", "a").back().await?;
            O.ev("B relay end", ());
            Ok(v)
        }
    }

    pub(crate) async fn worker(env: Worker) {
        W.attempt("go", env.stub::<Obj>("OBJ", "a").go()).await;
    }
}
