//! The two ends of a pair inside the runtime: accepting them, and their states.

use crate::conformance::lifecycle::prelude::*;

/// Using a socket before accepting it, accepting twice, in both ways, and accepting the wrong half.
pub(crate) mod accept_errors {
    use super::{
        DurableObject, Env, O, Request, Response, Result, State, WebSocketPair, Worker, class,
        durable_object, json,
    };

    class! {
        Obj {}
        new(state) {}
        handlers {
            async fn fetch(&self, _: Request) -> Result<Response> {
                let state = &self.state;
                let pair = || {
                    let WebSocketPair { client, server } = WebSocketPair::new().expect("a pair");
                    (client, server)
                };
                let (_c, s) = pair();
                O.attempt("send before accept", async { s.send_with_str("x") }).await;
                let (_c, s) = pair();
                O.attempt("close before accept", async { s.close(Some(1000), None::<&str>) }).await;
                let (_c, s) = pair();
                O.attempt("readyState before accept", async { Ok(s.ready_state() as u8) }).await;
                let (_c, s) = pair();
                O.attempt("accept twice", async { s.accept().and_then(|()| s.accept()) }).await;
                let (_c, s) = pair();
                let twice = async {
                    s.accept()?;
                    state.try_accept_web_socket(&s)
                };
                O.attempt("acceptWebSocket after accept", twice).await;
                let (_c, s) = pair();
                let twice = async {
                    state.try_accept_web_socket(&s)?;
                    s.accept()
                };
                O.attempt("accept after acceptWebSocket", twice).await;
                let (_c, s) = pair();
                let twice = async {
                    state.try_accept_web_socket(&s)?;
                    state.try_accept_web_socket(&s)
                };
                O.attempt("acceptWebSocket twice", twice).await;
                let (c, s) = pair();
                let both = async {
                    state.try_accept_web_socket(&s)?;
                    state.try_accept_web_socket(&c)
                };
                O.attempt("acceptWebSocket both halves", both).await;
                let (c, s) = pair();
                let both = async {
                    state.try_accept_web_socket(&s)?;
                    c.accept()?;
                    Ok([c.ready_state() as u8, s.ready_state() as u8])
                };
                O.attempt("acceptWebSocket, then accept the other half", both).await;
                let (c, s) = pair();
                let both = async {
                    c.accept()?;
                    state.try_accept_web_socket(&s)
                };
                O.attempt("acceptWebSocket after the other half was accepted", both).await;
                let (c, _s) = pair();
                let respond = async {
                    c.accept()?;
                    Response::from_websocket(c)?;
                    Ok("constructed")
                };
                O.attempt("respond with an accepted half", respond).await;
                O.ev("sockets", json!({"count": state.get_websockets().len()}));
                Response::ok("done")
            }
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let done = env.plain("OBJ", "a").fetch_with_str("http://x/").await;
        assert!(done.is_ok(), "{done:?}");
    }
}

/// The state through open, closing and closed; send after close; close twice.
pub(crate) mod send_and_close_states {
    use super::{
        Client, DurableObject, Env, O, Request, Response, Result, State, TEXT, WebSocket,
        WebSocketIncomingMessage, WebSocketPair, class, data, durable_object, json, sleep,
    };

