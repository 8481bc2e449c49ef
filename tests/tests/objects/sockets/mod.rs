//! `WebSockets` of both kinds: an object that does with them what it is asked to, and its visitor.
//!
//! Where a test names a recording, what it expects is what the original did there.

mod memory;
mod talk;

use std::{cell::Cell, rc::Rc};

use dormouse::{
    Delay, DurableObject, Env, Error, Request, RequestInit, Response, Result, State, WebSocket,
    WebSocketIncomingMessage, WebSocketPair, WebSocketRequestResponsePair, WebsocketEvent,
    durable_object,
};
use futures_util::StreamExt as _;

use super::{Bench, count_build, error_of, ms, note, secs};

/// Does what its URL says with sockets of both kinds.
#[durable_object]
struct Switchboard {
    state: Rc<State>,
    handled: Cell<u32>,
}

impl DurableObject for Switchboard {
    fn new(state: State, _: Env) -> Self {
        let build = count_build();
        note(format!(
            "constructor {build}: {}",
            state.get_websockets().len()
        ));
        let this = Self {
            state: Rc::new(state),
            handled: Cell::new(0),
        };
        if build == 2 && this.state.id().name().as_deref() == Some("fails when woken") {
            for socket in this.state.get_websockets() {
                socket
                    .send_with_str("from a constructor that fails")
                    .expect("it is open");
            }
            panic!("second build fails");
        }
        this
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let path = request.path();
        let query = request.url()?.query().unwrap_or_default().to_owned();
        match path.as_str() {
            "/list" => {
                let names = |sockets: Vec<WebSocket>| -> Vec<String> {
                    sockets.iter().map(attachment).collect()
                };
                let (all, tagged) = (
                    self.state.get_websockets(),
                    self.state.get_websockets_with_tag("even"),
                );
                note(format!("all {:?}, even {:?}", names(all), names(tagged)));
                Response::empty()
            }
            "/abort" => {
                self.state.abort(Some("gone")).await;
                unreachable!("it does not go on")
            }
            "/misuse" => {
                self.misuse();
                Response::empty()
            }
            "/answer" => {
                let pair = WebSocketRequestResponsePair::new("ping", "pong")?;
                self.state.set_websocket_auto_response(&pair);
                Response::empty()
            }
            "/plain" => {
                let WebSocketPair { client, server } = WebSocketPair::new()?;
                server.accept()?;
                self.listen(server);
                Response::from_websocket(client)
            }
            "/unanswered" => {
                let WebSocketPair { client, .. } = WebSocketPair::new()?;
                Response::from_websocket(client)
            }
            "/ok" => {
                let WebSocketPair { client, server } = WebSocketPair::new()?;
                self.state.accept_web_socket(&server);
                Response::ok("not upgraded").map(|it| it.with_websocket(Some(client)))
            }
            "/limit" => {
                self.state
                    .set_hibernatable_websocket_event_timeout(Some(secs(5)))?;
                Response::empty()
            }
            _ => {
                let WebSocketPair { client, server } = WebSocketPair::new()?;
                let tags: Vec<_> = query.split(',').filter(|tag| !tag.is_empty()).collect();
                self.state.accept_websocket_with_tags(&server, &tags);
                server.serialize_attachment(path.trim_start_matches('/'))?;
                if path == "/welcomed" {
                    server.send_with_str("welcome")?;
                }
                Response::from_websocket(client)
            }
        }
    }

    async fn websocket_message(
        &self,
        ws: WebSocket,
        message: WebSocketIncomingMessage,
    ) -> Result<()> {
        let WebSocketIncomingMessage::String(text) = message else {
            note(format!("binary {message:?}"));
            let WebSocketIncomingMessage::Binary(bytes) = message else {
                unreachable!("there are two kinds")
            };
            return ws.send_with_bytes(bytes);
        };
        self.handled.set(self.handled.get() + 1);
        note(format!(
            "{} says {text} ({})",
            attachment(&ws),
            self.handled.get()
        ));
        match text.as_str() {
            "close" => {
                ws.close(Some(4000), Some("object closes"))?;
                note(format!(
                    "{:?}, listed {}",
                    ws.ready_state(),
                    self.state.get_websockets().len()
                ));
                note(error_of(ws.send_with_str("late")));
                ws.close(Some(4001), Some("again"))?;
                Delay::from(ms(50)).await;
                note(format!(
                    "{:?}, listed {}",
                    ws.ready_state(),
                    self.state.get_websockets().len()
                ));
                return Ok(());
            }
            "slow" => Delay::from(ms(60)).await,
            "endless" => Delay::from(secs(60)).await,
            "store" => {
                self.state.storage().put("stored", true).await?;
            }
            "fail" => return Err(Error::from("handler")),
            "all" => {
                for socket in self.state.get_websockets() {
                    socket.send_with_str(format!("{}: all", attachment(&ws)))?;
                }
            }
            _ => {}
        }
        note(format!("done with {text}"));
        ws.send_with_str(format!("echo {text}"))
    }

    async fn websocket_close(
        &self,
        ws: WebSocket,
        code: usize,
        reason: String,
        was_clean: bool,
    ) -> Result<()> {
        note(format!(
            "{} closes {code} '{reason}' {was_clean}, {:?}, listed {}",
            attachment(&ws),
            ws.ready_state(),
            self.state.get_websockets().len()
        ));
        if reason != "leave me" && was_clean && code != 1005 {
            ws.close(u16::try_from(code).ok(), Some("answered"))?;
        }
        Ok(())
    }

