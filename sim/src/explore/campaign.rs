//! A campaign: the seeds that were asked for, on all cores, with a checkpoint now and then.
//!
//! Seeds are handed out in tasks, the suites in turn. What a task did is added to the [`Tally`] when it is over, and the tally is written down whole. So
//! a campaign that was killed goes on where its checkpoint ends: a task that was under way was not counted and is run again.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write as _,
    fs,
    io::{self, IsTerminal as _},
    ops::Range,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    Expectation, Failure, Listed, NO_PANIC, SAME_RUN,
    pool::{self, Finished, GoOn},
    strategy::Strategy,
    tally::{Asked, Row, Tally},
    worker::{AfterFailure, Answer, Task},
};
use crate::{Seed, Violation, check::linearizable};

/// How many searches the median number of seeds to find a bug is taken over.
const SEARCHES: u64 = 21;
/// How many seeds one search may take.
const SEARCH_SEEDS_MAX: u64 = 2_000;
/// Searches begin so far apart.
const SEARCHES_APART: u64 = 1_000_000;
/// How many seeds a worker is given at a time.
const SEEDS_A_TASK: u64 = 50;
/// The same where a task learns from its own seeds.
const SEEDS_A_LEARNING_TASK: u64 = 500;
/// How long ago the checkpoint may be, at most, plus one task.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(500);
/// How many of the passing runs are looked at a second time.
const SAMPLES_COMPARED_MAX: usize = 20;

/// A campaign, as it was asked for.
#[derive(Debug)]
pub(super) struct Campaign {
    pub(super) asked: Asked,
    pub(super) time: Option<Duration>,
    pub(super) jobs: usize,
    pub(super) checkpoint: Option<PathBuf>,
    pub(super) after_kill: AfterKill,
}

/// What to do if there is a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterKill {
    /// It must not be lost by mistake.
    Refuse,
    /// Go on from there.
    Resume,
}

impl Campaign {
    /// Runs what is left of it.
    ///
    /// # Errors
    /// Workers cannot be started, or the checkpoint is of no use.
    pub(super) fn run(&self, suites: &[Listed]) -> anyhow::Result<Tally> {
        let mut tally = self.begin(suites)?;
        let row_of: BTreeMap<_, _> = tally
            .suites
            .iter()
            .zip(0..)
            .map(|(row, index)| (row.suite.clone(), index))
            .collect();
        let tasks = self.tasks(&tally);
        let progress = self.progress_bar(&tally);
        let mut samples = Samples::default();
        let (started, before) = (Instant::now(), tally.seconds);
        let mut saved: Option<Instant> = None;
        let outcome = pool::run(tasks, self.jobs, |finished| {
            progress.inc(finished.summary.seeds);
            progress.set_message(finished.task.suite.clone());
            let index = row_of[&finished.task.suite];
            let goes_on = add(
                &mut tally,
                index,
                finished,
                self.asked.after_failure,
                &mut samples,
            );
            tally.seconds = before + started.elapsed();
            let is_old = saved.is_none_or(|saved| saved.elapsed() >= CHECKPOINT_EVERY);
            if let Some(path) = self.checkpoint.as_ref().filter(|_| is_old) {
                tally.save(path).map_err(io::Error::other)?;
                saved = Some(Instant::now());
            }
            Ok(goes_on)
        });
        progress.finish_and_clear();
        outcome.context("the exploration broke off")?;
        samples.compare(&mut tally.suites, &row_of)?;
        if let Some(path) = &self.checkpoint {
            tally.save(path)?;
        }
        eprintln!(
            "{:.1} s on {} worker processes",
            started.elapsed().as_secs_f64(),
            self.jobs
        );
        Ok(tally)
    }

