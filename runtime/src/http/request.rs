//! Requests: built by a caller, received by an object.
//!
//! The two are one type with two behaviours. A built one has headers that can be changed; a received one has not, and
//! tells the length of its body. `Request::received` makes the second of the first and stands on every way to an object.

mod redirect;

use std::cell::Cell;

use serde::de::DeserializeOwned;
use url::Url;

use super::{BODY_USED, Headers, Method, RequestInit, RequestRedirect};
use crate::{Error, Result};

/// An HTTP request to an object.
///
/// # Example
/// ```
/// use dormouse::{Method, Request};
/// # fn main() -> dormouse::Result<()> {
/// let request = Request::new("https://object/count?by=2", Method::Post)?;
/// let query: std::collections::BTreeMap<String, u32> = request.query()?;
/// assert_eq!((request.path().as_str(), query["by"]), ("/count", 2));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Request {
    method: Method,
    /// Absolute, `http` or `https`, without a fragment and without credentials.
    url: Url,
    /// The path of `url`, unless the author changed it: the copy is his.
    path: String,
    headers: Headers,
    body: Option<Vec<u8>>,
    body_used: Cell<bool>,
    origin: Origin,
    redirect: RequestRedirect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Built,
    Received,
}

impl Request {
    /// A request without headers or body.
    ///
    /// # Errors
    /// `TypeError: Invalid URL: <uri>` if `uri` is no absolute URL, `TypeError: Fetch API cannot load: <uri>` if it is
    /// neither `http` nor `https` (FT-2).
    pub fn new(uri: &str, method: Method) -> Result<Self> {
        let url = absolute_url(uri)?;
        Ok(Self {
            method,
            path: url.path().to_owned(),
            url,
            headers: Headers::new(),
            body: None,
            body_used: Cell::new(false),
            origin: Origin::Built,
            redirect: RequestRedirect::Follow,
        })
    }

    /// A request with a method, headers and body.
    ///
    /// # Errors
    /// Those of [`new`](Self::new), `TypeError: Request with a GET or HEAD method cannot have a body.`, and a `TypeError` for
    /// [`RequestRedirect::Error`].
    pub fn new_with_init(uri: &str, init: &RequestInit) -> Result<Self> {
        let mut request = Self::new(uri, init.method)?;
        if init.redirect == RequestRedirect::Error {
            // Exact text of the original (api/http.c++).
            return Err(Error::type_error(
                "Invalid redirect value, must be one of \"follow\" or \"manual\" (\"error\" won't be implemented since it does \
                 not make sense at the edge; use \"manual\" and check the response status code).",
            ));
        }
        request.redirect = init.redirect;
        request.headers = init.headers.clone();
        if let Some(body) = &init.body {
            if matches!(init.method, Method::Get | Method::Head) {
                // Exact text of the original (api/http.c++).
                return Err(Error::type_error(
                    "Request with a GET or HEAD method cannot have a body.",
                ));
            }
            if let Some(content_type) = body.content_type
                && !request.headers.has("content-type")?
            {
                request.headers.set("content-type", content_type)?;
            }
            request.body = Some(body.bytes.clone());
        }
        Ok(request)
    }

    /// What came over the wire, as the object sees it. A `GET` with a body is legal there: that the constructor refuses
    /// it is a rule for callers.
    #[cfg(feature = "server")]
    pub(crate) fn from_wire(
        uri: &str,
        method: Method,
        headers: Headers,
        body: Option<Vec<u8>>,
    ) -> Result<Self> {
        Self {
            headers,
            body,
            ..Self::new(uri, method)?
        }
        .received()
    }

    /// The body, as JSON. Reads it: a second read fails.
    ///
    /// # Errors
    /// `body has already been read`, or a `SyntaxError` if it is not JSON of that shape.
    pub async fn json<B: DeserializeOwned>(&mut self) -> Result<B> {
        Ok(serde_json::from_str(&self.text().await?)?)
    }

