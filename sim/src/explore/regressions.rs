//! What failed once is run first, for ever: seeds, and whole plans.
//!
//! A folder beside the tests (`tests/regressions`) holds them. Every `*.json` in it is a plan, as reports and `dormouse replay --save` write it; the plan says of which
//! suite it is, its name says what you like. A file `SUITE.seeds` has a seed a line, and after a `#` what you want to say of it. A seed is
//! worth less than a plan: it gives another run as soon as the workload's strategy changes.
//!
//! A test whose seed breaks a promise adds the smallest plan to the folder, unless `CI` is set; from then on that plan is run before any seed. It is meant to be
//! committed.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use crate::{Seed, plan::PlanError, plan::RawPlan};

/// Where a crate keeps its regressions, below its folder.
pub const FOLDER: &str = "tests/regressions";

/// What is to be run first of one suite.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Regressions {
    /// The files and their plans.
    pub plans: Vec<(PathBuf, String)>,
    /// The seeds and where they stand.
    pub seeds: Vec<(Seed, String)>,
}

/// Why what failed once cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum RegressionError {
    /// A file or the folder cannot be read or written.
    #[error("cannot use {}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A plan that is none.
    #[error("{}: {error}", path.display())]
    Plan {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        error: PlanError,
    },
    /// A line that is no seed.
    #[error("{}, line {line}: `{text}` is no seed, which is a number below 2^64", path.display())]
    Seed {
        /// The file of seeds.
        path: PathBuf,
        /// The line, from 1 on.
        line: usize,
        /// What stands there.
        text: String,
    },
}

impl Regressions {
    /// Reads what `folder` has of `suite`; nothing if there is no such folder.
    ///
    /// # Errors
    /// The folder has a file that cannot be read, a plan of this suite that cannot be used, or text that is no plan at all.
    pub fn read(folder: &Path, suite: &str) -> Result<Self, RegressionError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |error| RegressionError::Io { path, error }
        };
        let mut paths = Vec::new();
        match fs::read_dir(folder) {
            Ok(entries) => {
                for entry in entries {
                    paths.push(entry.map_err(io(folder))?.path());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io(folder)(error)),
        }
        paths.sort();
        let mut regressions = Self::default();
        for path in paths {
            let ending = path.extension().and_then(|ending| ending.to_str());
            let is_of_suite = path.file_stem().is_some_and(|stem| stem == suite);
            match ending {
                Some("json") => {
                    let text = fs::read_to_string(&path).map_err(io(&path))?;
                    if is_plan_of(&text, suite, &path)? {
                        regressions.plans.push((path, text));
                    }
                }
                Some("seeds") if is_of_suite => {
                    let text = fs::read_to_string(&path).map_err(io(&path))?;
                    regressions.seeds.extend(seeds(&text, &path)?);
                }
                _ => {}
            }
        }
        Ok(regressions)
    }
}

fn is_plan_of(text: &str, suite: &str, path: &Path) -> Result<bool, RegressionError> {
    let named = serde_json::from_str::<Value>(text);
    let of_another = named.is_ok_and(|plan| {
        plan.get("suite")
            .and_then(Value::as_str)
            .is_some_and(|named| named != suite)
    });
    if of_another {
        return Ok(false);
    }
    let plan = RawPlan::from_json(text, suite);
    plan.map_err(|error| RegressionError::Plan {
        path: path.to_owned(),
        error,
    })?;
    Ok(true)
}

fn seeds(text: &str, path: &Path) -> Result<Vec<(Seed, String)>, RegressionError> {
    let mut seeds = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let text = line.split('#').next().unwrap_or_default().trim();
        if text.is_empty() {
            continue;
        }
        let seed = text.parse().map_err(|_| RegressionError::Seed {
            path: path.to_owned(),
            line: index + 1,
            text: text.to_owned(),
        })?;
        let place = format!("{}, line {}", path.display(), index + 1);
        seeds.push((Seed(seed), place));
    }
    Ok(seeds)
}

