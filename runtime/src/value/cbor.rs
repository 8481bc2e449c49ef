//! The bytes in which values lie in storage and travel between nodes: CBOR (RFC 8949) behind one byte that says which format it is.
//!
//! What is read may have been torn by a crash or come from a peer that we do not know, so [`decode`] is total: whatever the
//! bytes are, it gives a value or says what is wrong with them, with bounded recursion, and takes no more memory than the
//! bytes that are there justify. What was written comes back exactly: `undefined` and `null`, -0, dates, the order of keys.
//!
//! | value | item |
//! |---|---|
//! | undefined, null, boolean | the simple values of these names |
//! | number | an integer if it is one of at most 53 bits, else the shortest float that is exact; one `NaN` |
//! | bigint | tag 2 or 3: bytes |
//! | string, bytes, array | text, bytes, array |
//! | object | map with text keys |
//! | `Map` | tag 259: map |
//! | `Set` | tag 258: array |
//! | date | tag 27: `["Date", milliseconds]` |
//! | error | tag 27: `["Error", name, message, {properties}]` |
//!
//! All tags are registered ones, so general tools show a stored value nearly as it is. Items of indefinite length are
//! never written and not read.

use ciborium_ll::{Decoder, Encoder, Header, simple, tag};

use super::{BigInt, DEPTH_MAX, ErrorValue, Sign, Value, safe_integer, safe_number};
use crate::Error;

/// The format that is written, and the only one that is read.
const FORMAT: u8 = 1;

/// A mathematical set; a map with keys of any type; an object of some class: its name, then its parts.
const TAG_SET: u64 = 258;
const TAG_MAP: u64 = 259;
const TAG_CLASS: u64 = 27;

const CLASS_DATE: &str = "Date";
const CLASS_ERROR: &str = "Error";

/// How many elements memory is taken for before they are there. An announced length is the writer's claim; nested
/// claims multiply.
const CAPACITY_MAX: usize = 256;

/// Why bytes are no value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error("value has no bytes, not even one for its format")]
    Empty,
    #[error("value has format {found}, this version reads {FORMAT}")]
    Format { found: u8 },
    #[error("value is cut off after {len} bytes")]
    CutOff { len: usize },
    #[error("value is damaged at byte {at}: {what}")]
    Damaged { at: usize, what: &'static str },
    #[error("value is nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Self::from(error.to_string())
    }
}

/// The bytes of `value`.
///
/// # Panics
/// The value is nested deeper than [`DEPTH_MAX`]: better than bytes that nobody can read again. What [`to_value`] made never is.
///
/// [`to_value`]: super::to_value
pub(crate) fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = vec![FORMAT];
    Writer(Encoder::from(&mut bytes)).value(value, DEPTH_MAX);
    bytes
}

/// The value that `bytes` are, all of them.
///
/// # Errors
/// They are none, or not in a format that this version reads.
pub(crate) fn decode(bytes: &[u8]) -> Result<Value, DecodeError> {
    let (&format, item) = bytes.split_first().ok_or(DecodeError::Empty)?;
    if format != FORMAT {
        return Err(DecodeError::Format { found: format });
    }
    let mut reader = Reader {
        decoder: Decoder::from(item),
        len: item.len(),
    };
    let value = reader.value(DEPTH_MAX)?;
    if reader.left() > 0 {
        return Err(reader.damaged("more bytes than the value has"));
    }
    Ok(value)
}

struct Writer<'a>(Encoder<&'a mut Vec<u8>>);

/// What writing means here: it goes into memory.
const NEVER_FAILS: &str = "a vector takes all bytes";

