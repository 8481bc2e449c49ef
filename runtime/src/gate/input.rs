//! The input gate: which event of an object may run now.
//!
//! One event runs at a time, for one turn: until its code suspends. Without the gate a second call could run between the read and the
//! write of the first and one of the two updates would be lost. A *critical section* (`block_concurrency_while`) is a gate
//! of its own inside its parent: it keeps the parent's lock for as long as it lasts, so that only what was started inside it runs.
//!
//! In: [`InputGate::enter`], called the moment an event arrives, so that waiting is in order of arrival. Out: a [`Lock`], held for one turn.
//! Sections that are ready to begin go before ordinary events (IN-2, G-11).

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// How deep critical sections may be nested (C-13).
pub(crate) const SECTION_DEPTH_MAX: usize = 64;

/// The gate of an activation, or of a critical section in it.
pub(crate) struct InputGate {
    depth: usize,
    /// How many copies of its lock there are; none, and the next one is let in.
    locks: Cell<usize>,
    /// Sections that wait to begin; they go first.
    sections: RefCell<VecDeque<Rc<Waiter>>>,
    /// Events that wait for a turn.
    events: RefCell<VecDeque<Rc<Waiter>>>,
    /// Set when this section has ended: from then on its parent's gate counts.
    adopted_by: RefCell<Option<Rc<InputGate>>>,
}

#[derive(Default)]
struct Waiter {
    state: Cell<Waiting>,
    waker: RefCell<Option<Waker>>,
    /// The gate that granted the lock; another than the one entered if a section ended meanwhile.
    granted_by: RefCell<Option<Rc<InputGate>>>,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Waiting {
    #[default]
    InQueue,
    Granted,
    Gone,
}

/// The right to run one turn. Dropping it lets the next event in.
pub(crate) struct Lock(Rc<InputGate>);

/// A place in the queue. Completes with the lock; dropping it gives the place up.
pub(crate) struct Entry(Rc<Waiter>);

impl InputGate {
    pub(crate) fn new() -> Rc<Self> {
        Self::at_depth(0)
    }

    fn at_depth(depth: usize) -> Rc<Self> {
        Rc::new(Self {
            depth,
            locks: Cell::new(0),
            sections: RefCell::default(),
            events: RefCell::default(),
            adopted_by: RefCell::default(),
        })
    }

    /// Nobody holds it, and nobody waits for it.
    pub(crate) fn is_open(&self) -> bool {
        self.locks.get() == 0
            && self.events.borrow().is_empty()
            && self.sections.borrow().is_empty()
    }

    /// How many sections this gate is nested in.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// Takes a place in the queue of events, now.
    pub(crate) fn enter(self: &Rc<Self>) -> Entry {
        self.queue_up(|gate| &gate.events)
    }

    /// Takes a place in the queue of sections, now.
    pub(crate) fn enter_section(self: &Rc<Self>) -> Entry {
        self.queue_up(|gate| &gate.sections)
    }

    fn queue_up(self: &Rc<Self>, queue: impl Fn(&Self) -> &RefCell<VecDeque<Rc<Waiter>>>) -> Entry {
        let gate = self.in_force();
        let waiter = Rc::new(Waiter::default());
        queue(&gate).borrow_mut().push_back(Rc::clone(&waiter));
        gate.let_next_in();
        Entry(waiter)
    }

    /// The gate that counts for this scope: itself, or that of the parent which adopted it.
    pub(crate) fn in_force(self: &Rc<Self>) -> Rc<Self> {
        let mut gate = Rc::clone(self);
        loop {
            let parent = gate.adopted_by.borrow().clone();
            match parent {
                Some(parent) => gate = parent,
                None => return gate,
            }
        }
    }

