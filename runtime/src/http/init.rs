//! What a new request is made of, beside its URL.

use super::{Headers, Method};

/// The body of a new request: bytes, and whether they were given as text.
///
/// # Example
/// ```
/// use dormouse::{Method, Request, RequestInit};
/// # fn main() -> dormouse::Result<()> {
/// let mut init = RequestInit::new();
/// init.with_method(Method::Post).with_body(Some("hello".into()));
/// let request = Request::new_with_init("https://object/greet", &init)?;
/// assert_eq!(request.headers().get("content-type")?.as_deref(), Some("text/plain;charset=UTF-8"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    pub(super) bytes: Vec<u8>,
    /// The content type that the request gets if its headers have none.
    pub(super) content_type: Option<&'static str>,
}

/// What the original names a body that was given as a string (api/http.c++).
const TEXT: &str = "text/plain;charset=UTF-8";

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self {
            bytes: text.into_bytes(),
            content_type: Some(TEXT),
        }
    }
}

impl From<&str> for Body {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            content_type: None,
        }
    }
}

impl From<&[u8]> for Body {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

/// What becomes of a redirect that a request is answered with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RequestRedirect {
    /// Refused: it makes no sense where the runtime stands.
    Error,
    /// The caller's side follows it, to the same object (FT-6).
    #[default]
    Follow,
    /// The caller gets it.
    Manual,
}

/// Options of [`Request::new_with_init`](super::Request::new_with_init).
#[derive(Clone, Debug, Default)]
pub struct RequestInit {
    /// The body; `GET` and `HEAD` have none.
    pub body: Option<Body>,
    /// The headers.
    pub headers: Headers,
    /// The method.
    pub method: Method,
    /// What becomes of a redirect.
    pub redirect: RequestRedirect,
}

impl RequestInit {
    /// `GET`, without headers or body.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the headers.
    pub fn with_headers(&mut self, headers: Headers) -> &mut Self {
        self.headers = headers;
        self
    }

    /// Sets the method.
    pub fn with_method(&mut self, method: Method) -> &mut Self {
        self.method = method;
        self
    }

    /// Sets what becomes of a redirect.
    pub fn with_redirect(&mut self, redirect: RequestRedirect) -> &mut Self {
        self.redirect = redirect;
        self
    }

    /// Sets the body: `Some("text".into())`, `Some(bytes.into())` or `None`.
    pub fn with_body(&mut self, body: Option<Body>) -> &mut Self {
        self.body = body;
        self
    }
}
