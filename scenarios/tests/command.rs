//! The `dormouse` command as its users run it.

use std::process::{Command, Output};

fn dormouse(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    Command::new(env!("CARGO_BIN_EXE_dormouse"))
        .args(arguments)
        .current_dir(folder.path())
        .output()
        .expect("the command runs")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn exploring_a_correct_suite_ends_with_the_table_and_code_0() {
    let output = dormouse(&["explore", "counter", "--seeds", "120"]);
    let text = out(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", err(&output));
    assert!(text.contains("counter"), "{text}");
    assert!(text.contains(" 120 "), "all seeds are counted: {text}");
    assert!(text.contains("pass"), "{text}");
    assert!(text.contains("power loss"), "{text}");
}

#[test]
fn exploring_a_faulty_suite_tells_how_fast_it_is_found_and_the_story() {
    let output = dormouse(&["explore", "forgetful_counter"]);
    let text = out(&output);
    assert_eq!(output.status.code(), Some(0), "it is as expected: {text}");
    assert!(text.contains("found, after"), "{text}");
    assert!(
        text.contains("again    dormouse replay forgetful_counter "),
        "{text}"
    );
    assert!(text.contains("seen     twice, in two processes"), "{text}");
}

#[test]
fn a_failure_is_replayed_by_its_seed_and_by_its_saved_plan() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dormouse"));
        command
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .expect("the command runs")
    };
    let text = out(&run(&["explore", "forgetful_counter"]));
    let seed = text
        .split("dormouse replay forgetful_counter ")
        .nth(1)
        .expect("the line to repeat it");
    let seed = seed.lines().next().expect("a number");

    let replayed = run(&["replay", "forgetful_counter", seed]);
    assert_eq!(replayed.status.code(), Some(1));
    let replayed = out(&replayed);
    let hash = replayed
        .lines()
        .find(|line| line.starts_with("hash"))
        .expect("the hash")
        .to_owned();
    assert!(
        replayed.contains("activation_start"),
        "the trace is there: {replayed}"
    );
    assert!(replayed.contains("verdict  broke"), "{replayed}");

    let files = text
        .split("files    ")
        .nth(1)
        .and_then(|rest| rest.split("/{").next())
        .expect("the folder of the files");
    assert!(
        !files.starts_with(&*folder.path().to_string_lossy()),
        "files go to the build's target folder, wherever the command was started: {files}"
    );
    let smallest = format!("{files}/plan.json");
    let smallest = out(&run(&["replay", "forgetful_counter", "--plan", &smallest]));
    assert!(
        smallest.contains("verdict  broke"),
        "the smallest plan fails as well: {smallest}"
    );
    assert!(smallest.len() < replayed.len());

    let plan = format!("{files}/whole-plan.json");
    let from_plan = out(&run(&["replay", "forgetful_counter", "--plan", &plan]));
    assert!(
        from_plan.contains(&hash),
        "the plan gives the same run: {from_plan}"
    );
}