    /// An empty tally, or that of the checkpoint.
    fn begin(&self, suites: &[Listed]) -> anyhow::Result<Tally> {
        let program = program()?;
        let listed = suites
            .iter()
            .map(|listed| (listed.suite().name().to_owned(), listed.expectation));
        let new = Tally::new(program, self.asked.clone(), listed);
        let Some(path) = self.checkpoint.as_ref().filter(|path| path.exists()) else {
            return Ok(new);
        };
        if self.after_kill == AfterKill::Refuse {
            bail!(
                "{} is there already: go on with it by --resume, or remove it",
                path.display()
            );
        }
        let old = Tally::load(path)?;
        let names = |tally: &Tally| {
            tally
                .suites
                .iter()
                .map(|row| row.suite.clone())
                .collect::<Vec<_>>()
        };
        if names(&old) != names(&new) {
            bail!(
                "{} is of the suites {}, asked for are {}",
                path.display(),
                names(&old).join(", "),
                names(&new).join(", ")
            );
        }
        if old.asked != new.asked {
            bail!(
                "{} is of another exploration: it is {}, asked for is {}",
                path.display(),
                old.asked.in_words(),
                new.asked.in_words()
            );
        }
        if old.program != new.program {
            bail!(
                "{} was written by another build of this program, and a seed means something else to that: remove it and begin anew",
                path.display()
            );
        }
        Ok(old)
    }

    /// Everything that is left to do.
    fn tasks(&self, tally: &Tally) -> impl Iterator<Item = Task> + Send + use<> {
        let is_over = self.asked.after_failure == AfterFailure::Stop
            && tally.suites.iter().any(|row| !row.unexpected().is_empty());
        let queues = tally
            .suites
            .iter()
            .filter(|_| !is_over)
            .map(|row| self.tasks_of(row))
            .collect();
        let (started, time) = (Instant::now(), self.time);
        InTurn(queues).take_while(move |_| time.is_none_or(|time| started.elapsed() < time))
    }

    fn tasks_of(&self, row: &Row) -> Box<dyn Iterator<Item = Task> + Send> {
        let suite = row.suite.clone();
        let Asked {
            after_failure,
            repeat,
            strategy,
            ..
        } = self.asked;
        match row.expectation {
            Expectation::Passes => {
                let left = row.done.missing(&self.asked.range());
                Box::new(
                    left.into_iter()
                        .flat_map(move |range| cut(range, strategy))
                        .map(move |seeds| Task {
                            suite: suite.clone(),
                            first: seeds.start,
                            count: seeds.end - seeds.start,
                            after_failure,
                            repeat,
                            strategy,
                        }),
                )
            }
            Expectation::IsFound => {
                let searches = self
                    .asked
                    .shard
                    .map_or(0..SEARCHES, |shard| shard.part_of(&(0..SEARCHES)));
                let start = self.asked.seeds.start;
                let firsts =
                    searches.map(move |search| start.saturating_add(search * SEARCHES_APART));
                let left: Vec<_> = firsts
                    .filter(|first| !row.searches.contains_key(first))
                    .collect();
                Box::new(left.into_iter().map(move |first| Task {
                    suite: suite.clone(),
                    first,
                    count: SEARCH_SEEDS_MAX,
                    after_failure: AfterFailure::Stop,
                    repeat,
                    strategy,
                }))
            }
        }
    }

    fn progress_bar(&self, tally: &Tally) -> ProgressBar {
        if !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let correct = tally
            .suites
            .iter()
            .filter(|row| row.expectation == Expectation::Passes);
        let range = self.asked.range();
        let seeds = (range.end - range.start).saturating_mul(correct.count() as u64);
        if self.time.is_some() || seeds == 0 {
            let style = ProgressStyle::with_template("{spinner} {pos} seeds, {elapsed}  {msg}");
            return ProgressBar::new_spinner().with_style(style.expect("the template is right"));
        }
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {eta} left  {msg}");
        let bar = ProgressBar::new(seeds).with_style(style.expect("the template is right"));
        bar.set_position(tally.seeds());
        bar
    }
}

