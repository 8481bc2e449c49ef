//! Sockets of objects that take their time.

use std::time::Duration;

use dormouse::{
    Delay, DurableObject, Env, Request, Response, Result, State, WebSocket,
    WebSocketIncomingMessage, WebSocketPair, durable_object,
};
use dormouse_sim::{Client, Faults, Scenario, Suite, fault::SOCKET_POINTS};
use proptest::prelude::Just;

/// Thinks for a while about everything it hears.
#[durable_object]
struct SlowEcho {
    state: State,
}

impl DurableObject for SlowEcho {
    fn new(state: State, _: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, _: Request) -> Result<Response> {
        let WebSocketPair { client, server } = WebSocketPair::new()?;
        self.state.accept_web_socket(&server);
        Response::from_websocket(client)
    }

    async fn websocket_message(&self, ws: WebSocket, _: WebSocketIncomingMessage) -> Result<()> {
        Delay::from(Duration::from_millis(20)).await;
        ws.send_with_str("heard")
    }
}

/// Each call opens a socket, says something, and waits for the answer or for the end.
pub fn slow_echo() -> Suite {
    Scenario::new("slow_echo")
        .object::<SlowEcho>("ECHO")
        .workload(Just(()), 1..=10)
        .faults(Faults::all().and_sockets())
        .also_at(SOCKET_POINTS)
        .step(|client: Client, ()| async move {
            let socket = client.websocket("ECHO", "a", "https://echo/").await?;
            socket.send("hello")?;
            socket.next_within(Duration::from_secs(70)).await;
            socket.close(1000, "")
        })
        .into_suite()
}

/// Writes down what it hears, and says how much that is.
#[durable_object]
struct Stenographer {
    state: State,
}

impl DurableObject for Stenographer {
    fn new(state: State, _: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, _: Request) -> Result<Response> {
        let WebSocketPair { client, server } = WebSocketPair::new()?;
        self.state.accept_web_socket(&server);
        Response::from_websocket(client)
    }

    async fn websocket_message(&self, ws: WebSocket, _: WebSocketIncomingMessage) -> Result<()> {
        let storage = self.state.storage();
        let heard = storage.get::<u64>("heard").await?.unwrap_or(0) + 1;
        storage.put("heard", heard).await?;
        ws.send_with_str(heard.to_string())
    }
}

/// Each call opens a socket, says something, and waits until it is written down.
pub fn stenographer() -> Suite {
    Scenario::new("stenographer")
        .object::<Stenographer>("STENOGRAPHER")
        .workload(Just(()), 1..=4)
        .faults(Faults::all().and_sockets())
        .also_at(SOCKET_POINTS)
        .step(|client: Client, ()| async move {
            let url = "https://stenographer/";
            let socket = client.websocket("STENOGRAPHER", "a", url).await?;
            socket.send("hello")?;
            socket.next_within(Duration::from_secs(70)).await;
            socket.close(1000, "")
        })
        .into_suite()
}
