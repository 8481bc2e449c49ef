//! The recorded traces of ids, RPC, fetch, gates, alarms, WebSockets and hibernation, held against their twins: a test for each topic.
//!
//! What does not pass as a whole is listed by name, so that a regression is seen as much as an improvement. And the replay itself: changed
//! recordings must not pass, or all of this proves nothing.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use dormouse_tests::conformance::{
    ids::{read_ids, replay_ids},
    lifecycle::{Outcome, Report, Scenario, read_scenarios, replay_scenarios},
};
use serde_json::{Value as Json, json};

fn recordings() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/lifecycle")
}

fn scenarios_about(topic: &str) -> Vec<Scenario> {
    let file = recordings().join(topic).with_extension("json");
    read_scenarios(&file).expect("the recordings are well-formed")
}

fn replayed(scenarios: &[Scenario]) -> Vec<Outcome> {
    replay_scenarios(scenarios).expect("there is a place for temporary files")
}

/// What a topic comes to, in the words of this file.
struct Expected {
    topic: &'static str,
    total: usize,
    in_part: &'static [&'static str],
    differing: &'static [&'static str],
    not_in_rust: &'static [&'static str],
}

fn hold(expected: &Expected) {
    let scenarios = scenarios_about(expected.topic);
    assert_eq!(
        scenarios.len(),
        expected.total,
        "the recording lost its scenarios"
    );
    let outcomes = replayed(&scenarios);
    let report = Report::new(&scenarios, &outcomes);
    assert!(report.is_good(), "{report}\n{}", report.failures());
    let named = |is_such: fn(&Outcome) -> bool| -> Vec<&str> {
        let such = scenarios
            .iter()
            .zip(&outcomes)
            .filter(|(_, outcome)| is_such(outcome));
        such.map(|(scenario, _)| scenario.name.split_once('/').expect("topic and label").1)
            .collect()
    };
    assert_eq!(
        named(|outcome| matches!(outcome, Outcome::InPart(_))),
        expected.in_part,
        "in part"
    );
    assert_eq!(
        named(|outcome| matches!(outcome, Outcome::Differs(_))),
        expected.differing,
        "known to differ"
    );
    assert_eq!(
        named(|outcome| matches!(outcome, Outcome::NotInRust(_))),
        expected.not_in_rust,
        "not in Rust"
    );
}

#[test]
fn ids() {
    hold(&Expected {
        topic: "ids",
        total: 17,
        in_part: &[
            "id_from_string_errors",
            "equals",
            "name_property",
            "new_unique_id",
            "get_options",
            "get_by_name",
        ],
        differing: &["jurisdiction"],
        not_in_rust: &[
            "lone_surrogates",
            "id_from_name_coerces",
            "id_as_value",
            "stub_as_value",
        ],
    });
}

#[test]
fn calls() {
    hold(&Expected {
        topic: "rpc",
        total: 21,
        in_part: &[
            "method_missing",
            "which_members_are_callable",
            "reserved_names",
            "argument_and_return_types",
            "arguments_are_copies",
            "exceptions",
        ],
        differing: &[],
        not_in_rust: &[
            "values_that_cannot_be_sent",
            "callback_argument",
            "rpc_target",
            "pipelining_plain_objects",
            "exception_stack",
            "class_without_base",
            "streams_and_http_values",
        ],
    });
}

#[test]
fn requests() {
    hold(&Expected {
        topic: "fetch",
        total: 11,
        in_part: &[
            "exceptions",
            "not_a_response",
            "request_seen_by_object",
            "response_seen_by_caller",
            "redirects",
            "response_returned_before_work_ends",
        ],
        differing: &["concurrent_fetch_and_rpc_order"],
        not_in_rust: &["caller_aborts"],
    });
}

#[test]
fn gates() {
    hold(&Expected {
        topic: "gates",
        total: 32,
        in_part: &["wait_until"],
        differing: &[],
        not_in_rust: &[],
    });
}

