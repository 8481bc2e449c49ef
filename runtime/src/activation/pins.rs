//! What keeps an object in memory: everything that is not finished yet, each with what it is and where in the code it began.
//!
//! An object hibernates when nothing of it is pending any more (L-8). A forgotten timer, often inside a library, keeps it there for good, and
//! nothing shows but the bill. So whatever is pending holds a *pin*, and whoever wants to know why an object does not sleep is told its pins.
//!
//! In: [`Activation::pin`], when something begins. Out: [`Pins::is_empty`] for hibernation, the age of each pin for the eviction sweep, and
//! [`Node::in_memory`](crate::Node::in_memory) for people.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
    panic::Location,
    rc::{Rc, Weak},
    time::Duration,
};

use super::Activation;
use crate::{mutation::Mutation, platform::Instant};

/// One thing that keeps an object in memory.
///
/// # Example
/// ```
/// # use dormouse::Pin;
/// fn report(pin: &Pin) {
///     println!("{pin}"); // a Delay of 10s, begun at src/batcher.rs:31:13
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pin {
    /// What it is.
    pub kind: PinKind,
    /// Where in the object's code it began; nothing for what comes from outside.
    pub begun_at: Option<&'static Location<'static>>,
    /// How long it has been going on.
    pub age: Duration,
}

/// The kinds of things that keep an object in memory (L-8).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PinKind {
    /// The constructor is not done.
    Constructor,
    /// A handler is not done: the name of the method, or `fetch`.
    Handler(String),
    /// A critical section: the callback of `block_concurrency_while`, or a transaction.
    Section,
    /// A task that was given to `wait_until`.
    WaitUntil,
    /// A timer, and how long it waits in all.
    Delay(Duration),
    /// A socket that it listens to itself, for as long as that is open.
    Socket,
    /// A call to another object, awaited or not: how that object is called in traces.
    Call(Rc<str>),
    /// The storage works for the object.
    Storage,
    /// Something of the runtime's own.
    Task,
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        match self.begun_at {
            Some(place) => write!(f, ", begun at {place}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for PinKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constructor => f.write_str("the constructor"),
            Self::Handler(name) => write!(f, "the handler `{name}`"),
            Self::Section => f.write_str("a critical section"),
            Self::WaitUntil => f.write_str("a task given to wait_until"),
            Self::Delay(duration) => write!(f, "a Delay of {duration:?}"),
            Self::Socket => f.write_str("a socket that it listens to"),
            Self::Call(object) => write!(f, "a call to {object}"),
            Self::Storage => f.write_str("a storage operation"),
            Self::Task => f.write_str("a task of the runtime"),
        }
    }
}

/// An object that is in memory, as [`Node::in_memory`](crate::Node::in_memory) tells of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InMemory {
    /// How the object is called in traces: `Counter/a`.
    pub object: Rc<str>,
    /// What keeps it there, in the order in which it began. With nothing in here it hibernates after ten seconds.
    pub pins: Vec<Pin>,
    /// Writes of it are still on their way to the disk, or messages to the output gate.
    pub has_unconfirmed_writes: bool,
}

impl InMemory {
    /// Whether it could hibernate right now.
    pub fn is_idle(&self) -> bool {
        self.pins.is_empty() && !self.has_unconfirmed_writes
    }
}

/// The pins of one activation.
#[derive(Default)]
pub(crate) struct Pins {
    /// By the order in which they were made.
    held: RefCell<BTreeMap<u64, Held>>,
    made: Cell<u64>,
    timers: Cell<usize>,
}

struct Held {
    kind: PinKind,
    begun_at: Option<&'static Location<'static>>,
    since: Instant,
}

/// Holds a pin until it is dropped.
pub(crate) struct PinGuard {
    activation: Weak<Activation>,
    number: u64,
}

impl Pins {
    pub(crate) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    pub(crate) fn count(&self) -> usize {
        let held = self.held.borrow();
        if Mutation::HibernatesOverBackgroundTask.is_active() {
            let of_task = |kind: &PinKind| matches!(kind, PinKind::WaitUntil | PinKind::Delay(_));
            return held.values().filter(|held| !of_task(&held.kind)).count();
        }
        held.len()
    }

    /// How many timers wait.
    pub(crate) fn timers(&self) -> usize {
        self.timers.get()
    }

    fn add(&self, held: Held) -> u64 {
        if matches!(held.kind, PinKind::Delay(_)) {
            self.timers.set(self.timers.get() + 1);
        }
        let number = self.made.get();
        self.made.set(number + 1);
        self.held.borrow_mut().insert(number, held);
        number
    }

