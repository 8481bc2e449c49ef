//! What can be done to a node by hand, and what it tells of itself: for operators, and for simulators.

use std::{cell::Cell, time::Duration};

use super::{Node, NodeContext};
use crate::InMemory;

/// What was asked for, to be done to what comes next.
#[derive(Default)]
pub(super) struct Next {
    /// How many of the next exceptions that leave a handler reset their objects.
    exceptions_reset: Cell<u32>,
    /// How many of the next calls are refused.
    calls_refused: Cell<u32>,
    calls_repeated: Cell<Repeat>,
}

/// How many of the next calls are delivered again, and how much later.
#[derive(Clone, Copy, Default)]
struct Repeat {
    count: u32,
    after: Duration,
}

fn take_one(counter: &Cell<u32>) -> bool {
    let left = counter.get();
    counter.set(left.saturating_sub(1));
    left > 0
}

impl Node {
    /// Lets another activation take the place of each, as when objects move to another machine; returns how many there were. What they had begun may go
    /// on for half a minute, without storage (lifecycle 1.5, L-22).
    pub fn supersede_all(&self) -> usize {
        let activations = self.context.router.activations();
        for activation in &activations {
            activation.supersede();
        }
        activations.len()
    }

    /// Resets every object, as its own [`State::abort`](crate::State::abort) would; returns how many there were.
    pub fn abort_all(&self, reason: Option<&str>) -> usize {
        let activations = self.context.router.activations();
        for activation in &activations {
            activation.abort(reason);
        }
        activations.len()
    }

    /// Drops from the caches of the legacy key-value storage what the service has as well, as it may happen between any two turns; returns from how many. It never
    /// changes what a call gives, only whether it has to wait (LK-15).
    pub fn forget_cached(&self) -> usize {
        let activations = self.context.router.activations();
        let forgot = activations
            .iter()
            .filter(|activation| activation.storage.forget_cached());
        forgot.count()
    }

    /// Lets the next `count` exceptions that leave a handler reset their objects, when their callers have been told (lifecycle 4.2).
    pub fn reset_after_exceptions(&self, count: u32) {
        self.context.next.exceptions_reset.set(count);
    }

    /// Refuses the next `count` calls, as an object with too much waiting for it would (O-2).
    pub fn refuse_calls(&self, count: u32) {
        self.context.next.calls_refused.set(count);
    }

    /// Delivers the next `count` remote calls twice, the second time `after` the first: what a runtime does that makes a call again when its connection
    /// was lost. What the second one answers reaches nobody. (A `fetch` is delivered once: its body can be read once.)
    pub fn repeat_calls(&self, count: u32, after: Duration) {
        self.context
            .next
            .calls_repeated
            .set(Repeat { count, after });
    }

    /// The objects in memory, in the order of classes and ids, with what keeps each of them there.
    pub fn in_memory(&self) -> Vec<InMemory> {
        let activations = self.context.router.activations();
        activations
            .iter()
            .map(|activation| activation.in_memory())
            .collect()
    }

    /// Whether no object has anything pending: each that is in memory could hibernate right now.
    pub fn is_at_rest(&self) -> bool {
        let activations = self.context.router.activations();
        activations.iter().all(|activation| activation.is_idle())
    }
}

impl NodeContext {
    /// Whether an exception that has just left a handler resets its object.
    pub(crate) fn exception_resets(&self) -> bool {
        self.limits.reset_after_exception || take_one(&self.next.exceptions_reset)
    }

    /// Whether the call that has just arrived is delivered once more, and how much later.
    pub(super) fn repeats_a_call(&self) -> Option<Duration> {
        let Repeat { count, after } = self.next.calls_repeated.get();
        let count = count.checked_sub(1)?;
        self.next.calls_repeated.set(Repeat { count, after });
        Some(after)
    }

    /// Whether the call that has just arrived is refused although nothing waits.
    pub(super) fn refuses_a_call(&self) -> bool {
        take_one(&self.next.calls_refused)
    }
}
