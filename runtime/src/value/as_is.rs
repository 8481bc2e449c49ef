//! A [`Value`] through serde, as it is.
//!
//! Serde has no words for a date, a set or a bigint, nor does it tell `null` from `undefined`. So that a value inside a Rust
//! type is kept as it is, such parts pass through serde under names that no other type has: outwards as newtypes, which
//! [`ser`](super::ser) recognizes, inwards as an enum's variants, which only the visitor here asks for. Other formats see
//! what is inside.

use std::fmt;

use serde::{
    Deserialize, Serialize,
    de::{self, Error as _},
    ser,
};

use super::{
    BigInt, ErrorValue, Primitive, RegExpValue, Sign, Value, View, ViewKind,
    de::{Deserializer, Variant, pair},
    from_value, safe_integer, safe_number, to_value,
};
use crate::Result;

/// Under which names [`Value`] passes through serde what serde does not know.
mod names {
    pub(super) const NULL: &str = "$dormouse::Null";
    pub(super) const BIG_INT: &str = "$dormouse::BigInt";
    pub(super) const DATE: &str = "$dormouse::Date";
    pub(super) const OBJECT: &str = "$dormouse::Object";
    pub(super) const SET: &str = "$dormouse::Set";
    pub(super) const ERROR: &str = "$dormouse::Error";
    pub(super) const VIEW: &str = "$dormouse::View";
    pub(super) const REG_EXP: &str = "$dormouse::RegExp";
    pub(super) const BOXED: &str = "$dormouse::Boxed";
    pub(super) const HOLE: &str = "$dormouse::Hole";
    /// For reading only: writing, a map is what serde calls a map.
    pub(super) const MAP: &str = "$dormouse::Map";
}

/// The name under which a value asks to be handed over.
pub(super) const VALUE: &str = "$dormouse::Value";

/// A value as it is; formats for people get what they know that comes closest.
impl Serialize for Value {
    fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Undefined => serializer.serialize_none(),
            Self::Null => serializer.serialize_newtype_struct(names::NULL, &()),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => match safe_integer(*number) {
                Some(integer) if *number != 0.0 => serializer.serialize_i64(integer),
                _ => serializer.serialize_f64(*number), // -0 among them
            },
            Self::BigInt(number) if serializer.is_human_readable() => {
                serializer.collect_str(number)
            }
            Self::BigInt(number) => {
                let bytes = Value::Bytes(bytes_of_big_int(number));
                serializer.serialize_newtype_struct(names::BIG_INT, &bytes)
            }
            Self::String(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Self::Date(time) => serializer.serialize_newtype_struct(names::DATE, time),
            Self::Array(elements) => serializer.collect_seq(elements),
            Self::Object(properties) => {
                serializer.serialize_newtype_struct(names::OBJECT, &AsMap(properties))
            }
            Self::Map(entries) => AsMap(entries).serialize(serializer),
            Self::Set(members) => serializer.serialize_newtype_struct(names::SET, members),
            Self::Error(error) => serializer.serialize_newtype_struct(names::ERROR, error),
            Self::View(view) if serializer.is_human_readable() => {
                serializer.serialize_bytes(&view.bytes)
            }
            Self::View(view) => {
                let parts = parts_of_view(View::clone(view));
                serializer.serialize_newtype_struct(names::VIEW, &parts)
            }
            Self::RegExp(_) if serializer.is_human_readable() => {
                serializer.collect_str(&format_args!("{self:?}"))
            }
            Self::RegExp(expression) => {
                let parts = parts_of_reg_exp(RegExpValue::clone(expression));
                serializer.serialize_newtype_struct(names::REG_EXP, &parts)
            }
            Self::Boxed(inside) => {
                let value = Primitive::clone(inside).into_inner();
                serializer.serialize_newtype_struct(names::BOXED, &value)
            }
            Self::Hole => serializer.serialize_newtype_struct(names::HOLE, &()),
        }
    }
}

struct AsMap<'a, K>(&'a [(K, Value)]);

impl<K: Serialize> Serialize for AsMap<'_, K> {
    fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

fn object_from_entries(entries: Vec<(Value, Value)>) -> Value {
    let properties = entries.into_iter().filter_map(|(key, value)| match key {
        Value::String(key) => Some((key, value)),
        _ => None, // an object's keys are strings
    });
    Value::Object(properties.collect())
}

/// A sign byte, then the magnitude.
fn bytes_of_big_int(number: &BigInt) -> Vec<u8> {
    let sign = u8::from(number.sign() == Sign::Negative);
    [&[sign], number.magnitude()].concat()
}

fn big_int_from_bytes(mut bytes: Vec<u8>) -> BigInt {
    let sign = if bytes.first() == Some(&1) {
        Sign::Negative
    } else {
        Sign::Positive
    };
    if let Some(first) = bytes.first_mut() {
        *first = 0; // a leading zero changes nothing
    }
    BigInt::from_bytes(sign, bytes)
}

fn parts_of_view(View { kind, bytes }: View) -> Value {
    vec![kind.to_string().into(), Value::Bytes(bytes)].into()
}

fn view_from_parts(parts: Value) -> Result<Value> {
    let (name, bytes) = two_parts(parts)?;
    match (name.as_str().and_then(ViewKind::named), bytes) {
        (Some(kind), Value::Bytes(bytes)) => Ok(View::new(kind, bytes).into()),
        _ => Err("a view is made of a name and bytes".into()),
    }
}

