//! What the runtime keeps beside a socket: tags, attachments, the automatic response, and the list of sockets itself.

use crate::conformance::lifecycle::prelude::*;

/// Tags: count and length limits, duplicates, empty tags.
pub(crate) mod tags {
    use super::*;

    class! {
        Obj {}
        new(state) {}
        handlers {
            async fn fetch(&self, _: Request) -> Result<Response> {
                let numbered = |count: usize| -> Vec<String> { (0..count).map(|i| format!("t{i}")).collect() };
                let owned = |tags: &[&str]| -> Vec<String> { tags.iter().map(|&tag| tag.to_owned()).collect() };
                let mut with_duplicate = numbered(10);
                with_duplicate.push("t0".to_owned());
                for (label, tags) in [
                    ("[]", vec![]),
                    ("one", owned(&["a"])),
                    ("order", owned(&["b", "a", "c"])),
                    ("duplicates", owned(&["x", "y", "x"])),
                    ("empty tag", owned(&[""])),
                    ("ten", numbered(10)),
                    ("eleven", numbered(11)),
                    ("eleven with a duplicate", with_duplicate),
                    ("twenty of which two differ", (0..20).map(|i| format!("t{}", i % 2)).collect()),
                    ("256 characters", vec!["x".repeat(256)]),
                    ("257 characters", vec!["x".repeat(257)]),
                    ("128 two-byte characters", vec!["\u{e9}".repeat(128)]),
                    ("129 two-byte characters", vec!["\u{e9}".repeat(129)]),
                ] {
                    O.attempt(label, async { self.try_tags(&tags) }).await;
                }
                let WebSocketPair { server, .. } = WebSocketPair::new()?;
                server.accept()?;
                O.attempt("getTags of an accept()ed socket", async { self.state.try_get_tags(&server) }).await;
                let WebSocketPair { server, .. } = WebSocketPair::new()?;
                O.attempt("getTags of a new socket", async { self.state.try_get_tags(&server) }).await;
                Response::ok("done")
            }
        }
    }

    impl Obj {
        fn try_tags(&self, tags: &[String]) -> Result<Value> {
            let WebSocketPair { server, .. } = WebSocketPair::new()?;
            let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
            self.state.try_accept_websocket_with_tags(&server, &tags)?;
            let got = self.state.try_get_tags(&server)?;
            let lengths = got.iter().map(|tag| tag.chars().count());
            let longest = lengths.max().unwrap_or_default();
            Ok(if got.len() > 3 || longest > 20 {
                literal(json!({"count": got.len(), "longest": longest}))
            } else {
                literal(json!(got))
            })
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let done = env.plain("OBJ", "a").fetch_with_str("http://x/").await;
        assert!(done.is_ok(), "{done:?}");
    }
}

/// Order and filter of the list of sockets; sockets leave it when they close.
pub(crate) mod get_web_sockets {
    use super::*;

    class! {
        Obj {}
        new(state) {}
        handlers {
            async fn fetch(&self, req: Request) -> Result<Response> {
                if has(&req, "list") {
                    self.list("request");
                    return Response::ok("ok");
                }
                let WebSocketPair { client, server } = WebSocketPair::new()?;
                let name = parameter(&req, "name").expect("it has a name");
                let more = parameter(&req, "tags").unwrap_or_default();
                let tags: Vec<&str> = std::iter::once(&*name).chain(more.split(',').filter(|tag| !tag.is_empty())).collect();
                self.state.accept_websocket_with_tags(&server, &tags);
                server.serialize_attachment(&name)?;
                Response::from_websocket(client)
            }

            async fn websocket_message(&self, _: WebSocket, _: WebSocketIncomingMessage) -> Result<()> {
                self.list("message");
                Ok(())
            }

            async fn websocket_close(&self, ws: WebSocket, _: usize, _: String, _: bool) -> Result<()> {
                self.list(&format!("in webSocketClose of {}", name(&ws)));
                Ok(())
            }
        }
    }

