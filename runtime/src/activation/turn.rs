//! A turn: one poll of one event's code, under the input gate.
//!
//! User code is only ever polled here. Whatever woke it, its task first takes a place at the input gate, then runs until
//! it suspends, and then the turn ends: the writes of the turn are committed as one batch and the next event is let in. So the
//! result of an outside call is an event like any other and queues with the others (G-9), while storage calls, which complete
//! at once, never end a turn (G-7, SQLTX-3).

use std::{
    any::Any,
    cell::{Cell, RefCell},
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use super::{Activation, connections::Connections, pins::PinGuard};
use crate::{
    Error, Result,
    gate::input::{Entry, InputGate, Lock},
    instrument::point,
    platform::LocalBoxFuture,
};

/// One piece of user code in flight: an event, a critical section's callback, a background task.
pub(crate) struct Task {
    /// The number of the event on whose behalf it runs, counted from 1 in its activation; the constructor's is 0.
    pub(crate) event: u64,
    /// The gate under which its turns run.
    pub(crate) scope: Rc<InputGate>,
    /// A lock that a critical section left for the task that waited for it, or that the task kept over a storage operation: nothing runs
    /// in between (C-9, IN-3).
    handed_over: RefCell<Option<Lock>>,
    /// How many storage operations keep the lock.
    holds: Cell<usize>,
    /// The code is over.
    finished: Cell<bool>,
    /// Whom to wake when the last of them is done, or when the lock is handed over to a task that queues for it.
    waiting: RefCell<Option<Waker>>,
    /// An exception of the runtime's own, out of a call that cannot return one: the code does not go on.
    thrown: RefCell<Option<Error>>,
    /// How many calls of its own the event makes at once.
    pub(crate) connections: Rc<Connections>,
}

/// Keeps the lock of a task's turn until it is dropped.
pub(crate) struct Hold(Rc<Task>);

impl Task {
    /// Code that the running turn starts: it belongs to the same event, and its calls count with those of the whole.
    pub(crate) fn new(scope: Rc<InputGate>) -> Rc<Self> {
        match Turn::current() {
            Some(Turn { task, .. }) => {
                Self::sharing(task.event, Rc::clone(&task.connections), scope)
            }
            None => Self::of_event(0, scope),
        }
    }

    /// The code that handles the event number `event`.
    pub(crate) fn of_event(event: u64, scope: Rc<InputGate>) -> Rc<Self> {
        Self::sharing(event, Rc::default(), scope)
    }

    /// A part of the event number `event`, which shares its calls.
    pub(crate) fn sharing(
        event: u64,
        connections: Rc<Connections>,
        scope: Rc<InputGate>,
    ) -> Rc<Self> {
        Rc::new(Self {
            event,
            thrown: RefCell::default(),
            connections,
            scope,
            handed_over: RefCell::default(),
            holds: Cell::default(),
            finished: Cell::default(),
            waiting: RefCell::default(),
        })
    }

    /// Called in a turn of this task, by what then never completes: the task's code ends with `error` as if it had thrown it.
    pub(super) fn throw(&self, error: Error) {
        self.thrown.borrow_mut().get_or_insert(error);
    }

    /// Gives it the lock for its next turn. What it waited for is over, but it may not have been told: of a task that was begun in another
    /// one's turn and has only queued since, nobody knows the waker.
    pub(super) fn hand_over(&self, lock: Lock) {
        *self.handed_over.borrow_mut() = Some(lock);
        if let Some(waiting) = self.waiting.borrow_mut().take() {
            waiting.wake();
        }
    }

    /// Called in a turn of this task: its lock outlives the turn.
    pub(super) fn hold(self: &Rc<Self>) -> Hold {
        self.holds.set(self.holds.get() + 1);
        Hold(Rc::clone(self))
    }

    /// After a turn: the lock goes back, unless something holds it.
    fn leave(&self, lock: Lock) {
        if self.holds.get() > 0 {
            *self.handed_over.borrow_mut() = Some(lock);
        }
    }
}

/// The code of a task, ended by what is thrown in it ([`Task::throw`]).
pub(super) async fn catching<T>(
    task: Rc<Task>,
    code: impl Future<Output = Result<T>>,
) -> Result<T> {
    let mut code = std::pin::pin!(code);
    std::future::poll_fn(|cx| {
        let polled = code.as_mut().poll(cx);
        match task.thrown.borrow_mut().take() {
            Some(error) if polled.is_pending() => Poll::Ready(Err(error)),
            _ => polled,
        }
    })
    .await
}

impl Drop for Hold {
    fn drop(&mut self) {
        let task = &self.0;
        task.holds.set(task.holds.get() - 1);
        if task.holds.get() > 0 {
            return;
        }
        if task.finished.get() {
            drop(task.handed_over.borrow_mut().take());
        } else if let Some(waiting) = task.waiting.borrow_mut().take() {
            waiting.wake();
        }
    }
}

/// User code whose every poll is a turn.
pub(crate) struct Gated<F> {
    activation: Rc<Activation>,
    task: Rc<Task>,
    code: Pin<Box<F>>,
    place: Option<Entry>,
    /// Too much waits to be written: no code runs until that is over (LK-14).
    relief: Option<LocalBoxFuture<'static, Result<()>>>,
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
            relief: None,
        }
    }

    /// Code whose first turn was a part of another task's.
    fn begun(activation: Rc<Activation>, task: Rc<Task>, code: F) -> Self {
        // What holds the lock for it leaves it no place to queue for.
        let place = (task.holds.get() == 0).then(|| task.scope.enter());
        Self {
            activation,
            task,
            code: Box::pin(code),
            place,
            relief: None,
        }
    }

    fn poll_relief(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.relief.is_none() {
            self.relief = self.activation.storage.backpressure();
        }
        if let Some(relief) = &mut self.relief {
            // If the storage failed meanwhile, the object is being reset.
            let _ = std::task::ready!(relief.as_mut().poll(cx));
            self.relief = None;
        }
        Poll::Ready(())
    }

    fn poll_lock(&mut self, cx: &mut Context<'_>) -> Poll<Lock> {
        if let Some(lock) = self.task.handed_over.borrow_mut().take() {
            self.place = None;
            return Poll::Ready(lock);
        }
        let scope = &self.task.scope;
        let place = self.place.get_or_insert_with(|| scope.enter());
        let Poll::Ready(lock) = Pin::new(place).poll(cx) else {
            *self.task.waiting.borrow_mut() = Some(cx.waker().clone());
            return Poll::Pending;
        };
        self.task.waiting.borrow_mut().take();
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
        if this.task.holds.get() > 0 {
            // Whatever else woke it is an event like any other, and waits until the operation is done.
            *this.task.waiting.borrow_mut() = Some(cx.waker().clone());
            return Poll::Pending;
        }
        std::task::ready!(this.poll_relief(cx));
        let lock = std::task::ready!(this.poll_lock(cx));
        let outcome = this
            .activation
            .run_turn(&this.task, || this.code.as_mut().poll(cx));
        this.task
            .finished
            .set(!matches!(outcome, Ok(Poll::Pending)));
        for Background { pin, task, code } in this.activation.begun.take() {
            task.leave(lock.share());
            let activation = Rc::clone(&this.activation);
            this.activation
                .spawn_pinned(pin, Gated::begun(activation, task, code));
        }
        this.task.leave(lock);
        if this.task.holds.get() > 0 {
            *this.task.waiting.borrow_mut() = Some(cx.waker().clone());
        }
        match outcome {
            Ok(poll) => poll,
            Err(panic) => {
                point!(
                    "panicked",
                    object = &*this.activation.label,
                    text = panic_text(&*panic)
                );
                // Its Rust state may be half changed: throw the instance away.
                this.activation.reset_by_code(
                    Error::from(format!("panicked: {}", panic_text(&*panic))).with_reset(),
                );
                Poll::Pending
            }
        }
    }
}

