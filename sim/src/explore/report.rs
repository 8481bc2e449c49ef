//! The report of a failure: what a person needs to understand it, and to see it again.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    plans::RunsPlans,
    regressions,
    replay::{Format, headline},
    run_plan,
};
use crate::{
    Detail, Run, Seed, Suite, Texts, Violation,
    plan::PlanError,
    shrink::{ShrinkError, Shrunk, shrink_with},
    trace::chrome,
};

/// How many lines of the story are printed; the files have all of it.
const STORY_LINES_MAX: usize = 60;

/// A failure, with everything that is known of it.
#[derive(Debug)]
pub struct Report {
    suite: String,
    /// What failed: a seed, or a plan by its file.
    subject: Subject,
    position: String,
    violation: Violation,
    texts: Texts,
    hash: u64,
    page: String,
    /// Whether another process saw the same run.
    confirmation: Confirmation,
    again: String,
    /// The smallest plan that breaks the same promise, if it was looked for, and the plan that failed at first.
    shrunk: Option<(Shrunk, Texts)>,
    /// Why there is no smallest plan, or where it is kept.
    notes: Vec<String>,
}

/// What a report is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// How it is called, at the beginning of a sentence.
    pub name: String,
    /// The folder of its files, below that of the suite.
    pub folder: String,
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
        let subject = Subject {
            name: format!("seed {seed}"),
            folder: seed.to_string(),
        };
        Self::of_run(
            suite,
            run,
            &|| suite.plan(seed),
            subject,
            (position.into(), again.into()),
            confirmation,
        )
    }

    /// Runs a plan again with everything kept.
    ///
    /// # Errors
    /// It is no plan of this suite, or it passes now.
    pub fn of_plan(
        suite: &Suite,
        plan: &str,
        subject: Subject,
        position: impl Into<String>,
        again: impl Into<String>,
        confirmation: Confirmation,
    ) -> Result<Self, String> {
        let run = run_plan(suite, plan, Detail::Full)
            .map_err(|error: PlanError| format!("{}: {error}", subject.name))?;
        Self::of_run(
            suite,
            run,
            &|| plan.to_owned(),
            subject,
            (position.into(), again.into()),
            confirmation,
        )
    }

    fn of_run(
        suite: &Suite,
        run: Run,
        plan: &dyn Fn() -> String,
        subject: Subject,
        (position, again): (String, String),
        confirmation: Confirmation,
    ) -> Result<Self, String> {
        let page = Format::Html.write(&run, &headline(suite.name(), &subject.folder, &run, &again));
        let Run {
            violation: Some(violation),
            hash,
            texts,
            ..
        } = run
        else {
            return Err(format!(
                "{} of `{}` failed and passes now: something in the objects' code escapes the simulation, such as iteration over a \
                 HashMap, a static, or a clock or randomness of the operating system",
                subject.name,
                suite.name()
            ));
        };
        let texts = texts.unwrap_or_else(|| Texts {
            plan_json: plan(),
            plan: String::new(),
            story: String::new(),
            trace: String::new(),
            entries: Vec::new(),
        });
        Ok(Self {
            suite: suite.name().to_owned(),
            subject,
            position,
            violation,
            texts,
            hash,
            page,
            confirmation,
            again,
            shrunk: None,
            notes: Vec::new(),
        })
    }

    /// Looks for the smallest plan that breaks the same promise, and tells its story instead.
    pub(crate) fn shrink(&mut self, suite: &Suite, runs_max: u64, runner: &mut dyn RunsPlans) {
        let failed = match shrink_with(suite, &self.texts.plan_json, runs_max, runner) {
            Ok(shrunk) => match run_plan(suite, &shrunk.plan, Detail::Full) {
                Ok(run) if run.hash == shrunk.hash && run.violation.is_some() => {
                    self.page = Format::Html.write(&run, &headline(suite.name(), &self.subject.folder, &run, &self.again));
                    let mut texts = run.texts.expect("they were asked for");
                    // Without the choices that are made as things arrive.
                    texts.plan_json.clone_from(&shrunk.plan);
                    let original = std::mem::replace(&mut self.texts, texts);
                    self.violation = run.violation.expect("it was just looked at");
                    self.shrunk = Some((shrunk, original));
                    return;
                }
                _ => "the smallest plan gives another run each time: something in the objects' code escapes the simulation".to_owned(),
            },
            Err(ShrinkError::Passes) => "as a plan it breaks nothing: something in the objects' code escapes the simulation".to_owned(),
            Err(error) => error.to_string(),
        };
        self.notes
            .push(format!("whole    not made smaller: {failed}"));
    }

    /// Adds the plan to the regressions in `folder`.
    pub fn keep_as_regression(&mut self, folder: &Path) {
        let kept = regressions::keep(folder, &self.suite, &self.texts.plan_json);
        self.notes.push(match kept {
            Ok(path) => format!("kept     {}: run first from now on", path.display()),
            Err(error) => format!("kept     not: {error}"),
        });
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
            .join(&self.subject.folder);
        fs::create_dir_all(&folder)?;
        let trace_json = chrome::json(&self.texts.entries);
        let report = self.text(None);
        let mut files = vec![
            ("plan.json", &self.texts.plan_json),
            ("trace.txt", &self.texts.trace),
            ("trace.json", &trace_json),
            ("report.html", &self.page),
            ("report.txt", &report),
        ];
        if let Some((_, original)) = &self.shrunk {
            files.extend([
                ("whole-plan.json", &original.plan_json),
                ("whole-trace.txt", &original.trace),
            ]);
        }
        for (name, content) in files {
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
            "{} broke `{}` of suite {} ({})",
            self.subject.name, self.violation.promise, self.suite, self.position
        )?;
        match &self.shrunk {
            Some((shrunk, _)) => writeln!(out, "\n{shrunk}")?,
            None => writeln!(out, "\nplan")?,
        }
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
            let whole = if self.shrunk.is_some() {
                ",whole-plan.json,whole-trace.txt"
            } else {
                ""
            };
            writeln!(
                out,
                "files    {}/{{plan.json,trace.txt,trace.json,report.html,report.txt{whole}}}",
                files.display()
            )?;
        }
        for note in &self.notes {
            writeln!(out, "{note}")?;
        }
        Ok(out)
    }
}
