//! Runs plans in this process, one after another.

use std::time::{Duration, Instant};

use super::{RunsPlans, Seen, Until};
use crate::{Detail, Suite, explore::run_plan};

/// Runs the plans of one suite.
pub(crate) struct Here<'a> {
    suite: &'a Suite,
    end: Option<Instant>,
}

impl<'a> Here<'a> {
    /// Takes as long as it takes.
    pub(crate) fn new(suite: &'a Suite) -> Self {
        Self { suite, end: None }
    }

    /// Stops after `time`.
    pub(crate) fn for_at_most(suite: &'a Suite, time: Duration) -> Self {
        Self {
            suite,
            end: Instant::now().checked_add(time),
        }
    }
}

impl RunsPlans for Here<'_> {
    fn run(&mut self, plans: &[String], until: Until<'_>) -> Vec<Option<Seen>> {
        let mut seen = Vec::new();
        for plan in plans {
            if self.time_is_up() {
                break;
            }
            let one = run_plan(self.suite, plan, Detail::Anatomy).ok();
            seen.push(one.map(Seen::of));
            if until.is_reached(seen.last().and_then(Option::as_ref)) {
                break;
            }
        }
        seen
    }

    fn time_is_up(&self) -> bool {
        self.end.is_some_and(|end| Instant::now() >= end)
    }
}
