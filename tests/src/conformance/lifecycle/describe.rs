//! Values and errors as the recordings show them: JSON, with a tag for what JSON cannot say.

use std::fmt::Write as _;

use dormouse::{
    Error, Value,
    value::{ErrorValue, Primitive},
};
use serde_json::{Map, Value as Json, json};

/// The longest string that is shown whole, in UTF-16 units.
const STRING_UNITS_MAX: usize = 2000;

/// How much of a longer one is shown.
const STRING_UNITS_SHOWN: usize = 16;

/// The most bytes that are shown.
const BYTES_MAX: usize = 64;

/// A value.
pub(super) fn describe(value: &Value) -> Json {
    match value {
        Value::Undefined => json!({"$": "undefined"}),
        Value::Null => Json::Null,
        Value::Bool(value) => json!(value),
        Value::Number(number) => describe_number(*number),
        Value::BigInt(number) => json!({"$": "bigint", "value": number.to_string()}),
        Value::String(text) => describe_text(text),
        Value::Bytes(bytes) => describe_bytes("ArrayBuffer", bytes),
        Value::View(view) => describe_bytes(&format!("{:?}", view.kind), &view.bytes),
        Value::Date(millis) => json!({"$": "Date", "ms": describe_number(*millis)}),
        Value::Array(elements) => elements.iter().map(describe).collect(),
        Value::Hole => json!({"$": "hole"}),
        Value::Object(properties) => Json::Object(describe_properties(properties)),
        Value::Map(entries) => {
            let entries = entries.iter();
            let entries: Vec<_> = entries
                .map(|(key, value)| json!([describe(key), describe(value)]))
                .collect();
            json!({"$": "Map", "entries": entries})
        }
        Value::Set(members) => {
            let values: Vec<_> = members.iter().map(describe).collect();
            json!({"$": "Set", "values": values})
        }
        Value::Error(error) => describe_error_value(error),
        Value::RegExp(it) => json!({"$": "RegExp", "source": it.source, "flags": it.flags}),
        Value::Boxed(inside) => describe_boxed(inside),
        other => unreachable!("a value of a kind that the recordings do not have: {other:?}"),
    }
}

/// An error: its name, its message, and its other own properties.
///
/// Its class is not told: an error of Rust has none, and a name says as much.
pub(super) fn describe_error(error: &Error) -> Json {
    describe_error_value(&ErrorValue::from(error))
}

fn describe_error_value(error: &ErrorValue) -> Json {
    let mut described = json!({"$": "error", "name": error.name, "message": error.message});
    if !error.properties.is_empty() {
        described["own"] = Json::Object(describe_properties(&error.properties));
    }
    described
}

fn describe_properties(properties: &[(String, Value)]) -> Map<String, Json> {
    let described = properties.iter();
    described
        .map(|(name, value)| (name.clone(), describe(value)))
        .collect()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "checked to be a whole number in range"
)]
fn describe_number(number: f64) -> Json {
    let is_minus_zero = number == 0.0 && number.is_sign_negative();
    if !number.is_finite() || is_minus_zero {
        let text = match number {
            _ if is_minus_zero => "-0",
            _ if number.is_nan() => "NaN",
            _ if number > 0.0 => "Infinity",
            _ => "-Infinity",
        };
        return json!({"$": "number", "value": text});
    }
    if number.fract() == 0.0 && number.abs() < 9.0e15 {
        return json!(number as i64);
    }
    json!(number)
}

fn describe_text(text: &str) -> Json {
    let length = text.encode_utf16().count();
    if length <= STRING_UNITS_MAX {
        return json!(text);
    }
    let starts: Vec<_> = text.encode_utf16().take(STRING_UNITS_SHOWN).collect();
    json!({"$": "string", "length": length, "starts": String::from_utf16_lossy(&starts)})
}

fn describe_bytes(kind: &str, bytes: &[u8]) -> Json {
    if bytes.len() > BYTES_MAX {
        return json!({"$": kind, "byteLength": bytes.len()});
    }
    json!({"$": kind, "hex": hex(bytes)})
}

/// Bytes in hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// A boxed primitive is an object; a string's has its characters for properties.
fn describe_boxed(inside: &Primitive) -> Json {
    let mut described = Map::from_iter([("$".to_owned(), json!(inside.class_name()))]);
    if let Primitive::String(text) = inside {
        for (at, unit) in text.encode_utf16().enumerate() {
            described.insert(at.to_string(), json!(String::from_utf16_lossy(&[unit])));
        }
    }
    Json::Object(described)
}
