//! Five calls that read and write at once: what may happen between a read and a write.

use super::super::prelude::*;

/// Somebody else, who takes his time.
#[durable_object]
pub(crate) struct Side;

impl DurableObject for Side {
    fn new(_: State, _: Env) -> Self {
        Self
    }
}

#[rpc]
impl Side {
    pub async fn ping(&self) {
        sleep(10).await;
    }
}

/// Five concurrent calls of `inc`, and what is stored afterwards.
macro_rules! five_increments {
    () => {
        pub(crate) async fn worker(env: Worker) {
            let stub = env.stub::<Obj>("OBJ", "a");
            let calls = join_all([0, 1, 2, 3, 4].map(|_| stub.inc())).await;
            let seen: Vec<u32> = calls.into_iter().collect::<Result<_>>().expect("they work");
            W.ev("result", json!({"returned": seen, "final": stub.read().await.expect("it works")}));
        }
    };
}

/// A class with `inc` as given, and `read`.
macro_rules! incrementing {
    ($(#[$doc:meta])* $module:ident, |$this:ident| $inc:block) => {
        $(#[$doc])*
        pub(crate) mod $module {
            #[allow(unused_imports, reason = "some of these call it")]
            pub(crate) use super::Side;
            use crate::conformance::lifecycle::prelude::*;

            #[durable_object]
            pub(crate) struct Obj {
                state: State,
                #[allow(dead_code, reason = "some of these call others")]
                env: Env,
            }

            impl DurableObject for Obj {
                fn new(state: State, env: Env) -> Self {
                    Self { state, env }
                }
            }

            #[rpc]
            impl Obj {
                pub async fn inc(&self) -> Result<u32> {
                    let $this = self;
                    $inc
                }

                pub async fn read(&self) -> Result<Option<u32>> {
                    self.state.storage().get("n").await
                }
            }

            five_increments!();
        }
    };
}

incrementing! {
    /// The input gate closes during storage operations, so no update is lost.
    get_put_increment, |this| {
        let storage = this.state.storage();
        let n = storage.get("n").await?.unwrap_or(0);
        storage.put("n", n + 1).await?;
        Ok(n + 1)
    }
}

incrementing! {
    /// The same, without awaiting the put.
    get_put_not_awaited, |this| {
        let storage = this.state.storage();
        let n = storage.get("n").await?.unwrap_or(0);
        not_awaited(storage.put("n", n + 1));
        Ok(n + 1)
    }
}

incrementing! {
    /// A timer between get and put lets other calls in: updates are lost.
    timer_between_get_and_put, |this| {
        let storage = this.state.storage();
        let n = storage.get("n").await?.unwrap_or(0);
        O.ev("read", json!({"n": n}));
        sleep(10).await;
        storage.put("n", n + 1).await?;
        O.ev("wrote", json!({"n": n + 1}));
        Ok(n + 1)
    }
}

incrementing! {
    /// get with `allow_concurrency` keeps the input gate open.
    allow_concurrency, |this| {
        O.ev("start", ());
        let storage = this.state.storage();
        let options = dormouse::GetOptions { allow_concurrency: true, ..Default::default() };
        let n = storage.get_with_options("n", options).await?.unwrap_or(0);
        O.ev("read", json!({"n": n}));
        storage.put("n", n + 1).await?;
        Ok(n + 1)
    }
}

incrementing! {
    /// A timer between get and put, all inside `block_concurrency_while`: nothing is lost.
    block_concurrency_around_timer, |this| {
        let storage = this.state.storage();
        let block = this.state.block_concurrency_while(async move {
            let n = storage.get("n").await?.unwrap_or(0);
            sleep(5).await;
            storage.put("n", n + 1).await?;
            Ok(n + 1)
        });
        block.await
    }
}

incrementing! {
    /// A call to another object between get and put lets other calls in: updates are lost.
    call_between_get_and_put, |this| {
        let storage = this.state.storage();
        let n = storage.get("n").await?.unwrap_or(0);
        O.ev("read", json!({"n": n}));
        stub::<Side>(&this.env, "SIDE", "s").ping().await?;
        storage.put("n", n + 1).await?;
        Ok(n + 1)
    }
}
