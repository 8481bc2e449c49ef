//! The HTTP/1.1 front of a node: bytes of a stream on one side, [`Request`] and [`Response`] on the other.
//!
//! It runs on any [`Listener`], real or simulated, and asks the world only through ports: hyper gets no timer, and the
//! `Date` of a response comes from the [`Clock`]. (hyper looks at the system's clock for a `Date` of its own, which is
//! switched off: nothing that it reads there leaves it.)
//!
//! In: connections. Out: calls of one handler, a request at a time for each connection. A client that goes away drops
//! the handler's future; what that means for an object is the handler's to say. An `Err` of the handler becomes a
//! response here and nowhere earlier, because between objects it must stay an exception (FT-10, E-10).
//!
//! A response with a socket turns its connection into a `WebSocket` (`socket`, in the frames of `frames`), which costs next to nothing while it is idle.

mod connection;
mod date;
mod dial;
mod frames;
mod socket;
mod wire;

use std::{convert::Infallible, future::Future, io, pin::pin, rc::Rc, time::Duration};

use futures_channel::mpsc;
use futures_util::{
    FutureExt, StreamExt,
    future::{Either, Shared, select},
};

use crate::{
    Request, Response, Result,
    platform::{Clock, Listener, LocalBoxFuture, Spawn, Stream},
};

pub use socket::MESSAGE_BYTES_MAX;

/// What answers the requests.
pub type FetchHandler = Rc<dyn Fn(Request) -> LocalBoxFuture<'static, Result<Response>>>;

/// The longest body of a request, in bytes; a longer one is answered with status 413.
pub const REQUEST_BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// How long connections may go on after the shutdown began, before they are cut.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(30);

/// The pause after an `accept` that failed: most often the process has no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How many times in a row `accept` may fail before the server gives up.
const ACCEPT_FAILURES_MAX: u32 = 100;

/// What the front takes from its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest message of a `WebSocket`, in bytes: [`MESSAGE_BYTES_MAX`] unless set. A longer one closes the socket with code 1009 (W-24).
    pub message_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: MESSAGE_BYTES_MAX,
        }
    }
}

impl Limits {
    /// The same with another limit for messages.
    #[must_use]
    pub fn message_bytes_max(mut self, bytes: usize) -> Self {
        self.message_bytes_max = bytes;
        self
    }
}

/// The parts that all connections share.
#[derive(Clone)]
struct Front {
    handler: FetchHandler,
    limits: Limits,
    clock: Rc<dyn Clock>,
    /// The authority of URLs for requests without a `Host`.
    local_address: Rc<str>,
    stopped: Shared<LocalBoxFuture<'static, ()>>,
}

/// Answers HTTP/1.1 requests with `handler` until `shutdown` completes.
///
/// Then no connection is accepted any more, requests that are being answered are finished, idle connections are closed,
/// and after [`SHUTDOWN_GRACE`] the rest is cut; the call returns when none is left. The listener is freed as soon as
/// nothing is accepted. Dropping the future stops accepting and leaves the open connections alone.
///
/// An error of the handler is answered with its message and status 503 if it is
/// [`overloaded`](crate::Error::overloaded), else 500.
///
/// # Errors
/// The last error of `accept`, after it failed many times in a row: nobody can connect any more.
///
/// # Example
/// ```no_run
/// use std::rc::Rc;
///
/// use dormouse::{Response, platform::real, server};
///
/// # fn main() -> std::io::Result<()> {
/// real::run(async {
///     let platform = real::platform("data".as_ref())?;
///     let listener = platform.network.listen("127.0.0.1:8787").await?;
///     let handler: server::FetchHandler = Rc::new(|request| Box::pin(async move { Response::ok(request.path()) }));
///     server::serve(listener, platform.spawn, platform.clock, handler, std::future::pending()).await
/// })
/// # }
/// ```
pub async fn serve(
    listener: Rc<dyn Listener>,
    spawn: Rc<dyn Spawn>,
    clock: Rc<dyn Clock>,
    handler: FetchHandler,
    shutdown: impl Future<Output = ()> + 'static,
) -> io::Result<()> {
    serve_with(listener, spawn, clock, handler, Limits::default(), shutdown).await
}

/// [`serve`] with limits of one's own.
///
/// # Errors
/// Those of [`serve`].
pub async fn serve_with(
    listener: Rc<dyn Listener>,
    spawn: Rc<dyn Spawn>,
    clock: Rc<dyn Clock>,
    handler: FetchHandler,
    limits: Limits,
    shutdown: impl Future<Output = ()> + 'static,
) -> io::Result<()> {
    let stopped = (Box::pin(shutdown) as LocalBoxFuture<'static, ()>).shared();
    let local_address = listener.local_address().into();
    let front = Front {
        handler,
        limits,
        clock,
        local_address,
        stopped,
    };
    // Nothing is ever sent: each connection holds a sender, and when all are gone, so are the connections.
    let (open, mut drained) = mpsc::channel::<Infallible>(0);
    while let Some(stream) = accept(&*listener, &front).await? {
        let (front, open, sockets) = (front.clone(), open.clone(), Rc::clone(&spawn));
        spawn.spawn(Box::pin(async move {
            if let Some(upgraded) = connection::run(stream, &front).await {
                // In a task of its own: that of a connection holds everything that HTTP needs.
                sockets.spawn(Box::pin(async move {
                    socket::run(upgraded, front).await;
                    drop(open);
                }));
            }
        }));
    }
    drop((listener, open, spawn));
    match drained.next().await {
        None => Ok(()),
        Some(never) => match never {},
    }
}

/// The next connection; `None` after the shutdown began.
async fn accept(listener: &dyn Listener, front: &Front) -> io::Result<Option<Box<dyn Stream>>> {
    let mut failures = 0;
    loop {
        let Some(accepted) = until_stopped(listener.accept(), front).await else {
            return Ok(None);
        };
        let error = match accepted {
            Ok(stream) => return Ok(Some(stream)),
            Err(error) => error,
        };
        failures += 1;
        if failures >= ACCEPT_FAILURES_MAX {
            return Err(error);
        }
        let pause = front.clock.sleep_until(front.clock.now() + ACCEPT_PAUSE);
        if until_stopped(pause, front).await.is_none() {
            return Ok(None);
        }
    }
}

/// The future's output, or `None` if the shutdown came first.
async fn until_stopped<T>(future: impl Future<Output = T>, front: &Front) -> Option<T> {
    match select(front.stopped.clone(), pin!(future)).await {
        Either::Left(((), _)) => None,
        Either::Right((output, _)) => Some(output),
    }
}

#[cfg(all(test, feature = "real"))]
mod tests;
