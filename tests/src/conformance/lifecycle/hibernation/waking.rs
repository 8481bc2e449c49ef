//! What an object finds that is built again: sockets, what is kept beside them, and what happened meanwhile.

use crate::conformance::lifecycle::prelude::*;

/// The class that most of these share: it shows its sockets when it is built, and counts its messages in memory.
macro_rules! hib {
    () => {
        class! {
            Hib { n: Cell<u32> }
            new(state) {
                let sockets = state.get_websockets();
                let sockets: Vec<_> = sockets.iter().map(|ws| json!([attachment(ws), ws.ready_state() as u8])).collect();
                O.ev("constructor", json!({"sockets": sockets}));
            }
            handlers {
                async fn fetch(&self, req: Request) -> Result<Response> {
                    let Some(name) = parameter(&req, "name") else {
                        O.ev("fetch", json!({"n": self.n.get()}));
                        return Response::ok("ok");
                    };
                    let WebSocketPair { client, server } = WebSocketPair::new()?;
                    self.state.accept_websocket_with_tags(&server, &[&name, "all"]);
                    server.serialize_attachment(literal(json!({"name": name})))?;
                    Response::from_websocket(client)
                }

                async fn websocket_message(&self, ws: WebSocket, m: WebSocketIncomingMessage) -> Result<()> {
                    O.ev("message", json!({
                        "m": data(&m), "n": next(&self.n), "attachment": attachment(&ws), "tags": self.state.get_tags(&ws),
                    }));
                    ws.send_with_str(self.n.get().to_string())
                }

                async fn websocket_close(&self, ws: WebSocket, code: usize, reason: String, was_clean: bool) -> Result<()> {
                    O.ev("close", json!({
                        "code": code, "reason": reason, "wasClean": was_clean,
                        "attachment": attachment(&ws), "readyState": ws.ready_state() as u8,
                    }));
                    ws.close(u16::try_from(code).ok(), Some("answered"))
                }

                async fn websocket_error(&self, _: WebSocket, error: Error) -> Result<()> {
                    O.ev("error", json!({"error": describe_error(&error)}));
                    Ok(())
                }
            }
        }
    };
}

pub(super) use hib;

/// An evicted object is built again by a message: the constructor sees the open sockets, instance memory is new, attachments and tags
/// are kept.
pub(crate) mod message_after_eviction {
    use super::*;

    hib!();

    pub(crate) async fn client(c: Client) {
        let a = c.step("c1 connects", c.ws("c1", "a", "?name=c1")).await;
        let b = c.step("c2 connects", c.ws("c2", "a", "?name=c2")).await;
        c.step("c1 sends 'one'", async { a.frame(TEXT, b"one") })
            .await;
        c.step("c1 sends 'two'", async { a.frame(TEXT, b"two") })
            .await;
        c.step("evict", c.evict()).await;
        c.step("c1 sends 'three'", async { a.frame(TEXT, b"three") })
            .await;
        c.step("c2 sends 'four'", async { b.frame(TEXT, b"four") })
            .await;
        c.step("evict", c.evict()).await;
        c.step("c2 sends binary 01", async { b.frame(BINARY, &[1]) })
            .await;
    }
}

/// The automatic response answers while the object is hibernated, without building it; pair and timestamp are there afterwards.
pub(crate) mod auto_response_while_hibernated {
    use super::*;

    class! {
        Obj {}
        new(state) {
            let pair = state.get_websocket_auto_response();
            O.ev("constructor", json!({"autoResponse": pair.map(|pair| [pair.request(), pair.response()])}));
        }
        handlers {
            async fn fetch(&self, _: Request) -> Result<Response> {
                let response = accepted(&self.state)?;
                self.state.set_websocket_auto_response(&WebSocketRequestResponsePair::new("ping", "pong")?);
                Ok(response)
            }

            async fn websocket_message(&self, ws: WebSocket, m: WebSocketIncomingMessage) -> Result<()> {
                let stamp = self.state.get_websocket_auto_response_timestamp(&ws);
                let recent = stamp.map(|stamp| Date::now().as_millis() - stamp.as_millis() < 5000);
                O.ev("message", json!({"m": text(m), "timestamp": recent}));
                Ok(())
            }
        }
    }

    pub(crate) async fn client(c: Client) {
        let a = c.step("connect", c.ws("c1", "a", "")).await;
        c.step("send 'before'", async { a.frame(TEXT, b"before") })
            .await;
        c.step("evict", c.evict()).await;
        c.step("send 'ping'", async { a.frame(TEXT, b"ping") })
            .await;
        let twice = async {
            a.frame(TEXT, b"ping");
            a.frame(TEXT, b"ping");
        };
        c.step("send 'ping' twice", twice).await;
        c.step("send 'after'", async { a.frame(TEXT, b"after") })
            .await;
    }
}

