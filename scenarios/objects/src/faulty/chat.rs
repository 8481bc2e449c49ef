//! A chat room that forgets who is there, and one that does not answer who leaves.

use dormouse::{
    DurableObject, Env, Error, Request, Response, Result, State, WebSocket,
    WebSocketIncomingMessage, durable_object,
};

use crate::chat_room::Visitors;

/// Keeps the list of visitors in memory only: every room begins empty.
///
/// *Symptom:* after a quiet minute nobody hears anything any more, although everybody is connected. *Cause:* the room hibernated; the sockets are still there, the list
/// is not. *Fix:* make the list from the sockets and their attachments when the room wakes.
#[durable_object]
#[derive(Debug)]
pub struct ForgetfulRoom {
    state: State,
    visitors: Visitors,
}

impl DurableObject for ForgetfulRoom {
    fn new(state: State, _env: Env) -> Self {
        Visitors::answer_pings(&state);
        Self {
            state,
            visitors: Visitors::default(),
        }
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

/// Lets a visitor out and does not close its own end of the socket.
///
/// *Symptom:* whoever leaves waits until his browser gives up. *Cause:* the handler tidies up and leaves the Close unanswered, and nobody else
/// answers it. *Fix:* close the socket in the handler.
#[durable_object]
#[derive(Debug)]
pub struct UnansweringRoom {
    state: State,
    visitors: Visitors,
}

impl DurableObject for UnansweringRoom {
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
        _code: usize,
        _reason: String,
        _was_clean: bool,
    ) -> Result<()> {
        self.visitors.forget(&ws)
    }

    async fn websocket_error(&self, ws: WebSocket, _error: Error) -> Result<()> {
        self.visitors.forget(&ws)
    }
}
