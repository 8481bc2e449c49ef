//! From values to Rust types, by way of serde: the way back from [`ser`](super::ser).
//!
//! Reading is more lenient than writing, because a value may come from another language or from an older version of the
//! object: `null`, `undefined` and a missing property are all `None`; a map reads objects and `Map`s; a `Vec<u8>` reads
//! binary data and arrays of numbers; a view is bytes where bytes are asked for, and numbers where a list is; 2.0 is an
//! integer. It is never lossy: 2.5 is no integer, 300 is no `u8`.

use std::fmt;

use serde::{
    Deserialize,
    de::{
        self, DeserializeOwned, DeserializeSeed, Error as _, IntoDeserializer, Unexpected,
        value::StringDeserializer,
    },
};

use super::{BigInt, Value, as_is, safe_integer};
use crate::{Error, Result};

/// Turns a structured value into a Rust one.
///
/// # Errors
/// The value is of another shape than `T`; the message says where they differ, as `invalid type: ...`.
///
/// # Example
/// ```
/// use dormouse::{Value, value::from_value};
///
/// #[derive(serde::Deserialize)]
/// struct Item {
///     name: String,
///     price: Option<u32>,
/// }
///
/// let item: Item = from_value(Value::object([("name", Value::from("tea"))]))?;
/// assert_eq!((item.name.as_str(), item.price), ("tea", None));
/// assert!(from_value::<u32>(Value::from(2.5)).is_err());
/// # Ok::<(), dormouse::Error>(())
/// ```
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T> {
    T::deserialize(Deserializer(value))
}

pub(super) struct Deserializer(pub(super) Value);

impl Deserializer {
    fn invalid<'de, V: de::Visitor<'de>>(&self, visitor: &V) -> Error {
        let unexpected = match &self.0 {
            Value::Undefined => Unexpected::Other("undefined"),
            Value::Null => Unexpected::Other("null"),
            Value::Bool(value) => Unexpected::Bool(*value),
            Value::Number(number) => Unexpected::Float(*number),
            Value::BigInt(_) => Unexpected::Other("bigint"),
            Value::String(text) => Unexpected::Str(text),
            Value::Bytes(bytes) => Unexpected::Bytes(bytes),
            Value::Date(_) => Unexpected::Other("Date"),
            Value::Array(_) => Unexpected::Seq,
            Value::Object(_) => Unexpected::Other("object"),
            Value::Map(_) => Unexpected::Map,
            Value::Set(_) => Unexpected::Other("Set"),
            Value::Error(_) => Unexpected::Other("Error"),
            Value::View(view) => Unexpected::Bytes(&view.bytes),
            Value::RegExp(_) => Unexpected::Other("RegExp"),
            Value::Boxed(inside) => Unexpected::Other(inside.class_name()),
            Value::Hole => Unexpected::Other("no element"),
        };
        Error::invalid_type(unexpected, visitor)
    }

    /// What Rust reads for it: a primitive out of its object, `undefined` for no element.
    fn plain(self) -> Self {
        Self(match self.0 {
            Value::Boxed(inside) => inside.into_inner(),
            Value::Hole => Value::Undefined,
            value => value,
        })
    }

    fn integer<'de, V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let plain = self.plain();
        match &plain.0 {
            Value::Number(number) => match safe_integer(*number) {
                Some(integer) => visitor.visit_i64(integer),
                None => Err(plain.invalid(&visitor)),
            },
            Value::BigInt(number) => visit_big_int(number, visitor),
            _ => Err(plain.invalid(&visitor)),
        }
    }
}

/// Hands over a bigint as the narrowest integer that holds it: not every visitor knows the wide ones.
fn visit_big_int<'de, V: de::Visitor<'de>>(number: &BigInt, visitor: V) -> Result<V::Value> {
    match (number.to_i128(), number.to_u128()) {
        (Some(signed), _) => match (i64::try_from(signed), u64::try_from(signed)) {
            (Ok(narrow), _) => visitor.visit_i64(narrow),
            (_, Ok(narrow)) => visitor.visit_u64(narrow),
            _ => visitor.visit_i128(signed),
        },
        (None, Some(unsigned)) => visitor.visit_u128(unsigned),
        (None, None) => Err(Error::invalid_value(Unexpected::Other("bigint"), &visitor)),
    }
}

macro_rules! forward {
    ($($name:ident)* => $target:ident) => {
        $(fn $name<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            self.$target(visitor)
        })*
    };
}

impl<'de> de::Deserializer<'de> for Deserializer {
    type Error = Error;

