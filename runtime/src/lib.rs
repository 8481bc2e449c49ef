//! A reference runtime for Cloudflare-style Durable Objects: single-threaded, named objects with transactional storage.
//!
//! You have met this bug: a counter answers 6, the machine loses power, and after the restart it answers 6 again. Or this one:
//! two calls read 5, both write 6. In this model neither can happen to an object that is written in the ordinary way, because events
//! wait at an *input gate* and replies wait at an *output gate*; and where it can still happen, `dormouse-sim` finds the schedule.
//!
//! # The life of a call
//! Modules in the order in which a call meets them:
//! 1. [`namespace`] finds the object by name, makes a stub, sends the call over a link;
//! 2. [`node`] receives it and finds, or starts, the object's one activation;
//! 3. [`activation`] queues it at the input gate and runs it turn by turn ([`gate`]);
//! 4. [`storage`] takes its writes as one batch, commits it to the write-ahead log and issues a ticket;
//! 5. the output gate waits until the ticket is durable, and the reply leaves.
//!
//! An alarm comes the same way, from the node's scheduler ([`AlarmInfo`]).
//! A WebSocket is a call that goes on: the same ways, gates and turns, with the socket held by the node while the object sleeps ([`State::accept_web_socket`]).
//!
//! Everything that the runtime asks of the world goes through [`platform`]; the engine that runs the objects' code stands behind
//! [`handler`]; [`object`] is that engine for Rust.
//!
//! # Example
//! ```
//! use dormouse::{DurableObject, Env, NodeBuilder, Result, State, durable_object, platform::real, rpc};
//!
//! #[durable_object]
//! pub struct Counter {
//!     state: State,
//! }
//!
//! impl DurableObject for Counter {
//!     fn new(state: State, _env: Env) -> Self {
//!         Self { state }
//!     }
//! }
//!
//! #[rpc]
//! impl Counter {
//!     pub async fn increment(&self) -> Result<u64> {
//!         let storage = self.state.storage();
//!         let value = storage.get::<u64>("value").await?.unwrap_or(0) + 1;
//!         storage.put("value", value).await?;
//!         Ok(value)
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! let answer = real::run(async move {
//!     let node = NodeBuilder::new("my-worker").object::<Counter>("COUNTER").start(real::platform(folder)?)?;
//!     let counter = node.env().durable_object("COUNTER")?.get_by_name("global")?.typed::<Counter>();
//!     Ok::<_, Box<dyn std::error::Error>>(counter.increment().await?)
//! })?;
//! assert_eq!(answer, 1);
//! # Ok(())
//! # }
//! ```

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
mod activation;
mod alarm;
pub mod assert;
mod error;
mod gate;
pub mod handler;
pub mod http;
pub mod instrument;
mod mutation;
pub mod namespace;
pub mod node;
pub mod object;
pub mod platform;
#[cfg(feature = "server")]
pub mod server;
pub mod storage;
pub mod value;
mod websocket;

#[doc(inline)]
pub use dormouse_macros::{durable_object, rpc};

/// What [`Request::url`], [`Response::redirect`] and [`WebSocket::connect`] speak of.
pub use url::Url;

pub use crate::{
    activation::{
        delay::Delay,
        pins::{InMemory, Pin, PinKind},
        retire::ShutdownReason,
        state::{AbortOptions, Date, State},
    },
    alarm::{AlarmIndexError, AlarmInfo},
    error::{Error, Result},
    http::{
        Headers, Method, Request, RequestInit, RequestRedirect, Response, ResponseBody,
        ResponseBuilder,
    },
    mutation::{Mutation, MutationArea},
    namespace::{
        channel::{Host, ObjectAddress},
        env::{Bindings, Env, ObjectNamespace},
        object_id::ObjectId,
        stub::{Rpc, RpcCall, Stub},
    },
    node::{
        CodeUpdate, Node, NodeBuilder, OverloadLimits, Session, StartError, StoredObject,
        UpdateError,
    },
    object::{DurableObject, ObjectClass, has_durable_object_attribute},
    storage::{
        GetAlarmOptions, GetOptions, History, ListOptions, PutOptions, ScheduledTime,
        SetAlarmOptions, SqlCursor, SqlStorage, SqlStorageValue, Storage, StorageBackend, SyncKv,
        SyncKvList, Transaction,
    },
    value::Value,
    websocket::{
        CloseEvent, EventStream, MessageEvent, ReadyState, WebSocket, WebSocketIncomingMessage,
        WebSocketPair, WebSocketRequestResponsePair, WebsocketEvent,
    },
};
