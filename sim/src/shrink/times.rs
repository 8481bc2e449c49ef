//! Shorter and rounder times: pauses, outages, delays, and when faults happen and end.
//!
//! 0 says "it does not matter", 1 ms "a little", 10 s "until it hibernates"; 10,084 ms says nothing.

use super::{draft::Draft, search::Search};
use crate::{
    fault::{FaultKind, Trigger},
    plan::RawPlan,
};

/// Milliseconds that a person would write.
const ROUND: [u64; 22] = [
    0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 10_000,
    11_000, 20_000, 30_000, 60_000,
];

/// One time in a plan.
#[derive(Clone, Copy)]
enum Slot {
    Pause(usize, usize),
    Size(usize),
    When(usize),
    Heal,
}

pub(super) fn pass(search: &mut Search<'_>) {
    let no_pauses = search.best().changed(|plan| {
        for step in plan.clients.iter_mut().flatten() {
            step.pause = 0;
        }
    });
    search.first([no_pauses]);
    for slot in slots(&search.best().plan) {
        let now = get(&search.best().plan, slot);
        let mut shorter: Vec<_> = ROUND.into_iter().filter(|&round| round < now).collect();
        for digit in [1_000, 100, 10] {
            shorter.push(now / digit * digit);
        }
        shorter.retain(|&millis| millis < now);
        shorter.sort_unstable();
        shorter.dedup();
        let candidates = shorter
            .into_iter()
            .map(|millis| set(search.best(), slot, millis));
        let candidates: Vec<_> = candidates.collect();
        search.first(candidates);
    }
}

fn slots(plan: &RawPlan) -> Vec<Slot> {
    let mut slots = Vec::new();
    for (client, steps) in plan.clients.iter().enumerate() {
        slots.extend((0..steps.len()).map(|index| Slot::Pause(client, index)));
    }
    for place in 0..plan.faults.len() {
        slots.extend([Slot::When(place), Slot::Size(place)]);
    }
    // Without faults there is nothing to heal, and when it is done is of no interest.
    if !plan.faults.is_empty() {
        slots.push(Slot::Heal);
    }
    slots
}

fn get(plan: &RawPlan, slot: Slot) -> u64 {
    match slot {
        Slot::Pause(client, index) => plan.clients[client][index].pause,
        Slot::Size(place) => plan.faults[place].millis,
        Slot::When(place) => match plan.faults[place].trigger {
            Trigger::At(millis) => millis,
            Trigger::Point { .. } | Trigger::After(_) => 0,
        },
        // Below a second it ends before anything begins, and the story reads as if it began with its end.
        Slot::Heal => plan.heal_at,
    }
}

fn set(draft: &Draft, slot: Slot, millis: u64) -> Draft {
    draft.changed(|plan| match slot {
        Slot::Pause(client, index) => plan.clients[client][index].pause = millis,
        Slot::Size(place) => {
            let fault = &mut plan.faults[place];
            let is_outage = matches!(fault.kind, FaultKind::ProcessCrash | FaultKind::PowerLoss);
            // An outage takes at least a millisecond.
            fault.millis = if is_outage { millis.max(1) } else { millis };
        }
        Slot::When(place) => {
            if let Trigger::At(at) = &mut plan.faults[place].trigger {
                *at = millis;
            }
        }
        Slot::Heal => plan.heal_at = millis.max(1_000),
    })
}
