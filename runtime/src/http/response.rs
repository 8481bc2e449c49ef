//! Responses: built by an object, checked when they leave it.
//!
//! The builders take any status, as those of workers-rs do, because the original objects only when the response is
//! handed over. `Response::checked` is that moment and stands on every way out of an object.

use std::rc::Rc;

use serde::{Serialize, de::DeserializeOwned};
use url::Url;

use super::Headers;
use crate::{Error, Result, WebSocket, platform::Spawn};

/// What a response carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseBody {
    /// No body.
    Empty,
    /// These bytes.
    Body(Vec<u8>),
}

/// An object's answer to a request.
///
/// # Example
/// ```
/// use dormouse::Response;
/// # fn main() -> dormouse::Result<()> {
/// let response = Response::ok("hello")?.with_status(201);
/// assert_eq!(response.status_code(), 201);
/// assert_eq!(response.headers().get("Content-Type")?.as_deref(), Some("text/plain; charset=utf-8"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Response {
    body: ResponseBody,
    init: ResponseBuilder,
}

const CONTENT_TYPE: &str = "content-type";

impl Response {
    /// A response to be built step by step.
    pub fn builder() -> ResponseBuilder {
        ResponseBuilder::new()
    }

    /// Text, with `text/plain; charset=utf-8`.
    pub fn ok(body: impl Into<String>) -> Result<Self> {
        ResponseBuilder::new().ok(body)
    }

    /// Status 200 without a body.
    pub fn empty() -> Result<Self> {
        Ok(ResponseBuilder::new().empty())
    }

    /// A message with a status that tells of an error.
    ///
    /// # Errors
    /// If `status` is not in 400..=599, with the text of workers-rs.
    pub fn error(msg: impl Into<String>, status: u16) -> Result<Self> {
        ResponseBuilder::new().error(msg, status)
    }

    /// A value as JSON, with `application/json`.
    ///
    /// # Errors
    /// `Failed to encode data to json (status: 500)`
    pub fn from_json<B: Serialize>(value: &B) -> Result<Self> {
        ResponseBuilder::new().from_json(value)
    }

    /// HTML, with `text/html; charset=utf-8`.
    pub fn from_html(html: impl AsRef<str>) -> Result<Self> {
        ResponseBuilder::new().from_html(html)
    }

