//! A chat room: everybody hears everything that is said, under the name of who said it, also if the room slept in between.
//!
//! Who is who lies in the sockets' attachments. The list in memory is made from them whenever the room wakes; it saves looking at them for each
//! message, and nothing depends on it.

use std::cell::RefCell;

use dormouse::{
    DurableObject, Env, Error, Request, Response, Result, State, WebSocket,
    WebSocketIncomingMessage, WebSocketPair, WebSocketRequestResponsePair, durable_object,
};
use serde::{Deserialize, Serialize};

/// A room.
#[durable_object]
#[derive(Debug)]
pub struct ChatRoom {
    state: State,
    visitors: Visitors,
}

/// What is known of a visitor: attached to his socket.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Visitor {
    username: String,
}

/// Who is there, for as long as the room is in memory.
#[derive(Debug, Default)]
pub(crate) struct Visitors(RefCell<Vec<(WebSocket, Visitor)>>);

#[derive(Deserialize)]
struct Chat {
    text: String,
}

#[derive(Serialize)]
struct Said<'a> {
    text: &'a str,
}

impl Visitors {
    /// Everybody whose socket the room holds.
    pub(crate) fn restored(state: &State) -> Self {
        let sockets = state.get_websockets().into_iter();
        let known = sockets.filter_map(|socket| {
            let visitor = socket.deserialize_attachment().ok().flatten();
            visitor.map(|visitor| (socket, visitor))
        });
        Self(RefCell::new(known.collect()))
    }

    /// Has the node answer pings: they need not wake the room.
    pub(crate) fn answer_pings(state: &State) {
        let pair = WebSocketRequestResponsePair::new("ping", "pong").expect("always");
        state.set_websocket_auto_response(&pair);
    }

    /// Answers a request for a socket, and lets the visitor in.
    pub(crate) fn enter(&self, state: &State, request: &Request) -> Result<Response> {
        let is_upgrade = request.headers().get("upgrade")?;
        if !is_upgrade.is_some_and(|value| value.eq_ignore_ascii_case("websocket")) {
            return Response::error("Expected websocket\n", 426);
        }
        let visitor = request.query::<Visitor>().unwrap_or_else(|_| Visitor {
            username: "Anonymous".to_owned(),
        });
        let WebSocketPair { client, server } = WebSocketPair::new()?;
        state.accept_web_socket(&server);
        server.serialize_attachment(&visitor)?;
        self.tell(&format!("{} joined", visitor.username))?;
        self.0.borrow_mut().push((server, visitor));
        Response::from_websocket(client)
    }

    /// Passes on what was said: `{"text": ".."}` becomes `{"text": "name: .."}`, to everybody.
    pub(crate) fn say(&self, from: &WebSocket, message: &WebSocketIncomingMessage) -> Result<()> {
        let WebSocketIncomingMessage::String(message) = message else {
            return Err(Error::from("only text is spoken here"));
        };
        let Chat { text } = serde_json::from_str(message)?;
        self.tell(&format!("{}: {text}", self.name_of(from)))
    }

    /// Lets a visitor out, and answers the Close, which nobody else does.
    pub(crate) fn leave(&self, socket: &WebSocket, code: usize) -> Result<()> {
        // The codes without a Close frame cannot be sent.
        let code = u16::try_from(code)
            .ok()
            .filter(|code| !matches!(code, 1005 | 1006));
        socket.close(code.or(Some(1000)), Some("goodbye"))?;
        self.forget(socket)
    }

    /// Lets a visitor out, and says so.
    pub(crate) fn forget(&self, socket: &WebSocket) -> Result<()> {
        let name = self.name_of(socket);
        self.0.borrow_mut().retain(|(other, _)| other != socket);
        self.tell(&format!("{name} left"))
    }

    fn name_of(&self, socket: &WebSocket) -> String {
        let visitors = self.0.borrow();
        let found = visitors.iter().find(|(other, _)| other == socket);
        found.map_or_else(
            || "undefined".to_owned(),
            |(_, visitor)| visitor.username.clone(),
        )
    }

    fn tell(&self, text: &str) -> Result<()> {
        for (socket, _) in &*self.0.borrow() {
            // Of one that is closing we are told in its own event.
            if socket.ready_state() == dormouse::ReadyState::Open {
                socket.send(&Said { text })?;
            }
        }
        Ok(())
    }
}

impl DurableObject for ChatRoom {
    fn new(state: State, _env: Env) -> Self {
        Visitors::answer_pings(&state);
        let visitors = Visitors::restored(&state);
        Self { state, visitors }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        self.visitors.enter(&self.state, &request)
    }

    async fn websocket_message(
        &self,
        ws: WebSocket,
        message: WebSocketIncomingMessage,
    ) -> Result<()> {
        self.visitors.say(&ws, &message)
    }

    async fn websocket_close(
        &self,
        ws: WebSocket,
        code: usize,
        _reason: String,
        _was_clean: bool,
    ) -> Result<()> {
        self.visitors.leave(&ws, code)
    }

    async fn websocket_error(&self, ws: WebSocket, _error: Error) -> Result<()> {
        self.visitors.leave(&ws, 1000)
    }
}
