//! A socket, as an object's code holds it, and the pair of which it is one half.

use std::{fmt, rc::Rc};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    EventStream, WebSocketIncomingMessage, attachment,
    connection::{Accepted, Connection, Frame, Role, end_label, other},
};
use crate::{
    Error, Result,
    activation::turn::Turn,
    instrument::point,
    node::Compatibility,
    platform::{SocketEnd, Spawn},
    value,
};

/// How long the reason of a Close may be, in bytes of UTF-8: what a control frame takes beside the code (RFC 6455, 5.5).
const CLOSE_REASON_BYTES_MAX: usize = 123;

/// Exact text of the original (api/web-socket.c++).
const NOT_ACCEPTED: &str = "You must call one of accept() or state.acceptWebSocket() on this WebSocket before sending messages.";

/// Two sockets that are connected to each other: one to keep, one to return in a response.
///
/// # Example
/// ```
/// use dormouse::{Response, Result, State, WebSocketPair};
///
/// fn upgrade(state: &State) -> Result<Response> {
///     let pair = WebSocketPair::new()?;
///     state.accept_web_socket(&pair.server);
///     Response::from_websocket(pair.client)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketPair {
    /// The half for the caller.
    pub client: WebSocket,
    /// The half for the object.
    pub server: WebSocket,
}

impl WebSocketPair {
    /// A new pair.
    ///
    /// # Errors
    /// If it is not an object's code that asks.
    pub fn new() -> Result<Self> {
        let turn = Turn::current().ok_or_else(|| {
            Error::from(
                "a WebSocketPair is made in an object's code, while an event of it is handled",
            )
        })?;
        let platform = &turn.activation.node.platform;
        let link = platform.links.open_socket(&turn.activation.label);
        let connection = Connection::new(link, &platform.spawn);
        Ok(Self {
            client: WebSocket::of(&connection, SocketEnd::Far),
            server: WebSocket::of(&connection, SocketEnd::Near),
        })
    }
}

/// How far a socket's closing has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ReadyState {
    /// Not connected yet. No socket of this crate is ever seen so: `connect` completes afterwards.
    Connecting = 0,
    /// Both directions are open.
    Open = 1,
    /// One direction is closed.
    Closing = 2,
    /// Both directions are closed, or an error closed them.
    Closed = 3,
}

/// One end of a connection.
///
/// Two of them are equal if they are the same end. A clone is the same end, and so is what
/// [`State::get_websockets`](crate::State::get_websockets) gives after the object has hibernated; anything that was kept beside the old one in memory is
/// gone, so keep it in the [attachment](Self::serialize_attachment).
///
/// Dropping the last clone of one that was neither accepted nor returned breaks the connection.
#[derive(Clone)]
pub struct WebSocket(Rc<Handle>);

struct Handle {
    connection: Rc<Connection>,
    at: SocketEnd,
    /// The number of this holder; another one may hold the end by now.
    holder: u32,
}

impl WebSocket {
    /// A handle for the present holder of the end `at`.
    pub(crate) fn of(connection: &Rc<Connection>, at: SocketEnd) -> Self {
        Self(Rc::new(Handle {
            connection: Rc::clone(connection),
            at,
            holder: connection.end(at).holder(),
        }))
    }

    pub(crate) fn connection(&self) -> &Rc<Connection> {
        &self.0.connection
    }

    pub(crate) fn at(&self) -> SocketEnd {
        self.0.at
    }

    /// Nobody else was given the end since this handle was made.
    pub(super) fn is_holder(&self) -> bool {
        self.0.connection.end(self.0.at).is_held_by(self.0.holder)
    }

    /// Begins to receive. The events go to whoever listens ([`events`](Self::events)), the object stays in memory as long as the socket is open, and the socket ends with it:
    /// for one that lets the object hibernate use [`State::accept_web_socket`](crate::State::accept_web_socket). A second call does nothing.
    ///
    /// A Close of the other end is answered at once, with its own code and reason, if the compatibility date is 2026-04-07 or later.
    ///
    /// # Errors
    /// The socket was handed to `accept_web_socket`, or returned in a response; with the original's texts (W-3).
    pub fn accept(&self) -> Result<()> {
        self.accept_as(None)
    }

    /// Begins to receive as [`accept`](Self::accept) does, and leaves the answer to a Close to the code, whatever the compatibility date.
    ///
    /// # Errors
    /// Those of [`accept`](Self::accept).
    pub fn accept_half_open(&self) -> Result<()> {
        self.accept_as(Some(false))
    }