    /// Bytes, with `application/octet-stream`.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        ResponseBuilder::new().from_bytes(bytes)
    }

    /// A body without headers.
    pub fn from_body(body: ResponseBody) -> Result<Self> {
        Ok(ResponseBuilder::new().body(body))
    }

    /// Answers a request for a WebSocket with one half of a pair, with status 101. The half is the caller's when the response has left (FT-8).
    ///
    /// # Errors
    /// None; the signature is that of workers-rs. Whether the socket may be given away is seen when the response leaves.
    pub fn from_websocket(websocket: WebSocket) -> Result<Self> {
        Ok(ResponseBuilder::new()
            .with_status(101)
            .with_websocket(websocket)
            .empty())
    }

    /// Sends the caller to `url`, with status 302.
    pub fn redirect(url: Url) -> Result<Self> {
        Self::redirect_with_status(url, 302)
    }

    /// Sends the caller to `url`. The response's headers cannot be changed, as in the original.
    ///
    /// # Errors
    /// If `status_code` is no redirect status: outside of 300..=399 with the text of workers-rs, inside with the
    /// original's `RangeError`.
    #[expect(clippy::needless_pass_by_value, reason = "the signature of workers-rs")]
    pub fn redirect_with_status(url: Url, status_code: u16) -> Result<Self> {
        if !(300..=399).contains(&status_code) {
            // Exact text of workers-rs (src/response.rs).
            return Err(Error::from(
                "redirect status codes must be in the 300-399 range! Please checkout https://developer.mozilla.org/en-US/docs/Web/HTTP/Status#redirection_messages for more",
            ));
        }
        if !matches!(status_code, 301 | 302 | 303 | 307 | 308) {
            // Exact text of the original (api/http.c++).
            return Err(Error::range_error(format!(
                "{status_code} is not a redirect status code. It must be one of: 301, 302, 303, 307, or 308."
            )));
        }
        let headers = Headers::new();
        headers.set("location", url.as_str())?;
        let init = ResponseBuilder {
            status_code,
            headers: headers.into_immutable(),
            websocket: None,
        };
        Ok(init.empty())
    }

    /// The status.
    pub fn status_code(&self) -> u16 {
        self.init.status_code
    }

    /// The body.
    pub fn body(&self) -> &ResponseBody {
        &self.body
    }

    /// The body, as text.
    ///
    /// # Errors
    /// If it is not UTF-8.
    pub async fn text(&mut self) -> Result<String> {
        String::from_utf8(self.bytes().await?).map_err(|error| Error::from(error.to_string()))
    }

    /// The body, as JSON.
    ///
    /// # Errors
    /// A `SyntaxError` if it is not JSON of that shape.
    pub async fn json<B: DeserializeOwned>(&mut self) -> Result<B> {
        Ok(serde_json::from_str(&self.text().await?)?)
    }

    /// The body's bytes, none if there is no body. Can be read again.
    #[expect(
        clippy::unused_async,
        reason = "the signature of workers-rs: a body may still be on its way there"
    )]
    pub async fn bytes(&mut self) -> Result<Vec<u8>> {
        match &self.body {
            ResponseBody::Empty => Ok(Vec::new()),
            ResponseBody::Body(bytes) => Ok(bytes.clone()),
        }
    }

    /// The same response with these headers in place of its own.
    pub fn with_headers(mut self, headers: Headers) -> Self {
        self.init.headers = headers;
        self
    }

    /// The same response with another status. Whether it may have it is seen when it leaves the object (FT-7).
    pub fn with_status(mut self, status_code: u16) -> Self {
        self.init.status_code = status_code;
        self
    }

    /// The socket, if the object answered with one. It has to be accepted, or returned further up.
    pub fn websocket(self) -> Option<WebSocket> {
        self.init.websocket
    }

    /// The socket, if it has one.
    #[cfg(feature = "server")]
    pub(crate) fn socket(&self) -> Option<&WebSocket> {
        self.init.websocket.as_ref()
    }

    /// The same response with this socket in place of its own.
    pub fn with_websocket(mut self, websocket: Option<WebSocket>) -> Self {
        self.init.websocket = websocket;
        self
    }

    /// Its socket, if it has one, has come to `holder`, whose tasks run at `home`.
    pub(crate) fn reached(&self, holder: &str, home: Rc<dyn Spawn>) {
        if let Some(websocket) = &self.init.websocket {
            websocket.reached(holder, home);
        }
    }

    /// The headers.
    pub fn headers(&self) -> &Headers {
        &self.init.headers
    }

    /// The headers, to be changed.
    pub fn headers_mut(&mut self) -> &mut Headers {
        &mut self.init.headers
    }

    /// Status and headers apart from the body; [`ResponseBuilder::body`] joins them again.
    pub fn into_parts(self) -> (ResponseBuilder, ResponseBody) {
        (self.init, self.body)
    }

    /// A second response like this one.
    ///
    /// # Errors
    /// `WebSockets cannot be cloned`
    pub fn cloned(&mut self) -> Result<Self> {
        if self.init.websocket.is_some() {
            return Err(Error::from("WebSockets cannot be cloned")); // exact text of workers-rs
        }
        Ok(Self {
            body: self.body.clone(),
            init: self.init.clone(),
        })
    }

    /// Without its body: what `HEAD` is answered with.
    pub(crate) fn without_body(mut self) -> Self {
        self.body = ResponseBody::Empty;
        self
    }

    /// This response as the caller gets it, if it may leave the object (FT-7, FT-8). Only a request that `upgrades` may be answered with a socket.
    ///
    /// # Errors
    /// `RangeError: Responses with a WebSocket must have status code 101.`,
    /// `TypeError: Worker tried to return a WebSocket in a response to a request which did not contain the header "Upgrade: websocket".`,
    /// `RangeError: Responses may only be constructed with status codes in the range 200 to 599, inclusive.` or
    /// `TypeError: Response with null body status (101, 204, 205, or 304) cannot have a body.`
    pub(crate) fn checked(mut self, upgrades: bool) -> Result<Self> {
        // Exact texts of the original (api/http.c++).
        if self.init.websocket.is_some() {
            if self.init.status_code != 101 {
                return Err(Error::range_error(
                    "Responses with a WebSocket must have status code 101.",
                ));
            }
        } else if !(200..=599).contains(&self.init.status_code) {
            return Err(Error::range_error(
                "Responses may only be constructed with status codes in the range 200 to 599, inclusive.",
            ));
        }
        if matches!(self.init.status_code, 101 | 204 | 205 | 304) {
            match &self.body {
                ResponseBody::Body(bytes) if !bytes.is_empty() => {
                    return Err(Error::type_error(
                        "Response with null body status (101, 204, 205, or 304) cannot have a body.",
                    ));
                }
                // The original takes a body of no bytes for none.
                ResponseBody::Body(_) | ResponseBody::Empty => self.body = ResponseBody::Empty,
            }
        }
        if self.init.websocket.is_some() && !upgrades {
            return Err(Error::type_error(
                "Worker tried to return a WebSocket in a response to a request which did not contain the header \"Upgrade: websocket\".",
            ));
        }
        self.init.websocket = self.init.websocket.map(WebSocket::given_away);
        Ok(self)
    }
}

