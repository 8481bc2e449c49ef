//! The storage of one object: a SQLite database of its own, written in batches of one turn each.
//!
//! The way of a write, and the modules in its order:
//! - `api`, `alarm`, `sync_kv`: a call of the object's code; `options` says what it means, `backend` which calls there are;
//! - `kv`, `sql`, `metadata`, `delete_all`: statements, run at once, on the object's tables and our own (`tables`);
//! - `savepoint` and `transaction`: several of them as a whole, the latter over several turns (`section`, `explicit`);
//! - `batch`: the implicit transaction around the writes of a turn, and its commit;
//! - `sqlite`: the commit becomes writes to the write-ahead log on the [`Disk`](crate::platform::Disk);
//! - `durability`: a sync covers them, and the output gate lets the replies go;
//! - `alarm_order` with `held`: a change of the alarm goes to the scheduler before the commit, or after it; `alarm_run`: an alarm fires;
//! - `history`: what it was, and the way back there, for `bookmarks`;
//! - `object`: all of this opened, broken and shut down.
//!
//! `engine` chooses between this and `legacy`, another one: the key-value service of objects from before SQLite, behind a cache.

mod alarm;
mod alarm_order;
mod alarm_run;
mod api;
mod backend;
mod batch;
mod bookmarks;
mod delete_all;
mod durability;
mod engine;
mod explicit;
mod held;
mod history;
mod kv;
mod legacy;
mod metadata;
mod object;
mod options;
mod savepoint;
mod section;
mod sql;
mod sqlite;
mod sync_kv;
mod tables;
#[cfg(test)]
pub(crate) mod tests;
mod transaction;

pub use alarm::ScheduledTime;
pub(crate) use alarm_run::{Arming, HandlerEnd};
pub use api::Storage;
pub use backend::StorageBackend;
pub(crate) use durability::SyncFailures;
pub(crate) use engine::{ActivationSetup, ActivationStorage, LEGACY_SUFFIX, SQLITE_SUFFIX};
pub use history::History;
pub(crate) use object::{Left, OBJECT_BYTES_MAX, StorageSetup, WAL_BYTES_MAX};
pub use options::{GetAlarmOptions, GetOptions, ListOptions, PutOptions, SetAlarmOptions};
pub(crate) use section::Sections;
pub use sql::{SqlCursor, SqlCursorIterator, SqlCursorRawIterator, SqlStorage, SqlStorageValue};
pub use sync_kv::{SyncKv, SyncKvList};
pub use transaction::Transaction;
