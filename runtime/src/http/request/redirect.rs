//! Redirects, which the caller's side follows: to the same object, wherever they say (FT-6).
//!
//! In: a request and the response to it. Out: the request with which to go on, if there is one.

use url::Url;

use super::{Request, absolute_url};
use crate::{Error, Headers, Method, Response, Result, http::RequestRedirect};

/// What is needed of a request to follow the redirects that answer it.
#[derive(Debug)]
pub(crate) struct Redirects {
    method: Method,
    url: Url,
    headers: Headers,
    body: Option<Vec<u8>>,
    followed: u32,
}

/// How many redirects are followed.
const REDIRECTS_MAX: u32 = 20;

/// Headers that say what a body is: they go with it.
const BODY_HEADERS: [&str; 4] = [
    "content-encoding",
    "content-language",
    "content-location",
    "content-type",
];

impl Redirects {
    /// The request with which `response` is to be followed; `None` if it is no redirect, or says not where to.
    ///
    /// # Errors
    /// `TypeError: Too many redirects.`, or those of a URL.
    pub(crate) fn next(&mut self, response: &Response) -> Result<Option<Request>> {
        let status = response.status_code();
        if !matches!(status, 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let Some(location) = response.headers().get("location")? else {
            return Ok(None);
        };
        if self.followed == REDIRECTS_MAX {
            // Exact text of the original (api/http.c++).
            return Err(Error::type_error("Too many redirects."));
        }
        self.followed += 1;
        let invalid = |_| Error::type_error(format!("Invalid URL: {location}"));
        self.url = absolute_url(self.url.join(&location).map_err(invalid)?.as_str())?;
        // As the Fetch standard has it: a form that was sent is not sent again.
        let becomes_get = match status {
            301 | 302 => self.method == Method::Post,
            303 => !matches!(self.method, Method::Get | Method::Head),
            _ => false,
        };
        if becomes_get {
            self.method = Method::Get;
            self.body = None;
            for name in BODY_HEADERS {
                self.headers.delete(name)?;
            }
        }
        let mut request = Request::new(self.url.as_str(), self.method)?;
        request.headers = self.headers.clone();
        request.body.clone_from(&self.body);
        Ok(Some(request))
    }
}

impl Request {
    /// What a redirect must be followed with, if this request's redirects are followed.
    pub(crate) fn redirects(&self) -> Option<Redirects> {
        (self.redirect == RequestRedirect::Follow).then(|| Redirects {
            method: self.method,
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: self.body.clone().filter(|_| !self.body_used.get()),
            followed: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RequestInit;

    fn post() -> Redirects {
        let mut init = RequestInit::new();
        init.with_method(Method::Post).with_body(Some("x".into()));
        let request = Request::new_with_init("http://object/path", &init).expect("a valid request");
        request.redirects().expect("followed by default")
    }

    fn moved(status: u16, location: &str) -> Response {
        let moved = Response::builder()
            .with_status(status)
            .with_header("location", location);
        moved.expect("a header").empty()
    }

    #[tokio::test]
    async fn a_form_is_not_sent_again_unless_the_redirect_says_so() {
        for (status, method, body) in [
            (301, Method::Get, ""),
            (302, Method::Get, ""),
            (303, Method::Get, ""),
            (307, Method::Post, "x"),
            (308, Method::Post, "x"),
        ] {
            let mut redirects = post();
            let next = redirects.next(&moved(status, "../to?a#b")).expect("a URL");
            let mut next = next.expect("a redirect");
            assert_eq!(
                (next.method(), next.text().await.as_deref()),
                (method, Ok(body)),
                "{status}"
            );
            assert_eq!(
                next.url().map(String::from),
                Ok("http://object/to?a".to_owned())
            );
            assert_eq!(next.headers().has("content-type"), Ok(!body.is_empty()));
        }
    }

    #[test]
    fn what_is_no_redirect_is_not_followed_and_twenty_are_enough() {
        let mut redirects = post();
        assert!(matches!(redirects.next(&moved(200, "/to")), Ok(None)));
        assert!(matches!(redirects.next(&moved(304, "/to")), Ok(None)));
        let nowhere = Response::empty().expect("a response").with_status(302);
        assert!(matches!(redirects.next(&nowhere), Ok(None)));
        for _ in 0..20 {
            assert!(matches!(redirects.next(&moved(302, "/to")), Ok(Some(_))));
        }
        let refused = redirects
            .next(&moved(302, "/to"))
            .expect_err("one too many");
        assert_eq!(format!("{refused:?}"), "TypeError: Too many redirects.");
    }
}
