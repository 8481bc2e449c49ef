//! Objects written in Rust: the trait that their authors implement, and its adapter to the engine boundary.

use std::{marker::PhantomData, rc::Rc};

use crate::{
    AlarmInfo, Env, Error, Request, Response, Result, ShutdownReason, State, Value, WebSocket,
    WebSocketIncomingMessage,
    handler::{Class, Handler, SocketEvent},
    platform::LocalBoxFuture,
};

/// Marks a struct that carries `#[durable_object]`.
#[doc(hidden)]
#[expect(non_camel_case_types, reason = "the name that workers-rs gives it")]
pub trait has_durable_object_attribute {}

/// What `#[durable_object]` adds to a struct. Not implemented by hand.
pub trait ObjectClass: has_durable_object_attribute + 'static {
    /// The class's name in the configuration: the struct's name.
    const CLASS_NAME: &'static str;

    /// Whether the platform may call [`DurableObject::alarm`]: the attribute's form says so.
    const HANDLES_ALARMS: bool;

    /// Calls a method of the `#[rpc]` block; `None` if there is none of that name.
    fn call_method(
        self: Rc<Self>,
        method: &str,
        arguments: Vec<Value>,
    ) -> Option<LocalBoxFuture<'static, Result<Value>>>;
}

/// A Durable Object: one named, single-threaded thing with storage of its own.
///
/// The instance may vanish whenever it has nothing to do, and at any moment in a crash; what must survive belongs into
/// [`State::storage`]. Handlers of one instance run interleaved: at each `.await` on something other than storage another
/// event may run.
///
/// # Example
/// ```
/// use dormouse::{DurableObject, Env, Request, Response, Result, State, durable_object};
///
/// #[durable_object]
/// pub struct Greeter {
///     state: State,
/// }
///
/// impl DurableObject for Greeter {
///     fn new(state: State, _env: Env) -> Self {
///         Self { state }
///     }
///
///     async fn fetch(&self, _request: Request) -> Result<Response> {
///         Response::ok(format!("Hello from {}!", self.state.id().name().unwrap_or_default()))
///     }
/// }
/// ```
#[allow(
    async_fn_in_trait,
    reason = "an object lives on one thread: its futures need not be Send"
)]
pub trait DurableObject: has_durable_object_attribute {
    /// The constructor. Runs in every activation, before any event; must be quick. Initialise from storage with
    /// [`State::block_concurrency_while`]. A panic makes the activation fail.
    fn new(state: State, env: Env) -> Self;

    /// An HTTP request. An `Err` reaches the caller as an exception, not as a response (FT-10).
    ///
    /// # Errors
    /// Whatever the object wants its caller to see; without an implementation, the original's text for a class without
    /// a fetch handler (FT-9).
    async fn fetch(&self, request: Request) -> Result<Response> {
        let _ = request;
        Err(Error::from("Handler does not export a fetch() function."))
    }

    /// The last handler before a planned end, on nodes that have the option on
    /// ([`NodeBuilder::pre_shutdown`](crate::NodeBuilder::pre_shutdown)); it has ten seconds (L-16). After a crash or a reset it is not called, so what
    /// must survive belongs into storage long before.
    ///
    /// # Errors
    /// Whatever failed: it is noted in the trace, and the object leaves memory all the same.
    async fn pre_shutdown(&self, reason: ShutdownReason) -> Result<()> {
        let _ = reason;
        Ok(())
    }

    /// The alarm that [`Storage::set_alarm`](crate::Storage::set_alarm) has set: called at its time or later, at least once. An `Err`, or a panic,
    /// is tried again after 2 seconds, then after 4, and so on, seven runs altogether; then the alarm is given up. Nobody reads the response.
    ///
    /// It may run twice for one time: whenever its success could not be recorded, such as at a loss of power. While it runs `get_alarm` gives
    /// nothing, unless somebody sets a new one; that one fires when this run is over, whatever its end.
    ///
    /// # Errors
    /// Whatever makes another run necessary.
    ///
    /// # Panics
    /// Without an implementation, as in workers-rs. A class that has none is declared with `#[durable_object(fetch)]`: then no alarm can be set.
    async fn alarm(&self) -> Result<Response> {
        panic!("not implemented: alarm() handler") // the text of workers-rs
    }

    /// The same, for handlers that want to know how often it was tried. What the platform calls; without an implementation it calls
    /// [`alarm`](Self::alarm).
    ///
    /// # Errors
    /// Whatever makes another run necessary.
    async fn alarm_with_info(&self, alarm: AlarmInfo) -> Result<Response> {
        let _ = alarm;
        self.alarm().await
    }

