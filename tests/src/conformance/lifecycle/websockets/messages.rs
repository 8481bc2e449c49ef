//! What is sent, in which order it is handled, and handlers that fail.

use crate::conformance::lifecycle::prelude::*;

/// Plainly accepted, with listeners: message types, the close event, what the client gets.
pub(crate) mod standard_echo {
    use super::super::closing::{log_and_echo, standard};
    use super::{
        Client, DurableObject, Env, Request, Response, Result, State, TEXT, WebSocketPair, class,
        durable_object,
    };

    standard!();

    pub(crate) async fn client(c: Client) {
        let s = c.step("connect", c.ws("c1", "a", "")).await;
        c.step("send text 'one'", async { s.frame(TEXT, b"one") })
            .await;
        c.step("send empty text", async { s.frame(TEXT, b"") })
            .await;
        c.step("close(1000, 'bye')", async { s.close(Some(1000), "bye") })
            .await;
    }
}

/// Hibernatable, with handlers: the same client.
pub(crate) mod hibernatable_echo {
    use super::super::closing::hibernatable;
    use super::{
        BINARY, Client, DurableObject, Env, Error, O, Request, Response, Result, State, TEXT,
        WebSocket, WebSocketIncomingMessage, accepted, class, data, describe_error, durable_object,
        echo, json,
    };

    hibernatable!();

    pub(crate) async fn client(c: Client) {
        let s = c.step("connect", c.ws("c1", "a", "")).await;
        c.step("send text 'one'", async { s.frame(TEXT, b"one") })
            .await;
        c.step("send empty text", async { s.frame(TEXT, b"") })
            .await;
        c.step("send binary 00ff", async { s.frame(BINARY, &[0, 255]) })
            .await;
        c.step("send empty binary", async { s.frame(BINARY, &[]) })
            .await;
        c.step("close(1000, 'bye')", async { s.close(Some(1000), "bye") })
            .await;
    }
}

/// `send` with what Rust can send, as the network client receives it.
pub(crate) mod send_types {
    use super::{
        Client, DurableObject, Env, O, Request, Response, Result, State, TEXT, Value, WebSocket,
        WebSocketIncomingMessage, accepted, class, describe, durable_object, json,
    };

    class! {
        Obj {}
        new(state) {}
        handlers {
            async fn fetch(&self, _: Request) -> Result<Response> {
                accepted(&self.state)
            }

            async fn websocket_message(&self, ws: WebSocket, _: WebSocketIncomingMessage) -> Result<()> {
                for (label, text) in [("string", "text"), ("non-ASCII", "h\u{e9} \u{1f600}")] {
                    ws.send_with_str(format!("next: {label}"))?;
                    let value: Value = ws.send_with_str(text)?.into();
                    O.ev("send", json!({"label": label, "value": describe(&value)}));
                }
                for (label, bytes) in [("ArrayBuffer", [1, 2]), ("Uint8Array", [3, 4])] {
                    ws.send_with_str(format!("next: {label}"))?;
                    let value: Value = ws.send_with_bytes(bytes)?.into();
                    O.ev("send", json!({"label": label, "value": describe(&value)}));
                }
                Ok(())
            }
        }
    }

    pub(crate) async fn client(c: Client) {
        let s = c.ws("c1", "a", "").await;
        c.step("send 'go'", async { s.frame(TEXT, b"go") }).await;
    }
}

/// Messages of 1 KiB, 1 MiB and the 32 MiB limit, on hibernatable sockets, echoed.
pub(crate) mod message_sizes {
    use super::{
        BINARY, Client, DurableObject, Env, Error, O, Request, Response, Result, State, TEXT,
        WebSocket, WebSocketIncomingMessage, accepted, class, describe_error, durable_object,
        echo_as_it_is, json,
    };

