//! Overload: how much may wait for one object before the node refuses more (O-2).
//!
//! An object handles one event at a time, so what it cannot handle waits. A queue without a bound turns an overload into an outage: every call is
//! answered, too late for anybody. So beyond four limits a call is refused before the object's code sees it, with an error that says `overloaded`;
//! the object goes on undisturbed.
//!
//! The original does not publish its limits. The four knobs have defaults of ours.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    rc::Rc,
    time::Duration,
};

use super::NodeContext;
use crate::{Error, Result, gate::input::InputGate, handler::Invocation, platform::Instant};

/// The window in which calls to one object are counted.
const WINDOW: Duration = Duration::from_secs(10);
/// How exactly: calls are counted in parts of the window.
const PART: Duration = Duration::from_millis(100);

/// How much may wait for one object. Set with [`NodeBuilder::overload_limits`](crate::NodeBuilder::overload_limits).
///
/// # Example
/// ```
/// use dormouse::OverloadLimits;
/// let limits = OverloadLimits { queued_requests: 100, ..OverloadLimits::default() };
/// assert_eq!(limits.queued_bytes, 64 << 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverloadLimits {
    /// How many calls may wait for their first turn: 10 000 unless set.
    pub queued_requests: usize,
    /// How many bytes of arguments or bodies may wait, about: 64 MiB unless set.
    pub queued_bytes: usize,
    /// How long the oldest of them may have waited when another one comes: 10 seconds unless set.
    pub queued_for: Duration,
    /// How many calls may arrive within ten seconds: 20 000 unless set.
    pub requests_in_ten_seconds: usize,
}

impl Default for OverloadLimits {
    fn default() -> Self {
        Self {
            queued_requests: 10_000,
            queued_bytes: 64 << 20,
            queued_for: Duration::from_secs(10),
            requests_in_ten_seconds: 20_000,
        }
    }
}

/// What waits for one object, and what came of late.
#[derive(Default)]
pub(crate) struct Crowd {
    /// When each of those that wait arrived, and its size, by order of arrival.
    waiting: RefCell<BTreeMap<u64, (Instant, usize)>>,
    bytes: Cell<usize>,
    numbers: Cell<u64>,
    /// How many arrived in each part of the window.
    arrivals: RefCell<VecDeque<(Instant, usize)>>,
    arrived: Cell<usize>,
}

/// A call that was not refused waits until this is dropped.
pub(crate) struct Admitted {
    crowd: Rc<Crowd>,
    number: u64,
}

impl Crowd {
    /// Lets a call in.
    ///
    /// # Errors
    /// A limit is exceeded: with the original's texts.
    pub(crate) fn admit(
        self: &Rc<Self>,
        node: &NodeContext,
        gate: &Rc<InputGate>,
        invocation: &Invocation,
    ) -> Result<Admitted> {
        let now = node.platform.clock.now();
        if node.refuses_a_call() {
            return Err(overloaded("Too many requests queued."));
        }
        // One that finds nobody before it does not wait, however large it is.
        let bytes = if gate.is_open() {
            0
        } else {
            invocation.about_bytes()
        };
        self.admit_within(&node.limits.overload, now, bytes)
    }

    fn admit_within(
        self: &Rc<Self>,
        limits: &OverloadLimits,
        now: Instant,
        bytes: usize,
    ) -> Result<Admitted> {
        self.count_arrival(now);
        if self.arrived.get() > limits.requests_in_ten_seconds {
            return Err(overloaded(
                "Too many requests for the same object within a 10 second window.",
            ));
        }
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() >= limits.queued_requests {
            return Err(overloaded("Too many requests queued."));
        }
        if !waiting.is_empty() && self.bytes.get().saturating_add(bytes) > limits.queued_bytes {
            return Err(overloaded("Too much data queued."));
        }
        let oldest = waiting.first_key_value().map(|(_, (arrived, _))| *arrived);
        if oldest.is_some_and(|arrived| now - arrived > limits.queued_for) {
            return Err(overloaded("Requests queued for too long."));
        }
        let number = self.numbers.get();
        self.numbers.set(number + 1);
        waiting.insert(number, (now, bytes));
        self.bytes.set(self.bytes.get() + bytes);
        Ok(Admitted {
            crowd: Rc::clone(self),
            number,
        })
    }

