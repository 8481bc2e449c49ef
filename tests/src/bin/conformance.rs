//! Replays recorded behaviour of the original and reports where Dormouse differs.
//!
//! Exit code 0 if every case passes or differs for a known reason, 1 if one fails, 2 if there is nothing to replay.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand, ValueEnum};
use dormouse_tests::conformance::{Case, DiskKind, Report, Verdict, read, replay};

/// Replays recorded behaviour of the original.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The storage of objects.
    Storage(Storage),
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

#[derive(Clone, Copy, ValueEnum)]
enum Disk {
    Simulated,
    Real,
}

fn main() -> ExitCode {
    let What::Storage(arguments) = Arguments::parse().what;
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}

/// Whether all is well.
fn run(arguments: &Storage) -> Result<bool, String> {
    let mut cases = read(&arguments.recordings).map_err(|error| error.to_string())?;
    cases.retain(|case| case.name.contains(&arguments.filter));
    if cases.is_empty() {
        let filter = &arguments.filter;
        return Err(format!("no case has a name that contains {filter:?}"));
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
