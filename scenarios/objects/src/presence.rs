//! Who is online: everybody who was seen within the last minute, in key-value storage.
//!
//! Nobody needs to sweep out those who left: whoever is told who is online looks at the times. So between two calls there is nothing to do, and
//! the object sleeps.

use dormouse::{
    Date, DurableObject, Env, ListOptions, Method, Request, Response, Result, State,
    durable_object, rpc,
};

/// For how long somebody counts as online after he was seen, in milliseconds.
pub const ONLINE_MILLIS: u64 = 60_000;

/// Knows who is online.
#[durable_object]
#[derive(Debug)]
pub struct Presence {
    state: State,
}

impl DurableObject for Presence {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    /// `POST /seen/<user>` and `GET /online`.
    async fn fetch(&self, request: Request) -> Result<Response> {
        let path = request.path();
        match (request.method(), path.split_once("/seen/")) {
            (Method::Post, Some(("", user))) if !user.is_empty() => {
                self.seen(user.to_owned()).await?;
                Response::ok("")
            }
            (Method::Get, None) if path == "/online" => Response::from_json(&self.online().await?),
            _ => Response::error("Not found: try POST /seen/ann or GET /online\n", 404),
        }
    }
}

#[rpc]
impl Presence {
    /// `user` is here right now.
    pub async fn seen(&self, user: String) -> Result<()> {
        let now = Date::now().as_millis();
        self.state.storage().put(&format!("seen:{user}"), now).await
    }

    /// Who was seen within the last minute, in alphabetical order.
    pub async fn online(&self) -> Result<Vec<String>> {
        let now = Date::now().as_millis();
        let everybody = ListOptions::new().prefix("seen:");
        let seen: Vec<(String, u64)> = self.state.storage().list_as(everybody).await?;
        let online = seen
            .into_iter()
            .filter(|(_, at)| now.saturating_sub(*at) < ONLINE_MILLIS);
        Ok(online
            .map(|(key, _)| key["seen:".len()..].to_owned())
            .collect())
    }
}
