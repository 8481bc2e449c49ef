//! Searches for each deliberate defect of the runtime with each correct suite, and says which of them catch it, and after how many seeds.
//!
//! Exit code 0 if each defect is caught, 1 if one is not, 2 if the arguments cannot be used.

use std::{num::NonZero, panic, process::ExitCode, thread, time::Instant};

use clap::{Parser, ValueEnum};
use dormouse::Mutation;
use dormouse_sim::explore::Listed;
use dormouse_tests::mutations::{Row, all_suites, as_markdown, as_text, table};

/// Searches for each deliberate defect of the runtime with each correct suite.
#[derive(Parser)]
struct Arguments {
    /// How many seeds of each suite are run at most.
    #[arg(long, default_value = "300")]
    seeds: NonZero<u64>,

    /// How the table is written.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,

    /// Only these defects, such as `WalSyncIgnored`.
    #[arg(long, value_name = "NAME", value_parser = mutation)]
    mutation: Vec<Mutation>,

    /// Only these suites, such as `counter`.
    #[arg(long, value_name = "NAME", value_parser = suite)]
    suite: Vec<Listed>,

    /// How many threads search; as many as there are cores, unless given.
    #[arg(long)]
    jobs: Option<NonZero<usize>>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Markdown,
}

fn mutation(name: &str) -> Result<Mutation, String> {
    let mut all = Mutation::ALL.iter().copied();
    all.find(|mutation| format!("{mutation:?}") == name)
        .ok_or_else(|| {
            let known: Vec<_> = Mutation::ALL
                .iter()
                .map(|known| format!("{known:?}"))
                .collect();
            format!("there is no such defect; there are {}", known.join(", "))
        })
}

fn suite(name: &str) -> Result<Listed, String> {
    let all = all_suites();
    let found = all.iter().find(|listed| listed.suite().name() == name);
    found.copied().ok_or_else(|| {
        let known: Vec<_> = all.iter().map(|listed| listed.suite().name()).collect();
        format!(
            "there is no such correct suite; there are {}",
            known.join(", ")
        )
    })
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mutations = match &*arguments.mutation {
        [] => Mutation::ALL,
        chosen => chosen,
    };
    let suites = match arguments.suite {
        chosen if chosen.is_empty() => all_suites(),
        chosen => chosen,
    };
    let threads = arguments
        .jobs
        .or_else(|| thread::available_parallelism().ok())
        .unwrap_or(NonZero::<usize>::MIN);
    panic::set_hook(Box::new(|_| {})); // a panic under a defect is a finding, and stands in the table
    let began = Instant::now();
    let rows = table(
        mutations,
        &suites,
        arguments.seeds.get(),
        threads,
        |row: &Row| {
            eprintln!(
                "{:>6.1} s  {:?}: caught in {} of {} suites",
                began.elapsed().as_secs_f64(),
                row.mutation,
                row.findings.len(),
                suites.len()
            );
        },
    );
    match arguments.format {
        Format::Text => print!("{}", as_text(&rows)),
        Format::Markdown => print!("{}", as_markdown(&rows)),
    }
    if rows.iter().all(|row| !row.findings.is_empty()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    }
}
