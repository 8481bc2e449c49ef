//! The storage of one object: a SQLite database of its own, written in batches of one turn each.
//!
//! The way of a write, and the modules in its order:
//! - `api`: a call of the object's code; `options` says what it means;
//! - `kv` and `sql`: statements, run at once; `transaction`: several of them as a whole;
//! - `batch`: the implicit transaction around the writes of a turn, and its commit;
//! - `sqlite`: the commit becomes writes to the write-ahead log on the [`Disk`](crate::platform::Disk);
//! - `durability`: a sync covers them, and the output gate lets the replies go;
//! - `object`: all of this opened, broken and shut down.
//!
//! `legacy` is another storage: the key-value service of objects from before SQLite, behind a cache.

mod api;
mod batch;
mod durability;
mod kv;
#[cfg_attr(
    not(test),
    expect(
        dead_code,
        unused_imports,
        reason = "the object API does not choose it yet"
    )
)]
mod legacy;
mod object;
mod options;
mod sql;
mod sqlite;
#[cfg(test)]
mod tests;
mod transaction;

pub use api::Storage;
pub(crate) use object::{Left, ObjectStorage, StorageSetup, WAL_BYTES_MAX};
pub use options::{ListOptions, PutOptions};
pub use sql::{SqlCursor, SqlCursorIterator, SqlCursorRawIterator, SqlStorage, SqlStorageValue};
