//! A worker: a process that runs the seeds that it is told to, one after another.
//!
//! It reads tasks and writes results, a line of JSON each. It is the command itself, executed again.

use std::{
    io::{self, BufRead as _, Write as _},
    time::Instant,
};

use serde::{Deserialize, Serialize};

use super::{
    Listed, Summary,
    strategy::{Searcher, Strategy},
    watchdog::Watchdog,
};
use crate::Seed;

/// Seeds to be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The suite's name.
    pub suite: String,
    /// The first seed.
    pub first: u64,
    /// How many, one after the other.
    pub count: u64,
    /// Whether to go on after the first failure.
    pub after_failure: AfterFailure,
    /// How often each is run.
    pub repeat: Repeat,
    /// Where plans come from.
    #[serde(default)]
    pub strategy: Strategy,
}

/// How the line of an answer begins.
pub(super) const ANSWER: &str = "dormouse-answer ";

/// What to do when a seed has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterFailure {
    /// Leave the rest of the task.
    Stop,
    /// Run the rest as well.
    GoOn,
}

/// How often a seed is run in its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeat {
    /// Once: a few seeds are compared with another process.
    Once,
    /// Twice: different traces are a broken promise.
    Twice,
}

/// What a worker says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum Answer {
    /// The task is done.
    Done {
        /// What came of it.
        summary: Summary,
        /// Seed and hash of the last run, to be compared with another process's.
        sample: Option<(Seed, u64)>,
        /// How much memory the worker's process takes now, in bytes; `None` where the system does not say.
        resident_bytes: Option<u64>,
    },
    /// This seed hangs; the worker ends.
    Hangs(Seed),
}

/// Answers tasks until there are no more.
///
/// # Errors
/// Its input or output broke, or it was given what is no task.
pub fn serve(suites: &[Listed]) -> io::Result<()> {
    std::panic::set_hook(Box::new(|_| {})); // panics are results here; the report tells of them
    let watchdog = Watchdog::start(|seed| {
        say(&Answer::Hangs(seed)).ok();
        std::process::abort();
    });
    for line in io::stdin().lock().lines() {
        let task: Task = serde_json::from_str(&line?)?;
        let listed = suites
            .iter()
            .find(|listed| listed.suite().name() == task.suite);
        let suite = listed
            .ok_or_else(|| io::Error::other(format!("no suite {}", task.suite)))?
            .suite();
        let started = Instant::now();
        let mut summary = Summary::default();
        let mut sample = None;
        let mut searcher = Searcher::new(task.strategy);
        for seed in (task.first..task.first.saturating_add(task.count)).map(Seed) {
            let (run, plan) = watchdog.during(seed, || searcher.run(&suite, seed, task.repeat));
            sample = Some((seed, run.hash));
            let failed = run.violation.is_some();
            summary.add(seed, run);
            if failed {
                summary.plans.extend(plan.map(|plan| (seed.0, plan)));
            }
            if failed && task.after_failure == AfterFailure::Stop {
                break;
            }
        }
        summary.worked = started.elapsed();
        say(&Answer::Done {
            summary,
            sample,
            resident_bytes: resident_bytes(),
        })?;
    }
    Ok(())
}

/// A world that leaves something behind shows here after a million of them.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes * 1024)
}

fn say(answer: &Answer) -> io::Result<()> {
    // An object may print, too: answers are told from that by how their line begins.
    let line = format!("\n{ANSWER}{}\n", serde_json::to_string(answer)?);
    let mut out = io::stdout().lock();
    out.write_all(line.as_bytes())?;
    out.flush()
}
