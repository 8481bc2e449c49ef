//! The one error that the object API knows: what a caller of the original sees, and what he can ask of it.
//!
//! In the original a failure reaches the caller as an `Error` object with a name, a message and a few flags
//! (`retryable`, `overloaded`, `remote`, `durableObjectReset`). Callers decide by the flags whether to retry, so they
//! must survive every hop. Source of the flags: the error table of the lifecycle rules (section 4.4).
//!
//! Inside the crate each part has its own closed enum; they turn into this type where they leave through the API.

use std::fmt;

use crate::Value;

/// The result of every fallible call of the object API.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure as the caller of an object, or of its storage, sees it.
///
/// One word wide. `Display` gives the message alone, as the original's `message` property does.
///
/// # Example
/// ```
/// use dormouse::Error;
/// let error = Error::type_error("put() called with undefined value.");
/// assert_eq!(error.name(), "TypeError");
/// assert_eq!(error.to_string(), "put() called with undefined value.");
/// assert!(!error.retryable());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    name: String,
    message: String,
    flags: Flags,
    /// Each name stands once; neither `name` nor `message` is among them.
    properties: Vec<(String, Value)>,
}

/// What a caller can ask of an error beside its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent properties of the original's error objects"
)]
pub(crate) struct Flags {
    pub(crate) retryable: bool,
    pub(crate) overloaded: bool,
    pub(crate) remote: bool,
    pub(crate) durable_object_reset: bool,
}

