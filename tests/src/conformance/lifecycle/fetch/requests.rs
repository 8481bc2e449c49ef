//! Requests as the object sees them.

/// Method, URL, headers and body as the object sees them.
pub(crate) mod request_seen_by_object {
    use dormouse::{Headers, Method, RequestInit};

    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj;

    impl DurableObject for Obj {
        fn new(_: State, _: Env) -> Self {
            Self
        }

        async fn fetch(&self, mut req: Request) -> Result<Response> {
            let headers: Vec<_> = req.headers().entries().collect();
            let (method, url) = (req.method().to_string(), req.url()?.to_string());
            let body = req.text().await?;
            O.ev(
                "request",
                json!({"method": method, "url": url, "headers": headers, "body": body}),
            );
            Ok(Response::empty()?.with_status(204))
        }
    }

    /// `fetch(url, { method, headers, body })`
    async fn status(stub: &dormouse::Stub, url: &str, init: &RequestInit) -> Result<u16> {
        let request = Request::new_with_init(url, init)?;
        Ok(stub.fetch_with_request(request).await?.status_code())
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.plain("OBJ", "a");
        let init = |method: Method, body: Option<dormouse::http::Body>| {
            let mut init = RequestInit::new();
            init.with_method(method).with_body(body);
            init
        };
        let get = init(Method::Get, None);
        W.attempt("plain", status(&stub, "http://x", &get)).await;
        let url = "https://user:pw@Host.Example:8443/p/a/../b?q=1&r#frag";
        W.attempt("https, port, query, fragment", status(&stub, url, &get))
            .await;
        let mut post = init(Method::Post, Some("hello".into()));
        let headers = Headers::new();
        headers.set("X-One", "1").expect("a header");
        headers.set("x-two", "2").expect("a header");
        post.with_headers(headers);
        W.attempt("POST", status(&stub, "http://x/p", &post)).await;
        let patch = init(Method::Patch, Some("b".into()));
        W.attempt("lower-case method", status(&stub, "http://x/p", &patch))
            .await;
        let put = init(Method::Put, Some(vec![104_u8, 105].into()));
        W.attempt("Request object", status(&stub, "http://x/r", &put))
            .await;
        let get_with_body = init(Method::Get, Some("b".into()));
        W.attempt("GET with body", status(&stub, "http://x/p", &get_with_body))
            .await;
        W.attempt("relative URL", status(&stub, "/path", &get))
            .await;
        W.attempt("no scheme", status(&stub, "x/path", &get)).await;
        W.attempt("other scheme", status(&stub, "ftp://x/path", &get))
            .await;
        W.attempt("URL object", status(&stub, "http://x/url", &get))
            .await;
    }
}

/// A 302 from the object, followed by default, by hand, or treated as an error.
pub(crate) mod redirects {
    use dormouse::{Method, RequestInit, RequestRedirect};

    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj;

    impl DurableObject for Obj {
        fn new(_: State, _: Env) -> Self {
            Self
        }

        async fn fetch(&self, req: Request) -> Result<Response> {
            let url = req.url()?.to_string();
            O.ev(
                "fetch",
                json!({"url": url, "method": req.method().to_string()}),
            );
            let location = match &*req.path() {
                "/from" => "/to",
                "/away" => "http://elsewhere.invalid/to",
                "/loop" => "/loop",
                _ => return Response::ok("arrived"),
            };
            let moved = Response::builder()
                .with_status(302)
                .with_header("location", location)?;
            Ok(moved.fixed(b"moved".to_vec()))
        }
    }

    async fn show(stub: &dormouse::Stub, url: &str, init: &RequestInit) -> Result<Value> {
        let request = Request::new_with_init(url, init)?;
        let mut response = stub.fetch_with_request(request).await?;
        let (status, body) = (response.status_code(), response.text().await?);
        Ok(literal(json!({"status": status, "body": body})))
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.plain("OBJ", "a");
        let with = |redirect: RequestRedirect| {
            let mut init = RequestInit::new();
            init.with_redirect(redirect);
            init
        };
        W.attempt("default", show(&stub, "http://x/from", &RequestInit::new()))
            .await;
        W.attempt(
            "manual",
            show(&stub, "http://x/from", &with(RequestRedirect::Manual)),
        )
        .await;
        W.attempt(
            "error",
            show(&stub, "http://x/from", &with(RequestRedirect::Error)),
        )
        .await;
        W.attempt(
            "other host",
            show(&stub, "http://x/away", &RequestInit::new()),
        )
        .await;
        let mut post = RequestInit::new();
        post.with_method(Method::Post).with_body(Some("b".into()));
        W.attempt("POST", show(&stub, "http://x/from", &post)).await;
    }
}

/// Fetches and calls issued without awaiting, alternating, on one stub: the order in which they start.
pub(crate) mod concurrent_fetch_and_rpc_order {
    use dormouse::platform::LocalBoxFuture;

    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj;

    impl DurableObject for Obj {
        fn new(_: State, _: Env) -> Self {
            Self
        }

        async fn fetch(&self, req: Request) -> Result<Response> {
            let n: u32 = req.path()[1..].parse().expect("a number");
            O.ev("start", json!({"kind": "fetch", "n": n}));
            Response::ok("ok")
        }
    }

    #[rpc]
    impl Obj {
        pub fn rpc(&self, n: u32) {
            O.ev("start", json!({"kind": "rpc", "n": n}));
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.plain("OBJ", "a");
        let all = (0..10_u32).map(|n| -> LocalBoxFuture<'static, bool> {
            if n % 2 == 1 {
                let call = stub.call_with("rpc", Ok(vec![n.into()]));
                Box::pin(async move { call.await.is_ok() })
            } else {
                let fetch = stub.fetch_with_str(&format!("http://x/{n}"));
                Box::pin(async move { fetch.await.is_ok() })
            }
        });
        assert_eq!(join_all(all).await, [true; 10]);
        W.ev("done", ());
    }
}

/// Bodies above the RPC message limit go through fetch in both directions.
pub(crate) mod large_bodies {
    use dormouse::{Method, RequestInit};

    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj;

    impl DurableObject for Obj {
        fn new(_: State, _: Env) -> Self {
            Self
        }

        async fn fetch(&self, mut req: Request) -> Result<Response> {
            let n = req.bytes().await?.len();
            Response::from_bytes(vec![0; n + 1])
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.plain("OBJ", "a");
        for m in [1, 33, 48] {
            let length = async {
                let mut init = RequestInit::new();
                init.with_method(Method::Post)
                    .with_body(Some(vec![0_u8; m << 20].into()));
                let request = Request::new_with_init("http://x/", &init)?;
                Ok(stub.fetch_with_request(request).await?.bytes().await?.len())
            };
            W.attempt(&format!("{m} MiB"), length).await;
        }
    }
}
