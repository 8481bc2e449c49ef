//! The outcome of a replay as a table, for people.

use std::{collections::BTreeMap, fmt};

use super::{compare::Mismatch, differences::explanation, replay::Verdict, vector::Case};

/// What a replay came to.
#[derive(Debug)]
pub struct Report<'a> {
    topics: BTreeMap<&'a str, Tally>,
    /// The cases that differ for a reason, by the rule and its reason.
    differing: BTreeMap<(&'static str, &'static str), Vec<&'a str>>,
    failing: Vec<(&'a Case, &'a [Mismatch])>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    passed: usize,
    differing: usize,
    total: usize,
}

impl<'a> Report<'a> {
    /// The report of verdicts on cases, in the same order.
    pub fn new(cases: &'a [Case], verdicts: &'a [Verdict]) -> Self {
        let mut report = Self {
            topics: BTreeMap::new(),
            differing: BTreeMap::new(),
            failing: Vec::new(),
        };
        for (case, verdict) in cases.iter().zip(verdicts) {
            let tally = report.topics.entry(case.topic()).or_default();
            tally.total += 1;
            if verdict.mismatches.is_empty() {
                tally.passed += 1;
            } else if let Some(reasons) = explanation(case, &verdict.mismatches) {
                tally.differing += 1;
                for reason in reasons {
                    let differing = report.differing.entry((reason.rule, reason.reason));
                    differing.or_default().push(&case.name);
                }
            } else {
                report.failing.push((case, &verdict.mismatches));
            }
        }
        report
    }

    /// Whether every case passes or differs for a reason.
    pub fn is_good(&self) -> bool {
        self.failing.is_empty()
    }

    /// The failing cases, each step that failed with what was expected and what came.
    pub fn failures(&self) -> impl fmt::Display {
        let mut text = String::new();
        for (case, mismatches) in &self.failing {
            text.push_str(&case.name);
            for mismatch in *mismatches {
                text.push_str("\n  ");
                text.push_str(&mismatch.to_string());
            }
            text.push('\n');
        }
        text
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.topics.keys().map(|topic| topic.len()).max();
        let width = width.unwrap_or_default();
        let mut sum = Tally::default();
        for (topic, tally) in &self.topics {
            let fraction = format!("{}/{}", tally.passed, tally.total);
            write!(f, "{topic:width$}  {fraction:>9}")?;
            if tally.differing > 0 {
                write!(f, "  {} known to differ", tally.differing)?;
            }
            writeln!(f)?;
            sum.passed += tally.passed;
            sum.differing += tally.differing;
            sum.total += tally.total;
        }
        if !self.differing.is_empty() {
            writeln!(f, "\nknown differences")?;
        }
        for ((rule, reason), cases) in &self.differing {
            writeln!(f, "  {rule}: {reason} ({})", cases.len())?;
            for case in cases {
                writeln!(f, "    {case}")?;
            }
        }
        writeln!(
            f,
            "\n{} of {} passed, {} known to differ, {} failed",
            sum.passed,
            sum.total,
            sum.differing,
            self.failing.len()
        )
    }
}
