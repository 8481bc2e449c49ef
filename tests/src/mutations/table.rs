//! The table: defect by defect, in which suites it is caught and after how many seeds.

use std::{
    fmt::Write as _,
    num::NonZero,
    panic::resume_unwind,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use dormouse::Mutation;
use dormouse_scenarios::suites;
use dormouse_sim::explore::{Expectation, Listed};

use super::{Finding, find, suites::special};

/// How many suites a line of the book's table names.
const SUITES_SHOWN_MAX: usize = 4;

/// What came of one defect.
#[derive(Clone, Debug)]
pub struct Row {
    /// The defect.
    pub mutation: Mutation,
    /// Where it was caught, with the fewest seeds first.
    pub findings: Vec<Finding>,
}

/// The suites that must pass on the runtime as it is: the bundled ones and the special ones.
pub fn all_suites() -> Vec<Listed> {
    let correct = suites()
        .into_iter()
        .filter(|listed| listed.expectation == Expectation::Passes);
    correct.chain(special()).collect()
}

/// Searches `seeds` seeds of each of `suites` for each of `mutations`, on `threads` threads; a suite that has caught a defect is not run on for it. Calls
/// `progress` with each defect that is done.
///
/// The outcome does not depend on the number of threads: a mutation is switched on for one thread alone, and a world lives on one.
pub fn table(
    mutations: &[Mutation],
    suites: &[Listed],
    seeds: u64,
    threads: NonZero<usize>,
    progress: impl Fn(&Row) + Sync,
) -> Vec<Row> {
    let next = AtomicUsize::new(0);
    let search = || {
        let suites: Vec<_> = suites.iter().map(Listed::suite).collect();
        let mut rows = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(&mutation) = mutations.get(place) else {
                return rows;
            };
            let caught = suites
                .iter()
                .filter_map(|suite| find(mutation, suite, seeds));
            let mut findings: Vec<_> = caught.collect();
            findings.sort_by_key(|finding| finding.seed);
            let row = Row { mutation, findings };
            progress(&row);
            rows.push((place, row));
        }
    };
    let mut rows = thread::scope(|scope| {
        let searches: Vec<_> = (0..threads.get()).map(|_| scope.spawn(search)).collect();
        let ended = searches.into_iter().map(thread::ScopedJoinHandle::join);
        ended
            .flat_map(|rows| rows.unwrap_or_else(|panic| resume_unwind(panic)))
            .collect::<Vec<_>>()
    });
    rows.sort_by_key(|(place, _)| *place);
    rows.into_iter().map(|(_, row)| row).collect()
}

/// The table for a terminal: a paragraph for each defect.
pub fn as_text(rows: &[Row]) -> String {
    let mut text = String::new();
    for Row { mutation, findings } in rows {
        let (area, description) = (mutation.area(), mutation.description());
        let _ = writeln!(text, "{mutation:?} ({area}): {description}"); // a string takes everything
        if findings.is_empty() {
            text.push_str("  no suite caught it\n");
        }
        for finding in findings {
            let (seeds, suite, violation) = (finding.seeds(), finding.suite, &finding.violation);
            let _ = writeln!(text, "  {seeds:>5}  {suite}: {}", violation.promise);
        }
    }
    text + &caught(rows) + "\n"
}

/// The table for the book: a line for each defect.
pub fn as_markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| Area | Mutation | What is wrong | Caught by, after so many seeds | Promise that the first of them saw broken |\n|---|---|---|---|---|\n",
    );
    let mut area = None;
    for Row { mutation, findings } in rows {
        let is_new = area.replace(mutation.area()) != Some(mutation.area());
        let label = if is_new { mutation.area().label() } else { "" };
        let (caught, promise) = match findings.first() {
            Some(first) => (named(findings), first.violation.promise.as_str()),
            None => ("**no suite**".to_owned(), ""),
        };
        let description = mutation.description();
        let _ = writeln!(
            text,
            "| {label} | `{mutation:?}` | {description} | {caught} | {promise} |"
        );
    }
    text + "\n" + &caught(rows) + "\n"
}

/// The first of the suites, and how many more there are.
fn named(findings: &[Finding]) -> String {
    let shown = if findings.len() <= SUITES_SHOWN_MAX {
        findings.len()
    } else {
        SUITES_SHOWN_MAX - 1
    };
    let mut named: Vec<String> = findings[..shown]
        .iter()
        .map(|finding| format!("`{}` {}", finding.suite, finding.seeds()))
        .collect();
    if shown < findings.len() {
        named.push(format!("and {} more", findings.len() - shown));
    }
    named.join(", ")
}

fn caught(rows: &[Row]) -> String {
    let caught = rows.iter().filter(|row| !row.findings.is_empty()).count();
    format!("caught {caught} of {}", rows.len())
}
