//! A presence that never sleeps.

use std::{rc::Rc, time::Duration};

use dormouse::{
    Date, Delay, DurableObject, Env, ListOptions, Result, State, Storage, durable_object, rpc,
};

use crate::presence::ONLINE_MILLIS;

/// Sweeps those out who left, every half a minute, with a timer that it sets when it starts.
///
/// *Symptom:* none that a caller could see; the bill. The object never leaves memory, although nobody calls it. *Cause:* a pending timer keeps
/// its object in memory, and this one is always pending. *Fix:* look at the times when somebody asks, or sweep from an alarm, which does not keep an object in memory.
#[durable_object]
#[derive(Debug)]
pub struct TickingPresence {
    state: Rc<State>,
}

impl DurableObject for TickingPresence {
    fn new(state: State, _env: Env) -> Self {
        let storage = state.storage();
        state.wait_until(async move {
            loop {
                Delay::from(Duration::from_secs(30)).await;
                if sweep_out(&storage).await.is_err() {
                    return; // the object is being reset
                }
            }
        });
        Self {
            state: Rc::new(state),
        }
    }
}

async fn sweep_out(storage: &Storage) -> Result<()> {
    let now = Date::now().as_millis();
    let seen: Vec<(String, u64)> = storage.list_as(ListOptions::new().prefix("seen:")).await?;
    for (key, at) in seen {
        if now.saturating_sub(at) >= ONLINE_MILLIS {
            storage.delete(&key).await?;
        }
    }
    Ok(())
}

#[rpc]
impl TickingPresence {
    /// `user` is here right now.
    pub async fn seen(&self, user: String) -> Result<()> {
        let now = Date::now().as_millis();
        self.state.storage().put(&format!("seen:{user}"), now).await
    }

    /// Who was seen within the last minute, in alphabetical order.
    pub async fn online(&self) -> Result<Vec<String>> {
        let storage = self.state.storage();
        sweep_out(&storage).await?;
        let seen: Vec<(String, u64)> = storage.list_as(ListOptions::new().prefix("seen:")).await?;
        Ok(seen
            .into_iter()
            .map(|(key, _)| key["seen:".len()..].to_owned())
            .collect())
    }
}
