//! The attribute macros of `dormouse`: [`macro@durable_object`] and [`macro@rpc`].
//!
//! They leave what they stand on as it is and add to it what a node needs: a class name and a way to call a method by its
//! name. An author uses them through `dormouse`, which exports both; every path that they generate begins at that crate,
//! under whatever name the author's manifest gives it.

mod durable_object;
mod krate;
mod rpc;

use proc_macro::TokenStream;

/// Makes a struct a class of Durable Objects.
///
/// It goes on a struct without generic parameters, of any visibility and with any fields; the struct's name is the class's
/// name in the configuration. Implement `DurableObject` for it, and put [`rpc`](macro@rpc) on an `impl` block whose methods
/// others may call.
///
/// Forms: `#[durable_object]`, for a class with every handler; `#[durable_object(alarm)]`, for one with `fetch` and `alarm`; and
/// `#[durable_object(fetch)]`, whose objects can set no alarm. This version has no web sockets yet: it refuses `(websocket)`.
///
/// # Example
/// ```ignore
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
#[proc_macro_attribute]
pub fn durable_object(form: TokenStream, item: TokenStream) -> TokenStream {
    durable_object::expand(form.into(), &item.into(), &krate::path()).into()
}

/// Makes the public methods of an `impl` block callable from elsewhere, and makes the typed stub that calls them.
///
/// Every `pub` method that takes `&self`, `async` or not, can be called under its name. What should stay inside is not
/// `pub`; `pub(crate)` is inside. An object has one such block, beside as many ordinary ones as it likes.
///
/// - Arguments and results travel by value, so arguments are owned types that serde can serialize and deserialize; `&str`
///   is accepted as well. A missing argument is `undefined`, which is `None` for an `Option`.
/// - A method may return a `Result`, of any error that turns into `dormouse::Error`, or just a value, or nothing.
/// - Refused, because no stub could call them: generic methods, `&mut self`, other borrowed arguments, and names that mean
///   something else on every object or stub (`fetch`, `alarm`, `id`, `name`, ...).
///
/// For `impl Counter` it makes `CounterStub`, with a method for each of the block's; `stub.typed::<Counter>()` gives one. A call
/// is sent when the stub's method is called, not when its result is awaited. Arguments that cannot be sent fail the call:
/// `Argument 1 of add: ...`.
///
/// # Example
/// ```ignore
/// use dormouse::{DurableObject, Env, Result, State, durable_object, rpc};
///
/// #[durable_object]
/// pub struct Counter {
///     state: State,
/// }
///
/// impl DurableObject for Counter {
///     fn new(state: State, _env: Env) -> Self {
///         Self { state }
///     }
/// }
///
/// #[rpc]
/// impl Counter {
///     /// Adds `amount` and gives the sum.
///     pub async fn add(&self, amount: u64) -> Result<u64> {
///         let storage = self.state.storage();
///         let sum = storage.get::<u64>("value").await?.unwrap_or(0) + amount;
///         storage.put("value", sum).await?;
///         Ok(sum)
///     }
/// }
///
/// async fn add_two(env: &Env) -> Result<u64> {
///     let counter = env.durable_object("COUNTER")?.get_by_name("global")?.typed::<Counter>();
///     let first = counter.add(1); // both are sent, in this order
///     let second = counter.add(1);
///     first.await?;
///     second.await
/// }
/// ```
#[proc_macro_attribute]
pub fn rpc(arguments: TokenStream, item: TokenStream) -> TokenStream {
    rpc::expand(&arguments.into(), &item.into(), &krate::path()).into()
}
