//! What becomes of a call's arguments before anything is done with them.
//!
//! The original generates this from the signatures of its methods, and so do its texts: `parameter 2 is not of type 'GetOptions'`.
//! Arguments are looked at in their order. `undefined` is a value where a string is wanted and nothing where an option is; objects read
//! as options may have any further properties.

use super::{
    convert::{Thrown, to_bool, to_int32, to_text},
    host::{CallOptions, Range},
    js::Js,
};

/// The arguments of one call.
#[derive(Clone, Copy)]
pub(super) struct Arguments<'a> {
    pub(super) class: &'static str,
    pub(super) method: &'a str,
    pub(super) given: &'a [Js],
}

/// Arguments that a promise takes along.
pub(super) struct Owned {
    class: &'static str,
    method: String,
    given: Vec<Js>,
}

impl From<Arguments<'_>> for Owned {
    fn from(arguments: Arguments<'_>) -> Self {
        Self {
            class: arguments.class,
            method: arguments.method.to_owned(),
            given: arguments.given.to_vec(),
        }
    }
}

impl Owned {
    pub(super) fn arguments(&self) -> Arguments<'_> {
        Arguments {
            class: self.class,
            method: &self.method,
            given: &self.given,
        }
    }
}

impl<'a> Arguments<'a> {
    /// The argument, if it was given, be it `undefined`.
    pub(super) fn given(&self, at: usize) -> Option<&'a Js> {
        self.given.get(at)
    }

    /// The argument, if it is not `undefined`.
    pub(super) fn defined(&self, at: usize) -> Option<&'a Js> {
        self.given(at).filter(|it| !matches!(it, Js::Undefined))
    }

    pub(super) fn is_not(&self, at: usize, kind: &str) -> Thrown {
        let (method, class, number) = (self.method, self.class, at + 1);
        Thrown::type_error(format!(
            "Failed to execute '{method}' on '{class}': parameter {number} is not of type '{kind}'."
        ))
    }

    /// A string, whatever the argument is.
    pub(super) fn text(&self, at: usize, kind: &str) -> Result<String, Thrown> {
        to_text(self.given(at).ok_or_else(|| self.is_not(at, kind))?)
    }

    /// A function, and what comes of it: all that scripts have return `undefined`.
    pub(super) fn function(&self, at: usize) -> Result<Js, Thrown> {
        match self.given(at) {
            Some(Js::Function) => Ok(Js::Undefined),
            _ => Err(self.is_not(at, "function")),
        }
    }

    /// Milliseconds since 1970, of a number or a `Date`.
    pub(super) fn date(&self, at: usize) -> Result<f64, Thrown> {
        match self.given(at) {
            Some(Js::Number(millis) | Js::Date(millis)) => Ok(*millis),
            _ => Err(self.is_not(at, "date")),
        }
    }

    /// An object with options; without it, one without any.
    pub(super) fn options(&self, at: usize, kind: &str) -> Result<Options<'a>, Thrown> {
        match self.defined(at) {
            None | Some(Js::Null) => Ok(Options(&[])),
            Some(value) => Options::of(value).ok_or_else(|| self.is_not(at, kind)),
        }
    }

    pub(super) fn call_options(&self, at: usize, kind: &str) -> Result<CallOptions, Thrown> {
        self.options(at, kind).map(|options| options.of_call())
    }

    pub(super) fn range(&self, at: usize) -> Result<Range, Thrown> {
        self.options(at, "ListOptions")?.range()
    }

    /// One key, or several.
    pub(super) fn keys(&self, at: usize) -> Result<Keys, Thrown> {
        match self.given(at) {
            None => Err(self.is_not(at, "string or Array")),
            Some(Js::Array(keys)) => {
                let keys = keys.iter().map(to_text);
                Ok(Keys::Several(keys.collect::<Result<_, _>>()?))
            }
            Some(key) => Ok(Keys::One(to_text(key)?)),
        }
    }
}

pub(super) enum Keys {
    One(String),
    Several(Vec<String>),
}

/// The properties of an object that is read as options.
pub(super) struct Options<'a>(pub(super) &'a [(String, Js)]);