    /// The body, as text; bytes that are no UTF-8 become U+FFFD, and a byte order mark in front is dropped.
    /// Reads it: a second read fails.
    ///
    /// # Errors
    /// `body has already been read`
    pub async fn text(&mut self) -> Result<String> {
        let text = String::from_utf8_lossy(&self.bytes().await?).into_owned();
        Ok(text
            .strip_prefix('\u{feff}')
            .map(str::to_owned)
            .unwrap_or(text))
    }

    /// The body's bytes, none if there is no body. Reads it: a second read fails.
    ///
    /// # Errors
    /// `body has already been read`
    #[expect(
        clippy::unused_async,
        reason = "the signature of workers-rs: a body may still be on its way there"
    )]
    pub async fn bytes(&mut self) -> Result<Vec<u8>> {
        if self.body_used.replace(true) {
            return Err(Error::from(BODY_USED));
        }
        // The body stays in its place, emptied: whether there was one still decides what a clone may do.
        Ok(self.body.as_mut().map(std::mem::take).unwrap_or_default())
    }

    /// It asks for a WebSocket (FT-8).
    pub(crate) fn upgrades(&self) -> bool {
        let header = self.headers.get("upgrade");
        header.is_ok_and(|value| value.is_some_and(|value| value.eq_ignore_ascii_case("websocket")))
    }

    /// The headers.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The headers, to be changed.
    ///
    /// # Errors
    /// `Cannot get a mutable reference to an immutable headers object.` for a received request and for a
    /// [`clone`](Self::clone); use [`clone_mut`](Self::clone_mut).
    pub fn headers_mut(&mut self) -> Result<&mut Headers> {
        match self.origin {
            Origin::Built => Ok(&mut self.headers),
            // Exact text of workers-rs (src/request.rs).
            Origin::Received => Err(Error::from(
                "Cannot get a mutable reference to an immutable headers object.",
            )),
        }
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The path, without the query.
    pub fn path(&self) -> String {
        self.path.clone()
    }

    /// The path, to be changed: what [`path`](Self::path) gives from then on. The URL keeps its own.
    ///
    /// # Errors
    /// `Cannot get a mutable reference to an immutable path.`, in the cases of [`headers_mut`](Self::headers_mut).
    pub fn path_mut(&mut self) -> Result<&mut String> {
        match self.origin {
            Origin::Built => Ok(&mut self.path),
            // Exact text of workers-rs (src/request.rs).
            Origin::Received => Err(Error::from(
                "Cannot get a mutable reference to an immutable path.",
            )),
        }
    }

    /// The whole URL: without a fragment, dot segments collapsed.
    ///
    /// # Errors
    /// None here; workers-rs parses anew.
    pub fn url(&self) -> Result<Url> {
        Ok(self.url.clone())
    }

    /// The query, as a map or a struct.
    ///
    /// # Errors
    /// An `Error` with the parser's text if it does not have that shape.
    pub fn query<Q: DeserializeOwned>(&self) -> Result<Q> {
        let query = self.url.query().unwrap_or_default();
        serde_urlencoded::from_str(query).map_err(|error| Error::from(error.to_string()))
    }

    /// A second request with the same body, to be read on its own. Its headers cannot be changed where these cannot,
    /// and [`headers_mut`](Self::headers_mut) refuses in any case, as in workers-rs.
    ///
    /// # Errors
    /// `body has already been read`
    #[expect(
        clippy::should_implement_trait,
        reason = "fallible, and the name that workers-rs gives it"
    )]
    pub fn clone(&self) -> Result<Self> {
        if self.body.is_some() && self.body_used.get() {
            return Err(Error::from(BODY_USED));
        }
        Ok(Self {
            headers: self.headers.clone_with_guard(),
            body: self.body.clone(),
            body_used: Cell::new(false),
            origin: Origin::Received,
            path: self.url.path().to_owned(),
            url: self.url.clone(),
            method: self.method,
            redirect: self.redirect,
        })
    }

    /// A request like this one that can be changed. It takes the body over: this one's counts as read (FT-1).
    ///
    /// # Errors
    /// `TypeError: Cannot reconstruct a Request with a used body.`
    pub fn clone_mut(&self) -> Result<Self> {
        self.check_unused()?;
        if self.body.is_some() {
            self.body_used.set(true);
        }
        Ok(Self {
            headers: self.headers.clone(),
            body: self.body.clone(),
            body_used: Cell::new(false),
            origin: Origin::Built,
            path: self.url.path().to_owned(),
            url: self.url.clone(),
            method: self.method,
            redirect: self.redirect,
        })
    }

    /// This request as the object sees it: headers immutable (FT-3), the length of the body among them (FT-4).
    ///
    /// # Errors
    /// `TypeError: Cannot reconstruct a Request with a used body.`
    pub(crate) fn received(self) -> Result<Self> {
        self.check_unused()?;
        // A clone, because a request that is passed on has immutable headers already.
        let headers = self.headers.clone();
        if let Some(body) = &self.body
            && !headers.has("content-length")?
            && !headers.has("transfer-encoding")?
        {
            headers.set("content-length", &body.len().to_string())?;
        }
        Ok(Self {
            headers: headers.into_immutable(),
            body_used: Cell::new(false),
            path: self.url.path().to_owned(),
            origin: Origin::Received,
            // Passed on as it is, it brings a redirect back to whoever sent it (FT-3).
            redirect: RequestRedirect::Manual,
            ..self
        })
    }

    /// A request needs its body whole to become another one.
    /// About how many bytes it takes while it waits.
    pub(crate) fn about_bytes(&self) -> usize {
        self.url.as_str().len() + self.body.as_ref().map_or(0, Vec::len)
    }

    fn check_unused(&self) -> Result<()> {
        if self.body.is_some() && self.body_used.get() {
            // Exact text of the original (api/http.c++).
            return Err(Error::type_error(
                "Cannot reconstruct a Request with a used body.",
            ));
        }
        Ok(())
    }
}