impl Writer<'_> {
    fn value(&mut self, value: &Value, depth_left: usize) {
        match value {
            Value::Undefined => self.head(Header::Simple(simple::UNDEFINED)),
            Value::Null => self.head(Header::Simple(simple::NULL)),
            Value::Bool(true) => self.head(Header::Simple(simple::TRUE)),
            Value::Bool(false) => self.head(Header::Simple(simple::FALSE)),
            Value::Number(number) => self.number(*number),
            Value::BigInt(number) => self.big_int(number),
            Value::String(text) => self.text(text),
            Value::Bytes(bytes) => self.bytes(bytes),
            Value::Date(time) => {
                self.class(CLASS_DATE, 1);
                self.number(*time);
            }
            Value::Array(elements) => self.array(elements, depth_left),
            Value::Set(members) => {
                self.head(Header::Tag(TAG_SET));
                self.array(members, depth_left);
            }
            Value::Object(properties) => self.object(properties, depth_left),
            Value::Map(entries) => {
                let inside = inside(depth_left);
                self.head(Header::Tag(TAG_MAP));
                self.head(Header::Map(Some(entries.len())));
                for (key, value) in entries {
                    self.value(key, inside);
                    self.value(value, inside);
                }
            }
            Value::Error(error) => {
                self.class(CLASS_ERROR, 3);
                self.text(&error.name);
                self.text(&error.message);
                self.object(&error.properties, depth_left);
            }
        }
    }

    fn head(&mut self, head: Header) {
        self.0.push(head).expect(NEVER_FAILS);
    }

    fn text(&mut self, text: &str) {
        self.0.text(text, None).expect(NEVER_FAILS);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.bytes(bytes, None).expect(NEVER_FAILS);
    }

    fn class(&mut self, name: &str, part_count: usize) {
        self.head(Header::Tag(TAG_CLASS));
        self.head(Header::Array(Some(1 + part_count)));
        self.text(name);
    }

    fn array(&mut self, elements: &[Value], depth_left: usize) {
        let inside = inside(depth_left);
        self.head(Header::Array(Some(elements.len())));
        for element in elements {
            self.value(element, inside);
        }
    }

    fn object(&mut self, properties: &[(String, Value)], depth_left: usize) {
        let inside = inside(depth_left);
        self.head(Header::Map(Some(properties.len())));
        for (key, value) in properties {
            self.text(key);
            self.value(value, inside);
        }
    }

    fn number(&mut self, number: f64) {
        let is_negative_zero = number == 0.0 && number.is_sign_negative();
        self.head(match safe_integer(number) {
            Some(integer) if !is_negative_zero => match u64::try_from(integer) {
                Ok(positive) => Header::Positive(positive),
                Err(_) => Header::Negative(!integer.cast_unsigned()), // -1 - n
            },
            // Processors disagree on the sign and the payload of a NaN; stored bytes must not.
            _ if number.is_nan() => Header::Float(f64::NAN),
            _ => Header::Float(number),
        });
    }

    fn big_int(&mut self, number: &BigInt) {
        let magnitude = number.magnitude();
        match number.sign() {
            Sign::Positive => {
                self.head(Header::Tag(tag::BIGPOS));
                self.bytes(magnitude);
            }
            Sign::Negative => {
                self.head(Header::Tag(tag::BIGNEG));
                let mut bytes = magnitude.to_vec();
                for byte in bytes.iter_mut().rev() {
                    let borrow = *byte == 0;
                    *byte = byte.wrapping_sub(1);
                    if !borrow {
                        break;
                    }
                }
                let zeroes = usize::from(bytes.first() == Some(&0));
                self.bytes(&bytes[zeroes..]); // -1 - n
            }
        }
    }
}

fn inside(depth_left: usize) -> usize {
    let inside = depth_left.checked_sub(1);
    inside.expect("a value is bounded in depth where it comes into being")
}

