//! The table at the end of an exploration.

use std::fmt::Write as _;

use super::{Expectation, tally::Row};
use crate::FaultKind;

impl Row {
    pub(super) fn verdict(&self) -> String {
        match self.expectation {
            Expectation::Passes if self.summary.failures.is_empty() => "pass".to_owned(),
            Expectation::Passes => match &self.summary.failures[..] {
                [failure] => format!("FAIL: seed {}", failure.seed),
                failures => format!("FAIL: {} seeds", failures.len()),
            },
            Expectation::IsFound => {
                let mut found: Vec<u64> = self.searches.values().flatten().copied().collect();
                found.sort_unstable();
                let missed = self.searches.len() - found.len();
                match found.get(found.len() / 2) {
                    None if self.searches.is_empty() => "not searched".to_owned(),
                    None => "NOT FOUND".to_owned(),
                    Some(_) if missed > 0 => {
                        format!("NOT FOUND in {missed} of {} searches", self.searches.len())
                    }
                    Some(median) => format!(
                        "found, after {median} seeds (median of {} searches, at most {})",
                        found.len(),
                        found.last().expect("there is a median")
                    ),
                }
            }
        }
    }
}

/// The table, and below it how often each kind of fault took effect.
pub(super) fn text(rows: &[Row]) -> String {
    try_text(rows).expect("writing to a string does not fail")
}

fn try_text(rows: &[Row]) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    let width = rows
        .iter()
        .map(|row| row.suite.len())
        .max()
        .unwrap_or(0)
        .max("suite".len());
    writeln!(
        out,
        "{:<width$}  {:>8}  {:>13}  {:>14}  verdict",
        "suite", "seeds", "schedules/s", "simulated time"
    )?;
    for row in rows {
        let summary = &row.summary;
        // Per core: the workers' time is added up.
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = summary.seeds as f64 / summary.worked.as_secs_f64().max(1e-9);
        writeln!(
            out,
            "{:<width$}  {:>8}  {:>13}  {:>14}  {}",
            row.suite,
            summary.seeds,
            format!("{rate:.0} a core"),
            simulated(summary.simulated.as_secs()),
            row.verdict()
        )?;
    }
    writeln!(out, "\nfaults that took effect")?;
    write!(out, "{:<width$}", "suite")?;
    for kind in FaultKind::ALL {
        write!(out, "  {:>13}", kind.label())?;
    }
    writeln!(out)?;
    for row in rows {
        write!(out, "{:<width$}", row.suite)?;
        for kind in FaultKind::ALL {
            write!(out, "  {:>13}", row.summary.effects.of(kind))?;
        }
        writeln!(out)?;
    }
    Ok(out)
}

fn simulated(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    if days > 0 {
        format!("{days} d {hours} h")
    } else {
        format!("{hours} h {minutes} min")
    }
}
