//! The zoo: bugs worth knowing, each with the object that has it, and what it takes to find it.
//!
//! An [`Exhibit`] is what a suite with a bug says of it: the story, the promises that it may break, the smallest plan that shows it. `dormouse zoo` searches each bug
//! from many first seeds and prints one table; as Markdown, with the stories below it.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::ValueEnum;

use super::{
    Expectation, Failure, Listed,
    closer::progress_bar,
    command::asked_for,
    is_about_the_object,
    plans::pool::Workers,
    pool::{self, GoOn},
    strategy::Strategy,
    worker::{AfterFailure, Repeat, Task},
};
use crate::{
    Seed, Suite,
    shrink::{Shrunk, Size, shrink_with},
};

/// How many searches there are for each bug, unless asked otherwise.
pub(super) const SEARCHES_DEFAULT: u64 = 50;
/// How many seeds one of them may take.
const SEARCH_SEEDS_MAX: u64 = 2_000;
/// They begin so far apart.
const SEARCHES_APART: u64 = 1_000_000;
/// How long the search for the smallest plan may take, in time and in runs.
const SHRINK_TIME: Duration = Duration::from_secs(20);
const SHRINK_RUNS: u64 = 20_000;

/// What there is to say of a bug.
///
/// # Example
/// ```
/// use dormouse_sim::{
///     Suite,
///     explore::{Listed, zoo::{Exhibit, Smallest}},
/// };
///
/// # fn unmarked_checkout() -> Suite {
/// #     let scenario = dormouse_sim::Scenario::<(), ()>::new("unmarked_checkout");
/// #     scenario.workload(proptest::prelude::Just(()), 1..=2).step(|_, ()| async { Ok(()) }).into_suite()
/// # }
/// const UNMARKED: Exhibit = Exhibit {
///     bug: "Check, call out, then mark",
///     suite: unmarked_checkout,
///     correct: "checkout",
///     found_as: &["nothing takes effect twice"],
///     smallest: Smallest { calls: 2, clients: 2, faults: 0 },
///     symptom: "A customer pays twice.",
///     cause: "A second call comes in while the first one waits for the provider.",
///     fix: "Give the provider a key by which it knows the second call.",
/// };
/// let listed = Listed::exhibit(&UNMARKED);
/// # let _ = listed;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Exhibit {
    /// The bug in a few words.
    pub bug: &'static str,
    /// The suite of the object that has it.
    pub suite: fn() -> Suite,
    /// The name of the suite of the object that does it right.
    pub correct: &'static str,
    /// The promises that the bug breaks. To break another one is not to be found.
    pub found_as: &'static [&'static str],
    /// The size of the smallest plan that a person would write to show it.
    pub smallest: Smallest,
    /// What somebody notices.
    pub symptom: &'static str,
    /// Why it happens.
    pub cause: &'static str,
    /// What to do instead.
    pub fix: &'static str,
}

/// The size of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Smallest {
    /// How many calls clients make.
    pub calls: usize,
    /// How many clients make them.
    pub clients: usize,
    /// How many faults there are.
    pub faults: usize,
}

impl fmt::Display for Smallest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = |count: usize| if count == 1 { "" } else { "s" };
        let Self {
            calls,
            clients,
            faults,
        } = *self;
        write!(
            f,
            "{calls} call{} of {clients} client{}, ",
            s(calls),
            s(clients)
        )?;
        match faults {
            0 => f.write_str("no fault"),
            _ => write!(f, "{faults} fault{}", s(faults)),
        }
    }
}

impl From<Size> for Smallest {
    fn from(size: Size) -> Self {
        Self {
            calls: size.steps,
            clients: size.clients,
            faults: size.faults,
        }
    }
}

impl Exhibit {
    /// Which of two failures shows the bug better: the smaller one.
    fn rank(&self, failure: &Failure) -> (usize, Seed) {
        let mut promises = self.found_as.iter();
        let place = promises.position(|promise| *promise == failure.violation.promise);
        (place.unwrap_or(usize::MAX), failure.seed)
    }

