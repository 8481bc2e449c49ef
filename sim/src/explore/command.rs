//! The `dormouse` command: explore suites, replay one seed.
//!
//! Exit codes: 0 all as expected, 1 something was found (or not found), 2 the command was used wrongly or could not do its work.

use std::{
    fmt::Write as _, io::Write as _, num::NonZeroUsize, panic::Location, path::PathBuf,
    process::ExitCode, thread, time::Duration,
};

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::{
    Expectation, Listed, blind_spots,
    campaign::{AfterKill, Campaign},
    closer,
    environment::Environment,
    github, junit,
    plans::{RunsPlans as _, Until, pool::Workers},
    pool,
    regressions::Regressions,
    replay::{self, Format, Wanted},
    report::{Confirmation, Report, Subject},
    seeds::{self, Seeds, Shard},
    strategy::Strategy,
    table,
    tally::{self, Asked, Row, Tally},
    target,
    worker::{self, AfterFailure, Answer, Repeat},
};
use crate::{Detail, Seed, Suite, Violation, shrink::Limits};

/// How many seeds of a correct suite are run unless asked otherwise.
const SEEDS_DEFAULT: u64 = 1_000;
/// How many failures beside the one that is reported are named.
const FAILURES_NAMED_MAX: usize = 20;

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
    Explore(Explore),
    /// Join the summaries that `explore --format json` wrote, those of shards for example
    Merge {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        told: Told,
    },
    /// Run one seed again, or a saved plan, and print all that happened
    Replay {
        /// The suite
        suite: String,
        /// The seed
        #[arg(required_unless_present = "plan", value_parser = seeds::seed)]
        seed: Option<Seed>,
        /// A plan that was saved, instead of the seed's own
        #[arg(long, conflicts_with = "seed")]
        plan: Option<PathBuf>,
        /// Save the plan here, with the order of events that was taken, to keep it beside the tests
        #[arg(long)]
        save: Option<PathBuf>,
        /// Write the trace in this form, instead of the report in words
        #[arg(long)]
        format: Option<Format>,
        /// Write it to this file; its ending says the format, unless --format does
        #[arg(long)]
        output: Option<PathBuf>,
    },
    #[command(flatten)]
    Closer(closer::Ask),
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

/// Options of an exploration. Those that are left out are taken from the environment, if it has them.
#[expect(
    clippy::struct_excessive_bools,
    reason = "the switches of a command line"
)]
#[derive(Debug, Default, Args)]
struct Explore {
    /// The suite; all of them if left out
    suite: Option<String>,
    /// How many seeds of each correct suite, or which: 1000, 2000..3000; one with a bug is searched for it instead, 21 times [`DORMOUSE_SEEDS`]
    #[arg(long, value_parser = str::parse::<Seeds>)]
    seeds: Option<Seeds>,
    /// The first seed
    #[arg(long, value_parser = seeds::seed)]
    first: Option<Seed>,
    /// Hand out no new seeds after this time: 30s, 5m, 2h [`DORMOUSE_TIME`]
    #[arg(long, value_parser = seeds::time)]
    time: Option<Duration>,
    /// How many worker processes; one for each core if left out [`DORMOUSE_JOBS`]
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// Run only this part of the seeds: 3/10 is the third of ten [`DORMOUSE_SHARD`]
    #[arg(long, value_parser = str::parse::<Shard>)]
    shard: Option<Shard>,
    /// Run each seed twice and compare the traces [`DORMOUSE_CHECK_DETERMINISM=1`]
    #[arg(long)]
    check_determinism: bool,
    /// Go on after a failure and count them all
    #[arg(long)]
    keep_going: bool,
    /// Run the seeds of a suite that has a bug like those of any other, instead of searching: every failure counts
    #[arg(long)]
    count: bool,
    /// Write down what is done to this file, again and again
    #[arg(long)]
    checkpoint: Option<PathBuf>,
    /// Go on where the checkpoint ends; begin if there is none
    #[arg(long, requires = "checkpoint")]
    resume: bool,
    /// Where plans come from
    #[arg(long, value_enum, default_value_t)]
    strategy: Strategy,
    /// How long the search for the smallest plan may take: 500ms, 10s; 0s for none [`DORMOUSE_SHRINK`]
    #[arg(long, value_name = "TIME", value_parser = seeds::time)]
    shrink: Option<Duration>,
    #[command(flatten)]
    told: Told,
}