/// Status and headers of a response to be.
///
/// # Example
/// ```
/// use dormouse::Response;
/// # fn main() -> dormouse::Result<()> {
/// let response = Response::builder().with_status(201).with_header("location", "/items/7")?.empty();
/// assert_eq!(response.headers().get("location")?.as_deref(), Some("/items/7"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ResponseBuilder {
    status_code: u16,
    headers: Headers,
    websocket: Option<WebSocket>,
}

impl Default for ResponseBuilder {
    fn default() -> Self {
        Self {
            status_code: 200,
            headers: Headers::new(),
            websocket: None,
        }
    }
}

impl ResponseBuilder {
    /// Status 200, no headers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the status; see [`Response::with_status`].
    pub fn with_status(mut self, status: u16) -> Self {
        self.status_code = status;
        self
    }

    /// Sets all headers.
    pub fn with_headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// Sets one header.
    ///
    /// # Errors
    /// Those of [`Headers::set`].
    pub fn with_header(self, key: &str, value: &str) -> Result<Self> {
        self.headers.set(key, value)?;
        Ok(self)
    }

    /// Answers with this socket; see [`Response::from_websocket`].
    pub fn with_websocket(mut self, websocket: WebSocket) -> Self {
        self.websocket = Some(websocket);
        self
    }

    /// A response of these bytes.
    pub fn fixed(self, body: Vec<u8>) -> Response {
        self.body(ResponseBody::Body(body))
    }

    /// A response with this body.
    pub fn body(self, body: ResponseBody) -> Response {
        Response { body, init: self }
    }

    /// A response without a body.
    pub fn empty(self) -> Response {
        self.body(ResponseBody::Empty)
    }

    /// See [`Response::from_json`].
    ///
    /// # Errors
    /// `Failed to encode data to json (status: 500)`
    pub fn from_json<B: Serialize>(self, value: &B) -> Result<Response> {
        // Exact text of workers-rs (src/error.rs): it drops the encoder's own.
        let body = serde_json::to_vec(value)
            .map_err(|_| Error::from("Failed to encode data to json (status: 500)"))?;
        self.typed("application/json", body)
    }

    /// See [`Response::from_html`].
    pub fn from_html(self, html: impl AsRef<str>) -> Result<Response> {
        self.typed(
            "text/html; charset=utf-8",
            html.as_ref().as_bytes().to_vec(),
        )
    }

    /// See [`Response::from_bytes`].
    pub fn from_bytes(self, bytes: Vec<u8>) -> Result<Response> {
        self.typed("application/octet-stream", bytes)
    }

    /// See [`Response::ok`].
    pub fn ok(self, body: impl Into<String>) -> Result<Response> {
        self.typed("text/plain; charset=utf-8", body.into().into_bytes())
    }