/// Adds a plan to the folder, under a name that is made of its suite and its contents, so that the same one is not added twice.
///
/// # Errors
/// The file cannot be written.
pub fn keep(folder: &Path, suite: &str, plan: &str) -> Result<PathBuf, RegressionError> {
    let path = folder.join(format!("{suite}-{:016x}.json", xxh3_64(plan.as_bytes())));
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, plan));
    match written {
        Ok(()) => Ok(path),
        Err(error) => Err(RegressionError::Io { path, error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str =
        r#"{"format": 1, "suite": "mine", "seed": 7, "clients": [], "faults": [], "heal_at": 0}"#;

    /// A folder with these files, which goes when it is dropped.
    struct Folder(PathBuf);

    impl Folder {
        fn with(name: &str, files: &[(&str, &str)]) -> Self {
            let process = std::process::id();
            let folder =
                std::env::temp_dir().join(format!("dormouse-regressions-{process}-{name}"));
            fs::create_dir_all(&folder).expect("it is made");
            for (name, text) in files {
                fs::write(folder.join(name), text).expect("it is written");
            }
            Self(folder)
        }

        fn refused(&self) -> String {
            let refused = Regressions::read(&self.0, "mine").expect_err("it is refused");
            let text = refused.to_string();
            text.replace(&self.0.display().to_string(), "FOLDER")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).ok();
        }
    }

    #[test]
    fn plans_and_seeds_of_the_suite_are_read_and_those_of_others_left() {
        let other = PLAN.replace("mine", "yours");
        let folder = Folder::with(
            "read",
            &[
                ("b.json", PLAN),
                ("a.json", &other),
                ("mine.seeds", "# found on a Monday\n412 # twice\n\n7\n"),
                ("yours.seeds", "no seed at all"),
                ("README.md", "what this is"),
            ],
        );
        let read = Regressions::read(&folder.0, "mine").expect("it is in order");
        assert_eq!(read.plans, [(folder.0.join("b.json"), PLAN.to_owned())]);
        let seeds: Vec<_> = read.seeds.iter().map(|(seed, _)| seed.0).collect();
        assert_eq!(seeds, [412, 7]);
        assert!(read.seeds[1].1.ends_with("mine.seeds, line 4"));
    }

    #[test]
    fn no_folder_is_no_regressions() {
        let nowhere = Path::new("no/such/folder");
        let read = Regressions::read(nowhere, "mine").expect("that is fine");
        assert_eq!(read, Regressions::default());
    }

    #[test]
    fn a_plan_of_another_version_is_refused_with_its_file() {
        let newer = PLAN.replace("\"format\": 1", "\"format\": 9");
        let folder = Folder::with("newer", &[("a.json", &newer)]);
        assert_eq!(
            folder.refused(),
            "FOLDER/a.json: plan has format 9, this version reads format 1: replay it with the version that wrote it"
        );
    }

    #[test]
    fn a_plan_that_is_cut_off_is_refused_with_its_file_and_place() {
        let folder = Folder::with("cut", &[("a.json", &PLAN[..40])]);
        let refused = folder.refused();
        assert!(
            refused.starts_with("FOLDER/a.json: plan cannot be read, line 1, column 40: EOF"),
            "{refused}"
        );
    }

    #[test]
    fn a_seed_that_is_out_of_range_is_refused_with_its_line() {
        let folder = Folder::with(
            "seed",
            &[("mine.seeds", "1\n18446744073709551616 # 2^64\n")],
        );
        assert_eq!(
            folder.refused(),
            "FOLDER/mine.seeds, line 2: `18446744073709551616` is no seed, which is a number below 2^64"
        );
    }

    #[test]
    fn a_plan_that_is_kept_is_read_again_and_not_kept_twice() {
        let folder = Folder::with("keep", &[]);
        let kept = keep(&folder.0, "mine", PLAN).expect("it can be written");
        assert_eq!(keep(&folder.0, "mine", PLAN).expect("again"), kept);
        let read = Regressions::read(&folder.0, "mine").expect("it is in order");
        assert_eq!(read.plans, [(kept, PLAN.to_owned())]);
    }
}
