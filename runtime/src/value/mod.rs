//! Structured values: what crosses a call, and what storage keeps, whatever language the object is written in.
//!
//! [`Value`] is the set of things that JavaScript's structured clone can copy, as far as they carry data. It is one type
//! so that an argument, a stored value and an attachment obey one set of rules, and so that an object in another
//! language sees what a Rust object stored.
//!
//! Rust types go in and out through [`to_value`] and [`from_value`], with the conventions of workers-rs; `cbor` is the
//! form in which values lie in storage and travel between nodes.

mod as_is;
mod bigint;
mod boxed;
pub(crate) mod cbor;
mod de;
mod debug;
mod ser;
mod size;
mod view;
mod weight;

use std::collections::BTreeMap;

pub use bigint::{BigInt, Sign};
pub use boxed::Primitive;
pub use de::from_value;
pub use ser::to_value;
use serde::{Deserialize, Serialize};
pub(crate) use size::{serialized_size, serialized_size_of_arguments};
pub use view::{View, ViewKind};

use crate::Error;

/// How deep values may be nested, an array of a number being of depth 1. What works on values recurses, and a stack ends.
pub(crate) const DEPTH_MAX: usize = 256;

/// A structured value: JavaScript's data, without its behaviour.
///
/// Numbers, dates included, are equal as `Object.is` says: `NaN` equals itself, and 0 differs from -0. Everything else is
/// equal if its parts are, in the same order; the order of an object's properties counts.
///
/// `Debug` prints one line that reads like JavaScript, the same in every run.
///
/// # Example
/// ```
/// use dormouse::Value;
/// let value = Value::object([("name", Value::from("a")), ("n", Value::from(1))]);
/// assert_eq!(format!("{value:?}"), r#"{name: "a", n: 1}"#);
/// assert_eq!(value.get("n").and_then(Value::as_f64), Some(1.0));
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Value {
    /// No value. Rust's `None` and `()`.
    #[default]
    Undefined,
    /// A value that says that there is none: storable, unlike `undefined` (KV-10, KV-13).
    Null,
    /// A boolean.
    Bool(bool),
    /// A number: integers and floats are one type.
    Number(f64),
    /// An integer of any size.
    BigInt(BigInt),
    /// A string.
    String(String),
    /// Binary data: an `ArrayBuffer`.
    Bytes(Vec<u8>),
    /// Binary data with a way to read it: a typed array or a `DataView`.
    View(Box<View>),
    /// A point in time, in milliseconds since 1970-01-01T00:00Z; `NaN` for an invalid date.
    Date(f64),
    /// A list; [`Value::Hole`] where there is no element.
    Array(Vec<Value>),
    /// A plain object: its own enumerable properties in the order in which they were added. A key should stand once
    /// ([`Value::object`] sees to it); where it stands twice, [`Value::get`] takes the later one.
    Object(Vec<(String, Value)>),
    /// A `Map`: entries with keys of any type, in the order in which they were added.
    Map(Vec<(Value, Value)>),
    /// A `Set`, in the order in which its members were added.
    Set(Vec<Value>),
    /// An error that is a value: one that was passed or stored, not thrown.
    Error(Box<ErrorValue>),
    /// A regular expression.
    RegExp(Box<RegExpValue>),
    /// A primitive value in an object: `new Number(5)`.
    Boxed(Box<Primitive>),
    /// In an array: no element at this index. Rust reads it as `undefined`.
    Hole,
}

/// An error object as a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ErrorValue {
    /// The class name: `Error`, `TypeError`, ...
    pub name: String,
    /// The message.
    pub message: String,
    /// Further own properties, such as `retryable`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<(String, Value)>,
}

/// A regular expression as a value: text that nobody has compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegExpValue {
    /// What stands between the slashes.
    pub source: String,
    /// What stands after them.
    pub flags: String,
}

impl ErrorValue {
    /// An error without further properties.
    pub fn new(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            message: message.into(),
            properties: Vec::new(),
        }
    }
}

impl Value {
    /// A plain object with these properties. Of two with one key the later gives the value, the earlier the place.
    pub fn object<K: Into<String>>(properties: impl IntoIterator<Item = (K, Value)>) -> Self {
        let mut places = BTreeMap::new();
        let mut object: Vec<(String, Value)> = Vec::new();
        for (key, value) in properties {
            let key = key.into();
            if let Some(&place) = places.get(&key) {
                let (_, former): &mut (String, Value) = &mut object[place];
                *former = value;
            } else {
                places.insert(key.clone(), object.len());
                object.push((key, value));
            }
        }
        Self::Object(object)
    }

    /// Whether this is `undefined`.
    pub fn is_undefined(&self) -> bool {
        matches!(self, Self::Undefined)
    }

    /// Whether this is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether JavaScript takes it for true where it wants a boolean.
    pub fn is_truthy(&self) -> bool {
        match self {
            Self::Undefined | Self::Null | Self::Hole => false,
            Self::Bool(value) => *value,
            Self::Number(number) => *number != 0.0 && !number.is_nan(),
            Self::BigInt(number) => !number.magnitude().is_empty(),
            Self::String(text) => !text.is_empty(),
            _ => true,
        }
    }

