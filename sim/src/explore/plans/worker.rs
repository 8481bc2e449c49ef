//! A worker for plans: a process that runs the plans that it is handed, one after another. The command itself, executed again.

use std::{
    collections::BTreeMap,
    io::{self, BufRead as _, Write as _},
};

use serde::{Deserialize, Serialize};

use super::Seen;
use crate::{
    Detail, Seed, Suite,
    explore::{Listed, run_plan, watchdog::Watchdog, worker::ANSWER},
};

/// The subcommand that makes the command such a worker.
pub(in crate::explore) const PLAN_WORKER: &str = "plan-worker";

/// A plan to be run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) suite: String,
    pub(super) plan: String,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Told {
    Seen(Box<Seen>),
    /// It is no plan of this suite.
    Unusable,
    /// It hangs; the worker ends.
    Hangs,
}

/// Runs plans until there are no more.
///
/// # Errors
/// Its input or output broke, or it was asked for what is none.
pub(in crate::explore) fn serve(suites: &[Listed]) -> io::Result<()> {
    std::panic::set_hook(Box::new(|_| {})); // panics are results here
    let watchdog = Watchdog::start(|_| {
        say(&Told::Hangs).ok();
        std::process::abort();
    });
    let mut made = BTreeMap::<String, Suite>::new();
    for line in io::stdin().lock().lines() {
        let asked: Asked = serde_json::from_str(&line?)?;
        if !made.contains_key(&asked.suite) {
            let suite = suites
                .iter()
                .map(Listed::suite)
                .find(|suite| suite.name() == asked.suite)
                .ok_or_else(|| io::Error::other(format!("no suite {}", asked.suite)))?;
            made.insert(asked.suite.clone(), suite);
        }
        let suite = &made[&asked.suite];
        let run = watchdog.during(Seed(0), || run_plan(suite, &asked.plan, Detail::Anatomy));
        say(&match run {
            Ok(run) => Told::Seen(Box::new(Seen::of(run))),
            Err(_) => Told::Unusable,
        })?;
    }
    Ok(())
}

fn say(told: &Told) -> io::Result<()> {
    let line = format!("\n{ANSWER}{}\n", serde_json::to_string(told)?);
    let mut out = io::stdout().lock();
    out.write_all(line.as_bytes())?;
    out.flush()
}
