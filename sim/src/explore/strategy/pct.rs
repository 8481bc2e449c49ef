//! Priorities that change at a few points.
//!
//! Drawing each choice by itself makes it unlikely that one caller is far ahead of another one for long. Priorities do that by nature: whoever is high goes on
//! until nothing of his is ready, and whoever is low starves. A bug that needs *d* events in a certain order is hit with a probability that falls
//! with the number of choices to the power of *d* - 1 only, so few changes are enough: at most three here.

use crate::{Order, Seed, Suite, plan::RawPlan};

/// How many changes of priority there are at most.
const CHANGES_MAX: u64 = 3;
/// Below which number of a choice the changes lie: a run has some dozens of choices, or some hundreds, and nobody knows before.
const SCALES: [u64; 4] = [8, 32, 128, 512];

/// The seed's own plan, with an order by priorities.
pub(super) fn plan(suite: &Suite, seed: Seed) -> RawPlan {
    let plan = suite.plan(seed);
    let mut plan =
        RawPlan::from_json(&plan, suite.name()).expect("a generated plan is one of its suite");
    plan.order = order(seed);
    plan
}

/// Priorities, and where they change.
pub(super) fn order(seed: Seed) -> Order {
    let mut draw = seed.draw("pct", "changes", 0);
    let scale = usize::try_from(draw.below(SCALES.len() as u64)).expect("a small number");
    let count = draw.below(CHANGES_MAX + 1);
    let mut changes: Vec<_> = (0..count)
        .map(|_| u32::try_from(draw.below(SCALES[scale])).expect("a small number"))
        .collect();
    changes.sort_unstable();
    Order::Priorities { changes }
}
