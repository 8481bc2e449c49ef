//! Between hyper's types and ours, and the rules of HTTP/1.1 that lie between them.
//!
//! What belongs to the connection stays here: an object neither sees nor sets the headers with which two neighbours agree
//! on framing and keeping alive. The one place of the crate where the types of `http` meet [`Request`] and [`Response`].

use std::error::Error as StdError;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, uri::Authority};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Body;

use super::date::http_date;
use crate::{Error, Headers, Method, Request, Response, ResponseBody, Result, platform::WallTime};

/// The headers of one connection (RFC 9110, 7.6.1), apart from `transfer-encoding`, which tells an object that its
/// request had a body (FT-4), and `upgrade`, which is a question to it.
const CONNECTION_HEADERS: [&str; 5] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
];

/// A request that never reaches the handler.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("Unrecognized request method.")]
    Method,
    #[error("CONNECT is not supported")]
    Connect,
    #[error("`{0}` is no host name")]
    Host(String),
    #[error("{0}")]
    Malformed(Error),
    #[error("request body is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("request body ended early: {0}")]
    CutOff(String),
    #[error("{0}")]
    Handshake(String),
}

impl Refusal {
    fn status(&self) -> u16 {
        match self {
            Self::Method | Self::Connect => 501,
            Self::Host(_) | Self::Malformed(_) | Self::CutOff(_) | Self::Handshake(_) => 400,
            Self::TooLarge { .. } => 413,
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Malformed(error)
    }
}

/// The request as an object sees it, with its whole body of at most `body_bytes_max`.
pub(super) async fn read_request<B>(
    request: http::Request<B>,
    local_address: &str,
    body_bytes_max: usize,
) -> Result<Request, Refusal>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let (parts, body) = request.into_parts();
    let method = Method::from_name(parts.method.as_str()).ok_or(Refusal::Method)?;
    if method == Method::Connect {
        return Err(Refusal::Connect);
    }
    let url = absolute_url(&parts.uri, &parts.headers, local_address)?;
    // FT-4: these two headers, and not the number of bytes, say whether there is a body.
    let has_body = ["content-length", "transfer-encoding"]
        .iter()
        .any(|name| parts.headers.contains_key(*name));
    let body = read_body(body, body_bytes_max).await?;
    let body = has_body.then(|| body.to_vec());
    Ok(Request::from_wire(
        &url,
        method,
        read_headers(&parts.headers),
        body,
    )?)
}

async fn read_body<B>(body: B, limit: usize) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    // A client that says how much it will send is told at once, before it sends.
    if body.size_hint().lower() > limit as u64 {
        return Err(Refusal::TooLarge { limit });
    }
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge { limit }),
        Err(error) => Err(Refusal::CutOff(error.to_string())),
    }
}

/// `http://<host>/<path>?<query>`. The host may come from anywhere, so it must not reach into the path.
fn absolute_url(uri: &Uri, headers: &HeaderMap, local_address: &str) -> Result<String, Refusal> {
    if uri.authority().is_some() {
        return Ok(uri.to_string());
    }
    let host = headers
        .get("host")
        .map_or(local_address.as_bytes(), HeaderValue::as_bytes);
    let no_host = || Refusal::Host(String::from_utf8_lossy(host).into_owned());
    let authority = Authority::try_from(host).map_err(|_| no_host())?;
    if authority.as_str().contains('@') {
        return Err(no_host());
    }
    // `OPTIONS *` asks about the server as a whole; its path is the root.
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Ok(format!(
        "http://{authority}{}",
        if path == "*" { "/" } else { path }
    ))
}

