//! Binary data with a way to read it: JavaScript's typed arrays and `DataView`.
//!
//! A structured clone keeps the kind of a view, so storage does. The numbers lie in their bytes as they do in every engine of today:
//! the least significant byte first.

use std::fmt;

use super::{BigInt, Value};

/// How a view reads its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ViewKind {
    /// Signed bytes.
    Int8Array,
    /// Bytes.
    Uint8Array,
    /// Bytes that stay within their range when they are written.
    Uint8ClampedArray,
    /// Signed integers of 16 bits.
    Int16Array,
    /// Integers of 16 bits.
    Uint16Array,
    /// Signed integers of 32 bits.
    Int32Array,
    /// Integers of 32 bits.
    Uint32Array,
    /// Floats of 32 bits.
    Float32Array,
    /// Floats of 64 bits.
    Float64Array,
    /// Signed bigints of 64 bits.
    BigInt64Array,
    /// Bigints of 64 bits.
    BigUint64Array,
    /// Whatever the reader asks for.
    DataView,
}

/// Binary data, and how it is read.
///
/// # Example
/// ```
/// use dormouse::{Value, value::{View, ViewKind}};
/// let view = Value::from(View::new(ViewKind::Int16Array, [254, 255]));
/// assert_eq!(format!("{view:?}"), "Int16Array(feff)");
/// assert_eq!(view.as_bytes(), Some(&[254, 255][..]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// How the bytes are read.
    pub kind: ViewKind,
    /// All bytes that the view shows.
    pub bytes: Vec<u8>,
}

impl View {
    /// A view of this kind over `bytes`.
    pub fn new(kind: ViewKind, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self { kind, bytes }
    }
}

impl ViewKind {
    /// All kinds.
    pub const ALL: [Self; 12] = [
        Self::Int8Array,
        Self::Uint8Array,
        Self::Uint8ClampedArray,
        Self::Int16Array,
        Self::Uint16Array,
        Self::Int32Array,
        Self::Uint32Array,
        Self::Float32Array,
        Self::Float64Array,
        Self::BigInt64Array,
        Self::BigUint64Array,
        Self::DataView,
    ];

    /// The kind of this class name.
    ///
    /// # Example
    /// ```
    /// use dormouse::value::ViewKind;
    /// assert_eq!(ViewKind::named("Int8Array"), Some(ViewKind::Int8Array));
    /// assert_eq!(ViewKind::named("Array"), None);
    /// ```
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.to_string() == name)
    }

    /// The elements of a view of this kind over `bytes`; those of a `DataView` are the bytes. Bytes at the end that are too few for an
    /// element are left out.
    ///
    /// # Example
    /// ```
    /// use dormouse::{Value, value::ViewKind};
    /// assert_eq!(ViewKind::Int16Array.elements(&[254, 255, 7]), [Value::from(-2)]);
    /// ```
    pub fn elements(self, bytes: &[u8]) -> Vec<Value> {
        fn each<const N: usize>(bytes: &[u8], element: impl Fn([u8; N]) -> Value) -> Vec<Value> {
            bytes.as_chunks().0.iter().map(|it| element(*it)).collect()
        }
        match self {
            Self::Int8Array => each(bytes, |it| i8::from_le_bytes(it).into()),
            Self::Uint8Array | Self::Uint8ClampedArray | Self::DataView => {
                each(bytes, |it| u8::from_le_bytes(it).into())
            }
            Self::Int16Array => each(bytes, |it| i16::from_le_bytes(it).into()),
            Self::Uint16Array => each(bytes, |it| u16::from_le_bytes(it).into()),
            Self::Int32Array => each(bytes, |it| i32::from_le_bytes(it).into()),
            Self::Uint32Array => each(bytes, |it| u32::from_le_bytes(it).into()),
            Self::Float32Array => each(bytes, |it| f32::from_le_bytes(it).into()),
            Self::Float64Array => each(bytes, |it| f64::from_le_bytes(it).into()),
            Self::BigInt64Array => each(bytes, |it| BigInt::from(i64::from_le_bytes(it)).into()),
            Self::BigUint64Array => each(bytes, |it| BigInt::from(u64::from_le_bytes(it)).into()),
        }
    }
}

/// The class name.
impl fmt::Display for ViewKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name() {
        for kind in ViewKind::ALL {
            assert_eq!(ViewKind::named(&kind.to_string()), Some(kind));
        }
    }

    #[test]
    fn each_kind_reads_the_same_bytes_its_own_way() {
        let bytes = [0, 0, 0, 0, 0, 0, 0xf0, 0xbf];
        let shown = |kind: ViewKind| format!("{:?}", kind.elements(&bytes));
        assert_eq!(shown(ViewKind::Int8Array), "[0, 0, 0, 0, 0, 0, -16, -65]");
        assert_eq!(shown(ViewKind::Uint16Array), "[0, 0, 0, 49136]");
        assert_eq!(shown(ViewKind::Int32Array), "[0, -1074790400]");
        assert_eq!(shown(ViewKind::Float32Array), "[0, -1.875]");
        assert_eq!(shown(ViewKind::Float64Array), "[-1]");
        assert_eq!(shown(ViewKind::BigInt64Array), "[-4616189618054758400n]");
        assert_eq!(shown(ViewKind::BigUint64Array), "[13830554455654793216n]");
        assert_eq!(shown(ViewKind::DataView), "[0, 0, 0, 0, 0, 0, 240, 191]");
    }
}
