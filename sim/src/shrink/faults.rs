//! Fewer faults, then milder ones.

use super::{draft::Draft, search::Search};
use crate::fault::{Fault, FaultKind, Trigger};

/// From the mildest on: each may stand for those behind it.
const LOSSES_OF_MEMORY: [FaultKind; 4] = [
    FaultKind::Hibernate,
    FaultKind::Evict,
    FaultKind::ProcessCrash,
    FaultKind::PowerLoss,
];
/// A passage with a small number is named by it; others are as good as each other.
const PASSAGES_TRIED: u64 = 6;

/// Takes out all faults, those that never fired, each kind, and then as many as can be done without.
pub(super) fn take_out(search: &mut Search<'_>) {
    let draft = search.best().clone();
    if draft.plan.faults.is_empty() {
        return;
    }
    let fired = |place: usize| {
        search
            .seen()
            .firings
            .iter()
            .any(|firing| firing.fault == place)
    };
    let faults = &draft.plan.faults;
    let with = |keep: &dyn Fn(usize, &Fault) -> bool| {
        let kept = faults.iter().enumerate();
        let kept = kept.filter(|(place, fault)| keep(*place, fault));
        draft.with_faults(kept.map(|(_, fault)| fault.clone()).collect())
    };
    let mut candidates = vec![with(&|_, _| false), with(&|place, _| fired(place))];
    let kinds = FaultKind::ALL.into_iter();
    let of_kind = kinds.filter(|&kind| faults.iter().any(|fault| fault.kind == kind));
    let of_kind: Vec<_> = of_kind.collect();
    candidates.extend(
        of_kind
            .iter()
            .map(|&only| with(&|_, fault| fault.kind == only)),
    );
    candidates.extend(
        of_kind
            .iter()
            .map(|&but| with(&|_, fault| fault.kind != but)),
    );
    search.first(candidates);
    search.take_out(
        |search| search.best().plan.faults.len(),
        |search, range| {
            let mut faults = search.best().plan.faults.clone();
            faults.drain(range);
            vec![search.best().with_faults(faults)]
        },
    );
}

/// Replaces kinds by milder ones, and passages by those with the smallest numbers.
pub(super) fn tame(search: &mut Search<'_>) {
    for place in 0..search.best().plan.faults.len() {
        let fault = search.best().plan.faults[place].clone();
        let milder = LOSSES_OF_MEMORY
            .into_iter()
            .take_while(|&kind| kind != fault.kind);
        if LOSSES_OF_MEMORY.contains(&fault.kind) {
            let candidates: Vec<_> = milder
                .map(|kind| changed(search, place, |fault| fault.kind = kind))
                .collect();
            search.first(candidates);
        }
        let passage = match &search.best().plan.faults[place].trigger {
            Trigger::At(_) => continue,
            Trigger::Point { nth, .. } => *nth,
            Trigger::After(after) => after.nth,
        };
        let candidates: Vec<_> = (1..passage.min(PASSAGES_TRIED))
            .map(|lower| {
                changed(search, place, |fault| match &mut fault.trigger {
                    Trigger::At(_) => {}
                    Trigger::Point { nth, .. } => *nth = lower,
                    Trigger::After(after) => after.nth = lower,
                })
            })
            .collect();
        search.first(candidates);
    }
}

/// Long enough for an idle object to hibernate.
const LONG_PAUSE_MILLIS: u64 = 10_500;

/// What only empties an object's memory can be had without a fault: by leaving it alone for ten seconds before each call.
pub(super) fn wait_instead(search: &mut Search<'_>) {
    if search.best().plan.faults.is_empty() {
        return;
    }
    let patient = search.best().changed(|plan| {
        plan.faults.clear();
        for step in plan.clients.iter_mut().flatten() {
            step.pause = step.pause.max(LONG_PAUSE_MILLIS);
        }
    });
    search.first([patient]);
}

/// When something happens by itself: alarms and hibernation after so many seconds.
const BY_ITSELF_MILLIS: [u64; 7] = [1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 60_000];
/// How long after it a call may come to meet what it does.
const MEETING_MILLIS: [u64; 9] = [0, 1, 2, 3, 5, 8, 12, 20, 40];
/// A plan with more calls has no call that matters more than others.
const CALLS_TO_MEET: usize = 4;

/// A fault that only draws out what the object does by itself, such as an alarm's run, can be done without if a call comes right then.
pub(super) fn meet_instead(search: &mut Search<'_>) {
    let draft = search.best();
    let places = draft.places(search.seen());
    if draft.plan.faults.is_empty() || places.len() > CALLS_TO_MEET {
        return;
    }
    let mut candidates = Vec::new();
    for (client, index) in places {
        for by_itself in BY_ITSELF_MILLIS {
            candidates.extend(MEETING_MILLIS.map(|later| {
                draft.changed(|plan| {
                    plan.faults.clear();
                    plan.clients[client][index].pause = by_itself + later;
                })
            }));
        }
    }
    search.first(candidates);
}

/// Names the passage of each fault as it is counted from the start, which is easier to read in a plan that does not change any more.
pub(super) fn count_from_the_start(search: &mut Search<'_>) {
    let mut draft = search.best().clone();
    for firing in &search.seen().firings {
        if let Some(trigger @ Trigger::Point { .. }) = firing.triggers.first() {
            draft.plan.faults[firing.fault].trigger = trigger.clone();
        }
    }
    search.first([draft]);
}

fn changed(search: &Search<'_>, place: usize, change: impl FnOnce(&mut Fault)) -> Draft {
    search
        .best()
        .changed(|plan| change(&mut plan.faults[place]))
}
