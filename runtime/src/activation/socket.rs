//! An activation and its sockets: the life of one event of a socket, what keeps the object in memory, and what becomes of them at the end.
//!
//! What the table of lifecycle 6.6 says is decided in [`Activation::let_go_of_sockets`]: when an object hibernates, the node goes on holding the sockets that were given to it; at
//! every other end all sockets break, and nobody hears of it but the other ends.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    panic::Location,
    pin::{Pin, pin},
    rc::{Rc, Weak},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::{Either, select};

use super::{
    Activation, Ending,
    pins::{PinGuard, PinKind},
    turn::{Gated, Task, catching},
};
use crate::{
    Error, Mutation, handler::SocketEvent, instrument::point, platform::SocketEnd,
    websocket::connection::Connection,
};

/// What an activation knows of its sockets.
#[derive(Default)]
pub(crate) struct ActivationSockets {
    /// Connections that end with the activation: those that it `accept()`ed, and those whose Close it may still answer.
    own: RefCell<Vec<(Weak<Connection>, SocketEnd)>>,
    /// Messages that still wait at the output gate.
    unsent: Cell<usize>,
    /// Events of sockets in flight.
    events: Cell<usize>,
}

/// How many connections may be gone before the list is swept.
const OWN_BEFORE_SWEEP: usize = 64;

/// Keeps the object in memory while it lives: a socket that it listens to (L-8).
pub(crate) struct Awake(Option<PinGuard>);

impl Drop for Awake {
    fn drop(&mut self) {
        if let Some(pin) = self.0.take() {
            pin.release();
        }
    }
}

/// A message that waits at the output gate: the object does not hibernate before it has left (L-8).
pub(crate) struct Unsent(Weak<Activation>);

impl Drop for Unsent {
    fn drop(&mut self) {
        if let Some(activation) = self.0.upgrade() {
            let unsent = &activation.sockets.unsent;
            unsent.set(unsent.get() - 1);
        }
    }
}

/// User code, and what is to be done when its first turn has run.
struct FirstTurn<F, D> {
    code: Pin<Box<F>>,
    done: Option<D>,
}

impl<F: Future, D: FnOnce() + Unpin> Future for FirstTurn<F, D> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let poll = self.code.as_mut().poll(cx);
        if let Some(done) = self.done.take() {
            done();
        }
        poll
    }
}

impl Activation {
    /// Queues an event of a socket, by its connection and frame, behind everything that arrived before it. `begins` is called when its handler does,
    /// `first_turn` when the first turn of that has run.
    pub(crate) fn deliver_socket_event(
        self: &Rc<Self>,
        event: SocketEvent,
        (socket, nth): (u64, u32),
        limit: Option<Duration>,
        begins: impl FnOnce() + 'static,
        first_turn: impl FnOnce() + Unpin + 'static,
    ) {
        self.construct_once();
        self.arrivals.set(self.arrivals.get() + 1);
        let what = event.label();
        point!("deliver", object = &*self.label, what = what);
        self.note_event();
        let activation = Rc::clone(self);
        let task = Task::new(Rc::clone(&self.input));
        let handler = async move {
            begins();
            activation.instance().websocket(event).await
        };
        let code = FirstTurn {
            code: Box::pin(catching(Rc::clone(&task), handler)),
            done: Some(first_turn),
        };
        let handler = Gated::new(Rc::clone(self), task, code);
        let activation = Rc::clone(self);
        self.count_socket_events(1);
        let pin = self.pin(PinKind::Handler(what.to_owned()), None);
        self.spawn_pinned(pin, async move {
            let result = match limit {
                None => handler.await,
                Some(limit) => {
                    let clock = &activation.node.platform.clock;
                    let limit = clock.sleep_until(clock.now() + limit);
                    match select(pin!(handler), limit).await {
                        Either::Left((result, _)) => result,
                        Either::Right(((), _)) => {
                            // Exact text of the original (W-34).
                            let error = "Actor exceeded event execution time and was disconnected.";
                            activation.reset(Error::from(error).with_retryable().with_reset());
                            return;
                        }
                    }
                }
            };
            activation.count_socket_events(-1);
            point!(
                "socket_handled",
                object = &*activation.label,
                socket = socket,
                nth = nth
            );
            if let Err(error) = result {
                // Nobody waits for it: the socket stays open, the object alive (W-20).
                point!(
                    "socket_handler_failed",
                    object = &*activation.label,
                    what = what,
                    error = error.message()
                );
            }
        });
    }

    fn count_socket_events(&self, by: isize) {
        let events = &self.sockets.events;
        events.set(events.get().saturating_add_signed(by));
    }

    /// Nothing that a socket's user was promised is lost if the activation ends now.
    pub(super) fn sockets_are_idle(&self) -> bool {
        self.sockets.unsent.get() == 0
    }

    /// How many tasks in flight keep the object from hibernating.
    pub(super) fn tasks_in_flight(&self) -> usize {
        if Mutation::HibernatesOverSocketEvent.is_active() && self.sockets.events.get() > 0 {
            return 0; // neither the handler counts nor what it waits for
        }
        self.pins.count()
    }

    /// The object stays in memory until this is dropped.
    #[track_caller]
    pub(crate) fn stay_awake(self: &Rc<Self>) -> Awake {
        Awake(Some(self.pin(PinKind::Socket, Some(Location::caller()))))
    }

    pub(crate) fn count_unsent(self: &Rc<Self>) -> Unsent {
        self.sockets.unsent.set(self.sockets.unsent.get() + 1);
        Unsent(Rc::downgrade(self))
    }

    /// The connection ends with this activation.
    pub(crate) fn answers_for(&self, connection: &Rc<Connection>, at: SocketEnd) {
        let mut own = self.sockets.own.borrow_mut();
        if own.len() >= OWN_BEFORE_SWEEP && own.len().is_power_of_two() {
            own.retain(|(connection, _)| connection.strong_count() > 0);
        }
        own.push((Rc::downgrade(connection), at));
    }

    /// The activation ends: what becomes of its sockets (lifecycle 6.6).
    pub(super) fn let_go_of_sockets(&self, ending: Ending) {
        for (connection, at) in self.sockets.own.take() {
            if let Some(connection) = connection.upgrade() {
                connection.let_go(at);
            }
        }
        match ending {
            Ending::Hibernated => {
                if Mutation::AttachmentLost.is_active()
                    && let Some(sockets) = self.entry.sockets()
                {
                    sockets.forget_attachments();
                }
            }
            Ending::Evicted | Ending::Reset | Ending::Superseded => self.entry.drop_sockets(),
        }
    }
}
