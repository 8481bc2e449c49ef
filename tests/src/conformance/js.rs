//! JavaScript's values, as scripts and results spell them: JSON, with tagged objects for what JSON cannot hold.
//!
//! Some of them no storage ever sees: functions, symbols, promises, objects with getters. A script hands them over to find out what the
//! original says to them, so they are values here. A cycle is not tied: [`Js::Up`] says how far up it leads.
//!
//! In: the JSON of a script. Out: JSON that can be held against a recording.

use dormouse::value::{BigInt, ViewKind};
use serde_json::{Map, Value as Json, json};

use super::base64;

/// A string of one repeated unit that is longer than this is written as `$repeat`; so are more zero bytes than [`ZEROS_MIN`].
const REPEAT_MIN: usize = 100;
const ZEROS_MIN: usize = 64;

/// The last millisecond that a `Date` can mean, on both sides of 1970.
const DATE_MAX: f64 = 8.64e15;

/// The source text of the one function that scripts know.
pub(super) const FUNCTION_SOURCE: &str = "function oracleFunction() {}";

/// A value of JavaScript.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Js {
    Undefined,
    Null,
    Bool(bool),
    Number(f64),
    BigInt(BigInt),
    String(String),
    /// A string that is not well formed: it has no form in UTF-8.
    Utf16(Vec<u16>),
    /// Milliseconds since 1970; `NaN` for an invalid date.
    Date(f64),
    Bytes(Vec<u8>, Option<ViewKind>),
    /// [`Js::Hole`] where there is no element.
    Array(Vec<Js>),
    Object(Vec<(String, Js)>),
    Map(Vec<(Js, Js)>),
    Set(Vec<Js>),
    RegExp {
        source: String,
        flags: String,
    },
    Error {
        name: String,
        message: String,
    },
    /// A `Number`, `String`, `Boolean` or `BigInt` object.
    Boxed(Box<Js>),
    Hole,
    /// The n-th enclosing array, object, map or set.
    Up(usize),
    Function,
    Symbol(String),
    Promise,
    /// An instance of the class `Point`, with fields `x: 1` and `y: 2`.
    Point,
    /// An object with a getter `bad` that throws an error with this message.
    ThrowingGetter(String),
    /// So many milliseconds from now; [`Js::at`] makes a number of it.
    Now(f64),
    /// The same as a `Date`.
    DateNow(f64),
    /// An object of the runtime, such as a cursor. Only in results.
    Instance,
}

/// Why JSON is no value.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {json}")]
pub(super) struct NoValue {
    what: &'static str,
    json: String,
}

impl NoValue {
    pub(super) fn new(what: &'static str, json: &Json) -> Self {
        let mut json = json.to_string();
        if let Some((end, _)) = json.char_indices().nth(120) {
            json.truncate(end);
            json.push_str("...");
        }
        Self { what, json }
    }
}

/// The value that JSON spells.
pub(super) fn decode(json: &Json) -> Result<Js, NoValue> {
    Ok(match json {
        Json::Null => Js::Null,
        Json::Bool(value) => Js::Bool(*value),
        Json::Number(_) => Js::Number(number(json)?),
        Json::String(text) => Js::String(text.clone()),
        Json::Array(elements) => Js::Array(all(elements)?),
        Json::Object(members) => match members.iter().next() {
            Some((tag, content)) if tag.starts_with('$') => decode_tagged(tag, content, json)?,
            _ => decode_object(members)?,
        },
    })
}