    class! {
        Obj {}
        new(state) {}
        handlers {
            async fn fetch(&self, _: Request) -> Result<Response> {
                accepted(&self.state)
            }

            async fn websocket_message(&self, ws: WebSocket, m: WebSocketIncomingMessage) -> Result<()> {
                let (kind, n) = match &m {
                    WebSocketIncomingMessage::String(text) => ("string", text.len()),
                    WebSocketIncomingMessage::Binary(bytes) => ("object", bytes.len()),
                };
                O.ev("message", json!({"kind": kind, "n": n}));
                echo_as_it_is(&ws, m)
            }

            async fn websocket_close(&self, _: WebSocket, code: usize, reason: String, was_clean: bool) -> Result<()> {
                O.ev("close", json!({"code": code, "reason": reason, "wasClean": was_clean}));
                Ok(())
            }

            async fn websocket_error(&self, _: WebSocket, error: Error) -> Result<()> {
                O.ev("error", json!({"error": describe_error(&error)}));
                Ok(())
            }
        }
    }

    pub(crate) async fn client(c: Client) {
        let m = 1 << 20;
        for (label, n) in [
            ("1 KiB", 1024),
            ("1 MiB", m),
            ("1 MiB + 1", m + 1),
            ("32 MiB", 32 * m),
            ("32 MiB + 1", 32 * m + 1),
        ] {
            for (kind, opcode, byte) in [("binary", BINARY, 0), ("text", TEXT, b'x')] {
                let s = c.ws(&format!("{kind} {label}"), "a", "").await;
                let what = json!({"what": format!("send {kind}"), "size": label});
                c.step_until_quiet(what, 2000, async { s.frame(opcode, &vec![byte; n]) })
                    .await;
            }
        }
    }
}

/// Messages of one socket while the handler sleeps: the next ones, and the close event, are delivered before the first handler ends.
pub(crate) mod message_order_one_socket {
    use super::{
        Client, DurableObject, Env, O, Request, Response, Result, State, TEXT, WebSocket,
        WebSocketIncomingMessage, accepted, class, durable_object, json, sleep, text,
    };

    class! {
        Obj {}
        new(state) {}
        handlers {
            async fn fetch(&self, _: Request) -> Result<Response> {
                accepted(&self.state)
            }

            async fn websocket_message(&self, ws: WebSocket, m: WebSocketIncomingMessage) -> Result<()> {
                let m = text(m);
                O.ev("start", json!({"m": m}));
                sleep(if m == "1" { 60 } else { 5 }).await;
                O.ev("end", json!({"m": m}));
                ws.send_with_str(m)
            }

            async fn websocket_close(&self, _: WebSocket, code: usize, _: String, _: bool) -> Result<()> {
                O.ev("close", json!({"code": code}));
                Ok(())
            }
        }
    }

    pub(crate) async fn client(c: Client) {
        let s = c.ws("c1", "a", "").await;
        let send = async {
            for text in ["1", "2", "3"] {
                s.frame(TEXT, text.as_bytes());
            }
            s.close(Some(1000), "");
        };
        c.step_until_quiet("send '1', '2', '3', then close", 200, send)
            .await;
    }
}

/// Messages of two sockets while handlers sleep: they overlap.
pub(crate) mod message_order_two_sockets {
    use super::{
        Client, DurableObject, Env, O, Request, Response, Result, State, TEXT, WebSocket,
        WebSocketIncomingMessage, accepted, class, durable_object, json, sleep, text,
    };

    class! {
        Obj {}
        new(state) {}
        handlers {
            async fn fetch(&self, _: Request) -> Result<Response> {
                accepted(&self.state)
            }

            async fn websocket_message(&self, ws: WebSocket, m: WebSocketIncomingMessage) -> Result<()> {
                let m = text(m);
                O.ev("start", json!({"m": m}));
                sleep(if m == "A" { 120 } else { 5 }).await;
                O.ev("end", json!({"m": m}));
                ws.send_with_str(m)
            }
        }
    }

    pub(crate) async fn client(c: Client) {
        let (a, b) = (c.ws("cA", "a", "").await, c.ws("cB", "a", "").await);
        let send = async {
            a.frame(TEXT, b"A");
            c.sleep(40).await;
            b.frame(TEXT, b"B");
        };
        c.step_until_quiet("A sends; 40 ms later B sends", 250, send)
            .await;
    }
}

