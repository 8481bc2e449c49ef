//! What is under way between two ends: it waits at the sender's output gate, crosses the link, and arrives in order.
//!
//! A message samples the gate when it is sent and waits for the writes before it alone (G-14); those behind it wait for it, so that a
//! socket never reorders. The automatic answer of the runtime samples nothing, but does not overtake either (W-13).
//!
//! Nothing here waits without a bound: whoever sends more than [`BUFFERED_BYTES_MAX`] ahead of a reader loses the connection, and so does the reader.

use std::{
    collections::VecDeque,
    future::poll_fn,
    rc::{Rc, Weak},
    task::{Context, Poll},
};

use super::connection::{Connection, End, Frame, Role, end_label, other};
use crate::{
    Result,
    activation::{Activation, Unsent},
    instrument::point,
    mutation::Mutation,
    platform::{LocalBoxFuture, Lost, SocketEnd},
};

/// How many bytes may wait between two ends in one direction, sent and not read yet: two of the largest messages. One message may always wait,
/// whatever its size.
pub const BUFFERED_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A frame that has not arrived yet.
pub(super) struct Leaving {
    frame: Frame,
    nth: u32,
    /// What it waits for at the sender's output gate.
    gate: Option<Gate>,
    /// How far it is, once it is under way; `None` if it takes no time.
    way: Option<LocalBoxFuture<'static, Result<(), Lost>>>,
}

/// A frame that waits to be read.
pub(super) struct Arrived {
    pub(super) frame: Frame,
    pub(super) nth: u32,
}

/// An output gate, as sampled when something was sent.
pub(super) struct Gate {
    pass: Option<LocalBoxFuture<'static, Result<()>>>,
    batch: u64,
    label: Rc<str>,
    /// The object does not hibernate while it holds this.
    _unsent: Unsent,
}

