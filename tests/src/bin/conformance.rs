//! Replays recorded behaviour of the original and reports where Dormouse differs.
//!
//! Exit code 0 if everything agrees or differs for a known reason, 1 if something fails, 2 if there is nothing to replay.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand, ValueEnum};
use dormouse_tests::conformance::{
    Case, DiskKind, Report, Verdict,
    ids::{read_ids, replay_ids},
    lifecycle, read, replay,
};

/// Replays recorded behaviour of the original.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The storage of objects: scripts of calls.
    Storage(Storage),
    /// Tables of ids: names, and what is derived from them.
    Ids(Ids),
    /// What objects do over time: traces, held against twins of the recorded objects.
    Lifecycle(Lifecycle),
}

#[derive(clap::Args)]
struct Storage {
    /// A file of recordings, or a folder of such files.
    recordings: PathBuf,

    /// Show each failing case, with its steps that failed.
    #[arg(long)]
    failures: bool,

    /// The disk below; without this, both in turn, and they must agree.
    #[arg(long, value_enum)]
    disk: Option<Disk>,

    /// Only cases whose names contain this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
}

#[derive(clap::Args)]
struct Ids {
    /// A file with tables of ids.
    tables: PathBuf,
}

#[derive(clap::Args)]
struct Lifecycle {
    /// A file of traces, or a folder of such files.
    recordings: PathBuf,

    /// Show each failing scenario, with the events that failed.
    #[arg(long)]
    failures: bool,

    /// Only scenarios whose names contain this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Disk {
    Simulated,
    Real,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().what {
        What::Storage(arguments) => storage(&arguments),
        What::Ids(arguments) => ids(&arguments.tables),
        What::Lifecycle(arguments) => lifecycle(&arguments),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}

// Each says whether all is well.

fn storage(arguments: &Storage) -> Result<bool, String> {
    let mut cases = read(&arguments.recordings).map_err(|error| error.to_string())?;
    cases.retain(|case| case.name.contains(&arguments.filter));
    if cases.is_empty() {
        return Err(nothing_named(&arguments.filter));
    }
    let disks = match arguments.disk {
        None => &[DiskKind::Simulated, DiskKind::Real][..],
        Some(Disk::Simulated) => &[DiskKind::Simulated],
        Some(Disk::Real) => &[DiskKind::Real],
    };
    let mut is_good = true;
    let mut all = Vec::new();
    for &disk in disks {
        let verdicts = replay(&cases, disk).map_err(|error| error.to_string())?;
        let report = Report::new(&cases, &verdicts);
        let name = match disk {
            DiskKind::Simulated => "simulated",
            DiskKind::Real => "real",
        };
        println!("on the {name} disk\n\n{report}");
        if arguments.failures {
            println!("{}", report.failures());
        }
        is_good &= report.is_good();
        all.push(verdicts);
    }
    if let [simulated, real] = &all[..] {
        is_good &= agree(&cases, simulated, real);
    }
    Ok(is_good)
}

fn agree(cases: &[Case], simulated: &[Verdict], real: &[Verdict]) -> bool {
    let verdicts = simulated.iter().zip(real);
    let differing = cases.iter().zip(verdicts).filter(|(_, (a, b))| a != b);
    let names: Vec<_> = differing.map(|(case, _)| case.name.as_str()).collect();
    if names.is_empty() {
        println!("the disks agree");
    } else {
        println!(
            "the disks disagree on {}: {}",
            names.len(),
            names.join(", ")
        );
    }
    names.is_empty()
}

fn ids(tables: &Path) -> Result<bool, String> {
    let file = read_ids(tables).map_err(|error| error.to_string())?;
    let report = replay_ids(&file);
    print!("{report}");
    for failure in &report.failures {
        println!("  {failure}");
    }
    Ok(report.is_good())
}

fn lifecycle(arguments: &Lifecycle) -> Result<bool, String> {
    let scenarios = lifecycle::read_scenarios(&arguments.recordings);
    let mut scenarios = scenarios.map_err(|error| error.to_string())?;
    scenarios.retain(|scenario| scenario.name.contains(&arguments.filter));
    if scenarios.is_empty() {
        return Err(nothing_named(&arguments.filter));
    }
    let outcomes = lifecycle::replay_scenarios(&scenarios).map_err(|error| error.to_string())?;
    let report = lifecycle::Report::new(&scenarios, &outcomes);
    print!("{report}");
    if arguments.failures {
        print!("\n{}", report.failures());
    }
    Ok(report.is_good())
}

fn nothing_named(filter: &str) -> String {
    format!("no case has a name that contains {filter:?}")
}