    /// The boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The number, if it is one; a date or a bigint is not.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The binary data, if it is some, in a view or not.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::View(view) => Some(&view.bytes),
            _ => None,
        }
    }

    /// The elements, if this is an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// A property of an object, or the entry of a map under this string.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Self::Object(properties) => {
                let found = properties.iter().rfind(|(name, _)| name == key);
                found.map(|(_, value)| value)
            }
            Self::Map(entries) => {
                let found = entries.iter().rfind(|(name, _)| name.as_str() == Some(key));
                found.map(|(_, value)| value)
            }
            _ => None,
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Undefined, Self::Undefined)
            | (Self::Null, Self::Null)
            | (Self::Hole, Self::Hole) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Number(a), Self::Number(b)) | (Self::Date(a), Self::Date(b)) => same(*a, *b),
            (Self::BigInt(a), Self::BigInt(b)) => a == b,
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::View(a), Self::View(b)) => a == b,
            (Self::Array(a), Self::Array(b)) | (Self::Set(a), Self::Set(b)) => a == b,
            (Self::Object(a), Self::Object(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            (Self::Error(a), Self::Error(b)) => a == b,
            (Self::RegExp(a), Self::RegExp(b)) => a == b,
            (Self::Boxed(a), Self::Boxed(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

/// `Object.is`, for numbers.
fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

/// The largest integer up to which JavaScript's numbers have no gaps: 2^53 - 1.
const SAFE_INTEGER_MAX: i64 = 9_007_199_254_740_991;

/// The integer that a number is, if it is one that JavaScript calls safe. -0 is 0 here.
#[expect(
    clippy::cast_possible_truncation,
    reason = "what would not fit is seen on the way back"
)]
fn safe_integer(number: f64) -> Option<i64> {
    let integer = number as i64;
    (safe_number(integer.into()) == Some(number)).then_some(integer)
}

/// The number that an integer is, if it is a safe one.
#[expect(
    clippy::cast_precision_loss,
    reason = "a safe integer is exact as a number"
)]
fn safe_number(integer: i128) -> Option<f64> {
    let limit = i128::from(SAFE_INTEGER_MAX);
    (-limit..=limit)
        .contains(&integer)
        .then_some(integer as f64)
}

macro_rules! from_number {
    ($($number:ty),*) => {
        $(impl From<$number> for Value {
            fn from(number: $number) -> Self {
                Self::Number(number.into())
            }
        })*
    };
}

from_number!(f64, f32, i8, i16, i32, u8, u16, u32);

macro_rules! from_part {
    ($($part:ty => $variant:ident),* $(,)?) => {
        $(impl From<$part> for Value {
            fn from(part: $part) -> Self {
                Self::$variant(part.into())
            }
        })*
    };
}

from_part! {
    bool => Bool,
    &str => String,
    String => String,
    &[u8] => Bytes,
    Vec<u8> => Bytes,
    Vec<Value> => Array,
    BigInt => BigInt,
    ErrorValue => Error,
    View => View,
    RegExpValue => RegExp,
    Primitive => Boxed,
}

impl From<()> for Value {
    fn from((): ()) -> Self {
        Self::Undefined
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Undefined, Into::into)
    }
}

impl From<&Error> for ErrorValue {
    fn from(error: &Error) -> Self {
        let flags = [
            ("retryable", error.retryable()),
            ("overloaded", error.overloaded()),
            ("remote", error.remote()),
            ("durableObjectReset", error.durable_object_reset()),
        ];
        let mut properties = error.properties().to_vec();
        for (name, _) in flags.into_iter().filter(|(_, set)| *set) {
            properties.retain(|(known, _)| known != name);
            properties.push((name.to_owned(), Value::Bool(true)));
        }
        Self {
            properties,
            ..Self::new(error.name(), error.message())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_equal_as_object_is_says() {
        assert_eq!(Value::Number(f64::NAN), Value::Number(-f64::NAN));
        assert_ne!(Value::Number(0.0), Value::Number(-0.0));
        assert_ne!(Value::Number(1.0), Value::Date(1.0));
        assert_ne!(Value::Undefined, Value::Null);
        assert_ne!(Value::Array(vec![]), Value::Set(vec![]));
    }

    #[test]
    fn a_later_property_replaces_an_earlier_one_in_its_place() {
        let object = Value::object([("a", 1.into()), ("b", 2.into()), ("a", 3.into())]);
        assert_eq!(format!("{object:?}"), "{a: 3, b: 2}");
        assert_eq!(object.get("a"), Some(&3.into()));
        assert_eq!(object.get("c"), None);
    }

    #[test]
    fn an_error_keeps_its_flags_as_a_value() {
        let error = ErrorValue::from(&Error::connection_lost());
        let flags = vec![("retryable".to_owned(), Value::Bool(true))];
        assert_eq!((error.name.as_str(), error.properties), ("Error", flags));
        let error = Error::from("m")
            .with_property("code", 1)
            .with_property("retryable", "soon");
        let properties = vec![
            ("code".to_owned(), 1.into()),
            ("retryable".to_owned(), true.into()),
        ];
        assert_eq!(ErrorValue::from(&error).properties, properties);
    }

    #[test]
    fn a_value_stays_small() {
        assert_eq!(size_of::<Value>(), 32);
    }
}
