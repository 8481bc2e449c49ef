//! JavaScript's conversions: what becomes of a value where a string, a number or a boolean is wanted, and what a structured clone keeps.
//!
//! An engine has these built in. Every one of them happens before storage is called, so a mistake here would look like one of storage.

use dormouse::{
    Value,
    value::{ErrorValue, Primitive, RegExpValue, View, ViewKind},
};

use super::js::{FUNCTION_SOURCE, Js, in_property_order, time_clip};

/// Something thrown.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Thrown {
    /// An error of the runtime.
    Error(dormouse::Error),
    /// Another value.
    Value(Js),
    /// A script called a method that an object does not have.
    NoSuchMethod(String),
    /// There is no way to say this in Rust; the reason why.
    NotInRust(&'static str),
}

impl Thrown {
    pub(super) fn type_error(message: impl Into<String>) -> Self {
        Self::Error(dormouse::Error::type_error(message))
    }

    /// The error that carries this through the runtime. It may lose what it cannot carry: keep the original beside it.
    pub(super) fn to_error(&self) -> dormouse::Error {
        match self {
            Self::Error(error) => error.clone(),
            Self::Value(Js::Error { name, message }) => dormouse::Error::new(name, message),
            Self::Value(value) => dormouse::Error::from(to_text(value).unwrap_or_default()),
            Self::NoSuchMethod(operation) => {
                dormouse::Error::from(format!("no such method: {operation}"))
            }
            Self::NotInRust(reason) => dormouse::Error::from(*reason),
        }
    }
}

impl From<dormouse::Error> for Thrown {
    fn from(error: dormouse::Error) -> Self {
        Self::Error(error)
    }
}

/// `ToString`, then into UTF-8 as the original's bindings do it: an unpaired surrogate becomes three replacement characters.
pub(super) fn to_text(value: &Js) -> Result<String, Thrown> {
    Ok(match value {
        Js::Undefined | Js::Hole => "undefined".to_owned(),
        Js::Null => "null".to_owned(),
        Js::Bool(value) => value.to_string(),
        Js::Number(number) | Js::Now(number) => number_to_text(*number),
        Js::BigInt(number) => number.to_string(),
        Js::String(text) => text.clone(),
        Js::Utf16(units) => utf16_to_text(units),
        Js::Symbol(_) => {
            return Err(Thrown::type_error(
                "Cannot convert a Symbol value to a string",
            ));
        }
        Js::Date(millis) | Js::DateNow(millis) => date_to_text(*millis),
        Js::Bytes(_, None) => "[object ArrayBuffer]".to_owned(),
        Js::Bytes(_, Some(ViewKind::DataView)) => "[object DataView]".to_owned(),
        Js::Bytes(bytes, Some(kind)) => {
            let elements = kind.elements(bytes).into_iter();
            let texts = elements.map(|element| to_text(&from_value(element)));
            texts.collect::<Result<Vec<_>, _>>()?.join(",")
        }
        Js::Array(elements) => {
            let texts = elements.iter().map(|element| match element {
                Js::Undefined | Js::Null | Js::Hole | Js::Up(_) => Ok(String::new()),
                element => to_text(element),
            });
            texts.collect::<Result<Vec<_>, _>>()?.join(",")
        }
        Js::Map(_) => "[object Map]".to_owned(),
        Js::Set(_) => "[object Set]".to_owned(),
        Js::RegExp { source, flags } => format!("/{source}/{flags}"),
        Js::Error { name, message } if message.is_empty() => name.clone(),
        Js::Error { name, message } if name.is_empty() => message.clone(),
        Js::Error { name, message } => format!("{name}: {message}"),
        Js::Boxed(inside) => to_text(inside)?,
        Js::Function => FUNCTION_SOURCE.to_owned(),
        Js::Promise => "[object Promise]".to_owned(),
        Js::Object(_) | Js::Up(_) | Js::Point | Js::ThrowingGetter(_) | Js::Instance => {
            "[object Object]".to_owned()
        }
    })
}

/// `ToNumber`.
pub(super) fn to_number(value: &Js) -> Result<f64, Thrown> {
    Ok(match value {
        Js::Undefined | Js::Hole => f64::NAN,
        Js::Null => 0.0,
        Js::Bool(value) => f64::from(u8::from(*value)),
        Js::Number(number) | Js::Now(number) => *number,
        Js::BigInt(_) => {
            return Err(Thrown::type_error(
                "Cannot convert a BigInt value to a number",
            ));
        }
        Js::Symbol(_) => {
            return Err(Thrown::type_error(
                "Cannot convert a Symbol value to a number",
            ));
        }
        Js::Date(millis) | Js::DateNow(millis) => *millis,
        Js::Boxed(inside) => to_number(inside)?,
        value => text_to_number(&to_text(value)?),
    })
}

