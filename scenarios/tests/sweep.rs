//! The crash-point sweep as a call from a test: correct objects stand everything, everywhere; faulty ones do not.

use dormouse_scenarios::{counter, ledger};
use dormouse_sim::{
    FaultKind, Suite,
    explore::sweep::{Options, SweepError, sweep},
};
use serde_json::{Value, json};

/// One client that makes these calls.
fn plan(suite: &Suite, ops: &[Value]) -> String {
    let steps: Vec<_> = ops.iter().map(|op| json!({"pause": 0, "op": op})).collect();
    let plan = json!({
        "format": 1,
        "suite": suite.name(),
        "seed": 7,
        "clients": [steps],
        "faults": [],
        "heal_at": 60_000,
    });
    plan.to_string()
}

#[test]
fn a_counter_stands_every_loss_at_every_point_of_two_increments() {
    let suite = counter::counter();
    let two = plan(
        &suite,
        &[json!({"Increment": "a"}), json!({"Increment": "a"})],
    );
    let sweep = sweep(&suite, &two, &Options::default()).expect("it passes by itself");
    assert_eq!(sweep.broken().count(), 0, "{sweep}");
    let passages: u64 = sweep
        .points
        .iter()
        .filter(|point| point.machine == "server")
        .map(|point| point.times)
        .sum();
    assert!(passages > 30, "two increments make few passages:\n{sweep}");
    assert_eq!(
        sweep.strikes.len() as u64,
        3 * passages,
        "each kind at each"
    );
    let effects = sweep
        .strikes
        .iter()
        .filter(|strike| strike.took_effect == 1);
    let crashes = 2 * passages;
    assert!(
        effects.count() as u64 >= crashes,
        "a crash takes effect wherever it strikes:\n{sweep}"
    );
}

#[test]
fn pairs_of_faults_are_struck_as_well_and_bounded() {
    let suite = counter::counter();
    let two = plan(
        &suite,
        &[json!({"Increment": "a"}), json!({"Increment": "a"})],
    );
    let options = Options {
        kinds: vec![FaultKind::ProcessCrash, FaultKind::FailSync],
        pairs: 150,
    };
    let sweep = sweep(&suite, &two, &options).expect("it passes by itself");
    let pairs: Vec<_> = sweep
        .strikes
        .iter()
        .filter(|strike| strike.faults.len() == 2)
        .collect();
    assert_eq!(pairs.len(), 150);
    let both = pairs.iter().filter(|pair| pair.took_effect == 2).count();
    assert!(
        both > 30,
        "the second fault of a pair hardly ever strikes: {both}"
    );
    assert_eq!(sweep.broken().count(), 0, "{sweep}");
}

#[test]
fn a_transfer_in_two_halves_is_found_by_one_fault_at_one_point_and_named() {
    let suite = ledger::split_ledger();
    let one = plan(&suite, &[json!({"Transfer": 1})]);
    let sweep = sweep(&suite, &one, &Options::default()).expect("it passes by itself");
    let broken: Vec<_> = sweep.broken().collect();
    assert!(!broken.is_empty(), "{sweep}");
    assert!(
        broken.len() * 2 < sweep.strikes.len(),
        "only between the two writes:\n{sweep}"
    );
    let text = sweep.to_string();
    assert!(text.contains("BROKE process crash at passage "), "{text}");
    let again = suite
        .run_plan(&broken[0].plan, dormouse_sim::Detail::Brief)
        .expect("it was just run");
    assert_eq!(again.violation, broken[0].violation);
}

#[test]
fn a_plan_that_fails_without_faults_is_not_swept() {
    let suite = counter::forgetful_counter();
    let one = plan(&suite, &[json!({"Increment": "a"})]);
    let refused = sweep(&suite, &one, &Options::default());
    assert!(
        matches!(refused, Err(SweepError::BrokenAnyway(_))),
        "{refused:?}"
    );
}