    /// See [`Response::error`].
    ///
    /// # Errors
    /// If `status` is not in 400..=599, with the text of workers-rs.
    pub fn error(self, msg: impl Into<String>, status: u16) -> Result<Response> {
        if !(400..=599).contains(&status) {
            // Exact text of workers-rs (src/response.rs).
            return Err(Error::from(
                "error status codes must be in the 400-599 range! see https://developer.mozilla.org/en-US/docs/Web/HTTP/Status for more",
            ));
        }
        Ok(self.with_status(status).fixed(msg.into().into_bytes()))
    }

    fn typed(self, content_type: &str, body: Vec<u8>) -> Result<Response> {
        Ok(self.with_header(CONTENT_TYPE, content_type)?.fixed(body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(result: Result<Response>) -> String {
        format!("{:?}", result.expect_err("a refusal"))
    }

    #[tokio::test]
    async fn each_constructor_names_its_content_type() {
        for (response, content_type, body) in [
            (Response::ok("a"), "text/plain; charset=utf-8", "a"),
            (
                Response::from_html("<p>"),
                "text/html; charset=utf-8",
                "<p>",
            ),
            (Response::from_json(&[1]), "application/json", "[1]"),
            (
                Response::from_bytes(vec![b'x']),
                "application/octet-stream",
                "x",
            ),
        ] {
            let mut response = response.expect("a response");
            assert_eq!(
                response.headers().get("content-type"),
                Ok(Some(content_type.to_owned()))
            );
            assert_eq!(response.text().await.as_deref(), Ok(body));
            assert_eq!(
                response.text().await.as_deref(),
                Ok(body),
                "a response can be read twice"
            );
        }
    }

    #[test]
    fn only_statuses_from_200_to_599_leave() {
        for status in [0, 101, 199, 600] {
            assert_eq!(
                refusal(
                    Response::builder()
                        .with_status(status)
                        .empty()
                        .checked(false)
                ),
                "RangeError: Responses may only be constructed with status codes in the range 200 to 599, inclusive."
            );
        }
        for status in [200, 418, 599] {
            assert!(
                Response::builder()
                    .with_status(status)
                    .empty()
                    .checked(false)
                    .is_ok()
            );
        }
    }

    #[test]
    fn a_null_body_status_leaves_without_a_body_only() {
        for status in [204, 205, 304] {
            let response = Response::builder().with_status(status);
            assert_eq!(
                refusal(response.clone().fixed(vec![1]).checked(false)),
                "TypeError: Response with null body status (101, 204, 205, or 304) cannot have a body."
            );
            let response = response
                .fixed(Vec::new())
                .checked(false)
                .expect("no bytes are no body");
            assert_eq!(response.body(), &ResponseBody::Empty);
        }
    }

    #[test]
    fn an_error_needs_an_error_status() {
        for status in [200, 399, 600] {
            assert!(
                refusal(Response::error("no", status))
                    .starts_with("Error: error status codes must be")
            );
        }
        assert_eq!(
            Response::error("no", 404)
                .expect("an error status")
                .status_code(),
            404
        );
    }

    #[test]
    fn a_redirect_has_a_location_that_stays() {
        let url = || Url::parse("https://host/there").expect("a URL");
        let response = Response::redirect(url()).expect("a redirect");
        assert_eq!(response.status_code(), 302);
        assert_eq!(
            response.headers().get("location"),
            Ok(Some("https://host/there".to_owned()))
        );
        assert!(response.headers().set("location", "/").is_err());
        assert_eq!(
            refusal(Response::redirect_with_status(url(), 304)),
            "RangeError: 304 is not a redirect status code. It must be one of: 301, 302, 303, 307, or 308."
        );
        assert!(
            refusal(Response::redirect_with_status(url(), 200))
                .starts_with("Error: redirect status")
        );
    }

    #[test]
    fn parts_can_be_joined_again() {
        let (init, body) = Response::ok("a").expect("a response").into_parts();
        let mut response = init.with_status(203).body(body);
        let copy = response.cloned().expect("a copy");
        assert_eq!((copy.status_code(), copy.body()), (203, response.body()));
    }

    #[test]
    fn what_is_no_json_is_refused_with_the_known_text() {
        let no_json = std::collections::BTreeMap::from([((1, 2), 3)]);
        let refused = refusal(Response::from_json(&no_json));
        assert_eq!(
            refused,
            "Error: Failed to encode data to json (status: 500)"
        );
    }
}
