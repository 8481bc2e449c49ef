//! How many bytes a value takes in the original's serialised form.
//!
//! Values lie and travel here as CBOR, but limits are the original's, and so are the figures in the messages of those who break them. So
//! this counts what V8's serialiser would write, format version 15, without writing it. The figures were checked against recordings.

use super::{BigInt, Primitive, Value};

/// The bytes of the header: a tag and the version.
const HEADER: usize = 2;

/// The bytes that V8 writes for `value`.
pub(crate) fn serialized_size(value: &Value) -> usize {
    HEADER + of(value, HEADER)
}

/// The bytes that V8 writes for a list of arguments: an array of them.
pub(crate) fn serialized_size_of_arguments(arguments: &[Value]) -> usize {
    HEADER + of_array(arguments, HEADER)
}

/// The bytes of a value that begins after `at` others: strings of two-byte characters are aligned.
fn of(value: &Value, at: usize) -> usize {
    match value {
        Value::Undefined | Value::Null | Value::Hole | Value::Bool(_) => 1,
        Value::Number(number) => of_number(*number),
        Value::BigInt(number) => 1 + of_bigint(number),
        Value::String(text) => of_text(text, at),
        Value::Bytes(bytes) => of_bytes(bytes.len()),
        // The buffer; then a tag, the kind, the offset, the length, flags.
        Value::View(view) => of_bytes(view.bytes.len()) + 3 + of_varint(view.bytes.len()) + 1,
        Value::Date(_) => 9,
        Value::Array(elements) => of_array(elements, at),
        Value::Object(properties) => {
            let size = of_properties(properties, at + 1);
            1 + size + 1 + of_varint(properties.len())
        }
        Value::Map(entries) => {
            let mut size = 1;
            for (key, value) in entries {
                size += of(key, at + size);
                size += of(value, at + size);
            }
            size + 1 + of_varint(2 * entries.len())
        }
        Value::Set(members) => {
            let size = members
                .iter()
                .fold(1, |size, member| size + of(member, at + size));
            size + 1 + of_varint(members.len())
        }
        // A tag, one for the class, one and the text for the message, an end; the stack is not counted.
        Value::Error(error) => {
            let size = 3;
            let size = size + of_text(&error.message, at + size);
            size + of_properties(&error.properties, at + size) + 1
        }
        Value::RegExp(it) => 1 + of_text(&it.source, at + 1) + 1,
        Value::Boxed(inside) => match &**inside {
            Primitive::Bool(_) => 1,
            Primitive::Number(_) => 9,
            Primitive::BigInt(number) => 1 + of_bigint(number),
            Primitive::String(text) => 1 + of_text(text, at + 1),
        },
    }
}

/// An integer of 31 bits is written in as few bytes as it takes; every other number in eight.
fn of_number(number: f64) -> usize {
    const SMALL_MAX: f64 = 1_073_741_823.0;
    let is_minus_zero = number == 0.0 && number.is_sign_negative();
    if number.fract() != 0.0 || is_minus_zero || !(-SMALL_MAX - 1.0..=SMALL_MAX).contains(&number) {
        return 9;
    }
    // Zigzag: the sign is the last bit.
    let doubled = if number < 0.0 {
        -2.0 * number - 1.0
    } else {
        2.0 * number
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number from 0 to 2^31"
    )]
    let doubled = doubled as usize;
    1 + of_varint(doubled)
}

/// Sign and length, then the digits, eight bytes each.
fn of_bigint(number: &BigInt) -> usize {
    let digits = number.magnitude().len().div_ceil(8) * 8;
    of_varint(digits * 2) + digits
}

fn of_text(text: &str, at: usize) -> usize {
    let is_latin1 = text.chars().all(|character| u32::from(character) < 256);
    if is_latin1 {
        let length = text.chars().count();
        return 1 + of_varint(length) + length;
    }
    let bytes = 2 * text.encode_utf16().count();
    let begins = at + 1 + of_varint(bytes);
    1 + of_varint(bytes) + bytes + begins % 2
}

fn of_bytes(length: usize) -> usize {
    1 + of_varint(length) + length
}

/// An array with holes is written like an object: each element after its index.
fn of_array(elements: &[Value], at: usize) -> usize {
    let mut size = 1 + of_varint(elements.len());
    let is_sparse = elements
        .iter()
        .any(|element| matches!(element, Value::Hole));
    let mut properties = 0;
    for (index, element) in elements.iter().enumerate() {
        if is_sparse {
            if matches!(element, Value::Hole) {
                continue;
            }
            properties += 1;
            size += 1 + of_varint(2 * index);
        }
        size += of(element, at + size);
    }
    size + 1 + of_varint(properties) + of_varint(elements.len())
}

fn of_properties(properties: &[(String, Value)], at: usize) -> usize {
    let mut size = 0;
    for (key, value) in properties {
        size += of_text(key, at + size);
        size += of(value, at + size);
    }
    size
}

/// The bytes of an integer at seven bits each.
fn of_varint(number: usize) -> usize {
    let bits = usize::BITS - number.leading_zeros();
    bits.div_ceil(7).max(1) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{View, ViewKind};

    fn bytes(length: usize) -> Value {
        View::new(ViewKind::Uint8Array, vec![0; length]).into()
    }

    #[test]
    fn sizes_are_those_that_were_recorded() {
        // (recorded: websockets/attachments, rpc/message_size_limit)
        for (value, size) in [
            (Value::from("x".repeat(16_380)), 16_385),
            (Value::from("x".repeat(16_384)), 16_390),
            (Value::from("x".repeat(20_000)), 20_006),
            (Value::from("\u{4e00}".repeat(8_190)), 16_386),
            (Value::from("\u{4e00}".repeat(8_192)), 16_390),
            (bytes(16_376), 16_387),
            (bytes(16_380), 16_391),
            (bytes(32 << 20), 33_554_447),
        ] {
            assert_eq!(serialized_size(&value), size);
        }
        assert_eq!(serialized_size_of_arguments(&[bytes(32 << 20)]), 33_554_452);
    }

    #[test]
    fn small_values_are_small() {
        // From the serialiser's documentation of its tags: one byte each, and what follows them.
        for (value, size) in [
            (Value::Undefined, 1),
            (Value::from(true), 1),
            (Value::from(0), 2),
            (Value::from(63), 2),
            (Value::from(64), 3),
            (Value::from(-1), 2),
            (Value::from(0.5), 9),
            (Value::from(2_147_483_648.0), 9),
            (Value::from(BigInt::from(1)), 10),
            (Value::Date(0.0), 9),
            // A tag and the length, the elements, a tag, the number of other properties, the length.
            (Value::from(vec![Value::from(1), Value::from(2)]), 9),
            // The same with one element and its index.
            (Value::from(vec![Value::from(1), Value::Hole]), 9),
            (Value::object([("a", Value::from(1))]), 8),
            (Value::Set(vec![Value::from(1)]), 5),
            (Value::Map(vec![(Value::from(1), Value::from(2))]), 7),
        ] {
            assert_eq!(serialized_size(&value), HEADER + size, "{value:?}");
        }
    }
}