/// `ToInt32`.
#[expect(clippy::cast_possible_truncation, reason = "reduced to 32 bits before")]
pub(super) fn to_int32(value: &Js) -> Result<i32, Thrown> {
    let number = to_number(value)?;
    if !number.is_finite() {
        return Ok(0);
    }
    let reduced = number.trunc().rem_euclid(4_294_967_296.0);
    Ok((reduced as i64) as i32)
}

/// `ToBoolean`.
pub(super) fn to_bool(value: &Js) -> bool {
    match value {
        Js::Undefined | Js::Null | Js::Hole => false,
        Js::Bool(value) => *value,
        Js::Number(number) => *number != 0.0 && !number.is_nan(),
        Js::BigInt(number) => !number.magnitude().is_empty(),
        Js::String(text) => !text.is_empty(),
        _ => true,
    }
}

fn utf16_to_text(units: &[u16]) -> String {
    char::decode_utf16(units.iter().copied())
        .map(|decoded| decoded.map_or_else(|_| "\u{fffd}\u{fffd}\u{fffd}".to_owned(), String::from))
        .collect()
}

/// The shortest digits that mean the number, laid out as JavaScript does.
fn number_to_text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number == 0.0 {
        return "0".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
        .to_owned();
    }
    let shortest = format!("{:e}", number.abs());
    let (digits, exponent) = shortest.split_once('e').expect("a number in this form");
    let digits = digits.replace('.', "");
    let exponent: i32 = exponent.parse().expect("an exponent");
    let point = exponent + 1; // where the point stands among the digits
    let len = i32::try_from(digits.len()).expect("few digits");
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    let split = |at: i32| digits.split_at(usize::try_from(at).unwrap_or(0));
    let text = if len <= point && point <= 21 {
        format!("{digits}{}", zeros(point - len))
    } else if 0 < point && point <= 21 {
        let (whole, fraction) = split(point);
        format!("{whole}.{fraction}")
    } else if -6 < point && point <= 0 {
        format!("0.{}{digits}", zeros(-point))
    } else {
        let (first, rest) = split(1);
        let point = if rest.is_empty() { "" } else { "." };
        format!("{first}{point}{rest}e{exponent:+}")
    };
    if number < 0.0 {
        format!("-{text}")
    } else {
        text
    }
}

fn text_to_number(text: &str) -> f64 {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let in_radix = |digits: &str, radix| {
        let digits = digits.chars().map(|digit| digit.to_digit(radix));
        digits
            .map(|digit| digit.map(f64::from))
            .try_fold(0.0, |sum, digit| Some(sum * f64::from(radix) + digit?))
    };
    match text {
        "" => return 0.0,
        "Infinity" | "+Infinity" => return f64::INFINITY,
        "-Infinity" => return f64::NEG_INFINITY,
        _ => {}
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if text.len() > 2 && text[..2].eq_ignore_ascii_case(prefix) {
            return in_radix(&text[2..], radix).unwrap_or(f64::NAN);
        }
    }
    // Rust's own words for numbers that have no digits are no numbers here.
    if text.bytes().any(|byte| byte.is_ascii_digit()) {
        text.parse().unwrap_or(f64::NAN)
    } else {
        f64::NAN
    }
}

/// `Date.prototype.toString()`, in the time zone that Workers have.
fn date_to_text(millis: f64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let millis = time_clip(millis);
    if millis.is_nan() {
        return "Invalid Date".to_owned();
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole, and in the range of dates"
    )]
    let seconds = (millis / 1000.0).floor() as i64;
    let (days, second) = (seconds.div_euclid(86400), seconds.rem_euclid(86400));
    let (year, month, day) = civil_from_days(days);
    let name = DAYS[usize::try_from(days.rem_euclid(7)).unwrap_or(0)];
    let month = MONTHS[usize::try_from(month - 1).unwrap_or(0)];
    let sign = if year < 0 { "-" } else { "" };
    let year = year.abs();
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let digits = if sign.is_empty() { 4 } else { 6 };
    format!(
        "{name} {month} {day:02} {sign}{year:0digits$} {hour:02}:{minute:02}:{second:02} GMT+0000 (Coordinated Universal Time)"
    )
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468; // from 0000-03-01: a year then ends with its leap day
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

