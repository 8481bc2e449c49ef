//! What a step came to, in the terms of the recordings.

use serde_json::{Value as Json, json};

use super::{
    convert::Thrown,
    js::{Js, encode},
};

/// A step that returned `value`.
pub(super) fn returned(value: &Js) -> Json {
    json!({"ok": encode(value)})
}

/// A step that bound a variable.
pub(super) fn bound(name: &str) -> Json {
    json!({"ok": {"$let": name}})
}

/// A step that threw.
pub(super) fn threw(thrown: &Thrown) -> Json {
    match thrown {
        Thrown::Error(error) => described(error),
        Thrown::Value(Js::Error { name, message }) => {
            json!({"err": {"name": name, "message": message}})
        }
        Thrown::Value(value) => json!({"thrown": encode(value)}),
        Thrown::NoSuchMethod(operation) => json!({"noSuchMethod": operation}),
        Thrown::NotInRust(reason) => json!({"notInRust": reason}),
    }
}

/// An error, with those of its flags that are set.
pub(super) fn described(error: &dormouse::Error) -> Json {
    let flags = [
        ("remote", error.remote()),
        ("retryable", error.retryable()),
        ("overloaded", error.overloaded()),
        ("durableObjectReset", error.durable_object_reset()),
    ];
    let flags: Vec<_> = flags.iter().filter(|(_, set)| *set).collect();
    let message = masked(error.message());
    let mut described = json!({"name": error.name(), "message": message});
    if !flags.is_empty() {
        described["flags"] = flags.iter().map(|(flag, _)| *flag).collect();
    }
    json!({"err": described})
}

/// The message without the reference of an internal error, which is another one each time.
fn masked(message: &str) -> String {
    let before = "reference = ";
    match message.split_once(before) {
        Some((start, rest)) => {
            let end =
                rest.trim_start_matches(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
            format!("{start}{before}<masked>{end}")
        }
        None => message.to_owned(),
    }
}

/// A step with the results of the steps inside it.
pub(super) fn with_steps(mut result: Json, steps: Vec<Json>) -> Json {
    result["steps"] = Json::Array(steps);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_of_an_internal_error_is_masked() {
        let error = dormouse::Error::from("internal error; reference = 0a1bzz");
        let expected =
            json!({"err": {"name": "Error", "message": "internal error; reference = <masked>"}});
        assert_eq!(described(&error), expected);
    }

    #[test]
    fn an_error_tells_its_flags() {
        let error = dormouse::Error::connection_lost();
        assert_eq!(described(&error)["err"]["flags"], json!(["retryable"]));
        assert_eq!(described(&"x".into())["err"].get("flags"), None);
    }
}
