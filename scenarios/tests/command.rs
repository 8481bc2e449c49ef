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
        .split_once("files    ")
        .and_then(|(_, rest)| rest.split_once("/{"))
        .expect("the files are named")
        .0;
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
            "there is no suite `no_such_suite`; there are: counter,",
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