    forward! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 => integer
    }
    forward! { deserialize_f32 => deserialize_f64 }
    forward! { deserialize_char deserialize_str deserialize_identifier => deserialize_string }
    forward! { deserialize_bytes => deserialize_byte_buf }

    fn deserialize_any<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Undefined | Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(number) => match safe_integer(number) {
                Some(integer) => visitor.visit_i64(integer),
                None => visitor.visit_f64(number),
            },
            Value::BigInt(number) => visit_big_int(&number, visitor),
            Value::String(text) => visitor.visit_string(text),
            Value::Bytes(bytes) => visitor.visit_byte_buf(bytes),
            Value::View(view) => visitor.visit_byte_buf(view.bytes),
            Value::Boxed(_) | Value::Hole => self.plain().deserialize_any(visitor),
            Value::Date(_) | Value::RegExp(_) => Err(self.invalid(&visitor)),
            Value::Array(_) | Value::Set(_) => self.deserialize_seq(visitor),
            Value::Object(_) | Value::Map(_) | Value::Error(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Boxed(_) => self.plain().deserialize_bool(visitor),
            _ => Err(self.invalid(&visitor)),
        }
    }

    fn deserialize_f64<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Number(number) => visitor.visit_f64(number),
            Value::Boxed(_) => self.plain().deserialize_f64(visitor),
            _ => Err(self.invalid(&visitor)),
        }
    }

    fn deserialize_string<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::String(text) => visitor.visit_string(text),
            Value::Boxed(_) => self.plain().deserialize_string(visitor),
            _ => Err(self.invalid(&visitor)),
        }
    }

    fn deserialize_byte_buf<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Bytes(bytes) => visitor.visit_byte_buf(bytes),
            Value::View(view) => visitor.visit_byte_buf(view.bytes),
            Value::Array(_) => self.deserialize_seq(visitor),
            _ => Err(self.invalid(&visitor)),
        }
    }

    fn deserialize_option<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Undefined | Value::Null | Value::Hole => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Undefined | Value::Null | Value::Hole => visitor.visit_unit(),
            _ => Err(self.invalid(&visitor)),
        }
    }

    fn deserialize_unit_struct<V: de::Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: de::Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value> {
        if name == as_is::VALUE {
            return as_is::hand_over(self.0, visitor);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Array(elements) | Value::Set(elements) => {
                visitor.visit_seq(Elements(elements.into_iter()))
            }
            Value::Bytes(bytes) => visitor.visit_seq(Elements(bytes.into_iter().map(Value::from))),
            Value::View(view) => {
                visitor.visit_seq(Elements(view.kind.elements(&view.bytes).into_iter()))
            }
            Value::Map(entries) => visitor.visit_seq(Elements(entries.into_iter().map(pair))),
            _ => Err(self.invalid(&visitor)),
        }
    }

    fn deserialize_tuple<V: de::Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: de::Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Object(properties) => {
                visitor.visit_map(Entries::new(with_value_keys(properties)))
            }
            Value::Map(entries) => visitor.visit_map(Entries::new(entries.into_iter())),
            Value::Error(error) => {
                let own = [
                    ("name".into(), error.name.into()),
                    ("message".into(), error.message.into()),
                ];
                let all = own.into_iter().chain(with_value_keys(error.properties));
                visitor.visit_map(Entries::new(all))
            }
            _ => Err(self.invalid(&visitor)),
        }
    }

    fn deserialize_struct<V: de::Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: de::Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        let variant = match self.0 {
            Value::String(name) => Variant {
                name,
                payload: Value::Undefined,
            },
            Value::Object(properties) => match <[_; 1]>::try_from(properties) {
                Ok([(name, payload)]) => Variant { name, payload },
                Err(properties) => return Err(not_a_variant(properties.len())),
            },
            Value::Map(entries) => match <[_; 1]>::try_from(entries) {
                Ok([(Value::String(name), payload)]) => Variant { name, payload },
                Ok([(other, _)]) => return Err(Self(other).invalid(&visitor)),
                Err(entries) => return Err(not_a_variant(entries.len())),
            },
            _ => return Err(self.invalid(&visitor)),
        };
        visitor.visit_enum(variant)
    }

    fn deserialize_ignored_any<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

fn not_a_variant(len: usize) -> Error {
    Error::invalid_length(len, &"an object with the variant's name as its one key")
}

pub(super) fn pair((key, value): (Value, Value)) -> Value {
    Value::Array(vec![key, value])
}

fn with_value_keys(properties: Vec<(String, Value)>) -> impl Iterator<Item = (Value, Value)> {
    properties
        .into_iter()
        .map(|(key, value)| (Value::String(key), value))
}

struct Elements<I>(I);

impl<'de, I: Iterator<Item = Value>> de::SeqAccess<'de> for Elements<I> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let element = self.0.next();
        element
            .map(|element| seed.deserialize(Deserializer(element)))
            .transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint().1
    }
}

struct Entries<I> {
    entries: I,
    /// The value that belongs to the key that was asked for last.
    value: Value,
}

