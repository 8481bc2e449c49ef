//! The way of a call to an object and of its reply.
//!
//! Every stub sends over a link of its own, also inside one node, because that is where interleavings arise: two calls
//! made at once over two links may arrive in either order, two over one link never do. The real platform carries a leg
//! at once; a simulated one takes its time, changes the order between links, or loses the connection.

use std::rc::Rc;

use super::{LocalBoxFuture, SocketLink};

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Leg {
    /// From the stub to the object.
    Call,
    /// From the object back to the stub.
    Reply,
}

/// The connection broke while the message was under way, and stays broken: whether it arrived cannot be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection was lost")]
pub struct Lost;

/// The port that makes links.
pub trait Links {
    /// A new link for the calls of one stub. `from` and `to` name the ends in traces (`client-1`, `Counter/a`).
    fn open(&self, from: &str, to: &str) -> Rc<dyn Link>;

    /// A new way for the messages of one WebSocket, whose near end `from` made it.
    fn open_socket(&self, from: &str) -> Rc<dyn SocketLink>;
}

/// One stub's connection.
pub trait Link {
    /// Completes when the message has arrived. Messages of one leg arrive in the order of these calls, whatever the
    /// order in which the futures are polled.
    fn carry(&self, leg: Leg) -> LocalBoxFuture<'static, Result<(), Lost>>;
}
