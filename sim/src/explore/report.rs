//! The report of a failure: what a person needs to understand it, and to see it again.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use super::replay::{Format, headline};
use crate::{Detail, Run, Seed, Suite, Texts, Violation, trace::chrome};

/// How many lines of the story are printed; the files have all of it.
const STORY_LINES_MAX: usize = 60;

/// A failure, with everything that is known of it.
#[derive(Debug)]
pub struct Report {
    suite: String,
    seed: Seed,
    position: String,
    violation: Violation,
    texts: Texts,
    hash: u64,
    page: String,
    /// Whether another process saw the same run.
    confirmation: Confirmation,
    again: String,
}

/// Whether a failure was seen a second time, in a fresh process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// The same trace, the same broken promise.
    Confirmed,
    /// The traces differ: something in the objects' code escapes the simulation.
    Differs {
        /// The hash that the other process saw.
        other: u64,
    },
    /// The other process could not be asked.
    NotAsked(String),
}

impl Report {
    /// Runs `seed` again with everything kept. `again` is the command line that repeats it; `position` says which of the seeds it was.
    ///
    /// # Errors
    /// The seed passes now: the run differs from the one that failed.
    pub fn of(
        suite: &Suite,
        seed: Seed,
        position: impl Into<String>,
        again: impl Into<String>,
        confirmation: Confirmation,
    ) -> Result<Self, String> {
        let run = super::run_seed(suite, seed, Detail::Full);
        let (position, again) = (position.into(), again.into());
        let page = Format::Html.write(
            &run,
            &headline(suite.name(), seed.to_string(), &run, &again),
        );
        let Run {
            violation: Some(violation),
            hash,
            texts,
            ..
        } = run
        else {
            return Err(format!(
                "seed {seed} of `{}` failed and passes now: something in the objects' code escapes the simulation, such as iteration over a \
                 HashMap, a static, or a clock or randomness of the operating system",
                suite.name()
            ));
        };
        let texts = texts.unwrap_or_else(|| Texts {
            plan_json: suite.plan(seed),
            plan: String::new(),
            story: String::new(),
            trace: String::new(),
            entries: Vec::new(),
        });
        Ok(Self {
            suite: suite.name().to_owned(),
            seed,
            position,
            violation,
            texts,
            hash,
            page,
            confirmation,
            again,
        })
    }

    /// The promise that was broken.
    pub fn violation(&self) -> &Violation {
        &self.violation
    }

    /// Writes plan, trace, page and report below `folder`; returns where.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn write_files(&self, folder: &Path) -> io::Result<PathBuf> {
        let folder = folder
            .join("dormouse")
            .join(&self.suite)
            .join(self.seed.to_string());
        fs::create_dir_all(&folder)?;
        let trace_json = chrome::json(&self.texts.entries);
        for (name, content) in [
            ("plan.json", &self.texts.plan_json),
            ("trace.txt", &self.texts.trace),
            ("trace.json", &trace_json),
            ("report.html", &self.page),
            ("report.txt", &self.text(None)),
        ] {
            // Two processes may report the same seed at once: each file is that of one of them, whole.
            let new = folder.join(format!(".{name}.{}", std::process::id()));
            fs::write(&new, content)?;
            fs::rename(new, folder.join(name))?;
        }
        Ok(folder)
    }

    /// The report, naming the folder of its files if they were written.
    ///
    /// # Panics
    /// Never: a string takes everything.
    pub fn text(&self, files: Option<&Path>) -> String {
        self.try_text(files)
            .expect("writing to a string does not fail")
    }

    fn try_text(&self, files: Option<&Path>) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        writeln!(
            out,
            "seed {} broke `{}` of suite {} ({})",
            self.seed, self.violation.promise, self.suite, self.position
        )?;
        writeln!(out, "\nplan")?;
        out.push_str(&self.texts.plan);
        writeln!(out, "\nwhat happened")?;
        let lines: Vec<_> = self.texts.story.lines().collect();
        let from = lines.len().saturating_sub(STORY_LINES_MAX);
        if from > 0 {
            writeln!(out, "  ... {from} earlier lines are in the files")?;
        }
        for line in &lines[from..] {
            writeln!(out, "{line}")?;
        }
        writeln!(
            out,
            "\nwhy      {}",
            self.violation.why.replace('\n', "\n         ")
        )?;
        match &self.confirmation {
            Confirmation::Confirmed => writeln!(
                out,
                "seen     twice, in two processes, trace {:016x}",
                self.hash
            )?,
            Confirmation::Differs { other } => writeln!(
                out,
                "seen     DIFFERENTLY in two processes (traces {:016x} and {other:016x}): something in the objects' code escapes the simulation, \
                 such as iteration over a HashMap, a static, or a clock or randomness of the operating system",
                self.hash
            )?,
            Confirmation::NotAsked(why) => {
                writeln!(out, "seen     once, trace {:016x} ({why})", self.hash)?;
            }
        }
        writeln!(out, "again    {}", self.again)?;
        if let Some(files) = files {
            writeln!(
                out,
                "files    {}/{{plan.json,trace.txt,trace.json,report.html,report.txt}}",
                files.display()
            )?;
        }
        Ok(out)
    }
}