/// The client closes, or breaks off, while the object is hibernated: it is built to run its handler.
pub(crate) mod close_while_hibernated {
    use super::*;

    hib!();

    pub(crate) async fn client(c: Client) {
        let a = c.ws("c1", "a", "?name=c1").await;
        let b = c.ws("c2", "a", "?name=c2").await;
        let _c3 = c.ws("c3", "a", "?name=c3").await;
        c.step("evict", c.evict()).await;
        c.step("c1 closes with 4000 'bye'", async {
            a.close(Some(4000), "bye");
        })
        .await;
        c.step("evict", c.evict()).await;
        c.step("c2 cuts the connection", async { b.destroy() })
            .await;
        c.step("evict", c.evict()).await;
        c.step("GET", c.get("/o/a/")).await;
    }
}

/// An alarm builds a hibernated object and sends to its sockets.
pub(crate) mod alarm_while_hibernated {
    use super::{
        Client, DurableObject, Env, O, Request, Response, Result, State, accepted, class,
        durable_object, json,
    };

    class! {
        Obj {}
        new(state) { O.ev("constructor", json!({"sockets": state.get_websockets().len()})) }
        handlers {
            async fn fetch(&self, _: Request) -> Result<Response> {
                let response = accepted(&self.state)?;
                self.state.storage().set_alarm(1000).await?;
                Ok(response)
            }

            async fn alarm(&self) -> Result<Response> {
                O.ev("alarm", ());
                for ws in self.state.get_websockets() {
                    ws.send_with_str("from alarm")?;
                }
                Response::empty()
            }
        }
    }

    pub(crate) async fn client(c: Client) {
        let _a = c
            .step("connect (sets an alarm 1 s ahead)", c.ws("c1", "a", ""))
            .await;
        let evicted = async {
            c.evict().await;
            c.sleep(1500).await;
        };
        c.step("evict; wait 1.5 s", evicted).await;
    }
}

/// What survives hibernation: the order of the list, tags and their order, attachments, states, automatic response, event timeout.
pub(crate) mod state_after_waking {
    use std::time::Duration;

    use super::*;

    class! {
        Obj {}
        new(state) {}
        handlers {
            async fn fetch(&self, req: Request) -> Result<Response> {
                let state = &self.state;
                if has(&req, "setup") {
                    state.set_websocket_auto_response(&WebSocketRequestResponsePair::new("q", "r")?);
                    state.set_hibernatable_websocket_event_timeout(Some(Duration::from_secs(5)))?;
                }
                let Some(name) = parameter(&req, "name") else {
                    let sockets = state.get_websockets();
                    let sockets: Vec<_> = sockets
                        .iter()
                        .map(|ws| json!({"attachment": attachment(ws), "tags": state.get_tags(ws), "readyState": ws.ready_state() as u8}))
                        .collect();
                    let by_tag = state.get_websockets_with_tag("even");
                    let by_tag: Vec<_> = by_tag.iter().map(|ws| attachment(ws)["name"].clone()).collect();
                    let pair = state.get_websocket_auto_response();
                    let timeout = state.get_hibernatable_websocket_event_timeout();
                    O.ev("state", json!({
                        "sockets": sockets, "byTag": by_tag,
                        "autoResponse": pair.map(|pair| [pair.request(), pair.response()]),
                        "timeout": timeout.map(|timeout| timeout.as_millis()),
                    }));
                    return Response::ok("ok");
                };
                let WebSocketPair { client, server } = WebSocketPair::new()?;
                let tags = parameter(&req, "tags").unwrap_or_default();
                state.accept_websocket_with_tags(&server, &tags.split(',').collect::<Vec<_>>());
                server.serialize_attachment(literal(json!({"name": name})))?;
                Response::from_websocket(client)
            }
        }
    }

    pub(crate) async fn client(c: Client) {
        let mut sockets = Vec::new();
        for (i, tags) in ["odd,z", "even,b,a", "odd", "even"].iter().enumerate() {
            let i = i + 1;
            sockets.push(
                c.ws(&format!("c{i}"), "a", &format!("?name=w{i}&tags={tags}"))
                    .await,
            );
        }
        c.step("set up", c.get("/o/a/?setup")).await;
        c.step("evict", c.evict()).await;
        c.step("state", c.get("/o/a/")).await;
    }
}

/// The constructor fails, as only an engine's can, when a message wakes the object: the message is lost; what happens to the sockets.
pub(crate) mod constructor_throws_when_woken {
    use dormouse::{
        handler::{Class, Handler, SocketEvent},
        platform::LocalBoxFuture,
    };

    use super::{
        Client, Env, O, Rc, Request, Response, Result, State, TEXT, Value, accepted, count, data,
        describe_error, has, json,
    };

    pub(crate) struct Obj;

    struct Instance {
        state: State,
    }

