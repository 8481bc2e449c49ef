//! Primitive values in objects' clothes: what `new Number(5)` or `Object("text")` makes.
//!
//! JavaScript tells them from the primitives themselves, and a structured clone keeps them. Rust code that reads one as a number or a
//! string gets what is inside.

use super::{BigInt, Value};

/// What a `Boolean`, `Number`, `BigInt` or `String` object holds.
#[derive(Clone, Debug)]
pub enum Primitive {
    /// In a `Boolean`.
    Bool(bool),
    /// In a `Number`.
    Number(f64),
    /// In a `BigInt`.
    BigInt(BigInt),
    /// In a `String`.
    String(String),
}

impl Primitive {
    /// The value itself, out of its object.
    pub fn into_inner(self) -> Value {
        match self {
            Self::Bool(value) => Value::Bool(value),
            Self::Number(number) => Value::Number(number),
            Self::BigInt(number) => Value::BigInt(number),
            Self::String(text) => Value::String(text),
        }
    }

    /// The name of the object's class.
    pub fn class_name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "Boolean",
            Self::Number(_) => "Number",
            Self::BigInt(_) => "BigInt",
            Self::String(_) => "String",
        }
    }
}

/// As values are equal: numbers as `Object.is` says.
impl PartialEq for Primitive {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => super::same(*a, *b),
            (Self::BigInt(a), Self::BigInt(b)) => a == b,
            (Self::String(a), Self::String(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Primitive {}

/// The value itself if it is nothing that can be put into an object.
impl TryFrom<Value> for Primitive {
    type Error = Value;

    fn try_from(value: Value) -> Result<Self, Value> {
        Ok(match value {
            Value::Bool(value) => Self::Bool(value),
            Value::Number(number) => Self::Number(number),
            Value::BigInt(number) => Self::BigInt(number),
            Value::String(text) => Self::String(text),
            other => return Err(other),
        })
    }
}
