//! A megaphone: whatever somebody sends, everybody gets, as it is.
//!
//! It keeps nothing, in memory or elsewhere: who is connected is asked when it matters.

use dormouse::{
    DurableObject, Env, Error, ReadyState, Request, Response, Result, State, WebSocket,
    WebSocketIncomingMessage, WebSocketPair, durable_object,
};

/// Sends on what it gets, to all who are connected.
#[durable_object]
#[derive(Debug)]
pub struct Megaphone {
    state: State,
}

impl DurableObject for Megaphone {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, _request: Request) -> Result<Response> {
        let WebSocketPair { client, server } = WebSocketPair::new()?;
        self.state.accept_web_socket(&server);
        Response::from_websocket(client)
    }

    async fn websocket_message(
        &self,
        _ws: WebSocket,
        message: WebSocketIncomingMessage,
    ) -> Result<()> {
        for socket in self.state.get_websockets() {
            if socket.ready_state() != ReadyState::Open {
                continue;
            }
            match &message {
                WebSocketIncomingMessage::String(text) => socket.send_with_str(text)?,
                WebSocketIncomingMessage::Binary(bytes) => socket.send_with_bytes(bytes)?,
            }
        }
        Ok(())
    }

    async fn websocket_close(
        &self,
        ws: WebSocket,
        _code: usize,
        _reason: String,
        _was_clean: bool,
    ) -> Result<()> {
        ws.close(Some(1000), Some("goodbye"))
    }

    async fn websocket_error(&self, _ws: WebSocket, _error: Error) -> Result<()> {
        Ok(()) // it was closed already
    }
}
