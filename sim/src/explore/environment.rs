//! The environment: the one place that reads variables. Tests know nothing else, and the command's options come before them.
//!
//! A value that cannot be read is an error that names the variable, the value and how it is written; nothing is silently ignored, because a typing
//! error in a nightly job would then test something else, for weeks.

use std::{env, num::NonZeroUsize, ops::Range, path::PathBuf, time::Duration};

use super::{
    replay::Format,
    seeds::{self, Seeds, Shard},
};
use crate::Seed;

/// What the variables ask for. `None` where one is not set, or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Environment {
    /// `DORMOUSE_SEED`: this seed alone.
    pub(super) seed: Option<Seed>,
    /// `DORMOUSE_SEEDS`: how many, or which.
    pub(super) seeds: Option<Seeds>,
    /// `DORMOUSE_TIME`: no new seed after this.
    pub(super) time: Option<Duration>,
    /// `DORMOUSE_JOBS`: how many processes.
    pub(super) jobs: Option<NonZeroUsize>,
    /// `DORMOUSE_SHARD`: this part of the seeds alone.
    pub(super) shard: Option<Shard>,
    /// `DORMOUSE_CHECK_DETERMINISM`: every seed twice.
    pub(super) check_determinism: Option<bool>,
    /// `DORMOUSE_TRACE`: where the one seed's trace goes, and in which format.
    pub(super) trace: Option<(PathBuf, Format)>,
    /// `RUST_LOG`: what is logged of the one seed.
    pub(super) log: Option<String>,
    /// `GITHUB_ACTIONS`: failures are marked in the code.
    pub(super) github_actions: bool,
    /// `GITHUB_STEP_SUMMARY`: the file of the job's summary.
    pub(super) github_summary: Option<PathBuf>,
    /// `DORMOUSE_SHRINK`: how long the search for the smallest plan may take; no time is no search.
    pub(super) shrink: Option<Duration>,
    /// `DORMOUSE_REGRESSIONS`: another folder of what failed once.
    pub(super) regressions: Option<PathBuf>,
    /// `CI`: nothing is added to the sources.
    pub(super) ci: bool,
    /// Set by ourselves, for a process that works for another one.
    pub(super) child: Option<Child>,
}

/// What a test's process does for another process of the same test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Child {
    /// It says the hash of one seed, and reports nothing.
    Confirms,
    /// It searches its seeds, and says which one failed.
    Searches,
}

pub(super) const SEED: &str = "DORMOUSE_SEED";
pub(super) const SEEDS: &str = "DORMOUSE_SEEDS";
pub(super) const TIME: &str = "DORMOUSE_TIME";
pub(super) const JOBS: &str = "DORMOUSE_JOBS";
pub(super) const SHARD: &str = "DORMOUSE_SHARD";
pub(super) const CHECK_DETERMINISM: &str = "DORMOUSE_CHECK_DETERMINISM";
pub(super) const TRACE: &str = "DORMOUSE_TRACE";
pub(super) const SHRINK: &str = "DORMOUSE_SHRINK";
pub(super) const REGRESSIONS: &str = "DORMOUSE_REGRESSIONS";
pub(super) const CHILD: &str = "DORMOUSE_CHILD";

