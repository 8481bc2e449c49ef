//! How values look in traces and in failed assertions: one line that reads like JavaScript, the same in every run.

use std::fmt;

use super::{Primitive, Value};

/// Bytes that `Debug` shows before it only counts.
const DEBUG_BYTES_MAX: usize = 32;

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undefined => f.write_str("undefined"),
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(number) => fmt_number(*number, f),
            Self::BigInt(number) => write!(f, "{number}n"),
            Self::String(text) => write!(f, "{text:?}"),
            Self::Bytes(bytes) => fmt_bytes("Bytes", bytes, f),
            Self::View(view) => fmt_bytes(&view.kind.to_string(), &view.bytes, f),
            Self::Date(time) => {
                f.write_str("Date(")?;
                fmt_number(*time, f)?;
                f.write_str(")")
            }
            Self::Array(elements) => {
                list(f, "[", elements, "]", |f, element| write!(f, "{element:?}"))
            }
            Self::Set(members) => list(f, "Set {", members, "}", |f, member| {
                write!(f, "{member:?}")
            }),
            Self::Map(entries) => list(f, "Map {", entries, "}", |f, (key, value)| {
                write!(f, "{key:?} => {value:?}")
            }),
            Self::Object(properties) => fmt_properties(properties, f),
            Self::Error(error) => {
                write!(f, "[{}: {}", error.name, error.message)?;
                if !error.properties.is_empty() {
                    f.write_str(" ")?;
                    fmt_properties(&error.properties, f)?;
                }
                f.write_str("]")
            }
            Self::RegExp(expression) => write!(f, "/{}/{}", expression.source, expression.flags),
            Self::Boxed(inside) => {
                let value = Primitive::clone(inside).into_inner();
                write!(f, "[{}: {value:?}]", inside.class_name())
            }
            Self::Hole => f.write_str("<empty>"),
        }
    }
}

fn fmt_properties(properties: &[(String, Value)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    list(f, "{", properties, "}", |f, (key, value)| {
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        let starts_well = key.starts_with(|c: char| is_word(c) && !c.is_numeric());
        if starts_well && key.chars().all(is_word) {
            write!(f, "{key}: {value:?}")
        } else {
            write!(f, "{key:?}: {value:?}")
        }
    })
}

/// As JavaScript prints it, nearly: it too changes to exponents where digits would be padding.
fn fmt_number(number: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let size = number.abs();
    if size == f64::INFINITY {
        f.write_str(if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        })
    } else if size >= 1e21 || (size > 0.0 && size < 1e-6) {
        write!(f, "{number:e}")
    } else {
        write!(f, "{number}") // -0 keeps its sign
    }
}

fn fmt_bytes(name: &str, bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{name}(")?;
    let shown = bytes.len().min(DEBUG_BYTES_MAX);
    bytes[..shown]
        .iter()
        .try_for_each(|byte| write!(f, "{byte:02x}"))?;
    if shown < bytes.len() {
        write!(f, "... {} bytes", bytes.len())?;
    }
    f.write_str(")")
}

fn list<T>(
    f: &mut fmt::Formatter<'_>,
    open: &str,
    items: &[T],
    close: &str,
    mut item: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    f.write_str(open)?;
    for (index, one) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        item(f, one)?;
    }
    f.write_str(close)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{BigInt, ErrorValue, RegExpValue, View, ViewKind};

    fn shown(value: &Value) -> String {
        format!("{value:?}")
    }

    #[test]
    fn debug_reads_like_javascript_on_one_line() {
        let value = Value::object([
            ("name", Value::from("a\"b")),
            ("n", Value::from(1)),
            (
                "two words",
                Value::from(vec![Value::Null, Value::Undefined, Value::Bool(true)]),
            ),
            (
                "1",
                Value::Map(vec![
                    ("k".into(), 0.5.into()),
                    (2.into(), Value::object::<&str>([])),
                ]),
            ),
            ("set", Value::Set(vec![BigInt::from(-7).into()])),
            ("bytes", Value::from(vec![1, 0xab])),
            ("at", Value::Date(f64::NAN)),
            ("error", ErrorValue::new("TypeError", "no").into()),
        ]);
        let expected = r#"{name: "a\"b", n: 1, "two words": [null, undefined, true], "1": Map {"k" => 0.5, 2 => {}}, set: Set {-7n}, bytes: Bytes(01ab), at: Date(NaN), error: [TypeError: no]}"#;
        assert_eq!(shown(&value), expected);
        assert_eq!(format!("{value:#?}"), expected);
    }

    #[test]
    fn debug_shows_what_is_rare_as_javascript_consoles_do() {
        let expression = RegExpValue {
            source: "a+".to_owned(),
            flags: "gi".to_owned(),
        };
        let value = Value::from(vec![
            View::new(ViewKind::Int16Array, [1, 0]).into(),
            expression.into(),
            Primitive::Number(-0.0).into(),
            Primitive::String("s".to_owned()).into(),
            Value::Hole,
        ]);
        assert_eq!(
            shown(&value),
            r#"[Int16Array(0100), /a+/gi, [Number: -0], [String: "s"], <empty>]"#
        );
    }

    #[test]
    fn debug_shows_numbers_as_they_are() {
        for (number, text) in [
            (-0.0, "-0"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
            (9_007_199_254_740_991.0, "9007199254740991"),
            (1e21, "1e21"),
            (1e-7, "1e-7"),
            (0.1, "0.1"),
        ] {
            assert_eq!(shown(&number.into()), text);
        }
    }

    #[test]
    fn debug_counts_bytes_that_are_too_many_to_show() {
        let text = shown(&vec![7; 4096].into());
        assert_eq!(text, format!("Bytes({}... 4096 bytes)", "07".repeat(32)));
    }
}