    /// A message on a socket that was given to [`State::accept_web_socket`]. The next one of the same socket is handed over when the first turn of this call has run.
    ///
    /// # Errors
    /// What went wrong: it goes into the trace, and the socket stays open (W-20). Without an implementation, that there is none.
    async fn websocket_message(
        &self,
        ws: WebSocket,
        message: WebSocketIncomingMessage,
    ) -> Result<()> {
        let _ = (ws, message);
        Err(not_implemented("websocket_message()"))
    }

    /// The other end of such a socket sends no more, or is gone: called once, and last. Answer with [`WebSocket::close`], or the other end waits (W-29).
    ///
    /// `code` is that of the Close, 1005 if it had none; without a Close it is 1006, and `was_clean` is false.
    ///
    /// # Errors
    /// What went wrong: it goes into the trace. Without an implementation, that there is none.
    async fn websocket_close(
        &self,
        ws: WebSocket,
        code: usize,
        reason: String,
        was_clean: bool,
    ) -> Result<()> {
        let _ = (ws, code, reason, was_clean);
        Err(not_implemented("websocket_close()"))
    }

    /// The other end of such a socket broke the protocol: called once, and last, in place of [`websocket_close`](Self::websocket_close) (W-27).
    ///
    /// # Errors
    /// What went wrong: it goes into the trace. Without an implementation, that there is none.
    async fn websocket_error(&self, ws: WebSocket, error: Error) -> Result<()> {
        let _ = (ws, error);
        Err(not_implemented("websocket_error()"))
    }
}

/// In workers-rs such a handler panics; here the event has been handled, as in the original (W-19), and the trace tells.
fn not_implemented(handler: &str) -> Error {
    Error::from(format!("{handler} handler not implemented"))
}

/// A Rust type as a [`Class`].
pub(crate) struct RustClass<T>(PhantomData<T>);

struct RustObject<T>(Rc<T>);

impl<T> RustClass<T> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: DurableObject + ObjectClass> Class for RustClass<T> {
    fn name(&self) -> &str {
        T::CLASS_NAME
    }

    fn construct(&self, state: State, env: Env) -> Result<Rc<dyn Handler>> {
        Ok(Rc::new(RustObject(Rc::new(T::new(state, env)))))
    }

    fn handles_alarms(&self) -> bool {
        T::HANDLES_ALARMS
    }
}

impl<T: DurableObject + ObjectClass> Handler for RustObject<T> {
    fn pre_shutdown(self: Rc<Self>, reason: ShutdownReason) -> LocalBoxFuture<'static, Result<()>> {
        Box::pin(async move { self.0.pre_shutdown(reason).await })
    }

    fn fetch(self: Rc<Self>, request: Request) -> LocalBoxFuture<'static, Result<Response>> {
        Box::pin(async move { self.0.fetch(request).await })
    }

    fn alarm(self: Rc<Self>, info: AlarmInfo) -> LocalBoxFuture<'static, Result<()>> {
        Box::pin(async move { self.0.alarm_with_info(info).await.map(drop) })
    }

    fn websocket(self: Rc<Self>, event: SocketEvent) -> LocalBoxFuture<'static, Result<()>> {
        Box::pin(async move {
            match event {
                SocketEvent::Message { socket, message } => {
                    self.0.websocket_message(socket, message).await
                }
                SocketEvent::Close {
                    socket,
                    code,
                    reason,
                    was_clean,
                } => {
                    let code = usize::from(code);
                    self.0
                        .websocket_close(socket, code, reason, was_clean)
                        .await
                }
                SocketEvent::Error { socket, error } => self.0.websocket_error(socket, error).await,
            }
        })
    }

    fn call(
        self: Rc<Self>,
        method: String,
        arguments: Vec<Value>,
    ) -> LocalBoxFuture<'static, Result<Value>> {
        if RESERVED.contains(&method.as_str()) {
            let error = Error::type_error(format!(
                "'{method}' is a reserved method and cannot be called over RPC."
            ));
            return Box::pin(std::future::ready(Err(error)));
        }
        Rc::clone(&self.0)
            .call_method(&method, arguments)
            .unwrap_or_else(|| {
                let error = Error::type_error(format!(
                    "The RPC receiver does not implement the method \"{method}\"."
                ));
                Box::pin(std::future::ready(Err(error)))
            })
    }
}

/// Names that are handlers and never callable (RP-2).
const RESERVED: [&str; 8] = [
    "fetch",
    "connect",
    "alarm",
    "webSocketMessage",
    "webSocketClose",
    "webSocketError",
    "dup",
    "constructor",
];
