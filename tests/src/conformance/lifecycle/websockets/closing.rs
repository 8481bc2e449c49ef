//! Who closes how, and what the other side hears of it.

use crate::conformance::lifecycle::prelude::*;

/// Closes of every code, from the client.
macro_rules! client_closes {
    () => {
        pub(crate) async fn client(c: Client) {
            for (code, reason) in [
                (1000, "normal"),
                (1000, ""),
                (1001, "away"),
                (1008, "policy"),
                (1011, "internal"),
                (3000, "app"),
                (4000, ""),
                (4999, "last"),
            ] {
                let dash = if reason.is_empty() { "" } else { "-" };
                let s = c.ws(&format!("c{code}{dash}{reason}"), "a", "").await;
                c.step(json!({"what": "close", "code": code, "reason": reason}), async { s.close(Some(code), reason) }).await;
            }
            let s = c.ws("no-code", "a", "").await;
            c.step("close without a code", async { s.close(None, "") }).await;
        }
    };
}

/// The byte stream breaks, in three ways.
macro_rules! disconnects {
    () => {
        pub(crate) async fn client(c: Client) {
            let s1 = c.ws("destroyed", "a", "").await;
            let cut = async {
                s1.frame(TEXT, b"last words");
                c.sleep(30).await;
                s1.destroy();
            };
            c.step("send text, then cut the TCP connection (FIN)", cut)
                .await;
            let s2 = c.raw("reset", "a").await;
            c.step("reset the TCP connection (RST)", async { s2.destroy() })
                .await;
            let s3 = c.raw("half", "a").await;
            c.step("end the TCP stream without a close frame", s3.end())
                .await;
        }
    };
}

/// Accepts plainly, and logs and echoes what comes.
macro_rules! standard {
    () => {
        class! {
            Std {}
            new(state) {}
            handlers {
                async fn fetch(&self, _: Request) -> Result<Response> {
                    let WebSocketPair { client, server } = WebSocketPair::new()?;
                    server.accept()?;
                    self.state.wait_until(log_and_echo(server));
                    Response::from_websocket(client)
                }
            }
        }
    };
}

/// Accepts for hibernation, and logs and echoes what comes.
macro_rules! hibernatable {
    () => {
        class! {
            Hib {}
            new(state) { O.ev("constructor", ()) }
            handlers {
                async fn fetch(&self, _: Request) -> Result<Response> {
                    accepted(&self.state)
                }

                async fn websocket_message(&self, ws: WebSocket, m: WebSocketIncomingMessage) -> Result<()> {
                    O.ev("message", json!({"data": data(&m)}));
                    echo(&ws, m)
                }

                async fn websocket_close(&self, ws: WebSocket, code: usize, reason: String, was_clean: bool) -> Result<()> {
                    O.ev("close", json!({
                        "code": code, "reason": reason, "wasClean": was_clean, "readyState": ws.ready_state() as u8,
                    }));
                    Ok(())
                }

                async fn websocket_error(&self, _: WebSocket, error: Error) -> Result<()> {
                    O.ev("error", json!({"error": describe_error(&error)}));
                    Ok(())
                }
            }
        }
    };
}

pub(super) use {hibernatable, standard};

/// `addEventListener` for all three events, as the recorded `Std` has them.
pub(super) async fn log_and_echo(server: WebSocket) {
    let mut events = server.events().expect("it is accepted");
    while let Some(event) = events.next().await {
        match event {
            Ok(WebsocketEvent::Message(message)) => {
                let text = message.text().unwrap_or_default();
                O.ev("message", json!({"data": text}));
                server
                    .send_with_str(format!("echo {text}"))
                    .expect("it is open");
            }
            Ok(WebsocketEvent::Close(close)) => O.ev(
                "close",
                json!({
                    "code": close.code(), "reason": close.reason(), "wasClean": close.was_clean(),
                    "readyState": server.ready_state() as u8,
                }),
            ),
            Err(error) => O.ev(
                "error",
                json!({"message": error.message(), "error": describe_error(&error)}),
            ),
        }
    }
}

/// Close codes from the client on a plainly accepted socket: the event and the code the client gets back.
pub(crate) mod standard_client_closes {
    use super::{
        Client, DurableObject, Env, Request, Response, Result, State, WebSocketPair, class,
        durable_object, json, log_and_echo,
    };

    standard!();
    client_closes!();
}

