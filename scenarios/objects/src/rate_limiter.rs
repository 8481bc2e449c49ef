//! A rate limiter with a sliding window, in key-value storage.

use dormouse::{
    Date, DurableObject, Env, Method, Request, Response, Result, State, assert::sometimes,
    durable_object, rpc,
};
use serde::Deserialize;

/// Says no when there were too many requests of late.
#[durable_object]
#[derive(Debug)]
pub struct RateLimiter {
    state: State,
}

#[derive(Deserialize)]
struct Limits {
    limit: u64,
    window: u64,
}

impl DurableObject for RateLimiter {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    /// `POST /check?limit=n&window=ms`: 200 within the limit, else 429.
    async fn fetch(&self, request: Request) -> Result<Response> {
        match (request.method(), request.path().as_str()) {
            (Method::Post, "/check") => {
                let Limits { limit, window } = request.query()?;
                if self.check_limit(limit, window).await? {
                    Response::ok("allowed\n")
                } else {
                    Response::error("Rate limit exceeded\n", 429)
                }
            }
            _ => Response::error("Not found: try POST /check?limit=10&window=60000\n", 404),
        }
    }
}

#[rpc]
impl RateLimiter {
    /// Whether one more request is within `limit` in any `window` milliseconds; if it is, it counts.
    pub async fn check_limit(&self, limit: u64, window: u64) -> Result<bool> {
        let storage = self.state.storage();
        let now = Date::now().as_millis();
        let mut requests = storage
            .get::<Vec<u64>>("requests")
            .await?
            .unwrap_or_default();
        requests.retain(|&at| now.saturating_sub(at) < window);
        let is_full = requests.len() as u64 >= limit;
        sometimes!(is_full, "a request is refused");
        if is_full {
            return Ok(false);
        }
        requests.push(now);
        storage.put("requests", requests).await?;
        Ok(true)
    }
}