fn parts_of_reg_exp(expression: RegExpValue) -> Value {
    let RegExpValue { source, flags } = expression;
    Value::Array(vec![source.into(), flags.into()])
}

fn reg_exp_from_parts(parts: Value) -> Result<Value> {
    match two_parts(parts)? {
        (Value::String(source), Value::String(flags)) => Ok(RegExpValue { source, flags }.into()),
        _ => Err("a regular expression is made of a source and flags".into()),
    }
}

fn two_parts(parts: Value) -> Result<(Value, Value)> {
    let parts = match parts {
        Value::Array(parts) => <[Value; 2]>::try_from(parts).ok(),
        _ => None,
    };
    parts
        .map(|[first, second]| (first, second))
        .ok_or_else(|| "two parts were expected".into())
}

fn boxed(inside: Value) -> Result<Value> {
    let inside = Primitive::try_from(inside);
    inside
        .map(|inside| Value::Boxed(Box::new(inside)))
        .map_err(|_| "only a primitive value stands in an object of its own".into())
}

/// What a newtype of this name is, now that what is inside of it has become `inside`.
pub(super) fn recognized(name: &str, inside: Value) -> Result<Value> {
    Ok(match (name, inside) {
        (names::NULL, Value::Undefined) => Value::Null,
        (names::BIG_INT, Value::Bytes(bytes)) => big_int_from_bytes(bytes).into(),
        (names::DATE, Value::Number(time)) => Value::Date(time),
        (names::OBJECT, Value::Map(entries)) => object_from_entries(entries),
        (names::SET, Value::Array(members)) => Value::Set(members),
        (names::ERROR, error @ Value::Object(_)) => from_value::<ErrorValue>(error)?.into(),
        (names::VIEW, parts) => view_from_parts(parts)?,
        (names::REG_EXP, parts) => reg_exp_from_parts(parts)?,
        (names::BOXED, inside) => boxed(inside)?,
        (names::HOLE, _) => Value::Hole,
        (_, value) => value,
    })
}

/// Hands a value over as it is, to [`ValueVisitor`].
pub(super) fn hand_over<'de, V: de::Visitor<'de>>(value: Value, visitor: V) -> Result<V::Value> {
    let (name, payload) = match value {
        Value::Undefined => return visitor.visit_none(),
        Value::Number(number) => return visitor.visit_f64(number),
        Value::BigInt(number) => (names::BIG_INT, Value::Bytes(bytes_of_big_int(&number))),
        Value::Date(time) => (names::DATE, Value::Number(time)),
        Value::Set(members) => (names::SET, Value::Array(members)),
        Value::Map(entries) => (
            names::MAP,
            Value::Array(entries.into_iter().map(pair).collect()),
        ),
        Value::Error(error) => (names::ERROR, to_value(&*error)?),
        Value::View(view) => (names::VIEW, parts_of_view(*view)),
        Value::RegExp(expression) => (names::REG_EXP, parts_of_reg_exp(*expression)),
        Value::Boxed(inside) => (names::BOXED, (*inside).into_inner()),
        Value::Hole => (names::HOLE, Value::Undefined),
        _ => return de::Deserializer::deserialize_any(Deserializer(value), visitor),
    };
    visitor.visit_enum(Variant {
        name: name.to_owned(),
        payload,
    })
}

/// A value as it is; from other formats, what comes closest: their maps are objects if all keys are strings.
impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(VALUE, ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> de::Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a structured value")
    }

    fn visit_newtype_struct<D: de::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Undefined)
    }

    fn visit_some<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
        self.visit_i128(number.into())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        self.visit_i128(number.into())
    }

    fn visit_i128<E>(self, number: i128) -> Result<Value, E> {
        // Exact rather than a number: a rounded integer is the worse surprise.
        Ok(safe_number(number).map_or_else(|| BigInt::from(number).into(), Value::Number))
    }

    fn visit_u128<E>(self, number: u128) -> Result<Value, E> {
        Ok(BigInt::from(number).into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(bytes.into())
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Value, E> {
        Ok(bytes.into())
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = access.next_element()? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries: Vec<(Value, Value)> = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        if entries.iter().all(|(key, _)| key.as_str().is_some()) {
            Ok(object_from_entries(entries))
        } else {
            Ok(Value::Map(entries))
        }
    }

    fn visit_enum<A: de::EnumAccess<'de>>(self, access: A) -> Result<Value, A::Error> {
        use de::VariantAccess;

        let (name, payload) = access.variant::<String>()?;
        match name.as_str() {
            names::BIG_INT => {
                let Value::Bytes(bytes) = payload.newtype_variant()? else {
                    return Err(A::Error::custom("a bigint is made of bytes"));
                };
                Ok(big_int_from_bytes(bytes).into())
            }
            names::DATE => payload.newtype_variant().map(Value::Date),
            names::SET => payload.newtype_variant().map(Value::Set),
            names::MAP => payload.newtype_variant().map(Value::Map),
            names::ERROR => payload.newtype_variant::<ErrorValue>().map(Value::from),
            names::VIEW => view_from_parts(payload.newtype_variant()?).map_err(A::Error::custom),
            names::REG_EXP => {
                reg_exp_from_parts(payload.newtype_variant()?).map_err(A::Error::custom)
            }
            names::BOXED => boxed(payload.newtype_variant()?).map_err(A::Error::custom),
            names::HOLE => payload.unit_variant().map(|()| Value::Hole),
            _ => Err(A::Error::custom(format!(
                "a structured value has no variant `{name}`"
            ))),
        }
    }
}
