//! About how large a value is, for limits on what may wait in memory.

use super::{Primitive, Value};

/// What a value takes beside its strings and bytes.
const EACH: usize = 16;

impl Value {
    /// About how many bytes it takes in memory; exact enough for a limit in megabytes.
    pub(crate) fn about_bytes(&self) -> usize {
        let content = match self {
            Self::String(text) => text.len(),
            Self::Boxed(primitive) => match &**primitive {
                Primitive::String(text) => text.len(),
                _ => 0,
            },
            Self::Error(error) => error.name.len() + error.message.len(),
            Self::RegExp(expression) => expression.source.len() + expression.flags.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::View(view) => view.bytes.len(),
            Self::Array(values) | Self::Set(values) => values.iter().map(Self::about_bytes).sum(),
            Self::Object(entries) => entries
                .iter()
                .map(|(key, value)| key.len() + value.about_bytes())
                .sum(),
            Self::Map(entries) => entries
                .iter()
                .map(|(key, value)| key.about_bytes() + value.about_bytes())
                .sum(),
            _ => 0,
        };
        EACH + content
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_values_size_is_that_of_its_texts_and_bytes_and_a_little_for_each_part() {
        let value = Value::Array(vec![
            Value::String("a".repeat(1000)),
            Value::Bytes(vec![0; 2000]),
            Value::Object(vec![("key".to_owned(), Value::Number(1.0))]),
        ]);
        assert_eq!(value.about_bytes(), 3003 + 5 * EACH);
    }
}