#[test]
fn wrong_use_is_told_in_one_message_with_code_2() {
    for (arguments, message) in [
        (
            &["explore", "no_such_suite"][..],
            "there is no suite `no_such_suite`; there are: batcher, counter,",
        ),
        (&["replay", "counter", "seven"], "invalid value 'seven'"),
        (
            &["replay", "counter"],
            "required arguments were not provided",
        ),
        (
            &["replay", "counter", "--plan", "missing.json"],
            "cannot read missing.json",
        ),
        (&["explore", "counter", "--jobs", "0"], "invalid value '0'"),
        (
            &["explore", "counter", "--first", "18446744073709551615"],
            "beyond the last seed",
        ),
        (&["frobnicate"], "unrecognized subcommand"),
        (
            &["sweep", "counter", "--kind", "earthquake"],
            "there are: process_crash, power_loss, ",
        ),
        (
            &["sweep", "forgetful_counter", "7"],
            "breaks a promise without any fault",
        ),
        (
            &["shrink", "counter", "0"],
            "the plan breaks no promise: there is nothing to shrink",
        ),
        (
            &["why", "counter", "0"],
            "the run breaks no promise: there is nothing to explain",
        ),
        (
            &["shrink", "counter", "--plan", "missing.json"],
            "cannot read missing.json",
        ),
        (
            &["explore", "counter", "--strategy", "luck"],
            "[possible values: random, pct, coverage]",
        ),
        (
            &["strategies", "counter"],
            "only suites with a bug can be searched for it",
        ),
        (
            &["replay", "counter", "18446744073709551616"],
            "invalid value '18446744073709551616'",
        ),
        (
            &["explore", "counter", "--shard", "11/10"],
            "'11/10' for '--shard <SHARD>': which is none of 10 shards: they are numbered from 1/10 to 10/10",
        ),
        (
            &["explore", "counter", "--shard", "0/10"],
            "which is none of 10 shards",
        ),
        (&["explore", "counter", "--time", "30"], "which is no time"),
        (
            &["explore", "counter", "--seeds", "9..4"],
            "which begins at 9 and ends before it, at 4",
        ),
        (&["explore", "counter", "--resume"], "--checkpoint"),
        (
            &["replay", "counter", "1", "--output", "trace.xml"],
            "does not say a format",
        ),
        (&["merge", "missing.json"], "cannot read missing.json"),
    ] {
        let output = dormouse(arguments);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            err(&output)
        );
        assert!(
            err(&output).contains(message),
            "{arguments:?}: {}",
            err(&output)
        );
    }
}

#[test]
fn a_plan_that_is_none_is_refused_with_its_reason() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let replay = |content: &str| {
        let path = folder.path().join("plan.json");
        std::fs::write(&path, content).expect("it is written");
        let path = path.to_str().expect("a text path");
        dormouse(&["replay", "counter", "--plan", path])
    };
    for (content, message) in [
        (
            "{\"format\": 999}",
            "plan has format 999, this version reads format 1",
        ),
        ("{\"format\": 1, \"suite\"", "plan cannot be read, line 1"),
        (
            "{\"format\": 1, \"suite\": \"ledger\", \"seed\": 1, \"clients\": [], \"faults\": [], \"heal_at\": 0}",
            "plan is for suite `ledger`, not for `counter`",
        ),
    ] {
        let output = replay(content);
        assert_eq!(output.status.code(), Some(2));
        assert!(err(&output).contains(message), "{}", err(&output));
    }
}

#[test]
fn the_report_tells_the_smallest_plan_and_how_large_it_was() {
    let text = out(&dormouse(&["explore", "racing_counter"]));
    assert!(
        text.contains("smallest plan: 2 steps, 0 faults (from "),
        "{text}"
    );
    let whole = out(&dormouse(&["explore", "racing_counter", "--shrink", "0s"]));
    assert!(!whole.contains("smallest plan"), "{whole}");
    assert!(whole.len() > text.len());
}

#[test]
fn a_sweep_names_the_points_and_the_verdict_at_each() {
    let output = dormouse(&[
        "sweep",
        "counter",
        "3",
        "--kind",
        "power_loss",
        "--pairs",
        "20",
    ]);
    let text = out(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", err(&output));
    let committed = text
        .lines()
        .find(|line| line.starts_with("committed on server"))
        .unwrap_or_else(|| panic!("the point is not there: {text}"));
    assert!(committed.trim_end().ends_with(" ok"), "{committed}");
    assert!(text.contains("\n20 pairs, "), "{text}");
}

#[test]
fn why_names_the_event_and_draws_the_rate() {
    let text = out(&dormouse(&["explore", "racing_counter"]));
    let again = "again    dormouse replay racing_counter ";
    let seed = text.split_once(again).expect("it is found").1;
    let seed = seed.lines().next().expect("a number");
    let output = dormouse(&["why", "racing_counter", seed]);
    let text = out(&output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", err(&output));
    assert!(text.contains("20/20   ####################"), "{text}");
    assert!(text.contains("The failure "), "{text}");
}

#[test]
fn a_failure_that_a_strategy_found_is_told_with_its_plan_and_found_again() {
    for strategy in ["pct", "coverage"] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let run = |arguments: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_dormouse"));
            let output = command.args(arguments).current_dir(folder.path()).output();
            out(&output.expect("the command runs"))
        };
        let explore = ["explore", "racing_counter", "--strategy", strategy];
        let text = run(&explore);
        assert!(text.contains("seen     twice, in two processes"), "{text}");
        let headline = |text: &str| {
            let line = text.lines().find(|line| line.contains(" broke `"));
            line.expect("something is found").to_owned()
        };
        assert!(headline(&text).contains(&format!("({strategy})")), "{text}");
        let again = text.split_once("again    dormouse ").expect("the line").1;
        let again: Vec<_> = again.lines().next().expect("a line").split(' ').collect();
        assert!(run(&again).contains("verdict  broke"), "{again:?}");
        assert_eq!(headline(&run(&explore)), headline(&text), "the same seeds");
    }
}

