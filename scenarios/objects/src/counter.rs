//! The first object that everybody writes: a number in storage.
//!
//! It is right although it reads, adds and writes without any lock: storage calls do not let other events in (the input gate), and the answer does not leave
//! before the write is durable (the output gate).

use dormouse::{DurableObject, Env, Method, Request, Response, Result, State, durable_object, rpc};

/// A number that goes up.
#[durable_object]
#[derive(Debug)]
pub struct Counter {
    state: State,
}

impl DurableObject for Counter {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    /// `POST /increment` and `GET /get` answer with the number.
    async fn fetch(&self, request: Request) -> Result<Response> {
        match (request.method(), request.path().as_str()) {
            (Method::Post, "/increment") => Response::ok(format!("{}\n", self.increment().await?)),
            (Method::Get, "/get") => Response::ok(format!("{}\n", self.get().await?)),
            _ => Response::error("Not found: try POST /increment or GET /get\n", 404),
        }
    }
}

#[rpc]
impl Counter {
    /// Adds one; returns the new number.
    pub async fn increment(&self) -> Result<u64> {
        let storage = self.state.storage();
        let value = storage.get::<u64>("value").await?.unwrap_or(0) + 1;
        storage.put("value", value).await?;
        Ok(value)
    }

    /// The number.
    pub async fn get(&self) -> Result<u64> {
        Ok(self.state.storage().get("value").await?.unwrap_or(0))
    }
}
