//! Assertions inside objects: each kind does what it says, in a run and over many.

use dormouse::{
    DurableObject, Env, Result, State,
    assert::{always, reachable, sometimes, unreachable},
    durable_object, rpc,
};
use dormouse_sim::{Detail, Faults, Run, Scenario, Seed, Suite};
use proptest::prelude::*;

/// Claims what it is told to claim.
#[durable_object]
struct Claimant;

impl DurableObject for Claimant {
    fn new(_: State, _: Env) -> Self {
        Self
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Op {
    Right,
    Wrong,
    Forbidden,
}

#[rpc]
impl Claimant {
    #[expect(clippy::unused_async, reason = "as objects have it")]
    pub async fn claim(&self, op: Op) -> Result<()> {
        always!(op != Op::Wrong, "what is claimed is right", "it was {op:?}");
        sometimes!(op == Op::Right, "something right is claimed");
        sometimes!(op == Op::Wrong, "something wrong is claimed");
        if op == Op::Forbidden {
            unreachable!("the forbidden is claimed", "by somebody");
        }
        reachable!("a claim is made");
        Ok(())
    }
}

fn run_of(op: Op) -> Run {
    let suite: Suite = Scenario::new("claims")
        .object::<Claimant>("CLAIMANT")
        .clients(1)
        .workload(Just(op), 1..=1)
        .faults(Faults::none())
        .step(|client, op| client.stub::<Claimant>("CLAIMANT", "c").claim(op))
        .into_suite();
    suite.run_seed(Seed(0), Detail::Full)
}

#[test]
fn what_holds_breaks_nothing_and_is_counted() {
    let run = run_of(Op::Right);
    assert_eq!(run.violation, None);
    let held: Vec<_> = run.assertions.keys().map(String::as_str).collect();
    assert_eq!(
        held,
        [
            "a claim is made",
            "something right is claimed",
            "what is claimed is right"
        ],
        "a `sometimes` that did not hold is not counted"
    );
}

#[test]
fn an_always_that_does_not_hold_is_a_broken_promise_with_its_details() {
    let violation = run_of(Op::Wrong).violation.expect("it does not hold");
    assert_eq!(violation.promise, "always: what is claimed is right");
    assert!(
        violation.why.ends_with("on server: it was Wrong"),
        "{violation}"
    );
}

#[test]
fn an_unreachable_that_is_reached_is_a_broken_promise() {
    let violation = run_of(Op::Forbidden).violation.expect("it is reached");
    assert_eq!(violation.promise, "never: the forbidden is claimed");
    assert!(violation.why.ends_with(": by somebody"), "{violation}");
}

#[test]
fn an_assertion_is_an_injection_point() {
    let trace = run_of(Op::Right).texts.expect("it was asked for").trace;
    assert!(
        trace
            .lines()
            .any(|line| line.contains(" reachable ") && line.contains("assertion=a claim is made")),
        "{trace}"
    );
}