    async fn websocket_error(&self, ws: WebSocket, error: Error) -> Result<()> {
        note(format!("{} fails: {error}", attachment(&ws)));
        Ok(())
    }
}

fn attachment(socket: &WebSocket) -> String {
    let name = socket.deserialize_attachment::<String>();
    name.expect("it is a text").unwrap_or_default()
}

impl Switchboard {
    fn listen(&self, server: WebSocket) {
        self.state.wait_until(async move {
            let mut events = server.events().expect("it was accepted");
            while let Some(event) = events.next().await {
                match event {
                    Ok(WebsocketEvent::Message(message)) => {
                        let text = message.text().unwrap_or_default();
                        note(format!("heard {text}"));
                        server
                            .send_with_str(format!("echo {text}"))
                            .expect("it is open");
                    }
                    Ok(WebsocketEvent::Close(close)) => note(format!(
                        "closes {} '{}' {}, {:?}",
                        close.code(),
                        close.reason(),
                        close.was_clean(),
                        server.ready_state()
                    )),
                    Err(error) => note(format!("fails: {error}")),
                }
            }
        });
    }

    fn misuse(&self) {
        let pair = || WebSocketPair::new().expect("in an object's code");
        let state = &self.state;
        note(error_of(pair().server.send_with_str("x")));
        note(error_of(pair().server.close::<String>(Some(1000), None)));
        let socket = pair().server;
        assert_eq!((socket.accept(), socket.accept()), (Ok(()), Ok(())));
        note(error_of(state.try_accept_web_socket(&socket)));
        note(error_of(state.try_get_tags(&socket)));
        let both = pair();
        note(error_of(state.try_get_tags(&both.server)));
        state.accept_web_socket(&both.server);
        note(error_of(both.server.accept()));
        note(error_of(state.try_accept_web_socket(&both.server)));
        note(error_of(state.try_accept_web_socket(&both.client)));
        assert_eq!(both.client.accept(), Ok(()));
        let with_tags = |tags: &[&str]| {
            let pair = pair();
            let accepted = state.try_accept_websocket_with_tags(&pair.server, tags);
            accepted.map(|()| state.get_tags(&pair.server))
        };
        assert_eq!(
            with_tags(&["x", "y", "x"]),
            Ok(vec!["x".to_owned(), "y".to_owned()])
        );
        let many: Vec<_> = (0..10).map(|number| format!("t{number}")).collect();
        let mut many: Vec<_> = many.iter().map(String::as_str).collect();
        assert_eq!(with_tags(&many).map(|tags| tags.len()), Ok(10));
        many.push("t0");
        note(error_of(with_tags(&many)));
        assert_eq!(
            with_tags(&[&"\u{e9}".repeat(128)]).map(|tags| tags.len()),
            Ok(1)
        );
        let long = error_of(with_tags(&[&"\u{e9}".repeat(129)]));
        note(long.rsplit('"').next().expect("behind the tag"));
        for code in [999, 1004, 1005, 1006, 1015, 5000] {
            note(error_of(both.server.close::<String>(Some(code), None)));
        }
        note(error_of(
            both.server.close(Some(1000), Some("r".repeat(124))),
        ));
        assert_eq!(both.server.close(Some(1000), Some("r".repeat(123))), Ok(()));
        let pair = WebSocketRequestResponsePair::new(&"x".repeat(2049), "").expect("always");
        note(error_of(state.try_set_websocket_auto_response(&pair)));
        note(error_of(state.set_hibernatable_websocket_event_timeout(
            Some(ms(604_800_001)),
        )));
    }
}

/// The caller's end, which notes nothing by itself.
struct Client(WebSocket);

impl Client {
    async fn connect(bench: &Bench, name: &str, url: &str) -> Self {
        let response = ask(bench, name, url, true).await.expect("it is upgraded");
        assert_eq!(response.status_code(), 101);
        let socket = response.websocket().expect("it has a socket");
        socket.accept().expect("nobody else has it");
        Self(socket)
    }

    fn say(&self, text: &str) {
        self.0.send_with_str(text).expect("it is open");
    }

    /// The next message, or how it ended.
    async fn hear(&self) -> String {
        match self.0.events().expect("always").next().await {
            Some(Ok(WebsocketEvent::Message(message))) => message
                .text()
                .unwrap_or_else(|| format!("{:?}", message.bytes())),
            Some(Ok(WebsocketEvent::Close(close))) => {
                format!(
                    "closed {} '{}' {}",
                    close.code(),
                    close.reason(),
                    close.was_clean()
                )
            }
            Some(Err(error)) => format!("failed {error}"),
            None => unreachable!("a stream of its own for each event"),
        }
    }
}

async fn ask(bench: &Bench, name: &str, url: &str, upgrade: bool) -> Result<Response> {
    let mut init = RequestInit::new();
    if upgrade {
        let headers = dormouse::Headers::new();
        headers.set("Upgrade", "websocket").expect("a header");
        init.with_headers(headers);
    }
    let request = Request::new_with_init(&format!("https://object{url}"), &init)?;
    bench
        .plain::<Switchboard>(name)
        .fetch_with_request(request)
        .await
}