    fn name(socket: &WebSocket) -> String {
        let name = socket.deserialize_attachment().expect("it is a string");
        name.expect("it was set")
    }

    impl Obj {
        fn list(&self, when: &str) {
            let names =
                |sockets: Vec<WebSocket>| -> Vec<String> { sockets.iter().map(name).collect() };
            let tagged = |tag: &str| names(self.state.get_websockets_with_tag(tag));
            O.ev("list", json!({
                "when": when, "all": names(self.state.get_websockets()),
                "even": tagged("even"), "odd": tagged("odd"), "none": tagged("none"), "empty": tagged(""),
            }));
        }
    }

    pub(crate) async fn client(c: Client) {
        let mut s = Vec::new();
        for i in 1..=4 {
            let tag = if i % 2 == 1 { "odd" } else { "even" };
            s.push(
                c.ws(&format!("c{i}"), "a", &format!("?name=w{i}&tags={tag}"))
                    .await,
            );
        }
        c.step("list", c.get("/o/a/?list")).await;
        c.step("c2 closes", async { s[1].close(Some(1000), "") })
            .await;
        c.step("list", c.get("/o/a/?list")).await;
        let _s5 = c.ws("c5", "a", "?name=w5&tags=odd,even").await;
        c.step("c5 connected; list", c.get("/o/a/?list")).await;
        c.step("c1 disconnects", async { s[0].destroy() }).await;
        c.step("list", c.get("/o/a/?list")).await;
    }
}

/// Attachments: types, the limit of 16384 bytes, unset, on plainly accepted sockets.
pub(crate) mod attachments {
    use dormouse::value::{BigInt, ErrorValue, View, ViewKind};

    use super::*;

    class! {
        Obj {}
        new(state) {}
        handlers {
            async fn fetch(&self, _: Request) -> Result<Response> {
                let pair = || {
                    let WebSocketPair { client, server } = WebSocketPair::new().expect("a pair");
                    (client, server)
                };
                let (_client, s) = pair();
                O.attempt("before accept", async { attached(&s, "early".into()) }).await;
                self.state.accept_web_socket(&s);
                let (_client, fresh) = pair();
                self.state.accept_web_socket(&fresh);
                let never = async { Ok(fresh.deserialize_attachment::<Value>()?.unwrap_or(Value::Null)) };
                O.attempt("never set", never).await;
                for (label, value) in values() {
                    O.attempt(label, async { attached(&s, value) }).await;
                }
                for n in [16000, 16377, 16378, 16379, 16380, 16381, 16384, 16385, 20000] {
                    let length = async { Ok(length(&attached(&s, "x".repeat(n).into())?)) };
                    O.attempt(&format!("ASCII string of {n}"), length).await;
                }
                let kept = async { Ok(length(&s.deserialize_attachment()?.expect("it was set"))) };
                O.attempt("after a failed set", kept).await;
                for n in [8184, 8188, 8190, 8192] {
                    let length = async { Ok(length(&attached(&s, "\u{4e00}".repeat(n).into())?)) };
                    O.attempt(&format!("two-byte string of {n}"), length).await;
                }
                for n in [16370, 16376, 16377, 16378, 16379, 16380] {
                    let bytes: Value = View::new(ViewKind::Uint8Array, vec![0; n]).into();
                    O.attempt(&format!("Uint8Array of {n}"), async { Ok(length(&attached(&s, bytes)?)) }).await;
                }
                let (_client, t) = pair();
                t.accept()?;
                let plain = async { attached(&t, Value::object([("a", 1.into())])) };
                O.attempt("accept()ed socket", plain).await;
                Response::ok("done")
            }
        }
    }

    fn attached(socket: &WebSocket, value: Value) -> Result<Value> {
        socket.serialize_attachment(value)?;
        Ok(socket.deserialize_attachment()?.unwrap_or(Value::Null))
    }

    fn length(value: &Value) -> usize {
        match value {
            Value::String(text) => text.chars().count(),
            value => value.as_bytes().map_or(0, <[u8]>::len),
        }
    }