    impl Class for Obj {
        fn name(&self) -> &'static str {
            "Obj"
        }

        fn construct(&self, state: State, _: Env) -> Result<Rc<dyn Handler>> {
            let build = count("builds");
            O.ev(
                "constructor",
                json!({"build": build, "sockets": state.get_websockets().len()}),
            );
            if build == 2 {
                return Err("second build fails".into());
            }
            Ok(Rc::new(Instance { state }))
        }
    }

    impl Handler for Instance {
        fn fetch(self: Rc<Self>, req: Request) -> LocalBoxFuture<'static, Result<Response>> {
            Box::pin(async move {
                if has(&req, "list") {
                    O.ev(
                        "list",
                        json!({"sockets": self.state.get_websockets().len()}),
                    );
                    return Response::ok("ok");
                }
                accepted(&self.state)
            })
        }

        fn call(
            self: Rc<Self>,
            method: String,
            _: Vec<Value>,
        ) -> LocalBoxFuture<'static, Result<Value>> {
            Box::pin(async move { Err(format!("there is no method {method}").into()) })
        }

        fn websocket(self: Rc<Self>, event: SocketEvent) -> LocalBoxFuture<'static, Result<()>> {
            match event {
                SocketEvent::Message { message, .. } => {
                    O.ev("message", json!({"m": data(&message)}));
                }
                SocketEvent::Close { code, .. } => O.ev("close", json!({"code": code})),
                SocketEvent::Error { error, .. } => {
                    O.ev("error", json!({"error": describe_error(&error)}));
                }
            }
            Box::pin(std::future::ready(Ok(())))
        }
    }

    pub(crate) async fn client(c: Client) {
        let a = c.ws("c1", "a", "").await;
        let _b = c.ws("c2", "a", "").await;
        c.step("evict", c.evict()).await;
        c.step_until_quiet("c1 sends 'one'", 300, async { a.frame(TEXT, b"one") })
            .await;
        let two = async {
            if a.is_open() {
                a.frame(TEXT, b"two");
            }
        };
        c.step("c1 sends 'two'", two).await;
        c.step("list", c.get("/o/a/?list")).await;
    }
}

/// Three messages sent together to a hibernated object whose constructor blocks for a while: one build, delivery in order.
pub(crate) mod messages_while_waking {
    use super::{
        Client, DurableObject, Env, O, Request, Response, Result, State, TEXT, WebSocket,
        WebSocketIncomingMessage, accepted, class, durable_object, json, sleep, text,
    };

    class! {
        Obj {}
        new(state) {
            O.ev("constructor start", ());
            drop(state.block_concurrency_while(async {
                sleep(50).await;
                O.ev("constructor block end", ());
                Ok(())
            }));
        }
        handlers {
            async fn fetch(&self, _: Request) -> Result<Response> {
                accepted(&self.state)
            }

            async fn websocket_message(&self, _: WebSocket, m: WebSocketIncomingMessage) -> Result<()> {
                O.ev("message", json!({"m": text(m)}));
                Ok(())
            }
        }
    }

    pub(crate) async fn client(c: Client) {
        let a = c.ws("c1", "a", "").await;
        c.step("evict", c.evict()).await;
        let send = async {
            for text in ["one", "two", "three"] {
                a.frame(TEXT, text.as_bytes());
            }
        };
        c.step_until_quiet("send 'one', 'two', 'three'", 200, send)
            .await;
    }
}

/// The process is killed with a socket open: the client sees the connection break; the object built after the restart has no sockets,
/// its storage is there.
pub(crate) mod sockets_after_restart {
    use super::{
        Client, DurableObject, Env, O, Request, Response, Result, State, Value, WebSocket,
        accepted, class, describe, durable_object, has, json,
    };

    class! {
        Obj {}
        new(state) { O.ev("constructor", json!({"sockets": state.get_websockets().len()})) }
        handlers {
            async fn fetch(&self, req: Request) -> Result<Response> {
                if has(&req, "list") {
                    let k: Option<Value> = self.state.storage().get("k").await?;
                    let k = describe(&k.unwrap_or_default());
                    O.ev("list", json!({"sockets": self.state.get_websockets().len(), "k": k}));
                    return Response::ok("ok");
                }
                let response = accepted(&self.state)?;
                self.state.storage().put("k", "stored").await?;
                Ok(response)
            }

            async fn websocket_close(&self, _: WebSocket, code: usize, _: String, _: bool) -> Result<()> {
                O.ev("close", json!({"code": code}));
                Ok(())
            }
        }
    }

    pub(crate) async fn client(c: Client) {
        let _a = c.step("connect", c.ws("c1", "a", "")).await;
        c.step("SIGKILL, restart", async { c.restart() }).await;
        c.step("list", c.get("/o/a/?list")).await;
    }
}