    /// The story in Markdown, below a heading of its own.
    pub fn story(&self) -> String {
        let Self {
            bug,
            correct,
            symptom,
            cause,
            fix,
            ..
        } = self;
        let suite = (self.suite)();
        format!(
            "### {bug}\n\n`{}`; done right in `{correct}`.\n\n- *Symptom:* {symptom}\n- *Cause:* {cause}\n- *Fix:* {fix}\n",
            suite.name()
        )
    }
}

/// The form of the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// For a terminal
    #[default]
    Text,
    /// For a book, with the stories
    Markdown,
}

/// What the searches for one bug came to.
#[derive(Default)]
struct Found {
    /// How many seeds each search took that found it.
    seeds: Vec<u64>,
    /// The first failure for another reason.
    otherwise: Option<Failure>,
    /// Of the failures that show the bug the one that shows it best: the first by promise, then by seed.
    first: Option<Failure>,
    smallest: Option<Shrunk>,
}

impl Found {
    /// The seeds below which that many in a hundred searches stay.
    fn quantile(&self, percent: usize) -> Option<u64> {
        let mut seeds = self.seeds.clone();
        seeds.sort_unstable();
        let place = (seeds.len() * percent).div_ceil(100).saturating_sub(1);
        seeds.get(place).copied()
    }

    fn is_whole(&self, searches: u64) -> bool {
        self.seeds.len() as u64 == searches
    }
}

/// Searches for the bugs and prints the table; says whether every search found what it was to find.
pub(super) fn show_zoo(
    suites: &[Listed],
    names: &[String],
    searches: u64,
    jobs: usize,
    form: Form,
) -> anyhow::Result<bool> {
    let all: Vec<&Exhibit> = suites.iter().filter_map(|listed| listed.exhibit).collect();
    let Some(example) = all.first().map(|exhibit| (exhibit.suite)().name()) else {
        bail!("the zoo is empty: no suite has an exhibit");
    };
    for name in names {
        if asked_for(suites, Some(name))?[0].exhibit.is_none() {
            bail!("`{name}` is not in the zoo; `{example}` is, for example");
        }
    }
    let is_asked = |exhibit: &&Exhibit| {
        names.is_empty() || names.iter().any(|name| name == (exhibit.suite)().name())
    };
    let exhibits: Vec<_> = all.into_iter().filter(is_asked).collect();
    let found = search(&exhibits, searches, jobs)?;
    let text = match form {
        Form::Text => text(&exhibits, &found, searches)?,
        Form::Markdown => markdown(&exhibits, &found)?,
    };
    print!("{text}");
    Ok(found.iter().all(|found| found.is_whole(searches)))
}

