//! Looking at one run: a seed or a saved plan again, in words or in one of the formats of its trace.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use clap::ValueEnum;

use super::{environment::Environment, logs};
use crate::{
    Detail, Run, Seed, Suite,
    trace::{
        self, chrome,
        page::{self, Headline},
    },
};

/// In which form a trace is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A line an event, as in snapshots
    Text,
    /// A JSON object a line
    Jsonl,
    /// Chrome's trace format, for Perfetto
    Perfetto,
    /// A page for the browser
    Html,
}

impl Format {
    /// The format that a file's name asks for.
    ///
    /// # Errors
    /// None is known for it.
    pub(super) fn of_file(path: &Path) -> Result<Self, String> {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("txt") => Ok(Self::Text),
            Some("jsonl") => Ok(Self::Jsonl),
            Some("json") => Ok(Self::Perfetto),
            Some("html") => Ok(Self::Html),
            _ => Err("which does not say a format: its name ends in .txt, .jsonl, .json (Perfetto) or .html".to_owned()),
        }
    }

    /// The trace of `run` in this format.
    pub(super) fn write(self, run: &Run, headline: &Headline) -> String {
        let entries = run.texts.as_ref().map_or(&[][..], |texts| &texts.entries);
        match self {
            Self::Text => trace::text(entries),
            Self::Jsonl => trace::json_lines(entries),
            Self::Perfetto => chrome::json(entries),
            Self::Html => page::html(headline, entries),
        }
    }
}

/// What stands above the page of `run`.
pub(super) fn headline(
    suite: &str,
    seed: impl Into<String>,
    run: &Run,
    again: impl Into<String>,
) -> Headline {
    Headline {
        suite: suite.to_owned(),
        seed: seed.into(),
        violation: run.violation.clone(),
        again: again.into(),
        plan: run
            .texts
            .as_ref()
            .map(|texts| texts.plan.clone())
            .unwrap_or_default(),
        hash: format!("{:016x}", run.hash),
    }
}

/// What is to be run again, and what is wanted of it.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) seed: Option<Seed>,
    pub(super) plan: Option<PathBuf>,
    pub(super) save: Option<PathBuf>,
    pub(super) format: Option<Format>,
    pub(super) output: Option<PathBuf>,
}

/// Runs it; says whether every promise was kept.
pub(super) fn replay(
    suite: &Suite,
    wanted: &Wanted,
    environment: &Environment,
) -> anyhow::Result<bool> {
    let (run, name, again) = logs::during(environment.log.as_deref(), || run(suite, wanted))
        .map_err(anyhow::Error::msg)??;
    if let (Some(texts), Some(path)) = (&run.texts, &wanted.save) {
        fs::write(path, &texts.plan_json)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let format = match (wanted.format, &wanted.output) {
        (Some(format), _) => Some(format),
        (None, Some(path)) => Some(Format::of_file(path).map_err(|why| {
            anyhow::anyhow!("--output is `{}`, {why}; or say --format", path.display())
        })?),
        (None, None) => None,
    };
    let verdict = verdict(&run);
    match (format, &wanted.output) {
        (None, _) => {
            if let Some(texts) = &run.texts {
                println!(
                    "plan\n{}\ntrace\n{}\nwhat happened\n{}",
                    texts.plan, texts.trace, texts.story
                );
            }
            print!("{verdict}");
        }
        (Some(format), output) => {
            let text = format.write(&run, &headline(suite.name(), name, &run, again));
            if let Some(path) = output {
                fs::write(path, text)
                    .with_context(|| format!("cannot write {}", path.display()))?;
                println!("{verdict}written  {}", path.display());
            } else {
                print!("{text}");
                eprint!("{verdict}");
            }
        }
    }
    Ok(run.violation.is_none())
}

/// The run, how its seed is called, and the command that repeats it.
fn run(suite: &Suite, wanted: &Wanted) -> anyhow::Result<(Run, String, String)> {
    match (wanted.seed, &wanted.plan) {
        (_, Some(path)) => {
            let text = fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let run = suite
                .run_plan(&text, Detail::Full)
                .with_context(|| format!("cannot use {}", path.display()))?;
            let again = format!("dormouse replay {} --plan {}", suite.name(), path.display());
            Ok((run, format!("of the plan {}", path.display()), again))
        }
        (Some(seed), None) => {
            let run = super::run_seed(suite, seed, Detail::Full);
            Ok((
                run,
                seed.to_string(),
                format!("dormouse replay {} {seed}", suite.name()),
            ))
        }
        (None, None) => bail!("a seed or a plan is needed"),
    }
}

fn verdict(run: &Run) -> String {
    let verdict = match &run.violation {
        None => "verdict  pass\n".to_owned(),
        Some(violation) => format!(
            "verdict  broke `{}`\nwhy      {}\n",
            violation.promise, violation.why
        ),
    };
    format!("hash     {:016x}\n{verdict}", run.hash)
}
