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
