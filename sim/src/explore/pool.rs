//! The pool: one worker process for each core, each given a task at a time.
//!
//! A worker that dies without a word costs its task: the task's seeds are then run one by one, each in a process of its own, until the one
//! that kills is found.

use std::{
    collections::VecDeque,
    io,
    ops::Range,
    sync::{Mutex, PoisonError, mpsc},
    thread,
};

use super::{
    Failure, Summary,
    strategy::Strategy,
    worker::{AfterFailure, Answer, Repeat, Task},
    worker_process::WorkerProcess,
};
use crate::{Seed, Violation};

/// The subcommand that makes the command a worker.
pub(super) const WORKER: &str = "worker";

/// The promise that a run broke which took its process with it.
pub(super) const RUN_ENDS: &str = "a run ends";

/// What one task came to.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) task: Task,
    /// Which of its seeds are done. Of a task that a hang cut in pieces, the others come again.
    pub(super) done: Range<u64>,
    pub(super) summary: Summary,
    pub(super) sample: Option<(Seed, u64)>,
    /// The worker's memory at the end of the task.
    pub(super) resident_bytes: Option<u64>,
}

impl Finished {
    /// All seeds that were run are done.
    fn whole(task: Task, summary: Summary) -> Self {
        let done = task.first..task.first.saturating_add(summary.seeds);
        Self {
            task,
            done,
            summary,
            sample: None,
            resident_bytes: None,
        }
    }
}

/// Tasks to come: those that a hang left over, then new ones as long as there are any.
struct Tasks<I> {
    left_over: VecDeque<Task>,
    new: Option<I>,
}

impl<I: Iterator<Item = Task>> Tasks<I> {
    fn next(&mut self) -> Option<Task> {
        let left_over = self.left_over.pop_front();
        left_over.or_else(|| self.new.as_mut()?.next())
    }
}

/// Runs `tasks` on `jobs` workers. `finished` hears of each result as it comes and says whether to go on.
///
/// # Errors
/// The command cannot execute itself.
pub(super) fn run(
    tasks: impl Iterator<Item = Task> + Send,
    jobs: usize,
    mut finished: impl FnMut(Finished) -> io::Result<GoOn>,
) -> io::Result<()> {
    let tasks = Mutex::new(Tasks {
        left_over: VecDeque::new(),
        new: Some(tasks),
    });
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs {
            let (tasks, sender) = (&tasks, sender.clone());
            scope.spawn(move || {
                let outcome = work_off(tasks, &sender);
                if let Err(error) = outcome {
                    sender.send(Err(error)).ok(); // nobody listens any more: it was told to stop
                }
            });
        }
        drop(sender);
        for result in results {
            let goes_on = result.and_then(&mut finished);
            if !matches!(goes_on, Ok(GoOn::Yes)) {
                let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
                tasks.left_over.clear();
                tasks.new = None;
            }
            goes_on?;
        }
        Ok(())
    })
}

/// Whether more tasks are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GoOn {
    Yes,
    No,
}

fn work_off(
    tasks: &Mutex<Tasks<impl Iterator<Item = Task>>>,
    results: &mpsc::Sender<io::Result<Finished>>,
) -> io::Result<()> {
    let mut worker: Option<WorkerProcess> = None;
    loop {
        let task = tasks.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some(task) = task else { return Ok(()) };
        let mut hands = match worker.take() {
            Some(hands) => hands,
            None => WorkerProcess::start(WORKER)?,
        };
        let result = match hands.ask(&task) {
            Some(Answer::Done {
                summary,
                sample,
                resident_bytes,
            }) => {
                worker = Some(hands);
                Finished {
                    sample,
                    resident_bytes,
                    ..Finished::whole(task, summary)
                }
            }
            Some(Answer::Hangs(seed)) => {
                if task.after_failure == AfterFailure::GoOn {
                    // What the worker had found before is lost with it, and what comes after was never run.
                    let (before, after) =
                        (seed.0 - task.first, task.first + task.count - seed.0 - 1);
                    let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
                    let pieces = [(task.first, before), (seed.0 + 1, after)];
                    let pieces = pieces.into_iter().filter(|(_, count)| *count > 0);
                    tasks.left_over.extend(pieces.map(|(first, count)| Task {
                        first,
                        count,
                        ..task.clone()
                    }));
                }
                let failure = Failure {
                    seed,
                    violation: Violation::new(RUN_ENDS, "the run hangs in real time"),
                    hash: 0,
                };
                let first = match task.after_failure {
                    AfterFailure::GoOn => seed.0,
                    AfterFailure::Stop => task.first,
                };
                let summary = Summary {
                    seeds: seed.0 - first + 1,
                    failures: vec![failure],
                    ..Summary::default()
                };
                Finished {
                    done: first..seed.0 + 1,
                    ..Finished::whole(task, summary)
                }
            }
            None => find_the_killer(task)?,
        };
        if results.send(Ok(result)).is_err() {
            return Ok(());
        }
    }
}

/// A worker died in `task` without a word: runs the seeds one by one, each in a fresh process.
fn find_the_killer(task: Task) -> io::Result<Finished> {
    let mut summary = Summary::default();
    for first in task.first..task.first.saturating_add(task.count) {
        let alone = Task {
            first,
            count: 1,
            ..task.clone()
        };
        match WorkerProcess::start(WORKER)?.ask(&alone) {
            Some(Answer::Done { summary: one, .. }) => summary.merge(one),
            Some(Answer::Hangs(_)) | None => {
                summary.seeds += 1;
                let violation = Violation::new(RUN_ENDS, "the run killed its process");
                summary.failures.push(Failure {
                    seed: Seed(first),
                    violation,
                    hash: 0,
                });
            }
        }
        if !summary.failures.is_empty() && task.after_failure == AfterFailure::Stop {
            break;
        }
    }
    if summary.failures.is_empty() {
        let why = format!(
            "a worker died over seeds {} to {}, and over none of them alone",
            task.first,
            task.first + task.count - 1
        );
        let violation = Violation::new(RUN_ENDS, why);
        summary.failures.push(Failure {
            seed: Seed(task.first),
            violation,
            hash: 0,
        });
    }
    Ok(Finished::whole(task, summary))
}

/// Runs one seed in a fresh process.
///
/// # Errors
/// The command cannot execute itself.
pub(super) fn in_a_fresh_process(suite: &str, seed: Seed) -> io::Result<Option<Answer>> {
    let task = Task {
        suite: suite.to_owned(),
        first: seed.0,
        count: 1,
        after_failure: AfterFailure::GoOn,
        repeat: Repeat::Once,
        strategy: Strategy::Random,
    };
    Ok(WorkerProcess::start(WORKER)?.ask(&task))
}