    fn accept_as(&self, replies_to_close: Option<bool>) -> Result<()> {
        // Exact texts of the original (api/web-socket.c++).
        if !self.is_holder() {
            return Err(Error::type_error(
                "Can't accept() WebSocket that was already used in a response.",
            ));
        }
        let Handle { connection, at, .. } = &*self.0;
        let end = connection.end(*at);
        match &*end.role.borrow() {
            Role::Fresh => {}
            Role::Hibernatable(_) | Role::Released(_) => {
                return Err(Error::type_error(
                    "Can't accept() WebSocket after enabling hibernation.",
                ));
            }
            Role::Accepted(_) | Role::Held(_) | Role::Gone => return Ok(()),
        }
        let owner = Turn::current().map(|turn| turn.activation);
        let compatibility = owner
            .as_ref()
            .map_or_else(Compatibility::default, |owner| owner.node.compatibility);
        let label = owner.as_ref().map_or("", |owner| &*owner.label);
        point!(
            "socket_accept",
            object = label,
            socket = connection.number(),
            how = "listeners",
            end = end_label(*at)
        );
        if let Some(owner) = &owner {
            owner.answers_for(connection, *at);
            let spawn = Rc::clone(&owner.node.platform.spawn);
            let pair = connection.end(other(*at));
            if !connection.is_reached() && !pair.is_fresh() {
                connection.reach(*at, label, spawn); // both ends stay in one object
            }
        }
        *end.role.borrow_mut() = Role::Accepted(Accepted {
            awake: owner.as_ref().map(|owner| owner.stay_awake()),
            owner: owner.as_ref().map(Rc::downgrade),
            replies_to_close: replies_to_close
                .unwrap_or(compatibility.web_socket_auto_reply_to_close),
        });
        connection.call(*at);
        Ok(())
    }

    /// Sends `data` as JSON text.
    ///
    /// # Errors
    /// Those of [`send_with_str`](Self::send_with_str), and `Failed to encode data to json (status: 500)`.
    pub fn send<T: Serialize>(&self, data: &T) -> Result<()> {
        let text = serde_json::to_string(data)
            .map_err(|_| Error::from("Failed to encode data to json (status: 500)"))?;
        self.send_message(WebSocketIncomingMessage::String(text))
    }

    /// Sends text. It leaves when every write made before this call is durable, behind everything that was sent before (G-15).
    ///
    /// If the other end is gone, nothing happens.
    ///
    /// # Errors
    /// `TypeError` if the socket was not accepted, or if [`close`](Self::close) was called before (W-31).
    pub fn send_with_str<S: AsRef<str>>(&self, data: S) -> Result<()> {
        self.send_message(WebSocketIncomingMessage::String(data.as_ref().to_owned()))
    }

    /// Sends bytes; see [`send_with_str`](Self::send_with_str).
    ///
    /// # Errors
    /// Those of [`send_with_str`](Self::send_with_str).
    pub fn send_with_bytes<D: AsRef<[u8]>>(&self, bytes: D) -> Result<()> {
        self.send_message(WebSocketIncomingMessage::Binary(bytes.as_ref().to_vec()))
    }

    fn send_message(&self, message: WebSocketIncomingMessage) -> Result<()> {
        let Handle { connection, at, .. } = &*self.0;
        if !self.is_accepted() {
            return Err(Error::type_error(NOT_ACCEPTED));
        }
        let closing = connection.end(*at).closing.get();
        if closing.broken {
            return Ok(());
        }
        if closing.sent {
            return Err(Error::type_error(
                "Can't call WebSocket send() after close().",
            ));
        }
        let gate = connection.gate(*at);
        connection.send(*at, Frame::Message(message), gate);
        Ok(())
    }

    fn is_accepted(&self) -> bool {
        self.is_holder() && !self.0.connection.end(self.0.at).is_fresh()
    }

    /// Says that nothing more will be sent. The other end's messages still come, until it closes, too (W-32). A second call does nothing.
    ///
    /// A reason without a code is dropped, as workers-rs does.
    ///
    /// # Errors
    /// `InvalidAccessError` for a code that may not be sent, `SyntaxError` for a reason of more than 123 bytes, `TypeError` if the socket was not accepted;
    /// in this order (W-30).
    pub fn close<S: AsRef<str>>(&self, code: Option<u16>, reason: Option<S>) -> Result<()> {
        let Handle { connection, at, .. } = &*self.0;
        let close = code.map(|code| {
            let reason = reason.map_or_else(String::new, |reason| reason.as_ref().to_owned());
            (code, reason)
        });
        if let Some((code, reason)) = &close {
            check_close(*code, reason)?;
        }
        let end = connection.end(*at);
        let closing = end.closing.get();
        if closing.sent || closing.broken {
            return Ok(());
        }
        if !self.is_accepted() {
            return Err(Error::type_error(NOT_ACCEPTED));
        }
        let gate = connection.gate(*at);
        connection.send(*at, Frame::Close(close), gate);
        end.change(|closing| closing.sent = true);
        if closing.received {
            connection.let_sleep(*at);
        }
        Ok(())
    }

    /// How far its closing has come (W-25).
    pub fn ready_state(&self) -> ReadyState {
        let closing = self.0.connection.end(self.0.at).closing.get();
        match (closing.sent, closing.received) {
            (false, false) => ReadyState::Open,
            (true, true) => ReadyState::Closed,
            (true, false) | (false, true) => ReadyState::Closing,
        }
    }