#[test]
fn alarms() {
    hold(&Expected {
        topic: "alarms",
        total: 26,
        in_part: &["time_arguments", "reserved_over_rpc"],
        differing: &["set_between_retries"],
        not_in_rust: &[],
    });
}

#[test]
fn websockets() {
    hold(&Expected {
        topic: "websockets",
        total: 28,
        in_part: &[
            "standard_echo",
            "standard_disconnect",
            "hibernatable_disconnect",
            "hibernatable_protocol_errors",
            "close_arguments",
            "accept_errors",
            "tags",
            "get_web_sockets",
            "attachments",
            "auto_response",
            "send_types",
        ],
        differing: &[],
        not_in_rust: &["binary_type_standard"],
    });
}

#[test]
fn hibernation() {
    hold(&Expected {
        topic: "hibernation",
        total: 15,
        in_part: &["state_after_waking"],
        differing: &[],
        not_in_rust: &[],
    });
}

#[test]
fn every_recording_is_replayed_by_a_test() {
    let held = [
        "ids",
        "rpc",
        "fetch",
        "gates",
        "alarms",
        "websockets",
        "hibernation",
    ];
    let files = std::fs::read_dir(recordings()).expect("the recordings are there");
    for file in files {
        let file = file.expect("it can be read").path();
        if file.extension().is_some_and(|end| end == "json") {
            let topic = file.file_stem().and_then(|stem| stem.to_str());
            assert!(
                topic.is_some_and(|topic| held.contains(&topic)),
                "{}",
                file.display()
            );
        }
    }
}

// The replay itself.

fn named(name: &str) -> Scenario {
    let topic = name.split('/').next().expect("a topic");
    let scenarios = scenarios_about(topic).into_iter();
    let mut found = scenarios.filter(|scenario| scenario.name == name);
    found.next().expect("it was recorded")
}

fn fails(scenario: Scenario) -> bool {
    let scenarios = [scenario];
    let outcomes = replayed(&scenarios);
    !Report::new(&scenarios, &outcomes).is_good()
}

#[test]
fn a_recording_that_is_changed_in_any_place_does_not_pass() {
    // Not a table of ids: its rows are its questions (a table with a wrong id: `a_table_of_other_names_...`).
    for name in [
        "gates/self_call",
        "rpc/constructor_throws",
        "alarms/get_alarm",
    ] {
        let recorded = named(name);
        assert!(!fails(recorded.clone()), "{name} passes");
        let events = recorded.traces[0].events.len();
        let mut changes = vec![0, events - 1];
        changes.dedup();
        for at in changes {
            let changed = |change: fn(&mut Vec<Json>, usize)| {
                let mut changed = recorded.clone();
                change(&mut changed.traces[0].events, at);
                changed
            };
            assert!(
                fails(changed(|events, at| drop(events.remove(at)))),
                "{name}: event {at} is gone"
            );
            assert!(
                fails(changed(|events, at| events.insert(at, events[at].clone()))),
                "{name}: event {at} twice"
            );
            assert!(
                fails(changed(|events, at| events[at]["ev"] = json!("changed"))),
                "{name}: event {at} is renamed"
            );
        }
    }
}

#[test]
fn a_recorded_trace_that_no_run_gives_is_missed() {
    let mut scenario = named("gates/self_call");
    let mut second = scenario.traces[0].clone();
    second.events.reverse();
    scenario.traces.push(second);
    let scenarios = [scenario];
    let outcomes = replayed(&scenarios);
    let failures = Report::new(&scenarios, &outcomes).failures().to_string();
    assert_eq!(
        failures,
        "gates/self_call\n  no run gave the recorded trace 2\n"
    );
}

#[test]
fn a_scenario_without_a_twin_fails_and_says_why() {
    let mut scenario = named("gates/self_call");
    scenario.name = "gates/of_tomorrow".to_owned();
    let scenarios = [scenario];
    let outcomes = replayed(&scenarios);
    let failures = Report::new(&scenarios, &outcomes).failures().to_string();
    assert!(failures.contains("there is no twin of it"), "{failures}");
}

