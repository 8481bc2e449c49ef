//! `why` names the event that decided.

use dormouse_scenarios::{counter, ledger};
use dormouse_sim::{
    Seed, Suite,
    explore::why::{DRAWS, Why, WhyError, why},
};
use serde_json::{Value, json};

fn asked(suite: &Suite, clients: &Value, faults: &Value) -> Why {
    let plan = json!({
        "format": 1,
        "suite": suite.name(),
        "seed": 7,
        "clients": clients,
        "faults": faults,
        "heal_at": 60_000,
    });
    why(suite, &plan.to_string()).expect("it fails")
}

fn step(op: &Value) -> Value {
    json!({"pause": 0, "op": op})
}

#[test]
fn where_a_fault_decides_it_is_the_fault() {
    // A transfer that is cut off between its two writes is lost in half, and by nothing else.
    let suite = ledger::split_ledger();
    let crash = json!([{
        "kind": "process_crash",
        "trigger": {"point": {"machine": "server", "name": "committed", "nth": 1}},
        "millis": 20,
    }]);
    let why = asked(&suite, &json!([[step(&json!({"Transfer": 1}))]]), &crash);
    let kept = why.inevitable.expect("it is inevitable once it has happened");
    let at = |kept: usize| {
        let place = why.places.iter().find(|place| place.kept == kept);
        place.unwrap_or_else(|| panic!("{kept} was not tried:\n{why}"))
    };
    assert!(at(kept).event.contains("FAULT kind=process crash"), "{why}");
    assert_eq!(at(kept).failed, DRAWS, "{why}");
    assert_eq!(at(kept - 1).failed, 0, "without the fault nothing is lost:\n{why}");
}

#[test]
fn where_the_calls_alone_decide_it_was_inevitable_from_the_start() {
    // One increment that is answered before it is written; the loss of power at the end is not drawn.
    let suite = counter::forgetful_counter();
    let why = asked(&suite, &json!([[step(&json!({"Increment": "a"}))]]), &json!([]));
    assert_eq!(why.inevitable, Some(0), "{why}");
    assert!(why.places.iter().all(|place| place.failed == DRAWS), "{why}");
    assert!(why.to_string().contains("inevitable from the start"), "{why}");
}

#[test]
fn where_the_order_decides_the_rate_rises_on_the_way() {
    let suite = counter::racing_counter();
    let increment = step(&json!({"Increment": "a"}));
    // Far apart enough that the two increments often miss each other.
    let later = json!({"pause": 2, "op": {"Increment": "a"}});
    let seed = (0..200)
        .find(|&seed| {
            let plan = json!({
                "format": 1, "suite": "racing_counter", "seed": seed,
                "clients": [[increment], [later]], "faults": [], "heal_at": 60_000,
            });
            why(&suite, &plan.to_string()).is_ok_and(|why| why.places[0].failed < DRAWS / 2)
        })
        .expect("in one of the seeds it is decided by luck");
    let plan = json!({
        "format": 1, "suite": "racing_counter", "seed": seed,
        "clients": [[increment], [later]], "faults": [], "heal_at": 60_000,
    });
    let why = why(&suite, &plan.to_string()).expect("it fails");
    let last = why.places.last().expect("the whole run was tried");
    assert_eq!(last.failed, DRAWS, "with everything kept nothing changes:\n{why}");
    assert!(why.inevitable.is_some_and(|kept| kept > 0), "{why}");
}

#[test]
fn the_same_question_gets_the_same_answer() {
    let suite = counter::racing_counter();
    let seed = (0..100)
        .map(Seed)
        .find(|&seed| why(&suite, &suite.plan(seed)).is_ok())
        .expect("it is found soon");
    let plan = suite.plan(seed);
    assert_eq!(
        why(&suite, &plan).expect("it fails"),
        why(&suite, &plan).expect("it fails")
    );
}

#[test]
fn of_a_run_that_passes_nothing_is_explained() {
    let suite = counter::counter();
    let refused = why(&suite, &suite.plan(Seed(0)));
    assert!(matches!(refused, Err(WhyError::Passes)), "{refused:?}");
}
