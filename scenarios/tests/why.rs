//! `why` names the event that decided.

use dormouse_scenarios::{counter, ledger};
use dormouse_sim::{
    FaultKind, Seed, Suite,
    explore::{
        sweep::{Options, sweep},
        why::{DRAWS, Place, Why, WhyError, why},
    },
};
use serde_json::{Value, json};

fn plan(suite: &Suite, clients: &Value) -> String {
    let plan = json!({
        "format": 1,
        "suite": suite.name(),
        "seed": 7,
        "clients": clients,
        "faults": [],
        "heal_at": 60_000,
    });
    plan.to_string()
}

fn at(why: &Why, kept: usize) -> &Place {
    let place = why.places.iter().find(|place| place.kept == kept);
    place.unwrap_or_else(|| panic!("{kept} was not tried:\n{why}"))
}

fn step(op: &Value) -> Value {
    json!({"pause": 0, "op": op})
}

#[test]
fn where_a_fault_decides_it_is_the_fault() {
    // A transfer that is cut off between its two writes is lost in half, and by nothing else.
    let suite = ledger::split_ledger();
    let transfer = plan(&suite, &json!([[step(&json!({"Transfer": 1}))]]));
    let options = Options {
        kinds: vec![FaultKind::ProcessCrash],
        pairs: 0,
    };
    let sweep = sweep(&suite, &transfer, &options).expect("nothing else loses it");
    let broken = sweep.broken().next().expect("some crash does");
    let why = why(&suite, &broken.plan).expect("it fails");
    let kept = why
        .inevitable
        .expect("it is inevitable once it has happened");
    let decided = at(&why, kept);
    assert!(decided.event.contains("FAULT kind=process crash"), "{why}");
    assert_eq!(decided.failed, DRAWS, "{why}");
    assert_eq!(
        at(&why, kept - 1).failed,
        0,
        "without the fault nothing is lost:\n{why}"
    );
}

#[test]
fn where_the_calls_alone_decide_it_was_inevitable_from_the_start() {
    // One increment that is answered before it is written; the loss of power at the end is not drawn.
    let suite = counter::forgetful_counter();
    let increment = plan(&suite, &json!([[step(&json!({"Increment": "a"}))]]));
    let why = why(&suite, &increment).expect("it fails");
    assert_eq!(why.inevitable, Some(0), "{why}");
    // An answer that takes longer than the 50 ms after which it is written saves the day, now and then.
    let nearly_all = why.places.iter().all(|place| place.failed + 1 >= DRAWS);
    assert!(nearly_all, "{why}");
    assert!(
        why.to_string().contains("inevitable from the start"),
        "{why}"
    );
}

#[test]
fn where_the_order_decides_the_rate_rises_on_the_way() {
    let suite = counter::racing_counter();
    let increment = step(&json!({"Increment": "a"}));
    // Far apart enough that the two increments often miss each other.
    let later = json!({"pause": 2, "op": {"Increment": "a"}});
    let of_seed = |seed: u64| {
        let plan = plan(&suite, &json!([[increment], [later]]));
        why(
            &suite,
            &plan.replace("\"seed\":7", &format!("\"seed\":{seed}")),
        )
    };
    let why = (0..200)
        .filter_map(|seed| of_seed(seed).ok())
        .find(|why| why.places[0].failed < DRAWS / 2)
        .expect("in one of the seeds it is decided by luck");
    let last = why.places.last().expect("the whole run was tried");
    assert_eq!(
        last.failed, DRAWS,
        "with everything kept nothing changes:\n{why}"
    );
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
