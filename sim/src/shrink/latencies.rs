//! Of a plan that is already small: one call or fault fewer, with other latencies.
//!
//! How long messages and syncs take is drawn from the seed, by how many there were before on the same way. A window that is open only while the
//! third sync is slow keeps two calls in the plan that have nothing to do with it. So what is left is tried with the latencies of a few other seeds. By
//! then the seed decides nothing else: calls and faults stand in the plan.

use std::collections::BTreeSet;

use super::{draft::Draft, search::Search};
use crate::Seed;

/// Beyond so many calls there are too many ways.
const CALLS_MAX: usize = 10;
/// How many seeds' latencies are tried.
const SEEDS: u64 = 8;

pub(super) fn pass(search: &mut Search<'_>) {
    while smaller(search) {}
}

fn smaller(search: &mut Search<'_>) -> bool {
    let (best, seen) = (search.best(), search.seen());
    let places = best.places(seen);
    if places.len() > CALLS_MAX {
        return false;
    }
    let mut bases = Vec::new();
    if !best.plan.faults.is_empty() {
        bases.push(best.with_faults(Vec::new()));
    }
    if best.plan.faults.len() > 1 {
        bases.extend((0..best.plan.faults.len()).map(|gone| {
            let mut fewer = best.plan.faults.clone();
            fewer.remove(gone);
            best.with_faults(fewer)
        }));
    }
    if places.len() > 1 {
        let without = |gone: &[_]| best.without(&gone.iter().copied().collect(), seen);
        bases.extend(without(&places[1..]));
        for place in places.iter().rev() {
            bases.extend(best.without(&BTreeSet::from([*place]), seen));
        }
    }
    let with_seeds = |base: Draft| {
        (0..SEEDS).map(move |seed| {
            base.changed(|plan| {
                plan.seed = Seed(seed);
                plan.tape.clear();
            })
        })
    };
    let candidates: Vec<_> = bases.into_iter().flat_map(with_seeds).collect();
    search.first(candidates)
}
