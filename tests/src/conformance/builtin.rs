//! Members of JavaScript's own values, as far as scripts ask for them: what `list` returned is a `Map`, a row is an object.

use std::{cell::RefCell, rc::Rc};

use super::{
    arguments::Arguments,
    binding::{Called, Held},
    convert::{Thrown, to_text},
    js::Js,
};

pub(super) fn property(value: &Js, name: &str) -> Result<Js, Thrown> {
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let number = |count: usize| Js::Number(count as f64);
    Ok(match (value, name) {
        (Js::Undefined | Js::Null, _) => {
            let what = to_text(value)?;
            return Err(Thrown::type_error(format!(
                "Cannot read properties of {what} (reading '{name}')"
            )));
        }
        (Js::Object(members), _) => {
            let found = members.iter().find(|(key, _)| key == name);
            found.map_or(Js::Undefined, |(_, value)| value.clone())
        }
        (Js::Map(entries), "size") => number(entries.len()),
        (Js::Set(members), "size") => number(members.len()),
        (Js::Array(elements), "length") => number(elements.len()),
        (Js::Array(elements), index) => {
            let element = index.parse().ok().and_then(|at: usize| elements.get(at));
            element.cloned().unwrap_or(Js::Undefined)
        }
        (Js::String(text), "length") => number(text.encode_utf16().count()),
        (Js::Bytes(bytes, _), "byteLength") => number(bytes.len()),
        (Js::Error { name, .. }, "name") => Js::String(name.clone()),
        (Js::Error { message, .. }, "message") => Js::String(message.clone()),
        _ => Js::Undefined,
    })
}

pub(super) fn call_method(
    value: &Js,
    name: &str,
    arguments: &Arguments<'_>,
) -> Result<Called, Thrown> {
    let iterator = |values: Vec<Js>| {
        let values = Rc::new(RefCell::new(values.into_iter()));
        Ok(Called::Returned(Held::Iterator(values)))
    };
    let key = arguments.given(0).unwrap_or(&Js::Undefined);
    match (value, name) {
        (Js::Map(entries), "get") => {
            let found = entries.iter().find(|(name, _)| name == key);
            Ok(Called::returned(
                found.map_or(Js::Undefined, |(_, value)| value.clone()),
            ))
        }
        (Js::Map(entries), "has") => Ok(Called::returned(Js::Bool(
            entries.iter().any(|(name, _)| name == key),
        ))),
        (Js::Map(entries), "keys") => iterator(entries.iter().map(|it| it.0.clone()).collect()),
        (Js::Map(entries), "values") => iterator(entries.iter().map(|it| it.1.clone()).collect()),
        (Js::Map(_), "entries") => iterator(iterated(value).unwrap_or_default()),
        (Js::Set(members), "has") => Ok(Called::returned(Js::Bool(members.contains(key)))),
        (Js::Set(members), "keys" | "values") => iterator(members.clone()),
        (value, "toString") => Ok(Called::returned(Js::String(to_text(value)?))),
        _ => Err(Thrown::NotInRust("a method of a JavaScript value")),
    }
}

/// What iterating over the value gives.
pub(super) fn iterated(value: &Js) -> Option<Vec<Js>> {
    Some(match value {
        Js::Array(elements) => {
            let element = |it: &Js| match it {
                Js::Hole => Js::Undefined,
                it => it.clone(),
            };
            elements.iter().map(element).collect()
        }
        Js::Set(members) => members.clone(),
        Js::Map(entries) => entries
            .iter()
            .map(|(key, value)| Js::Array(vec![key.clone(), value.clone()]))
            .collect(),
        Js::String(text) => text.chars().map(|c| Js::String(c.to_string())).collect(),
        _ => return None,
    })
}
