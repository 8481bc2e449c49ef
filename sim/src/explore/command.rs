//! The `dormouse` command: explore suites, replay one seed.
//!
//! Exit codes: 0 all as expected, 1 something was found (or not found), 2 the command was used wrongly or could not do its work.

use std::{
    collections::BTreeMap,
    io::IsTerminal as _,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use super::{
    Expectation, Listed, Summary, blind_spots, closer, is_ci,
    plans::{RunsPlans as _, Until, pool::Workers},
    pool::{self, GoOn},
    regressions::Regressions,
    report::{Confirmation, Report},
    strategy::Strategy,
    table::{self, Row},
    worker::{self, AfterFailure, Answer, Task},
};
use crate::{
    Detail, Seed, Suite, Violation,
    check::linearizable,
    shrink::Limits,
};

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
/// The same where a task learns from its own seeds.
const SEEDS_A_LEARNING_TASK: u64 = 500;
/// How many seconds the search for the smallest plan may take unless asked otherwise.
const SHRINK_SECONDS_DEFAULT: u64 = 2;

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
        /// Where plans come from
        #[arg(long, value_enum, default_value_t)]
        strategy: Strategy,
        /// How many seconds the search for the smallest plan may take; 0 for none
        #[arg(long, value_name = "SECONDS", default_value_t = SHRINK_SECONDS_DEFAULT)]
        shrink: u64,
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
    #[command(flatten)]
    Closer(closer::Ask),
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
        strategy: Strategy::default(),
        shrink: SHRINK_SECONDS_DEFAULT,
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
            strategy,
            shrink,
        } => {
            first
                .checked_add(seeds)
                .context("--first and --seeds together are beyond the last seed")?;
            let asked = asked_for(suites, suite.as_deref())?;
            let jobs = closer::jobs_or_cores(jobs);
            let after_failure = if keep_going {
                AfterFailure::GoOn
            } else {
                AfterFailure::Stop
            };
            let how = How {
                jobs,
                after_failure,
                strategy,
                shrink: Duration::from_secs(shrink),
            };
            Ok(run_regressions(&asked, &how)? & explore(&asked, first, seeds, &how)?)
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
        Ask::Closer(ask) => closer::carry_out(suites, ask),
        Ask::Worker => {
            worker::serve(suites)?;
            Ok(true)
        }
    }
}

