//! A `WebSocket` over a byte stream: what a network client sees of an object's socket.
//!
//! The front takes the far end of the connection that the object's response carried, and passes frames on in both directions. It answers pings; everything else,
//! the answer to a Close included, is the object's to say.
//!
//! Neither side can fill the memory. Nothing is read from the stream while much waits for the object ([`Connection::has_room`](crate::websocket::connection::Connection::has_room)), so that a
//! client that sends faster than the object works is slowed down by TCP. A client that does not read what the object sends loses its connection when more
//! than [`BUFFERED_BYTES_MAX`](crate::websocket::BUFFERED_BYTES_MAX) waits for it.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::future::{Either, select};
use sha1::{Digest as _, Sha1};
use tokio::io::AsyncWrite as _;

use super::{
    Front,
    frames::{self, FrameReader, Incoming, Mask, Violation},
};
use crate::{
    Headers, Method, Request, WebSocket,
    platform::{Entropy, SocketEnd, Stream},
    websocket::connection::{Connection, Frame},
};

/// The longest message that is received, in bytes (W-24).
pub const MESSAGE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// With so many bytes of pongs waiting to be written, no further frame is read.
const PONG_BYTES_MAX: usize = 64 * 1024;

/// What RFC 6455, 1.3 has a server append to the client's key.
const KEY_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What the answer to a good handshake needs to know of the request.
pub(super) struct Handshake {
    accept: String,
}

impl Handshake {
    /// How a request for a `WebSocket` is answered, or what is wrong with it (RFC 6455, 4.2.1). `None` for all other requests. `connection` is the
    /// header of that name, which an object's request has not.
    pub(super) fn of(request: &Request, connection: &str) -> Option<Result<Self, String>> {
        if !request.upgrades() {
            return None;
        }
        Some(Self::check(request.method(), request.headers(), connection))
    }

    fn check(method: Method, headers: &Headers, connection: &str) -> Result<Self, String> {
        let header = |name: &str| headers.get(name).ok().flatten().unwrap_or_default();
        let mut tokens = connection.split(',').map(str::trim);
        if !tokens.any(|token| token.eq_ignore_ascii_case("upgrade")) {
            return Err("a request for a WebSocket needs `Connection: Upgrade`".to_owned());
        }
        if method != Method::Get {
            return Err("a WebSocket is asked for with GET".to_owned());
        }
        let version = header("sec-websocket-version");
        if version != "13" {
            return Err(format!(
                "`Sec-WebSocket-Version: {version}` is not spoken here, 13 is"
            ));
        }
        let key = header("sec-websocket-key");
        let decoded = data_encoding::BASE64.decode(key.as_bytes());
        if decoded.is_err() || decoded.is_ok_and(|bytes| bytes.len() != 16) {
            return Err(format!("`{key}` is no key of 16 bytes in base64"));
        }
        Ok(Self {
            accept: accept_of(&key),
        })
    }

    /// The headers with which the connection changes its protocol.
    pub(super) fn answer(self, headers: &mut http::HeaderMap) {
        let accept = http::HeaderValue::try_from(self.accept).expect("base64 is made of letters");
        headers.insert("connection", http::HeaderValue::from_static("Upgrade"));
        headers.insert("upgrade", http::HeaderValue::from_static("websocket"));
        headers.insert("sec-websocket-accept", accept);
    }
}

/// The proof that the server has read the key.
pub(super) fn accept_of(key: &str) -> String {
    data_encoding::BASE64.encode(&Sha1::digest(format!("{key}{KEY_SUFFIX}")))
}

/// A connection that has become a socket.
pub(super) struct Upgraded {
    pub(super) stream: Box<dyn Stream>,
    /// Bytes behind the handshake that were read already.
    pub(super) read: Bytes,
    pub(super) socket: WebSocket,
}

/// Passes frames on until one side is gone, or the server shuts down: sockets get no grace (lifecycle 6.6).
pub(super) async fn run(upgraded: Upgraded, front: Front) {
    let relay = Relay::new(upgraded, front.limits.message_bytes_max, None);
    let stopped = front.stopped.clone();
    drop(front);
    pass_on(relay, stopped).await;
}

/// Passes frames on until one side is gone, as the one who asked for the socket: his frames are masked.
pub(super) async fn run_as_client(upgraded: Upgraded, masks: Rc<dyn Entropy>) {
    let relay = Relay::new(upgraded, MESSAGE_BYTES_MAX, Some(masks));
    pass_on(relay, std::future::pending()).await;
}

async fn pass_on(mut relay: Relay, stopped: impl Future<Output = ()> + Unpin) {
    let over = poll_fn(|cx| relay.poll(cx));
    if let Either::Left((Err(error), _)) = select(over, stopped).await {
        tracing::debug!(%error, "a socket's connection broke");
    }
    // Where both have closed, the client's Close may still be on its way to the object: a cut would overtake it, and the object would hear of a
    // connection that was lost (recorded: send_and_close_states).
    if !relay.phase.is_closed() {
        relay.connection.cut(relay.end);
    }
}

