//! More than an object can handle: what is refused, in which words, and that the object goes on undisturbed.

use std::{cell::Cell, rc::Rc};

use dormouse::{
    Delay, DurableObject, Env, Error, NodeBuilder, OverloadLimits, Result, State, durable_object,
    rpc,
};
use futures_util::future::join_all;

use super::{Bench, count_build, error_of, ms, on_both, on_the_simulator, secs, serving};

/// Lets nothing in while it is busy.
#[durable_object]
struct Popular {
    state: Rc<State>,
    served: Cell<u32>,
}

impl DurableObject for Popular {
    fn new(state: State, _: Env) -> Self {
        count_build();
        Self {
            state: Rc::new(state),
            served: Cell::new(0),
        }
    }
}

#[rpc]
impl Popular {
    pub async fn lock(&self, seconds: u64) -> Result<()> {
        let locked = self.state.block_concurrency_while(async move {
            Delay::from(secs(seconds)).await;
            Ok(())
        });
        locked.await
    }

    pub fn serve(&self, ballast: String) -> u32 {
        drop(ballast); // its size is all that matters
        self.served.set(self.served.get() + 1);
        self.served.get()
    }

    pub fn refuse(&self) -> Result<()> {
        Err(Error::from("no"))
    }
}

fn limited(limits: OverloadLimits) -> NodeBuilder {
    serving::<Popular>().overload_limits(limits)
}

async fn locked(bench: &Bench, seconds: u64) -> PopularStub {
    let stub = bench.stub::<Popular>("a");
    let lock = stub.lock(seconds);
    bench.pass(ms(300)).await;
    drop(lock); // it goes on
    stub
}

#[test]
fn too_many_that_wait_are_refused_and_those_before_them_are_served() {
    // (O-2)
    let limits = OverloadLimits {
        queued_requests: 2,
        ..OverloadLimits::default()
    };
    on_both(&limited(limits), |bench| async move {
        let stub = locked(&bench, 1).await;
        let answers = join_all((0..4).map(|_| stub.serve(String::new()))).await;
        assert_eq!(answers[..2], [Ok(1), Ok(2)]);
        for refused in &answers[2..] {
            assert_eq!(
                error_of(refused.clone()),
                "Error: Durable Object is overloaded. Too many requests queued. [overloaded]"
            );
        }
        assert_eq!(stub.serve(String::new()).await, Ok(3)); // the stub works, and the object was not reset
    });
}

#[test]
fn too_much_data_that_waits_is_refused() {
    let limits = OverloadLimits {
        queued_bytes: 1_000,
        ..OverloadLimits::default()
    };
    on_both(&limited(limits), |bench| async move {
        let stub = locked(&bench, 1).await;
        let (first, second) = (stub.serve("x".repeat(600)), stub.serve("x".repeat(600)));
        assert_eq!(first.await, Ok(1));
        assert_eq!(
            error_of(second.await),
            "Error: Durable Object is overloaded. Too much data queued. [overloaded]"
        );
        assert_eq!(stub.serve("x".repeat(5_000)).await, Ok(2)); // nothing waits before it
    });
}

#[test]
fn nobody_is_let_in_behind_one_that_has_waited_for_too_long() {
    on_the_simulator(&serving::<Popular>(), |bench| async move {
        let stub = locked(&bench, 20).await;
        let early = stub.serve(String::new());
        bench.pass(secs(11)).await;
        assert_eq!(
            error_of(stub.serve(String::new()).await),
            "Error: Durable Object is overloaded. Requests queued for too long. [overloaded]"
        );
        assert_eq!(early.await, Ok(1));
        assert_eq!(stub.serve(String::new()).await, Ok(2));
    });
}

#[test]
fn too_many_within_ten_seconds_are_refused() {
    let limits = OverloadLimits {
        requests_in_ten_seconds: 3,
        ..OverloadLimits::default()
    };
    on_the_simulator(&limited(limits), |bench| async move {
        let stub = bench.stub::<Popular>("a");
        for served in 1..=3 {
            assert_eq!(stub.serve(String::new()).await, Ok(served));
        }
        assert_eq!(
            error_of(stub.serve(String::new()).await),
            "Error: Durable Object is overloaded. Too many requests for the same object within a 10 second window. \
             [overloaded]"
        );
        bench.pass(secs(9)).await;
        assert!(
            stub.serve(String::new())
                .await
                .is_err_and(|error| error.overloaded())
        );
        bench.pass(ms(2_000)).await;
        assert!(stub.serve(String::new()).await.is_ok());
    });
}

#[test]
fn calls_can_be_refused_on_demand() {
    on_both(&serving::<Popular>(), |bench| async move {
        let stub = bench.stub::<Popular>("a");
        bench.node.refuse_calls(2);
        for _ in 0..2 {
            let refused = stub.serve(String::new()).await;
            assert!(refused.is_err_and(|error| error.overloaded() && !error.remote()));
        }
        assert_eq!(stub.serve(String::new()).await, Ok(1));
    });
}

#[test]
fn a_call_can_be_delivered_twice_on_demand_and_is_answered_once() {
    on_both(&serving::<Popular>(), |bench| async move {
        let stub = bench.stub::<Popular>("a");
        bench.node.repeat_calls(1, ms(200));
        assert_eq!(stub.serve(String::new()).await, Ok(1));
        bench.pass(ms(800)).await;
        assert_eq!(stub.serve(String::new()).await, Ok(3));
    });
}

#[test]
fn an_exception_resets_the_object_where_the_node_says_so() {
    // (lifecycle 4.2)
    let resetting = serving::<Popular>().reset_after_exception(true);
    on_both(&resetting, |bench| async move {
        let stub = bench.stub::<Popular>("a");
        assert_eq!(stub.serve(String::new()).await, Ok(1));
        assert_eq!(error_of(stub.refuse().await), "Error: no [remote]");
        let broken = stub.serve(String::new()).await;
        assert!(broken.is_err_and(|error| error.durable_object_reset()));
        assert_eq!(bench.stub::<Popular>("a").serve(String::new()).await, Ok(1));
    });
    on_both(&serving::<Popular>(), |bench| async move {
        let stub = bench.stub::<Popular>("a");
        assert_eq!(error_of(stub.refuse().await), "Error: no [remote]");
        assert_eq!(stub.serve(String::new()).await, Ok(1)); // and not otherwise
        bench.node.reset_after_exceptions(1);
        assert_eq!(error_of(stub.refuse().await), "Error: no [remote]");
        let stub = bench.stub::<Popular>("a");
        assert_eq!(stub.serve(String::new()).await, Ok(1));
        assert_eq!(error_of(stub.refuse().await), "Error: no [remote]");
        assert_eq!(stub.serve(String::new()).await, Ok(2));
    });
}
