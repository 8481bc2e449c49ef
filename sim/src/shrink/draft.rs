//! A plan under the knife: the plan, and which of the generated steps each of its steps is.
//!
//! Taking a call out moves things that are counted: calls of the same client, and passages of injection points. A draft moves them back, so that
//! what is left does what it did.

use std::collections::BTreeSet;

use crate::{
    anatomy::Firing,
    explore::plans::Seen,
    fault::{AfterCall, Fault, Trigger},
    plan::RawPlan,
};

/// The place of a step: its client's index and its own.
pub(super) type Place = (usize, usize);

/// A plan and where its steps come from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Draft {
    pub(super) plan: RawPlan,
    /// For each step the place of the generated step whose tree can make it simpler, if there is one.
    pub(super) origins: Vec<Vec<Option<Place>>>,
}

impl Draft {
    /// The places of all steps in the order in which the calls were made; those that never were come last.
    pub(super) fn places(&self, seen: &Seen) -> Vec<Place> {
        let mut places: Vec<_> = seen
            .invoked
            .iter()
            .map(|&(client, index)| (client - 1, index))
            .collect();
        let made: BTreeSet<_> = places.iter().copied().collect();
        let all = self
            .plan
            .clients
            .iter()
            .enumerate()
            .flat_map(|(client, steps)| (0..steps.len()).map(move |index| (client, index)));
        places.extend(all.filter(|place| !made.contains(place)));
        places
    }

    /// The same without some steps. What a client waited before them, it waits before its next one. There is more than one way to keep faults at
    /// their places, so there may be more than one result.
    pub(super) fn without(&self, gone: &BTreeSet<Place>, seen: &Seen) -> Vec<Self> {
        let mut draft = self.clone();
        for (client, steps) in draft.plan.clients.iter_mut().enumerate() {
            let origins = &mut draft.origins[client];
            let (mut index, mut waited) = (0, 0_u64);
            let mut kept = Vec::new();
            steps.retain_mut(|step| {
                let keep = !gone.contains(&(client, index));
                if keep {
                    kept.push(origins[index]);
                    step.pause = step.pause.saturating_add(std::mem::take(&mut waited));
                } else {
                    waited = waited.saturating_add(step.pause);
                }
                index += 1;
                keep
            });
            *origins = kept;
        }
        let mut drafts = Vec::new();
        for count_from in [CountFrom::LatestThatStays, CountFrom::Latest] {
            let mut anchored = draft.clone();
            for (place, fault) in anchored.plan.faults.iter_mut().enumerate() {
                let firing = seen.firings.iter().find(|firing| firing.fault == place);
                fault.trigger = moved(fault, firing, gone, count_from);
            }
            if !drafts.contains(&anchored) {
                drafts.push(anchored);
            }
        }
        drafts
    }

    /// The same with other faults.
    pub(super) fn with_faults(&self, faults: Vec<Fault>) -> Self {
        let mut draft = self.clone();
        draft.plan.faults = faults;
        draft
    }

    /// The same, changed.
    pub(super) fn changed(&self, change: impl FnOnce(&mut RawPlan)) -> Self {
        let mut draft = self.clone();
        change(&mut draft.plan);
        draft
    }
}

/// What stands for the calls that are gone between the call from which passages are counted and the fault.
#[derive(Clone, Copy, PartialEq)]
enum CountFrom {
    /// Nothing: the passages that they made will be made by others.
    LatestThatStays,
    /// They took their passages with them: as many are counted as there were since the latest call of all.
    Latest,
}

/// The trigger of a fault when the steps `gone` are gone, counted from a call that stays.
fn moved(
    fault: &Fault,
    firing: Option<&Firing>,
    gone: &BTreeSet<Place>,
    count_from: CountFrom,
) -> Trigger {
    let after_calls = firing.iter().flat_map(|firing| &firing.triggers);
    let mut after_calls = after_calls.filter_map(|trigger| match trigger {
        Trigger::After(after) => Some(after),
        Trigger::At(_) | Trigger::Point { .. } => None,
    });
    let stays = |after: &&AfterCall| !gone.contains(&(after.client - 1, after.call - 1));
    let latest = after_calls.clone().next();
    let stated = match &fault.trigger {
        Trigger::After(after) => Some(after),
        Trigger::At(_) | Trigger::Point { .. } => None,
    };
    let Some(found) = after_calls
        .find(stays)
        .or_else(|| stated.filter(|after| after.call > 0 && stays(after)))
    else {
        return fault.trigger.clone();
    };
    let mut after = found.clone();
    if count_from == CountFrom::Latest
        && let Some(latest) = latest
    {
        after.nth = latest.nth;
    }
    let gone_before = gone
        .iter()
        .filter(|(client, index)| *client + 1 == after.client && *index + 1 < after.call);
    after.call -= gone_before.count();
    Trigger::After(after)
}
