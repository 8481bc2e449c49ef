//! A closer look: the commands about one plan (`shrink`, `sweep`, `why`), and the one that compares strategies.

use std::{
    fmt::Write as _,
    io::IsTerminal as _,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use super::{
    Expectation, Listed,
    command::asked_for,
    is_about_the_object,
    plans::pool::Workers,
    pool::{self, GoOn},
    seeds,
    strategy::Strategy,
    sweep::{Options, sweep_with},
    target,
    why::why_with,
    worker::{AfterFailure, Repeat, Task},
    zoo,
};
use crate::{FaultKind, Seed, Suite, shrink::shrink_with};

/// How many searches are compared, unless asked otherwise.
const SEARCHES_DEFAULT: u64 = 21;
/// How many seeds one of them may take.
const SEARCH_SEEDS_MAX: u64 = 2_000;
/// They begin so far apart.
const SEARCHES_APART: u64 = 1_000_000;

#[derive(Debug, Subcommand)]
pub(super) enum Ask {
    /// Make the plan of a failing seed, or a saved plan, as small as possible
    Shrink {
        #[command(flatten)]
        which: Which,
        /// Save the smallest plan here
        #[arg(long)]
        save: Option<PathBuf>,
        /// How long it may take: 500ms, 10s; as long as it takes if left out
        #[arg(long, value_parser = seeds::time)]
        time: Option<Duration>,
        /// How many plans may be run
        #[arg(long, default_value_t = 100_000)]
        runs: u64,
        /// How many worker processes; one for each core if left out
        #[arg(long)]
        jobs: Option<NonZeroUsize>,
    },
    /// Strike every injection point that a plan passes, one after the other
    Sweep {
        #[command(flatten)]
        which: Which,
        /// A kind of fault, as plans name it; `process_crash`, `power_loss` and evict if left out
        #[arg(long = "kind", value_parser = kind)]
        kinds: Vec<FaultKind>,
        /// How many pairs of points to strike as well
        #[arg(long, default_value_t = 0)]
        pairs: usize,
        /// How many worker processes; one for each core if left out
        #[arg(long)]
        jobs: Option<NonZeroUsize>,
    },
    /// Find the event at which the failure of a seed, or of a saved plan, became inevitable
    Why {
        #[command(flatten)]
        which: Which,
        /// How many worker processes; one for each core if left out
        #[arg(long)]
        jobs: Option<NonZeroUsize>,
    },
    /// Compare how many seeds each strategy takes to find the bugs of the faulty suites
    Strategies {
        /// The suites; all faulty ones if left out
        suites: Vec<String>,
        /// How many searches for each bug and strategy
        #[arg(long, default_value_t = SEARCHES_DEFAULT)]
        searches: u64,
        /// How many worker processes; one for each core if left out
        #[arg(long)]
        jobs: Option<NonZeroUsize>,
    },
    /// Show the zoo: how many seeds each bug takes to be found, and the smallest plan that shows it
    Zoo {
        /// The suites; all that are in the zoo if left out
        suites: Vec<String>,
        /// How many searches for each bug
        #[arg(long, default_value_t = zoo::SEARCHES_DEFAULT, value_parser = clap::value_parser!(u64).range(1..=100_000))]
        searches: u64,
        /// How many worker processes; one for each core if left out
        #[arg(long)]
        jobs: Option<NonZeroUsize>,
        /// A table, or a chapter
        #[arg(long, value_enum, default_value_t)]
        format: zoo::Form,
    },
    /// Run the plans that standard input asks for
    #[command(hide = true, name = super::plans::worker::PLAN_WORKER)]
    PlanWorker,
}

/// Which plan.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// The suite
    suite: String,
    /// The seed; 0 if neither it nor a plan is given
    #[arg(value_parser = seeds::seed)]
    seed: Option<Seed>,
    /// A plan that was saved, instead of the seed's own
    #[arg(long, conflicts_with = "seed")]
    plan: Option<PathBuf>,
}

impl Which {
    fn find(&self, suites: &[Listed]) -> anyhow::Result<(Suite, String)> {
        let suite = asked_for(suites, Some(&self.suite))?[0].suite();
        let plan = match &self.plan {
            Some(path) => read_plan(&suite, path)?,
            None => suite.plan(self.seed.unwrap_or(Seed(0))),
        };
        Ok((suite, plan))
    }
}

