//! Of a plan that is already small: one call or fault fewer, with a fault at any other injection point.
//!
//! Taking out one thing at a time ends where two things must change at once: without the first call the crash has to come at another
//! passage of another point. A small plan passes few points, so all of them can be tried.

use std::collections::BTreeSet;

use super::{draft::Draft, search::Search};
use crate::{
    anatomy::Passages,
    explore::plans::Seen,
    fault::{Fault, FaultKind, Trigger},
};

/// Beyond so many calls there are too many points.
const CALLS_MAX: usize = 8;
const FAULTS_MAX: usize = 3;
/// Up to so many calls, other kinds of fault are tried as well.
const CALLS_FOR_OTHER_KINDS_MAX: usize = 4;
/// The other kinds: what ends an activation, and no more than that.
const OTHER_KINDS: [FaultKind; 2] = [FaultKind::Evict, FaultKind::ProcessCrash];
/// How many passages of one point are tried, and how many in all.
const PASSAGES_OF_A_POINT_MAX: u64 = 30;
const PLACES_MAX: usize = 250;

pub(super) fn pass(search: &mut Search<'_>) {
    while smaller(search) {}
}

fn smaller(search: &mut Search<'_>) -> bool {
    let (best, seen) = (search.best().clone(), search.seen().clone());
    let places = best.places(&seen);
    let faults = best.plan.faults.len();
    if places.len() > CALLS_MAX || faults == 0 || faults > FAULTS_MAX {
        return false;
    }
    let mut bases = Vec::new();
    if faults > 1 {
        bases.extend((0..faults).map(|gone| {
            let mut fewer = best.plan.faults.clone();
            fewer.remove(gone);
            best.with_faults(fewer)
        }));
    }
    if places.len() > 1 {
        bases.extend(places.iter().rev().filter_map(|&place| {
            best.without(&BTreeSet::from([place]), &seen)
                .into_iter()
                .next()
        }));
    }
    bases
        .iter()
        .any(|base| with_a_fault_elsewhere(search, base))
}

/// Tries `base` with each of its faults at each passage of each point.
fn with_a_fault_elsewhere(search: &mut Search<'_>, base: &Draft) -> bool {
    for moved in 0..base.plan.faults.len() {
        let mut others = base.plan.faults.clone();
        let fault = others.remove(moved);
        let Some(seen) = search.look_at(&base.with_faults(others.clone())) else {
            return false;
        };
        let mut kinds = vec![fault.kind];
        if base.plan.clients.iter().map(Vec::len).sum::<usize>() <= CALLS_FOR_OTHER_KINDS_MAX {
            kinds.extend(OTHER_KINDS.iter().filter(|&&other| other != fault.kind));
        }
        let of_kind = |kind| Fault {
            kind,
            ..fault.clone()
        };
        let mut candidates = Vec::new();
        for fault in kinds.into_iter().map(of_kind) {
            candidates.extend(triggers(&fault, &seen).into_iter().map(|trigger| {
                let mut faults = others.clone();
                let fault = Fault {
                    trigger,
                    ..fault.clone()
                };
                faults.insert(moved, fault);
                base.with_faults(faults)
            }));
        }
        if search.first(candidates) {
            return true;
        }
    }
    false
}

/// All passages at which a fault could fire, those of its own point first.
fn triggers(fault: &Fault, seen: &Seen) -> Vec<Trigger> {
    let own = match &fault.trigger {
        Trigger::At(_) => "",
        Trigger::Point { name, .. } => name,
        Trigger::After(after) => &after.name,
    };
    let mut passages: Vec<&Passages> = seen
        .passages
        .iter()
        .filter(|passages| fault.kind.may_strike(passages))
        .collect();
    passages.sort_by_key(|passages| passages.name != own);
    let of_a_point = |passages: &&Passages| {
        let (machine, name) = (passages.machine.clone(), passages.name.clone());
        let times = passages.times.min(PASSAGES_OF_A_POINT_MAX);
        (1..=times).map(move |nth| Trigger::Point {
            machine: machine.clone(),
            name: name.clone(),
            nth,
        })
    };
    passages
        .iter()
        .flat_map(of_a_point)
        .take(PLACES_MAX)
        .collect()
}
