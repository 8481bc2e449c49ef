//! What every twin uses.

pub(super) use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

pub(super) use dormouse::{
    AlarmInfo, Date, DurableObject, Env, Error, ListOptions, Request, Response, Result, State,
    Storage, Value, WebSocket, WebSocketIncomingMessage, WebSocketPair,
    WebSocketRequestResponsePair, WebsocketEvent, durable_object, rpc,
};
pub(super) use futures_util::{
    FutureExt as _, StreamExt as _,
    future::{join, join_all, join3},
};
pub(super) use serde_json::{Value as Json, json};

pub(super) use super::{
    class::class,
    client::Client,
    describe::{describe, describe_error, hex},
    frames::{BINARY, TEXT},
    stage::{Worker, sleep, stub},
    tracer::{O, W, count},
    twin::{Twin, twin},
};

/// Starts a storage call and does not await it: a call does its work when it is first polled.
pub(super) fn not_awaited<T>(call: impl Future<Output = Result<T>>) {
    drop(call.now_or_never());
}

/// `[...(await storage.list()).keys()]`
pub(super) async fn keys(storage: &Storage) -> Result<Vec<String>> {
    let all = storage.list_as::<Value>(ListOptions::new()).await?;
    Ok(all.into_iter().map(|(key, _)| key).collect())
}

/// `Date.now()`, in an object
pub(super) fn now() -> i64 {
    i64::try_from(Date::now().as_millis()).expect("a date is far below 2^63")
}

/// `++this.n`
pub(super) fn next(n: &Cell<u32>) -> u32 {
    n.set(n.get() + 1);
    n.get()
}

/// `describe(info)`
pub(super) fn described(info: AlarmInfo) -> Json {
    json!({
        "$": "AlarmInvocationInfo",
        "scheduledTime": info.scheduled_time, "retryCount": info.retry_count, "isRetry": info.is_retry,
    })
}

/// `new URL(req.url).searchParams.get(name)`
pub(super) fn parameter(request: &Request, name: &str) -> Option<String> {
    let url = request.url().expect("a request has a URL");
    let mut pairs = url.query_pairs();
    let found = pairs.find(|(key, _)| key == name);
    found.map(|(_, value)| value.into_owned())
}

/// `new URL(req.url).searchParams.has(name)`
pub(super) fn has(request: &Request, name: &str) -> bool {
    parameter(request, name).is_some()
}

/// A new pair, its server half held by the node, its client half in a response.
pub(super) fn accepted(state: &State) -> Result<Response> {
    let WebSocketPair { client, server } = WebSocketPair::new()?;
    state.accept_web_socket(&server);
    Response::from_websocket(client)
}

/// `describe(message)`
pub(super) fn data(message: &WebSocketIncomingMessage) -> Json {
    match message {
        WebSocketIncomingMessage::String(text) => text.as_str().into(),
        WebSocketIncomingMessage::Binary(bytes) => describe(&bytes.as_slice().into()),
    }
}

/// The text of a message that is one.
pub(super) fn text(message: WebSocketIncomingMessage) -> String {
    match message {
        WebSocketIncomingMessage::String(text) => text,
        WebSocketIncomingMessage::Binary(bytes) => panic!("the clients send text: {bytes:?}"),
    }
}

/// Sends text back with `echo ` before it, bytes as they are.
pub(super) fn echo(socket: &WebSocket, message: WebSocketIncomingMessage) -> Result<()> {
    match message {
        WebSocketIncomingMessage::String(text) => socket.send_with_str(format!("echo {text}")),
        WebSocketIncomingMessage::Binary(bytes) => socket.send_with_bytes(bytes),
    }
}

/// Sends a message back.
pub(super) fn echo_as_it_is(socket: &WebSocket, message: WebSocketIncomingMessage) -> Result<()> {
    match message {
        WebSocketIncomingMessage::String(text) => socket.send_with_str(text),
        WebSocketIncomingMessage::Binary(bytes) => socket.send_with_bytes(bytes),
    }
}

/// `describe(ws.deserializeAttachment())`
pub(super) fn attachment(socket: &WebSocket) -> Json {
    let value: Option<Value> = socket.deserialize_attachment().expect("it is a value");
    describe(&value.unwrap_or(Value::Null))
}

/// A plain object, as JavaScript writes it: a map of Rust would be a `Map`.
pub(super) fn literal(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => value.into(),
        Json::Number(number) => number.as_f64().expect("a number of JavaScript").into(),
        Json::String(text) => text.into(),
        Json::Array(elements) => Value::Array(elements.into_iter().map(literal).collect()),
        Json::Object(fields) => {
            Value::object(fields.into_iter().map(|(key, value)| (key, literal(value))))
        }
    }
}