/// A handler fails: the socket stays open, no error event, memory stays, later messages are handled.
pub(crate) mod exception_in_message_handler {
    use super::{
        Cell, Client, DurableObject, Env, Error, O, Request, Response, Result, State, TEXT,
        WebSocket, WebSocketIncomingMessage, accepted, class, describe_error, durable_object, json,
        next, sleep, text,
    };

    class! {
        Obj { n: Cell<u32> }
        new(state) { O.ev("constructor", ()) }
        handlers {
            async fn fetch(&self, _: Request) -> Result<Response> {
                accepted(&self.state)
            }

            async fn websocket_message(&self, ws: WebSocket, m: WebSocketIncomingMessage) -> Result<()> {
                let m = text(m);
                O.ev("message", json!({"m": m, "n": next(&self.n)}));
                ws.send_with_str(format!("got {m}"))?;
                if m == "throw" {
                    return Err("handler".into());
                }
                if m == "reject" {
                    sleep(1).await;
                    return Err("later".into());
                }
                Ok(())
            }

            async fn websocket_close(&self, _: WebSocket, code: usize, reason: String, was_clean: bool) -> Result<()> {
                O.ev("close", json!({"code": code, "reason": reason, "wasClean": was_clean}));
                if reason == "throw" {
                    return Err("in close".into());
                }
                Ok(())
            }

            async fn websocket_error(&self, _: WebSocket, error: Error) -> Result<()> {
                O.ev("error", json!({"error": describe_error(&error)}));
                Ok(())
            }
        }
    }

    pub(crate) async fn client(c: Client) {
        let s = c.ws("c1", "a", "").await;
        for m in ["one", "throw", "two", "reject", "three"] {
            c.step(json!({"what": "send", "text": m}), async {
                s.frame(TEXT, m.as_bytes());
            })
            .await;
        }
        c.step("close(1000, 'throw')", async {
            s.close(Some(1000), "throw");
        })
        .await;
        let t = c.step("connect again", c.ws("c2", "a", "")).await;
        c.step("send 'four'", async { t.frame(TEXT, b"four") })
            .await;
    }
}

/// A hibernatable socket in a class without handlers for sockets.
pub(crate) mod handlers_missing {
    use super::{
        Client, DurableObject, Env, O, Request, Response, Result, State, TEXT, WebSocketPair,
        class, durable_object, has, json,
    };

    class! {
        Obj {}
        new(state) { O.ev("constructor", ()) }
        handlers {
            async fn fetch(&self, req: Request) -> Result<Response> {
                if has(&req, "list") {
                    O.ev("list", json!({"n": self.state.get_websockets().len()}));
                    return Response::ok("ok");
                }
                let WebSocketPair { client, server } = WebSocketPair::new()?;
                self.state.accept_web_socket(&server);
                server.send_with_str("welcome")?;
                Response::from_websocket(client)
            }
        }
    }

    pub(crate) async fn client(c: Client) {
        let s = c.step("connect", c.ws("c1", "a", "")).await;
        c.step("send 'one'", async { s.frame(TEXT, b"one") }).await;
        c.step("list", c.get("/o/a/?list")).await;
        c.step("close(1000, 'bye')", async { s.close(Some(1000), "bye") })
            .await;
        c.step("list", c.get("/o/a/?list")).await;
    }
}

/// An abort with open sockets of both kinds: what the clients see; the next instance has no sockets.
pub(crate) mod abort_closes_sockets {
    use super::{
        Client, DurableObject, Env, Error, O, Request, Response, Result, State, WebSocket,
        WebSocketPair, class, describe_error, durable_object, has, json,
    };