impl<'a> Options<'a> {
    pub(super) fn of(value: &'a Js) -> Option<Self> {
        match value {
            Js::Object(members) => Some(Self(members)),
            value => value.is_object().then_some(Self(&[])),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a Js> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found
            .map(|(_, value)| value)
            .filter(|it| !matches!(it, Js::Undefined))
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Thrown> {
        self.get(name).map(to_text).transpose()
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        self.get(name).map(to_bool)
    }

    pub(super) fn of_call(&self) -> CallOptions {
        CallOptions {
            allow_concurrency: self.flag("allowConcurrency"),
            allow_unconfirmed: self.flag("allowUnconfirmed"),
            no_cache: self.flag("noCache"),
        }
    }

    pub(super) fn range(&self) -> Result<Range, Thrown> {
        let limit = self.get("limit").map(to_int32).transpose()?;
        Ok(Range {
            start: self.text("start")?,
            start_after: self.text("startAfter")?,
            end: self.text("end")?,
            prefix: self.text("prefix")?,
            reverse: self.flag("reverse").unwrap_or_default(),
            // A negative limit is refused as zero is, and Rust's count has no sign.
            limit: limit.map(|limit| usize::try_from(limit).unwrap_or(0)),
            options: self.of_call(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments<'a>(method: &'a str, given: &'a [Js]) -> Arguments<'a> {
        Arguments {
            class: "DurableObjectStorage",
            method,
            given,
        }
    }

    fn string(text: &str) -> Js {
        Js::String(text.to_owned())
    }

    fn object(members: &[(&str, Js)]) -> Js {
        let members = members
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()));
        Js::Object(members.collect())
    }

    fn refused<T>(result: Result<T, Thrown>) -> String {
        match result.map(drop).expect_err("it is of another type") {
            Thrown::Error(error) => format!("{error:?}"),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_missing_argument_is_named_and_undefined_is_none_that_is_missing() {
        let text = "TypeError: Failed to execute 'get' on 'DurableObjectStorage': parameter 1 is not of type 'string or Array'.";
        assert_eq!(refused(arguments("get", &[]).keys(0)), text);
        let keys = arguments("get", &[Js::Undefined]).keys(0);
        assert!(matches!(keys, Ok(Keys::One(key)) if key == "undefined"));
    }

    #[test]
    fn several_keys_are_strings_one_by_one() {
        let given = [Js::Array(vec![Js::Number(1.0), Js::Array(vec![Js::Null])])];
        let keys = arguments("get", &given).keys(0);
        assert!(matches!(keys, Ok(Keys::Several(keys)) if keys == ["1", ""]));
    }

    #[test]
    fn options_are_any_object_or_nothing() {
        for given in [
            vec![],
            vec![Js::Undefined],
            vec![Js::Null],
            vec![Js::Array(vec![])],
            vec![Js::Function],
            vec![object(&[("unknown", Js::Number(1.0))])],
        ] {
            let options = arguments("list", &given).range(0);
            assert!(options.is_ok(), "{given:?}");
        }
        let text = "TypeError: Failed to execute 'list' on 'DurableObjectStorage': parameter 1 is not of type 'ListOptions'.";
        for given in [string("a"), Js::Number(1.0), Js::Bool(true)] {
            assert_eq!(refused(arguments("list", &[given]).range(0)), text);
        }
    }

    #[test]
    fn each_option_is_converted_to_its_own_type() {
        let given = [object(&[
            ("start", Js::Null),
            ("end", Js::Undefined),
            ("prefix", Js::Number(1.0)),
            ("limit", string("2.9")),
            ("reverse", string("")),
        ])];
        let range = arguments("list", &given).range(0).expect("options");
        assert_eq!(range.start.as_deref(), Some("null"));
        assert_eq!(range.end, None);
        assert_eq!(range.prefix.as_deref(), Some("1"));
        assert_eq!(range.limit, Some(2));
        assert!(!range.reverse);
        let negative = [object(&[("limit", Js::Number(-3.0))])];
        let range = arguments("list", &negative).range(0).expect("options");
        assert_eq!(range.limit, Some(0), "storage refuses it, not this");
    }

    #[test]
    fn a_date_is_a_number_or_a_date_and_nothing_that_looks_like_one() {
        for given in [Js::Number(5.0), Js::Date(5.0)] {
            assert_eq!(arguments("setAlarm", &[given]).date(0), Ok(5.0));
        }
        let text = "TypeError: Failed to execute 'setAlarm' on 'DurableObjectStorage': parameter 1 is not of type 'date'.";
        for given in [
            string("5"),
            Js::Null,
            Js::Bool(true),
            Js::BigInt(5.into()),
            Js::Boxed(Box::new(Js::Number(5.0))),
        ] {
            assert_eq!(refused(arguments("setAlarm", &[given]).date(0)), text);
        }
    }
}
