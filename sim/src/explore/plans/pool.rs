//! Runs plans in processes, several at a time.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    RunsPlans, Seen, Until,
    worker::{Asked, PLAN_WORKER, Told},
};
use crate::explore::worker_process::WorkerProcess;

/// Runs the plans of one suite on worker processes.
pub(crate) struct Workers {
    suite: String,
    idle: Vec<Option<WorkerProcess>>,
    end: Option<Instant>,
}

impl Workers {
    /// `jobs` processes, which are started when they are needed and work for at most `time`, if one is given.
    pub(crate) fn new(suite: &str, jobs: usize, time: Option<Duration>) -> Self {
        Self {
            suite: suite.to_owned(),
            idle: (0..jobs.max(1)).map(|_| None).collect(),
            end: time.and_then(|time| Instant::now().checked_add(time)),
        }
    }
}

impl RunsPlans for Workers {
    fn run(&mut self, plans: &[String], until: Until<'_>) -> Vec<Option<Seen>> {
        let (suite, end) = (&self.suite, self.end);
        let time_is_up = || end.is_some_and(|end| Instant::now() >= end);
        let next = AtomicUsize::new(0);
        // Nothing behind the first plan at which to stop is needed, and everything before it is.
        let last = AtomicUsize::new(plans.len());
        let seen = Mutex::new(vec![None; plans.len()]);
        thread::scope(|scope| {
            for worker in &mut self.idle {
                let (next, last, seen) = (&next, &last, &seen);
                scope.spawn(move || {
                    while !time_is_up() {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        if place >= plans.len() || place > last.load(Ordering::Relaxed) {
                            return;
                        }
                        let one = run_on(worker, suite, &plans[place]);
                        if until.is_reached(one.as_ref()) {
                            last.fetch_min(place, Ordering::Relaxed);
                        }
                        seen.lock().unwrap_or_else(PoisonError::into_inner)[place] = Some(one);
                    }
                });
            }
        });
        let seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        let needed = last.into_inner().saturating_add(1);
        // What was not reached in time ends the list.
        seen.into_iter()
            .take(needed)
            .map_while(|one: Option<Option<Seen>>| one)
            .collect()
    }

    fn time_is_up(&self) -> bool {
        self.end.is_some_and(|end| Instant::now() >= end)
    }
}

/// Runs one plan on `worker`, which is started if there is none, and left away if it died.
fn run_on(worker: &mut Option<WorkerProcess>, suite: &str, plan: &str) -> Option<Seen> {
    if worker.is_none() {
        *worker = WorkerProcess::start(PLAN_WORKER).ok();
    }
    let asked = Asked {
        suite: suite.to_owned(),
        plan: plan.to_owned(),
    };
    match worker.as_mut().and_then(|worker| worker.ask(&asked)) {
        Some(Told::Seen(seen)) => Some(*seen),
        Some(Told::Unusable) => None,
        Some(Told::Hangs) | None => {
            *worker = None;
            None
        }
    }
}
