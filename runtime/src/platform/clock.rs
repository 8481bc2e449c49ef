//! Time. Two clocks that cannot be confused: wall time for what users see, monotonic time for waiting.

use std::{
    ops::{Add, Sub},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::LocalBoxFuture;

/// Milliseconds since 1970-01-01T00:00Z, as `Date.now()` gives them. May jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WallTime(i64);

impl WallTime {
    /// The wall time that is `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }
}

/// A moment on a node's monotonic clock. Never jumps; means nothing on another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    /// The moment `since_origin` after the clock's own, unspecified origin. For implementations of [`Clock`].
    pub const fn from_origin(since_origin: Duration) -> Self {
        Self(since_origin)
    }

    /// The time since the clock's origin. For implementations of [`Clock`].
    pub const fn since_origin(self) -> Duration {
        self.0
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

impl Sub for Instant {
    type Output = Duration;
    /// The time from `earlier` to `self`; zero if `earlier` is later.
    fn sub(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// The port for time.
pub trait Clock {
    /// The wall clock, which may be wrong and may jump either way.
    fn wall(&self) -> WallTime;

    /// The monotonic clock, which never goes back.
    fn now(&self) -> Instant;

    /// Completes at `deadline` or as soon after it as the node can, never before. Dropping it cancels the wait.
    fn sleep_until(&self, deadline: Instant) -> LocalBoxFuture<'static, ()>;
}
