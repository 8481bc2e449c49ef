//! Order: everything happens as it arrives, but for the few choices that matter.
//!
//! At first the whole order is left to arrival, and mostly the failure remains. Where it does not, the order is written down as a tape, and choices of it are
//! replaced by 0, "what arrived first", in blocks and then one by one. What remains are the preemptions that the bug needs; rarely more than three.

use super::search::Search;
use crate::{Order, Tape};

/// Tries whether the order matters at all.
pub(super) fn leave_to_arrival(search: &mut Search<'_>) {
    let draft = search.best();
    let by_arrival = draft.changed(|plan| {
        plan.tape.clear();
        plan.order = Order::Arrival;
        plan.redraw = None;
    });
    let mut candidates = vec![by_arrival];
    if !draft.plan.tape.is_empty() {
        // A tape goes by position, and what is taken out moves all that follows; the seed goes by key.
        candidates.push(draft.changed(|plan| plan.tape.clear()));
    }
    search.first(candidates);
}

pub(super) fn pass(search: &mut Search<'_>) {
    leave_to_arrival(search);
    if search.best().plan.order != Order::Arrival {
        // The same run, with its order written down.
        let tape = search.seen().tape.clone();
        let written_down = search.best().changed(|plan| {
            plan.tape = tape;
            plan.order = Order::Arrival;
            plan.redraw = None;
        });
        if !search.first([written_down]) {
            return;
        }
    }
    search.take_out(
        |search| out_of_order(&search.best().plan.tape).len(),
        |search, range| {
            let mut tape = search.best().plan.tape.clone();
            for &choice in &out_of_order(&tape)[range] {
                tape[choice].taken = 0;
            }
            let tape = needed(&Order::Arrival, tape);
            vec![search.best().changed(|plan| plan.tape = tape)]
        },
    );
}

/// The choices at which something did not happen as it arrived.
fn out_of_order(tape: &Tape) -> Vec<usize> {
    let choices = tape.iter().enumerate();
    let out_of_order = choices.filter(|(_, choice)| choice.taken > 0);
    out_of_order.map(|(place, _)| place).collect()
}

/// What of a run's tape has to be kept for it to be repeated under `order`.
pub(super) fn needed(order: &Order, mut tape: Tape) -> Tape {
    if *order == Order::Arrival {
        while tape.last().is_some_and(|choice| choice.taken == 0) {
            tape.pop();
        }
    }
    tape
}
