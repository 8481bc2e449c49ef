//! What a `#[test]` of a scenario runs: its seeds, one after another, in the test's own process.
//!
//! The seeds are fixed, so that no pull request turns red by luck. `DORMOUSE_SEED` runs one of them, `DORMOUSE_SEEDS` says how many. Before them come the
//! [regressions](super::regressions); what fails is made small, for at most `DORMOUSE_SHRINK` seconds, told, and added to the regressions unless `CI` is set.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    is_ci,
    plans::here::Here,
    regressions::Regressions,
    report::{Confirmation, Report},
    run_plan, run_seed,
    watchdog::Watchdog,
};
use crate::{Detail, Seed, Suite, shrink::Limits};

/// Says that this process only confirms: it prints the hash and reports nothing.
const CONFIRM: &str = "DORMOUSE_CONFIRM";
const SEED: &str = "DORMOUSE_SEED";
const SEEDS: &str = "DORMOUSE_SEEDS";
/// How many seconds the search for the smallest plan may take; 0 for none.
const SHRINK: &str = "DORMOUSE_SHRINK";
/// Another folder of regressions.
const REGRESSIONS: &str = "DORMOUSE_REGRESSIONS";
const HASH_LINE: &str = "dormouse-hash ";

/// Runs `suite`'s regressions from the folder `regressions`, then its seeds from 0 on, as the test `test_path` (as `cargo test` names it) of `package`.
/// Called by `#[dormouse_sim::test]`.
///
/// # Panics
/// If one of them breaks a promise, with the report; or if the environment asks for what is no seed, or a regression cannot be read.
pub fn test(suite: &Suite, package: &str, test_path: &str, regressions: &str, seeds: u64) {
    // The harness names a test without its crate.
    let test_name = test_path
        .split_once("::")
        .map_or(test_path, |(_, name)| name);
    // What is known of a failure by then, if it is while it is made smaller that a run hangs.
    let known = Arc::new(Mutex::new(String::new()));
    let known_to_watchdog = Arc::clone(&known);
    let watchdog = Watchdog::start(move |seed| {
        eprint!("{}", known_to_watchdog.lock().unwrap_or_else(PoisonError::into_inner));
        eprintln!("seed {seed} hangs in real time: run it alone with {SEED}={seed}");
        std::process::abort();
    });
    let confirming = env::var_os(CONFIRM).is_some();
    let (one, count) = (number(SEED), number(SEEDS).unwrap_or(seeds));
    let folder = env::var_os(REGRESSIONS).map_or_else(|| PathBuf::from(regressions), PathBuf::from);
    let failing = Failing {
        suite,
        watchdog: &watchdog,
        known: &known,
        regressions: &folder,
    };
    if one.is_none() {
        let again = format!("cargo test -p {package} {test_name}");
        failing.unless_regressions_pass(&again);
    }
    let range = one.map_or(0..count, |seed| seed..seed + 1);
    for seed in range.map(Seed) {
        let run = watchdog.during(seed, || run_seed(suite, seed, Detail::Brief));
        if confirming {
            println!("{HASH_LINE}{:016x}", run.hash);
        }
        if run.violation.is_none() || confirming {
            continue;
        }
        let again = format!("{SEED}={seed} cargo test -p {package} {test_name}");
        let position = if one.is_some() {
            "asked for".to_owned()
        } else {
            format!("seed {seed} of {count}")
        };
        let report = Report::of(
            suite,
            seed,
            position,
            again,
            confirm(test_name, seed, run.hash),
        );
        failing.fail(seed, report, Keep::AsRegression);
    }
}

/// Whether a failure is news.
#[derive(PartialEq)]
enum Keep {
    AsRegression,
    /// It is one.
    No,
}

/// How a test fails.
struct Failing<'a> {
    suite: &'a Suite,
    watchdog: &'a Watchdog,
    known: &'a Mutex<String>,
    regressions: &'a Path,
}

impl Failing<'_> {
    fn unless_regressions_pass(&self, again: &str) {
        let suite = self.suite;
        let regressions = Regressions::read(self.regressions, suite.name())
            .unwrap_or_else(|error| panic!("a regression cannot be run: {error}"));
        let plans = regressions.plans.into_iter();
        let plans = plans.map(|(path, plan)| (path.display().to_string(), plan));
        let seeds = regressions.seeds.into_iter();
        let seeds = seeds.map(|(seed, place)| (place, suite.plan(seed)));
        for (place, plan) in plans.chain(seeds) {
            let run = self
                .watchdog
                .during(Seed(0), || run_plan(suite, &plan, Detail::Brief))
                .unwrap_or_else(|error| panic!("a regression cannot be run: {place}: {error}"));
            if run.violation.is_some() {
                let subject = (format!("regression {place}"), "regression".to_owned());
                let seen = Confirmation::NotAsked("it is known to have failed before".to_owned());
                let report = Report::of_plan(suite, &plan, subject, "run first", again, seen);
                self.fail(Seed(0), report, Keep::No);
            }
        }
    }

    /// Makes the failure small, writes its files, and panics with it.
    fn fail(&self, seed: Seed, report: Result<Report, String>, keep: Keep) -> ! {
        let mut report = report.unwrap_or_else(|why| panic!("{why}"));
        let limits = Limits::default();
        let time = number(SHRINK).map_or(limits.time, Duration::from_secs);
        if !time.is_zero() {
            *self.known.lock().unwrap_or_else(PoisonError::into_inner) = report.text(None);
            let mut runner = Here::for_at_most(self.suite, time).watched(self.watchdog, seed);
            report.shrink(self.suite, limits.runs, &mut runner);
        }
        if keep == Keep::AsRegression && !is_ci() {
            report.keep_as_regression(self.regressions);
        }
        let files = report.write_files(&target_folder()).ok();
        panic!("{}", report.text(files.as_deref()));
    }
}

fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(
        value
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("{variable} is `{value}`, which is no number")),
    )
}

/// Runs the same test for the same seed in a fresh process.
fn confirm(test_name: &str, seed: Seed, hash: u64) -> Confirmation {
    let asked = env::current_exe().and_then(|exe| {
        Command::new(exe)
            .args([test_name, "--exact", "--nocapture", "--include-ignored"])
            .env(SEED, seed.to_string())
            .env(CONFIRM, "1")
            .stderr(Stdio::null())
            .output()
    });
    let output = match asked {
        Ok(output) => output,
        Err(error) => return Confirmation::NotAsked(error.to_string()),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let other = text
        .lines()
        .find_map(|line| line.split_once(HASH_LINE))
        .and_then(|(_, hash)| u64::from_str_radix(hash.trim(), 16).ok());
    match other {
        Some(other) if other == hash => Confirmation::Confirmed,
        Some(other) => Confirmation::Differs { other },
        None => Confirmation::NotAsked("another process did not run the test".to_owned()),
    }
}

/// The build's target folder, which holds the test's own program.
fn target_folder() -> PathBuf {
    let exe = env::current_exe().unwrap_or_default();
    let target = exe
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").exists());
    target.unwrap_or(Path::new("target")).to_owned()
}