fn search(exhibits: &[&Exhibit], searches: u64, jobs: usize) -> anyhow::Result<Vec<Found>> {
    let names: Vec<_> = exhibits
        .iter()
        .map(|exhibit| (exhibit.suite)().name())
        .collect();
    let places: BTreeMap<_, _> = names.iter().copied().zip(0..).collect();
    let tasks = names.iter().flat_map(|suite| {
        (0..searches).map(|search| Task {
            suite: (*suite).to_owned(),
            first: search * SEARCHES_APART,
            count: SEARCH_SEEDS_MAX,
            after_failure: AfterFailure::Stop,
            repeat: Repeat::Once,
            strategy: Strategy::Random,
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let bar = progress_bar(tasks.len() as u64);
    let mut found: Vec<Found> = exhibits.iter().map(|_| Found::default()).collect();
    pool::run(tasks.into_iter(), jobs, |finished| {
        bar.inc(1);
        let place: usize = places[finished.task.suite.as_str()];
        let (exhibit, found) = (exhibits[place], &mut found[place]);
        if let Some(failure) = finished.summary.failures.first() {
            let promise = failure.violation.promise.as_str();
            if is_about_the_object(failure) && exhibit.found_as.contains(&promise) {
                found.seeds.push(failure.seed.0 - finished.task.first + 1);
                let is_first = found
                    .first
                    .as_ref()
                    .is_none_or(|first| exhibit.rank(failure) < exhibit.rank(first));
                if is_first {
                    found.first = Some(failure.clone());
                }
            } else {
                found.otherwise.get_or_insert_with(|| failure.clone());
            }
        }
        Ok(GoOn::Yes)
    })
    .context("cannot run worker processes")?;
    bar.finish_and_clear();
    for (exhibit, found) in exhibits.iter().zip(&mut found) {
        let Some(failure) = &found.first else {
            continue;
        };
        let suite = (exhibit.suite)();
        let mut workers = Workers::new(suite.name(), jobs, Some(SHRINK_TIME));
        let plan = suite.plan(failure.seed);
        found.smallest = Some(shrink_with(&suite, &plan, SHRINK_RUNS, &mut workers)?);
    }
    Ok(found)
}

fn seeds(found: &Found) -> [String; 2] {
    let number = |percent| {
        found
            .quantile(percent)
            .map_or("-".to_owned(), |seeds| seeds.to_string())
    };
    [number(50), number(95)]
}

fn plan(found: &Found) -> String {
    let smallest = found
        .smallest
        .as_ref()
        .map(|shrunk| Smallest::from(shrunk.after));
    smallest.map_or("-".to_owned(), |smallest| smallest.to_string())
}

fn text(exhibits: &[&Exhibit], found: &[Found], searches: u64) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    let suites: Vec<_> = exhibits
        .iter()
        .map(|exhibit| (exhibit.suite)().name())
        .collect();
    let widest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let bug = widest(&mut exhibits.iter().map(|exhibit| exhibit.bug.len()));
    let suite = widest(&mut suites.iter().map(|suite| suite.len()));
    writeln!(
        out,
        "{:<bug$}  {:<suite$}  {:>6}  {:>6}  {:<32}  found as",
        "bug", "suite", "median", "95 %", "smallest plan"
    )?;
    for ((exhibit, found), name) in exhibits.iter().zip(found).zip(&suites) {
        let [median, most] = seeds(found);
        let broken = found
            .first
            .as_ref()
            .map_or("NOT FOUND", |first| &first.violation.promise);
        writeln!(
            out,
            "{:<bug$}  {name:<suite$}  {median:>6}  {most:>6}  {:<32}  {broken}",
            exhibit.bug,
            plan(found)
        )?;
        let missed = searches - found.seeds.len() as u64;
        if missed > 0 {
            writeln!(out, "    not found in {missed} of {searches} searches")?;
        }
        if let Some(failure) = &found.otherwise {
            writeln!(out, "    seed {} broke {}", failure.seed, failure.violation)?;
        }
    }
    let whole = found
        .iter()
        .filter(|found| found.is_whole(searches))
        .count();
    writeln!(
        out,
        "\n{whole} of {} bugs found, each in {searches} searches; seeds until then: the median, and what 95 in 100 searches stay below",
        exhibits.len()
    )?;
    Ok(out)
}

fn markdown(exhibits: &[&Exhibit], found: &[Found]) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    writeln!(
        out,
        "| bug | suite | median | 95 % | smallest plan |\n|---|---|---:|---:|---|"
    )?;
    for (exhibit, found) in exhibits.iter().zip(found) {
        let [median, most] = seeds(found);
        let suite = (exhibit.suite)();
        writeln!(
            out,
            "| {} | `{}` | {median} | {most} | {} |",
            exhibit.bug,
            suite.name(),
            plan(found)
        )?;
    }
    for exhibit in exhibits {
        write!(out, "\n{}", exhibit.story())?;
    }
    Ok(out)
}

impl Listed {
    /// A suite of an object with a bug, and what there is to say of it.
    pub fn exhibit(exhibit: &'static Exhibit) -> Self {
        Self {
            exhibit: Some(exhibit),
            ..Self::faulty(exhibit.suite)
        }
    }

    /// What there is to say of its bug, if something is.
    pub fn exhibited(&self) -> Option<&'static Exhibit> {
        debug_assert!(self.exhibit.is_none() || self.expectation == Expectation::IsFound);
        self.exhibit
    }
}
