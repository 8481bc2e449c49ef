//! Timers in an object's code.
//!
//! A pending timer keeps its object in memory, whoever set it: the one thing about it that is easily forgotten (L-8). An alarm does not, and is
//! what an object should use for anything longer than a breath.

use std::{
    fmt,
    future::Future,
    panic::Location,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use super::{
    pins::{PinGuard, PinKind},
    timers::Place,
    turn::Turn,
};
use crate::{Error, platform::LocalBoxFuture};

/// How many timers of one object may wait at once (G-2).
pub(crate) const TIMERS_MAX: usize = 10_000;

/// Waits in an object's code. While it waits other events may run, and the object does not hibernate.
///
/// Timers of an object run in the order in which they are due. One that is due while a critical section is open holds back every later one,
/// also those of the section itself, which then takes too long: do not wait in a section while another call waits outside of it.
///
/// At most 10 000 of them may wait in one object: the next one fails the event that awaits it with a `QuotaExceededError`, as if its code had
/// thrown it (G-2).
///
/// # Example
/// ```
/// # use std::time::Duration;
/// # use dormouse::Delay;
/// # async fn example() {
/// Delay::from(Duration::from_millis(100)).await;
/// # }
/// ```
pub struct Delay {
    duration: Duration,
    made_at: &'static Location<'static>,
    timer: Option<Timer>,
}

/// A timer that is set.
struct Timer {
    _pin: PinGuard,
    /// Completes when it is due; gone after that.
    due: Option<LocalBoxFuture<'static, ()>>,
    place: Place,
}

impl From<Duration> for Delay {
    #[track_caller]
    fn from(duration: Duration) -> Self {
        Self {
            duration,
            made_at: Location::caller(),
            timer: None,
        }
    }
}

impl fmt::Debug for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Delay").field(&self.duration).finish()
    }
}

impl Delay {
    /// Starts the timer; `None` if there are too many.
    fn start(&self) -> Option<Timer> {
        let turn = Turn::current().expect("a Delay is awaited in an object's code");
        let activation = &turn.activation;
        if activation.pins.timers() >= TIMERS_MAX {
            // Exact text of the original.
            turn.task.throw(Error::new(
                "QuotaExceededError",
                "You have exceeded the number of timeouts you may set.",
            ));
            return None;
        }
        let clock = &activation.node.platform.clock;
        let due = clock.now() + self.duration;
        Some(Timer {
            _pin: activation.pin(PinKind::Delay(self.duration), Some(self.made_at)),
            due: Some(clock.sleep_until(due)),
            place: activation.timers.set(due, &turn.task.scope),
        })
    }
}

impl Future for Delay {
    type Output = ();

    /// # Panics
    /// Outside an object's code: there is no other clock to ask.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.timer.is_none() {
            let Some(timer) = self.start() else {
                return Poll::Pending; // the event ends with what was thrown
            };
            self.timer = Some(timer);
        }
        let timer = self.timer.as_mut().expect("it was started");
        if let Some(due) = &mut timer.due {
            std::task::ready!(due.as_mut().poll(cx));
            timer.due = None;
        }
        std::task::ready!(timer.place.poll(cx));
        self.timer = None;
        Poll::Ready(())
    }
}