    fn let_next_in(self: &Rc<Self>) {
        while self.locks.get() == 0 {
            let next = self
                .sections
                .borrow_mut()
                .pop_front()
                .or_else(|| self.events.borrow_mut().pop_front());
            let Some(waiter) = next else { return };
            if waiter.state.get() == Waiting::Gone {
                continue;
            }
            self.locks.set(1);
            waiter.state.set(Waiting::Granted);
            *waiter.granted_by.borrow_mut() = Some(Rc::clone(self));
            let waker = waiter.waker.borrow_mut().take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

impl Lock {
    /// A second lock of the same turn: nothing is let in before both are gone.
    pub(crate) fn share(&self) -> Self {
        self.0.locks.set(self.0.locks.get() + 1);
        Self(Rc::clone(&self.0))
    }

    /// Opens a critical section that keeps this lock: the gate for everything inside it.
    pub(crate) fn open_section(&self) -> Rc<InputGate> {
        InputGate::at_depth(self.0.depth + 1)
    }

    /// Ends `section`, which this lock was kept for: whatever still waits in it queues at the parent from now on (BCW-4, C-14).
    pub(crate) fn end_section(&self, section: &InputGate) {
        let parent = self.0.in_force();
        parent
            .sections
            .borrow_mut()
            .append(&mut section.sections.borrow_mut());
        parent
            .events
            .borrow_mut()
            .append(&mut section.events.borrow_mut());
        *section.adopted_by.borrow_mut() = Some(parent);
    }

    /// Whether this is the lock for turns in `scope`.
    pub(crate) fn is_for(&self, scope: &Rc<InputGate>) -> bool {
        Rc::ptr_eq(&self.0.in_force(), &scope.in_force())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.0.locks.set(self.0.locks.get() - 1);
        if self.0.locks.get() == 0 {
            self.0.in_force().let_next_in();
        }
    }
}

impl Future for Entry {
    type Output = Lock;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Lock> {
        if self.0.state.get() == Waiting::Granted {
            self.0.state.set(Waiting::Gone);
            let gate = self
                .0
                .granted_by
                .borrow_mut()
                .take()
                .expect("a granted waiter knows its gate");
            return Poll::Ready(Lock(gate));
        }
        *self.0.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.0.state.replace(Waiting::Gone) == Waiting::Granted {
            let gate = self.0.granted_by.borrow_mut().take();
            drop(gate.map(Lock)); // it was granted and will never be used
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn granted(entry: &mut Entry) -> Option<Lock> {
        entry.now_or_never()
    }

    #[test]
    fn events_run_one_at_a_time_in_order_of_arrival() {
        let gate = InputGate::new();
        let (mut first, mut second, mut third) = (gate.enter(), gate.enter(), gate.enter());
        let turn = granted(&mut first).expect("the gate is free");
        assert!(granted(&mut second).is_none());
        drop(turn);
        assert!(
            granted(&mut third).is_none(),
            "the third must not overtake the second"
        );
        drop(granted(&mut second).expect("the first is done"));
        assert!(granted(&mut third).is_some());
    }

    #[test]
    fn a_section_goes_before_events_that_wait_longer() {
        let gate = InputGate::new();
        let turn = granted(&mut gate.enter()).expect("free");
        let mut event = gate.enter();
        let mut section = gate.enter_section();
        drop(turn);
        assert!(granted(&mut event).is_none());
        assert!(granted(&mut section).is_some());
    }

    #[test]
    fn while_a_section_is_open_only_what_is_inside_it_runs_and_leftovers_move_to_the_parent() {
        let gate = InputGate::new();
        let outer = granted(&mut gate.enter_section()).expect("free");
        let section = outer.open_section();
        let mut outside = gate.enter();
        let mut inside = section.enter();
        assert!(granted(&mut outside).is_none());
        let turn = granted(&mut inside).expect("inside");
        let mut leftover = section.enter();
        drop(turn);
        drop(granted(&mut leftover).expect("inside"));
        let turn = granted(&mut section.enter()).expect("inside");
        let mut leftover = section.enter();
        drop(turn);
        let held = granted(&mut leftover).expect("inside");
        drop(held);
        outer.end_section(&section);
        drop(outer);
        drop(granted(&mut outside).expect("the section is over"));
        assert!(
            granted(&mut section.enter()).is_some(),
            "the ended section forwards to its parent"
        );
    }

    #[test]
    fn nothing_is_let_in_before_every_copy_of_the_lock_is_gone() {
        let gate = InputGate::new();
        let turn = granted(&mut gate.enter()).expect("free");
        let copy = turn.share();
        let mut next = gate.enter();
        drop(turn);
        assert!(granted(&mut next).is_none());
        drop(copy);
        assert!(granted(&mut next).is_some());
    }

    #[test]
    fn a_place_that_is_given_up_blocks_nobody() {
        let gate = InputGate::new();
        let turn = granted(&mut gate.enter()).expect("free");
        let gone = gate.enter();
        let mut next = gate.enter();
        drop(gone);
        drop(turn);
        let granted_then_dropped = gate.enter();
        drop(granted(&mut next).expect("the one before gave up"));
        drop(granted_then_dropped);
        assert!(granted(&mut gate.enter()).is_some());
    }

    #[test]
    fn a_section_is_deeper_than_its_parent_and_only_its_own_locks_are_for_it_until_it_ends() {
        let gate = InputGate::new();
        let outer = granted(&mut gate.enter_section()).expect("free");
        let section = outer.open_section();
        let inner = granted(&mut section.enter_section()).expect("inside");
        let innermost = inner.open_section();
        let depths = [&gate, &section, &innermost].map(|gate| gate.depth());
        assert_eq!(depths, [0, 1, 2]);
        assert!(outer.is_for(&gate) && inner.is_for(&section));
        assert!(!outer.is_for(&section) && !inner.is_for(&gate));
        inner.end_section(&innermost);
        assert!(inner.is_for(&innermost));
        drop(inner);
        outer.end_section(&section);
        assert!(outer.is_for(&section) && outer.is_for(&innermost));
    }
}
