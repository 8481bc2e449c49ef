//! From Rust types to values, by way of serde, with the conventions of workers-rs.
//!
//! They matter because authors meet them in what other code reads: a struct becomes a plain object but a Rust map
//! becomes a `Map`; a `Vec<u8>` becomes an array of numbers, and only `serialize_bytes` makes binary data; `None` and `()`
//! are `undefined`, which storage refuses; an integer that a JavaScript number cannot hold is an error, not a rounded
//! number. `i128` and `u128` always become bigints.
//!
//! A [`Value`] inside a Rust type is kept as it is ([`as_is`]).

use serde::{Serialize, ser};

use super::{BigInt, DEPTH_MAX, Value, as_is, safe_number};
use crate::{Error, Result};

/// How many elements memory is taken for before they are there: a length from elsewhere is only a hint.
const CAPACITY_MAX: usize = 1024;

/// Turns a Rust value into a structured one.
///
/// # Errors
/// A number is an integer beyond ±(2^53 - 1) and not 128 bits wide, the value is nested too deep, or its own `Serialize`
/// fails.
///
/// # Example
/// ```
/// use dormouse::value::to_value;
///
/// #[derive(serde::Serialize)]
/// struct Item {
///     name: &'static str,
///     price: Option<u32>,
/// }
///
/// let value = to_value(&Item { name: "tea", price: None })?;
/// assert_eq!(format!("{value:?}"), r#"{name: "tea", price: undefined}"#);
/// assert!(to_value(&u64::MAX).is_err());
/// # Ok::<(), dormouse::Error>(())
/// ```
pub fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value> {
    value.serialize(Serializer {
        depth_left: DEPTH_MAX,
    })
}

#[derive(Clone, Copy)]
struct Serializer {
    depth_left: usize,
}

impl Serializer {
    /// The serializer of what lies inside an array, an object or the like.
    fn inside(self) -> Result<Self> {
        let depth_left = self.depth_left.checked_sub(1);
        let depth_left = depth_left.ok_or_else(|| {
            Error::from(format!("value is nested deeper than {DEPTH_MAX} levels"))
        })?;
        Ok(Self { depth_left })
    }

    fn elements(self, variant: Option<&'static str>, len: usize) -> Result<Elements> {
        let elements = Vec::with_capacity(len.min(CAPACITY_MAX));
        Ok(Elements {
            variant,
            so_far: elements,
            inside: self.inside()?,
        })
    }

    fn properties(self, variant: Option<&'static str>, len: usize) -> Result<Properties> {
        let properties = Vec::with_capacity(len.min(CAPACITY_MAX));
        Ok(Properties {
            variant,
            so_far: properties,
            inside: self.inside()?,
        })
    }
}

/// An enum's variant that carries something: an object whose one key is the variant's name.
fn tagged(variant: &'static str, value: Value) -> Value {
    Value::Object(vec![(variant.to_owned(), value)])
}

fn integer(number: i128) -> Result<Value> {
    let exact = safe_number(number).map(Value::Number);
    // The text of serde-wasm-bindgen.
    exact.ok_or_else(|| {
        Error::from(format!(
            "{number} can't be represented as a JavaScript number"
        ))
    })
}

macro_rules! integers {
    ($($name:ident($integer:ty);)*) => {
        $(fn $name(self, number: $integer) -> Result<Value> {
            integer(number.into())
        })*
    };
}

impl ser::Serializer for Serializer {
    type Ok = Value;
    type Error = Error;
    type SerializeSeq = Elements;
    type SerializeTuple = Elements;
    type SerializeTupleStruct = Elements;
    type SerializeTupleVariant = Elements;
    type SerializeMap = Entries;
    type SerializeStruct = Properties;
    type SerializeStructVariant = Properties;

    integers! {
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
    }

    fn serialize_i128(self, number: i128) -> Result<Value> {
        Ok(BigInt::from(number).into())
    }

    fn serialize_u128(self, number: u128) -> Result<Value> {
        Ok(BigInt::from(number).into())
    }

    fn serialize_f32(self, number: f32) -> Result<Value> {
        Ok(number.into())
    }

