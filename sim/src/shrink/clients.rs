//! Fewer clients: all calls of one alone, all but those of one, or everything from one client, one call after the other.
//!
//! A client that has no calls left keeps its place, and with it the others keep their names, which their latencies are drawn by. At the end
//! the empty places go, if the failure does not.

use std::collections::BTreeSet;

use super::{
    draft::{Draft, Place},
    search::Search,
};
use crate::fault::Trigger;

/// Takes out whole clients.
pub(super) fn take_out(search: &mut Search<'_>) {
    loop {
        let draft = search.best();
        let busy: Vec<usize> = busy(draft);
        if busy.len() < 2 {
            return;
        }
        let places = draft.places(search.seen());
        let gone_if = |gone: &dyn Fn(usize) -> bool| -> BTreeSet<Place> {
            places
                .iter()
                .copied()
                .filter(|(client, _)| gone(*client))
                .collect()
        };
        let mut candidates = Vec::new();
        for &alone in &busy {
            candidates.extend(draft.without(&gone_if(&|client| client != alone), search.seen()));
        }
        for &left_out in busy.iter().rev() {
            candidates.extend(draft.without(&gone_if(&|client| client == left_out), search.seen()));
        }
        if !search.first(candidates) {
            return;
        }
    }
}

/// Lets the first client make all calls, in the order in which they were made or the other way round: calls that were under way together may have
/// arrived so. What needs no second client should not have one.
pub(super) fn join(search: &mut Search<'_>) {
    let draft = search.best();
    let busy = busy(draft);
    let (Some(&first), true) = (busy.first(), busy.len() > 1) else {
        return;
    };
    let places = draft.places(search.seen());
    let backwards: Vec<_> = places.iter().rev().copied().collect();
    let candidates = [places, backwards].map(|places| joined(draft, first, &places));
    search.first(candidates);
}

/// The draft with the calls at `places` made by one client, in that order.
fn joined(draft: &Draft, by: usize, places: &[Place]) -> Draft {
    let mut joined = draft.clone();
    let steps = places
        .iter()
        .map(|&(client, index)| draft.plan.clients[client][index].clone());
    let origins = places
        .iter()
        .map(|&(client, index)| draft.origins[client][index]);
    for (client, steps) in joined.plan.clients.iter_mut().enumerate() {
        steps.clear();
        joined.origins[client].clear();
    }
    joined.plan.clients[by] = steps.collect();
    joined.origins[by] = origins.collect();
    for fault in &mut joined.plan.faults {
        if let Trigger::After(after) = &mut fault.trigger {
            let now = places
                .iter()
                .position(|&(client, index)| (client + 1, index + 1) == (after.client, after.call));
            if let Some(now) = now {
                (after.client, after.call) = (by + 1, now + 1);
            }
        }
    }
    joined
}

/// Takes out the clients that make no calls, so that the others are called 1, 2, ...
pub(super) fn number_anew(search: &mut Search<'_>) {
    let draft = search.best();
    let busy = busy(draft);
    let mut numbered = draft.clone();
    numbered.plan.clients = busy
        .iter()
        .map(|&client| draft.plan.clients[client].clone())
        .collect();
    numbered.origins = busy
        .iter()
        .map(|&client| draft.origins[client].clone())
        .collect();
    let number = |old: usize| {
        let place = busy.iter().position(|client| client + 1 == old);
        place.map_or(old, |place| place + 1)
    };
    let name = |old: &str| {
        let client = old
            .strip_prefix("client-")
            .and_then(|client| client.parse().ok());
        client.map_or_else(
            || old.to_owned(),
            |client| format!("client-{}", number(client)),
        )
    };
    for fault in &mut numbered.plan.faults {
        match &mut fault.trigger {
            Trigger::At(_) => {}
            Trigger::Point { machine, .. } => *machine = name(machine),
            Trigger::After(after) => {
                after.machine = name(&after.machine);
                after.client = number(after.client);
            }
        }
    }
    search.first([numbered]);
}

fn busy(draft: &Draft) -> Vec<usize> {
    let clients = draft.plan.clients.iter().enumerate();
    let busy = clients.filter(|(_, steps)| !steps.is_empty());
    busy.map(|(client, _)| client).collect()
}
