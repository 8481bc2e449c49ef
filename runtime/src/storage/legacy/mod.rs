//! The legacy backend: keys and values in a storage service, behind a write-back cache.
//!
//! An object of a class from before SQLite keeps its data in a service that is reached by messages. Reads that the cache can answer
//! are answered at once; writes go into the cache and leave in flushes, each of which happens as a whole or not at all. What goes wrong
//! without all this care: a reply that promises a write which only the cache has, a flush that was torn in two, a read that shows what
//! was written after it.
//!
//! The way of a call, and the modules in its order:
//! - `reads` and `writes`: the operations; `limits` says what they refuse;
//! - `cache`, with `ranges` and `alarm`: what is known of the stored data, and what has changed;
//! - `flush`, with `contents`, and `delete_all`: when and in which shape changes leave, what is tried again, what breaks the object;
//! - `rpc`: the messages on their way, over a [`Link`](crate::platform::Link) that may lose them;
//! - `service`, with `change`: where they are applied and become durable;
//! - `overlay`: the changes of a `transaction()` until it commits;
//! - `storage`: all of this opened, broken and shut down; `refusals`: what only the other backend can do.
//!
//! # For the caller
//! [`LegacyStorage::open`] at the start of an activation; [`LegacyStorage::end_turn`] after each turn, and after each call that the
//! runtime makes outside of one: it lets the flush go that the writes have armed. [`LegacyStorage::left`] and
//! [`LegacyStorage::shut_down`] at the end; an object may hibernate when [`LegacyStorage::is_idle`], or unconfirmed writes that nobody
//! waits for would be lost without need. Outputs wait at the [`OutputGate`](crate::gate::output::OutputGate) of the setup;
//! [`LegacyStorage::confirmed_batch`] numbers what they wait for.
//!
//! An operation fails at once (a limit, a closed storage) or gives an [`Answer`]. [`Answer::Now`] is that of the original's resolved
//! promise: the turn goes on. [`Answer::Later`] ends the turn, and the caller decides what waits meanwhile (IN-3):
//!
//! | operation | answered later | holds the input gate |
//! |---|---|---|
//! | `get`, `get_multiple`, `list`, `get_alarm` | if the cache does not know | unless `allow_concurrency` |
//! | `delete` | if the cache does not know whether a key exists: until the flush has counted | unless `allow_concurrency` |
//! | `put`, `set_alarm`, `delete_all`, commit of an overlay | while more than 8 MiB wait to be written | unless `allow_concurrency` |
//! | `sync` | while a flush is armed or running | no |
//!
//! While [`LegacyStorage::backpressure`] gives a future, no event of the object may be delivered until it completes (LK-14). A future
//! that is dropped stops nothing; a dropped `delete` merely needs no count any more (LK-7).
//!
//! The flags of [`PutOptions`](super::PutOptions): `allow_unconfirmed` and `no_cache` are minded here, `allow_concurrency` by the caller.

mod alarm;
mod cache;
mod change;
mod contents;
mod delete_all;
mod flush;
mod limits;
mod overlay;
mod ranges;
mod reads;
pub(super) mod refusals;
mod rpc;
mod service;
mod signal;
mod storage;
#[cfg(test)]
mod tests;
mod writes;

use std::rc::Rc;

pub(crate) use alarm::{AlarmRun, AlarmRunEnd};
pub(super) use limits::check_pairs;
pub(crate) use overlay::Overlay;
pub(crate) use reads::Caching;
pub(crate) use storage::LegacyStorage;

use crate::{Result, platform::LocalBoxFuture};

/// A serialised value, as the runtime's own format has it. Cheap to clone.
pub(crate) type Stored = Rc<[u8]>;

/// Keys with their values, in the order of the keys' UTF-8 bytes unless a list was asked for the other order.
pub(crate) type Entries = Vec<(String, Stored)>;

/// What an operation gives.
pub(crate) enum Answer<T> {
    /// The result: the call did not suspend.
    Now(T),
    /// The call suspends, and ends its turn.
    Later(LocalBoxFuture<'static, Result<T>>),
}

impl<T: 'static> Answer<T> {
    /// The answer with its result converted.
    pub(crate) fn map<U: 'static>(self, f: impl FnOnce(T) -> U + 'static) -> Answer<U> {
        match self {
            Self::Now(result) => Answer::Now(f(result)),
            Self::Later(result) => Answer::Later(Box::pin(async move { result.await.map(f) })),
        }
    }
}
