//! Byte streams between processes, for the server that speaks to the outside.

use std::{fmt, io, rc::Rc};

use tokio::io::{AsyncRead, AsyncWrite};

use super::LocalBoxFuture;

/// A connected byte stream. Dropping it closes it.
pub trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

impl fmt::Debug for dyn Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}

/// The port for streams. Addresses are `host:port` with a numeric host.
pub trait Network {
    /// Starts to accept connections at `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// `AddrInUse` if another listener has the port, `InvalidInput` if `address` is no address.
    fn listen(&self, address: &str) -> LocalBoxFuture<'static, io::Result<Rc<dyn Listener>>>;

    /// Connects to a listener.
    ///
    /// # Errors
    /// `ConnectionRefused` if nobody listens there.
    fn connect(&self, address: &str) -> LocalBoxFuture<'static, io::Result<Box<dyn Stream>>>;
}

/// A listening address. Dropping it frees the port.
pub trait Listener {
    /// The next connection.
    fn accept(&self) -> LocalBoxFuture<'_, io::Result<Box<dyn Stream>>>;

    /// The address it really listens at, with the port that was taken for port 0.
    fn local_address(&self) -> String;
}