    fn count_arrival(&self, now: Instant) {
        let mut arrivals = self.arrivals.borrow_mut();
        while let Some(&(part, count)) = arrivals.front()
            && now - part >= WINDOW
        {
            arrivals.pop_front();
            self.arrived.set(self.arrived.get() - count);
        }
        self.arrived.set(self.arrived.get() + 1);
        match arrivals.back_mut() {
            Some((part, count)) if now - *part < PART => *count += 1,
            _ => arrivals.push_back((now, 1)),
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if let Some((_, bytes)) = self.crowd.waiting.borrow_mut().remove(&self.number) {
            self.crowd.bytes.set(self.crowd.bytes.get() - bytes);
        }
    }
}

fn overloaded(why: &str) -> Error {
    Error::from(format!("Durable Object is overloaded. {why}")).with_overloaded()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: OverloadLimits = OverloadLimits {
        queued_requests: 3,
        queued_bytes: 100,
        queued_for: Duration::from_secs(5),
        requests_in_ten_seconds: 10,
    };

    fn at(millis: u64) -> Instant {
        Instant::from_origin(Duration::from_millis(millis))
    }

    fn refusal(result: Result<Admitted>) -> String {
        let error = result.err().expect("it is refused");
        assert!(error.overloaded());
        assert!(!error.remote());
        assert!(!error.retryable());
        assert!(!error.durable_object_reset());
        error.to_string()
    }

    #[test]
    fn as_many_may_wait_as_the_limit_says_and_when_one_runs_another_may_come() {
        let crowd = Rc::new(Crowd::default());
        let mut waiting: Vec<_> = (0..3)
            .map(|_| crowd.admit_within(&LIMITS, at(0), 1).expect("few wait"))
            .collect();
        assert_eq!(
            refusal(crowd.admit_within(&LIMITS, at(0), 1)),
            "Durable Object is overloaded. Too many requests queued."
        );
        waiting.pop();
        assert!(crowd.admit_within(&LIMITS, at(0), 1).is_ok());
    }

    #[test]
    fn what_waits_may_have_so_many_bytes_in_all_and_one_alone_any_number() {
        let crowd = Rc::new(Crowd::default());
        let large = crowd
            .admit_within(&LIMITS, at(0), 1_000)
            .expect("it is alone");
        assert_eq!(
            refusal(crowd.admit_within(&LIMITS, at(0), 1)),
            "Durable Object is overloaded. Too much data queued."
        );
        drop(large);
        let _first = crowd.admit_within(&LIMITS, at(0), 99).expect("it is alone");
        assert!(crowd.admit_within(&LIMITS, at(0), 1).is_ok());
    }

    #[test]
    fn nobody_joins_behind_one_that_has_waited_for_too_long() {
        let crowd = Rc::new(Crowd::default());
        let oldest = crowd
            .admit_within(&LIMITS, at(0), 1)
            .expect("it is the first");
        assert!(crowd.admit_within(&LIMITS, at(5_000), 1).is_ok());
        assert_eq!(
            refusal(crowd.admit_within(&LIMITS, at(5_001), 1)),
            "Durable Object is overloaded. Requests queued for too long."
        );
        drop(oldest);
        assert!(crowd.admit_within(&LIMITS, at(5_001), 1).is_ok());
    }

    #[test]
    fn so_many_may_come_within_ten_seconds_refused_ones_included() {
        let crowd = Rc::new(Crowd::default());
        for _ in 0..10 {
            assert!(crowd.admit_within(&LIMITS, at(0), 1).is_ok());
        }
        for millis in [0, 5_000, 9_999] {
            assert_eq!(
                refusal(crowd.admit_within(&LIMITS, at(millis), 1)),
                "Durable Object is overloaded. Too many requests for the same object within a 10 second window."
            );
        }
        assert!(crowd.admit_within(&LIMITS, at(10_000), 1).is_ok());
    }
}
