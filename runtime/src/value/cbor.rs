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
//! | typed array | tags 64 to 86 of RFC 8746: bytes |
//! | `DataView`, regular expression | tag 27: `["DataView", bytes]`, `["RegExp", source, flags]` |
//! | primitive in an object | tag 27: `["Boxed", primitive]` |
//! | hole in an array | tag 31: undefined |
//! | long string that is shorter so | tag 27: `["Latin1", bytes]`, `["UTF-16", bytes]`, little endian |
//!
//! All tags are registered ones, so general tools show a stored value nearly as it is. Items of indefinite length are
//! never written and not read.

use ciborium_ll::{Decoder, Encoder, Header, simple, tag};

use super::{
    BigInt, DEPTH_MAX, ErrorValue, Primitive, RegExpValue, Sign, Value, View, ViewKind,
    safe_integer, safe_number,
};
use crate::Error;

/// The format that is written, and the only one that is read.
const FORMAT: u8 = 1;

/// A mathematical set; a map with keys of any type; an object of some class: its name, then its parts.
const TAG_SET: u64 = 258;
const TAG_MAP: u64 = 259;
const TAG_CLASS: u64 = 27;

/// The absent element of an array.
const TAG_HOLE: u64 = 31;

const CLASS_DATE: &str = "Date";
const CLASS_ERROR: &str = "Error";
const CLASS_DATA_VIEW: &str = "DataView";
const CLASS_REG_EXP: &str = "RegExp";
const CLASS_BOXED: &str = "Boxed";
const CLASS_LATIN_1: &str = "Latin1";
const CLASS_UTF_16: &str = "UTF-16";

/// From how many bytes of UTF-8 on a string takes the form that is shortest, as it does in the original: a text of 700 000 Chinese characters
/// fits into a value there, and must fit here.
const LONG_STRING_BYTES: usize = 256;

/// The tags of typed arrays whose numbers begin with the least significant byte (RFC 8746, section 2.1).
const TYPED_ARRAYS: [(u64, ViewKind); 11] = [
    (64, ViewKind::Uint8Array),
    (68, ViewKind::Uint8ClampedArray),
    (69, ViewKind::Uint16Array),
    (70, ViewKind::Uint32Array),
    (71, ViewKind::BigUint64Array),
    (72, ViewKind::Int8Array),
    (77, ViewKind::Int16Array),
    (78, ViewKind::Int32Array),
    (79, ViewKind::BigInt64Array),
    (85, ViewKind::Float32Array),
    (86, ViewKind::Float64Array),
];

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
            Value::String(text) => self.string(text),
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
            Value::View(view) => self.view(view),
            Value::RegExp(expression) => {
                self.class(CLASS_REG_EXP, 2);
                self.text(&expression.source);
                self.text(&expression.flags);
            }
            Value::Boxed(inside) => {
                self.class(CLASS_BOXED, 1);
                match &**inside {
                    Primitive::Bool(value) => self.value(&Value::Bool(*value), depth_left),
                    Primitive::Number(number) => self.number(*number),
                    Primitive::BigInt(number) => self.big_int(number),
                    Primitive::String(text) => self.text(text),
                }
            }
            Value::Hole => {
                self.head(Header::Tag(TAG_HOLE));
                self.head(Header::Simple(simple::UNDEFINED));
            }
        }
    }

    fn head(&mut self, head: Header) {
        self.0.push(head).expect(NEVER_FAILS);
    }

    fn text(&mut self, text: &str) {
        self.0.text(text, None).expect(NEVER_FAILS);
    }

    fn string(&mut self, text: &str) {
        if text.len() < LONG_STRING_BYTES || text.is_ascii() {
            return self.text(text);
        }
        let latin_1: Option<Vec<u8>> = text.chars().map(|unit| u8::try_from(unit).ok()).collect();
        if let Some(bytes) = latin_1 {
            self.class(CLASS_LATIN_1, 1);
            return self.bytes(&bytes);
        }
        if text.encode_utf16().count() * 2 < text.len() {
            let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            self.class(CLASS_UTF_16, 1);
            return self.bytes(&bytes);
        }
        self.text(text);
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

    fn view(&mut self, view: &View) {
        let typed = TYPED_ARRAYS.iter().find(|(_, kind)| *kind == view.kind);
        match typed {
            Some((tag, _)) => self.head(Header::Tag(*tag)),
            None => self.class(CLASS_DATA_VIEW, 1),
        }
        self.bytes(&view.bytes);
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
            (TAG_HOLE, Header::Simple(simple::UNDEFINED)) => Value::Hole,
            (tag, Header::Bytes(Some(len))) if let Some(kind) = typed_array(tag) => {
                View::new(kind, self.bytes(len)?).into()
            }
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
            (CLASS_DATA_VIEW, 2) => {
                let bytes = self.bytes_item()?;
                Ok(View::new(ViewKind::DataView, bytes).into())
            }
            (CLASS_LATIN_1, 2) => {
                let bytes = self.bytes_item()?;
                Ok(Value::String(bytes.into_iter().map(char::from).collect()))
            }
            (CLASS_UTF_16, 2) => {
                let bytes = self.bytes_item()?;
                let (units, odd) = bytes.as_chunks::<2>();
                let units: Vec<u16> = units.iter().copied().map(u16::from_le_bytes).collect();
                match String::from_utf16(&units) {
                    Ok(text) if odd.is_empty() => Ok(Value::String(text)),
                    _ => Err(self.damaged("text that is not UTF-16")),
                }
            }
            (CLASS_REG_EXP, 3) => {
                let (source, flags) = (self.text_item()?, self.text_item()?);
                Ok(RegExpValue { source, flags }.into())
            }
            (CLASS_BOXED, 2) => match Primitive::try_from(self.value(0)?) {
                Ok(inside) => Ok(inside.into()),
                Err(_) => Err(self.damaged("an object around something that is not primitive")),
            },
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

    fn bytes_item(&mut self) -> Result<Vec<u8>, DecodeError> {
        match self.head()? {
            Header::Bytes(Some(len)) => self.bytes(len),
            _ => Err(self.damaged("bytes were expected")),
        }
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

fn typed_array(tag: u64) -> Option<ViewKind> {
    let found = TYPED_ARRAYS.iter().find(|(one, _)| *one == tag);
    found.map(|(_, kind)| *kind)
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
mod tests;
