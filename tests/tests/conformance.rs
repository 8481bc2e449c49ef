//! The recorded behaviour of the original's storage, replayed on the simulator's disk and on a real one: a test for each topic.
//!
//! And the replay itself: changed recordings must not pass, or all of this proves nothing.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use dormouse_tests::conformance::{Case, DiskKind, Report, Verdict, read, replay};
use serde_json::{Value as Json, json};

fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/storage/vectors")
}

fn cases_about(topic: &str) -> Vec<Case> {
    let file = recordings().join(topic).with_extension("json");
    read(&file).expect("the recordings are well formed")
}

fn replayed(cases: &[Case], disk: DiskKind) -> Vec<Verdict> {
    replay(cases, disk).expect("there is a place for temporary files")
}

/// Holds every case of a topic on both disks; both must give the same, also where the original gave another.
fn hold(topic: &str) {
    let cases = cases_about(topic);
    let simulated = replayed(&cases, DiskKind::Simulated);
    let real = replayed(&cases, DiskKind::Real);
    let report = Report::new(&cases, &simulated);
    assert!(report.is_good(), "{report}\n{}", report.failures());
    for (case, (simulated, real)) in cases.iter().zip(simulated.iter().zip(&real)) {
        assert_eq!(simulated.out, real.out, "{} on a real disk", case.name);
    }
}