    class! {
        Obj {}
        new(state) { O.ev("constructor", json!({"sockets": state.get_websockets().len()})) }
        handlers {
            async fn fetch(&self, req: Request) -> Result<Response> {
                if has(&req, "die") {
                    O.ev("die", ());
                    self.state.abort(Some("gone")).await;
                }
                if has(&req, "list") {
                    return Response::ok("ok");
                }
                let WebSocketPair { client, server } = WebSocketPair::new()?;
                if has(&req, "std") {
                    server.accept()?;
                } else {
                    self.state.accept_web_socket(&server);
                }
                Response::from_websocket(client)
            }

            async fn websocket_close(&self, _: WebSocket, code: usize, reason: String, was_clean: bool) -> Result<()> {
                O.ev("close", json!({"code": code, "reason": reason, "wasClean": was_clean}));
                Ok(())
            }

            async fn websocket_error(&self, _: WebSocket, error: Error) -> Result<()> {
                O.ev("error", json!({"error": describe_error(&error)}));
                Ok(())
            }
        }
    }

    pub(crate) async fn client(c: Client) {
        let _hibernatable = c
            .step("connect (acceptWebSocket)", c.ws("hibernatable", "a", ""))
            .await;
        let _standard = c
            .step("connect (accept)", c.ws("standard", "a", "?std"))
            .await;
        c.step_until_quiet("abort", 250, c.get("/o/a/?die")).await;
        c.step("list", c.get("/o/a/?list")).await;
    }
}

/// One message is sent on to every socket, including those closing.
pub(crate) mod broadcast {
    use super::{
        Client, DurableObject, Env, O, Request, Response, Result, State, TEXT, WebSocket,
        WebSocketIncomingMessage, WebSocketPair, class, durable_object, json, parameter, text,
    };

    class! {
        Obj {}
        new(state) {}
        handlers {
            async fn fetch(&self, req: Request) -> Result<Response> {
                let WebSocketPair { client, server } = WebSocketPair::new()?;
                self.state.accept_web_socket(&server);
                server.serialize_attachment(parameter(&req, "name"))?;
                Response::from_websocket(client)
            }

            async fn websocket_message(&self, ws: WebSocket, m: WebSocketIncomingMessage) -> Result<()> {
                let (from, m) = (name(&ws), text(m));
                for socket in self.state.get_websockets() {
                    socket.send_with_str(format!("{from}: {m}"))?;
                }
                Ok(())
            }

            async fn websocket_close(&self, ws: WebSocket, _: usize, _: String, _: bool) -> Result<()> {
                let from = name(&ws);
                for socket in self.state.get_websockets() {
                    if let Err(error) = socket.send_with_str(format!("{from} left")) {
                        O.ev("send failed", json!({"to": name(&socket), "message": error.message()}));
                    }
                }
                Ok(())
            }
        }
    }

    fn name(socket: &WebSocket) -> String {
        let name = socket.deserialize_attachment().expect("it is a string");
        name.expect("it was set")
    }

    pub(crate) async fn client(c: Client) {
        let ann = c.ws("ann", "a", "?name=ann").await;
        let bob = c.ws("bob", "a", "?name=bob").await;
        let cat = c.ws("cat", "a", "?name=cat").await;
        c.step("ann sends 'hi'", async { ann.frame(TEXT, b"hi") })
            .await;
        c.step("bob closes", async { bob.close(Some(1000), "") })
            .await;
        c.step("cat sends 'bye'", async { cat.frame(TEXT, b"bye") })
            .await;
    }
}

/// The alarm sends to every socket.
pub(crate) mod broadcast_from_alarm {
    use super::*;

    class! {
        Obj {}
        new(state) {}
        handlers {
            async fn fetch(&self, _: Request) -> Result<Response> {
                accepted(&self.state)
            }

            async fn websocket_message(&self, _: WebSocket, _: WebSocketIncomingMessage) -> Result<()> {
                self.state.storage().set_alarm(0).await
            }

            async fn alarm(&self) -> Result<Response> {
                let all = self.state.get_websockets();
                O.ev("alarm", json!({"sockets": all.len()}));
                for (i, socket) in all.iter().enumerate() {
                    socket.send_with_str(format!("alarm {i}"))?;
                }
                Response::empty()
            }
        }
    }

    pub(crate) async fn client(c: Client) {
        let a = c.ws("c1", "a", "").await;
        let _b = c.ws("c2", "a", "").await;
        c.step_until_quiet("c1 sends 'arm'", 200, async { a.frame(TEXT, b"arm") })
            .await;
    }
}
