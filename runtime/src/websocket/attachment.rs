//! What is kept beside a socket: a value, as bytes, with the original's limit.
//!
//! The limit counts the bytes that the original would store, V8's serialization, and not ours, so that the same attachment fits here and there. Values
//! whose form in V8 holds more than we know of (an error's stack) count without it.

use super::connection::Connection;
use crate::{
    Error, Result, Value,
    platform::SocketEnd,
    value::{cbor, serialized_size},
};

/// How large an attachment may be, in bytes of V8's serialization (W-8).
const ATTACHMENT_BYTES_MAX: usize = 16_384;

/// The bytes to keep.
///
/// # Errors
/// Too large, with the original's text.
pub(super) fn encode(value: &Value) -> Result<Box<[u8]>> {
    let size = serialized_size(value);
    if size > ATTACHMENT_BYTES_MAX {
        // Exact text of the original (api/web-socket.c++), without a space between its two sentences.
        return Err(Error::from(format!(
            "A WebSocket 'attachment' cannot be larger than {ATTACHMENT_BYTES_MAX} bytes.'attachment' was {size} bytes."
        )));
    }
    Ok(cbor::encode(value).into())
}

pub(super) fn decode(bytes: &[u8]) -> Result<Value> {
    cbor::decode(bytes).map_err(|error| Error::from(error.to_string()))
}

impl Connection {
    /// What the attachment is, as a number for traces.
    pub(super) fn attachment_print(&self, at: SocketEnd) -> u64 {
        match &*self.end(at).attachment.borrow() {
            Some(bytes) => fingerprint(bytes.iter().copied()),
            None => 0,
        }
    }
}

/// FNV-1a: a number that differs where bytes differ, for traces.
pub(super) fn fingerprint(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_is_refused_with_the_text_of_the_original() {
        let refused = encode(&Value::from("x".repeat(16_380))).expect_err("one byte too many");
        assert_eq!(
            refused.message(),
            "A WebSocket 'attachment' cannot be larger than 16384 bytes.'attachment' was 16385 bytes."
        );
    }

    #[test]
    fn fingerprints_differ() {
        assert_ne!(fingerprint(*b"a"), fingerprint(*b"b"));
    }
}