pub(super) fn asked_for(suites: &[Listed], name: Option<&str>) -> anyhow::Result<Vec<Listed>> {
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

/// How to explore.
struct How {
    jobs: usize,
    after_failure: AfterFailure,
    strategy: Strategy,
    /// How long the search for the smallest plan may take.
    shrink: Duration,
}

impl How {
    /// Makes the failure smaller, unless that is switched off.
    fn shrink(&self, suite: &Suite, report: &mut Report) {
        if !self.shrink.is_zero() {
            let mut workers = Workers::new(suite.name(), self.jobs, Some(self.shrink));
            report.shrink(suite, Limits::default().runs, &mut workers);
        }
    }
}

/// What failed once is run first; says whether all of it passes.
fn run_regressions(suites: &[Listed], how: &How) -> anyhow::Result<bool> {
    let mut all_pass = true;
    for listed in suites {
        let suite = listed.suite();
        let Some(folder) = listed
            .regressions()
            .filter(|_| listed.expectation == Expectation::Passes)
        else {
            continue;
        };
        let regressions = Regressions::read(folder, suite.name())?;
        let seeds = regressions.seeds.iter();
        let seeds = seeds.map(|(seed, place)| (place.clone(), suite.plan(*seed)));
        let plans = regressions
            .plans
            .iter()
            .map(|(path, plan)| (path.display().to_string(), plan.clone()));
        for (place, plan) in plans.chain(seeds) {
            let run = super::run_plan(&suite, &plan, Detail::Brief)
                .with_context(|| format!("cannot use {place}"))?;
            if run.violation.is_none() {
                continue;
            }
            all_pass = false;
            let again = format!("dormouse replay {} --plan {place}", suite.name());
            let subject = (format!("regression {place}"), "regression".to_owned());
            let seen = Confirmation::NotAsked("it is known to have failed before".to_owned());
            match Report::of_plan(&suite, &plan, subject, "run first", again, seen) {
                Ok(mut report) => {
                    how.shrink(&suite, &mut report);
                    let files = report.write_files(Path::new("target")).ok();
                    println!("{}", report.text(files.as_deref()));
                }
                Err(why) => println!("{why}"),
            }
        }
    }
    Ok(all_pass)
}

fn explore(suites: &[Listed], first: u64, seeds: u64, how: &How) -> anyhow::Result<bool> {
    let (jobs, after_failure, strategy) = (how.jobs, how.after_failure, how.strategy);
    // A strategy that learns needs seeds to learn from.
    let seeds_a_task = match strategy {
        Strategy::Coverage => SEEDS_A_LEARNING_TASK,
        Strategy::Random | Strategy::Pct => SEEDS_A_TASK,
    };
    let mut tasks = Vec::new();
    for listed in suites {
        let suite = listed.suite().name().to_owned();
        match listed.expectation {
            Expectation::Passes => {
                let starts = (first..first + seeds).step_by(usize::try_from(seeds_a_task)?);
                tasks.extend(starts.map(|start| Task {
                    suite: suite.clone(),
                    first: start,
                    count: seeds_a_task.min(first + seeds - start),
                    after_failure,
                    strategy,
                }));
            }
            Expectation::IsFound => tasks.extend((0..SEARCHES).map(|search| Task {
                suite: suite.clone(),
                first: first.saturating_add(search * SEARCHES_APART),
                count: SEARCH_SEEDS_MAX,
                after_failure: AfterFailure::Stop,
                strategy,
            })),
        }
    }
    let rows = run_tasks(suites, tasks, jobs, after_failure)?;
    print!("{}", table::text(&rows));
    let summaries = suites.iter().zip(&rows);
    let of_correct: Vec<_> = summaries
        .filter(|(listed, _)| listed.expectation == Expectation::Passes)
        .map(|(listed, row)| (listed.suite(), &row.summary))
        .collect();
    print!("{}", blind_spots::text(&of_correct));
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
            let position = format!("{} seeds were run", row.summary.seeds);
            let report = match row.summary.plans.get(&failure.seed.0) {
                None => {
                    let again = format!("dormouse replay {} {}", suite.name(), failure.seed);
                    let confirmation =
                        confirm(&suite, failure.seed, failure.hash, &failure.violation);
                    Report::of(&suite, failure.seed, position, again, confirmation)
                }
                // The plan is the strategy's, so the seed alone says nothing.
                Some(plan) => {
                    let folder = format!("{}-{}", strategy.label(), failure.seed);
                    let again = format!(
                        "dormouse replay {0} --plan target/dormouse/{0}/{folder}/plan.json",
                        suite.name()
                    );
                    let subject = format!("seed {} ({})", failure.seed, strategy.label());
                    let confirmation = confirm_plan(&suite, plan, failure.hash);
                    Report::of_plan(&suite, plan, (subject, folder), position, again, confirmation)
                }
            };
            match report {
                Ok(mut report) => {
                    how.shrink(&suite, &mut report);
                    if let Some(folder) = listed.regressions().filter(|_| {
                        listed.expectation == Expectation::Passes && !is_ci()
                    }) {
                        report.keep_as_regression(folder);
                    }
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
pub(super) fn is_about_the_object(failure: &super::Failure) -> bool {
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

/// The same for a plan.
fn confirm_plan(suite: &Suite, plan: &str, hash: u64) -> Confirmation {
    let mut workers = Workers::new(suite.name(), 1, None);
    let seen = workers.run(&[plan.to_owned()], Until::AllRan).pop();
    match seen.flatten() {
        Some(seen) if seen.hash == hash => Confirmation::Confirmed,
        Some(seen) => Confirmation::Differs { other: seen.hash },
        None => Confirmation::NotAsked("the other process died over it".to_owned()),
    }
}

pub(super) fn progress_bar(length: u64) -> ProgressBar {
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