fn read_headers(map: &HeaderMap) -> Headers {
    let of_request = map
        .iter()
        .filter(|(name, _)| !CONNECTION_HEADERS.contains(&name.as_str()));
    of_request
        .map(|(name, value)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect()
}

/// The response on the wire.
///
/// `keeps_length` is for the answer to `HEAD`, whose length is the one that the body would have had.
///
/// # Errors
/// `TypeError: Invalid header value.` for what the original's headers take and HTTP does not: control characters.
pub(super) fn write_response(
    response: Response,
    keeps_length: bool,
    wall: WallTime,
) -> Result<http::Response<Full<Bytes>>> {
    let mut wire = http::Response::new(Full::default());
    *wire.status_mut() = StatusCode::from_u16(response.status_code())
        .expect("a response is checked when it leaves the object");
    for (name, value) in response.headers() {
        let is_framing = name == "transfer-encoding" || (name == "content-length" && !keeps_length);
        if is_framing || CONNECTION_HEADERS.contains(&name.as_str()) {
            continue;
        }
        let name =
            HeaderName::try_from(name).map_err(|_| Error::type_error("Invalid header name."))?;
        let value =
            HeaderValue::try_from(value).map_err(|_| Error::type_error("Invalid header value."))?;
        wire.headers_mut().append(name, value);
    }
    let date =
        || HeaderValue::try_from(http_date(wall)).expect("a date is made of letters and digits");
    wire.headers_mut().entry("date").or_insert_with(date);
    if let (_, ResponseBody::Body(bytes)) = response.into_parts() {
        *wire.body_mut() = Full::new(bytes.into());
    }
    Ok(wire)
}

/// A message of ours or of an object, as text.
pub(super) fn write_error(
    error: &Error,
    status: u16,
    wall: WallTime,
) -> http::Response<Full<Bytes>> {
    Response::ok(error.message())
        .and_then(|response| write_response(response.with_status(status), false, wall))
        .expect("text with one header can be written")
}

/// The answer to a request that is not handed on. The rest of its body is not read, so the connection ends with it.
pub(super) fn refuse(refusal: &Refusal, wall: WallTime) -> http::Response<Full<Bytes>> {
    let mut wire = write_error(&Error::from(refusal.to_string()), refusal.status(), wall);
    wire.headers_mut()
        .insert("connection", HeaderValue::from_static("close"));
    wire
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    async fn read(
        request: http::request::Builder,
        body: &'static [u8],
    ) -> Result<Request, Refusal> {
        let request = request
            .body(Full::new(Bytes::from_static(body)))
            .expect("a valid request");
        read_request(request, "127.0.0.1:80", 4).await
    }

    fn url(request: Result<Request, Refusal>) -> String {
        request.expect("a request").url().expect("a URL").into()
    }

    #[tokio::test]
    async fn the_url_is_made_of_the_host_or_of_the_local_address() {
        let request = || http::Request::get("/a?b=c");
        assert_eq!(url(read(request(), b"").await), "http://127.0.0.1/a?b=c");
        assert_eq!(
            url(read(request().header("host", "object:81"), b"").await),
            "http://object:81/a?b=c"
        );
        assert_eq!(
            url(read(http::Request::get("http://other/x"), b"").await),
            "http://other/x"
        );
        assert_eq!(
            url(read(http::Request::options("*"), b"").await),
            "http://127.0.0.1/"
        );
    }

    #[tokio::test]
    async fn a_host_cannot_reach_into_the_path() {
        for host in ["evil/path", "user@host", "a b", ""] {
            let refused = read(http::Request::get("/").header("host", host), b"").await;
            assert_eq!(refused.err(), Some(Refusal::Host(host.to_owned())));
        }
    }

    #[tokio::test]
    async fn a_body_up_to_the_limit_is_taken_and_a_longer_one_is_not() {
        let request = || http::Request::post("/").header("content-length", "4");
        let mut taken = read(request(), b"four")
            .await
            .expect("a body within the limit");
        assert_eq!(taken.bytes().await.as_deref(), Ok(b"four".as_slice()));
        assert_eq!(
            read(request(), b"fives").await.err(),
            Some(Refusal::TooLarge { limit: 4 })
        );
    }

    #[tokio::test]
    async fn a_get_may_bring_a_body() {
        let request = http::Request::get("/").header("content-length", "1");
        let mut request = read(request, b"x").await.expect("a request");
        assert_eq!(request.text().await.as_deref(), Ok("x"));
    }

    #[tokio::test]
    async fn a_body_of_unknown_length_is_cut_at_the_limit() {
        let chunks = futures_util::stream::iter([b"abc".as_slice(), b"de"]).map(|chunk| {
            Ok::<_, std::convert::Infallible>(hyper::body::Frame::data(Bytes::from_static(chunk)))
        });
        let body = http_body_util::StreamBody::new(chunks);
        assert_eq!(
            read_body(body, 4).await,
            Err(Refusal::TooLarge { limit: 4 })
        );
    }

    #[tokio::test]
    async fn headers_of_the_connection_stay_on_it() {
        let request = http::Request::get("/")
            .header("connection", "close")
            .header("x-a", "1")
            .header("te", "x");
        let request = read(request, b"").await.expect("a request");
        assert_eq!(request.headers().keys().collect::<Vec<_>>(), ["x-a"]);
        let response = Response::builder()
            .with_header("Connection", "close")
            .and_then(|response| {
                Ok(response
                    .with_header("Content-Length", "99")?
                    .with_header("x-b", "2")?
                    .fixed(vec![1]))
            });
        let wire = write_response(
            response.expect("a response"),
            false,
            WallTime::from_millis(0),
        );
        let names: Vec<_> = wire
            .expect("a valid response")
            .headers()
            .keys()
            .map(ToString::to_string)
            .collect();
        assert_eq!(names, ["x-b", "date"]);
    }

    #[test]
    fn a_control_character_in_a_header_is_an_error_and_no_broken_response() {
        let response = Response::builder()
            .with_header("x-a", "\u{1}")
            .expect("the original takes it");
        let error = write_response(response.empty(), false, WallTime::from_millis(0))
            .expect_err("HTTP does not");
        assert_eq!(format!("{error:?}"), "TypeError: Invalid header value.");
    }
}
