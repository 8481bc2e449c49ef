//! The `dormouse` command: explore suites, replay one seed.
//!
//! Exit codes: 0 all as expected, 1 something was found (or not found), 2 the command was used wrongly or could not do its work.

use std::{
    collections::BTreeMap,
    io::IsTerminal as _,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
};

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use super::{
    Expectation, Listed, Summary,
    pool::{self, GoOn},
    report::{Confirmation, Report},
    table::{self, Row},
    worker::{self, AfterFailure, Answer, Task},
};
use crate::{Detail, Seed, Suite, Violation, check::linearizable};

/// How many seeds of a correct suite are run unless asked otherwise.
const SEEDS_DEFAULT: u64 = 1_000;
/// How many searches the median number of seeds to find a bug is taken over.
const SEARCHES: u64 = 21;
/// How many seeds one search may take.
const SEARCH_SEEDS_MAX: u64 = 2_000;
/// Searches begin so far apart.
const SEARCHES_APART: u64 = 1_000_000;
/// How many seeds a worker is given at a time.
const SEEDS_A_TASK: u64 = 50;

#[derive(Debug, Parser)]
#[command(
    name = "dormouse",
    version,
    about = "Runs Durable Objects through thousands of seeded schedules with crashes, power loss and hibernation"
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Ask>,
}

#[derive(Debug, Subcommand)]
enum Ask {
    /// Run many seeds of one suite, or of all; the default
    Explore {
        /// The suite; all of them if left out
        suite: Option<String>,
        /// How many seeds of each correct suite; one with a bug is searched for it instead, 21 times
        #[arg(long, default_value_t = SEEDS_DEFAULT)]
        seeds: u64,
        /// The first seed
        #[arg(long, default_value_t = 0)]
        first: u64,
        /// How many worker processes; one for each core if left out
        #[arg(long)]
        jobs: Option<NonZeroUsize>,
        /// Go on after a failure and count them all
        #[arg(long)]
        keep_going: bool,
    },
    /// Run one seed again, or a saved plan, and print all that happened
    Replay {
        /// The suite
        suite: String,
        /// The seed
        #[arg(required_unless_present = "plan")]
        seed: Option<u64>,
        /// A plan that was saved, instead of the seed's own
        #[arg(long, conflicts_with = "seed")]
        plan: Option<PathBuf>,
        /// Save the plan here, with the order of events that was taken, to keep it beside the tests
        #[arg(long)]
        save: Option<PathBuf>,
    },
    /// Print the suites
    List,
    /// Print the trace hash of each seed, for comparing two machines or two builds
    Hashes {
        /// The suite; all of them if left out
        suite: Option<String>,
        /// How many seeds of each
        #[arg(long, default_value_t = 100)]
        seeds: u64,
    },
    /// Run the seeds that standard input asks for
    #[command(hide = true, name = pool::WORKER)]
    Worker,
}

