//! SQLite on the [`Disk`](crate::platform::Disk) port, from the outside in.
//!
//! - [`database`]: one connection, opened, secured, and used either as ours or as the object's code;
//! - [`authorizer`]: what the object's own SQL may not touch;
//! - [`image`]: the first page of a new database, written by hand;
//! - [`file`]: the two files of an object, and which of SQLite's syncs really wait;
//! - [`vfs`]: the C side, and the only unsafe code of the runtime.

mod authorizer;
mod database;
mod file;
mod image;
mod vfs;

pub(super) use database::{Database, PrepareError, own};
pub(super) use file::ObjectFiles;