/// How the outcome is told.
#[derive(Debug, Default, Args)]
struct Told {
    /// A table for people, or JSON for programs and for `merge`
    #[arg(long, value_enum, default_value_t)]
    format: Telling,
    /// Write a JUnit file as well
    #[arg(long)]
    junit: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Telling {
    /// A table, and the report of a failure
    #[default]
    Text,
    /// One JSON document on standard output; reports go to standard error
    Json,
}

/// A failure with its report.
pub(super) struct Finding {
    pub(super) suite: String,
    at: &'static Location<'static>,
    seed: Seed,
    violation: Violation,
    pub(super) text: String,
}

/// Runs the command with the program's arguments.
pub fn main(suites: &[Listed]) -> ExitCode {
    let arguments = Arguments::parse(); // ends the program with code 2 for wrong usage
    let ask = arguments
        .command
        .unwrap_or_else(|| Ask::Explore(Explore::default()));
    match carry_out(suites, ask) {
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
        Ask::Explore(options) => explore(suites, &options),
        Ask::Merge { files, told } => {
            let (whole, missing) = tally::merge(&files)?;
            tell(&whole, &missing, &[], &told, &environment()?)
        }
        Ask::Replay {
            suite,
            seed,
            plan,
            save,
            format,
            output,
        } => {
            let suite = asked_for(suites, Some(&suite))?[0].suite();
            let wanted = Wanted {
                seed,
                plan,
                save,
                format,
                output,
            };
            replay::replay(&suite, &wanted, &environment()?)
        }
        Ask::Closer(ask) => closer::carry_out(suites, ask),
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

fn environment() -> anyhow::Result<Environment> {
    Environment::read().map_err(anyhow::Error::msg)
}

/// The options, and where they say nothing the environment.
fn campaign(options: &Explore, environment: &Environment) -> anyhow::Result<Campaign> {
    let time = options.time.or(environment.time);
    let seeds = options.seeds.or(environment.seeds).or(environment
        .seed
        .map(|Seed(seed)| Seeds::Range(seed, seed.saturating_add(1))));
    let range = match (seeds, options.first) {
        (Some(Seeds::Range(..)), Some(_)) if options.seeds.is_some() => {
            bail!("--seeds says where to begin, and so does --first: leave one of them out")
        }
        (Some(Seeds::Range(first, end)), None) => first..end,
        (Some(Seeds::Range(..)), Some(Seed(first))) => Seeds::Count(SEEDS_DEFAULT)
            .from(first)
            .map_err(anyhow::Error::msg)?,
        (Some(count), first) => count
            .from(first.unwrap_or(Seed(0)).0)
            .map_err(anyhow::Error::msg)?,
        // Until the time is over.
        (None, first) if time.is_some() => first.unwrap_or(Seed(0)).0..u64::MAX,
        (None, first) => Seeds::Count(SEEDS_DEFAULT)
            .from(first.unwrap_or(Seed(0)).0)
            .map_err(anyhow::Error::msg)?,
    };
    let jobs = options
        .jobs
        .or(environment.jobs)
        .or_else(|| thread::available_parallelism().ok());
    let twice = options.check_determinism || environment.check_determinism == Some(true);
    Ok(Campaign {
        asked: Asked {
            seeds: range,
            shard: options.shard.or(environment.shard),
            by_time: time.is_some(),
            after_failure: if options.keep_going {
                AfterFailure::GoOn
            } else {
                AfterFailure::Stop
            },
            repeat: if twice { Repeat::Twice } else { Repeat::Once },
            strategy: options.strategy,
        },
        time,
        jobs: jobs.map_or(1, NonZeroUsize::get),
        checkpoint: options.checkpoint.clone(),
        after_kill: if options.resume {
            AfterKill::Resume
        } else {
            AfterKill::Refuse
        },
    })
}

fn explore(suites: &[Listed], options: &Explore) -> anyhow::Result<bool> {
    let environment = environment()?;
    let campaign = campaign(options, &environment)?;
    let mut suites = asked_for(suites, options.suite.as_deref())?;
    for listed in suites.iter_mut().filter(|_| options.count) {
        listed.expectation = Expectation::Passes;
    }
    let closer = Closer {
        jobs: campaign.jobs,
        strategy: options.strategy,
        shrink: options
            .shrink
            .or(environment.shrink)
            .unwrap_or(Limits::default().time),
        keep: !environment.ci && !options.count,
        alone: suites.len() == 1,
    };
    let regressions = closer.run_regressions(&suites)?;
    let tally = campaign.run(&suites)?;
    let rows = suites.iter().zip(&tally.suites);
    let findings: Vec<_> = rows
        .filter_map(|(listed, row)| closer.look_at(listed, row))
        .collect();
    let as_expected = tell(&tally, &[], &findings, &options.told, &environment)?;
    let correct = suites
        .iter()
        .zip(&tally.suites)
        .filter(|(listed, _)| listed.expectation == Expectation::Passes);
    let correct: Vec<_> = correct
        .map(|(listed, row)| (listed.suite(), &row.summary))
        .collect();
    let more = blind_spots::text(&correct) + &regressions;
    match options.told.format {
        Telling::Text => print!("{more}"),
        Telling::Json => eprint!("{more}"),
    }
    Ok(as_expected && regressions.is_empty())
}

/// How failures are looked at.
struct Closer {
    jobs: usize,
    strategy: Strategy,
    /// How long the search for the smallest plan may take.
    shrink: Duration,
    /// Whether new failures are added to the regressions.
    keep: bool,
    /// One suite was asked for by name, and shows what was found even if that was expected.
    alone: bool,
}

impl Closer {
    /// Makes the failure smaller, unless that is switched off.
    fn shrink(&self, suite: &Suite, report: &mut Report) {
        if !self.shrink.is_zero() {
            let mut workers = Workers::new(suite.name(), self.jobs, Some(self.shrink));
            report.shrink(suite, Limits::default().runs, &mut workers);
        }
    }

    /// Runs what failed once; the reports of what fails again.
    fn run_regressions(&self, suites: &[Listed]) -> anyhow::Result<String> {
        let mut reports = String::new();
        for listed in suites
            .iter()
            .filter(|listed| listed.expectation == Expectation::Passes)
        {
            let (suite, Some(folder)) = (listed.suite(), listed.regressions()) else {
                continue;
            };
            let regressions = Regressions::read(folder, suite.name())?;
            let plans = regressions
                .plans
                .into_iter()
                .map(|(path, plan)| (path.display().to_string(), plan));
            let seeds = regressions
                .seeds
                .into_iter()
                .map(|(seed, place)| (place, suite.plan(seed)));
            let (places, plans): (Vec<_>, Vec<_>) = plans.chain(seeds).unzip();
            let seen = Workers::new(suite.name(), self.jobs, None).run(&plans, Until::AllRan);
            for ((place, plan), seen) in places.iter().zip(&plans).zip(seen) {
                suite
                    .understands(plan)
                    .with_context(|| format!("cannot use {place}"))?;
                let Some(seen) = seen else {
                    let _ = write!(
                        reports,
                        "\nregression {place} of {} kills its process, or hangs\n",
                        suite.name()
                    );
                    continue;
                };
                if seen.violation.is_some() {
                    let _ = write!(reports, "\n{}", self.of_regression(&suite, place, plan));
                }
            }
        }
        Ok(reports)
    }

    fn of_regression(&self, suite: &Suite, place: &str, plan: &str) -> String {
        let subject = Subject {
            name: format!("regression {place}"),
            folder: "regression".to_owned(),
        };
        let again = format!("dormouse replay {} --plan {place}", suite.name());
        let seen = Confirmation::NotAsked("it is known to have failed before".to_owned());
        match Report::of_plan(suite, plan, subject, "run first", again, seen) {
            Ok(mut report) => {
                self.shrink(suite, &mut report);
                let files = report.write_files(&target::folder()).ok();
                report.text(files.as_deref())
            }
            Err(why) => format!("{why}\n"),
        }
    }

    /// The report of a row's first failure.
    fn look_at(&self, listed: &Listed, row: &Row) -> Option<Finding> {
        let suite = &listed.suite();
        let wanted = match row.expectation {
            Expectation::Passes => row.summary.failures.first(),
            Expectation::IsFound => row.summary.failures.first().filter(|_| self.alone),
        };
        let failure = wanted?;
        let again = format!("dormouse replay {} {}", suite.name(), failure.seed);
        let text = if failure.violation.promise == pool::RUN_ENDS {
            // Run again in this process, it would end this process.
            format!(
                "seed {} broke {}\nagain    {again}\n",
                failure.seed, failure.violation
            )
        } else {
            let position = format!("{} seeds were run", row.summary.seeds);
            let report = match row.summary.plans.get(&failure.seed.0) {
                None => {
                    let confirmation =
                        confirm(suite, failure.seed, failure.hash, &failure.violation);
                    Report::of(suite, failure.seed, position, again, confirmation)
                }
                // The plan is the strategy's, so the seed alone says nothing.
                Some(plan) => {
                    let strategy = self.strategy.label();
                    let subject = Subject {
                        name: format!("seed {} ({strategy})", failure.seed),
                        folder: format!("{strategy}-{}", failure.seed),
                    };
                    let path = target::folder()
                        .join("dormouse")
                        .join(suite.name())
                        .join(&subject.folder)
                        .join("plan.json");
                    let again =
                        format!("dormouse replay {} --plan {}", suite.name(), path.display());
                    let confirmation = confirm_plan(suite, plan, failure.hash);
                    Report::of_plan(suite, plan, subject, position, again, confirmation)
                }
            };
            match report {
                Ok(mut report) => {
                    self.shrink(suite, &mut report);
                    let is_news = listed.expectation == Expectation::Passes && self.keep;
                    if let Some(folder) = listed.regressions().filter(|_| is_news) {
                        report.keep_as_regression(folder);
                    }
                    let files = report.write_files(&target::folder()).ok();
                    report.text(files.as_deref())
                }
                Err(why) => format!("{why}\n"),
            }
        };
        Some(Finding {
            suite: row.suite.clone(),
            at: suite.location(),
            seed: failure.seed,
            violation: failure.violation.clone(),
            text,
        })
    }
}

/// Tells what came of it, everywhere where that is wanted; says whether all was as expected and nothing is `missing`.
fn tell(
    tally: &Tally,
    missing: &[String],
    findings: &[Finding],
    told: &Told,
    environment: &Environment,
) -> anyhow::Result<bool> {
    let mut reports = String::new();
    for finding in findings {
        let _ = write!(reports, "\n{}", finding.text);
    }
    for row in &tally.suites {
        let reported = usize::from(findings.iter().any(|finding| finding.suite == row.suite));
        let others = row.unexpected().iter().skip(reported);
        for failure in others.clone().take(FAILURES_NAMED_MAX) {
            let again = format!("dormouse replay {} {}", row.suite, failure.seed);
            let _ = write!(
                reports,
                "\nseed {} of {} broke {}\nagain    {again}\n",
                failure.seed, row.suite, failure.violation
            );
        }
        let more = others.count().saturating_sub(FAILURES_NAMED_MAX);
        if more > 0 {
            let _ = write!(
                reports,
                "\nand {more} more of {}: --format json has them all\n",
                row.suite
            );
        }
    }
    for gap in missing {
        let _ = write!(reports, "\nmissing  {gap}\n");
    }
    if let (Telling::Text, Some(memory)) = (told.format, tally.memory.in_words()) {
        eprintln!("{memory}");
    }
    let as_expected = tally.is_as_expected() && missing.is_empty();
    match told.format {
        Telling::Text => print!("{}{reports}", table::text(&tally.suites)),
        Telling::Json => {
            eprint!("{reports}");
            let document = document(tally, as_expected, missing)?;
            writeln!(std::io::stdout(), "{document}").context("cannot write to standard output")?;
        }
    }
    if let Some(path) = &told.junit {
        junit::write(path, tally, findings)?;
    }
    if environment.github_actions {
        for finding in findings.iter().filter(|finding| {
            tally
                .suites
                .iter()
                .any(|row| row.suite == finding.suite && !row.is_as_expected())
        }) {
            let title = format!("{}: seed {} broke a promise", finding.suite, finding.seed);
            let again = format!("dormouse replay {} {}", finding.suite, finding.seed);
            // Standard error: with --format json the other one is a document.
            eprintln!(
                "{}",
                github::annotation(
                    finding.at,
                    &title,
                    &format!("{}\nagain: {again}", finding.violation)
                )
            );
        }
    }
    if let Some(path) = &environment.github_summary {
        github::add_to_summary(path, &github::table(&tally.suites))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(as_expected)
}

/// The tally, with what can be told from it for programs that do not know how.
fn document(tally: &Tally, as_expected: bool, missing: &[String]) -> anyhow::Result<Value> {
    let mut document = serde_json::to_value(tally)?;
    document["as_expected"] = json!(as_expected);
    document["missing"] = json!(missing);
    for (value, row) in document["suites"]
        .as_array_mut()
        .into_iter()
        .flatten()
        .zip(&tally.suites)
    {
        value["verdict"] = json!(row.verdict());
        value["as_expected"] = json!(row.is_as_expected());
    }
    Ok(document)
}

fn confirm(suite: &Suite, seed: Seed, hash: u64, violation: &Violation) -> Confirmation {
    match pool::in_a_fresh_process(suite.name(), seed) {
        Ok(Some(Answer::Done {
            summary,
            sample: Some((_, other)),
            ..
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
    let seen = Workers::new(suite.name(), 1, None)
        .run(&[plan.to_owned()], Until::AllRan)
        .pop();
    match seen.flatten() {
        Some(seen) if seen.hash == hash => Confirmation::Confirmed,
        Some(seen) => Confirmation::Differs { other: seen.hash },
        None => Confirmation::NotAsked("the other process died over it".to_owned()),
    }
}
