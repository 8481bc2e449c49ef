//! The tally: what a campaign was asked, what it has done, and what came of it. A checkpoint holds it, `--format json` prints it, `merge` joins it.
//!
//! What was done and what came of it stand in one document that is written at once, so they cannot disagree: after a kill, a seed that is not
//! in the document was not counted and is run again.

use std::{collections::BTreeMap, fs, io::Write as _, ops::Range, path::Path, time::Duration};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use super::{
    Expectation, Failure, Summary,
    ranges::Ranges,
    seeds::Shard,
    strategy::Strategy,
    worker::{AfterFailure, Repeat},
};

/// The version of the document that this program writes and reads.
const TALLY_FORMAT: u32 = 1;

/// What a campaign has done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Tally {
    pub(super) format: u32,
    /// Which program ran the seeds: they mean nothing to another one.
    pub(super) program: String,
    pub(super) asked: Asked,
    /// How long it was at it, in real time.
    #[serde(with = "seconds")]
    pub(super) seconds: Duration,
    pub(super) suites: Vec<Row>,
    pub(super) memory: Memory,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    /// The first seed, and the one before which it ends.
    pub(super) seeds: Range<u64>,
    /// Which part of them.
    pub(super) shard: Option<Shard>,
    /// Whether it ends when its time is over, whatever is left then.
    pub(super) by_time: bool,
    pub(super) after_failure: AfterFailure,
    pub(super) repeat: Repeat,
    #[serde(default)]
    pub(super) strategy: Strategy,
}

impl Asked {
    /// The seeds of this shard.
    pub(super) fn range(&self) -> Range<u64> {
        let whole = || self.seeds.clone();
        self.shard
            .map_or_else(whole, |shard| shard.part_of(&self.seeds))
    }
}

/// What came of one suite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) suite: String,
    pub(super) expectation: Expectation,
    /// The seeds that were run, where every seed is expected to pass.
    pub(super) done: Ranges,
    pub(super) summary: Summary,
    /// Where a bug is expected: by its first seed, how many seeds each search took; `None` where the bug was not found.
    pub(super) searches: BTreeMap<u64, Option<u64>>,
}

/// How much memory a worker took, over the seeds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Memory {
    /// After so many seeds of the campaign, so many bytes: a few dozen samples, evenly spread.
    pub(super) samples: Vec<(u64, u64)>,
    /// Every how many tasks one is taken.
    every: u64,
    tasks: u64,
    pub(super) bytes_max: u64,
}

/// Of twice as many, every other one is forgotten.
const MEMORY_SAMPLES: usize = 32;

impl Memory {
    pub(super) fn add(&mut self, seeds: u64, bytes: u64) {
        self.bytes_max = self.bytes_max.max(bytes);
        self.every = self.every.max(1);
        if self.tasks.is_multiple_of(self.every) {
            self.samples.push((seeds, bytes));
        }
        self.tasks += 1;
        if self.samples.len() >= 2 * MEMORY_SAMPLES {
            let mut keep = false;
            self.samples.retain(|_| {
                keep = !keep;
                keep
            });
            self.every *= 2;
        }
    }

    /// For people; nothing if the system does not say.
    pub(super) fn in_words(&self) -> Option<String> {
        let mebibytes = |&(_, bytes): &(u64, u64)| bytes >> 20;
        let (first, last) = (self.samples.first()?, self.samples.last()?);
        let middle = self
            .samples
            .iter()
            .min_by_key(|(seeds, _)| seeds.abs_diff(last.0 / 2))?;
        Some(format!(
            "memory of a worker: {} MiB after {} seeds, {} MiB after {}, {} MiB after {}, at most {} MiB",
            mebibytes(first),
            first.0,
            mebibytes(middle),
            middle.0,
            mebibytes(last),
            last.0,
            self.bytes_max >> 20
        ))
    }
}

impl Tally {
    pub(super) fn new(
        program: String,
        asked: Asked,
        suites: impl IntoIterator<Item = (String, Expectation)>,
    ) -> Self {
        let rows = suites.into_iter().map(|(suite, expectation)| Row {
            suite,
            expectation,
            done: Ranges::default(),
            summary: Summary::default(),
            searches: BTreeMap::new(),
        });
        Self {
            format: TALLY_FORMAT,
            program,
            asked,
            seconds: Duration::ZERO,
            suites: rows.collect(),
            memory: Memory::default(),
        }
    }