    fn values() -> Vec<(&'static str, Value)> {
        vec![
            ("null", Value::Null),
            ("number", 1.5.into()),
            ("string", "s".into()),
            ("bigint", BigInt::from(5).into()),
            ("Date", Value::Date(0.0)),
            ("Map", Value::Map(vec![(1.into(), 2.into())])),
            ("Set", Value::Set(vec![1.into()])),
            ("array", Value::Array(vec![1.into(), Value::Hole, 3.into()])),
            (
                "object",
                Value::object([("a", Value::object([("b", 1.into())]))]),
            ),
            ("bytes", View::new(ViewKind::Uint8Array, [1, 2]).into()),
            ("Error", ErrorValue::new("RangeError", "e").into()),
        ]
    }

    pub(crate) async fn worker(env: Worker) {
        let done = env.plain("OBJ", "a").fetch_with_str("http://x/").await;
        assert!(done.is_ok(), "{done:?}");
    }
}

/// The automatic response: matching text is answered without the handler, for open sockets too; timestamps; binary and longer text are
/// not matched; unsetting.
pub(crate) mod auto_response {
    use super::*;

    class! {
        Obj {}
        new(state) {}
        handlers {
            async fn fetch(&self, req: Request) -> Result<Response> {
                let state = &self.state;
                if has(&req, "set") {
                    state.set_websocket_auto_response(&WebSocketRequestResponsePair::new("ping", "pong")?);
                    let pair = state.get_websocket_auto_response().expect("it is set");
                    O.ev("set", json!({"request": pair.request(), "response": pair.response()}));
                } else if has(&req, "unset") {
                    state.unset_websocket_auto_response();
                    O.ev("unset", json!({"now": pair(state)}));
                } else if has(&req, "stamp") {
                    let sockets = state.get_websockets();
                    let stamps = sockets.iter().map(|socket| {
                        let stamp = state.get_websocket_auto_response_timestamp(socket)?;
                        Some(json!({"recent": Date::now().as_millis() - stamp.as_millis() < 5000}))
                    });
                    O.ev("timestamps", json!({"values": stamps.collect::<Vec<_>>()}));
                } else {
                    let WebSocketPair { client, server } = WebSocketPair::new()?;
                    state.accept_web_socket(&server);
                    O.ev("accepted", json!({"current": pair(state)}));
                    return Response::from_websocket(client);
                }
                Response::ok("ok")
            }

            async fn websocket_message(&self, ws: WebSocket, m: WebSocketIncomingMessage) -> Result<()> {
                O.ev("message", json!({"data": data(&m)}));
                ws.send_with_str("handled")
            }
        }
    }

    fn pair(state: &State) -> Json {
        json!(
            state
                .get_websocket_auto_response()
                .map(|pair| pair.request())
        )
    }

    pub(crate) async fn client(c: Client) {
        let s = c.step("connect", c.ws("c1", "a", "")).await;
        c.step("send 'ping' before it is set", async {
            s.frame(TEXT, b"ping");
        })
        .await;
        c.step("set", c.get("/o/a/?set")).await;
        c.step("timestamps", c.get("/o/a/?stamp")).await;
        c.step("send 'ping'", async { s.frame(TEXT, b"ping") })
            .await;
        c.step("timestamps", c.get("/o/a/?stamp")).await;
        c.step("send 'ping '", async { s.frame(TEXT, b"ping ") })
            .await;
        c.step("send 'PING'", async { s.frame(TEXT, b"PING") })
            .await;
        c.step("send binary 'ping'", async { s.frame(BINARY, b"ping") })
            .await;
        let together = async {
            s.frame(TEXT, b"x");
            s.frame(TEXT, b"ping");
            s.frame(TEXT, b"y");
        };
        c.step("send 'x', 'ping', 'y' together", together).await;
        c.step("unset", c.get("/o/a/?unset")).await;
        c.step("send 'ping'", async { s.frame(TEXT, b"ping") })
            .await;
    }
}
