//! What a `#[test]` of a scenario runs: its seeds, one after another, in the test's own process, or in several processes of the same test.
//!
//! Before the seeds come the [regressions](super::regressions); what fails is made small, told, and added to them unless `CI` is set.
//! The seeds are fixed, so that no pull request turns red by luck. The variables that change that stand in [`environment`](super::environment).

use std::{
    env, fs,
    ops::Range,
    panic::Location,
    path::PathBuf,
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use super::{
    environment::{self, Child, Environment},
    github, logs,
    plans::here::Here,
    regressions::Regressions,
    replay::headline,
    report::{Confirmation, Report, Subject},
    run_plan, run_repeatedly, run_seed, target,
    watchdog::Watchdog,
    worker::Repeat,
};
use crate::{Detail, Seed, Suite, shrink::Limits};

/// How a child says the hash of the one seed that it ran.
const HASH_LINE: &str = "dormouse-hash ";
/// How a child says that it has run its seeds, and which of them failed first: seed and hash, or nothing.
const SEARCHED_LINE: &str = "dormouse-searched ";

/// Runs `suite`'s regressions from the folder `regressions`, then its seeds from 0 on, as the test `test_path` (as `cargo test` names it) of `package`. Called by
/// `#[dormouse_sim::test]`.
///
/// # Panics
/// If one of them breaks a promise, with the report; or if the environment asks for what is no seed, or a regression cannot be read.
#[track_caller]
pub fn test(suite: &Suite, package: &str, test_path: &str, regressions: &str, seeds: u64) {
    let environment = Environment::read().unwrap_or_else(|why| panic!("{why}"));
    let range = environment
        .range(seeds)
        .unwrap_or_else(|why| panic!("{why}"));
    let test = Test {
        suite,
        package,
        // The harness names a test without its crate.
        name: test_path
            .split_once("::")
            .map_or(test_path, |(_, name)| name),
        at: Location::caller(),
        regressions: environment
            .regressions
            .clone()
            .unwrap_or_else(|| PathBuf::from(regressions)),
        environment: &environment,
    };
    match environment.child {
        Some(Child::Confirms) => {
            let run = run_seed(suite, Seed(range.start), Detail::Brief);
            println!("{HASH_LINE}{:016x}", run.hash);
        }
        Some(Child::Searches) => {
            let found = test
                .search(range)
                .map(|(seed, hash)| format!("{seed} {hash:016x}"));
            println!("{SEARCHED_LINE}{}", found.unwrap_or_default());
        }
        None => test.run(range),
    }
}

struct Test<'a> {
    suite: &'a Suite,
    package: &'a str,
    name: &'a str,
    at: &'static Location<'static>,
    /// The folder of what failed once.
    regressions: PathBuf,
    environment: &'a Environment,
}

