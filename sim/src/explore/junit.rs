//! A JUnit file, which every CI can show: a suite is a test case, and a failure's report is its text.

use std::{path::Path, time::Duration};

use anyhow::Context as _;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{command::Finding, tally::Tally};

/// Writes what came of `tally`'s suites; the text of a failure is that of its finding, if there is one.
///
/// # Errors
/// The file cannot be written.
pub(super) fn write(path: &Path, tally: &Tally, findings: &[Finding]) -> anyhow::Result<()> {
    std::fs::write(path, text(tally, findings)?)
        .with_context(|| format!("cannot write {}", path.display()))
}

fn text(tally: &Tally, findings: &[Finding]) -> anyhow::Result<String> {
    let mut report = Report::new("dormouse");
    report.set_time(tally.seconds);
    let mut all = TestSuite::new("dormouse");
    let mut worked = Duration::ZERO;
    for row in &tally.suites {
        worked += row.summary.worked;
        let mut status = TestCaseStatus::success();
        if !row.is_as_expected() {
            status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let failure = row.unexpected().first();
            let message = failure.map_or_else(
                || row.verdict(),
                |failure| format!("seed {} broke {}", failure.seed, failure.violation.promise),
            );
            status.set_message(message);
            status.set_type("dormouse");
            if let Some(finding) = findings.iter().find(|finding| finding.suite == row.suite) {
                status.set_description(&finding.text);
            }
        }
        let mut case = TestCase::new(&row.suite, status);
        case.set_classname("dormouse");
        case.set_time(row.summary.worked);
        case.set_system_out(format!("{} seeds: {}", row.summary.seeds, row.verdict()));
        all.add_test_case(case);
    }
    all.set_time(worked);
    report.add_test_suite(all);
    report.to_string().context("the report is text")
}
