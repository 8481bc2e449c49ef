//! The files of recordings: arrays of cases, each a script and what the original answered.
//!
//! A file that cannot be read, or a step that means nothing, is an error that names the place: a case that is skipped in silence
//! would pass.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value as Json;

use super::script;

/// The compatibility date of a case that names none.
pub(super) const COMPATIBILITY_DATE: &str = "2026-07-30";

/// A script of storage calls, and the recorded results.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    /// Unique: the topic, a slash, a label.
    pub name: String,
    /// The storage backend of the object's class.
    pub backend: Backend,
    /// The script: a list of steps for each invocation of the object.
    pub runs: Vec<Vec<Json>>,
    /// What happened: one entry for each run.
    pub out: Vec<Json>,
    /// The compatibility date, where it is another than usual.
    pub compat: Option<String>,
    /// Compatibility flags.
    #[serde(default)]
    pub flags: Vec<String>,
    /// Whether the object's class has an alarm handler, which does nothing.
    #[serde(rename = "alarmHandler", default = "has_alarm_handler")]
    pub alarm_handler: bool,
    /// The original's local runtime accepted what its hosted platform documents as too much.
    #[serde(default)]
    pub lenient: bool,
}

/// The storage backends of the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// SQLite.
    Sqlite,
    /// Key-value, as the original's local runtime has it: SQLite underneath, without its interface.
    Kv,
}

fn has_alarm_handler() -> bool {
    true
}

impl Case {
    /// The part of the name before the slash.
    pub fn topic(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }

    /// The compatibility date.
    pub fn compatibility_date(&self) -> &str {
        self.compat.as_deref().unwrap_or(COMPATIBILITY_DATE)
    }

    fn check(&self) -> Result<(), String> {
        if self.runs.len() != self.out.len() {
            return Err(format!(
                "{} runs and {} results",
                self.runs.len(),
                self.out.len()
            ));
        }
        for (at, run) in self.runs.iter().enumerate() {
            script::parse(run).map_err(|error| format!("run {}: {error}", at + 1))?;
        }
        let is_outcome = |out: &Json| out.is_array() || out.get("fail").is_some();
        if !self.out.iter().all(is_outcome) {
            return Err("a result is neither a list nor a failure".to_owned());
        }
        Ok(())
    }
}

/// Why there are no cases.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file or folder cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// What was to be read.
        path: PathBuf,
        /// Why it was not.
        error: io::Error,
    },
    /// A folder without recordings.
    #[error("{}: no file in it ends in .json", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// Not a list of cases.
    #[error("{}:{}: {error}", path.display(), error.line())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        error: serde_json::Error,
    },
    /// A case that makes no sense.
    #[error("{}:{line}: case {name}: {what}", path.display())]
    Senseless {
        /// The file.
        path: PathBuf,
        /// Where the case's name stands.
        line: usize,
        /// The case's name.
        name: String,
        /// What is wrong.
        what: String,
    },
}

/// All cases of a file, or of the files of a folder that end in `.json`, in the order of their names.
///
/// # Errors
/// The first file that cannot be read, or means nothing.
pub fn read(path: &Path) -> Result<Vec<Case>, ReadError> {
    let files = files_of(path)?;
    let cases = files.iter().map(|file| read_file(file));
    Ok(cases.collect::<Result<Vec<_>, _>>()?.concat())
}

/// The file itself, or the files in a folder and below that end in `.json`, in the order of their names.
pub(super) fn files_of(path: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let unreadable = |error| ReadError::Unreadable {
        path: path.to_owned(),
        error,
    };
    if !fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.path();
            if file.is_dir() {
                folders.push(file);
            } else if file.extension().is_some_and(|end| end == "json") {
                files.push(file);
            }
        }
    }
    files.sort();
    if files.is_empty() {
        let path = path.to_owned();
        return Err(ReadError::Empty { path });
    }
    Ok(files)
}

fn read_file(path: &Path) -> Result<Vec<Case>, ReadError> {
    let text = fs::read_to_string(path).map_err(|error| ReadError::Unreadable {
        path: path.to_owned(),
        error,
    })?;
    let cases: Vec<Case> = serde_json::from_str(&text).map_err(|error| ReadError::Malformed {
        path: path.to_owned(),
        error,
    })?;
    for case in &cases {
        case.check().map_err(|what| ReadError::Senseless {
            path: path.to_owned(),
            line: line_of(&case.name, &text),
            name: case.name.clone(),
            what,
        })?;
    }
    Ok(cases)
}

/// Where a name stands in quotes, counted from one.
pub(super) fn line_of(name: &str, text: &str) -> usize {
    let quoted = Json::from(name).to_string();
    let before = text.split(&quoted).next().unwrap_or_default();
    1 + before.matches('\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<Case>, String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("a.json"), text).expect("there is room");
        let shown = folder.path().display().to_string();
        read(folder.path()).map_err(|error| error.to_string().replace(&shown, "DIR"))
    }

    #[test]
    fn a_case_has_the_usual_settings_unless_it_says_otherwise() {
        let cases =
            read_text(r#"[{"name":"t/a","backend":"kv","runs":[[["sync"]]],"out":[[{"ok":1}]]}]"#);
        let cases = cases.expect("it is well formed");
        let case = &cases[0];
        assert_eq!(
            (case.topic(), case.compatibility_date()),
            ("t", "2026-07-30")
        );
        assert!(case.alarm_handler);
        assert!(!case.lenient);
    }

    #[test]
    fn what_is_malformed_is_refused_with_its_line() {
        let cases = read_text("[\n{\"name\":\"t/a\"}\n]");
        let error = cases.expect_err("there is no script");
        assert!(error.starts_with("DIR/a.json:2: missing field"), "{error}");
        let cases = read_text(
            "[\n\n{\"name\":\"t/a\",\"backend\":\"kv\",\"runs\":[[[\"put\",{\"$typo\":1}]]],\"out\":[[]]}\n]",
        );
        let error = cases.expect_err("there is no such tag");
        assert_eq!(
            error,
            r#"DIR/a.json:3: case t/a: run 1: step 1: no such tag: {"$typo":1}"#
        );
        let error = read_text("[").expect_err("it is cut off");
        assert!(error.starts_with("DIR/a.json:1: EOF"), "{error}");
    }

    #[test]
    fn a_folder_without_recordings_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert!(matches!(read(folder.path()), Err(ReadError::Empty { .. })));
        let nothing = folder.path().join("nothing");
        assert!(matches!(read(&nothing), Err(ReadError::Unreadable { .. })));
    }
}