fn decode_tagged(tag: &str, content: &Json, json: &Json) -> Result<Js, NoValue> {
    Ok(match tag {
        "$undefined" => Js::Undefined,
        "$hole" => Js::Hole,
        "$function" => Js::Function,
        "$promise" => Js::Promise,
        "$float" => Js::Number(match content.as_str() {
            Some("NaN") => f64::NAN,
            Some("Infinity") => f64::INFINITY,
            Some("-Infinity") => f64::NEG_INFINITY,
            Some("-0") => -0.0,
            _ => return Err(NoValue::new("no such number", json)),
        }),
        "$bigint" => {
            let digits = text(content)?.parse();
            Js::BigInt(digits.map_err(|_| NoValue::new("not an integer", json))?)
        }
        "$date" if content.is_null() => Js::Date(f64::NAN),
        "$date" => Js::Date(time_clip(number(content)?)),
        "$now" => Js::Now(number(content)?),
        "$dateNow" => Js::DateNow(number(content)?),
        "$bytes" => {
            let bytes = base64::decode(text(content)?);
            let bytes = bytes.ok_or_else(|| NoValue::new("not base64", json))?;
            Js::Bytes(bytes, decode_view(json)?)
        }
        "$zeros" => Js::Bytes(vec![0; count(content)?], decode_view(json)?),
        "$repeat" => match content.as_array().map(Vec::as_slice) {
            Some([unit, times]) => Js::String(text(unit)?.repeat(count(times)?)),
            _ => return Err(NoValue::new("not a string and a number", json)),
        },
        "$utf16" => {
            let units = list(content)?.iter().map(|unit| {
                let unit = unit.as_u64().and_then(|unit| u16::try_from(unit).ok());
                unit.ok_or_else(|| NoValue::new("not a UTF-16 unit", json))
            });
            from_utf16(units.collect::<Result<_, _>>()?)
        }
        "$map" => {
            let entries = list(content)?.iter().map(|entry| match list(entry)? {
                [key, value] => Ok((decode(key)?, decode(value)?)),
                _ => Err(NoValue::new("not a key and a value", entry)),
            });
            Js::Map(entries.collect::<Result<_, _>>()?)
        }
        "$set" => Js::Set(all(list(content)?)?),
        "$regexp" => match list(content)? {
            [source, flags] => Js::RegExp {
                source: text(source)?.to_owned(),
                flags: text(flags)?.to_owned(),
            },
            _ => return Err(NoValue::new("not a source and flags", json)),
        },
        "$error" => Js::Error {
            name: text(&content["name"])?.to_owned(),
            message: text(&content["message"])?.to_owned(),
        },
        "$boxed" => Js::Boxed(Box::new(decode(content)?)),
        "$up" => Js::Up(count(content)?),
        "$symbol" => Js::Symbol(text(content)?.to_owned()),
        "$instance" => Js::Point,
        "$throwingGetter" => Js::ThrowingGetter(text(content)?.to_owned()),
        "$object" => match content {
            Json::Object(members) => decode_object(members)?,
            _ => return Err(NoValue::new("not an object", json)),
        },
        _ => return Err(NoValue::new("no such tag", json)),
    })
}

fn decode_object(members: &Map<String, Json>) -> Result<Js, NoValue> {
    let members = members
        .iter()
        .map(|(key, value)| Ok((key.clone(), decode(value)?)));
    Ok(Js::Object(in_property_order(
        members.collect::<Result<_, _>>()?,
    )))
}

fn decode_view(json: &Json) -> Result<Option<ViewKind>, NoValue> {
    let Some(name) = json.get("view") else {
        return Ok(None);
    };
    let view = ViewKind::named(text(name)?);
    view.map(Some)
        .ok_or_else(|| NoValue::new("no such view", json))
}

fn all(elements: &[Json]) -> Result<Vec<Js>, NoValue> {
    elements.iter().map(decode).collect()
}

fn list(json: &Json) -> Result<&[Json], NoValue> {
    json.as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| NoValue::new("not a list", json))
}

fn text(json: &Json) -> Result<&str, NoValue> {
    json.as_str()
        .ok_or_else(|| NoValue::new("not a string", json))
}

fn number(json: &Json) -> Result<f64, NoValue> {
    json.as_f64()
        .ok_or_else(|| NoValue::new("not a number", json))
}

fn count(json: &Json) -> Result<usize, NoValue> {
    let count = json.as_u64().and_then(|count| usize::try_from(count).ok());
    count.ok_or_else(|| NoValue::new("not a count", json))
}