impl Gate {
    pub(super) fn of(activation: &Rc<Activation>) -> Self {
        let output = &activation.output;
        let waits = !output.is_clear() && !Mutation::SocketMessagesLeaveEarly.is_active();
        Self {
            pass: waits.then(|| Box::pin(output.pass()) as _),
            batch: activation.storage.confirmed_batch(),
            label: Rc::clone(&activation.label),
            _unsent: activation.count_unsent(),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match &mut self.pass {
            Some(pass) => pass.as_mut().poll(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl Connection {
    /// The gate at which the holder of the end `at` waits: that of an object, if it is one.
    pub(super) fn gate(&self, at: SocketEnd) -> Option<Gate> {
        let activation = match &*self.end(at).role.borrow() {
            Role::Accepted(accepted) => accepted.owner.as_ref().and_then(Weak::upgrade),
            Role::Hibernatable(attached) => attached
                .upgrade()
                .and_then(|attached| attached.activation()),
            Role::Released(activation) => activation.upgrade(),
            Role::Fresh | Role::Held(_) | Role::Gone => None,
        };
        activation.map(|activation| Gate::of(&activation))
    }

    /// Sends `frame` from the end `from`, behind whatever it has sent before.
    pub(super) fn send(self: &Rc<Self>, from: SocketEnd, frame: Frame, gate: Option<Gate>) {
        let end = self.end(from);
        if end.closing.get().broken {
            return;
        }
        let bytes = frame.bytes();
        let waiting = self.waiting(from);
        if waiting > 0 && waiting + bytes > BUFFERED_BYTES_MAX {
            point!(
                "socket_overflow",
                socket = self.number(),
                end = end_label(from)
            );
            // The reader is too slow. He gets nothing of what waits: he would have to read all of it before he heard of the end.
            let reader = self.end(other(from));
            reader.traffic.forget_arrived();
            self.lose(from);
            self.push(from, Frame::Cut, None);
            return;
        }
        self.push(from, frame, gate);
    }

    /// How many bytes were sent from the end `from` and are not read yet.
    pub(super) fn waiting(&self, from: SocketEnd) -> usize {
        let reader = self.end(other(from));
        let unread = reader
            .listeners
            .borrow()
            .as_ref()
            .map_or(0, |listeners| listeners.unread());
        self.end(from).traffic.leaving_bytes.get() + reader.traffic.arrived_bytes.get() + unread
    }

    fn push(self: &Rc<Self>, from: SocketEnd, frame: Frame, gate: Option<Gate>) {
        let traffic = &self.end(from).traffic;
        let nth = traffic.sent.get() + 1;
        traffic.sent.set(nth);
        traffic
            .leaving_bytes
            .set(traffic.leaving_bytes.get() + frame.bytes());
        traffic.leaving.borrow_mut().push_back(Leaving {
            frame,
            nth,
            gate,
            way: None,
        });
        self.move_on(from);
    }

    /// Sees to it that a task moves on what leaves the end `from`. Never at once: what is sent in a turn that fails must not have left.
    pub(super) fn move_on(self: &Rc<Self>, from: SocketEnd) {
        let end = self.end(from);
        if !self.reached.get() || end.traffic.leaving.borrow().is_empty() {
            return;
        }
        if !end.traffic.moves.replace(true) {
            let connection = Rc::clone(self);
            end.spawn(poll_fn(move |cx| connection.poll_leaving(from, cx)));
        }
    }

    fn poll_leaving(self: &Rc<Self>, from: SocketEnd, cx: &mut Context<'_>) -> Poll<()> {
        let traffic = &self.end(from).traffic;
        loop {
            let left = self.let_leave(from, cx);
            let arrived = self.let_arrive(from, cx);
            if left || arrived {
                continue;
            }
            if traffic.leaving.borrow().is_empty() {
                traffic.leaving.take(); // and its memory: a socket is idle most of its life
                traffic.moves.set(false);
                return Poll::Ready(());
            }
            return Poll::Pending;
        }
    }

    /// Puts the next frame on its way, if the gate is open for it.
    fn let_leave(&self, from: SocketEnd, cx: &mut Context<'_>) -> bool {
        let traffic = &self.end(from).traffic;
        let place = traffic.under_way.get();
        let (gate, bytes, nth, what) = {
            let mut leaving = traffic.leaving.borrow_mut();
            let Some(next) = leaving.get_mut(place) else {
                return false;
            };
            match next.gate.as_mut().map(|gate| gate.poll(cx)) {
                Some(Poll::Pending) => return false,
                Some(Poll::Ready(Err(_))) => {
                    // Its object is being reset, and with it the connection.
                    let dropped = leaving.remove(place).expect("it was there");
                    traffic.forget_bytes(dropped.frame.bytes());
                    return true;
                }
                Some(Poll::Ready(Ok(()))) | None => {}
            }
            (
                next.gate.take(),
                next.frame.bytes(),
                next.nth,
                next.frame.label(),
            )
        };
        if let Some(gate) = gate {
            point!(
                "output",
                object = &*gate.label,
                what = "socket message",
                batch = gate.batch,
                ok = true
            );
        }
        point!(
            "socket_send",
            socket = self.number(),
            end = end_label(from),
            nth = nth,
            what = what
        );
        let way = self.link.carry(from, bytes);
        if let Some(next) = traffic.leaving.borrow_mut().get_mut(place) {
            next.way = way;
            traffic.under_way.set(place + 1);
        }
        true
    }

    /// Takes the first frame that is under way to its destination, if it has arrived.
    fn let_arrive(self: &Rc<Self>, from: SocketEnd, cx: &mut Context<'_>) -> bool {
        let traffic = &self.end(from).traffic;
        if traffic.under_way.get() == 0 {
            return false;
        }
        let (arrived, outcome) = {
            let mut leaving = traffic.leaving.borrow_mut();
            let first = leaving.front_mut().expect("it is under way");
            let outcome = match first.way.as_mut().map(|way| way.as_mut().poll(cx)) {
                Some(Poll::Pending) => return false,
                Some(Poll::Ready(outcome)) => outcome,
                None => Ok(()),
            };
            traffic.under_way.set(traffic.under_way.get() - 1);
            (leaving.pop_front().expect("it is there"), outcome)
        };
        traffic.forget_bytes(arrived.frame.bytes());
        match outcome {
            Ok(()) => self.arrive(
                other(from),
                Arrived {
                    frame: arrived.frame,
                    nth: arrived.nth,
                },
            ),
            Err(Lost) => self.lose(from),
        }
        true
    }

    fn arrive(self: &Rc<Self>, at: SocketEnd, arrived: Arrived) {
        let end = self.end(at);
        if matches!(*end.role.borrow(), Role::Gone) {
            return;
        }
        let traffic = &end.traffic;
        traffic
            .arrived_bytes
            .set(traffic.arrived_bytes.get() + arrived.frame.bytes());
        traffic.arrived.borrow_mut().push_back(arrived);
        self.call(at);
    }

    /// Sees to it that what has arrived at the end `at` is looked at, where its holder is.
    pub(super) fn call(self: &Rc<Self>, at: SocketEnd) {
        let end = self.end(at);
        if end.traffic.arrived.borrow().is_empty() || end.traffic.called.replace(true) {
            return;
        }
        let connection = Rc::clone(self);
        end.spawn(async move {
            connection.end(at).traffic.called.set(false);
            connection.read(at);
        });
    }

    /// The end `at` hears that there is no connection any more, behind everything that had arrived.
    pub(super) fn lose(self: &Rc<Self>, at: SocketEnd) {
        let end = self.end(at);
        if end.closing.get().broken {
            return;
        }
        point!("socket_lost", socket = self.number(), end = end_label(at));
        end.change(|closing| closing.broken = true);
        end.traffic.forget_leaving();
        self.arrive(
            at,
            Arrived {
                frame: Frame::Cut,
                nth: 0,
            },
        );
    }

    /// The activation that used the end `at` ends: the connection breaks, unless it was closed from this side.
    pub(crate) fn let_go(self: &Rc<Self>, at: SocketEnd) {
        let end = self.end(at);
        let is_closed = end.closing.get().sent;
        if matches!(*end.role.borrow(), Role::Hibernatable(_)) {
            return; // the object's sockets are another matter
        }
        if is_closed && matches!(*end.role.borrow(), Role::Released(_)) {
            end.role.replace(Role::Gone);
        } else {
            self.cut(at);
        }
    }

    /// The end `at` lets go: what is under way arrives, what still waits at the gate does not, and the other end hears that the connection
    /// is gone.
    pub(crate) fn cut(self: &Rc<Self>, at: SocketEnd) {
        let end = self.end(at);
        let before = end.role.replace(Role::Gone);
        end.traffic.forget_arrived();
        if matches!(before, Role::Gone) || end.closing.get().broken {
            return;
        }
        self.break_off(at);
    }

    /// There is no connection any more from the end `at` on, which still has its holder.
    pub(super) fn break_off(self: &Rc<Self>, at: SocketEnd) {
        let end = self.end(at);
        point!("socket_cut", socket = self.number(), end = end_label(at));
        end.change(|closing| closing.broken = true);
        end.traffic.forget_waiting();
        if at == SocketEnd::Far && !self.reached.get() {
            // Nobody ever held it, such as when the answer that carried it was lost: no way leads from it to the object, and what the object
            // sends would wait for ever and keep it in memory (W-2).
            return self.lose(other(at));
        }
        self.push(at, Frame::Cut, None);
    }
}

impl super::connection::Traffic {
    fn forget_bytes(&self, bytes: usize) {
        self.leaving_bytes.set(self.leaving_bytes.get() - bytes);
    }

    /// Drops what has not left yet.
    fn forget_waiting(&self) {
        let dropped: VecDeque<_> = self.leaving.borrow_mut().split_off(self.under_way.get());
        for leaving in dropped {
            self.forget_bytes(leaving.frame.bytes());
        }
    }

    fn forget_leaving(&self) {
        self.under_way.set(0);
        self.forget_waiting();
    }

    fn forget_arrived(&self) {
        self.arrived.take();
        self.arrived_bytes.set(0);
    }

    /// The next frame to be read.
    pub(super) fn take_arrived(&self) -> Option<Arrived> {
        let mut arrived = self.arrived.borrow_mut();
        let next = arrived.pop_front()?;
        if arrived.is_empty() {
            *arrived = VecDeque::new(); // and its memory
        }
        self.arrived_bytes
            .set(self.arrived_bytes.get() - next.frame.bytes());
        Some(next)
    }
}

impl End {
    /// The next frame to be read, put back: it could not be handed on.
    pub(super) fn put_back(&self, frame: Frame) {
        let traffic = &self.traffic;
        traffic
            .arrived_bytes
            .set(traffic.arrived_bytes.get() + frame.bytes());
        traffic
            .arrived
            .borrow_mut()
            .push_front(Arrived { frame, nth: 0 });
    }
}