#[test]
fn a_suite_that_tests_nothing_says_so() {
    // One seed does not cut a purge short, and a purge that is not cut short leaves nothing.
    let text = out(&dormouse(&["explore", "mailbox", "--seeds", "1"]));
    let never =
        "mailbox                   `a start removes what an earlier purge left` never held (";
    assert!(text.contains(&format!("never seen\n{never}")), "{text}");
    let text = out(&dormouse(&["explore", "mailbox", "--seeds", "400"]));
    assert!(!text.contains(never), "{text}");
}

#[test]
fn a_run_is_written_in_every_format() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str| {
        let path = folder.path().join(name);
        let output = dormouse(&[
            "replay",
            "forgetful_counter",
            "0",
            "--output",
            path.to_str().expect("a text path"),
        ]);
        assert_eq!(
            output.status.code(),
            Some(1),
            "seed 0 breaks it: {}",
            err(&output)
        );
        assert!(out(&output).contains("verdict  broke"), "{}", out(&output));
        std::fs::read_to_string(path).expect("it was written")
    };
    let text = write("trace.txt");
    let lines = write("trace.jsonl");
    assert_eq!(
        text.lines().count(),
        lines.lines().count(),
        "a line an event in both"
    );
    for line in lines.lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect("each line is JSON");
        assert!(
            event["at_ns"].is_u64() && event["place"].is_string() && event["name"].is_string(),
            "{line}"
        );
    }
    let chrome: serde_json::Value = serde_json::from_str(&write("trace.json")).expect("it is JSON");
    let events = chrome["traceEvents"].as_array().expect("a list");
    let instants = events.iter().filter(|event| event["ph"] == "i").count();
    assert_eq!(instants, text.lines().count(), "every event is there");
    let page = write("report.html");
    assert!(page.starts_with("<!doctype html>"));
    assert!(
        page.contains("dormouse replay forgetful_counter 0"),
        "it says how to repeat it"
    );

    let printed = dormouse(&["replay", "forgetful_counter", "0", "--format", "text"]);
    assert_eq!(
        out(&printed),
        text,
        "without a file it is all that standard output has"
    );
}

#[test]
fn json_junit_and_github_tell_of_a_failure() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let junit = folder.path().join("junit.xml");
    let summary = folder.path().join("summary.md");
    let output = Command::new(env!("CARGO_BIN_EXE_dormouse"))
        .args([
            "explore",
            "forgetful_counter",
            "--count",
            "--keep-going",
            "--seeds",
            "20",
            "--format",
            "json",
        ])
        .arg("--junit")
        .arg(&junit)
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", &summary)
        .output()
        .expect("the command runs");
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    let document: serde_json::Value =
        serde_json::from_str(&out(&output)).expect("standard output is one document");
    assert_eq!(document["as_expected"], false);
    let suite = &document["suites"][0];
    assert_eq!(suite["suite"], "forgetful_counter");
    assert_eq!(suite["summary"]["seeds"], 20);
    let failures = suite["summary"]["failures"]
        .as_array()
        .expect("a list")
        .len();
    assert_eq!(suite["verdict"], format!("FAIL: {failures} seeds"));

    let junit = std::fs::read_to_string(junit).expect("it was written");
    assert!(
        junit.contains("<testsuite name=\"dormouse\" tests=\"1\""),
        "{junit}"
    );
    assert!(
        junit.contains(
            "<failure message=\"seed 0 broke what was acknowledged survives a loss of power"
        ),
        "{junit}"
    );
    assert!(
        junit.contains("again    dormouse replay forgetful_counter 0"),
        "the report is its text: {junit}"
    );

    let told = err(&output);
    let annotation = told
        .lines()
        .find(|line| line.starts_with("::error "))
        .expect("a mark in the code");
    assert!(
        annotation.contains("file=scenarios/src/suites/counter.rs,line="),
        "{annotation}"
    );
    assert!(
        annotation.contains("title=forgetful_counter%3A seed 0 broke a promise::"),
        "{annotation}"
    );
    let summary = std::fs::read_to_string(summary).expect("it was written");
    assert!(
        summary.contains(&format!(
            "| `forgetful_counter` | 20 | \u{274c} FAIL: {failures} seeds |"
        )),
        "{summary}"
    );
}