    fn remove(&self, number: u64) {
        let removed = self.held.borrow_mut().remove(&number);
        if removed.is_some_and(|held| matches!(held.kind, PinKind::Delay(_))) {
            self.timers.set(self.timers.get() - 1);
        }
    }

    /// All of them, the oldest first.
    pub(crate) fn list(&self, now: Instant) -> Vec<Pin> {
        let held = self.held.borrow();
        held.values()
            .map(|held| Pin {
                kind: held.kind.clone(),
                begun_at: held.begun_at,
                age: now - held.since,
            })
            .collect()
    }

    /// Whether any of them may lose its object to the eviction sweep, sooner or later.
    pub(crate) fn need_protection(&self) -> bool {
        let held = self.held.borrow();
        held.values()
            .any(|held| !matches!(held.kind, PinKind::Constructor | PinKind::Handler(_)))
    }

    /// Whether one of them protects the object from the eviction sweep: a handler always does, as its caller is still connected (L-12), everything
    /// else for as long as `keep_alive` after it began (L-11).
    pub(crate) fn protect(&self, now: Instant, keep_alive: Duration) -> bool {
        let held = self.held.borrow();
        held.values().any(|held| match held.kind {
            PinKind::Constructor | PinKind::Handler(_) => true,
            _ => now - held.since < keep_alive,
        })
    }
}

impl Activation {
    /// Keeps the object in memory until the guard is dropped.
    pub(crate) fn pin(
        self: &Rc<Self>,
        kind: PinKind,
        begun_at: Option<&'static Location<'static>>,
    ) -> PinGuard {
        let number = self.pins.add(Held {
            kind,
            begun_at,
            since: self.node.platform.clock.now(),
        });
        PinGuard {
            activation: Rc::downgrade(self),
            number,
        }
    }
}

impl PinGuard {
    /// Ends it where nothing else of the object may be left: from now on the object may be idle. (A dropped guard only ends the pin: what
    /// holds it is part of a task that goes on, or that is torn down.)
    pub(crate) fn release(self) {
        let activation = self.activation.upgrade();
        drop(self);
        if let Some(activation) = activation {
            activation.may_be_idle();
        }
    }
}

impl Drop for PinGuard {
    fn drop(&mut self) {
        if let Some(activation) = self.activation.upgrade() {
            activation.pins.remove(self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(seconds))
    }

    fn held(kind: PinKind, since: u64) -> Held {
        Held {
            kind,
            begun_at: None,
            since: at(since),
        }
    }

    const CAP: Duration = Duration::from_secs(100);

    #[test]
    fn a_pending_operation_protects_for_as_long_as_the_cap_and_a_new_one_starts_anew() {
        let pins = Pins::default();
        let first = pins.add(held(PinKind::WaitUntil, 0));
        assert!(pins.protect(at(99), CAP));
        assert!(!pins.protect(at(100), CAP));
        pins.add(held(PinKind::Delay(CAP), 60));
        assert!(pins.protect(at(159), CAP));
        assert!(!pins.protect(at(160), CAP));
        pins.remove(first);
        assert!(!pins.is_empty());
    }

    #[test]
    fn a_handler_protects_without_limit_and_a_cap_of_zero_leaves_nothing_else() {
        let pins = Pins::default();
        pins.add(held(PinKind::WaitUntil, 0));
        assert!(!pins.protect(at(0), Duration::ZERO));
        pins.add(held(PinKind::Handler("wait".into()), 0));
        assert!(pins.protect(at(1_000_000), Duration::ZERO));
    }

    #[test]
    fn only_timers_count_as_timers() {
        let pins = Pins::default();
        let timer = pins.add(held(PinKind::Delay(CAP), 0));
        pins.add(held(PinKind::WaitUntil, 0));
        assert_eq!(pins.timers(), 1);
        pins.remove(timer);
        pins.remove(timer);
        assert_eq!(pins.timers(), 0);
    }

    #[test]
    fn a_pin_says_what_it_is_and_where_it_began() {
        let here = Location::caller();
        let pin = Pin {
            kind: PinKind::Delay(CAP),
            begun_at: Some(here),
            age: Duration::ZERO,
        };
        assert_eq!(
            pin.to_string(),
            format!(
                "a Delay of 100s, begun at {}:{}:{}",
                here.file(),
                here.line(),
                here.column()
            )
        );
    }
}
