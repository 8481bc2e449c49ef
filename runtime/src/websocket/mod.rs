//! `WebSockets`: connections that outlive the memory of the object that holds them.
//!
//! A connection has two ends, and the object keeps one of them. If it `accept()`s it, the socket is an ordinary one: its events go to whoever
//! listens, it keeps the object in memory, and it is gone when the object is. If it hands it to [`State::accept_web_socket`](crate::State::accept_web_socket),
//! the *node* holds it: the object may hibernate, its tags, its attachment and the automatic answer stay, and the next message wakes the
//! object and finds it with everything that was stored, and nothing that was only in memory.
//!
//! Modules in the order in which a message meets them:
//! - `connection`: two ends, their states, and who may use them;
//! - `traffic`: what is under way between them: it waits at the output gate, then goes over a [`SocketLink`](crate::platform::SocketLink), in order;
//! - `deliver`: what has arrived, one event at a time, to listeners or to the object's handlers;
//! - `hibernation`: the sockets that a node holds for an object, and what it keeps beside each;
//! - `socket`, `events`, `attachment`, `auto_response`, `state`: what the object's code sees of it;
//! - `held`: the same for the front, which puts it into the frames of RFC 6455 (`server::socket`).
//!
//! What happens to a socket when its object leaves memory is decided in one place, `activation::socket`.

pub(crate) mod attachment;
mod auto_response;
pub(crate) mod connection;
mod deliver;
pub(crate) mod events;
#[cfg_attr(
    not(feature = "server"),
    expect(dead_code, reason = "only the front holds ends")
)]
mod held;
pub(crate) mod hibernation;
mod socket;
mod state;
mod traffic;

pub use auto_response::WebSocketRequestResponsePair;
pub use events::{CloseEvent, EventStream, MessageEvent, WebSocketIncomingMessage, WebsocketEvent};
pub use socket::{ReadyState, WebSocket, WebSocketPair};