/// Runs the command with the program's arguments.
pub fn main(suites: &[Listed]) -> ExitCode {
    let arguments = Arguments::parse(); // ends the program with code 2 for wrong usage
    let explore_all = Ask::Explore {
        suite: None,
        seeds: SEEDS_DEFAULT,
        first: 0,
        jobs: None,
        keep_going: false,
    };
    match carry_out(suites, arguments.command.unwrap_or(explore_all)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Says whether everything was as expected.
fn carry_out(suites: &[Listed], ask: Ask) -> anyhow::Result<bool> {
    match ask {
        Ask::Explore {
            suite,
            seeds,
            first,
            jobs,
            keep_going,
        } => {
            first
                .checked_add(seeds)
                .context("--first and --seeds together are beyond the last seed")?;
            let asked = asked_for(suites, suite.as_deref())?;
            let jobs = jobs
                .or_else(|| thread::available_parallelism().ok())
                .map_or(1, NonZeroUsize::get);
            let after_failure = if keep_going {
                AfterFailure::GoOn
            } else {
                AfterFailure::Stop
            };
            explore(&asked, first, seeds, jobs, after_failure)
        }
        Ask::Replay {
            suite,
            seed,
            plan,
            save,
        } => {
            let suite = asked_for(suites, Some(&suite))?[0].suite();
            replay(&suite, seed, plan.as_deref(), save.as_deref())
        }
        Ask::List => {
            for listed in suites {
                let expectation = match listed.expectation {
                    Expectation::Passes => "passes",
                    Expectation::IsFound => "has a bug",
                };
                println!("{:<24} {expectation}", listed.suite().name());
            }
            Ok(true)
        }
        Ask::Hashes { suite, seeds } => {
            for suite in asked_for(suites, suite.as_deref())?
                .iter()
                .map(Listed::suite)
            {
                for seed in (0..seeds).map(Seed) {
                    println!(
                        "{} {seed} {:016x}",
                        suite.name(),
                        suite.run_seed(seed, Detail::Brief).hash
                    );
                }
            }
            Ok(true)
        }
        Ask::Worker => {
            worker::serve(suites)?;
            Ok(true)
        }
    }
}

fn asked_for(suites: &[Listed], name: Option<&str>) -> anyhow::Result<Vec<Listed>> {
    let Some(name) = name else {
        return Ok(suites.to_vec());
    };
    let Some(listed) = suites.iter().find(|listed| listed.suite().name() == name) else {
        let names: Vec<_> = suites.iter().map(|listed| listed.suite().name()).collect();
        bail!(
            "there is no suite `{name}`; there are: {}",
            names.join(", ")
        );
    };
    Ok(vec![*listed])
}

fn explore(
    suites: &[Listed],
    first: u64,
    seeds: u64,
    jobs: usize,
    after_failure: AfterFailure,
) -> anyhow::Result<bool> {
    let mut tasks = Vec::new();
    for listed in suites {
        let suite = listed.suite().name().to_owned();
        match listed.expectation {
            Expectation::Passes => {
                let starts = (first..first + seeds).step_by(usize::try_from(SEEDS_A_TASK)?);
                tasks.extend(starts.map(|start| Task {
                    suite: suite.clone(),
                    first: start,
                    count: SEEDS_A_TASK.min(first + seeds - start),
                    after_failure,
                }));
            }
            Expectation::IsFound => tasks.extend((0..SEARCHES).map(|search| Task {
                suite: suite.clone(),
                first: first.saturating_add(search * SEARCHES_APART),
                count: SEARCH_SEEDS_MAX,
                after_failure: AfterFailure::Stop,
            })),
        }
    }
    let rows = run_tasks(suites, tasks, jobs, after_failure)?;
    print!("{}", table::text(&rows));
    for (listed, row) in suites.iter().zip(&rows) {
        let wanted = match row.expectation {
            Expectation::Passes => row.summary.failures.first(),
            // Asked for by name, a faulty suite shows what was found.
            Expectation::IsFound => row.summary.failures.first().filter(|_| suites.len() == 1),
        };
        if let Some(failure) = wanted.filter(|failure| failure.violation.promise == pool::RUN_ENDS)
        {
            // Run again in this process, it would end this process.
            println!("\nseed {} broke {}", failure.seed, failure.violation);
            println!("again    dormouse replay {} {}", row.suite, failure.seed);
        } else if let Some(failure) = wanted {
            let suite = listed.suite();
            println!();
            let again = format!("dormouse replay {} {}", suite.name(), failure.seed);
            let confirmation = confirm(&suite, failure.seed, failure.hash, &failure.violation);
            match Report::of(
                &suite,
                failure.seed,
                format!("{} seeds were run", row.summary.seeds),
                again,
                confirmation,
            ) {
                Ok(report) => {
                    let files = report.write_files(Path::new("target")).ok();
                    print!("{}", report.text(files.as_deref()));
                }
                Err(why) => println!("{why}"),
            }
        }
    }
    Ok(rows.iter().all(Row::is_as_expected))
}

fn run_tasks(
    suites: &[Listed],
    tasks: Vec<Task>,
    jobs: usize,
    after_failure: AfterFailure,
) -> anyhow::Result<Vec<Row>> {
    let mut rows: Vec<_> = suites
        .iter()
        .map(|listed| Row {
            suite: listed.suite().name().to_owned(),
            expectation: listed.expectation,
            summary: Summary::default(),
            searches: Vec::new(),
        })
        .collect();
    let row_of: BTreeMap<_, _> = rows
        .iter()
        .enumerate()
        .map(|(index, row)| (row.suite.clone(), index))
        .collect();
    let progress = progress_bar(tasks.len() as u64);
    let mut samples = Vec::new();
    let started = std::time::Instant::now();
    pool::run(tasks, jobs, |finished| {
        progress.inc(1);
        let row = &mut rows[row_of[&finished.task.suite]];
        progress.set_message(row.suite.clone());
        if row.expectation == Expectation::IsFound {
            let failure = finished
                .summary
                .failures
                .first()
                .filter(|failure| is_about_the_object(failure));
            let found = failure.map(|failure| failure.seed.0 - finished.task.first + 1);
            row.searches.push(found);
        }
        row.summary.merge(finished.summary);
        // One run in a task is compared with another process below.
        samples.extend(finished.sample.map(|sample| (finished.task.suite, sample)));
        let broken = row.expectation == Expectation::Passes && !row.summary.failures.is_empty();
        if broken && after_failure == AfterFailure::Stop {
            GoOn::No
        } else {
            GoOn::Yes
        }
    })
    .context("cannot run worker processes")?;
    progress.finish_and_clear();
    let searched = started.elapsed();
    compare_samples(&samples, &mut rows, &row_of)?;
    eprintln!("{:.1} s on {jobs} worker processes", searched.as_secs_f64());
    Ok(rows)
}

/// Whether a failure says something of the object, and not of the simulator: only that finds a bug.
fn is_about_the_object(failure: &super::Failure) -> bool {
    let ours = [
        pool::RUN_ENDS,
        super::NO_PANIC,
        linearizable::PROMISE_JUDGED,
    ];
    !ours.contains(&failure.violation.promise.as_str())
}

/// How many of the passing runs are looked at a second time.
const SAMPLES_COMPARED_MAX: usize = 20;

/// Runs a few seeds again, in fresh processes: the same seed must give the same trace.
fn compare_samples(
    samples: &[(String, (Seed, u64))],
    rows: &mut [Row],
    row_of: &BTreeMap<String, usize>,
) -> anyhow::Result<()> {
    let step = samples.len().div_ceil(SAMPLES_COMPARED_MAX).max(1);
    for (suite, (seed, hash)) in samples.iter().step_by(step) {
        let answer =
            pool::in_a_fresh_process(suite, *seed).context("cannot run a worker process")?;
        if let Some(Answer::Done {
            sample: Some((_, other)),
            ..
        }) = answer
            && other != *hash
        {
            let why =
                format!("seed {seed}: trace {hash:016x} in one process, {other:016x} in another");
            let violation = Violation::new("the same seed gives the same run", why);
            let row = &mut rows[row_of[suite]];
            row.expectation = Expectation::Passes; // nothing else can be believed
            row.summary.failures.insert(
                0,
                super::Failure {
                    seed: *seed,
                    violation,
                    hash: *hash,
                },
            );
        }
    }
    Ok(())
}

fn confirm(suite: &Suite, seed: Seed, hash: u64, violation: &Violation) -> Confirmation {
    match pool::in_a_fresh_process(suite.name(), seed) {
        Ok(Some(Answer::Done {
            summary,
            sample: Some((_, other)),
        })) => {
            let same = other == hash
                && summary
                    .failures
                    .first()
                    .is_some_and(|failure| failure.violation == *violation);
            if same {
                Confirmation::Confirmed
            } else {
                Confirmation::Differs { other }
            }
        }
        Ok(_) => Confirmation::NotAsked("the other process died over it".to_owned()),
        Err(error) => Confirmation::NotAsked(error.to_string()),
    }
}

fn progress_bar(length: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} tasks, {eta} left  {msg}");
    ProgressBar::new(length).with_style(style.expect("the template is right"))
}

fn replay(
    suite: &Suite,
    seed: Option<u64>,
    plan: Option<&Path>,
    save: Option<&Path>,
) -> anyhow::Result<bool> {
    let run = match (seed, plan) {
        (_, Some(path)) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            suite
                .run_plan(&text, Detail::Full)
                .with_context(|| format!("cannot use {}", path.display()))?
        }
        (Some(seed), None) => super::run_seed(suite, Seed(seed), Detail::Full),
        (None, None) => bail!("a seed or a plan is needed"),
    };
    if let Some(texts) = &run.texts {
        println!(
            "plan\n{}\ntrace\n{}\nwhat happened\n{}",
            texts.plan, texts.trace, texts.story
        );
    }
    if let (Some(texts), Some(path)) = (&run.texts, save) {
        std::fs::write(path, &texts.plan_json)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    println!("hash     {:016x}", run.hash);
    match &run.violation {
        None => println!("verdict  pass"),
        Some(violation) => println!(
            "verdict  broke `{}`\nwhy      {}",
            violation.promise, violation.why
        ),
    }
    Ok(run.violation.is_none())
}
