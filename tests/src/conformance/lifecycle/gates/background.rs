//! Work that goes on after the answer, and calls that wait for each other.

/// The answer does not wait for what `wait_until` was given; a failure in it disturbs nobody.
pub(crate) mod wait_until {
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
        pub fn go(&self) -> String {
            self.state.wait_until(async {
                sleep(30).await;
                O.ev("background done", ());
            });
            "answer".to_owned()
        }

        pub fn bad(&self) -> String {
            self.state.wait_until(async {
                sleep(5).await;
                O.ev("background throws", ());
                let failed: Result<()> = Err("background".into());
                drop(failed); // a task has no way to say so
            });
            "answer".to_owned()
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.stub::<Obj>("OBJ", "a");
        W.attempt("go", stub.go()).await;
        env.sleep(50).await;
        W.attempt("bad", stub.bad()).await;
        env.sleep(30).await;
        W.attempt("after bad", stub.go()).await;
    }
}

/// Timers set by a call keep firing after its answer.
pub(crate) mod timers_after_the_answer {
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
        pub fn start(&self) -> String {
            self.state.wait_until(async {
                for i in 1..=3 {
                    sleep(20).await;
                    O.ev("interval", json!({"i": i}));
                }
            });
            self.state.wait_until(async {
                sleep(90).await;
                O.ev("timeout", ());
            });
            "answer".to_owned()
        }
    }

    pub(crate) async fn worker(env: Worker) {
        W.attempt("start", env.stub::<Obj>("OBJ", "a").start())
            .await;
        env.sleep(150).await;
    }
}

/// One call waits for what another call of the same object brings.
pub(crate) mod promises_between_calls {
    use futures_channel::oneshot;

    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj {
        done: RefCell<Option<oneshot::Sender<String>>>,
    }

    impl DurableObject for Obj {
        fn new(_: State, _: Env) -> Self {
            Self {
                done: RefCell::default(),
            }
        }
    }

    #[rpc]
    impl Obj {
        pub async fn wait(&self) -> String {
            O.ev("wait", ());
            let (done, promise) = oneshot::channel();
            *self.done.borrow_mut() = Some(done);
            promise.await.expect("another call brings it")
        }

        pub fn release(&self, v: String) -> String {
            O.ev("release", ());
            let done = self.done.borrow_mut().take().expect("a call waits");
            done.send(v).expect("it still waits");
            "released".to_owned()
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.stub::<Obj>("OBJ", "a");
        let release = async {
            env.sleep(20).await;
            stub.release("value".into()).await
        };
        join(
            W.attempt("wait", stub.wait()),
            W.attempt("release", release),
        )
        .await;
    }
}
