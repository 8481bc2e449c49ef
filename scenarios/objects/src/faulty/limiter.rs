//! A rate limiter that forgets.

use std::cell::RefCell;

use dormouse::{Date, DurableObject, Env, Result, State, durable_object, rpc};

/// Keeps the requests in memory only: they are of no interest for long.
///
/// *Symptom:* more requests pass than the limit allows. *Cause:* an object that has nothing to do for ten seconds hibernates, well within a window of a minute. *Fix:*
/// store them.
#[durable_object]
#[derive(Debug)]
pub struct MemoryLimiter {
    requests: RefCell<Vec<u64>>,
}

impl DurableObject for MemoryLimiter {
    fn new(_state: State, _env: Env) -> Self {
        Self {
            requests: RefCell::default(),
        }
    }
}

#[rpc]
impl MemoryLimiter {
    /// Whether one more request is within `limit` in any `window` milliseconds; if it is, it counts.
    pub async fn check_limit(&self, limit: u64, window: u64) -> Result<bool> {
        let now = Date::now().as_millis();
        let mut requests = self.requests.borrow_mut();
        requests.retain(|&at| now.saturating_sub(at) < window);
        let allowed = (requests.len() as u64) < limit;
        if allowed {
            requests.push(now);
        }
        Ok(allowed)
    }
}
