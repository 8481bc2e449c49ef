//! A folder of histories with its list of verdicts, and what ours are.
//!
//! The list is `verdicts.tsv`: a line of headings, then a file, a model and a verdict in each line, with tabs between them. A verdict is what the history
//! is, `linearizable` or a level of isolation, or that it is not: `not-linearizable`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::model::{Asked, ReadError, Ruling, UnknownModel, Workloads, of_model};

/// The name of the list.
const LIST: &str = "verdicts.tsv";

/// A line of the list.
#[derive(Clone, Debug)]
pub struct Case {
    /// The file, as the list names it.
    pub file: String,
    path: PathBuf,
    judges: Workloads,
    asked: Asked,
    expects: Expects,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Expects {
    Yes,
    No,
}

/// What came of a case.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Whether ours is the verdict that is known.
    pub agrees: bool,
    /// What is known: `linearizable`, `not-serializable`.
    pub expected: String,
    /// What we say.
    pub ruling: Ruling,
    /// How long reading the text and judging took, without reading the file.
    pub took: Duration,
}

/// The list or a history cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The list is wrong.
    #[error("{}: line {line}: {what}", path.display())]
    List {
        /// The list.
        path: PathBuf,
        /// The line, from 1 on.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// A line of the list asks for a model that is not there.
    #[error("{}: line {line}: {error}", path.display())]
    Model {
        /// The list.
        path: PathBuf,
        /// The line, from 1 on.
        line: usize,
        /// Which, and which there are.
        error: UnknownModel,
    },
    /// A history is wrong.
    #[error("{}: {error}", path.display())]
    History {
        /// Its file.
        path: PathBuf,
        /// Where and why.
        error: ReadError,
    },
}

/// The cases of a folder. Lines that cannot be used are given as errors beside the others.
///
/// # Errors
/// There is no list, or nothing in it.
pub fn read(folder: &Path) -> Result<(Vec<Case>, Vec<FolderError>), FolderError> {
    let path = folder.join(LIST);
    let text = read_file(&path)?;
    let (mut cases, mut errors) = (Vec::new(), Vec::new());
    for (line, row) in (1..).zip(text.lines()).skip(1) {
        if row.trim().is_empty() {
            continue;
        }
        match case(folder, &path, line, row) {
            Ok(case) => cases.push(case),
            Err(error) => errors.push(error),
        }
    }
    if cases.is_empty() && errors.is_empty() {
        let what = "there is no history in the list".to_owned();
        return Err(FolderError::List {
            path,
            line: 1,
            what,
        });
    }
    Ok((cases, errors))
}

fn case(folder: &Path, list: &Path, line: usize, row: &str) -> Result<Case, FolderError> {
    let wrong = |what: String| FolderError::List {
        path: list.to_owned(),
        line,
        what,
    };
    let columns: Vec<_> = row.split('\t').map(str::trim).collect();
    let [file, model, verdict] = columns[..] else {
        return Err(wrong(format!(
            "it has {} columns; a file, a model and a verdict are expected, with tabs between them",
            columns.len()
        )));
    };
    let judges = of_model(model).map_err(|error| FolderError::Model {
        path: list.to_owned(),
        line,
        error,
    })?;
    let (name, expects) = match verdict.strip_prefix("not-") {
        Some(name) => (name, Expects::No),
        None => (verdict, Expects::Yes),
    };
    let asked = Asked::named(name).ok_or_else(|| {
        wrong(format!(
            "`{verdict}` is no verdict; `linearizable`, `not-linearizable`, `serializable` and the like are"
        ))
    })?;
    Ok(Case {
        file: file.to_owned(),
        path: folder.join(file),
        judges,
        asked,
        expects,
    })
}

/// Judges one.
///
/// # Errors
/// The file cannot be read, or is no history of its model.
pub fn judge(case: &Case) -> Result<Judged, FolderError> {
    let text = read_file(&case.path)?;
    let start = Instant::now();
    let ruling = (case.judges)(&text, case.asked).map_err(|error| FolderError::History {
        path: case.path.clone(),
        error,
    })?;
    let took = start.elapsed();
    let agrees = match ruling {
        Ruling::Yes => case.expects == Expects::Yes,
        Ruling::No(_) => case.expects == Expects::No,
        Ruling::Unknown(_) => false,
    };
    let not = if case.expects == Expects::No {
        "not-"
    } else {
        ""
    };
    Ok(Judged {
        agrees,
        expected: format!("{not}{}", case.asked),
        ruling,
        took,
    })
}

fn read_file(path: &Path) -> Result<String, FolderError> {
    fs::read_to_string(path).map_err(|error| FolderError::Io {
        path: path.to_owned(),
        error,
    })
}
