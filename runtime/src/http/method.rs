//! The request methods.

use std::fmt;

/// An HTTP request method.
///
/// # Example
/// ```
/// use dormouse::Method;
/// assert_eq!(Method::Put.to_string(), "PUT");
/// assert_eq!(Method::default(), Method::Get);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each name is the method itself")]
pub enum Method {
    Head,
    #[default]
    Get,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    Connect,
    Trace,
    Report,
}

impl Method {
    /// All methods.
    pub fn all() -> Vec<Self> {
        vec![
            Self::Head,
            Self::Get,
            Self::Post,
            Self::Put,
            Self::Patch,
            Self::Delete,
            Self::Options,
            Self::Connect,
            Self::Trace,
            Self::Report,
        ]
    }

    /// The method of that name, in whatever case.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::all()
            .into_iter()
            .find(|method| method.as_ref().eq_ignore_ascii_case(name))
    }
}

impl From<String> for Method {
    /// The method of that name, in whatever case; `Get` if there is none, as in workers-rs.
    fn from(name: String) -> Self {
        Self::from_name(&name).unwrap_or_default()
    }
}

impl From<Method> for String {
    fn from(method: Method) -> Self {
        method.as_ref().to_owned()
    }
}

impl AsRef<str> for Method {
    fn as_ref(&self) -> &str {
        match self {
            Self::Head => "HEAD",
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Connect => "CONNECT",
            Self::Trace => "TRACE",
            Self::Report => "REPORT",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_found_by_its_name_in_any_case() {
        for method in Method::all() {
            assert_eq!(Method::from(method.to_string()), method);
            assert_eq!(Method::from(method.to_string().to_lowercase()), method);
        }
    }

    #[test]
    fn an_unknown_method_counts_as_get() {
        assert_eq!(Method::from("BREW".to_owned()), Method::Get);
        assert_eq!(Method::from_name("BREW"), None);
    }
}
