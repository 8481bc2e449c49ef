//! A corpus of plans that each showed something that no plan before it had shown.
//!
//! What a run showed are its [edges](crate::anatomy::Anatomy::edges): which event followed which on the same object, and at which event which
//! fault struck. There is no instrumentation of users' code: the runtime's own events are what the state of an object looks like from outside.

use std::collections::BTreeSet;

use super::mutation;
use crate::{Run, Seed, Suite, anatomy::Passages, plan::RawPlan};

/// How many plans are kept. The oldest go first: what they showed has been shown.
const PLANS_MAX: usize = 256;
/// One in so many plans is the seed's own.
const FRESH_ONE_IN: u64 = 3;
/// How many of the latest plans are chosen among, every other time: what was new a moment ago is where something new may be near.
const LATEST: u64 = 16;

#[derive(Default)]
pub(super) struct Corpus {
    kept: Vec<Kept>,
    seen: BTreeSet<u64>,
}

pub(super) struct Kept {
    pub(super) plan: RawPlan,
    pub(super) passages: Vec<Passages>,
}

impl Corpus {
    /// The plan for `seed`: its own, or a changed one of the corpus, with parts of its own.
    pub(super) fn plan(&self, suite: &Suite, seed: Seed) -> RawPlan {
        let own = suite.plan(seed);
        let own =
            RawPlan::from_json(&own, suite.name()).expect("a generated plan is one of its suite");
        let mut draw = seed.draw("coverage", "plan", 0);
        let count = self.kept.len() as u64;
        if count == 0 || draw.one_in(FRESH_ONE_IN) {
            return own;
        }
        let among = if draw.one_in(2) {
            count.min(LATEST)
        } else {
            count
        };
        let place = count - 1 - draw.below(among);
        let parent = &self.kept[usize::try_from(place).expect("an index")];
        mutation::changed(parent, &own, &mut draw)
    }

    /// Keeps `plan` if its run showed something new.
    pub(super) fn learn(&mut self, plan: RawPlan, run: &Run) {
        let Some(anatomy) = &run.anatomy else { return };
        let before = self.seen.len();
        self.seen.extend(&anatomy.edges);
        if self.seen.len() > before {
            if self.kept.len() == PLANS_MAX {
                self.kept.remove(0);
            }
            let passages = anatomy.passages.clone();
            self.kept.push(Kept { plan, passages });
        }
    }
}
