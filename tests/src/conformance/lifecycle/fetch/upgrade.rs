//! WebSocket upgrades between worker and object: 101 with a socket, a socket without the header, 101 without a socket, a socket with another
//! status.

use dormouse::{Headers, Method, RequestInit, ResponseBody};

use crate::conformance::lifecycle::prelude::*;

class! {
    Obj {}
    new(state) {}
    handlers {
        async fn fetch(&self, req: Request) -> Result<Response> {
            O.ev("fetch", json!({"upgrade": req.headers().get("upgrade")?}));
            let WebSocketPair { client, server } = WebSocketPair::new()?;
            match &*req.path() {
                "/ok" => {
                    server.accept()?;
                    self.state.wait_until(echo_all(server));
                    Response::from_websocket(client)
                }
                "/headers" => {
                    server.accept()?;
                    let response = Response::from_websocket(client)?;
                    response.headers().set("x-a", "1")?;
                    response.headers().set("Sec-WebSocket-Protocol", "chat")?;
                    Ok(response)
                }
                "/200" => {
                    server.accept()?;
                    Ok(Response::ok("not upgraded")?.with_websocket(Some(client)))
                }
                "/no-socket" => Ok(Response::empty()?.with_status(101)),
                "/body" => {
                    server.accept()?;
                    let body = Response::from_body(ResponseBody::Body(b"body".to_vec()))?;
                    Ok(body.with_status(101).with_websocket(Some(client)))
                }
                "/refuse" => {
                    let refused = Response::builder().with_status(426).with_header("content-type", "text/plain;charset=UTF-8")?;
                    Ok(refused.fixed(b"refused".to_vec()))
                }
                "/unaccepted" => Response::from_websocket(client),
                "/both-used" => {
                    client.accept()?;
                    Response::from_websocket(client)
                }
                other => unreachable!("{other}"),
            }
        }
    }
}

async fn echo_all(server: WebSocket) {
    let mut events = server.events().expect("it is accepted");
    while let Some(Ok(WebsocketEvent::Message(message))) = events.next().await {
        let text = message.text().unwrap_or_default();
        server
            .send_with_str(format!("echo {text}"))
            .expect("it is open");
    }
}

async fn upgraded(stub: &dormouse::Stub, path: &str) -> Result<Response> {
    let headers = Headers::new();
    headers.set("Upgrade", "websocket")?;
    let mut init = RequestInit::new();
    init.with_headers(headers);
    stub.fetch_with_request(Request::new_with_init(&format!("http://x{path}"), &init)?)
        .await
}

pub(crate) async fn worker(env: Worker) {
    let stub = env.plain("OBJ", "a");
    for p in [
        "/ok",
        "/headers",
        "/200",
        "/no-socket",
        "/body",
        "/refuse",
        "/unaccepted",
        "/both-used",
    ] {
        let seen = async {
            let r = upgraded(&stub, p).await?;
            let headers: Vec<_> = r.headers().entries().collect();
            let (status, socket) = (r.status_code(), r.websocket());
            let state = socket.as_ref().map(|socket| socket.ready_state() as u8);
            let mut seen = literal(
                json!({"status": status, "webSocket": socket.map(|_| "object"), "headers": headers}),
            );
            if let Value::Object(fields) = &mut seen {
                fields.push(("readyState".to_owned(), state.into()));
            }
            Ok(seen)
        };
        W.attempt(&format!("upgrade {p}"), seen).await;
    }
    let plain = async {
        let r = stub
            .fetch_with_request(Request::new("http://x/ok", Method::Get)?)
            .await?;
        Ok(r.status_code())
    };
    W.attempt("no upgrade header /ok", plain).await;
    let plain = async {
        Ok(stub
            .fetch_with_str("http://x/no-socket")
            .await?
            .status_code())
    };
    W.attempt("no upgrade header /no-socket", plain).await;
    let talk = async {
        let ws = upgraded(&stub, "/ok")
            .await?
            .websocket()
            .expect("it is upgraded");
        ws.accept()?;
        ws.send_with_str("hi")?;
        let event = ws.events()?.next().await;
        match event {
            Some(Ok(WebsocketEvent::Message(message))) => Ok(message.text()),
            other => panic!("the object echoes: {other:?}"),
        }
    };
    W.attempt("talk", talk).await;
}
