//! The values that go into and come out of SQL.
//!
//! Numbers are the original's: a number is always bound as a REAL (TY-1), and what comes back is an integer whenever it is a whole
//! number that JavaScript can count, whatever the column says.

use rusqlite::types::{ToSql, ToSqlOutput, Value, ValueRef};

use crate::{Error, Result};

/// The largest integer that a JavaScript number holds without loss: 2^53 - 1.
const SAFE_INTEGER_MAX: i64 = (1 << 53) - 1;

/// The text of workers-rs for what is beyond that.
const TOO_LARGE: &str = "Value outside JavaScript safe integer range";

/// A value of SQL: a binding, or a column of a raw row.
///
/// # Example
/// ```
/// use dormouse::SqlStorageValue;
/// let bindings: Vec<SqlStorageValue> = vec!["Ada".into(), 36.into(), None::<i32>.into()];
/// assert_eq!(bindings[2], SqlStorageValue::Null);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum SqlStorageValue {
    /// NULL.
    Null,
    /// Bound as 0 or 1. Never comes back: it is an integer then.
    Boolean(bool),
    /// Bound as a REAL of the same value; rounded beyond 2^53 - 1, with a warning.
    Integer(i64),
    /// Bound as a REAL; not-a-number is NULL.
    Float(f64),
    /// TEXT.
    String(String),
    /// BLOB.
    Blob(Vec<u8>),
}

impl SqlStorageValue {
    /// An integer that a JavaScript number holds without loss.
    ///
    /// # Errors
    /// `Value outside JavaScript safe integer range`.
    pub fn try_from_i64(value: i64) -> Result<Self> {
        if (-SAFE_INTEGER_MAX..=SAFE_INTEGER_MAX).contains(&value) {
            Ok(Self::Integer(value))
        } else {
            Err(Error::from(TOO_LARGE))
        }
    }

    /// What a column of a row gives.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a number is a JavaScript number"
    )]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked to be a whole number in range"
    )]
    pub(in crate::storage) fn from_column(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(value) => {
                Self::try_from_i64(value).unwrap_or(Self::Float(value as f64))
            }
            // Minus zero stays as it is: an integer would lose its sign.
            ValueRef::Real(value)
                if value.fract() == 0.0
                    && value.abs() <= SAFE_INTEGER_MAX as f64
                    && (value != 0.0 || value.is_sign_positive()) =>
            {
                Self::Integer(value as i64)
            }
            ValueRef::Real(value) => Self::Float(value),
            ValueRef::Text(text) => Self::String(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Blob(bytes) => Self::Blob(bytes.to_vec()),
        }
    }
}

impl ToSql for SqlStorageValue {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a number is a JavaScript number"
    )]
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Value::Null),
            Self::Boolean(value) => ToSqlOutput::Owned(Value::Integer(i64::from(*value))),
            Self::Integer(value) => {
                if Self::try_from_i64(*value).is_err() {
                    tracing::warn!(target: "dormouse::storage", "the binding {value} is rounded: {TOO_LARGE}");
                }
                ToSqlOutput::Owned(Value::Real(*value as f64))
            }
            Self::Float(value) => ToSqlOutput::Owned(Value::Real(*value)), // SQLite itself makes NULL of not-a-number
            Self::String(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Blob(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}

impl From<bool> for SqlStorageValue {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i32> for SqlStorageValue {
    fn from(value: i32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<i64> for SqlStorageValue {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<f64> for SqlStorageValue {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<String> for SqlStorageValue {
    fn from(value: String) -> Self {
        Self::String(value)
    }
}

impl From<&str> for SqlStorageValue {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}

impl From<Vec<u8>> for SqlStorageValue {
    fn from(value: Vec<u8>) -> Self {
        Self::Blob(value)
    }
}

impl<T: Into<Self>> From<Option<T>> for SqlStorageValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_come_back_as_integers_whatever_the_column_says() {
        assert_eq!(
            SqlStorageValue::from_column(ValueRef::Real(2.0)),
            SqlStorageValue::Integer(2)
        );
        assert_eq!(
            SqlStorageValue::from_column(ValueRef::Real(2.5)),
            SqlStorageValue::Float(2.5)
        );
        assert_eq!(
            SqlStorageValue::from_column(ValueRef::Real(1e300)),
            SqlStorageValue::Float(1e300)
        );
        assert_eq!(
            SqlStorageValue::from_column(ValueRef::Integer(1 << 53)),
            SqlStorageValue::Float(9_007_199_254_740_992.0)
        );
        assert_eq!(
            SqlStorageValue::from_column(ValueRef::Real(f64::INFINITY)),
            SqlStorageValue::Float(f64::INFINITY)
        );
    }

    #[test]
    fn integers_beyond_the_safe_range_can_be_refused() {
        assert_eq!(
            SqlStorageValue::try_from_i64(SAFE_INTEGER_MAX),
            Ok(SqlStorageValue::Integer(SAFE_INTEGER_MAX))
        );
        let error = SqlStorageValue::try_from_i64(-SAFE_INTEGER_MAX - 1).expect_err("out of range");
        assert_eq!(
            error.to_string(),
            "Value outside JavaScript safe integer range"
        );
    }
}