impl Error {
    /// An error with a class name of the original (`Error`, `TypeError`, `RangeError`, ...) and a message.
    pub fn new(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            name: name.into(),
            message: message.into(),
            flags: Flags::default(),
            properties: Vec::new(),
        }))
    }

    /// The same error with a further property of the author's own, in place of a former one of that name. It reaches the caller with the
    /// error, over any number of calls (RP-21).
    ///
    /// A property named `retryable`, `overloaded` or `durableObjectReset` that is true counts as that flag; `remote` is overwritten on
    /// the way (RP-22).
    ///
    /// # Panics
    /// For `name` and `message`: these are given to [`new`](Self::new).
    ///
    /// # Example
    /// ```
    /// use dormouse::{Error, Value};
    /// let error = Error::range_error("only 3 are left").with_property("code", "E_SOLD_OUT").with_property("left", 3);
    /// assert_eq!(error.property("code").and_then(Value::as_str), Some("E_SOLD_OUT"));
    /// ```
    pub fn with_property(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        let (name, value) = (name.into(), value.into());
        assert!(
            !matches!(&*name, "name" | "message"),
            "`{name}` is no further property of an error: give it to Error::new"
        );
        let properties = &mut self.0.properties;
        match properties.iter_mut().find(|(known, _)| *known == name) {
            Some((_, former)) => *former = value,
            None => properties.push((name, value)),
        }
        self
    }

    /// A property of the author's own.
    pub fn property(&self, name: &str) -> Option<&Value> {
        let found = self.properties().iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value)
    }

    /// All properties of the author's own, in the order in which they were added.
    pub fn properties(&self) -> &[(String, Value)] {
        &self.0.properties
    }

    /// A `TypeError`.
    pub fn type_error(message: impl Into<String>) -> Self {
        Self::new("TypeError", message)
    }

    /// A `RangeError`.
    pub fn range_error(message: impl Into<String>) -> Self {
        Self::new("RangeError", message)
    }

    /// What a caller sees when the connection to an object broke: whether the call ran is not known.
    pub fn connection_lost() -> Self {
        // Exact text of the original for an unclassified disconnect (lifecycle 4.4).
        Self::from("Network connection lost.").with_retryable()
    }

    /// The class name: `Error`, `TypeError`, `RangeError`, ...
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The message, without the class name.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The failure came from the connection or the infrastructure: an idempotent call may be made again, on a new stub.
    pub fn retryable(&self) -> bool {
        self.0.flags.retryable || self.is_set("retryable")
    }

    /// The object refused or lost the call because of load: retrying at once makes it worse.
    pub fn overloaded(&self) -> bool {
        self.0.flags.overloaded || self.is_set("overloaded")
    }

    /// The failure came out of the object: it crossed the call boundary.
    pub fn remote(&self) -> bool {
        self.0.flags.remote
    }

    /// The object was reset: its memory is gone, its durable state is not.
    pub fn durable_object_reset(&self) -> bool {
        self.0.flags.durable_object_reset || self.is_set("durableObjectReset")
    }

    /// What the runtime itself says of this error, whatever its author wrote on it.
    pub(crate) fn flags(&self) -> Flags {
        self.0.flags
    }

    /// Whether the author gave this property a value that JavaScript takes for true.
    fn is_set(&self, name: &str) -> bool {
        self.property(name).is_some_and(Value::is_truthy)
    }

    /// The error as callers saw it before errors kept everything: one of a class that not everybody knows is folded into the message, and
    /// of the author's properties only those that say whether to try again are left, as flags (RP-20, RP-22).
    pub(crate) fn plain(self) -> Self {
        const KNOWN: [&str; 11] = [
            "Error",
            "RangeError",
            "TypeError",
            "SyntaxError",
            "ReferenceError",
            "URIError",
            "EvalError",
            "AggregateError",
            "SuppressedError",
            "DataCloneError",
            "QuotaExceededError",
        ];
        let flags = Flags {
            retryable: self.retryable(),
            overloaded: self.overloaded(),
            ..self.flags()
        };
        let Inner { name, message, .. } = *self.0;
        let mut plain = if KNOWN.contains(&&*name) {
            Self::new(name, message)
        } else {
            Self::from(format!("{name}: {message}"))
        };
        plain.0.flags = flags;
        plain
    }

    pub(crate) fn with_retryable(mut self) -> Self {
        self.0.flags.retryable = true;
        self
    }

    pub(crate) fn with_overloaded(mut self) -> Self {
        self.0.flags.overloaded = true;
        self
    }

    pub(crate) fn with_remote(mut self) -> Self {
        self.0.flags.remote = true;
        self.0.properties.retain(|(name, _)| name != "remote");
        self
    }

    pub(crate) fn with_reset(mut self) -> Self {
        self.0.flags.durable_object_reset = true;
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.name, self.0.message)?;
        let Flags {
            retryable,
            overloaded,
            remote,
            durable_object_reset,
        } = self.0.flags;
        for (set, name) in [
            (retryable, "retryable"),
            (overloaded, "overloaded"),
            (remote, "remote"),
            (durable_object_reset, "durable_object_reset"),
        ] {
            if set {
                write!(f, " [{name}]")?;
            }
        }
        for (name, value) in self.properties() {
            write!(f, " [{name}: {value:?}]")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<&str> for Error {
    fn from(message: &str) -> Self {
        Self::new("Error", message)
    }
}

impl From<String> for Error {
    fn from(message: String) -> Self {
        Self::new("Error", message)
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::new("SyntaxError", error.to_string())
    }
}

impl From<url::ParseError> for Error {
    fn from(error: url::ParseError) -> Self {
        Self::type_error(format!("Invalid URL: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_stands_once_and_is_shown() {
        let error = Error::from("m")
            .with_property("code", 1)
            .with_property("code", "E");
        assert_eq!(error.properties(), [("code".to_owned(), Value::from("E"))]);
        assert_eq!(format!("{error:?}"), r#"Error: m [code: "E"]"#);
    }

    #[test]
    fn a_property_that_is_true_counts_as_the_flag_of_its_name() {
        for (value, set) in [
            (Value::from(true), true),
            (Value::from("no"), true),
            (Value::from(false), false),
            (Value::from(""), false),
            (Value::from(0), false),
            (Value::Null, false),
        ] {
            let error = Error::from("m").with_property("retryable", value);
            assert_eq!((error.retryable(), error.overloaded()), (set, false));
        }
        assert!(
            Error::from("m")
                .with_property("durableObjectReset", true)
                .durable_object_reset()
        );
    }

    #[test]
    fn a_plain_error_has_a_class_that_everybody_knows_and_no_properties_but_those_about_trying_again()
     {
        let error = Error::new("MyError", "m")
            .with_property("code", 1)
            .with_property("overloaded", true);
        assert_eq!(
            format!("{:?}", error.plain()),
            "Error: MyError: m [overloaded]"
        );
        let error = Error::type_error("m")
            .with_property("cause", "c")
            .with_retryable();
        assert_eq!(format!("{:?}", error.plain()), "TypeError: m [retryable]");
    }
}
