//! What has arrived, one event at a time: to listeners, or to the handlers of an object that may have to be woken for it.
//!
//! Each socket has one reader. It takes a frame, answers it by itself if it is the one that is answered so, else hands it to the object and waits until the
//! handler's *first turn* has run before it takes the next: handlers start in the order of arrival, and end in any (W-16). What
//! waits meanwhile stays here, with a bound (W-18).

use std::rc::{Rc, Weak};

use super::{
    WebSocket, WebSocketIncomingMessage,
    connection::{Accepted, Connection, Frame, Role, end_label},
    events::{CloseEvent, MessageEvent, WebsocketEvent},
    hibernation::Attached,
    traffic::Arrived,
};
use crate::{
    Error, Mutation, Result, handler::SocketEvent, instrument::point, platform::SocketEnd,
};

/// The code of a Close that had none (RFC 6455, 7.4.1).
pub(crate) const NO_CODE: u16 = 1005;

/// The code of a connection that ended without a Close (RFC 6455, 7.4.1).
pub(crate) const ABNORMAL: u16 = 1006;

/// The exact text of the original (io/legacy-hibernation-manager.c++).
const DISCONNECTED: &str = "WebSocket disconnected without sending Close frame.";

/// What an event is handed to.
enum Reader {
    Listeners { replies_to_close: bool },
    Object(Rc<Attached>),
    Nobody,
}

impl Connection {
    /// Looks at what has arrived at the end `at`.
    pub(super) fn read(self: &Rc<Self>, at: SocketEnd) {
        let end = self.end(at);
        while !end.traffic.busy.get() {
            let reader = match &mut *end.role.borrow_mut() {
                Role::Fresh => return,
                Role::Held(waker) => {
                    if let Some(waker) = waker.take() {
                        waker.wake();
                    }
                    return;
                }
                Role::Accepted(Accepted {
                    replies_to_close, ..
                }) => Reader::Listeners {
                    replies_to_close: *replies_to_close,
                },
                Role::Hibernatable(attached) => {
                    attached.upgrade().map_or(Reader::Nobody, Reader::Object)
                }
                Role::Released(_) | Role::Gone => Reader::Nobody,
            };
            let Some(arrived) = end.traffic.take_arrived() else {
                return;
            };
            self.wake_writer(at);
            match reader {
                Reader::Listeners { replies_to_close } => {
                    self.tell_listeners(at, arrived, replies_to_close);
                }
                Reader::Object(attached) => self.tell_object(at, arrived, &attached),
                Reader::Nobody => {}
            }
        }
    }

    fn tell_listeners(self: &Rc<Self>, at: SocketEnd, arrived: Arrived, replies_to_close: bool) {
        let end = self.end(at);
        let Arrived { frame, nth } = arrived;
        if end.closing.get().received {
            return; // whatever becomes of the connection behind a Close is nobody's business
        }
        point!(
            "socket_read",
            socket = self.number(),
            end = end_label(at),
            nth = nth,
            what = frame.label()
        );
        let event = match frame {
            Frame::Message(message) => Ok(WebsocketEvent::Message(MessageEvent::new(message))),
            Frame::Close(close) => {
                end.change(|closing| closing.received = true);
                if replies_to_close && !end.closing.get().sent {
                    end.change(|closing| closing.sent = true);
                    let gate = self.gate(at);
                    self.send(at, Frame::Close(close.clone()), gate);
                }
                Ok(WebsocketEvent::Close(CloseEvent::received(close)))
            }
            Frame::Cut => {
                end.change(|closing| closing.broken = true);
                Ok(WebsocketEvent::Close(disconnected()))
            }
            Frame::Failed(why) => {
                end.change(|closing| {
                    *closing = super::connection::Closing {
                        sent: true,
                        received: true,
                        broken: true,
                    };
                });
                Err(Error::from(why))
            }
        };
        let closing = end.closing.get();
        if closing.broken || (closing.sent && closing.received) {
            self.let_sleep(at);
        }
        end.listeners().tell(&event);
    }

    /// The socket at the end `at` is closed: it does not keep its object in memory any more.
    pub(super) fn let_sleep(&self, at: SocketEnd) {
        let awake = match &mut *self.end(at).role.borrow_mut() {
            Role::Accepted(accepted) => accepted.awake.take(),
            _ => None,
        };
        drop(awake); // the borrow is over: the object may begin to wait for its hibernation
    }

