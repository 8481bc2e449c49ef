//! A user's session: values that expire, in a table.
//!
//! What has expired is not served. It is removed when somebody asks for it, and else by an alarm, which is always that of the first value to expire.

use dormouse::{
    Date, DurableObject, Env, Method, Request, Response, Result, SqlStorage, State,
    assert::sometimes, durable_object, rpc,
};
use serde::Deserialize;

use crate::reminders::set_alarm_at;

/// Keeps values until they expire.
#[durable_object(alarm)]
#[derive(Debug)]
pub struct UserSession {
    state: State,
    sql: SqlStorage,
}

#[derive(Deserialize)]
struct Query {
    key: String,
    #[serde(default)]
    value: String,
    ttl: Option<u64>,
}

#[derive(Deserialize)]
struct Row {
    value: String,
    expires_at: Option<i64>,
}

/// Makes the table, if it is not there.
pub(crate) fn create_table(sql: &SqlStorage) {
    let created = sql.exec(
        "CREATE TABLE IF NOT EXISTS session (
            key TEXT PRIMARY KEY,
            value TEXT NOT NULL,
            expires_at INTEGER
        )",
        None,
    );
    created.expect("the statement is right; a broken storage fails the constructor");
}

/// The value of `key`, unless it has expired.
pub(crate) fn read(sql: &SqlStorage, key: &str) -> Result<Option<String>> {
    let rows = sql.exec(
        "SELECT value, expires_at FROM session WHERE key = ?",
        vec![key.into()],
    )?;
    let Some(Row { value, expires_at }) = rows.to_array::<Row>()?.into_iter().next() else {
        return Ok(None);
    };
    let has_expired = expires_at.is_some_and(|at| at <= now());
    sometimes!(has_expired, "somebody asks for what has expired");
    if has_expired {
        sql.exec("DELETE FROM session WHERE key = ?", vec![key.into()])?;
        return Ok(None);
    }
    Ok(Some(value))
}

/// Removes what has expired.
pub(crate) fn remove_expired(sql: &SqlStorage) -> Result<()> {
    sql.exec(
        "DELETE FROM session WHERE expires_at <= ?",
        vec![now().into()],
    )?;
    Ok(())
}

#[derive(Deserialize)]
struct Expiry {
    at: Option<i64>,
}

/// When the first value expires, if any does.
pub(crate) fn first_expiry(sql: &SqlStorage) -> Result<Option<i64>> {
    let first = sql.exec("SELECT min(expires_at) AS at FROM session", None)?;
    Ok(first.one::<Expiry>()?.at)
}

#[derive(Deserialize)]
struct Key {
    key: String,
}

/// The keys under which something is stored, expired or not.
pub(crate) fn keys(sql: &SqlStorage) -> Result<Vec<String>> {
    let rows = sql.exec("SELECT key FROM session ORDER BY key", None)?;
    let rows = rows.to_array::<Key>()?;
    Ok(rows.into_iter().map(|row| row.key).collect())
}

/// Milliseconds since the epoch, as a number that SQL takes.
pub(crate) fn now() -> i64 {
    i64::try_from(Date::now().as_millis()).expect("the present fits")
}

impl DurableObject for UserSession {
    fn new(state: State, _env: Env) -> Self {
        let sql = state.storage().sql();
        create_table(&sql);
        Self { state, sql }
    }

    async fn alarm(&self) -> Result<Response> {
        remove_expired(&self.sql)?;
        self.wait_for_the_next().await?;
        Response::empty()
    }

    /// `POST /set?key=k&value=v&ttl=ms` and `GET /get?key=k`.
    async fn fetch(&self, request: Request) -> Result<Response> {
        match (request.method(), request.path().as_str()) {
            (Method::Post, "/set") => {
                let Query { key, value, ttl } = request.query()?;
                self.set(key, value, ttl).await?;
                Response::empty()
            }
            (Method::Get, "/get") => {
                let Query { key, .. } = request.query()?;
                match self.get(key).await? {
                    Some(value) => Response::ok(format!("{value}\n")),
                    None => Response::error("No such key\n", 404),
                }
            }
            _ => Response::error(
                "Not found: try POST /set?key=k&value=v&ttl=60000 or GET /get?key=k\n",
                404,
            ),
        }
    }
}

impl UserSession {
    /// Sets the alarm for the first value to expire.
    async fn wait_for_the_next(&self) -> Result<()> {
        match first_expiry(&self.sql)? {
            Some(at) => set_alarm_at(&self.state.storage(), at).await,
            None => Ok(()),
        }
    }
}

#[rpc]
impl UserSession {
    /// Stores `value`, for `ttl` milliseconds or for good.
    pub async fn set(&self, key: String, value: String, ttl: Option<u64>) -> Result<()> {
        let expires_at = ttl.map(|ttl| now() + i64::try_from(ttl).unwrap_or(i64::MAX / 2));
        self.sql.exec(
            "INSERT OR REPLACE INTO session (key, value, expires_at) VALUES (?, ?, ?)",
            vec![key.into(), value.into(), expires_at.into()],
        )?;
        self.wait_for_the_next().await
    }

    /// The keys under which something is stored, expired or not.
    pub async fn stored(&self) -> Result<Vec<String>> {
        keys(&self.sql)
    }

    /// The value of `key`, if there is one that has not expired.
    pub async fn get(&self, key: String) -> Result<Option<String>> {
        read(&self.sql, &key)
    }
}
