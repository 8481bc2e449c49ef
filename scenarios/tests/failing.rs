//! What a failing test of a scenario prints: everything that is needed to see the failure again, in words that stand for themselves in a CI log.

use std::process::{Command, Output};

use dormouse_scenarios::counter;
use dormouse_sim::Suite;

#[dormouse_sim::test(seeds = 100)]
#[ignore = "fails on purpose: the tests below run it and read what it prints"]
fn a_count_is_never_lost() -> Suite {
    counter::forgetful_counter()
}

/// Runs the failing test in a process of its own.
fn failing(environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(std::env::current_exe().expect("a test knows its program"));
    command
        .args(["a_count_is_never_lost", "--exact", "--ignored"])
        .env_remove("GITHUB_ACTIONS")
        .env_remove("GITHUB_STEP_SUMMARY")
        .envs(environment.iter().copied());
    command.output().expect("it runs")
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn the_report_names_the_seed_the_promise_and_the_line_that_repeats_it() {
    let output = failing(&[]);
    let text = printed(&output);
    assert!(!output.status.success());
    assert!(
        text.contains(
            " broke `calls take effect one at a time, in an order that clients could have seen`"
        ),
        "{text}"
    );
    assert!(text.contains("of suite forgetful_counter (seed "), "{text}");
    assert!(
        text.contains("seen     twice, in two processes, trace "),
        "{text}"
    );
    let again = "again    DORMOUSE_SEED=";
    assert!(text.contains(again), "{text}");
    assert!(
        text.contains("cargo test -p dormouse-scenarios a_count_is_never_lost"),
        "{text}"
    );
    assert!(text.contains("files    "), "{text}");
}

#[test]
fn the_seed_in_the_environment_runs_that_one_alone() {
    let text = printed(&failing(&[]));
    let seed = text
        .split("DORMOUSE_SEED=")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .expect("the line to repeat it");
    let again = printed(&failing(&[("DORMOUSE_SEED", seed)]));
    assert!(again.contains(&format!("seed {seed} broke ")), "{again}");
    assert!(again.contains("(asked for)"), "{again}");
}

#[test]
fn the_number_of_seeds_in_the_environment_is_the_number_that_is_run() {
    let none = failing(&[("DORMOUSE_SEEDS", "0")]);
    assert!(none.status.success(), "{}", printed(&none));
}

#[test]
fn a_seed_that_is_no_number_is_told() {
    let text = printed(&failing(&[("DORMOUSE_SEED", "seven")]));
    assert!(
        text.contains("DORMOUSE_SEED is `seven`, which is no number"),
        "{text}"
    );
}

#[test]
fn a_range_and_a_shard_of_it_are_what_is_run() {
    let text = printed(&failing(&[
        ("DORMOUSE_SEEDS", "100..200"),
        ("DORMOUSE_SHARD", "2/2"),
    ]));
    assert!(text.contains(" of 150 to 200)"), "{text}");
    let text = printed(&failing(&[("DORMOUSE_SHARD", "0/10")]));
    assert!(
        text.contains("DORMOUSE_SHARD is `0/10`, which is none of 10 shards"),
        "{text}"
    );
    let text = printed(&failing(&[("DORMOUSE_TIME", "soon")]));
    assert!(
        text.contains("DORMOUSE_TIME is `soon`, which is no time"),
        "{text}"
    );
}

#[test]
fn several_processes_find_the_seed_that_one_finds() {
    let headline = |output: &Output| {
        let text = printed(output);
        let line = text
            .lines()
            .find(|line| line.contains(" broke `"))
            .map(str::to_owned);
        line.unwrap_or_else(|| panic!("{text}"))
    };
    let alone = headline(&failing(&[("DORMOUSE_SEEDS", "40..70")]));
    let together = headline(&failing(&[
        ("DORMOUSE_SEEDS", "40..70"),
        ("DORMOUSE_JOBS", "3"),
    ]));
    assert_eq!(together, alone);
}

#[test]
fn a_test_by_time_ends_at_the_first_failure_all_the_same() {
    let text = printed(&failing(&[("DORMOUSE_TIME", "60s")]));
    assert!(text.contains("as many as there was time for"), "{text}");
    let output = failing(&[("DORMOUSE_TIME", "0s")]);
    assert!(
        output.status.success(),
        "no time, no seed: {}",
        printed(&output)
    );
}

#[test]
fn every_seed_twice_finds_the_same() {
    let text = printed(&failing(&[("DORMOUSE_CHECK_DETERMINISM", "1")]));
    assert!(
        text.contains("broke `calls take effect one at a time"),
        "{text}"
    );
    assert!(text.contains("seen     twice, in two processes"), "{text}");
}

#[test]
fn the_one_seed_that_was_asked_for_is_logged_and_its_trace_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let page = folder.path().join("run.html");
    let page = page.to_str().expect("a text path");
    let text = printed(&failing(&[
        ("DORMOUSE_SEED", "0"),
        ("DORMOUSE_TRACE", page),
        ("RUST_LOG", "dormouse=trace"),
    ]));
    assert!(
        text.contains("s server ForgetfulCounter/a TRACE turn"),
        "{text}"
    );
    let page = std::fs::read_to_string(page).expect("it was written");
    assert!(
        page.contains("DORMOUSE_SEED=0 cargo test -p dormouse-scenarios a_count_is_never_lost")
    );
    let text = printed(&failing(&[("DORMOUSE_TRACE", "run.html")]));
    assert!(
        text.contains("DORMOUSE_TRACE is the trace of one seed: set DORMOUSE_SEED as well"),
        "{text}"
    );
}

#[test]
fn github_is_told_where_the_test_stands() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let summary = folder.path().join("summary.md");
    let path = summary.to_str().expect("a text path");
    let text = printed(&failing(&[
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_STEP_SUMMARY", path),
    ]));
    let mark = text
        .lines()
        .find(|line| line.starts_with("::error "))
        .unwrap_or_else(|| panic!("{text}"));
    assert!(
        mark.contains("file=scenarios/tests/failing.rs,line="),
        "{mark}"
    );
    let summary = std::fs::read_to_string(summary).expect("it was written");
    assert!(
        summary.contains("`a_count_is_never_lost`, seed "),
        "{summary}"
    );
}

#[test]
fn its_files_are_in_the_target_folder_and_not_in_the_package() {
    let text = printed(&failing(&[]));
    let files = text
        .split("files    ")
        .nth(1)
        .and_then(|rest| rest.split("/{").next())
        .expect("the folder");
    let package = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    assert!(!std::path::Path::new(files).starts_with(package), "{files}");
    for name in [
        "plan.json",
        "trace.txt",
        "trace.json",
        "report.html",
        "report.txt",
    ] {
        assert!(
            std::path::Path::new(files).join(name).is_file(),
            "{name} in {files}"
        );
    }
    assert!(
        !package.join("target").exists(),
        "a target folder in the package"
    );
}