macro_rules! topics {
    ($($(#[$attribute:meta])* $name:ident $topic:literal;)*) => {
        $($(#[$attribute])* #[test]
        fn $name() {
            hold($topic);
        })*

        #[test]
        fn every_recording_is_replayed_by_a_test() {
            let held = [$($topic),*];
            let files = std::fs::read_dir(recordings()).expect("the recordings are there");
            for file in files {
                let file = file.expect("it can be read").path();
                let topic = file.file_stem().and_then(|stem| stem.to_str());
                assert!(topic.is_some_and(|topic| held.contains(&topic)), "{}", file.display());
            }
        }
    };
}

topics! {
    alarms "alarms";
    bookmarks "bookmarks";
    delete_all "delete-all";
    arguments_of_key_value_calls "kv-arguments";
    key_value_calls "kv-basic";
    concurrent_key_value_calls "kv-concurrent";
    limits_of_key_value_calls "kv-limits";
    lists_of_keys "kv-list";
    synchronous_key_value_calls "kv-sync";
    stored_values "kv-values";
    quirks "quirks";
    random_key_value_calls_on_the_legacy_backend "random-kv-legacy";
    random_key_value_calls "random-kv-sqlite";
    random_calls_of_all_kinds "random-mixed";
    random_sql "random-sql";
    bindings_of_sql "sql-bindings";
    counters_of_sql "sql-counters";
    cursors_of_sql "sql-cursor";
    errors_of_sql "sql-errors";
    features_of_sql "sql-features";
    functions_of_sql "sql-functions";
    pragmas_of_sql "sql-pragmas";
    scripts_of_sql "sql-scripts";
    security_of_sql "sql-security";
    size_of_the_database "sql-size";
    types_of_sql "sql-types";
    transactions "txn-async";
    synchronous_transactions "txn-sync";
}

// What the recordings happen not to store, by the rules of structured cloning.

#[test]
fn what_a_structured_clone_carries_comes_back() {
    let values = json!([
        {"$regexp": ["a+/b", "gi"]},
        {"$boxed": 5},
        {"$boxed": "text"},
        {"$boxed": false},
        {"$boxed": {"$bigint": "7"}},
        [1, {"$hole": true}, {"$undefined": true}, {"$hole": true}],
        {"$bytes": "AQL/", "view": "Uint8ClampedArray"},
        {"$zeros": 65, "view": "BigUint64Array"},
        {"$set": [1, {"$set": []}, {"$date": null}]},
        {"$map": [[{"a": 1}, {"$map": []}], [{"$float": "NaN"}, {"$float": "-0"}]]},
        {"$bigint": "-123456789012345678901234567890"},
    ]);
    let mut steps = Vec::new();
    let mut results = Vec::new();
    for value in values.as_array().expect("a list") {
        for (put, get) in [("put", "get"), ("kv.put", "kv.get")] {
            steps.extend([json!([put, "v", value]), json!([get, "v"])]);
            results.extend([json!({"ok": {"$undefined": true}}), json!({"ok": value})]);
        }
    }
    let case =
        json!({"name": "clones/all", "backend": "sqlite", "runs": [steps], "out": [results]});
    let cases = [serde_json::from_value(case).expect("a case")];
    let verdicts = replayed(&cases, DiskKind::Simulated);
    let report = Report::new(&cases, &verdicts);
    assert!(report.is_good(), "{}", report.failures());
}

// The replay itself.

/// Every recorded result of these cases, changed one at a time, is reported as a failure.
fn holds_nothing_else(cases: &[Case], change: fn(&mut Json) -> bool) {
    let verdicts = replayed(cases, DiskKind::Simulated);
    let mut changed_count = 0;
    for (case, verdict) in cases.iter().zip(verdicts) {
        assert!(verdict.mismatches.is_empty(), "{} passes", case.name);
        for run in 0..case.out.len() {
            let steps = case.out[run].as_array().map_or(0, Vec::len);
            for step in 0..steps {
                let mut changed = case.clone();
                if !change(&mut changed.out[run][step]) {
                    continue;
                }
                changed_count += 1;
                let cases = [changed];
                let verdicts = replayed(&cases, DiskKind::Simulated);
                let report = Report::new(&cases, &verdicts);
                let failures = report.failures().to_string();
                let place = format!("run {}, step {}", run + 1, step + 1);
                assert!(!report.is_good(), "{}, {place}", case.name);
                assert!(failures.contains(&place), "{place}: {failures}");
            }
        }
    }
    assert!(changed_count > 20, "only {changed_count} were changed");
}

fn a_few(topic: &str) -> Vec<Case> {
    let cases = cases_about(topic).into_iter();
    cases.filter(|case| case.out.len() < 3).take(12).collect()
}

#[test]
fn a_changed_value_does_not_pass() {
    holds_nothing_else(&a_few("kv-basic"), |result| match result.get_mut("ok") {
        Some(value) => {
            *value = json!(["changed"]);
            true
        }
        None => false,
    });
}

#[test]
fn a_success_where_an_error_was_recorded_does_not_pass() {
    holds_nothing_else(&a_few("delete-all"), |result| {
        *result = json!({"err": {"name": "Error", "message": "changed"}});
        true
    });
}

#[test]
fn a_changed_message_does_not_pass() {
    let cases: Vec<_> = cases_about("kv-arguments")
        .into_iter()
        .filter(|case| case.out[0].to_string().contains("message"))
        .collect();
    holds_nothing_else(&cases, |result| match result.pointer_mut("/err/message") {
        Some(Json::String(message)) => {
            message.push(' ');
            true
        }
        _ => false,
    });
}

// The command.

fn command(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_conformance");
    let output = Command::new(program)
        .arg("storage")
        .args(arguments)
        .output();
    output.expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_command_says_yes_to_what_passes() {
    let file = recordings().join("kv-basic.json");
    let output = command(&[file.to_str().expect("UTF-8"), "--filter", "@sqlite"]);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert!(shown.contains("kv-basic"), "{shown}");
    assert!(
        shown.contains("49 of 50 passed, 1 known to differ, 0 failed"),
        "{shown}"
    );
    assert!(shown.contains("the disks agree"), "{shown}");
}

#[test]
fn the_command_shows_what_fails_and_says_no() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("made-up.json");
    let recording = r#"[{"name":"made-up/a","backend":"sqlite","runs":[[["put","a",1],["get","a"]]],"out":[[{"ok":{"$undefined":true}},{"ok":2}]]}]"#;
    std::fs::write(&file, recording).expect("there is room");
    let file = file.to_str().expect("UTF-8");
    let output = command(&[file, "--failures", "--disk", "simulated"]);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    for line in [
        "0 of 1 passed, 0 known to differ, 1 failed",
        "run 1, step 2",
        r#"expected {"ok":2}"#,
        r#"got      {"ok":1}"#,
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
}

#[test]
fn the_command_refuses_what_it_cannot_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("cut-off.json");
    std::fs::write(&file, "[\n{\"name\":").expect("there is room");
    let output = command(&[file.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(2));
    let shown = text(&output.stderr);
    assert!(shown.contains("cut-off.json:2: EOF"), "{shown}");
    let nothing = folder.path().join("nothing");
    let output = command(&[nothing.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(2));
    let output = command(&[
        recordings().to_str().expect("UTF-8"),
        "--filter",
        "no such case",
    ]);
    assert_eq!(output.status.code(), Some(2));
}