impl Asked {
    fn in_words(&self) -> String {
        let Self {
            seeds,
            shard,
            by_time,
            after_failure,
            repeat,
            strategy,
        } = self;
        let mut words = format!("seeds {} to {}", seeds.start, seeds.end);
        if let Some(shard) = shard {
            let _ = write!(words, ", shard {shard}");
        }
        if *by_time {
            words += ", by time";
        }
        if *after_failure == AfterFailure::GoOn {
            words += ", going on after failures";
        }
        if *repeat == super::worker::Repeat::Twice {
            words += ", each twice";
        }
        if *strategy != Strategy::default() {
            let _ = write!(words, ", by strategy {}", strategy.label());
        }
        words
    }
}

/// Pieces of the size of a task.
fn cut(range: Range<u64>, strategy: Strategy) -> impl Iterator<Item = Range<u64>> {
    let seeds_a_task = match strategy {
        Strategy::Coverage => SEEDS_A_LEARNING_TASK,
        Strategy::Random | Strategy::Pct => SEEDS_A_TASK,
    };
    let end = range.end;
    let mut next = range.start;
    std::iter::from_fn(move || {
        let start = next;
        next = end.min(start.saturating_add(seeds_a_task));
        (start < end).then_some(start..next)
    })
}

/// One of each, and again from the first, until none has any left.
struct InTurn(VecDeque<Box<dyn Iterator<Item = Task> + Send>>);

impl Iterator for InTurn {
    type Item = Task;

    fn next(&mut self) -> Option<Task> {
        while let Some(mut queue) = self.0.pop_front() {
            if let Some(task) = queue.next() {
                self.0.push_back(queue);
                return Some(task);
            }
        }
        None
    }
}

fn add(
    tally: &mut Tally,
    index: usize,
    finished: Finished,
    after_failure: AfterFailure,
    samples: &mut Samples,
) -> GoOn {
    let seeds = tally.seeds() + finished.summary.seeds;
    if let Some(bytes) = finished.resident_bytes {
        tally.memory.add(seeds, bytes);
    }
    let row = &mut tally.suites[index];
    match row.expectation {
        Expectation::Passes => {
            let is_new = row.done.add(&finished.done);
            assert!(
                is_new,
                "{:?} of {} were run twice",
                finished.done, row.suite
            );
        }
        Expectation::IsFound => {
            let failure = finished
                .summary
                .failures
                .first()
                .filter(|failure| is_about_the_object(failure));
            let found = failure.map(|failure| failure.seed.0 - finished.task.first + 1);
            row.searches.insert(finished.task.first, found);
        }
    }
    // One run in a task is compared with another process's at the end; not where a run is made of more than its seed.
    if let Some(sample) = finished
        .sample
        .filter(|_| finished.task.strategy == Strategy::Random)
    {
        samples.add(finished.task.suite, sample);
    }
    row.summary.merge(finished.summary);
    if row.unexpected().is_empty() || after_failure == AfterFailure::GoOn {
        GoOn::Yes
    } else {
        GoOn::No
    }
}

/// Whether a failure says something of the object, and not of the simulator: only that finds a bug.
pub(super) fn is_about_the_object(failure: &Failure) -> bool {
    let ours = [
        pool::RUN_ENDS,
        NO_PANIC,
        SAME_RUN,
        linearizable::PROMISE_JUDGED,
    ];
    !ours.contains(&failure.violation.promise.as_str())
}

/// A few runs, evenly spread over a campaign of any length.
#[derive(Default)]
struct Samples {
    kept: Vec<(String, (Seed, u64))>,
    every: usize,
    offered: usize,
}

impl Samples {
    fn add(&mut self, suite: String, sample: (Seed, u64)) {
        self.every = self.every.max(1);
        if self.offered.is_multiple_of(self.every) {
            self.kept.push((suite, sample));
        }
        self.offered += 1;
        if self.kept.len() >= 2 * SAMPLES_COMPARED_MAX {
            let kept = std::mem::take(&mut self.kept);
            self.kept = kept.into_iter().step_by(2).collect();
            self.every *= 2;
        }
    }

