//! An activation that another one has taken the place of: the object has moved, and does not know it yet (L-21 to L-23).
//!
//! The promise that an object is in memory once is kept at two places only: where an event starts, and where storage is accessed. So for a while
//! there are two running instances. What the old one has begun goes on; the storage is no longer its own, and its first access ends in an error.
//! What it says to the world without asking the storage still leaves, unless it waits for a write that never becomes durable.

use std::{rc::Rc, time::Duration};

use super::{
    Activation, Ending,
    idle::{no_longer_active, superseded},
};

/// How long what it began may go on (lifecycle 1.5: host drain, rebalancing).
const GRACE: Duration = Duration::from_secs(30);

impl Activation {
    /// Lets the next event start another activation, and takes the storage away from this one.
    pub(crate) fn supersede(self: &Rc<Self>) {
        if self.has_ended() || self.superseded.get() {
            return;
        }
        self.entry.mark_broken(no_longer_active());
        self.leave_storage(Ending::Superseded, superseded());
        self.let_go_of_sockets(Ending::Superseded);
        self.superseded.set(true);
        if self.pins.is_empty() {
            self.end(Ending::Superseded, no_longer_active());
            return;
        }
        let clock = &self.node.platform.clock;
        let timer = clock.sleep_until(clock.now() + GRACE);
        let activation = Rc::downgrade(self);
        self.node.platform.spawn.spawn(Box::pin(async move {
            timer.await;
            if let Some(activation) = activation.upgrade() {
                activation.end(Ending::Superseded, no_longer_active());
            }
        }));
    }

    /// Another activation has taken its place.
    pub(crate) fn is_superseded(&self) -> bool {
        self.superseded.get()
    }
}