    fn tell_object(self: &Rc<Self>, at: SocketEnd, arrived: Arrived, attached: &Rc<Attached>) {
        let Arrived { frame, nth } = arrived;
        let end = self.end(at);
        if let Frame::Message(WebSocketIncomingMessage::String(text)) = &frame
            && let Some(answer) = attached.automatic_answer(text)
        {
            point!(
                "socket_answer",
                object = attached.label(),
                socket = self.number(),
                nth = nth
            );
            if !end.closing.get().sent {
                let message = WebSocketIncomingMessage::String(answer);
                self.send(at, Frame::Message(message), None);
            }
            return;
        }
        if matches!(frame, Frame::Cut | Frame::Failed(_)) {
            end.change(|closing| closing.broken = true);
        }
        let is_last = !matches!(frame, Frame::Message(_));
        if is_last && Mutation::CloseLostAtHibernation.is_active() && !attached.is_in_memory() {
            attached.detach(Weak::new());
            return;
        }
        end.traffic.busy.set(true);
        if let Err(error) = self.dispatch(at, frame, nth, attached) {
            end.traffic.busy.set(false);
            if is_last {
                attached.detach(Weak::new());
                self.cut(at);
                return;
            }
            // The object hears of the end, if it can be reached by then (W-21); the other end does in any case.
            self.break_off(at);
            end.put_back(if error.retryable() {
                Frame::Cut
            } else {
                Frame::Failed(error.message().to_owned())
            });
        }
    }

    /// # Errors
    /// The object cannot be brought into memory.
    fn dispatch(
        self: &Rc<Self>,
        at: SocketEnd,
        frame: Frame,
        nth: u32,
        attached: &Rc<Attached>,
    ) -> Result<()> {
        let is_last = !matches!(frame, Frame::Message(_));
        let activation = attached.wake()?;
        point!(
            "socket_event",
            object = attached.label(),
            socket = self.number(),
            nth = nth,
            what = frame.label(),
            attachment = self.attachment_print(at),
            tags = attached.tags_print()
        );
        let event = event(WebSocket::of(self, at), frame);
        let (connection, reader) = (Rc::clone(self), Rc::downgrade(attached));
        let owner = Rc::downgrade(&activation);
        let label: Rc<str> = attached.label().into();
        let first_turn = move || {
            point!(
                "socket_turn",
                object = &*label,
                socket = connection.number(),
                nth = nth
            );
            if is_last && let Some(attached) = reader.upgrade() {
                attached.detach(owner); // listed until the first turn is over, and no longer (W-6)
            }
            connection.end(at).traffic.busy.set(false);
            connection.call(at);
        };
        let connection = Rc::clone(self);
        // Not before: the constructor of an object that is woken for it still sees an open socket (recorded: close_while_hibernated).
        let begins = move || {
            if is_last {
                connection.end(at).change(|closing| closing.received = true);
            }
        };
        let name = (self.number(), nth);
        activation.deliver_socket_event(event, name, attached.event_timeout(), begins, first_turn);
        Ok(())
    }
}

fn event(socket: WebSocket, frame: Frame) -> SocketEvent {
    let close = |socket, close: CloseEvent| SocketEvent::Close {
        socket,
        code: close.code(),
        reason: close.reason(),
        was_clean: close.was_clean(),
    };
    match frame {
        Frame::Message(message) => SocketEvent::Message { socket, message },
        Frame::Close(received) => close(socket, CloseEvent::received(received)),
        Frame::Cut => close(socket, disconnected()),
        Frame::Failed(why) => SocketEvent::Error {
            socket,
            error: Error::from(why),
        },
    }
}

/// What the object is told of a peer that broke the protocol (recorded: `hibernatable_protocol_errors`).
pub(super) fn violation_text(code: u16, why: &str) -> String {
    format!(
        "WebSocket protocol error; protocolError.statusCode = {code}; protocolError.description = {why}"
    )
}

fn disconnected() -> CloseEvent {
    CloseEvent::new(ABNORMAL, DISCONNECTED.to_owned(), false)
}