fn read_plan(suite: &Suite, path: &Path) -> anyhow::Result<String> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    suite
        .understands(&text)
        .with_context(|| format!("cannot use {}", path.display()))?;
    Ok(text)
}

fn kind(name: &str) -> Result<FaultKind, String> {
    let value = serde_json::Value::from(name);
    serde_json::from_value(value).map_err(|_| {
        let known = FaultKind::ALL.map(|kind| {
            let name = serde_json::to_value(kind).expect("a kind has a name");
            name.as_str().unwrap_or_default().to_owned()
        });
        format!("there are: {}", known.join(", "))
    })
}

/// How many processes to start.
pub(super) fn jobs_or_cores(jobs: Option<NonZeroUsize>) -> usize {
    jobs.or_else(|| thread::available_parallelism().ok())
        .map_or(1, NonZeroUsize::get)
}

/// Says whether everything was as it should be.
pub(super) fn carry_out(suites: &[Listed], ask: Ask) -> anyhow::Result<bool> {
    match ask {
        Ask::Shrink {
            which,
            save,
            time,
            runs,
            jobs,
        } => {
            let (suite, plan) = which.find(suites)?;
            let mut workers = Workers::new(suite.name(), jobs_or_cores(jobs), time);
            let shrunk = shrink_with(&suite, &plan, runs, &mut workers)?;
            match save {
                Some(path) => std::fs::write(&path, &shrunk.plan)
                    .with_context(|| format!("cannot write {}", path.display()))?,
                None => println!("{}\n", shrunk.plan),
            }
            println!("{shrunk}");
            println!("hash     {:016x}", shrunk.hash);
            println!(
                "verdict  broke `{}`\nwhy      {}",
                shrunk.violation.promise, shrunk.violation.why
            );
            Ok(true)
        }
        Ask::Sweep {
            which,
            kinds,
            pairs,
            jobs,
        } => {
            let (suite, plan) = which.find(suites)?;
            sweep_one(&suite, &plan, kinds, pairs, jobs_or_cores(jobs))
        }
        Ask::Why { which, jobs } => {
            let (suite, plan) = which.find(suites)?;
            let mut workers = Workers::new(suite.name(), jobs_or_cores(jobs), None);
            print!("{}", why_with(&suite, &plan, &mut workers)?);
            Ok(true)
        }
        Ask::Strategies {
            suites: names,
            searches,
            jobs,
        } => {
            let mut asked = Vec::new();
            for name in &names {
                asked.extend(asked_for(suites, Some(name))?);
            }
            if names.is_empty() {
                asked.extend(suites);
            }
            asked.retain(|listed| listed.expectation == Expectation::IsFound);
            if asked.is_empty() {
                bail!(
                    "only suites with a bug can be searched for it: `dormouse list` says which they are"
                );
            }
            print!("{}", compare(&asked, searches.max(1), jobs_or_cores(jobs))?);
            Ok(true)
        }
        Ask::Zoo {
            suites: names,
            searches,
            jobs,
            format,
        } => zoo::show_zoo(suites, &names, searches, jobs_or_cores(jobs), format),
        Ask::PlanWorker => {
            super::plans::worker::serve(suites)?;
            Ok(true)
        }
    }
}

/// Strikes one plan and tells of it; says whether nothing broke.
fn sweep_one(
    suite: &Suite,
    plan: &str,
    kinds: Vec<FaultKind>,
    pairs: usize,
    jobs: usize,
) -> anyhow::Result<bool> {
    let kinds = if kinds.is_empty() {
        Options::default().kinds
    } else {
        kinds
    };
    let mut workers = Workers::new(suite.name(), jobs, None);
    let bar = progress_bar(0);
    let swept = sweep_with(
        suite,
        plan,
        &Options { kinds, pairs },
        &mut workers,
        &mut |done, of| show(&bar, done, of),
    )?;
    bar.finish_and_clear();
    print!("{swept}");
    println!("{} runs", swept.strikes.len());
    if let Some(first) = swept.broken().next() {
        let path = target::folder()
            .join("dormouse")
            .join(suite.name())
            .join("sweep.json");
        let written = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        written
            .and_then(|()| std::fs::write(&path, &first.plan))
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!(
            "again    dormouse replay {} --plan {} (the first that broke)",
            suite.name(),
            path.display()
        );
    }
    Ok(swept.broken().next().is_none())
}