impl<I> Entries<I> {
    fn new(entries: I) -> Self {
        Self {
            entries,
            value: Value::Undefined,
        }
    }
}

impl<'de, I: Iterator<Item = (Value, Value)>> de::MapAccess<'de> for Entries<I> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let Some((key, value)) = self.entries.next() else {
            return Ok(None);
        };
        self.value = value;
        seed.deserialize(Deserializer(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value> {
        seed.deserialize(Deserializer(std::mem::take(&mut self.value)))
    }

    fn size_hint(&self) -> Option<usize> {
        self.entries.size_hint().1
    }
}

/// What an enum is made from: a variant's name and what it carries.
pub(super) struct Variant {
    pub(super) name: String,
    pub(super) payload: Value,
}

impl<'de> de::EnumAccess<'de> for Variant {
    type Error = Error;
    type Variant = Deserializer;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Deserializer)> {
        let name: StringDeserializer<Error> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, Deserializer(self.payload)))
    }
}

impl<'de> de::VariantAccess<'de> for Deserializer {
    type Error = Error;

    fn unit_variant(self) -> Result<()> {
        <()>::deserialize(self)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: de::Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        de::Deserializer::deserialize_seq(self, visitor)
    }

    fn struct_variant<V: de::Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        de::Deserializer::deserialize_map(self, visitor)
    }
}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::from(message.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use super::*;
    use crate::value::{ErrorValue, Primitive, View, ViewKind, to_value};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Item {
        name: String,
        price: Option<u32>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Shape {
        Point,
        Circle(f64),
        Line(i32, i32),
        Box { w: u8 },
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Event {
        Started,
        Moved { to: i64 },
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Flattened {
        id: u8,
        #[serde(flatten)]
        rest: BTreeMap<String, i32>,
    }

    fn read<T: DeserializeOwned>(value: impl Into<Value>) -> Result<T, String> {
        from_value(value.into()).map_err(|error| error.to_string())
    }

    fn tea(price: Option<u32>) -> Item {
        Item {
            name: "tea".to_owned(),
            price,
        }
    }

    fn assert_comes_back<T: Serialize + DeserializeOwned + PartialEq + fmt::Debug>(value: T) {
        let structured = to_value(&value).expect("has a structured form");
        assert_eq!(from_value(structured), Ok(value));
    }

    #[test]
    fn what_was_written_comes_back() {
        assert_comes_back(vec![tea(None), tea(Some(1))]);
        assert_comes_back(vec![
            Shape::Point,
            Shape::Circle(0.1),
            Shape::Line(1, -2),
            Shape::Box { w: 3 },
        ]);
        assert_comes_back(vec![Event::Started, Event::Moved { to: -5 }]);
        assert_comes_back(Flattened {
            id: 1,
            rest: BTreeMap::from([("a".to_owned(), 2)]),
        });
        assert_comes_back(BTreeMap::from([((1, 'x'), Some(2)), ((2, 'y'), None)]));
        assert_comes_back((
            u128::MAX,
            i128::MIN,
            i64::from(i32::MIN),
            f32::MIN_POSITIVE,
            true,
        ));
        assert_comes_back(serde_json::json!({"a": [1, 2.5, "x", null, {"b": true}]}));
    }

    #[test]
    fn null_undefined_and_a_missing_property_are_none() {
        for price in [Value::Null, Value::Undefined] {
            let value = Value::object([("name", "tea".into()), ("price", price)]);
            assert_eq!(read(value), Ok(tea(None)));
        }
        assert_eq!(
            read(Value::object([("name", "tea")].map(|(k, v)| (k, v.into())))),
            Ok(tea(None))
        );
        assert_eq!(
            read::<Item>(Value::object::<&str>([])),
            Err("missing field `name`".to_owned())
        );
    }

    #[test]
    fn structs_and_maps_read_both_objects_and_maps() {
        let map = Value::Map(vec![
            ("name".into(), "tea".into()),
            ("price".into(), 7.into()),
        ]);
        assert_eq!(read(map), Ok(tea(Some(7))));
        let expected = BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]);
        assert_eq!(
            read(Value::object([("a", 1.into()), ("b", 2.into())])),
            Ok(expected.clone())
        );
        let map = Value::Map(vec![("b".into(), 2.into()), ("a".into(), 1.into())]);
        assert_eq!(read(map), Ok(expected));
    }

    #[test]
    fn a_view_reads_as_bytes_or_as_its_numbers() {
        struct Bytes(Vec<u8>);
        impl<'de> Deserialize<'de> for Bytes {
            fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl de::Visitor<'_> for Visitor {
                    type Value = Bytes;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("bytes")
                    }
                    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
                        Ok(Bytes(bytes))
                    }
                }
                deserializer.deserialize_byte_buf(Visitor)
            }
        }
        let view = Value::from(View::new(ViewKind::Int16Array, [254, 255, 1, 0]));
        let bytes: Bytes = from_value(view.clone()).expect("binary data");
        assert_eq!(bytes.0, [254, 255, 1, 0]);
        assert_eq!(from_value(view), Ok(vec![-2, 1]));
    }

    #[test]
    fn a_primitive_in_an_object_and_a_hole_read_as_what_they_stand_for() {
        let boxed = |inside: Primitive| Value::Boxed(Box::new(inside));
        assert_eq!(from_value(boxed(Primitive::Number(5.0))), Ok(5_u8));
        assert_eq!(from_value(boxed(Primitive::Number(0.5))), Ok(0.5_f64));
        assert_eq!(from_value(boxed(Primitive::Bool(true))), Ok(true));
        let text = boxed(Primitive::String("a".to_owned()));
        assert_eq!(from_value(text), Ok("a".to_owned()));
        let sparse = Value::Array(vec![1.into(), Value::Hole]);
        assert_eq!(from_value(sparse), Ok(vec![Some(1), None]));
    }

    #[test]
    fn a_vec_of_bytes_reads_binary_data_and_arrays_of_numbers() {
        assert_eq!(read(vec![1_u8, 255]), Ok(vec![1_u8, 255]));
        assert_eq!(
            read(vec![Value::from(1), Value::from(255)]),
            Ok(vec![1_u8, 255])
        );
        let error = read::<Vec<u8>>(vec![Value::from(256)]);
        assert_eq!(
            error,
            Err("invalid value: integer `256`, expected u8".to_owned())
        );
    }

    #[test]
    fn a_whole_number_is_an_integer_and_a_broken_one_is_not() {
        assert_eq!(read(2.0), Ok(2_i32));
        assert_eq!(read(-0.0), Ok(0_u8));
        assert_eq!(read(2.0), Ok(2.0_f64));
        let error = "invalid type: floating point `2.5`, expected i32";
        assert_eq!(read::<i32>(2.5), Err(error.to_owned()));
        let error = "invalid type: floating point `9007199254740992.0`, expected u64";
        assert_eq!(read::<u64>(9_007_199_254_740_992.0), Err(error.to_owned()));
        assert!(read::<i32>(f64::NAN).is_err());
    }

    #[test]
    fn a_bigint_is_an_integer_where_it_fits() {
        assert_eq!(read(BigInt::from(u64::MAX)), Ok(u64::MAX));
        assert_eq!(read(BigInt::from(-5)), Ok(-5_i8));
        assert!(read::<i64>(BigInt::from(u64::MAX)).is_err());
        assert_eq!(
            read::<f64>(BigInt::from(1)),
            Err("invalid type: bigint, expected f64".to_owned())
        );
        let huge = "1".repeat(60).parse::<BigInt>().expect("digits");
        assert!(read::<u128>(huge).is_err());
    }

    #[test]
    fn sets_and_maps_are_lists_too() {
        assert_eq!(read(Value::Set(vec![1.into(), 2.into()])), Ok(vec![1, 2]));
        assert_eq!(
            read(Value::Map(vec![("a".into(), 1.into())])),
            Ok(vec![("a".to_owned(), 1)])
        );
    }

    #[test]
    fn an_error_reads_as_its_name_and_message() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Failure {
            name: String,
            message: String,
            retryable: bool,
        }
        let mut error = ErrorValue::new("TypeError", "no");
        error.properties.push(("retryable".to_owned(), true.into()));
        let expected = Failure {
            name: "TypeError".to_owned(),
            message: "no".to_owned(),
            retryable: true,
        };
        assert_eq!(read(error), Ok(expected));
    }

    #[test]
    fn a_mistake_is_told_by_what_was_found_and_what_was_expected() {
        assert_eq!(
            read::<String>(Value::Undefined),
            Err("invalid type: undefined, expected a string".to_owned())
        );
        assert_eq!(
            read::<bool>("x"),
            Err("invalid type: string \"x\", expected a boolean".to_owned())
        );
        let error = "invalid length 0, expected an object with the variant's name as its one key";
        assert_eq!(
            read::<Shape>(Value::object::<&str>([])),
            Err(error.to_owned())
        );
        let error = read::<Shape>("Square").expect_err("no such variant");
        assert!(error.starts_with("unknown variant `Square`"), "{error}");
    }

    #[test]
    fn json_reads_as_the_value_that_comes_closest() {
        let json = r#"{"b":null,"a":[1,-0.5,"x",18446744073709551615]}"#;
        let value: Value = serde_json::from_str(json).expect("JSON");
        assert_eq!(
            format!("{value:?}"),
            r#"{b: null, a: [1, -0.5, "x", 18446744073709551615n]}"#
        );
    }
}
