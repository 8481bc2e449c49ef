//! The outcome of a replay of traces as a table, for people.

use std::{collections::BTreeMap, fmt};

use super::{
    replay::{Failure, Outcome},
    vector::Scenario,
};

/// What a replay came to.
#[derive(Debug)]
pub struct Report<'a> {
    outcomes: Vec<(&'a Scenario, &'a Outcome)>,
}

/// How many scenarios of a topic came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Agree as a whole.
    pub passed: usize,
    /// Agree as far as they have a meaning in Rust.
    pub in_part: usize,
    /// Differ for a reason.
    pub differing: usize,
    /// Have no meaning in Rust.
    pub not_in_rust: usize,
    /// All of them.
    pub total: usize,
}

impl<'a> Report<'a> {
    /// The report of outcomes of scenarios, in the same order.
    pub fn new(scenarios: &'a [Scenario], outcomes: &'a [Outcome]) -> Self {
        Self {
            outcomes: scenarios.iter().zip(outcomes).collect(),
        }
    }

    /// Whether every scenario agrees or differs for a reason.
    pub fn is_good(&self) -> bool {
        !self
            .outcomes
            .iter()
            .any(|(_, outcome)| matches!(outcome, Outcome::Failed(_)))
    }

    /// The figures, by topic.
    pub fn tallies(&self) -> BTreeMap<&'a str, Tally> {
        let mut tallies: BTreeMap<_, Tally> = BTreeMap::new();
        for (scenario, outcome) in &self.outcomes {
            let tally = tallies.entry(scenario.topic()).or_default();
            tally.total += 1;
            match outcome {
                Outcome::Passed => tally.passed += 1,
                Outcome::InPart(_) => tally.in_part += 1,
                Outcome::Differs(_) => tally.differing += 1,
                Outcome::NotInRust(_) => tally.not_in_rust += 1,
                Outcome::Failed(_) => {}
            }
        }
        tallies
    }

    /// The scenarios that failed, with every place where they did.
    pub fn failures(&self) -> impl fmt::Display {
        let mut text = String::new();
        for (scenario, outcome) in &self.outcomes {
            if let Outcome::Failed(failures) = outcome {
                text.push_str(&scenario.name);
                for failure in failures {
                    text.push_str("\n  ");
                    text.push_str(&failure.to_string());
                }
                text.push('\n');
            }
        }
        text
    }

    fn by_reason(
        &self,
        reason_of: impl Fn(&Outcome) -> Option<&'static str>,
    ) -> BTreeMap<&'static str, Vec<&'a str>> {
        let mut by_reason: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (scenario, outcome) in &self.outcomes {
            if let Some(reason) = reason_of(outcome) {
                by_reason.entry(reason).or_default().push(&*scenario.name);
            }
        }
        by_reason
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Departed { place, departure } => write!(f, "{place}: {departure}"),
            Self::Panicked { place, text } => write!(f, "{place}: panicked: {text}"),
            Self::NeverReached(trace) => write!(f, "no run gave the recorded trace {trace}"),
            Self::NoTwin => f.write_str(
                "there is no twin of it: it is JavaScript, so somebody has to write one",
            ),
            Self::DiffersNoMore(difference) => {
                write!(
                    f,
                    "agrees, though it is said to differ: {}",
                    difference.reason
                )
            }
        }
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tallies = self.tallies();
        let width = tallies
            .keys()
            .map(|topic| topic.len())
            .max()
            .unwrap_or_default();
        let mut sum = Tally::default();
        for (topic, tally) in &tallies {
            let agreeing = tally.passed + tally.in_part;
            let fraction = format!("{agreeing}/{}", tally.total);
            write!(f, "{topic:width$}  {fraction:>7}")?;
            for (count, what) in [
                (tally.in_part, "of these in part"),
                (tally.differing, "known to differ"),
                (tally.not_in_rust, "not in Rust"),
            ] {
                if count > 0 {
                    write!(f, "  {count} {what}")?;
                }
            }
            writeln!(f)?;
            sum.passed += tally.passed;
            sum.in_part += tally.in_part;
            sum.differing += tally.differing;
            sum.not_in_rust += tally.not_in_rust;
            sum.total += tally.total;
        }
        let explained = [
            (
                "known to differ",
                self.by_reason(|outcome| match outcome {
                    Outcome::Differs(difference) => Some(difference.reason),
                    _ => None,
                }),
            ),
            (
                "not in Rust",
                self.by_reason(|outcome| match outcome {
                    Outcome::NotInRust(difference) => Some(difference.reason),
                    _ => None,
                }),
            ),
        ];
        for (title, by_reason) in explained {
            if !by_reason.is_empty() {
                writeln!(f, "\n{title}")?;
            }
            for (reason, scenarios) in by_reason {
                writeln!(f, "  {reason}")?;
                for scenario in scenarios {
                    writeln!(f, "    {scenario}")?;
                }
            }
        }
        self.write_left_out(f)?;
        let failed = sum.total - sum.passed - sum.in_part - sum.differing - sum.not_in_rust;
        writeln!(
            f,
            "\n{} of {} passed, {} of these in part, {} known to differ, {} not in Rust, {failed} failed",
            sum.passed + sum.in_part,
            sum.total,
            sum.in_part,
            sum.differing,
            sum.not_in_rust,
        )
    }
}

impl Report<'_> {
    fn write_left_out(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_part = self
            .outcomes
            .iter()
            .filter_map(|(scenario, outcome)| match outcome {
                Outcome::InPart(left_out) => Some((scenario, left_out)),
                _ => None,
            });
        let mut title = Some("left out of those that pass in part");
        for (scenario, left_out) in in_part {
            if let Some(title) = title.take() {
                writeln!(f, "\n{title}")?;
            }
            writeln!(f, "  {}", scenario.name)?;
            let mut by_reason: Vec<(&str, Vec<&str>)> = Vec::new();
            for it in left_out {
                match by_reason
                    .iter_mut()
                    .find(|(reason, _)| *reason == it.reason)
                {
                    Some((_, names)) => names.push(it.name()),
                    None => by_reason.push((it.reason, vec![it.name()])),
                }
            }
            for (reason, names) in by_reason {
                writeln!(f, "    {reason}: {}", names.join(" | "))?;
            }
        }
        Ok(())
    }
}
