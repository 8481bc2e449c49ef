//! The eviction sweep: throws objects out of memory that nobody calls and that cannot hibernate (lifecycle 1.2, L-7, L-11).
//!
//! An object with a pending timer cannot hibernate. Nor may it stay for ever: if no event came for 70 seconds it is thrown out at the next sweep, and
//! its timer is lost. What is pending protects it, each thing for fifteen minutes from when it began.

use std::{rc::Rc, time::Duration};

use super::NodeContext;

/// How often the sweep comes, and how long an object must have been left alone: so it is thrown out 70 to 140 seconds after its last event.
const SWEEP: Duration = Duration::from_secs(70);

/// For how long what is pending protects its object, unless the node says otherwise (L-11).
pub(crate) const KEEP_ALIVE: Duration = Duration::from_mins(15);

impl NodeContext {
    /// An object has something pending and no event: the next sweep looks at it. Without such an object there is no sweep.
    pub(crate) fn arm_sweep(self: &Rc<Self>) {
        if self.limits.stay_in_memory || self.sweep_is_armed.replace(true) {
            return;
        }
        let clock = &self.platform.clock;
        let sweeps = (clock.now() - self.started_at).as_secs() / SWEEP.as_secs();
        let next = SWEEP * u32::try_from(sweeps + 1).unwrap_or(u32::MAX);
        let timer = clock.sleep_until(self.started_at + next);
        let node = Rc::downgrade(self);
        self.platform.spawn.spawn(Box::pin(async move {
            timer.await;
            if let Some(node) = node.upgrade() {
                node.sweep();
            }
        }));
    }

    fn sweep(self: &Rc<Self>) {
        self.sweep_is_armed.set(false);
        let now = self.platform.clock.now();
        let keep_alive = self.limits.keep_alive;
        for activation in self.router.activations() {
            if activation.may_be_swept(now, SWEEP, keep_alive) {
                activation.sweep();
            } else if !activation.pins.is_empty() {
                self.arm_sweep();
            }
        }
    }
}
