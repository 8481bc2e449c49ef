//! An end in the hands of somebody who passes its frames on: the front, with a network client behind it.

use std::{
    rc::Rc,
    task::{Context, Poll},
};

use super::{
    connection::{Connection, Frame, Role, other},
    deliver::violation_text,
};
use crate::platform::SocketEnd;

/// How many bytes are read ahead of an object: with more waiting for it nothing is taken from the network (W-18). One message may be larger.
const READ_AHEAD_BYTES: usize = 256 * 1024;

impl Connection {
    /// The end `at` is held by somebody who passes the frames on as they are.
    pub(crate) fn hold(self: &Rc<Self>, at: SocketEnd) {
        *self.end(at).role.borrow_mut() = Role::Held(None);
        self.call(at);
    }

    /// Has the holder of the end `at` woken when there is something for him, or room for what he passes on.
    pub(crate) fn want_wake(&self, at: SocketEnd, cx: &Context<'_>) {
        if let Role::Held(waker) = &mut *self.end(at).role.borrow_mut() {
            *waker = Some(cx.waker().clone());
        }
    }

    /// The next frame for the holder of the end `at`.
    pub(crate) fn poll_take(&self, at: SocketEnd, cx: &Context<'_>) -> Poll<Frame> {
        self.want_wake(at, cx);
        match self.end(at).traffic.take_arrived() {
            Some(arrived) => Poll::Ready(arrived.frame),
            None => Poll::Pending,
        }
    }

    /// The next frame for the holder of the end `at` says that nobody is there any more.
    pub(crate) fn is_cut(&self, at: SocketEnd) -> bool {
        let arrived = self.end(at).traffic.arrived.borrow();
        matches!(
            arrived.front().map(|arrived| &arrived.frame),
            Some(Frame::Cut)
        )
    }

    /// Whoever holds the end `at` may pass more on. If not, he is woken when he may.
    pub(crate) fn has_room(&self, at: SocketEnd) -> bool {
        self.waiting(at) < READ_AHEAD_BYTES
    }

    /// Passes on what came from behind the end `at`.
    pub(crate) fn relay(self: &Rc<Self>, at: SocketEnd, frame: Frame) {
        self.send(at, frame, None);
    }

    /// Passes on that the peer behind the end `at` broke the protocol.
    pub(crate) fn relay_violation(self: &Rc<Self>, at: SocketEnd, code: u16, why: &str) {
        self.send(at, Frame::Failed(violation_text(code, why)), None);
        self.end(at).change(|closing| closing.broken = true);
    }

    /// Something was read at the end `at`: the holder of the other one may go on.
    pub(super) fn wake_writer(&self, at: SocketEnd) {
        if let Role::Held(waker) = &mut *self.end(other(at)).role.borrow_mut()
            && let Some(waker) = waker.take()
        {
            waker.wake();
        }
    }
}
