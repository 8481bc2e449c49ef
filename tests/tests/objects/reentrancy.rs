//! Objects that call each other in a circle, and themselves: legal while nothing is held, a deadlock inside a section.

use dormouse::{DurableObject, Env, NodeBuilder, Result, State, durable_object, rpc};
use futures_util::future::join;

use super::{error_of, ms, note, noted, on_both, on_the_simulator, secs, serving};

const TOO_LONG: &str = "Error: A call to blockConcurrencyWhile() in a Durable Object waited for too long. The call was canceled and \
                        the Durable Object was reset. [overloaded] [durable_object_reset]";

/// Calls `Mirror`, which calls back.
#[durable_object]
struct Caller {
    state: State,
    env: Env,
}

impl DurableObject for Caller {
    fn new(state: State, env: Env) -> Self {
        Self { state, env }
    }
}

#[rpc]
impl Caller {
    pub async fn go(&self) -> Result<Option<String>> {
        note("go begins");
        self.state.storage().put("k", "written by go").await?;
        let seen = through_the_mirror(&self.env).await?;
        note("go ends");
        Ok(seen)
    }

    /// What the mirror asks for.
    pub async fn back(&self) -> Result<Option<String>> {
        note("back");
        self.state.storage().get("k").await
    }

    /// The same circle, with everybody else locked out.
    pub async fn go_alone(&self) -> Result<Option<String>> {
        let env = self.env.clone();
        let section = self.state.block_concurrency_while(async move {
            note("section begins");
            let seen = through_the_mirror(&env).await;
            note("the section goes on");
            seen
        });
        section.await
    }

    pub async fn call_itself(&self) -> Result<Option<String>> {
        self.state.storage().put("k", "written outside").await?;
        let oneself = self.env.durable_object("Caller")?.get_by_name("a")?;
        oneself.typed::<Caller>().back().await
    }
}

async fn through_the_mirror(env: &Env) -> Result<Option<String>> {
    let mirror = env.durable_object("Mirror")?.get_by_name("m")?;
    mirror.typed::<Mirror>().reflect().await
}

#[durable_object]
struct Mirror {
    env: Env,
}

impl DurableObject for Mirror {
    fn new(_: State, env: Env) -> Self {
        Self { env }
    }
}

#[rpc]
impl Mirror {
    pub async fn reflect(&self) -> Result<Option<String>> {
        note("reflecting");
        let caller = self.env.durable_object("Caller")?.get_by_name("a")?;
        caller.typed::<Caller>().back().await
    }
}

fn circle() -> NodeBuilder {
    serving::<Caller>().object::<Mirror>("Mirror")
}

#[test]
fn an_object_is_called_back_while_its_own_call_waits() {
    // (ST-13; recorded: reentrancy_a_b_a)
    on_both(&circle(), |bench| async move {
        let seen = bench.stub::<Caller>("a").go().await;
        assert_eq!(seen, Ok(Some("written by go".to_owned())));
        assert_eq!(noted(), ["go begins", "reflecting", "back", "go ends"]);
    });
}

#[test]
fn an_object_may_call_itself() {
    // (ST-13; recorded: self_call)
    on_both(&circle(), |bench| async move {
        let seen = bench.stub::<Caller>("a").call_itself().await;
        assert_eq!(seen, Ok(Some("written outside".to_owned())));
    });
}

#[test]
fn a_circle_inside_a_section_ends_after_thirty_seconds() {
    // (ST-14)
    on_the_simulator(&circle(), |bench| async move {
        let (stub, began) = (bench.stub::<Caller>("a"), bench.now());
        let (stuck, waiting) = join(stub.go_alone(), stub.back()).await;
        let took = bench.now() - began;
        assert_eq!(error_of(stuck), TOO_LONG);
        assert_eq!(error_of(waiting), TOO_LONG);
        assert!(took >= secs(30), "{took:?}");
        assert!(took < secs(31), "{took:?}");
        bench.pass(ms(1000)).await;
        assert_eq!(noted(), ["section begins", "reflecting"]);
        // The mirror was not reset, and the caller is as good as new.
        assert_eq!(bench.stub::<Mirror>("m").reflect().await, Ok(None));
    });
}
