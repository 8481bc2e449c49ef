//! What every twin uses.

pub(super) use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

pub(super) use dormouse::{
    DurableObject, Env, Error, ListOptions, Request, Response, Result, State, Storage, Value, durable_object, rpc,
};
pub(super) use futures_util::{
    FutureExt as _,
    future::{join, join3, join_all},
};
pub(super) use serde_json::{Value as Json, json};

pub(super) use super::{
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