#[test]
fn a_table_of_other_names_under_another_key_is_replayed_without_a_twin_of_its_own() {
    // (ID-6): the original's own test vector.
    let mut scenario = named("ids/table_short_key");
    scenario.name = "ids/table_of_tomorrow".to_owned();
    let namespace = scenario
        .config
        .namespaces
        .get_mut("OBJ")
        .expect("it has one");
    namespace.unique_key = "mykey".to_owned();
    let hex = "2f15a1f797ff8950c1402f1b9d84e6175bf2d47280acc1fe330a0aaf708a99ea";
    scenario.traces[0].events =
        vec![json!({"at": "worker", "ev": "id", "name": "foo", "hex": hex})];
    assert!(!fails(scenario.clone()));
    scenario.traces[0].events[0]["hex"] = json!("0".repeat(64));
    assert!(fails(scenario));
}

#[test]
fn the_recorded_tables_of_ids_are_derived_anew() {
    let file = read_ids(&recordings().join("ids.json")).expect("it is well-formed");
    let report = replay_ids(&file);
    assert!(report.is_good(), "{report}");
    let passed: Vec<_> = report
        .tables
        .iter()
        .map(|table| (table.passed, table.not_in_rust))
        .collect();
    // Three tables of 48 names, and five names of which four have an unpaired surrogate.
    assert_eq!(passed, [(48, 0), (48, 0), (48, 0), (1, 4)]);
}

// The command.

fn command(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_conformance");
    let output = Command::new(program).args(arguments).output();
    output.expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_command_prints_the_figures_of_a_topic() {
    let file = recordings().join("gates.json");
    let output = command(&[
        "lifecycle",
        file.to_str().expect("UTF-8"),
        "--filter",
        "e_order",
    ]);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert!(shown.contains("gates      3/3"), "{shown}");
    assert!(shown.contains("3 of 3 passed"), "{shown}");
}

#[test]
fn the_command_shows_what_fails_and_says_no() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let recorded = std::fs::read_to_string(recordings().join("gates.json")).expect("it is there");
    let changed = recorded.replace("inner value", "another value");
    let file = folder.path().join("gates.json");
    std::fs::write(&file, changed).expect("there is room");
    let arguments = [
        "lifecycle",
        file.to_str().expect("UTF-8"),
        "--filter",
        "self_call",
        "--failures",
    ];
    let output = command(&arguments);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    for part in [
        "gates/self_call\n  InOneThread(Seed(0)): objects and worker, event 3",
        "another value",
        "1 failed",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn the_command_replays_tables_of_ids() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/ids.json");
    let output = command(&["ids", file.to_str().expect("UTF-8")]);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert!(shown.contains("48/48    key \"k\""), "{shown}");
    assert!(
        shown.contains("163 of 163 passed, 0 not in Rust, 0 failed"),
        "{shown}"
    );
}

#[test]
fn the_command_refuses_what_it_cannot_read() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("cut-off.json");
    std::fs::write(&file, "{\n\"format\":").expect("there is room");
    for what in ["ids", "lifecycle"] {
        let output = command(&[what, file.to_str().expect("UTF-8")]);
        assert_eq!(output.status.code(), Some(2), "{what}");
        let shown = text(&output.stderr);
        assert!(shown.contains("cut-off.json:2: EOF"), "{shown}");
        let nothing = folder.path().join("nothing");
        let output = command(&[what, nothing.to_str().expect("UTF-8")]);
        assert_eq!(output.status.code(), Some(2), "{what}");
    }
    let recordings = recordings();
    let output = command(&[
        "lifecycle",
        recordings.to_str().expect("UTF-8"),
        "--filter",
        "no such scenario",
    ]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("no case has a name that contains"));
}