pub(super) fn progress_bar(length: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len}, {eta} left");
    ProgressBar::new(length).with_style(style.expect("the template is right"))
}

fn show(bar: &ProgressBar, done: usize, of: usize) {
    bar.set_length(of as u64);
    bar.set_position(done as u64);
}

/// What the searches of one suite by one strategy came to.
#[derive(Default)]
struct Searches {
    /// How many seeds each took; the most possible where nothing was found.
    seeds: Vec<u64>,
    missed: u64,
    worked: Duration,
    runs: u64,
}

impl Searches {
    /// The middle one, and that at nine tenths.
    fn quantiles(&self) -> (u64, u64) {
        let mut seeds = self.seeds.clone();
        seeds.sort_unstable();
        (seeds[seeds.len() / 2], seeds[seeds.len() * 9 / 10])
    }
}

fn compare(suites: &[Listed], searches: u64, jobs: usize) -> anyhow::Result<String> {
    let mut tasks = Vec::new();
    for listed in suites {
        for strategy in Strategy::ALL {
            tasks.extend((0..searches).map(|search| Task {
                suite: listed.suite().name().to_owned(),
                first: search * SEARCHES_APART,
                count: SEARCH_SEEDS_MAX,
                after_failure: AfterFailure::Stop,
                repeat: Repeat::Once,
                strategy,
            }));
        }
    }
    let bar = progress_bar(tasks.len() as u64);
    let mut sums = std::collections::BTreeMap::<(String, Strategy), Searches>::new();
    pool::run(tasks.into_iter(), jobs, |finished| {
        bar.inc(1);
        let sum = sums
            .entry((finished.task.suite.clone(), finished.task.strategy))
            .or_default();
        let failure = finished.summary.failures.first();
        if let Some(failure) = failure.filter(|failure| is_about_the_object(failure)) {
            sum.seeds.push(failure.seed.0 - finished.task.first + 1);
        } else {
            sum.seeds.push(SEARCH_SEEDS_MAX);
            sum.missed += 1;
        }
        sum.worked += finished.summary.worked;
        sum.runs += finished.summary.seeds;
        Ok(GoOn::Yes)
    })
    .context("cannot run worker processes")?;
    bar.finish_and_clear();
    Ok(table(suites, searches, &sums)?)
}

fn table(
    suites: &[Listed],
    searches: u64,
    sums: &std::collections::BTreeMap<(String, Strategy), Searches>,
) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    writeln!(
        out,
        "seeds until the bug is found: median of {searches} searches, and what nine in ten stay below"
    )?;
    write!(out, "{:<24}", "suite")?;
    for strategy in Strategy::ALL {
        write!(out, "  {:>18}", strategy.label())?;
    }
    writeln!(out)?;
    for listed in suites {
        let name = listed.suite().name();
        write!(out, "{name:<24}")?;
        for strategy in Strategy::ALL {
            let Some(sum) = sums.get(&(name.to_owned(), strategy)) else {
                continue;
            };
            let (median, most) = sum.quantiles();
            let missed = if sum.missed > 0 {
                format!(", {} missed", sum.missed)
            } else {
                String::new()
            };
            write!(out, "  {:>18}", format!("{median} ({most}{missed})"))?;
        }
        writeln!(out)?;
    }
    write!(out, "{:<24}", "ms a run")?;
    for strategy in Strategy::ALL {
        let of_strategy = || sums.iter().filter(|((_, of), _)| *of == strategy);
        let worked: f64 = of_strategy().map(|(_, sum)| sum.worked.as_secs_f64()).sum();
        let runs: u64 = of_strategy().map(|(_, sum)| sum.runs).sum();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let millis = worked * 1e3 / runs.max(1) as f64;
        write!(out, "  {:>18}", format!("{millis:.2}"))?;
    }
    writeln!(out)?;
    Ok(out)
}
