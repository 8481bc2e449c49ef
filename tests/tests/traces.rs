//! Three short runs, as canonical text: one with a crash, one with a hibernation, one that fails.
//!
//! Read them from top to bottom: they are the shortest description of how the runtime works. A change of the runtime that changes them is a change of
//! what objects and callers can see, or of an injection point, and wants a reason.

use dormouse_scenarios::counter;
use dormouse_sim::{Detail, Run, Suite};
use serde_json::{Value, json};

/// One client that increments `a` twice, with `faults`.
fn run(suite: &Suite, pauses: [u64; 2], faults: &Value) -> Run {
    let step = |pause: u64| json!({"pause": pause, "op": {"Increment": "a"}});
    let plan = json!({
        "format": 1,
        "suite": suite.name(),
        "seed": 1,
        "clients": [pauses.map(step)],
        "faults": faults,
        "heal_at": 60_000,
    });
    suite
        .run_plan(&plan.to_string(), Detail::Full)
        .expect("it is a plan")
}

fn trace(run: Run) -> String {
    run.texts.expect("it was asked for").trace
}

#[test]
fn a_crash_between_commit_and_sync() {
    let crash = json!([{
        "kind": "process_crash",
        "trigger": {"point": {"machine": "server", "name": "committed", "nth": 1}},
        "millis": 10,
    }]);
    let run = run(&counter::counter(), [0, 20], &crash);
    assert_eq!(run.violation, None);
    insta::assert_snapshot!(trace(run));
}

#[test]
fn a_hibernation_between_two_calls() {
    let run = run(&counter::counter(), [0, 11_000], &json!([]));
    assert_eq!(run.violation, None);
    insta::assert_snapshot!(trace(run));
}

#[test]
fn a_count_that_was_only_in_memory_is_lost() {
    let crash = json!([{"kind": "process_crash", "trigger": {"at": 10}, "millis": 10}]);
    let run = run(&counter::forgetful_counter(), [0, 200], &crash);
    let violation = run.violation.clone().expect("the first increment is gone");
    insta::assert_snapshot!(format!("{}\n{violation}\n", trace(run)));
}
