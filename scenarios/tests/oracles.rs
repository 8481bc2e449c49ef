//! The oracles that need nothing from a scenario's author, each held against an object that it must catch.

use dormouse::{DurableObject, Env, Error, Result, State, durable_object, rpc};
use dormouse_sim::{Detail, Faults, Scenario, Seed, Suite};
use proptest::prelude::*;

/// What one call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Op {
    Fine,
    Panic,
    Hang,
    Refuse,
}

/// Does what it is told, however bad.
#[durable_object]
struct Obedient;

impl DurableObject for Obedient {
    fn new(_: State, _: Env) -> Self {
        Self
    }
}

#[rpc]
impl Obedient {
    pub async fn obey(&self, op: Op) -> Result<()> {
        match op {
            Op::Fine => Ok(()),
            Op::Panic => panic!("as you wish"),
            Op::Hang => std::future::pending().await,
            Op::Refuse => Err(Error::from("no")),
        }
    }
}

fn scenario(op: Op) -> Scenario<Op, ()> {
    Scenario::new("obedient")
        .object::<Obedient>("OBEDIENT")
        .clients(1)
        .workload(Just(op), 1..=1)
        .faults(Faults::none())
        .step(|client, op| client.stub::<Obedient>("OBEDIENT", "o").obey(op))
}

fn promise_broken_by(suite: &Suite) -> Option<String> {
    suite
        .run_seed(Seed(0), Detail::Brief)
        .violation
        .map(|violation| violation.promise)
}

#[test]
fn an_object_that_does_as_it_should_breaks_nothing() {
    assert_eq!(
        promise_broken_by(&scenario(Op::Fine).finally(vec![Op::Fine]).into_suite()),
        None
    );
}

#[test]
fn a_panic_is_reported_although_the_caller_only_sees_a_reset() {
    std::panic::set_hook(Box::new(|_| {})); // it is expected, and would only look like a failure
    assert_eq!(
        promise_broken_by(&scenario(Op::Panic).into_suite()).as_deref(),
        Some("no object panics")
    );
}

#[test]
fn a_call_that_is_never_answered_is_reported() {
    assert_eq!(
        promise_broken_by(&scenario(Op::Hang).into_suite()).as_deref(),
        Some("every call settles")
    );
}

#[test]
fn an_object_that_cannot_be_read_any_more_at_the_end_is_reported() {
    let suite = scenario(Op::Fine).finally(vec![Op::Refuse]).into_suite();
    assert_eq!(
        promise_broken_by(&suite).as_deref(),
        Some("after the last loss of power every object answers")
    );
}