/// The URL of a request (FT-2, with the newest compatibility date).
fn absolute_url(uri: &str) -> Result<Url> {
    let mut url = Url::parse(uri).map_err(|_| Error::type_error(format!("Invalid URL: {uri}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Error::type_error(format!("Fetch API cannot load: {uri}")));
    }
    url.set_fragment(None);
    // Recorded: an object sees no credentials. Neither call can fail for a URL with a host, which these two schemes have.
    let without_credentials = url.set_username("").and(url.set_password(None));
    debug_assert_eq!(without_credentials, Ok(()));
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(body: &str) -> Request {
        let mut init = RequestInit::new();
        init.with_method(Method::Post).with_body(Some(body.into()));
        Request::new_with_init("http://object/path", &init).expect("a valid request")
    }

    fn refusal<T>(result: Result<T>) -> String {
        format!("{:?}", result.err().expect("a refusal"))
    }

    #[test]
    fn a_url_loses_its_fragment_and_its_dots() {
        let request =
            Request::new("https://host/a/../b/./c?d#e", Method::Get).expect("a valid URL");
        assert_eq!(
            request.url().map(String::from),
            Ok("https://host/b/c?d".to_owned())
        );
        assert_eq!(request.path(), "/b/c");
    }

    #[test]
    fn a_url_loses_its_credentials() {
        let request = Request::new("https://user:pw@Host.Example:8443/", Method::Get);
        let url = request.and_then(|request| request.url());
        assert_eq!(
            url.map(String::from),
            Ok("https://host.example:8443/".to_owned())
        );
    }

    #[test]
    fn a_request_that_is_passed_on_brings_redirects_back() {
        let received = post("x").received().expect("an unread body");
        assert!(received.redirects().is_none());
        let mut init = RequestInit::new();
        init.with_redirect(RequestRedirect::Manual);
        let manual = Request::new_with_init("http://object/", &init).expect("a valid request");
        assert!(manual.redirects().is_none());
        init.with_redirect(RequestRedirect::Error);
        let refused = refusal(Request::new_with_init("http://object/", &init));
        assert!(
            refused.starts_with("TypeError: Invalid redirect value"),
            "{refused}"
        );
    }

    #[test]
    fn a_url_must_be_absolute_and_http() {
        for uri in ["/path", "path", "", "http://"] {
            assert_eq!(
                refusal(Request::new(uri, Method::Get)),
                format!("TypeError: Invalid URL: {uri}")
            );
        }
        assert_eq!(
            refusal(Request::new("ws://host/", Method::Get)),
            "TypeError: Fetch API cannot load: ws://host/"
        );
    }

    #[test]
    fn get_and_head_have_no_body() {
        for method in [Method::Get, Method::Head] {
            let mut init = RequestInit::new();
            init.with_method(method).with_body(Some(Vec::new().into()));
            assert_eq!(
                refusal(Request::new_with_init("http://object/", &init)),
                "TypeError: Request with a GET or HEAD method cannot have a body."
            );
        }
    }

    #[tokio::test]
    async fn a_body_can_be_read_once() {
        let mut request = post("[1,2]");
        assert_eq!(request.json::<Vec<u32>>().await, Ok(vec![1, 2]));
        assert_eq!(
            refusal(request.text().await),
            "Error: body has already been read"
        );
        assert_eq!(
            refusal(request.clone()),
            "Error: body has already been read"
        );
        assert_eq!(
            refusal(request.received()),
            "TypeError: Cannot reconstruct a Request with a used body."
        );
    }

    #[tokio::test]
    async fn text_never_fails_on_bytes_and_json_fails_with_a_syntax_error() {
        let mut init = RequestInit::new();
        init.with_method(Method::Put)
            .with_body(Some(b"\xef\xbb\xbfa\xff".as_slice().into()));
        let mut request = Request::new_with_init("http://object/", &init).expect("a valid request");
        assert_eq!(request.text().await.as_deref(), Ok("a\u{fffd}"));
        let error = post("{").json::<Vec<u32>>().await.expect_err("no JSON");
        assert_eq!(error.name(), "SyntaxError");
    }

    #[tokio::test]
    async fn a_clone_reads_its_own_body_and_clone_mut_takes_it_over() {
        let mut request = post("x");
        let mut copy = request.clone().expect("an unread body");
        assert_eq!(copy.text().await.as_deref(), Ok("x"));
        let mut heir = request.clone_mut().expect("an unread body");
        assert_eq!(heir.text().await.as_deref(), Ok("x"));
        assert_eq!(
            refusal(request.text().await),
            "Error: body has already been read"
        );
    }

    #[test]
    fn a_received_request_tells_its_length_and_refuses_changes() {
        let mut request = post("four").received().expect("an unread body");
        assert_eq!(
            request.headers().get("content-length"),
            Ok(Some("4".to_owned()))
        );
        assert_eq!(
            refusal(request.headers().set("a", "b")),
            "TypeError: Can't modify immutable headers."
        );
        assert_eq!(
            refusal(request.headers_mut()),
            "Error: Cannot get a mutable reference to an immutable headers object."
        );
        let mut open = request.clone_mut().expect("an unread body");
        assert_eq!(
            open.headers_mut().expect("a mutable clone").set("a", "b"),
            Ok(())
        );
        assert_eq!(open.headers().get("a"), Ok(Some("b".to_owned())));
    }

    #[test]
    fn a_received_request_without_a_body_has_no_length() {
        let request = Request::new("http://object/", Method::Delete).and_then(Request::received);
        assert_eq!(
            request
                .expect("a valid request")
                .headers()
                .get("content-length"),
            Ok(None)
        );
    }

    #[test]
    fn a_changed_path_leaves_the_url_alone() {
        let mut request = Request::new("http://object/a", Method::Get).expect("a valid URL");
        "/b".clone_into(request.path_mut().expect("a built request"));
        assert_eq!(request.path(), "/b");
        assert_eq!(request.url().expect("a URL").path(), "/a");
    }
}
