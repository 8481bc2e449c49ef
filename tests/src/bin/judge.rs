//! Judges recorded histories and says how many of the known verdicts ours agree with.
//!
//! Exit code 0 if all agree, 1 if one does not, 2 if a history or the list cannot be used.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use dormouse_tests::judge::{Ruling, judge, read};

/// Judges the histories of a folder, and compares with the verdicts in its `verdicts.tsv`.
#[derive(Parser)]
struct Arguments {
    /// The folder.
    folder: PathBuf,

    /// Show for each history that is not what it should be why it is not.
    #[arg(long)]
    explain: bool,

    /// Show each history, with its time.
    #[arg(long)]
    all: bool,

    /// Only files whose names contain this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, dormouse_tests::judge::FolderError> {
    let (mut cases, mut errors) = read(&arguments.folder)?;
    cases.retain(|case| case.file.contains(&arguments.filter));
    let total = cases.len() + errors.len();
    let (mut agreed, mut took) = (0, Duration::ZERO);
    for case in &cases {
        let judged = match judge(case) {
            Ok(judged) => judged,
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        took += judged.took;
        let (ours, why) = match &judged.ruling {
            Ruling::Yes => ("it is", None),
            Ruling::No(why) => ("it is not", Some(why)),
            Ruling::Unknown(why) => ("unknown", Some(why)),
        };
        if judged.agrees {
            agreed += 1;
        } else {
            println!(
                "{}: known as {}, we say: {ours}",
                case.file, judged.expected
            );
        }
        if arguments.all {
            println!(
                "{:>9.3} ms  {}: {}",
                judged.took.as_secs_f64() * 1e3,
                case.file,
                judged.expected
            );
        }
        if let Some(why) = why.filter(|_| arguments.explain || !judged.agrees) {
            println!("{}\n", why.replace('\n', "\n  "));
        }
    }
    for error in &errors {
        eprintln!("error: {error}");
    }
    println!("{agreed}/{total} agreed, in {:.3} s", took.as_secs_f64());
    Ok(if !errors.is_empty() {
        ExitCode::from(2)
    } else if agreed == total {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}
