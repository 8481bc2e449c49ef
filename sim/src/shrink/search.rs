//! What all passes have in common: candidates are tried in their order, and the first that breaks the same promise is the new best plan.
//!
//! "The first in the list" and not "the first to be ready": so the number of processes changes nothing. A plan that was tried is
//! remembered by its hash.

use std::{collections::BTreeSet, ops::Range};

use xxhash_rust::xxh3::xxh3_64;

use super::{End, draft::Draft};
use crate::explore::plans::{RunsPlans, Seen, Until};

pub(super) struct Search<'a> {
    runner: &'a mut dyn RunsPlans,
    promise: String,
    best: Draft,
    seen: Seen,
    /// The hashes of plans that were run and did not break the promise, and of former best ones.
    tried: BTreeSet<u64>,
    runs: u64,
    runs_max: u64,
    end: Option<End>,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        best: Draft,
        seen: Seen,
        promise: String,
        runs_max: u64,
        runner: &'a mut dyn RunsPlans,
    ) -> Self {
        let tried = BTreeSet::from([hash(&text(&best))]);
        Self {
            runner,
            promise,
            best,
            seen,
            tried,
            runs: 1,
            runs_max,
            end: None,
        }
    }

    /// The smallest plan so far.
    pub(super) fn best(&self) -> &Draft {
        &self.best
    }

    /// What was seen of it.
    pub(super) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Whether nothing more can be tried.
    pub(super) fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    pub(super) fn runs(&self) -> u64 {
        self.runs
    }

    pub(super) fn into_best(self) -> (Draft, Seen, End) {
        (self.best, self.seen, self.end.unwrap_or(End::Smallest))
    }

    /// Takes the first of `candidates` that breaks the promise as well; says whether there was one.
    pub(super) fn first(&mut self, candidates: impl IntoIterator<Item = Draft>) -> bool {
        if self.end.is_some() {
            return false;
        }
        let (mut drafts, mut texts, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
        for draft in candidates {
            let text = text(&draft);
            let hash = hash(&text);
            if !self.tried.contains(&hash) && !hashes.contains(&hash) {
                drafts.push(draft);
                texts.push(text);
                hashes.push(hash);
            }
        }
        let left = usize::try_from(self.runs_max - self.runs).unwrap_or(usize::MAX);
        let too_many = texts.len() > left;
        texts.truncate(left);
        let results = self.runner.run(&texts, Until::Broken(&self.promise));
        self.runs += results.len() as u64;
        self.tried.extend(&hashes[..results.len()]);
        let ran_all = results.len() == texts.len();
        let last = results.len().wrapping_sub(1);
        let found = results
            .into_iter()
            .next_back()
            .flatten()
            .filter(|seen| seen.broke(&self.promise));
        if let Some(seen) = found {
            self.best = drafts.swap_remove(last);
            self.seen = seen;
            true
        } else {
            if !ran_all {
                self.end = Some(End::OutOfTime);
            } else if too_many {
                self.end = Some(End::OutOfRuns);
            }
            false
        }
    }

    /// Runs a plan that is no candidate, to see what it does.
    pub(super) fn look_at(&mut self, draft: &Draft) -> Option<Seen> {
        if self.end.is_some() || self.runs >= self.runs_max {
            return None;
        }
        self.runs += 1;
        self.runner
            .run(&[text(draft)], Until::AllRan)
            .pop()
            .flatten()
    }

    /// Takes as many things out of the plan as it can do without: large chunks first, from the back, down to single ones. `count` says how many
    /// there are, `without` makes candidates that lack a range of them.
    pub(super) fn take_out(
        &mut self,
        count: impl Fn(&Self) -> usize,
        without: impl Fn(&Self, Range<usize>) -> Vec<Draft>,
    ) {
        let mut size = count(self);
        loop {
            let things = count(self);
            size = size.min(things);
            if size == 0 || self.end.is_some() {
                return;
            }
            let mut candidates = Vec::new();
            let mut end = things;
            while end > 0 {
                let start = end.saturating_sub(size);
                candidates.extend(without(self, start..end));
                end = start;
            }
            if !self.first(candidates) {
                if size == 1 {
                    return;
                }
                size /= 2;
            }
        }
    }
}

fn text(draft: &Draft) -> String {
    serde_json::to_string(&draft.plan).expect("a plan has a JSON form")
}

fn hash(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}
