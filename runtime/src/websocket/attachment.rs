//! What is kept beside a socket: a value, as bytes, with the original's limit.
//!
//! The limit counts the bytes that the original would store, V8's serialization, and not ours, so that the same attachment fits here and there. Values
//! whose form in V8 holds more than we know of (an error's stack) count without it.

use super::connection::Connection;
use crate::{
    Error, Result, Value,
    platform::SocketEnd,
    value::{Primitive, cbor},
};

/// How large an attachment may be, in bytes of V8's serialization (W-8).
const ATTACHMENT_BYTES_MAX: usize = 16_384;

/// The bytes to keep.
///
/// # Errors
/// Too large, with the original's text.
pub(super) fn encode(value: &Value) -> Result<Box<[u8]>> {
    let size = serialized_bytes(value);
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

/// The length of V8's serialization (format 15).
fn serialized_bytes(value: &Value) -> usize {
    let mut length = Length(2); // version
    length.value(value);
    length.0
}

/// Bytes so far. Where a string of two-byte characters begins decides whether it is padded.
struct Length(usize);

impl Length {
    fn tag(&mut self) {
        self.0 += 1;
    }

    fn varint(&mut self, number: usize) {
        self.0 += varint_bytes(number);
    }

    fn string(&mut self, text: &str) {
        let is_one_byte = text.chars().all(|character| u32::from(character) < 0x100);
        let bytes = if is_one_byte {
            text.chars().count()
        } else {
            let bytes = 2 * text.encode_utf16().count();
            if (self.0 + 1 + varint_bytes(bytes)) % 2 == 1 {
                self.0 += 1; // padding
            }
            bytes
        };
        self.tag();
        self.varint(bytes);
        self.0 += bytes;
    }

    fn number(&mut self, number: f64) {
        self.tag();
        // Integers of 31 bits are written as such, zigzag coded.
        let small = -1_073_741_824.0..=1_073_741_823.0;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it is in the range just tested"
        )]
        let integer = number as i64;
        let is_minus_zero = number == 0.0 && number.is_sign_negative();
        #[expect(clippy::cast_precision_loss, reason = "31 bits fit")]
        if small.contains(&number) && integer as f64 == number && !is_minus_zero {
            let zigzag = if integer < 0 {
                -2 * integer - 1
            } else {
                2 * integer
            };
            self.varint(usize::try_from(zigzag).expect("32 bits fit"));
        } else {
            self.0 += 8;
        }
    }

    fn buffer(&mut self, bytes: usize) {
        self.tag();
        self.varint(bytes);
        self.0 += bytes;
    }

    fn properties(&mut self, properties: &[(String, Value)]) {
        for (key, value) in properties {
            self.string(key);
            self.value(value);
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Undefined | Value::Null | Value::Bool(_) | Value::Hole => self.tag(),
            Value::Number(number) => self.number(*number),
            Value::BigInt(number) => {
                let digits = number.magnitude().len().div_ceil(8) * 8;
                self.tag();
                self.varint(2 * digits);
                self.0 += digits;
            }
            Value::String(text) => self.string(text),
            Value::Bytes(bytes) => self.buffer(bytes.len()),
            Value::View(view) => {
                self.buffer(view.bytes.len());
                self.0 += 2; // that it is a view, and of what kind
                self.varint(0); // offset
                self.varint(view.bytes.len());
                self.varint(0); // flags
            }
            Value::Date(_) => self.0 += 9,
            Value::Array(elements) => {
                self.tag();
                self.varint(elements.len());
                for element in elements {
                    self.value(element);
                }
                self.tag();
                self.varint(0); // properties
                self.varint(elements.len());
            }
            Value::Object(properties) => {
                self.tag();
                self.properties(properties);
                self.tag();
                self.varint(properties.len());
            }
            Value::Map(entries) => {
                self.tag();
                for (key, value) in entries {
                    self.value(key);
                    self.value(value);
                }
                self.tag();
                self.varint(2 * entries.len());
            }
            Value::Set(members) => {
                self.tag();
                for member in members {
                    self.value(member);
                }
                self.tag();
                self.varint(members.len());
            }
            Value::Error(error) => {
                self.0 += 4; // that it is an error, of which class, that a message follows, the end
                self.string(&error.message);
                self.properties(&error.properties);
            }
            Value::RegExp(expression) => {
                self.tag();
                self.string(&expression.source);
                self.varint(0); // flags
            }
            Value::Boxed(primitive) => match &**primitive {
                Primitive::Bool(_) => self.tag(),
                Primitive::Number(_) => self.0 += 9,
                Primitive::BigInt(number) => {
                    self.tag();
                    self.value(&Value::BigInt(number.clone()));
                }
                Primitive::String(text) => {
                    self.tag();
                    self.string(text);
                }
            },
        }
    }
}

fn varint_bytes(mut number: usize) -> usize {
    let mut bytes = 1;
    while number >= 0x80 {
        number >>= 7;
        bytes += 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{View, ViewKind};

    #[test]
    fn sizes_are_those_that_were_recorded_from_the_original() {
        // (recorded: websockets/attachments)
        for (characters, bytes) in [
            (16_379, 16_384),
            (16_380, 16_385),
            (16_384, 16_390),
            (20_000, 20_006),
        ] {
            assert_eq!(
                serialized_bytes(&Value::from("x".repeat(characters))),
                bytes
            );
        }
        for (characters, bytes) in [(8_190, 16_386), (8_192, 16_390)] {
            assert_eq!(
                serialized_bytes(&Value::from("\u{4e00}".repeat(characters))),
                bytes
            );
        }
        for (length, bytes) in [(16_376, 16_387), (16_380, 16_391)] {
            let view = View::new(ViewKind::Uint8Array, vec![0; length]);
            assert_eq!(serialized_bytes(&Value::from(view)), bytes);
        }
    }

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