struct Reader<'a> {
    decoder: Decoder<&'a [u8]>,
    /// Of all bytes that it was made of.
    len: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth_left: usize) -> Result<Value, DecodeError> {
        Ok(match self.head()? {
            Header::Simple(simple::UNDEFINED) => Value::Undefined,
            Header::Simple(simple::NULL) => Value::Null,
            Header::Simple(simple::TRUE) => Value::Bool(true),
            Header::Simple(simple::FALSE) => Value::Bool(false),
            head @ (Header::Positive(_) | Header::Negative(_) | Header::Float(_)) => {
                Value::Number(self.number(head)?)
            }
            Header::Text(Some(len)) => Value::String(self.text(len)?),
            Header::Bytes(Some(len)) => Value::Bytes(self.bytes(len)?),
            Header::Array(Some(len)) => Value::Array(self.array(len, depth_left)?),
            Header::Map(Some(len)) => Value::Object(self.object(len, depth_left)?),
            Header::Tag(tag) => self.tagged(tag, depth_left)?,
            _ => return Err(self.damaged("an item that no value begins with")),
        })
    }

    fn tagged(&mut self, tag: u64, depth_left: usize) -> Result<Value, DecodeError> {
        Ok(match (tag, self.head()?) {
            (tag::BIGPOS, Header::Bytes(Some(len))) => {
                BigInt::from_bytes(Sign::Positive, self.bytes(len)?).into()
            }
            (tag::BIGNEG, Header::Bytes(Some(len))) => negative(self.bytes(len)?).into(),
            (TAG_SET, Header::Array(Some(len))) => Value::Set(self.array(len, depth_left)?),
            (TAG_MAP, Header::Map(Some(len))) => {
                let inside = one_less(depth_left)?;
                let mut entries = Vec::with_capacity(self.capacity(len)?);
                for _ in 0..len {
                    entries.push((self.value(inside)?, self.value(inside)?));
                }
                Value::Map(entries)
            }
            (TAG_CLASS, Header::Array(Some(len))) => self.class(len, depth_left)?,
            _ => return Err(self.damaged("a tag that no value has, or one before the wrong item")),
        })
    }

    fn class(&mut self, len: usize, depth_left: usize) -> Result<Value, DecodeError> {
        let name = self.text_item()?;
        match (name.as_str(), len) {
            (CLASS_DATE, 2) => {
                let head = self.head()?;
                Ok(Value::Date(self.number(head)?))
            }
            (CLASS_ERROR, 4) => {
                let mut error = ErrorValue::new(self.text_item()?, self.text_item()?);
                let Header::Map(Some(len)) = self.head()? else {
                    return Err(self.damaged("an error's properties are no map"));
                };
                error.properties = self.object(len, depth_left)?;
                Ok(error.into())
            }
            _ => Err(self.damaged("an object of an unknown class")),
        }
    }

    fn array(&mut self, len: usize, depth_left: usize) -> Result<Vec<Value>, DecodeError> {
        let inside = one_less(depth_left)?;
        let mut elements = Vec::with_capacity(self.capacity(len)?);
        for _ in 0..len {
            elements.push(self.value(inside)?);
        }
        Ok(elements)
    }

    fn object(
        &mut self,
        len: usize,
        depth_left: usize,
    ) -> Result<Vec<(String, Value)>, DecodeError> {
        let inside = one_less(depth_left)?;
        let mut properties = Vec::with_capacity(self.capacity(len)?);
        for _ in 0..len {
            properties.push((self.text_item()?, self.value(inside)?));
        }
        Ok(properties)
    }

    fn number(&mut self, head: Header) -> Result<f64, DecodeError> {
        let integer = match head {
            Header::Float(number) => return Ok(number),
            Header::Positive(number) => i128::from(number),
            Header::Negative(number) => !i128::from(number),
            _ => return Err(self.damaged("a number was expected")),
        };
        let number = safe_number(integer);
        number.ok_or_else(|| self.damaged("an integer that is no JavaScript number"))
    }

    fn text_item(&mut self) -> Result<String, DecodeError> {
        match self.head()? {
            Header::Text(Some(len)) => self.text(len),
            _ => Err(self.damaged("text was expected")),
        }
    }

    fn text(&mut self, len: usize) -> Result<String, DecodeError> {
        let bytes = self.bytes(len)?;
        String::from_utf8(bytes).map_err(|_| self.damaged("text that is not UTF-8"))
    }

    fn bytes(&mut self, len: usize) -> Result<Vec<u8>, DecodeError> {
        if len > self.left() {
            return Err(self.cut_off());
        }
        let mut bytes = vec![0; len];
        let mut segments = self.decoder.bytes(Some(len));
        let read = segments.pull().and_then(|segment| {
            let segment = segment.map(|mut segment| segment.pull(&mut bytes).map(drop));
            segment.transpose()
        });
        match read {
            Ok(_) => Ok(bytes),
            Err(_) => Err(self.cut_off()),
        }
    }

    fn head(&mut self) -> Result<Header, DecodeError> {
        match self.decoder.pull() {
            Ok(head) => Ok(head),
            Err(ciborium_ll::Error::Io(_)) => Err(self.cut_off()),
            Err(ciborium_ll::Error::Syntax(_)) => Err(self.damaged("not an item of CBOR")),
        }
    }

    /// For how many of `len` announced items to take memory now. Each is at least a byte.
    fn capacity(&mut self, len: usize) -> Result<usize, DecodeError> {
        if len > self.left() {
            return Err(self.cut_off());
        }
        Ok(len.min(CAPACITY_MAX))
    }

    fn left(&mut self) -> usize {
        self.len - self.decoder.offset()
    }

    fn cut_off(&self) -> DecodeError {
        DecodeError::CutOff { len: 1 + self.len }
    }

    fn damaged(&mut self, what: &'static str) -> DecodeError {
        // The format's byte was not the decoder's.
        DecodeError::Damaged {
            at: 1 + self.decoder.offset(),
            what,
        }
    }
}