    /// What happens on it, if it was or will be [`accept`](Self::accept)ed. The handlers of an object that hibernates get the events of its sockets, and no listener does.
    ///
    /// # Errors
    /// None; the signature is that of workers-rs.
    pub fn events(&self) -> Result<EventStream<'_>> {
        Ok(EventStream::new(
            self.0.connection.end(self.0.at).listeners(),
        ))
    }

    /// Keeps `value` with the socket, as it is now. It outlives hibernation if the object accepted the socket with
    /// [`State::accept_web_socket`](crate::State::accept_web_socket), and ends with the connection, or with a reset of the object.
    ///
    /// # Errors
    /// It takes more than 16 384 bytes, with the original's text, or is nothing that can be copied; the former attachment stays (W-8).
    pub fn serialize_attachment<T: Serialize>(&self, value: T) -> Result<()> {
        let value = value::to_value(&value)?;
        let bytes = attachment::encode(&value)?;
        let Handle { connection, at, .. } = &*self.0;
        *connection.end(*at).attachment.borrow_mut() = Some(bytes);
        point!(
            "socket_attachment",
            socket = connection.number(),
            end = end_label(*at),
            attachment = connection.attachment_print(*at)
        );
        Ok(())
    }

    /// What [`serialize_attachment`](Self::serialize_attachment) kept, `None` if nothing: a new copy at each call (W-9).
    ///
    /// # Errors
    /// The attachment is no `T`.
    pub fn deserialize_attachment<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        let end = self.0.connection.end(self.0.at);
        match &*end.attachment.borrow() {
            Some(bytes) => value::from_value(attachment::decode(bytes)?),
            None => Ok(None),
        }
    }

    /// The URL of a socket that this code opened itself; `None` for one half of a pair.
    pub fn url(&self) -> Option<&str> {
        let dialed = self.0.connection.dialed(self.0.at);
        dialed.map(|dialed| dialed.url.as_str())
    }

    /// The protocol that both ends agreed on, if this code opened the socket itself and there is one; empty for one half of a pair, whatever the response's
    /// headers say.
    pub fn protocol(&self) -> &str {
        let dialed = self.0.connection.dialed(self.0.at);
        dialed.map_or("", |dialed| &dialed.protocol)
    }

    /// The extensions in use: none.
    pub fn extensions(&self) -> &'static str {
        ""
    }

    /// This end in a response that leaves: whoever gets that is its holder from now on. If it cannot be given away, the response goes with one that is
    /// connected to nobody, as recorded: its receiver finds the connection broken.
    pub(crate) fn given_away(self) -> Self {
        let Handle { connection, at, .. } = &*self.0;
        if self.is_holder() && connection.end(*at).is_fresh() {
            connection.hand_over(*at);
            return Self::of(connection, *at);
        }
        point!("socket_not_given_away", socket = connection.number());
        let home = Rc::clone(&connection.end(*at).home.borrow());
        let dead = Connection::new(crate::platform::Direct::open(), &home);
        dead.cut(SocketEnd::Near);
        Self::of(&dead, SocketEnd::Far)
    }

    /// It has come to `holder`, whose tasks run at `home`.
    pub(crate) fn reached(&self, holder: &str, home: Rc<dyn Spawn>) {
        self.0.connection.reach(self.0.at, holder, home);
    }
}

/// The codes and reasons that may be sent (W-30).
fn check_close(code: u16, reason: &str) -> Result<()> {
    // Exact texts of the original (api/web-socket.c++).
    if !(1000..=4999).contains(&code) || matches!(code, 1004 | 1005 | 1006 | 1015) {
        return Err(Error::new(
            "InvalidAccessError",
            format!("Invalid WebSocket close code: {code}."),
        ));
    }
    let limited = Turn::current().is_none_or(|turn| {
        let compatibility = turn.activation.node.compatibility;
        compatibility.websocket_close_reason_byte_limit
    });
    if limited && reason.len() > CLOSE_REASON_BYTES_MAX {
        return Err(Error::new(
            "SyntaxError",
            format!(
                "WebSocket close reason must not be longer than {CLOSE_REASON_BYTES_MAX} bytes when UTF-8 encoded."
            ),
        ));
    }
    Ok(())
}

impl Drop for Handle {
    fn drop(&mut self) {
        let end = self.connection.end(self.at);
        if end.is_held_by(self.holder) && end.is_fresh() {
            let (connection, at) = (Rc::clone(&self.connection), self.at);
            // Beside the code that runs: a destructor has no effect of its own.
            end.spawn(async move {
                if connection.end(at).is_fresh() {
                    connection.cut(at);
                }
            });
        }
    }
}

impl PartialEq for WebSocket {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0.connection, &other.0.connection) && self.0.at == other.0.at
    }
}

impl Eq for WebSocket {}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("number", &self.0.connection.number())
            .field("end", &end_label(self.0.at))
            .field("ready_state", &self.ready_state())
            .finish()
    }
}