struct Relay {
    connection: Rc<Connection>,
    end: SocketEnd,
    stream: Box<dyn Stream>,
    reader: FrameReader,
    /// Where the masks of a client's frames come from.
    masks: Option<Rc<dyn Entropy>>,
    /// Bytes to be written, and how many of them are. Empty, and without memory, while nothing is under way.
    out: Vec<u8>,
    written: usize,
    unflushed: bool,
    phase: Phase,
}

/// What is over.
#[derive(Clone, Copy, Default)]
struct Phase {
    /// The object sends no more.
    object_closed: bool,
    /// The client sends no more.
    client_closed: bool,
    /// The client broke the protocol, and is told so: then it is over.
    failed: bool,
}

impl Phase {
    /// Both have said that they send no more.
    fn is_closed(self) -> bool {
        self.object_closed && self.client_closed && !self.failed
    }
}

impl Relay {
    fn new(upgraded: Upgraded, message_bytes_max: usize, masks: Option<Rc<dyn Entropy>>) -> Self {
        let Upgraded {
            stream,
            read,
            socket,
        } = upgraded;
        let (connection, end) = (Rc::clone(socket.connection()), socket.at());
        connection.hold(end);
        Self {
            connection,
            end,
            stream,
            reader: FrameReader::new(&read, message_bytes_max),
            masks,
            out: Vec::new(),
            written: 0,
            unflushed: false,
            phase: Phase::default(),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.poll_write(cx)?.is_ready() {
                if self.phase.failed || self.phase.is_closed() {
                    return Pin::new(&mut self.stream).poll_shutdown(cx);
                }
                match self.connection.poll_take(self.end, cx) {
                    Poll::Ready(Frame::Cut | Frame::Failed(_)) => return Poll::Ready(Ok(())),
                    Poll::Ready(frame) => {
                        self.write_frame(frame);
                        continue;
                    }
                    Poll::Pending => {}
                }
            } else if self.connection.is_cut(self.end) {
                return Poll::Ready(Ok(())); // what could not be written is lost, as in any reset
            } else {
                self.connection.want_wake(self.end, cx);
            }
            let is_full = self.out.len() > PONG_BYTES_MAX || !self.connection.has_room(self.end);
            if is_full || self.phase.failed {
                return Poll::Pending;
            }
            match ready!(self.reader.poll_next(&mut *self.stream, cx))? {
                None => return Poll::Ready(Ok(())),
                Some(read) => self.take(read),
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> io::Result<Poll<()>> {
        while self.written < self.out.len() {
            let left = &self.out[self.written..];
            match Pin::new(&mut self.stream).poll_write(cx, left)? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(written) => self.written += written,
                Poll::Pending => return Ok(Poll::Pending),
            }
            self.unflushed = true;
        }
        if !self.out.is_empty() {
            self.out = Vec::new();
            self.written = 0;
        }
        if self.unflushed && Pin::new(&mut self.stream).poll_flush(cx)?.is_pending() {
            return Ok(Poll::Pending);
        }
        self.unflushed = false;
        Ok(Poll::Ready(()))
    }

    fn mask(&self) -> Mask {
        self.masks.as_ref().map_or(Mask::None, |masks| {
            let mut mask = [0; 4];
            masks.fill(&mut mask);
            Mask::With(mask)
        })
    }

    fn write_frame(&mut self, frame: Frame) {
        let mask = self.mask();
        match frame {
            Frame::Message(message) => frames::write_message(&mut self.out, &message, mask),
            Frame::Close(close) => {
                let close = close.as_ref().map(|(code, reason)| (*code, &**reason));
                frames::write_close(&mut self.out, close, mask);
                self.phase.object_closed = true;
            }
            Frame::Cut | Frame::Failed(_) => unreachable!("they end the relay"),
        }
    }

    fn take(&mut self, read: Result<Incoming, Violation>) {
        if self.phase.client_closed || self.phase.failed {
            return; // nothing that comes behind a Close counts
        }
        match read {
            Ok(Incoming::Message(message)) => {
                self.connection.relay(self.end, Frame::Message(message));
            }
            Ok(Incoming::Ping(bytes)) => {
                let mask = self.mask();
                frames::write_pong(&mut self.out, &bytes, mask);
            }
            Ok(Incoming::Pong) => {}
            Ok(Incoming::Close(close)) => {
                self.phase.client_closed = true;
                self.connection.relay(self.end, Frame::Close(close));
            }
            Err(Violation { code, why }) => {
                self.phase.failed = true;
                if !self.phase.object_closed {
                    let mask = self.mask();
                    frames::write_close(&mut self.out, Some((code, &why)), mask);
                }
                self.connection.relay_violation(self.end, code, &why);
            }
        }
    }
}
