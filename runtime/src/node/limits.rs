//! What a node allows its objects, and when it ends them: the settings of a [`NodeBuilder`] for that.

use std::time::Duration;

use super::{NodeBuilder, OverloadLimits, sweep};
use crate::activation::connections::CONNECTIONS_MAX;

/// What a node allows its objects, and when it ends them.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) overload: OverloadLimits,
    pub(crate) outgoing_calls_max: usize,
    pub(crate) keep_alive: Duration,
    pub(crate) stay_in_memory: bool,
    pub(crate) pre_shutdown: bool,
    pub(crate) reset_after_exception: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            overload: OverloadLimits::default(),
            outgoing_calls_max: CONNECTIONS_MAX,
            keep_alive: sweep::KEEP_ALIVE,
            stay_in_memory: false,
            pre_shutdown: false,
            reset_after_exception: false,
        }
    }
}

impl NodeBuilder {
    /// How much may wait for one object before more is refused (O-2).
    #[must_use]
    pub fn overload_limits(mut self, limits: OverloadLimits) -> Self {
        self.limits.overload = limits;
        self
    }

    /// How many calls to other objects one event may have under way at once; more wait (O-6). Six unless set.
    #[must_use]
    pub fn outgoing_calls_max(mut self, calls: usize) -> Self {
        self.limits.outgoing_calls_max = calls.max(1);
        self
    }

    /// For how long whatever is pending in an object (a timer, a background task, a call of its own) protects it from eviction while nobody calls it,
    /// counted from when it began: fifteen minutes unless set (L-11). Zero is the behaviour of before 2026-06: nothing but events protects.
    #[must_use]
    pub fn keep_alive(mut self, time: Duration) -> Self {
        self.limits.keep_alive = time;
        self
    }

    /// Objects neither hibernate nor are evicted for being idle; the default is that they do and are (lifecycle 1.2).
    #[must_use]
    pub fn stay_in_memory(mut self, stay: bool) -> Self {
        self.limits.stay_in_memory = stay;
        self
    }

    /// Whether objects are told before a planned end, through [`DurableObject::pre_shutdown`](crate::DurableObject::pre_shutdown); not unless set (L-16).
    #[must_use]
    pub fn pre_shutdown(mut self, tell: bool) -> Self {
        self.limits.pre_shutdown = tell;
        self
    }

    /// Whether an exception that leaves a handler of `fetch` or a method resets the object, when its caller has been told. It does not unless set: the
    /// original's documentation warns that it may, and what we know of its code does not (lifecycle 4.2).
    #[must_use]
    pub fn reset_after_exception(mut self, reset: bool) -> Self {
        self.limits.reset_after_exception = reset;
        self
    }
}