fn from_utf16(units: Vec<u16>) -> Js {
    String::from_utf16(&units).map_or(Js::Utf16(units), Js::String)
}

/// What `new Date` makes of a number of milliseconds.
pub(super) fn time_clip(millis: f64) -> f64 {
    if millis.abs() <= DATE_MAX {
        millis.trunc() + 0.0 // no -0
    } else {
        f64::NAN
    }
}

/// Properties in JavaScript's order: integers first, ascending, then the others as they were added.
pub(super) fn in_property_order(mut members: Vec<(String, Js)>) -> Vec<(String, Js)> {
    members.sort_by_key(|(key, _)| match key.parse::<u32>() {
        Ok(index) if index < u32::MAX && index.to_string() == *key => (0, index),
        _ => (1, 0),
    });
    members
}

impl Js {
    /// The value, with what depends on the present made definite.
    pub(super) fn at(self, now: f64) -> Self {
        match self {
            Self::Now(offset) => Self::Number(now + offset),
            Self::DateNow(offset) => Self::Date(time_clip(now + offset)),
            Self::Array(elements) => {
                Self::Array(elements.into_iter().map(|it| it.at(now)).collect())
            }
            Self::Set(members) => Self::Set(members.into_iter().map(|it| it.at(now)).collect()),
            Self::Object(members) => {
                let members = members.into_iter().map(|(key, it)| (key, it.at(now)));
                Self::Object(members.collect())
            }
            Self::Map(entries) => {
                let entries = entries.into_iter();
                Self::Map(entries.map(|(key, it)| (key.at(now), it.at(now))).collect())
            }
            value => value,
        }
    }

    /// What `typeof` says.
    pub(super) fn type_of(&self) -> &'static str {
        match self {
            Self::Undefined | Self::Hole => "undefined",
            Self::Bool(_) => "boolean",
            Self::Number(_) | Self::Now(_) => "number",
            Self::BigInt(_) => "bigint",
            Self::String(_) | Self::Utf16(_) => "string",
            Self::Symbol(_) => "symbol",
            Self::Function => "function",
            _ => "object", // null among them
        }
    }

    /// Whether it is an object: whether it can have properties.
    pub(super) fn is_object(&self) -> bool {
        match self {
            Self::Null => false,
            value => matches!(value.type_of(), "object" | "function"),
        }
    }
}

/// The value as a result spells it.
pub(super) fn encode(value: &Js) -> Json {
    match value {
        Js::Undefined => json!({"$undefined": true}),
        Js::Null => Json::Null,
        Js::Bool(value) => json!(value),
        Js::Number(number) | Js::Now(number) => encode_number(*number),
        Js::BigInt(number) => json!({"$bigint": number.to_string()}),
        Js::String(text) => encode_string(text),
        Js::Utf16(units) => json!({"$utf16": units}),
        Js::Date(millis) | Js::DateNow(millis) if millis.is_nan() => json!({"$date": null}),
        Js::Date(millis) | Js::DateNow(millis) => json!({"$date": encode_number(*millis)}),
        Js::Bytes(bytes, view) => encode_bytes(bytes, *view),
        Js::Array(elements) => elements.iter().map(encode).collect(),
        Js::Object(members) => {
            let object = members.iter().map(|(key, it)| (key.clone(), encode(it)));
            let object: Map<_, _> = object.collect();
            if object.keys().any(|key| key.starts_with('$')) {
                json!({"$object": object})
            } else {
                Json::Object(object)
            }
        }
        Js::Map(entries) => {
            let entries = entries
                .iter()
                .map(|(key, it)| json!([encode(key), encode(it)]));
            json!({"$map": entries.collect::<Json>()})
        }
        Js::Set(members) => json!({"$set": members.iter().map(encode).collect::<Json>()}),
        Js::RegExp { source, flags } => json!({"$regexp": [source, flags]}),
        Js::Error { name, message } => json!({"$error": {"name": name, "message": message}}),
        Js::Boxed(inside) => json!({"$boxed": encode(inside)}),
        Js::Hole => json!({"$hole": true}),
        Js::Up(levels) => json!({"$up": levels}),
        Js::Function => json!({"$function": true}),
        Js::Symbol(description) => json!({"$symbol": description}),
        Js::Promise => json!({"$promise": true}),
        Js::Point | Js::Instance => json!({"$instance": "Object"}),
        Js::ThrowingGetter(message) => json!({"$throwingGetter": message}),
    }
}