    class! {
        Obj {}
        new(state) {}
        handlers {
            async fn fetch(&self, _: Request) -> Result<Response> {
                let WebSocketPair { client, server } = WebSocketPair::new()?;
                let states = || json!({"server": server.ready_state() as u8, "client": client.ready_state() as u8});
                O.ev("new pair", states());
                self.state.accept_web_socket(&server);
                O.ev("accepted", states());
                Response::from_websocket(client)
            }

            async fn websocket_message(&self, ws: WebSocket, m: WebSocketIncomingMessage) -> Result<()> {
                O.ev("message", json!({"m": data(&m), "readyState": ws.ready_state() as u8}));
                if data(&m) != "close" {
                    return Ok(());
                }
                O.attempt("close", async { ws.close(Some(4000), Some("object closes")) }).await;
                let listed = || json!({"readyState": ws.ready_state() as u8, "listed": self.state.get_websockets().len()});
                O.ev("after close", listed());
                O.attempt("send after close", async { ws.send_with_str("late") }).await;
                O.attempt("close again", async { ws.close(Some(4001), Some("again")) }).await;
                let attachment = async {
                    ws.serialize_attachment(1)?;
                    ws.deserialize_attachment::<u32>()
                };
                O.attempt("attachment after close", attachment).await;
                sleep(50).await;
                O.ev("50 ms later", listed());
                Ok(())
            }

            async fn websocket_close(&self, ws: WebSocket, code: usize, reason: String, was_clean: bool) -> Result<()> {
                O.ev("close", json!({
                    "code": code, "reason": reason, "wasClean": was_clean,
                    "readyState": ws.ready_state() as u8, "listed": self.state.get_websockets().len(),
                }));
                Ok(())
            }
        }
    }

    pub(crate) async fn client(c: Client) {
        let s = c.step("connect", c.ws("c1", "a", "")).await;
        c.step("send 'hello'", async { s.frame(TEXT, b"hello") })
            .await;
        c.step_until_quiet("send 'close'", 200, async { s.frame(TEXT, b"close") })
            .await;
    }
}

/// The same on a plainly accepted socket between worker and object.
pub(crate) mod standard_states {
    use dormouse::{Headers, RequestInit};

    use super::*;

    class! {
        Obj {}
        new(state) {}
        handlers {
            async fn fetch(&self, _: Request) -> Result<Response> {
                let WebSocketPair { client, server } = WebSocketPair::new()?;
                server.accept()?;
                O.ev("accepted", json!({"readyState": server.ready_state() as u8}));
                self.state.wait_until(listen(server));
                Response::from_websocket(client)
            }
        }
    }

    async fn listen(server: WebSocket) {
        let mut events = server.events().expect("it is accepted");
        while let Some(Ok(event)) = events.next().await {
            match event {
                WebsocketEvent::Message(message) => {
                    O.ev("message", json!({"data": message.text()}));
                    O.attempt("close", async { server.close(Some(4000), Some("object closes")) }).await;
                    O.ev("after close", json!({"readyState": server.ready_state() as u8}));
                    O.attempt("send after close", async { server.send_with_str("late") }).await;
                    O.attempt("close again", async { server.close(Some(4001), None::<&str>) }).await;
                }
                WebsocketEvent::Close(close) => O.ev("close", json!({
                    "code": close.code(), "reason": close.reason(), "wasClean": close.was_clean(),
                    "readyState": server.ready_state() as u8,
                })),
            }
        }
    }

    pub(crate) async fn worker(env: Worker) {
        let headers = Headers::new();
        headers.set("Upgrade", "websocket").expect("a header");
        let mut init = RequestInit::new();
        init.with_headers(headers);
        let request = Request::new_with_init("http://x/", &init).expect("a request");
        let response = env.plain("OBJ", "a").fetch_with_request(request).await;
        let ws = response
            .expect("it is upgraded")
            .websocket()
            .expect("it has a socket");
        W.attempt("send before accept", async { ws.send_with_str("early") })
            .await;
        ws.accept().expect("it is fresh");
        W.ev("accepted", json!({"readyState": ws.ready_state() as u8}));
        ws.send_with_str("go").expect("it is open");
        let mut events = ws.events().expect("it is accepted");
        let event = events.next().await.expect("it is closed");
        let Ok(WebsocketEvent::Close(e)) = event else {
            panic!("the object sends nothing: {event:?}");
        };
        W.ev("client close event", json!({
            "code": e.code(), "reason": e.reason(), "wasClean": e.was_clean(), "readyState": ws.ready_state() as u8,
        }));
        W.attempt("send", async { ws.send_with_str("after") }).await;
        W.attempt("close", async { ws.close(Some(1000), None::<&str>) })
            .await;
        W.ev("end", json!({"readyState": ws.ready_state() as u8}));
        env.sleep(30).await;
        W.ev("later", json!({"readyState": ws.ready_state() as u8}));
    }
}
