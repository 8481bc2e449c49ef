//! The timers of an object's code, as far as they hold each other back.
//!
//! In the original the timers of an object run in the order in which they are due, and one that may not run yet holds back all later ones. It
//! may not run while a critical section is open that it stands outside of. So a call that sleeps for 20 ms, and a section of another call
//! that sleeps for 60 ms, wait for each other until the section's thirty seconds are over and the object is reset (recorded:
//! `gates/sleeping_call_stalls_block`). Whoever would not find that here would find it in production.
//!
//! Within one scope the input gate keeps the order, so only timers of other scopes count.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use crate::{gate::input::InputGate, platform::Instant};

/// The timers of one activation that have not run yet, by the time at which they are due.
#[derive(Default)]
pub(crate) struct Timers {
    waiting: RefCell<BTreeMap<(Instant, u64), Rc<InputGate>>>,
    set: Cell<u64>,
    held_back: RefCell<Vec<Waker>>,
}

/// A timer's place among the others, until it has run or was given up.
pub(super) struct Place {
    timers: Rc<Timers>,
    due: Instant,
    number: u64,
    scope: Rc<InputGate>,
}

impl Timers {
    /// A timer was set by code that runs in `scope`.
    pub(super) fn set(self: &Rc<Self>, due: Instant, scope: &Rc<InputGate>) -> Place {
        let number = self.set.get();
        self.set.set(number + 1);
        self.waiting
            .borrow_mut()
            .insert((due, number), Rc::clone(scope));
        Place {
            timers: Rc::clone(self),
            due,
            number,
            scope: Rc::clone(scope),
        }
    }
}

impl Place {
    /// Called when the timer is due: whether no earlier one that stands outside of the open section holds it back.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let here = self.scope.in_force();
        let waiting = self.timers.waiting.borrow();
        let mut earlier = waiting.range(..(self.due, self.number));
        if earlier.any(|(_, scope)| !Rc::ptr_eq(&scope.in_force(), &here)) {
            self.timers.held_back.borrow_mut().push(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.timers
            .waiting
            .borrow_mut()
            .remove(&(self.due, self.number));
        for waker in self.timers.held_back.take() {
            waker.wake();
        }
    }
}