fn one_less(depth_left: usize) -> Result<usize, DecodeError> {
    depth_left.checked_sub(1).ok_or(DecodeError::TooDeep)
}

/// The bigint -1 - n.
fn negative(mut n: Vec<u8>) -> BigInt {
    n.insert(0, 0); // for the carry
    for byte in n.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            break;
        }
    }
    BigInt::from_bytes(Sign::Negative, n)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::value::{from_value, to_value};

    fn any_number() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<f64>(),
            any::<i32>().prop_map(f64::from),
            any::<f32>().prop_map(f64::from),
            prop::sample::select(vec![
                0.0,
                -0.0,
                f64::NAN,
                f64::INFINITY,
                f64::NEG_INFINITY,
                9_007_199_254_740_991.0,
                -9_007_199_254_740_991.0,
                9_007_199_254_740_992.0,
                f64::MIN_POSITIVE / 2.0,
            ]),
        ]
    }

    fn any_big_int() -> impl Strategy<Value = BigInt> {
        let sign = prop_oneof![Just(Sign::Positive), Just(Sign::Negative)];
        let byte = prop_oneof![any::<u8>(), Just(0), Just(255)];
        (sign, vec(byte, 0..20)).prop_map(|(sign, bytes)| BigInt::from_bytes(sign, bytes))
    }

    fn any_properties(
        value: impl Strategy<Value = Value>,
    ) -> impl Strategy<Value = Vec<(String, Value)>> {
        vec((".{0,4}", value), 0..4).prop_map(|properties| match Value::object(properties) {
            Value::Object(properties) => properties,
            other => unreachable!("{other:?} is no object"),
        })
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Undefined),
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any_number().prop_map(Value::Number),
            any_big_int().prop_map(Value::BigInt),
            ".{0,30}".prop_map(Value::String),
            vec(any::<u8>(), 0..300).prop_map(Value::Bytes),
            any_number().prop_map(Value::Date),
        ];
        leaf.prop_recursive(5, 40, 4, |inner| {
            let entry = (inner.clone(), inner.clone());
            let error = (".{0,4}", ".{0,4}", any_properties(inner.clone()));
            prop_oneof![
                vec(inner.clone(), 0..5).prop_map(Value::Array),
                vec(inner.clone(), 0..5).prop_map(Value::Set),
                vec(entry, 0..4).prop_map(Value::Map),
                any_properties(inner).prop_map(Value::Object),
                error.prop_map(|(name, message, properties)| {
                    let mut error = ErrorValue::new(name, message);
                    error.properties = properties;
                    error.into()
                }),
            ]
        })
    }

    fn nested(levels: usize) -> Value {
        (0..levels).fold(Value::Null, |inner, _| Value::Array(vec![inner]))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_value_comes_back_exactly(value in any_value()) {
            prop_assert_eq!(decode(&encode(&value)), Ok(value));
        }

        #[test]
        fn every_value_goes_through_serde_unchanged(value in any_value()) {
            prop_assert_eq!(to_value(&value), Ok(value.clone()));
            prop_assert_eq!(from_value(value.clone()), Ok(value));
        }

        #[test]
        fn no_beginning_of_a_value_is_a_value(value in any_value()) {
            let bytes = encode(&value);
            for len in 0..bytes.len() {
                prop_assert!(decode(&bytes[..len]).is_err());
            }
        }

        #[test]
        fn damage_never_panics(value in any_value(), at: prop::sample::Index, byte: u8) {
            let mut bytes = encode(&value);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = decode(&bytes); // a value or an error, both will do
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..64)) {
            let _ = decode(&bytes);
            let _ = decode(&[&[FORMAT], &bytes[..]].concat());
        }
    }

    #[test]
    fn the_bytes_of_format_1_never_change() {
        let value = Value::object([
            ("a", Value::from(1)),
            (
                "b",
                vec![
                    Value::Undefined,
                    Value::Null,
                    (-0.0).into(),
                    (-2).into(),
                    1.5.into(),
                ]
                .into(),
            ),
            (
                "c",
                Value::Set(vec![BigInt::from(256).into(), BigInt::from(-256).into()]),
            ),
            ("d", Value::Map(vec![(true.into(), vec![7_u8].into())])),
            ("e", Value::Date(f64::NAN)),
            ("f", ErrorValue::new("E", "m").into()),
        ]);
        let expected = [
            "01a6",
            "616101",
            "616285f7f6f9800021f93e00",
            "6163d9010282c2420100c341ff",
            "6164d90103a1f54107",
            "6165d81b826444617465f97e00",
            "6166d81b84654572726f726145616da0",
        ];
        let hex = expected.concat();
        let digits = hex
            .as_bytes()
            .chunks(2)
            .map(|pair| str::from_utf8(pair).expect("ASCII"));
        let bytes = digits.map(|digits| u8::from_str_radix(digits, 16).expect("hex"));
        assert_eq!(encode(&value), bytes.collect::<Vec<_>>());
    }

    #[test]
    fn a_small_number_takes_two_bytes() {
        assert_eq!(encode(&1.into()), [FORMAT, 1]);
    }

    #[test]
    fn a_negative_nan_is_the_same_bytes_as_a_positive_one() {
        assert_eq!(encode(&f64::NAN.into()), encode(&(-f64::NAN).into()));
    }

    #[test]
    fn other_formats_and_no_bytes_at_all_are_refused() {
        assert_eq!(decode(&[]), Err(DecodeError::Empty));
        let error = decode(&[2, 0]).expect_err("a format of the future");
        assert_eq!(
            error.to_string(),
            "value has format 2, this version reads 1"
        );
    }

    #[test]
    fn bytes_after_the_value_are_refused() {
        let error = decode(&[FORMAT, 1, 1]).expect_err("one byte too many");
        assert_eq!(
            error.to_string(),
            "value is damaged at byte 2: more bytes than the value has"
        );
    }

    #[test]
    fn an_announced_length_takes_no_memory_that_the_bytes_do_not_justify() {
        for major in [0x5b, 0x7b, 0x9b, 0xbb] {
            let mut bytes = vec![FORMAT, major];
            bytes.extend([0x7f; 8]);
            assert_eq!(decode(&bytes), Err(DecodeError::CutOff { len: 10 }));
        }
    }

    #[test]
    fn nesting_is_bounded_and_what_can_be_written_can_be_read() {
        let deepest = nested(DEPTH_MAX);
        assert_eq!(decode(&encode(&deepest)), Ok(deepest));
        let mut bytes = vec![FORMAT];
        bytes.resize(100_000, 0x81); // an array of one element, which is an array of one element...
        assert_eq!(decode(&bytes), Err(DecodeError::TooDeep));
        bytes[1..].fill(0xc2); // a tag before a tag before a tag...
        assert!(matches!(
            decode(&bytes),
            Err(DecodeError::Damaged { at: 3, .. })
        ));
    }

    #[test]
    #[should_panic(expected = "a value is bounded in depth where it comes into being")]
    fn a_value_that_nobody_could_read_again_is_not_written() {
        encode(&nested(DEPTH_MAX + 1));
    }
}