impl Test<'_> {
    fn run(&self, range: Range<u64>) {
        if self.environment.seed.is_some() {
            self.show(Seed(range.start));
        } else {
            self.run_regressions();
        }
        let jobs = self
            .environment
            .jobs
            .map_or(1, |jobs| jobs.get() as u64)
            .min(range.end - range.start);
        let found = if jobs > 1 {
            self.search_in_processes(jobs, &range)
        } else {
            self.search(range.clone())
        };
        if let Some((seed, hash)) = found {
            self.fail(seed, hash, &range);
        }
    }

    /// The first seed that breaks a promise, and its trace's hash.
    fn search(&self, range: Range<u64>) -> Option<(Seed, u64)> {
        let watchdog = Watchdog::start(|seed| {
            eprintln!(
                "seed {seed} hangs in real time: run it alone with {}={seed}",
                environment::SEED
            );
            std::process::abort();
        });
        let repeat = match self.environment.check_determinism {
            Some(true) => Repeat::Twice,
            _ => Repeat::Once,
        };
        let started = Instant::now();
        for seed in range.map(Seed) {
            if self
                .environment
                .time
                .is_some_and(|time| started.elapsed() >= time)
            {
                break;
            }
            let run = watchdog.during(seed, || run_repeatedly(self.suite, seed, repeat));
            if run.violation.is_some() {
                return Some((seed, run.hash));
            }
        }
        None
    }

    /// The same, with `jobs` processes that have a part of the seeds each. The smallest seed that fails is found as well: each part ends at its first.
    fn search_in_processes(&self, jobs: u64, range: &Range<u64>) -> Option<(Seed, u64)> {
        let part = |number: u64| {
            let shard = format!("{}/{jobs}", number + 1).parse::<super::seeds::Shard>();
            shard.expect("it is one of them").part_of(range)
        };
        let children: Vec<_> = (0..jobs)
            .map(|number| {
                let part = part(number);
                let seeds = format!("{}..{}", part.start, part.end);
                let child = self
                    .child(Child::Searches)
                    .env_remove(environment::SEED)
                    .env(environment::SEEDS, &seeds)
                    .spawn();
                (
                    seeds,
                    child.unwrap_or_else(|error| {
                        panic!("cannot run another process of this test: {error}")
                    }),
                )
            })
            .collect();
        let mut found = None;
        for (seeds, child) in children {
            let output = child
                .wait_with_output()
                .unwrap_or_else(|error| panic!("a process of this test is lost: {error}"));
            let Some(searched) = said(&output, SEARCHED_LINE) else {
                panic!(
                    "a process with the seeds {seeds} ended before its time:\n{}",
                    String::from_utf8_lossy(&output.stderr)
                );
            };
            let failed = searched.split_once(' ').and_then(|(seed, hash)| {
                let hash = u64::from_str_radix(hash, 16).ok()?;
                Some((Seed(seed.parse().ok()?), hash))
            });
            found = found.or(failed);
        }
        found
    }

    /// One seed was asked for: its logs, and its trace where that is to go.
    fn show(&self, seed: Seed) {
        let environment = self.environment;
        if environment.log.is_none() && environment.trace.is_none() {
            return;
        }
        let run = logs::during(environment.log.as_deref(), || {
            run_seed(self.suite, seed, Detail::Full)
        })
        .unwrap_or_else(|why| panic!("{why}"));
        if let Some((path, format)) = &environment.trace {
            let text = format.write(
                &run,
                &headline(self.suite.name(), seed.to_string(), &run, self.again(seed)),
            );
            fs::write(path, text)
                .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
            eprintln!("the trace of seed {seed} is in {}", path.display());
        }
    }

    fn again(&self, seed: Seed) -> String {
        format!(
            "{}={seed} cargo test -p {} {}",
            environment::SEED,
            self.package,
            self.name
        )
    }

    fn fail(&self, seed: Seed, hash: u64, range: &Range<u64>) -> ! {
        let position = match (self.environment.seed, self.environment.time) {
            (Some(_), _) => "asked for".to_owned(),
            (None, Some(_)) => format!("seed {seed}, as many as there was time for"),
            (None, None) if range.start == 0 => format!("seed {seed} of {}", range.end),
            (None, None) => format!("seed {seed} of {} to {}", range.start, range.end),
        };
        let report = Report::of(
            self.suite,
            seed,
            position,
            self.again(seed),
            self.confirm(seed, hash),
        );
        let mut report = report.unwrap_or_else(|why| panic!("{why}"));
        self.shrink(seed, &mut report);
        if !self.environment.ci {
            report.keep_as_regression(&self.regressions);
        }
        self.tell_github(seed, &report);
        let files = report.write_files(&target::folder()).ok();
        panic!("{}", report.text(files.as_deref()));
    }

    /// Makes the failure small, unless that is switched off.
    fn shrink(&self, seed: Seed, report: &mut Report) {
        let limits = Limits::default();
        let time = self.environment.shrink.unwrap_or(limits.time);
        if time.is_zero() {
            return;
        }
        // A candidate that hangs must not take what is known already with it.
        let known = report.text(None);
        let watchdog = Watchdog::start(move |_| {
            eprintln!("{known}\nwhole    not made smaller: a smaller plan hangs in real time");
            std::process::abort();
        });
        let mut runner = Here::for_at_most(self.suite, time).watched(&watchdog, seed);
        report.shrink(self.suite, limits.runs, &mut runner);
    }

    /// Runs what failed once.
    fn run_regressions(&self) {
        let regressions = Regressions::read(&self.regressions, self.suite.name())
            .unwrap_or_else(|error| panic!("a regression cannot be run: {error}"));
        let plans = regressions
            .plans
            .into_iter()
            .map(|(path, plan)| (path.display().to_string(), plan));
        let seeds = regressions
            .seeds
            .into_iter()
            .map(|(seed, place)| (place, self.suite.plan(seed)));
        let running = Arc::new(Mutex::new(String::new()));
        let hanging = Arc::clone(&running);
        let watchdog = Watchdog::start(move |_| {
            eprintln!(
                "regression {} hangs in real time",
                hanging.lock().unwrap_or_else(PoisonError::into_inner)
            );
            std::process::abort();
        });
        for (place, plan) in plans.chain(seeds) {
            running
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone_from(&place);
            let run = watchdog.during(Seed(0), || run_plan(self.suite, &plan, Detail::Brief));
            let run =
                run.unwrap_or_else(|error| panic!("a regression cannot be run: {place}: {error}"));
            if run.violation.is_some() {
                self.fail_regression(&place, &plan);
            }
        }
    }

    fn fail_regression(&self, place: &str, plan: &str) -> ! {
        let subject = Subject {
            name: format!("regression {place}"),
            folder: "regression".to_owned(),
        };
        let again = format!("cargo test -p {} {}", self.package, self.name);
        let seen = Confirmation::NotAsked("it is known to have failed before".to_owned());
        let report = Report::of_plan(self.suite, plan, subject, "run first", again, seen);
        let mut report = report.unwrap_or_else(|why| panic!("{why}"));
        self.shrink(Seed(0), &mut report);
        let files = report.write_files(&target::folder()).ok();
        panic!("{}", report.text(files.as_deref()));
    }

    fn tell_github(&self, seed: Seed, report: &Report) {
        let (violation, again) = (report.violation(), self.again(seed));
        if self.environment.github_actions {
            let title = format!("{}: seed {seed} broke a promise", self.name);
            println!(
                "{}",
                github::annotation(self.at, &title, &format!("{violation}\nagain: {again}"))
            );
        }
        if let Some(path) = &self.environment.github_summary {
            let text =
                github::failed_test(self.name, seed, &violation.promise, &violation.why, &again);
            if let Err(error) = github::add_to_summary(path, &text) {
                eprintln!("cannot write {}: {error}", path.display());
            }
        }
    }

    /// Runs the same test for the same seed in a fresh process.
    fn confirm(&self, seed: Seed, hash: u64) -> Confirmation {
        let mut child = self.child(Child::Confirms);
        let child = child
            .env_remove(environment::SEEDS)
            .env(environment::SEED, seed.to_string());
        let output = match child
            .spawn()
            .and_then(std::process::Child::wait_with_output)
        {
            Ok(output) => output,
            Err(error) => return Confirmation::NotAsked(error.to_string()),
        };
        match said(&output, HASH_LINE).and_then(|hash| u64::from_str_radix(&hash, 16).ok()) {
            Some(other) if other == hash => Confirmation::Confirmed,
            Some(other) => Confirmation::Differs { other },
            None => Confirmation::NotAsked("another process did not run the test".to_owned()),
        }
    }

    /// Another process of this test.
    fn child(&self, does: Child) -> Command {
        let mut command = Command::new(env::current_exe().unwrap_or_default());
        command
            .args([self.name, "--exact", "--nocapture", "--include-ignored"])
            .env(
                environment::CHILD,
                if does == Child::Confirms {
                    "confirms"
                } else {
                    "searches"
                },
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for variable in [
            environment::JOBS,
            environment::SHARD,
            environment::TRACE,
            "RUST_LOG",
        ] {
            command.env_remove(variable);
        }
        command
    }
}

/// What a child said behind `prefix`.
fn said(output: &Output, prefix: &str) -> Option<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .find_map(|line| line.split_once(prefix))
        .map(|(_, rest)| rest.trim().to_owned())
}
