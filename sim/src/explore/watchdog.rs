//! The watchdog outside the simulation: a seed that hangs in real time is named, then the process ends.
//!
//! Virtual time cannot notice that no virtual time passes. So a thread looks now and then whether the seed is still the same as last time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use crate::Seed;

/// How long one seed may take in real time. A thousand times what it takes.
const SEED_TIME_MAX: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// No seed is being run.
const NONE: u64 = u64::MAX;

/// Watches the seeds of one thread.
#[derive(Clone)]
pub(super) struct Watchdog {
    seed: Arc<AtomicU64>,
    started: Arc<AtomicU64>,
}

impl Watchdog {
    /// Starts to watch. `hang` is told the seed that hangs, and must end the process.
    pub(super) fn start(hang: impl Fn(Seed) + Send + 'static) -> Self {
        Self::with_limit(SEED_TIME_MAX, LOOK_EVERY, hang)
    }

    fn with_limit(
        limit: Duration,
        look_every: Duration,
        hang: impl Fn(Seed) + Send + 'static,
    ) -> Self {
        let watchdog = Self {
            seed: Arc::new(AtomicU64::new(NONE)),
            started: Arc::default(),
        };
        let watching = watchdog.clone();
        thread::spawn(move || {
            let (mut last, mut looks) = (watching.started.load(Ordering::Relaxed), 0);
            loop {
                thread::sleep(look_every);
                let started = watching.started.load(Ordering::Relaxed);
                let seed = watching.seed.load(Ordering::Relaxed);
                looks = if started == last && seed != NONE {
                    looks + 1
                } else {
                    0
                };
                last = started;
                if look_every * looks >= limit {
                    hang(Seed(seed));
                }
            }
        });
        watchdog
    }

    /// Runs `f`, which is `seed`'s run.
    pub(super) fn during<T>(&self, seed: Seed, f: impl FnOnce() -> T) -> T {
        self.seed.store(seed.0, Ordering::Relaxed);
        self.started.fetch_add(1, Ordering::Relaxed);
        let result = f();
        self.seed.store(NONE, Ordering::Relaxed);
        result
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LOOK: Duration = Duration::from_millis(10);

    #[test]
    fn a_seed_that_takes_too_long_is_named_and_quick_ones_are_not() {
        let (told, hangs) = mpsc::channel();
        let watchdog = Watchdog::with_limit(Duration::from_millis(200), LOOK, move |seed| {
            told.send(seed).ok(); // it goes on telling after the test has heard enough
        });
        for seed in 0..30 {
            watchdog.during(Seed(seed), || thread::sleep(LOOK));
        }
        assert!(hangs.try_recv().is_err(), "many quick seeds are no hang");
        let named = watchdog.during(Seed(412), || hangs.recv_timeout(Duration::from_secs(20)));
        assert_eq!(named, Ok(Seed(412)));
    }
}
