//! Runs plans in processes, several at a time.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
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
use crate::explore::worker::ANSWER;

/// Runs the plans of one suite on worker processes.
pub(crate) struct Workers {
    suite: String,
    idle: Vec<Option<Worker>>,
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
fn run_on(worker: &mut Option<Worker>, suite: &str, plan: &str) -> Option<Seen> {
    if worker.is_none() {
        *worker = Worker::start().ok();
    }
    let asked = Asked {
        suite: suite.to_owned(),
        plan: plan.to_owned(),
    };
    match worker.as_mut().and_then(|worker| worker.run(&asked)) {
        Some(Told::Seen(seen)) => Some(*seen),
        Some(Told::Unusable) => None,
        Some(Told::Hangs) | None => {
            *worker = None;
            None
        }
    }
}

struct Worker {
    process: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    fn start() -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        crate::explore::pool::keep_memory(&mut command);
        let mut process = command
            .arg(PLAN_WORKER)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let asks = process.stdin.take().expect("it was asked for");
        let answers = BufReader::new(process.stdout.take().expect("it was asked for"));
        Ok(Self {
            process,
            asks,
            answers,
        })
    }

    fn run(&mut self, asked: &Asked) -> Option<Told> {
        let mut line = serde_json::to_string(asked).expect("a plan's text has a JSON form");
        line.push('\n');
        self.asks.write_all(line.as_bytes()).ok()?;
        self.asks.flush().ok()?;
        loop {
            let mut line = Vec::new();
            if self.answers.read_until(b'\n', &mut line).ok()? == 0 {
                return None; // it is gone
            }
            if let Some(answer) = line.strip_prefix(ANSWER.as_bytes()) {
                return serde_json::from_slice(answer).ok();
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.process.kill().ok(); // it may be gone already
        self.process.wait().ok();
    }
}
