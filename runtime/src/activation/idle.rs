//! When an activation ends without anything having gone wrong: hibernation, eviction, abort.

use std::{rc::Rc, time::Duration};

use super::Activation;
use crate::{Error, instrument::point};

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
}

impl Ending {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Hibernated => "hibernated",
            Self::Evicted => "evicted",
            Self::Reset => "reset",
        }
    }
}

impl Activation {
    /// Nothing is in flight: no handler, no critical section, no background task, no call that waits for a write to be durable.
    pub(crate) fn is_idle(&self) -> bool {
        self.tasks_in_flight() == 0
            && self.output.is_clear()
            && self.storage.is_idle()
            && self.sockets_are_idle()
            && !self.has_ended()
    }

    pub(super) fn task_done(self: &Rc<Self>) {
        self.in_flight.set(self.in_flight.get() - 1);
        if self.in_flight.get() == 0 && !self.has_ended() {
            self.wait_for_hibernation();
        }
    }

    /// Hibernates the object unless an event arrives first; the wait starts from zero after each event (L-5).
    fn wait_for_hibernation(self: &Rc<Self>) {
        let clock = &self.node.platform.clock;
        let timer = clock.sleep_until(clock.now() + IDLE_BEFORE_HIBERNATION);
        let arrivals = self.arrivals.get();
        let activation = Rc::downgrade(self);
        point!("idle", object = &*self.label);
        self.node.platform.spawn.spawn(Box::pin(async move {
            timer.await;
            if let Some(activation) = activation.upgrade()
                && activation.arrivals.get() == arrivals
                && !activation.hibernate()
                && activation.in_flight.get() == 0
                && !activation.has_ended()
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
            self.end(
                Ending::Hibernated,
                Error::from("Durable Object storage is no longer accessible.").with_retryable(),
            );
        }
        idle
    }

    /// Throws the instance out in the middle of whatever it does; callers see a lost connection to it (lifecycle 4.4).
    pub(crate) fn evict(self: &Rc<Self>) {
        let error = Error::from(
            "Connection closed: this Durable Object instance is no longer active. Reconnect or retry the request.",
        )
        .with_retryable();
        self.entry.mark_broken(error.clone());
        self.end(Ending::Evicted, error);
    }
}
