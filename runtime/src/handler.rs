//! The boundary to the engine: what a node asks of a class and of an instance, whatever language it is written in.
//!
//! Rust objects are one implementation ([`object`](crate::object)); a JavaScript engine can be another. Nothing above this boundary knows
//! which: values cross it as [`Value`], requests as [`Request`].

use std::rc::Rc;

use crate::{
    AlarmInfo, Env, Error, Request, Response, Result, ShutdownReason, State, Value, WebSocket,
    WebSocketIncomingMessage, platform::LocalBoxFuture,
};

/// A class of objects, as a node sees it.
pub trait Class {
    /// The class's name, as in the configuration.
    fn name(&self) -> &str;

    /// Makes an instance: runs the constructor, in the activation's first turn.
    ///
    /// # Errors
    /// The constructor failed: the activation is thrown away, every waiting event fails with this error (C-6).
    fn construct(&self, state: State, env: Env) -> Result<Rc<dyn Handler>>;

    /// Whether its instances have a handler for alarms: without one `set_alarm` is refused (AL-4).
    fn handles_alarms(&self) -> bool {
        false
    }
}

/// A live instance. Its futures are polled only while the input gate is held, on one thread.
pub trait Handler {
    /// An HTTP request.
    fn fetch(self: Rc<Self>, request: Request) -> LocalBoxFuture<'static, Result<Response>>;

    /// A remote procedure call.
    fn call(
        self: Rc<Self>,
        method: String,
        arguments: Vec<Value>,
    ) -> LocalBoxFuture<'static, Result<Value>>;

    /// The last one, before a planned end, on nodes that have the option on
    /// ([`NodeBuilder::pre_shutdown`](crate::NodeBuilder::pre_shutdown)).
    fn pre_shutdown(self: Rc<Self>, reason: ShutdownReason) -> LocalBoxFuture<'static, Result<()>> {
        let _ = reason;
        Box::pin(std::future::ready(Ok(())))
    }

    /// The alarm. Only called if the class [handles alarms](Class::handles_alarms), which then has more to say than this.
    fn alarm(self: Rc<Self>, info: AlarmInfo) -> LocalBoxFuture<'static, Result<()>> {
        let _ = info;
        Box::pin(std::future::ready(Ok(())))
    }

    /// Something happened on a socket that the node holds for this object. Without an implementation it is as if it had been handled (W-19).
    fn websocket(self: Rc<Self>, event: SocketEvent) -> LocalBoxFuture<'static, Result<()>> {
        let _ = event;
        Box::pin(std::future::ready(Ok(())))
    }
}

/// What happened on a socket that the node holds for an object.
#[derive(Debug)]
pub enum SocketEvent {
    /// A message came.
    Message {
        /// Where.
        socket: WebSocket,
        /// What it says.
        message: WebSocketIncomingMessage,
    },
    /// The other end sends no more, or is gone.
    Close {
        /// Where.
        socket: WebSocket,
        /// The code: 1005 for a Close without one, 1006 without a Close.
        code: u16,
        /// Why.
        reason: String,
        /// A Close came.
        was_clean: bool,
    },
    /// The other end broke the protocol.
    Error {
        /// Where.
        socket: WebSocket,
        /// How.
        error: Error,
    },
}

impl SocketEvent {
    /// How it is called in traces.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Message { .. } => "websocket_message",
            Self::Close { .. } => "websocket_close",
            Self::Error { .. } => "websocket_error",
        }
    }
}

/// What is asked of an object from outside.
#[derive(Debug)]
pub enum Invocation {
    /// `stub.fetch(request)`.
    Fetch(Request),
    /// `stub.method(arguments)`.
    Call {
        /// The method's name.
        method: String,
        /// Its arguments, by value.
        arguments: Vec<Value>,
    },
}

/// What an object answers.
#[derive(Debug)]
pub enum Reply {
    /// To a fetch.
    Response(Response),
    /// To a call.
    Value(Value),
}

impl Invocation {
    /// About how many bytes it takes while it waits: strings, binary data, and a little for everything else.
    pub(crate) fn about_bytes(&self) -> usize {
        match self {
            Self::Fetch(request) => request.about_bytes(),
            Self::Call { method, arguments } => {
                method.len() + arguments.iter().map(Value::about_bytes).sum::<usize>()
            }
        }
    }

    /// How it is called in traces.
    pub(crate) fn label(&self) -> &str {
        match self {
            Self::Fetch(_) => "fetch",
            Self::Call { method, .. } => method,
        }
    }
}

/// How many bytes the arguments of a call, or its result, may take (RP-14).
const MESSAGE_BYTES_MAX: usize = 32 << 20;

/// Whether a message of this size may be sent.
///
/// # Errors
/// It is too large.
pub(crate) fn check_message_size(bytes: usize) -> Result<()> {
    if bytes <= MESSAGE_BYTES_MAX {
        return Ok(());
    }
    // Exact text of the original (api/worker-rpc.c++).
    Err(crate::Error::from(format!(
        "Serialized RPC arguments or return values are limited to 32MiB, but the size of this value was: {bytes} bytes."
    )))
}