/// Code that runs on after the event that started it.
pub(crate) struct Background {
    pub(super) pin: PinGuard,
    pub(super) task: Rc<Task>,
    pub(super) code: LocalBoxFuture<'static, ()>,
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
    /// The number of the turn that runs, or of the last one.
    pub(crate) fn turn_number(&self) -> u64 {
        self.turns.get()
    }

    /// Hands `code` to the turn that runs: it begins when the code that runs is through, and before the turn ends.
    pub(super) fn begin_in_this_turn(&self, background: Background) {
        self.to_begin.borrow_mut().push_back(background);
    }

    /// Begins what the turn's code gave to [`begin_in_this_turn`](Self::begin_in_this_turn). In the original these are promise jobs, which belong
    /// to the turn in which they become ready (G-1): what they write until they wait is committed with the rest of it.
    fn begin_background(self: &Rc<Self>) {
        loop {
            let next = self.to_begin.borrow_mut().pop_front();
            let Some(mut background) = next else {
                return;
            };
            if self.has_ended() {
                continue; // ended in this turn: nothing of it runs any more
            }
            CURRENT.set(Some(Turn {
                activation: Rc::clone(self),
                task: Rc::clone(&background.task),
            }));
            // Whatever it waits for is told its real waker when it is polled next, which it is in any case.
            let mut nobody = Context::from_waker(Waker::noop());
            if background.code.as_mut().poll(&mut nobody).is_pending() {
                self.begun.borrow_mut().push(background);
            } else {
                background.task.finished.set(true);
            }
        }
    }

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
        let _in_logs = self.span.enter();
        self.turn_began_at.set(self.node.platform.clock.wall());
        self.turns.set(self.turns.get() + 1);
        point!("turn", object = &*self.label, event = task.event);
        let turn = Turn {
            activation: Rc::clone(self),
            task: Rc::clone(task),
        };
        let leave = Leave(CURRENT.replace(Some(turn)));
        let whole_turn = || {
            let value = code();
            self.begin_background();
            value
        };
        let outcome = catch_unwind(AssertUnwindSafe(whole_turn));
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
