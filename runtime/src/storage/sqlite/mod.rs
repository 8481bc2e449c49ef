//! SQLite on the [`Disk`](crate::platform::Disk) port, from the outside in.
//!
//! - [`database`]: one connection, opened, secured, and used either as ours or as the object's code;
//! - [`authorizer`]: what the object's own SQL may do; [`functions`]: those that it may call;
//! - [`statement`]: its compiled statements, and where they rest;
//! - [`counts`]: the rows that they read and write, from what [`counting`] reads;
//! - [`handle`]: what SQLite says of statements in C only;
//! - [`image`]: the first page of a new database, written by hand;
//! - [`file`]: the two files of an object, and which of SQLite's syncs really wait; [`log_header`]: how a log begins anew;
//! - [`vfs`]: the C side. It and [`handle`] are the only unsafe code of the runtime.

mod authorizer;
mod counting;
mod counts;
mod database;
mod file;
mod functions;
mod handle;
mod image;
mod log_header;
mod statement;
mod vfs;

pub(super) use counts::Counts;
pub(super) use database::{Database, PrepareError, own};
pub(super) use file::{ObjectFiles, OpenFile};
pub(super) use functions::is_known as is_known_function;
pub(super) use image::PAGE_BYTES;
pub(super) use log_header::{HEADER_BYTES, LogHeader};
pub(super) use statement::{About, Compiled};
