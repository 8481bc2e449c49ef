//! Changes of a plan: faults moved, added and taken out, calls spliced in from another plan, other latencies, another order.

use super::{coverage::Kept, pct};
use crate::{
    Order, Seed,
    fault::{Fault, Trigger},
    plan::RawPlan,
    seed::Draw,
};

/// How many changes are made at once.
const CHANGES_MAX: u64 = 4;
/// More faults than this drown each other.
const FAULTS_MAX: usize = 8;
/// How many calls a client may come to have, as a multiple of those of the longer parent.
const GROWTH_MAX: usize = 2;
/// By how many passages a fault is moved, when it is moved a little.
const NEAR: u64 = 4;
/// Long enough for an idle object to hibernate.
const LONG_PAUSE_MILLIS: u64 = 10_200;

/// A plan like `parent`'s, with material of `other`.
pub(super) fn changed(parent: &Kept, other: &RawPlan, draw: &mut Draw) -> RawPlan {
    let mut plan = parent.plan.clone();
    for _ in 0..=draw.below(CHANGES_MAX) {
        match draw.below(10) {
            0 => add_a_fault(&mut plan, other, draw),
            1 => take_a_fault_out(&mut plan, draw),
            2 | 3 => move_a_fault(&mut plan, parent, draw),
            4 => splice(&mut plan, other, draw),
            5 => take_calls_out(&mut plan, draw),
            6 => wait(&mut plan, draw),
            7 => plan.order = Order::Seed,
            8 => plan.order = pct::order(Seed(draw.number())),
            _ => plan.seed = Seed(draw.number()),
        }
    }
    plan
}

fn pick(count: usize, draw: &mut Draw) -> Option<usize> {
    (count > 0).then(|| usize::try_from(draw.below(count as u64)).expect("an index"))
}

fn add_a_fault(plan: &mut RawPlan, other: &RawPlan, draw: &mut Draw) {
    if let Some(place) = pick(other.faults.len(), draw)
        && plan.faults.len() < FAULTS_MAX
    {
        plan.faults.push(other.faults[place].clone());
    }
}

fn take_a_fault_out(plan: &mut RawPlan, draw: &mut Draw) {
    if let Some(place) = pick(plan.faults.len(), draw) {
        plan.faults.remove(place);
    }
}

/// To a passage near by, or to any that the parent's run made.
fn move_a_fault(plan: &mut RawPlan, parent: &Kept, draw: &mut Draw) {
    let Some(place) = pick(plan.faults.len(), draw) else {
        return;
    };
    let fault: &mut Fault = &mut plan.faults[place];
    let near = draw.one_in(2);
    match &mut fault.trigger {
        Trigger::Point { nth, .. } if near => {
            *nth = (*nth + draw.below(2 * NEAR + 1))
                .saturating_sub(NEAR)
                .max(1);
        }
        trigger => {
            if let Some(passages) = pick(parent.passages.len(), draw) {
                let passages = &parent.passages[passages];
                *trigger = Trigger::Point {
                    machine: passages.machine.clone(),
                    name: passages.name.clone(),
                    nth: 1 + draw.below(passages.times),
                };
            }
        }
    }
}

/// A client goes on as one of the other plan does.
fn splice(plan: &mut RawPlan, other: &RawPlan, draw: &mut Draw) {
    let (Some(client), Some(donor)) = (
        pick(plan.clients.len(), draw),
        pick(other.clients.len(), draw),
    ) else {
        return;
    };
    let (steps, tail) = (&mut plan.clients[client], &other.clients[donor]);
    let most = steps.len().max(tail.len()) * GROWTH_MAX;
    let (Some(keep), Some(from)) = (pick(steps.len() + 1, draw), pick(tail.len(), draw)) else {
        return;
    };
    steps.truncate(keep);
    steps.extend(tail[from..].iter().cloned());
    steps.truncate(most);
}

fn take_calls_out(plan: &mut RawPlan, draw: &mut Draw) {
    let Some(client) = pick(plan.clients.len(), draw) else {
        return;
    };
    let steps = &mut plan.clients[client];
    if let Some(from) = pick(steps.len(), draw)
        && let Some(more) = pick(steps.len() - from, draw)
    {
        steps.drain(from..=from + more);
    }
}

fn wait(plan: &mut RawPlan, draw: &mut Draw) {
    let Some(client) = pick(plan.clients.len(), draw) else {
        return;
    };
    let steps = &mut plan.clients[client];
    if let Some(place) = pick(steps.len(), draw) {
        steps[place].pause = match draw.below(3) {
            0 => 0,
            1 => draw.below(50),
            _ => LONG_PAUSE_MILLIS,
        };
    }
}
