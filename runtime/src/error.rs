//! The one error that the object API knows: what a caller of the original sees, and what he can ask of it.
//!
//! In the original a failure reaches the caller as an `Error` object with a name, a message and a few flags
//! (`retryable`, `overloaded`, `remote`, `durableObjectReset`). Callers decide by the flags whether to retry, so they
//! must survive every hop. Source of the flags: the error table of the lifecycle rules (section 4.4).
//!
//! Inside the crate each part has its own closed enum; they turn into this type where they leave through the API.

use std::fmt;

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
        }))
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
        self.0.flags.retryable
    }

    /// The object refused or lost the call because of load: retrying at once makes it worse.
    pub fn overloaded(&self) -> bool {
        self.0.flags.overloaded
    }

    /// The failure came out of the object: it crossed the call boundary.
    pub fn remote(&self) -> bool {
        self.0.flags.remote
    }

    /// The object was reset: its memory is gone, its durable state is not.
    pub fn durable_object_reset(&self) -> bool {
        self.0.flags.durable_object_reset
    }

    pub(crate) fn flags(&self) -> Flags {
        self.0.flags
    }

    pub(crate) fn with_flags(mut self, flags: Flags) -> Self {
        self.0.flags = flags;
        self
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