fn could_not_be_cloned(what: &str) -> Thrown {
    let message = format!("{what} could not be cloned.");
    Thrown::Error(dormouse::Error::new("DataCloneError", message))
}

/// What a structured clone of the value carries.
///
/// # Errors
/// What JavaScript cannot clone either, with its text; what a Rust value cannot hold.
pub(super) fn to_value(value: &Js) -> Result<Value, Thrown> {
    let all = |values: &[Js]| values.iter().map(to_value).collect::<Result<Vec<_>, _>>();
    Ok(match value {
        Js::Undefined => Value::Undefined,
        Js::Null => Value::Null,
        Js::Bool(value) => Value::Bool(*value),
        Js::Number(number) | Js::Now(number) => Value::Number(*number),
        Js::BigInt(number) => Value::BigInt(number.clone()),
        Js::String(text) => Value::String(text.clone()),
        Js::Utf16(_) => return Err(Thrown::NotInRust(BROKEN_STRING)),
        Js::Date(millis) | Js::DateNow(millis) => Value::Date(*millis),
        Js::Bytes(bytes, None) => Value::Bytes(bytes.clone()),
        Js::Bytes(bytes, Some(kind)) => View::new(*kind, bytes.as_slice()).into(),
        Js::Array(elements) => Value::Array(all(elements)?),
        Js::Set(members) => Value::Set(all(members)?),
        Js::Object(members) => {
            let members = members
                .iter()
                .map(|(key, it)| Ok((key.clone(), to_value(it)?)));
            Value::Object(members.collect::<Result<_, Thrown>>()?)
        }
        Js::Map(entries) => {
            let entries = entries
                .iter()
                .map(|(key, it)| Ok((to_value(key)?, to_value(it)?)));
            Value::Map(entries.collect::<Result<_, Thrown>>()?)
        }
        Js::RegExp { source, flags } => {
            let (source, flags) = (source.clone(), flags.clone());
            RegExpValue { source, flags }.into()
        }
        Js::Error { name, message } => ErrorValue::new(name, message).into(),
        Js::Boxed(inside) => match Primitive::try_from(to_value(inside)?) {
            Ok(inside) => inside.into(),
            Err(other) => other, // `Object(value)` is the value itself if that is an object
        },
        Js::Hole => Value::Hole,
        Js::Up(_) => return Err(Thrown::NotInRust(CYCLE)),
        Js::Point => Value::object([("x", 1.into()), ("y", 2.into())]),
        Js::Function => return Err(could_not_be_cloned(FUNCTION_SOURCE)),
        Js::Symbol(description) => {
            return Err(could_not_be_cloned(&format!("Symbol({description})")));
        }
        Js::Promise | Js::Instance => return Err(could_not_be_cloned("#<Promise>")),
        Js::ThrowingGetter(message) => {
            return Err(Thrown::Error(dormouse::Error::from(message.as_str())));
        }
    })
}

/// Why a value cannot be stored.
pub(super) const CYCLE: &str = "a value that contains itself: Rust's values are trees";
pub(super) const BROKEN_STRING: &str =
    "a string with unpaired surrogates: Rust's strings are UTF-8";