/// Close codes from the client on a hibernatable socket.
pub(crate) mod hibernatable_client_closes {
    use super::{
        Client, DurableObject, Env, Error, O, Request, Response, Result, State, WebSocket,
        WebSocketIncomingMessage, accepted, class, data, describe_error, durable_object, echo,
        json,
    };

    hibernatable!();
    client_closes!();
}

/// The client's connection breaks without a close frame: plainly accepted socket.
pub(crate) mod standard_disconnect {
    use super::{
        Client, DurableObject, Env, Request, Response, Result, State, TEXT, WebSocketPair, class,
        durable_object, log_and_echo,
    };

    standard!();
    disconnects!();
}

/// The client's connection breaks without a close frame: hibernatable socket.
pub(crate) mod hibernatable_disconnect {
    use super::{
        Client, DurableObject, Env, Error, O, Request, Response, Result, State, TEXT, WebSocket,
        WebSocketIncomingMessage, accepted, class, data, describe_error, durable_object, echo,
        json,
    };

    hibernatable!();
    disconnects!();
}

/// With `web_socket_manual_reply_to_close`, the handler answers with another code.
pub(crate) mod manual_reply_in_handler {
    use super::{
        Client, DurableObject, Env, O, Request, Response, Result, State, WebSocket, accepted,
        class, durable_object, json,
    };

    class! {
        Obj {}
        new(state) {}
        handlers {
            async fn fetch(&self, _: Request) -> Result<Response> {
                accepted(&self.state)
            }

            async fn websocket_close(&self, ws: WebSocket, code: usize, reason: String, was_clean: bool) -> Result<()> {
                O.ev("close", json!({
                    "code": code, "reason": reason, "wasClean": was_clean, "readyState": ws.ready_state() as u8,
                }));
                ws.close(Some(4001), Some("my answer"))?;
                O.ev("closed", json!({"readyState": ws.ready_state() as u8}));
                Ok(())
            }
        }
    }

    pub(crate) async fn client(c: Client) {
        let s = c.ws("c1", "a", "").await;
        c.step("close(4000, 'hi')", async { s.close(Some(4000), "hi") })
            .await;
    }
}

/// The client closes a hibernatable socket and the handler does not: what the client has got three seconds later.
pub(crate) mod hibernatable_unanswered_close {
    use super::{
        Client, DurableObject, Env, Error, O, Request, Response, Result, State, WebSocket,
        WebSocketIncomingMessage, accepted, class, data, describe_error, durable_object, echo,
        json,
    };

    hibernatable!();

    pub(crate) async fn client(c: Client) {
        let s = c.ws("c1", "a", "").await;
        c.step_until_quiet("close(4000, 'hi'), wait 3 s", 3000, async {
            s.close(Some(4000), "hi");
        })
        .await;
    }
}

/// The same, but the handler answers.
pub(crate) mod hibernatable_answered_close {
    use super::{
        Client, DurableObject, Env, O, Request, Response, Result, State, WebSocket, accepted,
        class, durable_object, json,
    };

    class! {
        Obj {}
        new(state) {}
        handlers {
            async fn fetch(&self, _: Request) -> Result<Response> {
                accepted(&self.state)
            }

            async fn websocket_close(&self, ws: WebSocket, code: usize, reason: String, was_clean: bool) -> Result<()> {
                O.ev("close", json!({
                    "code": code, "reason": reason, "wasClean": was_clean, "readyState": ws.ready_state() as u8,
                }));
                ws.close(u16::try_from(code).ok(), Some(reason))?;
                O.ev("answered", json!({"readyState": ws.ready_state() as u8}));
                Ok(())
            }
        }
    }

    pub(crate) async fn client(c: Client) {
        for (code, reason) in [(1000, "bye"), (4000, ""), (4999, "x")] {
            let s = c.ws(&format!("c{code}"), "a", "").await;
            c.step(
                json!({"what": "close", "code": code, "reason": reason}),
                async { s.close(Some(code), reason) },
            )
            .await;
        }
        let s = c.ws("no-code", "a", "").await;
        let what = "close without a code (the handler then calls close(1005), which throws)";
        c.step(what, async { s.close(None, "") }).await;
    }
}

/// Frames that break the WebSocket protocol, on hibernatable sockets.
pub(crate) mod hibernatable_protocol_errors {
    use super::{
        Client, DurableObject, Env, Error, O, Request, Response, Result, State, TEXT, WebSocket,
        WebSocketIncomingMessage, accepted, class, data, describe_error, durable_object, echo,
        json,
    };

    hibernatable!();