    /// Reads one from a file.
    ///
    /// # Errors
    /// There is none, or it is not one of this version.
    pub(super) fn load(path: &Path) -> anyhow::Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let raw: serde_json::Value = serde_json::from_str(&text)
            .with_context(|| format!("{} is no summary of an exploration", path.display()))?;
        let format = raw.get("format").and_then(serde_json::Value::as_u64);
        if format != Some(u64::from(TALLY_FORMAT)) {
            let found = format.map_or_else(
                || "no format".to_owned(),
                |format| format!("format {format}"),
            );
            bail!(
                "{} has {found}, this version reads format {TALLY_FORMAT}",
                path.display()
            );
        }
        serde_json::from_value(raw)
            .with_context(|| format!("{} is no summary of an exploration", path.display()))
    }

    /// Puts it in the place of what the file held, at once: whenever the process dies, the file holds one of the two.
    ///
    /// # Errors
    /// The file or its folder cannot be written.
    pub(super) fn save(&self, path: &Path) -> anyhow::Result<()> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let name = path
            .file_name()
            .with_context(|| format!("{} is no file", path.display()))?;
        let new = folder
            .unwrap_or(Path::new("."))
            .join(format!(".{}.new", name.to_string_lossy()));
        let write = || {
            let mut file = fs::File::create(&new)?;
            file.write_all(&serde_json::to_vec(self)?)?;
            file.sync_data()?;
            fs::rename(&new, path)
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    /// How many seeds were run.
    pub(super) fn seeds(&self) -> u64 {
        self.suites.iter().map(|row| row.summary.seeds).sum()
    }

    pub(super) fn is_as_expected(&self) -> bool {
        self.suites.iter().all(Row::is_as_expected)
    }

    /// Adds what another part of the same campaign did.
    ///
    /// # Errors
    /// Some seeds are in both: they would count twice.
    fn join(&mut self, other: Self) -> anyhow::Result<()> {
        self.asked.seeds = self.asked.seeds.start.min(other.asked.seeds.start)
            ..self.asked.seeds.end.max(other.asked.seeds.end);
        self.asked.by_time |= other.asked.by_time;
        if other.asked.after_failure == AfterFailure::Stop {
            self.asked.after_failure = AfterFailure::Stop;
        }
        self.seconds += other.seconds;
        self.memory.bytes_max = self.memory.bytes_max.max(other.memory.bytes_max);
        for row in other.suites {
            let Some(mine) = self.suites.iter_mut().find(|mine| mine.suite == row.suite) else {
                self.suites.push(row);
                continue;
            };
            if mine.expectation != row.expectation {
                bail!(
                    "suite {} is expected to pass in one and to have a bug in the other",
                    row.suite
                );
            }
            for range in row.done.iter() {
                if !mine.done.add(&range) {
                    bail!(
                        "some of the seeds {} to {} of {} are in more than one",
                        range.start,
                        range.end - 1,
                        row.suite
                    );
                }
            }
            for (first, found) in row.searches {
                if mine.searches.insert(first, found).is_some() {
                    bail!(
                        "the search of {} from seed {first} on is in more than one",
                        row.suite
                    );
                }
            }
            mine.summary.merge(row.summary);
        }
        Ok(())
    }
}

/// Joins the summaries of shards, or of any parts.
///
/// Returns the whole and what is missing in it, in words.
///
/// # Errors
/// A file cannot be read, or seeds would count twice.
pub(super) fn merge(paths: &[impl AsRef<Path>]) -> anyhow::Result<(Tally, Vec<String>)> {
    let mut whole: Option<Tally> = None;
    let mut shards = Vec::new();
    for path in paths {
        let path = path.as_ref();
        let part = Tally::load(path)?;
        shards.extend(part.asked.shard);
        match &mut whole {
            None => whole = Some(part),
            Some(whole) => whole
                .join(part)
                .with_context(|| format!("cannot add {}", path.display()))?,
        }
    }
    let mut whole =
        whole.context("nothing to merge: name the files that `explore --format json` wrote")?;
    whole.asked.shard = None;
    let mut missing: Vec<_> = shards
        .first()
        .into_iter()
        .flat_map(|shard| shard.siblings())
        .filter(|shard| !shards.contains(shard))
        .map(|shard| format!("shard {shard} is missing"))
        .collect();
    let is_to_be_whole = !whole.asked.by_time;
    for row in whole.suites.iter().filter(|row| {
        is_to_be_whole && row.is_as_expected() && row.expectation == Expectation::Passes
    }) {
        missing.extend(
            row.done
                .missing(&whole.asked.seeds)
                .into_iter()
                .map(|range| {
                    format!(
                        "seeds {} to {} of {} are in none of the files",
                        range.start,
                        range.end - 1,
                        row.suite
                    )
                }),
        );
    }
    Ok((whole, missing))
}

impl Row {
    pub(super) fn is_as_expected(&self) -> bool {
        match self.expectation {
            Expectation::Passes => self.summary.failures.is_empty(),
            Expectation::IsFound => self.searches.values().all(Option::is_some),
        }
    }

    /// The failures that nobody wanted.
    pub(super) fn unexpected(&self) -> &[Failure] {
        match self.expectation {
            Expectation::Passes => &self.summary.failures,
            Expectation::IsFound => &[],
        }
    }
}

/// Times as seconds, which every program can read.
pub(super) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(in super::super) fn serialize<S: Serializer>(
        time: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(time.as_secs_f64())
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(seconds).map_err(D::Error::custom)
    }
}

#[cfg(test)]
#[path = "tally_tests.rs"]
mod tests;