impl Environment {
    /// Reads the process's own.
    ///
    /// # Errors
    /// A variable has a value that cannot be read.
    pub(super) fn read() -> Result<Self, String> {
        Self::from(|name| env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    fn from(get: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let get = |name: &str| get(name).filter(|value| !value.trim().is_empty());
        let environment = Self {
            seed: parsed(get, SEED, seeds::seed)?,
            seeds: parsed(get, SEEDS, str::parse)?,
            time: parsed(get, TIME, seeds::time)?,
            jobs: parsed(get, JOBS, |text| {
                let jobs = text.trim().parse();
                jobs.map_err(|_| "which is no number of processes, from 1 on".to_owned())
            })?,
            shard: parsed(get, SHARD, str::parse)?,
            check_determinism: parsed(get, CHECK_DETERMINISM, |text| match text.trim() {
                "1" | "true" => Ok(true),
                "0" | "false" => Ok(false),
                _ => Err("which is neither 1 nor 0".to_owned()),
            })?,
            trace: parsed(get, TRACE, |text| {
                let path = PathBuf::from(text);
                let format = Format::of_file(&path)?;
                Ok((path, format))
            })?,
            log: get("RUST_LOG"),
            github_actions: get("GITHUB_ACTIONS").is_some_and(|value| value == "true"),
            github_summary: get("GITHUB_STEP_SUMMARY").map(PathBuf::from),
            shrink: parsed(get, SHRINK, seeds::time)?,
            regressions: get(REGRESSIONS).map(PathBuf::from),
            ci: get("CI").is_some_and(|value| value != "false"),
            child: parsed(get, CHILD, |text| match text {
                "confirms" => Ok(Child::Confirms),
                "searches" => Ok(Child::Searches),
                _ => Err("which is for the use of dormouse itself: unset it".to_owned()),
            })?,
        };
        if environment.seed.is_some() && environment.seeds.is_some() {
            return Err(format!(
                "{SEED} and {SEEDS} are both set: unset one of them"
            ));
        }
        if environment.trace.is_some() && environment.seed.is_none() {
            return Err(format!(
                "{TRACE} is the trace of one seed: set {SEED} as well"
            ));
        }
        Ok(environment)
    }

    /// The seeds that are to be run, if nothing is set `default` from seed 0 on.
    ///
    /// # Errors
    /// There are not so many.
    pub(super) fn range(&self, default: u64) -> Result<Range<u64>, String> {
        let seeds = match (self.seed, self.seeds, self.time) {
            (Some(Seed(seed)), ..) => {
                return match seed.checked_add(1) {
                    Some(end) => Ok(seed..end),
                    None => Err(format!("{SEED} is {seed}, the one number that is no seed")),
                };
            }
            (None, Some(seeds), _) => seeds,
            // Until the time is over.
            (None, None, Some(_)) => Seeds::Count(u64::MAX),
            (None, None, None) => Seeds::Count(default),
        };
        let whole = seeds.from(0)?;
        Ok(self
            .shard
            .map_or_else(|| whole.clone(), |shard| shard.part_of(&whole)))
    }
}

fn parsed<T>(
    get: impl Fn(&str) -> Option<String>,
    name: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    let Some(value) = get(name) else {
        return Ok(None);
    };
    parse(&value)
        .map(Some)
        .map_err(|why| format!("{name} is `{value}`, {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Result<Environment, String> {
        Environment::from(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn nothing_set_is_the_default_and_an_empty_value_is_nothing() {
        let nothing = with(&[]).expect("it is fine");
        assert_eq!(nothing, Environment::default());
        assert_eq!(nothing.range(300), Ok(0..300));
        assert_eq!(
            with(&[(SEEDS, ""), (SHARD, " ")]),
            Ok(Environment::default())
        );
    }

    #[test]
    fn what_is_set_says_which_seeds() {
        let range = |variables: &[(&str, &str)]| with(variables).expect("it is fine").range(300);
        assert_eq!(range(&[(SEED, "412")]), Ok(412..413));
        assert_eq!(range(&[(SEEDS, "5000")]), Ok(0..5000));
        assert_eq!(range(&[(SEEDS, "100..200")]), Ok(100..200));
        assert_eq!(range(&[(SEEDS, "100..200"), (SHARD, "2/4")]), Ok(125..150));
        assert_eq!(range(&[(SHARD, "3/3")]), Ok(200..300));
        assert_eq!(
            range(&[(TIME, "30s")]),
            Ok(0..u64::MAX),
            "until the time is over"
        );
        assert_eq!(
            range(&[(TIME, "30s"), (SEEDS, "10")]),
            Ok(0..10),
            "whatever is first"
        );
    }

    #[test]
    fn a_value_that_cannot_be_read_is_told_with_its_variable() {
        for (variables, message) in [
            (
                &[(SEED, "seven")][..],
                "DORMOUSE_SEED is `seven`, which is no number",
            ),
            (
                &[(SEED, "18446744073709551616")],
                "DORMOUSE_SEED is `18446744073709551616`, which is beyond the last seed",
            ),
            (
                &[(SEEDS, "9..4")],
                "DORMOUSE_SEEDS is `9..4`, which begins at 9",
            ),
            (
                &[(TIME, "30")],
                "DORMOUSE_TIME is `30`, which is no time: it is written like 500ms, 30s",
            ),
            (
                &[(SHRINK, "two")],
                "DORMOUSE_SHRINK is `two`, which is no time: it is written like 500ms, 30s",
            ),
            (
                &[(JOBS, "0")],
                "DORMOUSE_JOBS is `0`, which is no number of processes",
            ),
            (
                &[(SHARD, "11/10")],
                "DORMOUSE_SHARD is `11/10`, which is none of 10 shards",
            ),
            (
                &[(SHARD, "0/10")],
                "DORMOUSE_SHARD is `0/10`, which is none of 10 shards",
            ),
            (
                &[(CHECK_DETERMINISM, "yes")],
                "DORMOUSE_CHECK_DETERMINISM is `yes`, which is neither 1 nor 0",
            ),
            (
                &[(TRACE, "trace.xml"), (SEED, "1")],
                "DORMOUSE_TRACE is `trace.xml`, which does not say a format",
            ),
            (
                &[(TRACE, "trace.html")],
                "DORMOUSE_TRACE is the trace of one seed: set DORMOUSE_SEED as well",
            ),
            (
                &[(SEED, "1"), (SEEDS, "2")],
                "DORMOUSE_SEED and DORMOUSE_SEEDS are both set",
            ),
        ] {
            let why = with(variables).expect_err("it cannot be read");
            assert!(why.contains(message), "{variables:?}: {why}");
        }
        let last = with(&[(SEED, "18446744073709551615")]).expect("a number");
        assert!(
            last.range(1)
                .expect_err("no seed follows it")
                .contains("no seed")
        );
    }
}
