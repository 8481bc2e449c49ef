//! What a failing test of a scenario prints: everything that is needed to see the failure again, in words that stand for themselves in a CI log.

use std::{
    process::{Command, Output},
    sync::{PoisonError, RwLock},
};

use dormouse_scenarios::counter;
use dormouse_sim::Suite;

#[dormouse_sim::test(seeds = 100)]
#[ignore = "fails on purpose: the tests below run it and read what it prints"]
fn a_count_is_never_lost() -> Suite {
    counter::forgetful_counter()
}

/// Runs the failing test in a process of its own, as if in CI, where nothing is added to the sources.
fn failing(environment: &[(&str, &str)]) -> Output {
    let mut with_ci = vec![("CI", "1")];
    with_ci.extend(environment);
    failing_at_a_desk(&with_ci)
}

/// Runs the failing test where it may add to the regressions.
fn failing_at_a_desk(environment: &[(&str, &str)]) -> Output {
    let _beside_others = FILES.read().unwrap_or_else(PoisonError::into_inner);
    run_failing(environment)
}

/// Every run of the failing test writes the same files: whoever reads them has to be alone.
static FILES: RwLock<()> = RwLock::new(());

fn run_failing(environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(std::env::current_exe().expect("a test knows its program"));
    command
        .args(["a_count_is_never_lost", "--exact", "--ignored"])
        .env_remove("CI")
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
        text.contains(" broke `what was acknowledged survives a loss of power`"),
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
fn the_smallest_plan_is_told_and_saved() {
    let _alone = FILES.write().unwrap_or_else(PoisonError::into_inner);
    let text = printed(&run_failing(&[("CI", "1")]));
    assert!(text.contains("\nsmallest plan: "), "{text}");
    assert!(text.contains(" runs)\n  client-1  waits "), "{text}");
    let story = text
        .split_once("what happened\n")
        .and_then(|(_, rest)| rest.split_once("\n\nwhy "))
        .expect("the story is told")
        .0;
    assert!(
        story.lines().count() < 20,
        "the story is that of the smallest plan: {story}"
    );
    let files = text
        .split_once("files    ")
        .and_then(|(_, rest)| rest.split_once("/{"))
        .expect("the files are named")
        .0;
    let saved = |name: &str| {
        let path = std::path::Path::new(files).join(name);
        std::fs::read_to_string(path).expect("it was written")
    };
    assert!(saved("plan.json").len() < saved("whole-plan.json").len());
    let run = counter::forgetful_counter()
        .run_plan(&saved("plan.json"), dormouse_sim::Detail::Full)
        .expect("it is a plan");
    assert!(run.violation.is_some(), "it fails as well");
    assert_eq!(
        run.texts.expect("they were asked for").trace,
        saved("trace.txt")
    );
}

#[test]
fn without_time_to_shrink_the_whole_plan_is_told() {
    let text = printed(&failing(&[("DORMOUSE_SHRINK", "0s")]));
    assert!(!text.contains("smallest plan"), "{text}");
    assert!(text.contains("\nplan\n"), "{text}");
}

/// A folder for regressions, as a test's environment takes it.
fn regressions_in(folder: &tempfile::TempDir) -> [(&'static str, &str); 1] {
    [(
        "DORMOUSE_REGRESSIONS",
        folder.path().to_str().expect("a text path"),
    )]
}

#[test]
fn a_new_failure_is_kept_and_run_first_from_then_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = printed(&failing_at_a_desk(&regressions_in(&folder)));
    let files: Vec<_> = std::fs::read_dir(folder.path())
        .expect("it is there")
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    assert_eq!(files.len(), 1, "{text}");
    let kept = files[0].display().to_string();
    assert!(
        text.contains(&format!("kept     {kept}: run first from now on")),
        "{text}"
    );
    assert!(kept.contains("forgetful_counter-"), "{kept}");

    let again = printed(&failing_at_a_desk(&regressions_in(&folder)));
    assert!(
        again.contains(&format!("regression {kept} broke `")),
        "{again}"
    );
    assert!(again.contains("(run first)"), "{again}");
    let after = std::fs::read_dir(folder.path()).expect("it is there");
    assert_eq!(after.count(), 1, "what is kept is not kept again");
}

#[test]
fn in_ci_nothing_is_kept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = printed(&failing(&regressions_in(&folder)));
    assert!(text.contains(" broke `"), "{text}");
    assert!(!text.contains("kept     "), "{text}");
    let files = std::fs::read_dir(folder.path()).expect("it is there");
    assert_eq!(files.count(), 0);
}

#[test]
fn a_seed_in_a_file_is_run_first() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let seed = text_between(&printed(&failing(&[])), "DORMOUSE_SEED=", " ");
    let file = folder.path().join("forgetful_counter.seeds");
    std::fs::write(&file, format!("{seed} # known since this morning\n")).expect("it is written");
    let text = printed(&failing(&regressions_in(&folder)));
    let place = format!("regression {}, line 1 broke `", file.display());
    assert!(text.contains(&place), "{text}");
}

#[test]
fn a_regression_that_cannot_be_read_is_told_with_its_file_and_no_seed_is_run() {
    let plan = counter::forgetful_counter().plan(dormouse_sim::Seed(0));
    let newer = plan.replace("\"format\": 1", "\"format\": 2");
    for (name, content, message) in [
        ("newer.json", &*newer, "newer.json: plan has format 2"),
        (
            "cut.json",
            &plan[..200],
            "cut.json: plan cannot be read, line ",
        ),
        (
            "forgetful_counter.seeds",
            "99999999999999999999",
            "line 1: `99999999999999999999` is no seed, which is a number below 2^64",
        ),
    ] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join(name), content).expect("it is written");
        let text = printed(&failing(&regressions_in(&folder)));
        assert!(text.contains("a regression cannot be run: "), "{text}");
        assert!(text.contains(message), "{text}");
        assert!(!text.contains(" broke `"), "{text}");
    }
}

fn text_between(text: &str, before: &str, after: &str) -> String {
    let rest = text.split_once(before).expect("it is there").1;
    rest.split_once(after).expect("it ends").0.to_owned()
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
        text.contains("broke `what was acknowledged survives"),
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
