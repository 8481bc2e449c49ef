//! Responses as the caller sees them, and exceptions in their place.

/// `fetch` on a class without a fetch handler.
pub(crate) mod handler_missing {
    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj;

    impl DurableObject for Obj {
        fn new(_: State, _: Env) -> Self {
            Self
        }
    }

    #[rpc]
    impl Obj {
        pub fn hello(&self) -> String {
            "hello".to_owned()
        }
    }

    #[durable_object]
    pub(crate) struct Plain;

    impl DurableObject for Plain {
        fn new(_: State, _: Env) -> Self {
            Self
        }
    }

    pub(crate) async fn worker(env: Worker) {
        for (label, binding) in [("with base class", "OBJ"), ("without base class", "PLAIN")] {
            let stub = env.plain(binding, "a");
            let status = async { Ok(stub.fetch_with_str("http://x/").await?.status_code()) };
            W.attempt(label, status).await;
        }
        W.attempt("still usable", env.stub::<Obj>("OBJ", "a").hello())
            .await;
    }
}

/// What `stub.fetch` fails with for each kind of error in the handler.
pub(crate) mod exceptions {
    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj;

    impl DurableObject for Obj {
        fn new(_: State, _: Env) -> Self {
            O.ev("constructor", ());
            Self
        }

        async fn fetch(&self, req: Request) -> Result<Response> {
            let kind = req.path()[1..].replace("%20", " ");
            O.ev("fetch", json!({"kind": kind}));
            Err(match &*kind {
                "Error" => "plain message".into(),
                "TypeError" => Error::type_error("type message"),
                "custom class" => Error::new("MyError", "my message"),
                "custom properties" => Error::from("with props").with_property("code", "E"),
                "after await" => {
                    sleep(2).await;
                    "late".into()
                }
                "fake flags" => Error::from("fake")
                    .with_property("retryable", true)
                    .with_property("overloaded", true),
                _ => return Response::ok("fine"),
            })
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.plain("OBJ", "a");
        for k in [
            "Error",
            "TypeError",
            "custom class",
            "custom properties",
            "after await",
            "fake flags",
            "none",
        ] {
            let text = async {
                let url = format!("http://x/{k}");
                stub.fetch_with_str(&url).await?.text().await
            };
            W.attempt(k, text).await;
        }
    }
}

/// A handler that never answers.
pub(crate) mod not_a_response {
    use futures_util::future::{Either, select};

    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj;

    impl DurableObject for Obj {
        fn new(_: State, _: Env) -> Self {
            Self
        }

        async fn fetch(&self, req: Request) -> Result<Response> {
            if req.path() == "/never" {
                std::future::pending::<()>().await;
            }
            Response::ok("fine")
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.plain("OBJ", "a");
        let other = || async { stub.fetch_with_str("http://x/other").await?.text().await };
        W.attempt("other", other()).await;
        // Nothing reports a future that never completes: the caller just waits.
        let never = async {
            let (fetch, late) = (stub.fetch_with_str("http://x/never"), env.sleep(500));
            match select(Box::pin(fetch), Box::pin(late)).await {
                Either::Left((response, _)) => response?.text().await,
                Either::Right(_) => Ok("still waiting".to_owned()),
            }
        };
        W.attempt("never", never).await;
        W.attempt("other, after never", other()).await;
    }
}

/// Status, headers and body as the caller sees them. What the original's constructor adds is written out here.
pub(crate) mod response_seen_by_caller {
    use dormouse::{Method, ResponseBody};

    use crate::conformance::lifecycle::prelude::*;

    const TEXT: (&str, &str) = ("content-type", "text/plain;charset=UTF-8");

    #[durable_object]
    pub(crate) struct Obj;

    impl DurableObject for Obj {
        fn new(_: State, _: Env) -> Self {
            Self
        }

        async fn fetch(&self, req: Request) -> Result<Response> {
            let (status, headers, body) = match &*req.path() {
                "/text" => {
                    let headers = [
                        TEXT,
                        ("X-B", "2"),
                        ("x-a", "1"),
                        ("X-B", "3"),
                        ("set-cookie", "c=1"),
                        ("set-cookie", "d=2"),
                    ];
                    (201, headers.to_vec(), Some(&b"hello"[..]))
                }
                "/empty" => (204, vec![], None),
                "/none" => (200, vec![], None),
                "/304" => (304, vec![("etag", "\"e\"")], None),
                "/599" => (599, vec![TEXT], Some(&b"odd"[..])),
                "/json" => return Response::from_json(&json!({"a": 1})),
                "/bytes" => (200, vec![], Some(&[0, 255][..])),
                other => unreachable!("{other}"),
            };
            let body = body.map_or(ResponseBody::Empty, |body| {
                ResponseBody::Body(body.to_vec())
            });
            let response = Response::from_body(body)?.with_status(status);
            for (name, value) in headers {
                response.headers().append(name, value)?;
            }
            Ok(response)
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.plain("OBJ", "a");
        for p in [
            "/text", "/empty", "/none", "/304", "/599", "/json", "/bytes",
        ] {
            let seen = async {
                let mut r = stub.fetch_with_str(&format!("http://x{p}")).await?;
                let headers: Vec<_> = r.headers().entries().collect();
                let (status, body) = (r.status_code(), hex(&r.bytes().await?));
                Ok(literal(
                    json!({"status": status, "headers": headers, "body": {"$": "ArrayBuffer", "hex": body}}),
                ))
            };
            W.attempt(p, seen).await;
        }
        let head = async {
            let mut r = stub
                .fetch_with_request(Request::new("http://x/text", Method::Head)?)
                .await?;
            let (status, body) = (r.status_code(), r.text().await?);
            Ok(literal(json!({"status": status, "body": body})))
        };
        W.attempt("HEAD", head).await;
    }
}

/// Work started by the handler goes on after the response was returned.
pub(crate) mod response_returned_before_work_ends {
    use crate::conformance::lifecycle::prelude::*;

    #[durable_object]
    pub(crate) struct Obj {
        state: State,
    }

    impl DurableObject for Obj {
        fn new(state: State, _: Env) -> Self {
            Self { state }
        }

        async fn fetch(&self, req: Request) -> Result<Response> {
            let how = req.path()[1..].to_owned();
            let answer = how.clone();
            self.state.wait_until(async move {
                for i in 1..=3 {
                    sleep(20).await;
                    O.ev("background", json!({"how": how, "i": i}));
                }
            });
            Response::ok(answer)
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let stub = env.plain("OBJ", "a");
        let text = async {
            stub.fetch_with_str("http://x/waitUntil")
                .await?
                .text()
                .await
        };
        W.attempt("waitUntil", text).await;
        env.sleep(100).await;
    }
}