    pub(crate) async fn client(c: Client) {
        let frames: [(&str, u8, &[u8]); 12] = [
            ("close code 1005 on the wire", 8, &[0x03, 0xed]),
            ("close code 1006 on the wire", 8, &[0x03, 0xee]),
            ("close code 999 on the wire", 8, &[0x03, 0xe7]),
            ("close code 2999 on the wire", 8, &[0x0b, 0xb7]),
            ("close code 5000 on the wire", 8, &[0x13, 0x88]),
            ("close frame with one byte", 8, &[0x03]),
            ("close reason that is not UTF-8", 8, &[0x03, 0xe8, 0xff]),
            ("text that is not UTF-8", 1, &[0xff, 0xfe]),
            ("reserved opcode 3", 3, b"x"),
            ("continuation without a start", 0, b"x"),
            ("ping", 9, b"hello"),
            ("pong nobody asked for", 10, b"hello"),
        ];
        for (what, opcode, payload) in frames {
            let r = c.raw(what, "a").await;
            c.step(what, async { r.frame(opcode, payload) }).await;
            c.step(format!("{what}: cut the connection"), async { r.destroy() })
                .await;
        }
        let u = c.raw("unmasked", "a").await;
        c.step("unmasked text frame", async {
            u.unmasked_frame(TEXT, b"plain");
        })
        .await;
        c.step("unmasked: cut the connection", async { u.destroy() })
            .await;
    }
}

/// `close` called by the object with valid and invalid codes and reasons: the error, or what the client receives.
pub(crate) mod close_arguments {
    use super::*;

    class! {
        Obj {}
        new(state) {}
        handlers {
            async fn fetch(&self, req: Request) -> Result<Response> {
                let WebSocketPair { client, server } = WebSocketPair::new()?;
                self.state.accept_web_socket(&server);
                // The number of the case, where the recorded one has the arguments themselves.
                let case: usize = req.url()?.query().unwrap_or_default().parse().expect("a number");
                let (code, reason) = &cases()[case - 1];
                let args = args(*code, reason.as_deref());
                match server.close(*code, reason.as_deref()) {
                    Ok(()) => O.ev("closed", json!({"args": args, "readyState": server.ready_state() as u8})),
                    Err(error) => {
                        O.ev("threw", json!({"args": args, "error": describe_error(&error)}));
                        server.close(Some(1000), Some("after error"))?;
                    }
                }
                Response::from_websocket(client)
            }

            async fn websocket_close(&self, _: WebSocket, code: usize, reason: String, was_clean: bool) -> Result<()> {
                O.ev("close", json!({"code": code, "reason": reason, "wasClean": was_clean}));
                Ok(())
            }
        }
    }

    fn args(code: Option<u16>, reason: Option<&str>) -> Json {
        match (code, reason) {
            (None, _) => json!([]),
            (Some(code), None) => json!([code]),
            (Some(code), Some(reason)) => json!([code, reason]),
        }
    }

    /// All cases in their places; those that are not in Rust have a code that is not recorded.
    fn cases() -> Vec<(Option<u16>, Option<String>)> {
        let plain = |code| (Some(code), None);
        let with = |code, reason: &str| (Some(code), Some(reason.to_owned()));
        let mut cases = vec![(None, None), plain(1000), with(1000, "reason")];
        cases.extend(
            [
                1001, 1002, 1003, 1004, 1005, 1006, 1007, 1011, 1012, 1014, 1015, 1016, 2999, 3000,
            ]
            .map(plain),
        );
        cases.extend([
            with(3999, "x"),
            plain(4000),
            with(4999, "y"),
            plain(5000),
            plain(999),
            plain(0),
        ]);
        cases.extend([NOT_IN_RUST; 8].map(plain));
        cases.extend([with(1000, &"r".repeat(123)), with(1000, &"r".repeat(124))]);
        cases.extend([
            with(1000, &"\u{e9}".repeat(61)),
            with(1000, &"\u{e9}".repeat(62)),
        ]);
        cases
    }

    const NOT_IN_RUST: u16 = 1;

    pub(crate) async fn client(c: Client) {
        for (number, (code, reason)) in (1..).zip(cases()) {
            if code == Some(NOT_IN_RUST) {
                continue;
            }
            let what = json!({"what": "connect; the object closes with", "args": args(code, reason.as_deref())});
            c.step(
                what,
                c.ws(&format!("c{number:02}"), "a", &format!("?{number}")),
            )
            .await;
        }
    }
}