#[test]
fn the_environment_is_asked_where_an_option_is_left_out() {
    let explore = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dormouse"));
        command
            .args(["explore", "brief_counter", "--format", "json"])
            .args(arguments);
        command
            .envs(variables.iter().copied())
            .output()
            .expect("the command runs")
    };
    let asked = |output: &Output| -> serde_json::Value {
        let document: serde_json::Value =
            serde_json::from_str(&out(output)).unwrap_or_else(|_| panic!("{}", err(output)));
        assert_eq!(
            document["suites"][0]["done"].as_array().map(Vec::len),
            Some(1),
            "{document}"
        );
        document["suites"][0]["done"][0].clone()
    };
    let variables = [
        ("DORMOUSE_SEEDS", "100..160"),
        ("DORMOUSE_SHARD", "2/3"),
        ("DORMOUSE_CHECK_DETERMINISM", "1"),
    ];
    assert_eq!(
        asked(&explore(&variables, &[])),
        serde_json::json!([120, 140])
    );
    assert_eq!(
        asked(&explore(&variables, &["--shard", "1/3"])),
        serde_json::json!([100, 120]),
        "an option comes first"
    );
    let wrong = explore(&[("DORMOUSE_SHARD", "11/10")], &[]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        err(&wrong).contains("error: DORMOUSE_SHARD is `11/10`, which is none of 10 shards"),
        "{}",
        err(&wrong)
    );
}

#[test]
fn an_exploration_by_time_ends_when_its_time_is_over() {
    let output = dormouse(&[
        "explore",
        "brief_counter",
        "--time",
        "700ms",
        "--format",
        "json",
    ]);
    let document: serde_json::Value =
        serde_json::from_str(&out(&output)).unwrap_or_else(|_| panic!("{}", err(&output)));
    assert!(
        document["suites"][0]["summary"]["seeds"].as_u64() > Some(0),
        "{document}"
    );
    assert!(
        document["seconds"].as_f64() < Some(30.0),
        "seeds would last for ever: {document}"
    );
}

#[test]
fn logs_of_a_replayed_seed_have_virtual_times_and_say_where() {
    let replay = |filter: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dormouse"));
        command
            .args(["replay", "forgetful_counter", "0"])
            .env("RUST_LOG", filter);
        command.output().expect("the command runs")
    };
    let quiet = dormouse(&["replay", "forgetful_counter", "0"]);
    assert_eq!(err(&quiet), "", "nothing is logged unless it is asked for");
    let logged = replay("dormouse=trace");
    assert_eq!(out(&logged), out(&quiet), "and the run is the same");
    let logs = err(&logged);
    assert!(
        logs.lines()
            .any(|line| line.starts_with("+0.000s server TRACE node_start")),
        "{logs}"
    );
    let of_a = |logs: &str| {
        logs.lines()
            .filter(|line| line.contains("s server ForgetfulCounter/a TRACE"))
            .count()
    };
    assert!(of_a(&logs) > 0, "an object's lines name it: {logs}");

    let one_object = err(&replay("[object{id=ForgetfulCounter/a}]=trace"));
    assert_eq!(of_a(&one_object), of_a(&logs), "{one_object}");
    assert!(
        !one_object.contains("ForgetfulCounter/b TRACE"),
        "the other one is not asked for: {one_object}"
    );
    let wrong = replay("dormouse=loud");
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        err(&wrong).contains("RUST_LOG is `dormouse=loud`, which cannot be read"),
        "{}",
        err(&wrong)
    );
}
