//! Objects written in Rust: the trait that their authors implement, and its adapter to the engine boundary.

use std::{marker::PhantomData, rc::Rc};

use crate::{
    Env, Error, Request, Response, Result, ShutdownReason, State, Value,
    handler::{Class, Handler},
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
}

impl<T: DurableObject + ObjectClass> Handler for RustObject<T> {
    fn pre_shutdown(self: Rc<Self>, reason: ShutdownReason) -> LocalBoxFuture<'static, Result<()>> {
        Box::pin(async move { self.0.pre_shutdown(reason).await })
    }

    fn fetch(self: Rc<Self>, request: Request) -> LocalBoxFuture<'static, Result<Response>> {
        Box::pin(async move { self.0.fetch(request).await })
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
