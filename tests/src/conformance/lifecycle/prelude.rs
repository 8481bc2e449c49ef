//! What every twin uses.

pub(super) use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

pub(super) use dormouse::{
    AlarmInfo, Date, DurableObject, Env, Error, ListOptions, Request, Response, Result, State, Storage, Value, durable_object, rpc,
};
pub(super) use futures_util::{
    FutureExt as _,
    future::{join, join3, join_all},
};
pub(super) use serde_json::{Value as Json, json};

pub(super) use super::{
    class::class,
    client::Client,
    describe::{describe, hex},
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

/// A plain object, as JavaScript writes it: a map of Rust would be a `Map`.
pub(super) fn literal(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => value.into(),
        Json::Number(number) => number.as_f64().expect("a number of JavaScript").into(),
        Json::String(text) => text.into(),
        Json::Array(elements) => Value::Array(elements.into_iter().map(literal).collect()),
        Json::Object(fields) => Value::object(fields.into_iter().map(|(key, value)| (key, literal(value)))),
    }
}
