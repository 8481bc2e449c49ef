//! Rows as the author's own types: a struct's field names are the column names.
//!
//! Numbers are one kind: 2.0 reads into an `i32`, an INTEGER into an `f64`. A number does not read into a `bool`: SQL has none.

use serde::{
    Deserializer,
    de::{DeserializeOwned, IntoDeserializer, Visitor, value},
    forward_to_deserialize_any,
};

use super::SqlStorageValue;
use crate::{Error, Result};

/// Reads one row. Of columns with the same name the last one wins (CUR-4).
pub(super) fn from_row<T: DeserializeOwned>(
    columns: &[String],
    row: Vec<SqlStorageValue>,
) -> Result<T> {
    let last = |at: usize| !columns[at + 1..].contains(&columns[at]);
    let fields = row
        .into_iter()
        .enumerate()
        .filter(|(at, _)| last(*at))
        .map(|(at, value)| (columns[at].as_str(), Column(value)));
    T::deserialize(value::MapDeserializer::<_, value::Error>::new(fields))
        .map_err(|error| Error::from(error.to_string()))
}

struct Column(SqlStorageValue);

impl IntoDeserializer<'_, value::Error> for Column {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Minus zero is a whole number, too.
macro_rules! deserialize_integers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, value::Error> {
            match self.0 {
                SqlStorageValue::Float(value) if value == 0.0 => visitor.visit_i64(0),
                _ => self.deserialize_any(visitor),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Column {
    type Error = value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, value::Error> {
        match self.0 {
            SqlStorageValue::Null => visitor.visit_unit(),
            SqlStorageValue::Boolean(value) => visitor.visit_bool(value),
            SqlStorageValue::Integer(value) => visitor.visit_i64(value),
            SqlStorageValue::Float(value) => visitor.visit_f64(value),
            SqlStorageValue::String(value) => visitor.visit_string(value),
            SqlStorageValue::Blob(value) => visitor.visit_byte_buf(value),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, value::Error> {
        if self.0 == SqlStorageValue::Null {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, value::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, value::Error> {
        match self.0 {
            SqlStorageValue::String(variant) => {
                let variant: value::StringDeserializer<value::Error> = variant.into_deserializer();
                variant.deserialize_enum(name, variants, visitor)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, value::Error> {
        match self.0 {
            // What a plain `Vec<u8>` field asks for.
            SqlStorageValue::Blob(bytes) => {
                visitor.visit_seq(value::SeqDeserializer::new(bytes.into_iter()))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    deserialize_integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    forward_to_deserialize_any! {
        bool f32 f64 char str string bytes byte_buf unit unit_struct
        tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Row {
        id: i32,
        score: f64,
        name: String,
        note: Option<String>,
        data: Vec<u8>,
    }

    fn columns(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_struct_is_filled_by_column_names() {
        let names = columns(&["name", "id", "score", "note", "data"]);
        let values = vec![
            "Ada".into(),
            1.into(),
            2.into(),
            SqlStorageValue::Null,
            vec![1, 2].into(),
        ];
        let row: Row = from_row(&names, values).expect("every field has its column");
        assert_eq!(
            row,
            Row {
                id: 1,
                score: 2.0,
                name: "Ada".into(),
                note: None,
                data: vec![1, 2]
            }
        );
    }

    #[test]
    fn a_number_does_not_read_into_a_bool() {
        #[derive(Debug, Deserialize)]
        struct Flag {
            #[expect(dead_code, reason = "never filled")]
            on: bool,
        }
        let error = from_row::<Flag>(&columns(&["on"]), vec![1.into()]).expect_err("1 is no bool");
        assert!(error.to_string().contains("invalid type"), "{error}");
    }

    #[test]
    fn of_two_columns_of_one_name_the_last_wins() {
        #[derive(Debug, Deserialize)]
        struct One {
            x: i32,
        }
        let row: One =
            from_row(&columns(&["x", "x"]), vec![1.into(), 2.into()]).expect("one of them is left");
        assert_eq!(row.x, 2);
    }
}
