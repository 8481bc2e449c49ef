//! What the legacy backend refuses for its size, and every budget of the cache.
//!
//! A *serialised size* is the length of our own serialisation with its format byte. The original's limit is 131072 bytes and 34 more
//! for what its serialisation adds. Ours adds six bytes to a large text or byte array (the format, the type and four bytes of length), as
//! many as the original adds to a text of one-byte characters: so texts in ASCII are refused from the same length on, 131101 characters,
//! and byte arrays of exactly 131072 bytes are accepted by both. Other texts count in UTF-8 here and in UTF-16 there.

use std::time::Duration;

use crate::{Error, Result};

/// The longest key, in bytes of UTF-8.
pub(super) const KEY_BYTES_MAX: usize = 2048;
/// The documented size of a value.
pub(super) const VALUE_BYTES_DOCUMENTED: usize = 131_072;
/// The largest serialised value, in bytes.
pub(super) const VALUE_BYTES_MAX: usize = VALUE_BYTES_DOCUMENTED + 34;
/// The most keys of one `get` of several, and of one message.
pub(super) const PAIRS_MAX: usize = 128;

/// The most that one message carries, in bytes of keys and values (LK-5).
pub(super) const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// How often a flush, or the removal of everything, is tried (LK-9, LK-24).
pub(super) const WRITE_ATTEMPTS_MAX: u32 = 5;
/// How often a read is tried (LK-13).
pub(super) const READ_ATTEMPTS_MAX: u32 = 2;

/// From how many bytes of unwritten changes on the object is held back (LK-14).
pub(super) const DIRTY_BYTES_MAX: usize = 8 << 20;
/// From how many bytes on clean entries are dropped (LK-15).
pub(super) const CLEAN_ABOVE_BYTES: usize = 16 << 20;
/// How long an entry that nobody uses is kept (LK-15).
pub(super) const UNUSED_TIME_MAX: Duration = Duration::from_secs(30);
/// What the cache may hold at most (LK-40).
pub(super) const CACHE_BYTES_MAX: usize = 128 << 20;
/// How long a batch may hold the output gate (GATE-12).
pub(super) const GATE_TIME_MAX: Duration = Duration::from_secs(30);

const _: () = assert!(DIRTY_BYTES_MAX < CLEAN_ABOVE_BYTES);
const _: () = assert!(CLEAN_ABOVE_BYTES < CACHE_BYTES_MAX);
const _: () = assert!(KEY_BYTES_MAX + VALUE_BYTES_MAX <= MESSAGE_BYTES_MAX);

/// # Errors
/// A range error with the original's text, if `key` is too long.
pub(super) fn check_key(key: &str) -> Result<()> {
    if key.len() <= KEY_BYTES_MAX {
        return Ok(());
    }
    Err(Error::range_error(format!(
        "Keys cannot be larger than {KEY_BYTES_MAX} bytes. A key of size {} was provided.",
        key.len()
    )))
}

/// # Errors
/// A range error with the original's text, if `value` is too large. It names the documented limit.
pub(super) fn check_value(value: &[u8]) -> Result<()> {
    if value.len() <= VALUE_BYTES_MAX {
        return Ok(());
    }
    Err(Error::range_error(format!(
        "Values cannot be larger than {VALUE_BYTES_DOCUMENTED} bytes. A value of size {} was provided.",
        value.len()
    )))
}

/// # Errors
/// A range error with the original's text, if there are too many `pairs` for one call.
pub(in crate::storage) fn check_pairs(pairs: usize) -> Result<()> {
    if pairs <= PAIRS_MAX {
        return Ok(());
    }
    Err(Error::range_error(format!(
        "Maximum number of key value pairs is {PAIRS_MAX}. {pairs} pairs were provided."
    )))
}

/// What becomes of the object when the cache overflows (LK-40, lifecycle 4.4).
pub(super) fn memory_exceeded() -> Error {
    Error::from(
        "Durable Object's isolate exceeded its memory limit due to overflowing the storage cache. This could be due to writing too many \
         values to storage without stopping to wait for writes to complete, or due to reading too many values in a single operation \
         (e.g. a large list()). All objects in the isolate were reset.",
    )
    .with_overloaded()
    .with_reset()
}
