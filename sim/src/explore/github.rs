//! What GitHub shows of a failure: a mark in the code, and a table in the job's summary.

use std::{fmt::Write as _, fs::OpenOptions, io::Write as _, panic::Location, path::Path};

use super::tally::Row;

/// A workflow command that marks a place in the code: `::error file=...,line=...,title=...::text`.
pub(super) fn annotation(at: &Location<'_>, title: &str, text: &str) -> String {
    format!(
        "::error file={},line={},title={}::{}",
        property(at.file()),
        at.line(),
        property(title),
        data(text)
    )
}

/// In a command's text, line ends would end it.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// In a property, these would end that.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// The table, in Markdown.
pub(super) fn table(rows: &[Row]) -> String {
    let mut out = String::from("### Dormouse\n\n| suite | seeds | verdict |\n|---|---:|---|\n");
    for row in rows {
        let sign = if row.is_as_expected() { "✅" } else { "❌" };
        writeln!(
            out,
            "| `{}` | {} | {sign} {} |",
            row.suite,
            row.summary.seeds,
            cell(&row.verdict())
        )
        .expect("a string takes it");
    }
    for row in rows {
        for failure in row.unexpected().iter().take(10) {
            writeln!(
                out,
                "\n**`{}`, seed {}**: {}\n\n    {}\n\nagain: `dormouse replay {} {}`",
                row.suite,
                failure.seed,
                failure.violation.promise,
                failure.violation.why.replace('\n', "\n    "),
                row.suite,
                failure.seed
            )
            .expect("a string takes it");
        }
    }
    out
}

/// What a failing test adds to the summary.
pub(super) fn failed_test(
    test: &str,
    seed: crate::Seed,
    promise: &str,
    why: &str,
    again: &str,
) -> String {
    format!(
        "### ❌ `{test}`, seed {seed}\n\n{promise}\n\n    {}\n\nagain: `{again}`\n\n",
        why.replace('\n', "\n    ")
    )
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Adds `text` to the summary's file, in one piece: several tests may do so at once.
///
/// # Errors
/// The file cannot be written.
pub(super) fn add_to_summary(path: &Path, text: &str) -> std::io::Result<()> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)?
        .write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_is_one_line_whatever_it_says() {
        let here = Location::caller();
        let line = annotation(here, "seed 7: 100 %, broken", "first\nsecond: 100 %, or so");
        let file = here.file();
        assert_eq!(
            line,
            format!(
                "::error file={file},line={},title=seed 7%3A 100 %25%2C broken::first%0Asecond: 100 %25, or so",
                here.line()
            )
        );
    }
}