/// The value that JavaScript would see.
pub(super) fn from_value(value: Value) -> Js {
    let all = |values: Vec<Value>| values.into_iter().map(from_value).collect();
    match value {
        Value::Undefined => Js::Undefined,
        Value::Null => Js::Null,
        Value::Bool(value) => Js::Bool(value),
        Value::Number(number) => Js::Number(number),
        Value::BigInt(number) => Js::BigInt(number),
        Value::String(text) => Js::String(text),
        Value::Bytes(bytes) => Js::Bytes(bytes, None),
        Value::Date(millis) => Js::Date(millis),
        Value::Array(elements) => Js::Array(all(elements)),
        Value::Set(members) => Js::Set(all(members)),
        Value::Object(members) => {
            let members = members.into_iter().map(|(key, it)| (key, from_value(it)));
            Js::Object(in_property_order(members.collect()))
        }
        Value::Map(entries) => {
            let entries = entries.into_iter();
            Js::Map(
                entries
                    .map(|(key, it)| (from_value(key), from_value(it)))
                    .collect(),
            )
        }
        Value::View(view) => Js::Bytes(view.bytes, Some(view.kind)),
        Value::RegExp(expression) => Js::RegExp {
            source: expression.source,
            flags: expression.flags,
        },
        Value::Boxed(inside) => Js::Boxed(Box::new(from_value(inside.into_inner()))),
        Value::Hole => Js::Hole,
        Value::Error(error) => Js::Error {
            name: error.name,
            message: error.message,
        },
        _ => Js::Instance,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &Js) -> String {
        to_text(value).expect("it has a text")
    }

    #[test]
    fn numbers_are_laid_out_as_javascript_does() {
        for (number, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (123_456_789_012.0, "123456789012"),
            (0.1, "0.1"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (0.000_001, "0.000001"),
            (1e-7, "1e-7"),
            (-1.25e-9, "-1.25e-9"),
            (5e-324, "5e-324"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(text(&Js::Number(number)), expected);
        }
    }

    #[test]
    fn objects_become_the_strings_that_javascript_gives_them() {
        let string = |text: &str| Js::String(text.to_owned());
        for (value, expected) in [
            (Js::Array(vec![]), ""),
            (
                Js::Array(vec![
                    Js::Null,
                    string("a"),
                    Js::Array(vec![Js::Number(1.0), Js::Undefined]),
                ]),
                ",a,1,",
            ),
            (Js::Object(vec![]), "[object Object]"),
            (Js::Map(vec![]), "[object Map]"),
            (Js::Boxed(Box::new(string("ab"))), "ab"),
            (Js::Bytes(vec![1, 255], Some(ViewKind::Int8Array)), "1,-1"),
            (Js::Bytes(vec![1, 0, 2], Some(ViewKind::Uint16Array)), "1"),
            (Js::Bytes(vec![1], None), "[object ArrayBuffer]"),
            (
                Js::Error {
                    name: "Error".to_owned(),
                    message: "m".to_owned(),
                },
                "Error: m",
            ),
            (Js::Utf16(vec![97, 0xd800]), "a\u{fffd}\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(text(&value), expected);
        }
        let refused = to_text(&Js::Array(vec![Js::Symbol("s".to_owned())]));
        let error = Thrown::type_error("Cannot convert a Symbol value to a string");
        assert_eq!(refused, Err(error));
    }

    #[test]
    fn dates_read_as_in_a_worker() {
        let tail = "GMT+0000 (Coordinated Universal Time)";
        for (millis, expected) in [
            (0.0, format!("Thu Jan 01 1970 00:00:00 {tail}")),
            (-1.0, format!("Wed Dec 31 1969 23:59:59 {tail}")),
            (
                951_827_696_000.0,
                format!("Tue Feb 29 2000 12:34:56 {tail}"),
            ),
            (
                -62_198_755_200_000.0,
                format!("Fri Jan 01 -000001 00:00:00 {tail}"),
            ),
            (f64::NAN, "Invalid Date".to_owned()),
        ] {
            assert_eq!(text(&Js::Date(millis)), expected);
        }
    }

    #[test]
    fn strings_become_numbers_as_in_javascript() {
        let number = |text: &str| to_number(&Js::String(text.to_owned())).expect("a number");
        for (text, expected) in [
            ("", 0.0),
            (" 2\n", 2.0),
            ("1e3", 1000.0),
            ("0x1F", 31.0),
            ("0b101", 5.0),
            (".5", 0.5),
            ("-Infinity", f64::NEG_INFINITY),
        ] {
            assert_eq!(number(text).to_bits(), expected.to_bits(), "{text}");
        }
        for text in ["two", "inf", "nan", "1n", "1 2", "infinity"] {
            assert!(number(text).is_nan(), "{text}");
        }
        let refused = to_number(&Js::BigInt(2.into()));
        let error = Thrown::type_error("Cannot convert a BigInt value to a number");
        assert_eq!(refused, Err(error));
    }

    #[test]
    fn an_integer_of_32_bits_wraps_around() {
        for (number, expected) in [
            (1.9, 1),
            (-1.9, -1),
            (f64::INFINITY, 0),
            (4_294_967_297.0, 1),
            (2_147_483_648.0, i32::MIN),
        ] {
            assert_eq!(to_int32(&Js::Number(number)), Ok(expected), "{number}");
        }
    }

    #[test]
    fn what_cannot_be_cloned_is_refused_wherever_it_is() {
        let nested = Js::Object(vec![("a".to_owned(), Js::Array(vec![Js::Function]))]);
        let error = to_value(&nested).expect_err("functions cannot be cloned");
        assert_eq!(error, could_not_be_cloned("function oracleFunction() {}"));
        assert_eq!(
            to_value(&Js::Symbol("s".to_owned())),
            Err(could_not_be_cloned("Symbol(s)"))
        );
    }
}