    /// Runs them again, in fresh processes: the same seed must give the same trace.
    fn compare(&self, rows: &mut [Row], row_of: &BTreeMap<String, usize>) -> anyhow::Result<()> {
        let step = self.kept.len().div_ceil(SAMPLES_COMPARED_MAX).max(1);
        for (suite, (seed, hash)) in self.kept.iter().step_by(step) {
            let answer =
                pool::in_a_fresh_process(suite, *seed).context("cannot run a worker process")?;
            if let Some(Answer::Done {
                sample: Some((_, other)),
                ..
            }) = answer
                && other != *hash
            {
                let why = format!(
                    "seed {seed}: trace {hash:016x} in one process, {other:016x} in another"
                );
                let row = &mut rows[row_of[suite]];
                row.expectation = Expectation::Passes; // nothing else can be believed
                let failure = Failure {
                    seed: *seed,
                    violation: Violation::new(SAME_RUN, why),
                    hash: *hash,
                };
                row.summary.failures.insert(0, failure);
            }
        }
        Ok(())
    }
}

/// What tells this build from another one.
fn program() -> anyhow::Result<String> {
    let path = std::env::current_exe().context("this program does not know where it is")?;
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(format!(
        "{} {:016x}",
        env!("CARGO_PKG_VERSION"),
        xxh3_64(&bytes)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::worker::Repeat;

    fn campaign(seeds: Range<u64>, shard: Option<&str>) -> Campaign {
        Campaign {
            asked: Asked {
                seeds,
                shard: shard.map(|shard| shard.parse().expect("a shard")),
                by_time: false,
                after_failure: AfterFailure::GoOn,
                repeat: Repeat::Once,
                strategy: Strategy::Random,
            },
            time: None,
            jobs: 1,
            checkpoint: None,
            after_kill: AfterKill::Refuse,
        }
    }

    fn tally(campaign: &Campaign, suites: &[(&str, Expectation)]) -> Tally {
        let suites = suites
            .iter()
            .map(|(suite, expectation)| ((*suite).to_owned(), *expectation));
        Tally::new(String::new(), campaign.asked.clone(), suites)
    }

    #[test]
    fn suites_take_turns_and_every_seed_is_in_one_task() {
        let campaign = campaign(10..130, None);
        let tally = tally(
            &campaign,
            &[("a", Expectation::Passes), ("b", Expectation::Passes)],
        );
        let tasks: Vec<_> = campaign
            .tasks(&tally)
            .map(|task| (task.suite, task.first, task.count))
            .collect();
        let expected = [
            ("a", 10, 50),
            ("b", 10, 50),
            ("a", 60, 50),
            ("b", 60, 50),
            ("a", 110, 20),
            ("b", 110, 20),
        ];
        assert_eq!(
            tasks,
            expected.map(|(suite, first, count)| (suite.to_owned(), first, count))
        );
    }

    #[test]
    fn what_is_done_is_not_handed_out_again() {
        let campaign = campaign(0..200, None);
        let mut tally = tally(&campaign, &[("a", Expectation::Passes)]);
        assert!(tally.suites[0].done.add(&(0..60)));
        assert!(tally.suites[0].done.add(&(100..150)));
        let tasks: Vec<_> = campaign
            .tasks(&tally)
            .map(|task| (task.first, task.count))
            .collect();
        assert_eq!(tasks, [(60, 40), (150, 50)]);
    }

    #[test]
    fn the_searches_of_all_shards_are_those_of_the_whole() {
        let firsts = |shard: Option<&str>| -> Vec<u64> {
            let campaign = campaign(5..10, shard);
            let tally = tally(&campaign, &[("a", Expectation::IsFound)]);
            campaign.tasks(&tally).map(|task| task.first).collect()
        };
        let parts: Vec<_> = ["1/4", "2/4", "3/4", "4/4"]
            .into_iter()
            .flat_map(|shard| firsts(Some(shard)))
            .collect();
        assert_eq!(parts, firsts(None));
        assert_eq!(parts.len(), 21);
    }

    #[test]
    fn a_time_that_is_over_hands_out_nothing() {
        let campaign = Campaign {
            time: Some(Duration::ZERO),
            ..campaign(0..u64::MAX, None)
        };
        let tally = tally(&campaign, &[("a", Expectation::Passes)]);
        assert_eq!(campaign.tasks(&tally).count(), 0);
    }
}
