//! A turn: one poll of one event's code, under the input gate.
//!
//! User code is only ever polled here. Whatever woke it, its task first takes a place at the input gate, then runs until
//! it suspends, and then the turn ends: the writes of the turn are committed as one batch and the next event is let in. So the
//! result of an outside call is an event like any other and queues with the others (G-9), while storage calls, which complete
//! at once, never end a turn (G-7, SQLTX-3).

use std::{
    any::Any,
    cell::RefCell,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use super::Activation;
use crate::{
    Error,
    gate::input::{Entry, InputGate, Lock},
    instrument::point,
};

/// One piece of user code in flight: an event, a critical section's callback, a background task.
pub(crate) struct Task {
    /// The gate under which its turns run.
    pub(crate) scope: Rc<InputGate>,
    /// A lock that a critical section left for the task that waited for it, so that nothing runs in between (C-9).
    pub(crate) handed_over: RefCell<Option<Lock>>,
}

impl Task {
    pub(crate) fn new(scope: Rc<InputGate>) -> Rc<Self> {
        Rc::new(Self {
            scope,
            handed_over: RefCell::default(),
        })
    }
}

/// User code whose every poll is a turn.
pub(crate) struct Gated<F> {
    activation: Rc<Activation>,
    task: Rc<Task>,
    code: Pin<Box<F>>,
    place: Option<Entry>,
}

impl<F: Future> Gated<F> {
    /// Takes a place at the gate at once; the code runs when it is its turn.
    pub(crate) fn new(activation: Rc<Activation>, task: Rc<Task>, code: F) -> Self {
        let place = Some(task.scope.enter());
        Self {
            activation,
            task,
            code: Box::pin(code),
            place,
        }
    }

    fn poll_lock(&mut self, cx: &mut Context<'_>) -> Poll<Lock> {
        if let Some(lock) = self.task.handed_over.borrow_mut().take() {
            self.place = None;
            return Poll::Ready(lock);
        }
        let scope = &self.task.scope;
        let place = self.place.get_or_insert_with(|| scope.enter());
        let lock = std::task::ready!(Pin::new(place).poll(cx));
        self.place = None;
        Poll::Ready(lock)
    }
}

impl<F: Future> Future for Gated<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        if this.activation.has_ended() {
            return Poll::Pending; // it is being torn down: the task is dropped as soon as it is polled from outside
        }
        let lock = std::task::ready!(this.poll_lock(cx));
        let outcome = this
            .activation
            .run_turn(&this.task, || this.code.as_mut().poll(cx));
        drop(lock);
        match outcome {
            Ok(poll) => poll,
            Err(panic) => {
                point!(
                    "panicked",
                    object = &*this.activation.label,
                    text = panic_text(&*panic)
                );
                // Its Rust state may be half changed: throw the instance away.
                this.activation
                    .reset(Error::from(format!("panicked: {}", panic_text(&*panic))).with_reset());
                Poll::Pending
            }
        }
    }
}

/// The turn that runs on this thread right now.
#[derive(Clone)]
pub(crate) struct Turn {
    pub(crate) activation: Rc<Activation>,
    pub(crate) task: Rc<Task>,
}

thread_local! {
    static CURRENT: RefCell<Option<Turn>> = const { RefCell::new(None) };
}

impl Turn {
    /// The turn on whose behalf this thread runs user code, if any.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.with_borrow(Clone::clone)
    }
}

impl Activation {
    /// Runs one turn. The clock that the code sees stands still in it (G-2).
    fn run_turn<T>(
        self: &Rc<Self>,
        task: &Rc<Task>,
        code: impl FnOnce() -> T,
    ) -> Result<T, Box<dyn Any + Send>> {
        struct Leave(Option<Turn>);
        impl Drop for Leave {
            fn drop(&mut self) {
                CURRENT.set(self.0.take());
            }
        }
        self.turn_began_at.set(self.node.platform.clock.wall());
        point!("turn", object = &*self.label);
        let turn = Turn {
            activation: Rc::clone(self),
            task: Rc::clone(task),
        };
        let leave = Leave(CURRENT.replace(Some(turn)));
        let outcome = catch_unwind(AssertUnwindSafe(code));
        drop(leave);
        if outcome.is_ok() && !self.has_ended() {
            self.storage.end_turn();
        }
        outcome
    }
}

pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(the panic's payload is no text)")
}
