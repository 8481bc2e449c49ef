//! When an activation ends without anything having gone wrong: hibernation, eviction.

use std::{rc::Rc, time::Duration};

use super::{Activation, pins::InMemory, retire::ShutdownReason};
use crate::{Error, instrument::point, platform::Instant};

/// How long an object must have had nothing to do before it hibernates (lifecycle 1.2).
const IDLE_BEFORE_HIBERNATION: Duration = Duration::from_secs(10);

/// How an activation came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It had nothing to do.
    Hibernated,
    /// It was thrown out, whatever it was doing.
    Evicted,
    /// Something broke it.
    Reset,
    /// Another activation took its place.
    Superseded,
}

impl Ending {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Hibernated => "hibernated",
            Self::Evicted => "evicted",
            Self::Reset => "reset",
            Self::Superseded => "superseded",
        }
    }
}

impl Activation {
    /// Nothing is pending: no handler, no critical section, no background task, no timer, no call, no write on its way to the disk.
    pub(crate) fn is_idle(&self) -> bool {
        self.tasks_in_flight() == 0
            && self.output.is_clear()
            && self.storage.is_idle()
            && self.sockets_are_idle()
            && !self.has_ended()
            && !self.retiring.get()
    }

    /// What people are told of it.
    pub(crate) fn in_memory(&self) -> InMemory {
        InMemory {
            object: Rc::clone(&self.label),
            pins: self.pins.list(self.node.platform.clock.now()),
            has_unconfirmed_writes: !self.output.is_clear()
                || !self.storage.is_idle()
                || !self.sockets_are_idle(),
        }
    }

    /// Something of it is over: perhaps it was the last thing.
    pub(super) fn may_be_idle(self: &Rc<Self>) {
        if self.has_ended() {
            return;
        }
        self.note_event();
        if !self.pins.is_empty() {
            if self.pins.need_protection() {
                self.node.arm_sweep();
            }
        } else if self.superseded.get() {
            self.end(Ending::Superseded, superseded());
        } else {
            self.wait_for_hibernation();
        }
    }

    /// An event arrives or ends.
    pub(super) fn note_event(&self) {
        self.last_event.set(self.node.platform.clock.now());
    }

    /// Hibernates the object unless an event arrives first; the wait starts from zero after each event (L-5).
    fn wait_for_hibernation(self: &Rc<Self>) {
        point!("idle", object = &*self.label);
        if self.node.limits.stay_in_memory {
            return;
        }
        let clock = &self.node.platform.clock;
        let timer = clock.sleep_until(clock.now() + IDLE_BEFORE_HIBERNATION);
        let arrivals = self.arrivals.get();
        let activation = Rc::downgrade(self);
        self.node.platform.spawn.spawn(Box::pin(async move {
            timer.await;
            if let Some(activation) = activation.upgrade()
                && activation.arrivals.get() == arrivals
                && !activation.hibernate()
                && activation.pins.is_empty()
                && !activation.has_ended()
                && !activation.retiring.get()
            {
                activation.wait_for_hibernation(); // a write is still on its way to the disk
            }
        }));
    }

    /// Drops the instance if it has nothing to do; says whether it did.
    pub(crate) fn hibernate(self: &Rc<Self>) -> bool {
        let idle = self.is_idle();
        if idle {
            // Nobody waits for anything, so nobody ever sees this error.
            self.retire_then(ShutdownReason::Inactive, |activation| {
                activation.end(Ending::Hibernated, superseded());
            });
        }
        idle
    }

    /// Throws the instance out in the middle of whatever it does; callers see a lost connection to it (lifecycle 4.4).
    pub(crate) fn evict(self: &Rc<Self>) {
        let error = no_longer_active();
        self.entry.mark_broken(error.clone());
        self.end(Ending::Evicted, error);
    }

    /// Whether the eviction sweep may take it: for longer than `unused` no event came or ended, and nothing protects it (lifecycle 1.2, L-11).
    pub(crate) fn may_be_swept(
        &self,
        now: Instant,
        unused: Duration,
        keep_alive: Duration,
    ) -> bool {
        let unused = now - self.last_event.get() > unused;
        unused && !self.pins.is_empty() && !self.pins.protect(now, keep_alive)
    }

    /// Throws an instance out that nobody calls, in the middle of what it does for itself (L-7). Stubs go on to its successor.
    pub(crate) fn sweep(self: &Rc<Self>) {
        self.retire_then(ShutdownReason::Inactive, |activation| {
            activation.end(Ending::Evicted, superseded());
        });
    }
}

/// What the code of an instance that is no more sees when it reaches for its storage (lifecycle 4.4).
pub(super) fn superseded() -> Error {
    Error::from("Durable Object storage is no longer accessible.")
        .with_retryable()
        .with_reset()
}

/// What callers of an instance see that was shut down under them (lifecycle 4.4).
pub(super) fn no_longer_active() -> Error {
    Error::from(
        "Connection closed: this Durable Object instance is no longer active. Reconnect or retry the request.",
    )
    .with_retryable()
}