    fn serialize_f64(self, number: f64) -> Result<Value> {
        Ok(number.into())
    }

    fn serialize_bool(self, value: bool) -> Result<Value> {
        Ok(value.into())
    }

    fn serialize_char(self, character: char) -> Result<Value> {
        Ok(Value::String(character.into()))
    }

    fn serialize_str(self, text: &str) -> Result<Value> {
        Ok(text.into())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Value> {
        Ok(bytes.into())
    }

    fn serialize_none(self) -> Result<Value> {
        Ok(Value::Undefined)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value> {
        Ok(Value::Undefined)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Value> {
        Ok(Value::Undefined)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Value> {
        Ok(variant.into())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<Value> {
        as_is::recognized(name, value.serialize(self)?)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value> {
        Ok(tagged(variant, value.serialize(self.inside()?)?))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Elements> {
        self.elements(None, len.unwrap_or(0))
    }

    fn serialize_tuple(self, len: usize) -> Result<Elements> {
        self.elements(None, len)
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Elements> {
        self.elements(None, len)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Elements> {
        self.inside()?.elements(Some(variant), len)
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Entries> {
        let entries = Vec::with_capacity(len.unwrap_or(0).min(CAPACITY_MAX));
        Ok(Entries {
            so_far: entries,
            key: None,
            inside: self.inside()?,
        })
    }

    fn serialize_struct(self, _: &'static str, len: usize) -> Result<Properties> {
        self.properties(None, len)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Properties> {
        self.inside()?.properties(Some(variant), len)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// An array in the making.
struct Elements {
    variant: Option<&'static str>,
    so_far: Vec<Value>,
    inside: Serializer,
}

impl Elements {
    fn add<T: Serialize + ?Sized>(&mut self, element: &T) -> Result<()> {
        self.so_far.push(element.serialize(self.inside)?);
        Ok(())
    }

    fn finish(self) -> Value {
        let array = Value::Array(self.so_far);
        match self.variant {
            Some(variant) => tagged(variant, array),
            None => array,
        }
    }
}

macro_rules! elements {
    ($($part:ident::$add:ident;)*) => {
        $(impl ser::$part for Elements {
            type Ok = Value;
            type Error = Error;

            fn $add<T: Serialize + ?Sized>(&mut self, element: &T) -> Result<()> {
                self.add(element)
            }

            fn end(self) -> Result<Value> {
                Ok(self.finish())
            }
        })*
    };
}

elements! {
    SerializeSeq::serialize_element;
    SerializeTuple::serialize_element;
    SerializeTupleStruct::serialize_field;
    SerializeTupleVariant::serialize_field;
}

/// A map in the making.
struct Entries {
    so_far: Vec<(Value, Value)>,
    key: Option<Value>,
    inside: Serializer,
}

impl ser::SerializeMap for Entries {
    type Ok = Value;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.key = Some(key.serialize(self.inside)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        let key = self.key.take();
        let key = key.ok_or("serialize_value was called before serialize_key")?;
        self.so_far.push((key, value.serialize(self.inside)?));
        Ok(())
    }

    fn end(self) -> Result<Value> {
        Ok(Value::Map(self.so_far))
    }
}

/// An object in the making.
struct Properties {
    variant: Option<&'static str>,
    so_far: Vec<(String, Value)>,
    inside: Serializer,
}

impl Properties {
    fn finish(self) -> Value {
        let object = Value::Object(self.so_far);
        match self.variant {
            Some(variant) => tagged(variant, object),
            None => object,
        }
    }
}

macro_rules! properties {
    ($($part:ident;)*) => {
        $(impl ser::$part for Properties {
            type Ok = Value;
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
                self.so_far.push((key.to_owned(), value.serialize(self.inside)?));
                Ok(())
            }

            fn end(self) -> Result<Value> {
                Ok(self.finish())
            }
        })*
    };
}

properties! {
    SerializeStruct;
    SerializeStructVariant;
}

impl ser::Error for Error {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::from(message.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Serialize)]
    struct Item {
        name: &'static str,
        tags: Vec<&'static str>,
        price: Option<f32>,
    }

    #[derive(Serialize)]
    enum Shape {
        Point,
        Circle(f64),
        Line(i32, i32),
        Box { w: u8 },
    }

    struct Bytes(&'static [u8]);

    impl Serialize for Bytes {
        fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(self.0)
        }
    }

    fn shown<T: Serialize>(value: T) -> String {
        match to_value(&value) {
            Ok(value) => format!("{value:?}"),
            Err(error) => format!("{error:?}"),
        }
    }

    #[test]
    fn a_struct_becomes_an_object_and_a_map_becomes_a_map() {
        let item = Item {
            name: "tea",
            tags: vec!["hot"],
            price: Some(1.5),
        };
        assert_eq!(shown(item), r#"{name: "tea", tags: ["hot"], price: 1.5}"#);
        assert_eq!(
            shown(BTreeMap::from([("a", 1), ("b", 2)])),
            r#"Map {"a" => 1, "b" => 2}"#
        );
    }

    #[test]
    fn nothing_becomes_undefined() {
        assert_eq!(shown(None::<u8>), "undefined");
        assert_eq!(shown(()), "undefined");
        let item = Item {
            name: "",
            tags: vec![],
            price: None,
        };
        assert_eq!(shown(item), r#"{name: "", tags: [], price: undefined}"#);
    }

    #[test]
    fn only_what_calls_itself_bytes_becomes_binary_data() {
        assert_eq!(shown(vec![1_u8, 2]), "[1, 2]");
        assert_eq!(shown([1_u8, 2]), "[1, 2]");
        assert_eq!(shown(Bytes(&[1, 2])), "Bytes(0102)");
    }

    #[test]
    fn an_integer_that_a_number_cannot_hold_is_an_error() {
        assert_eq!(shown(9_007_199_254_740_991_u64), "9007199254740991");
        assert_eq!(shown(-9_007_199_254_740_991_i64), "-9007199254740991");
        let error = "Error: 9007199254740992 can't be represented as a JavaScript number";
        assert_eq!(shown(9_007_199_254_740_992_u64), error);
        let error = "Error: -9223372036854775808 can't be represented as a JavaScript number";
        assert_eq!(shown(vec![i64::MIN]), error);
    }

    #[test]
    fn a_128_bit_integer_becomes_a_bigint() {
        assert_eq!(shown(1_u128), "1n");
        assert_eq!(
            shown(i128::MIN),
            "-170141183460469231731687303715884105728n"
        );
    }

    #[test]
    fn floats_are_exact_and_characters_are_strings() {
        assert_eq!(
            shown((0.1_f64, 0.1_f32, -0.0, 'é')),
            r#"[0.1, 0.10000000149011612, -0, "é"]"#
        );
    }

    #[test]
    fn enums_are_tagged_on_the_outside() {
        assert_eq!(shown(Shape::Point), r#""Point""#);
        assert_eq!(shown(Shape::Circle(2.5)), "{Circle: 2.5}");
        assert_eq!(shown(Shape::Line(1, 2)), "{Line: [1, 2]}");
        assert_eq!(shown(Shape::Box { w: 3 }), "{Box: {w: 3}}");
    }

    #[test]
    fn a_value_that_is_nested_too_deep_is_an_error() {
        let nested = |levels| (0..levels).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        let deepest = nested(DEPTH_MAX);
        assert_eq!(to_value(&deepest), Ok(deepest));
        assert_eq!(
            shown(nested(DEPTH_MAX + 1)),
            "Error: value is nested deeper than 256 levels"
        );
    }

    #[test]
    fn other_formats_see_what_comes_closest() {
        let value = Value::object([
            ("number", Value::from(1)),
            ("null", Value::Null),
            ("big", BigInt::from(-5).into()),
            ("date", Value::Date(1.5)),
            ("set", Value::Set(vec!["x".into()])),
        ]);
        let json = serde_json::to_string(&value).expect("all of it has a form in JSON");
        assert_eq!(
            json,
            r#"{"number":1,"null":null,"big":"-5","date":1.5,"set":["x"]}"#
        );
    }
}
