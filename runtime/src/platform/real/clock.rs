//! The system's clocks.

use std::{
    future,
    time::{Duration, SystemTime},
};

use crate::platform::{Clock, Instant, LocalBoxFuture, WallTime};

/// Wall time from the system, monotonic time and waiting from tokio.
pub(super) struct RealClock {
    origin: tokio::time::Instant,
}

impl RealClock {
    pub(super) fn new() -> Self {
        Self {
            origin: tokio::time::Instant::now(),
        }
    }
}

impl Clock for RealClock {
    fn wall(&self) -> WallTime {
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        WallTime::from_millis(
            match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
                Ok(since_epoch) => millis(since_epoch),
                Err(before_epoch) => -millis(before_epoch.duration()),
            },
        )
    }

    fn now(&self) -> Instant {
        Instant::from_origin(self.origin.elapsed())
    }

    fn sleep_until(&self, deadline: Instant) -> LocalBoxFuture<'static, ()> {
        match self.origin.checked_add(deadline.since_origin()) {
            // Inside a block, so that the timer is made at the first poll, which is always inside the runtime.
            Some(deadline) => Box::pin(async move { tokio::time::sleep_until(deadline).await }),
            // Later than the system can count: never.
            None => Box::pin(future::pending()),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_sleep_never_ends_before_its_deadline() {
        let clock = RealClock::new();
        let deadline = clock.now() + Duration::from_millis(5);
        clock.sleep_until(deadline).await;
        assert!(clock.now() >= deadline);
    }

    #[tokio::test]
    async fn a_sleep_until_the_past_ends_at_once_and_one_without_end_never() {
        let clock = RealClock::new();
        clock
            .sleep_until(Instant::from_origin(Duration::ZERO))
            .await;
        let forever = clock.sleep_until(Instant::from_origin(Duration::MAX));
        assert_eq!(forever.now_or_never(), None);
    }

    #[tokio::test]
    async fn wall_time_counts_from_the_epoch() {
        let year_2020 = 1_577_836_800_000;
        assert!(RealClock::new().wall().as_millis() > year_2020);
    }
}