fn encode_number(number: f64) -> Json {
    if number == 0.0 && number.is_sign_negative() {
        json!({"$float": "-0"})
    } else if number.is_nan() {
        json!({"$float": "NaN"})
    } else if number.is_infinite() {
        json!({"$float": if number > 0.0 { "Infinity" } else { "-Infinity" }})
    } else if let Some(integer) = whole(number) {
        json!(integer)
    } else {
        json!(number)
    }
}

/// The integer that a number is, so that it is spelled as JavaScript spells it.
fn whole(number: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "compared afterwards")]
    let integer = number as i64;
    #[expect(clippy::cast_precision_loss, reason = "that is what is looked for")]
    let is_same = (integer as f64).to_bits() == number.to_bits() && integer != i64::MAX;
    is_same.then_some(integer)
}

/// A string as a result spells it.
pub(super) fn encode_string(text: &str) -> Json {
    let mut units = text.encode_utf16();
    let len = units.clone().count();
    let first = units.next().unwrap_or_default();
    if len > REPEAT_MIN && units.all(|unit| unit == first) {
        let first: String = text.chars().take(1).collect();
        json!({"$repeat": [first, len]})
    } else {
        json!(text)
    }
}

fn encode_bytes(bytes: &[u8], view: Option<ViewKind>) -> Json {
    let mut encoded = if bytes.len() > ZEROS_MIN && bytes.iter().all(|byte| *byte == 0) {
        json!({"$zeros": bytes.len()})
    } else {
        json!({"$bytes": base64::encode(bytes)})
    };
    if let Some(view) = view {
        encoded["view"] = json!(view.to_string());
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_decoded_is_encoded_as_it_was() {
        for json in [
            json!(null),
            json!("text"),
            json!({"$undefined": true}),
            json!({"$float": "-0"}),
            json!({"$bigint": "-123456789012345678901234567890"}),
            json!({"$date": null}),
            json!({"$bytes": "AQL/", "view": "DataView"}),
            json!({"$zeros": 65}),
            json!({"$repeat": ["€", 101]}),
            json!({"$utf16": [55296]}),
            json!({"$map": [[1, {"$set": ["a"]}]]}),
            json!({"$regexp": ["a+", "gi"]}),
            json!({"$error": {"name": "TypeError", "message": "m"}}),
            json!({"$boxed": "s"}),
            json!(["a", {"$hole": true}, {"$up": 1}]),
            json!({"$object": {"$bytes": "AA=="}}),
        ] {
            let value = decode(&json).expect("a value of the format");
            assert_eq!(encode(&value), json);
        }
    }

    #[test]
    fn an_unknown_tag_is_an_error_that_names_it() {
        let error = decode(&json!({"a": [{"$typo": 1}]})).expect_err("no such tag");
        assert_eq!(error.to_string(), r#"no such tag: {"$typo":1}"#);
    }

    #[test]
    fn integer_keys_come_first() {
        let value = decode(&json!({"b": 1, "10": 2, "-1": 3, "9": 4})).expect("an object");
        let Js::Object(members) = value else {
            panic!("an object: {value:?}");
        };
        let keys: Vec<_> = members.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["9", "10", "b", "-1"]);
    }

    #[test]
    fn a_date_outside_of_its_range_is_invalid() {
        assert!(time_clip(8.64e15 + 1.0).is_nan());
        assert_eq!(time_clip(-1.5).to_bits(), (-1.0_f64).to_bits());
        assert_eq!(time_clip(-0.5).to_bits(), 0.0_f64.to_bits());
    }
}
