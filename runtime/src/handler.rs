//! The boundary to the engine: what a node asks of a class and of an instance, whatever language it is written in.
//!
//! Rust objects are one implementation ([`object`](crate::object)); a JavaScript engine can be another. Nothing above this boundary knows
//! which: values cross it as [`Value`], requests as [`Request`].

use std::rc::Rc;

use crate::{
    Env, Request, Response, Result, ShutdownReason, State, Value, platform::LocalBoxFuture,
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
