//! A whiteboard for those who stand before it: when the last of them has gone it is wiped.

use dormouse::{
    DurableObject, Env, ReadyState, Request, Response, Result, State, Storage, WebSocket,
    WebSocketIncomingMessage, WebSocketPair, durable_object, rpc,
};

const STROKES: &str = "strokes";

fn enter(state: &State) -> Result<Response> {
    let WebSocketPair { client, server } = WebSocketPair::new()?;
    state.accept_web_socket(&server);
    Response::from_websocket(client)
}

async fn strokes(storage: &Storage) -> Result<u32> {
    Ok(storage.get(STROKES).await?.unwrap_or(0))
}

/// Adds a stroke, and tells who drew it how many there are now.
async fn draw(storage: &Storage, artist: &WebSocket) -> Result<()> {
    let strokes = strokes(storage).await? + 1;
    storage.put(STROKES, strokes).await?;
    artist.send(&strokes)
}

/// Wipes it if nobody is left, and answers the Close.
async fn leave(storage: &Storage, leaving: &WebSocket, is_last: bool) -> Result<()> {
    if is_last {
        storage.delete_all().await?;
    }
    leaving.close(Some(1000), Some("goodbye"))
}

/// Counts those whose sockets are open.
#[durable_object]
#[derive(Debug)]
pub struct Whiteboard {
    state: State,
}

impl DurableObject for Whiteboard {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, _request: Request) -> Result<Response> {
        enter(&self.state)
    }

    async fn websocket_message(
        &self,
        ws: WebSocket,
        _message: WebSocketIncomingMessage,
    ) -> Result<()> {
        draw(&self.state.storage(), &ws).await
    }

    async fn websocket_close(
        &self,
        ws: WebSocket,
        _code: usize,
        _reason: String,
        _was_clean: bool,
    ) -> Result<()> {
        let present = self.state.get_websockets();
        let is_last = !present
            .iter()
            .any(|socket| socket.ready_state() == ReadyState::Open);
        leave(&self.state.storage(), &ws, is_last).await
    }
}

#[rpc]
impl Whiteboard {
    /// How many strokes are on it.
    pub async fn strokes(&self) -> Result<u32> {
        strokes(&self.state.storage()).await
    }
}

/// Faulty: counts every socket that it is given, also the one whose Close it is just being told.
#[durable_object]
#[derive(Debug)]
pub struct HauntedWhiteboard {
    state: State,
}

impl DurableObject for HauntedWhiteboard {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, _request: Request) -> Result<Response> {
        enter(&self.state)
    }

    async fn websocket_message(
        &self,
        ws: WebSocket,
        _message: WebSocketIncomingMessage,
    ) -> Result<()> {
        draw(&self.state.storage(), &ws).await
    }

    async fn websocket_close(
        &self,
        ws: WebSocket,
        _code: usize,
        _reason: String,
        _was_clean: bool,
    ) -> Result<()> {
        let is_last = self.state.get_websockets().is_empty();
        leave(&self.state.storage(), &ws, is_last).await
    }
}

#[rpc]
impl HauntedWhiteboard {
    /// How many strokes are on it.
    pub async fn strokes(&self) -> Result<u32> {
        strokes(&self.state.storage()).await
    }
}
