//! Runs plans in this process, one after another.

use std::time::{Duration, Instant};

use super::{RunsPlans, Seen, Until};
use crate::{
    Detail, Seed, Suite,
    explore::{run_plan, watchdog::Watchdog},
};

/// Runs the plans of one suite.
pub(crate) struct Here<'a> {
    suite: &'a Suite,
    end: Option<Instant>,
    /// Who looks whether a run hangs, and as which seed's.
    watchdog: Option<(&'a Watchdog, Seed)>,
}

impl<'a> Here<'a> {
    /// Takes as long as it takes.
    pub(crate) fn new(suite: &'a Suite) -> Self {
        Self {
            suite,
            end: None,
            watchdog: None,
        }
    }

    /// Stops after `time`.
    pub(crate) fn for_at_most(suite: &'a Suite, time: Duration) -> Self {
        Self {
            suite,
            end: Instant::now().checked_add(time),
            watchdog: None,
        }
    }

    /// Lets `watchdog` look whether a run hangs.
    pub(in crate::explore) fn watched(mut self, watchdog: &'a Watchdog, seed: Seed) -> Self {
        self.watchdog = Some((watchdog, seed));
        self
    }
}

impl RunsPlans for Here<'_> {
    fn run(&mut self, plans: &[String], until: Until<'_>) -> Vec<Option<Seen>> {
        let mut seen = Vec::new();
        for plan in plans {
            if self.time_is_up() {
                break;
            }
            let run = || run_plan(self.suite, plan, Detail::Anatomy);
            let one = match self.watchdog {
                Some((watchdog, seed)) => watchdog.during(seed, run),
                None => run(),
            };
            let one = one.ok();
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
