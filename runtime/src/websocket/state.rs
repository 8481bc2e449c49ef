//! What an object asks of its sockets.
//!
//! The functions of workers-rs give no `Result`: what the original refuses is a panic there, and here. Beside each stands one that begins with
//! `try_` and tells.

use std::{rc::Rc, time::Duration};

use super::{
    WebSocket, WebSocketRequestResponsePair,
    connection::Role,
    hibernation::{Attached, HibernatableSockets},
};
use crate::{Date, Error, Result, State};

/// How long either text of an automatic answer may be, in bytes (W-10).
const AUTO_RESPONSE_BYTES_MAX: usize = 2048;

/// The longest time that an event of a socket may be given: a week (W-15).
const EVENT_TIMEOUT_MAX: Duration = Duration::from_hours(168);

/// # Panics
/// With the text of the refusal, as workers-rs does.
fn unwrap<T>(result: Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

impl State {
    /// Gives a socket to the node, which holds it while the object hibernates. Its events go to the object's handlers, one at a time in the order of arrival. It is
    /// in [`get_websockets`](Self::get_websockets), and can send, at once.
    ///
    /// # Panics
    /// If it is refused, with the text of [`try_accept_web_socket`](Self::try_accept_web_socket)'s error. A panic resets the object.
    pub fn accept_web_socket(&self, ws: &WebSocket) {
        unwrap(self.try_accept_web_socket(ws));
    }

    /// Gives a socket to the node, with up to ten tags of at most 256 bytes by which [`get_websockets_with_tag`](Self::get_websockets_with_tag) finds it.
    ///
    /// # Panics
    /// If it is refused, with the text of [`try_accept_websocket_with_tags`](Self::try_accept_websocket_with_tags)'s error. A panic resets the object.
    pub fn accept_websocket_with_tags(&self, ws: &WebSocket, tags: &[&str]) {
        unwrap(self.try_accept_websocket_with_tags(ws, tags));
    }

    /// [`accept_web_socket`](Self::accept_web_socket), for those who want to know.
    ///
    /// # Errors
    /// Those of [`try_accept_websocket_with_tags`](Self::try_accept_websocket_with_tags).
    pub fn try_accept_web_socket(&self, ws: &WebSocket) -> Result<()> {
        self.try_accept_websocket_with_tags(ws, &[])
    }

    /// [`accept_websocket_with_tags`](Self::accept_websocket_with_tags), for those who want to know.
    ///
    /// # Errors
    /// It was accepted before, its pair is in use, there are too many tags or too long ones, or the object has 32 768 sockets; with the
    /// original's texts, in this order (W-1).
    ///
    /// # Panics
    /// If the activation has ended; its code does not run any more then.
    pub fn try_accept_websocket_with_tags(&self, ws: &WebSocket, tags: &[&str]) -> Result<()> {
        let entry = Rc::clone(&self.activation().entry);
        entry.sockets_made().accept(&entry, ws, tags)
    }

    /// The sockets that the node holds for this object, the newest first. One that was closed is there until its last event was handled (W-4, W-5).
    ///
    /// # Panics
    /// If the activation has ended; its code does not run any more then.
    pub fn get_websockets(&self) -> Vec<WebSocket> {
        self.sockets()
            .map_or_else(Vec::new, |sockets| sockets.all())
    }

    /// Those of them that have this tag, the oldest first (W-4).
    ///
    /// # Panics
    /// If the activation has ended; its code does not run any more then.
    pub fn get_websockets_with_tag(&self, tag: &str) -> Vec<WebSocket> {
        self.sockets()
            .map_or_else(Vec::new, |sockets| sockets.with_tag(tag))
    }

    /// The tags of a socket, in the order in which they were given.
    ///
    /// # Panics
    /// If it is not held by the node for this object, with the text of [`try_get_tags`](Self::try_get_tags)'s error.
    pub fn get_tags(&self, websocket: &WebSocket) -> Vec<String> {
        unwrap(self.try_get_tags(websocket))
    }

    /// [`get_tags`](Self::get_tags), for those who want to know.
    ///
    /// # Errors
    /// The socket was not accepted with [`accept_web_socket`](Self::accept_web_socket), with the original's texts (W-7).
    pub fn try_get_tags(&self, websocket: &WebSocket) -> Result<Vec<String>> {
        let attached = held(websocket)?;
        Ok(attached
            .tags()
            .iter()
            .map(|tag| (**tag).to_owned())
            .collect())
    }

    /// From now on text that is equal to the pair's request is answered by its response, on every socket that the node holds for this object. The object is not
    /// woken for it, no handler runs, and the answer does not wait for writes (W-10, W-11).
    ///
    /// # Panics
    /// If either text is longer than 2048 bytes, with the text of
    /// [`try_set_websocket_auto_response`](Self::try_set_websocket_auto_response)'s error.
    pub fn set_websocket_auto_response(&self, pair: &WebSocketRequestResponsePair) {
        unwrap(self.try_set_websocket_auto_response(pair));
    }

    /// [`set_websocket_auto_response`](Self::set_websocket_auto_response), for those who want to know.
    ///
    /// # Errors
    /// `RangeError` if either text is longer than 2048 bytes (W-10).
    ///
    /// # Panics
    /// If the activation has ended; its code does not run any more then.
    pub fn try_set_websocket_auto_response(
        &self,
        pair: &WebSocketRequestResponsePair,
    ) -> Result<()> {
        for (what, text) in [("Request", pair.request()), ("Response", pair.response())] {
            let size = text.len();
            if size > AUTO_RESPONSE_BYTES_MAX {
                // Exact text of the original (api/actor-state.c++).
                return Err(Error::range_error(format!(
                    "{what} cannot be larger than {AUTO_RESPONSE_BYTES_MAX} bytes. A {} of size {size} was provided.",
                    what.to_lowercase()
                )));
            }
        }
        let sockets = self.activation().entry.sockets_made();
        sockets.set_auto_response(Some(pair.clone()));
        Ok(())
    }

    /// No message is answered by the node any more. The times of earlier answers stay.
    ///
    /// # Panics
    /// If the activation has ended; its code does not run any more then.
    pub fn unset_websocket_auto_response(&self) {
        if let Some(sockets) = self.sockets() {
            sockets.set_auto_response(None);
        }
    }

    /// What the node answers by itself, if anything.
    ///
    /// # Panics
    /// If the activation has ended; its code does not run any more then.
    pub fn get_websocket_auto_response(&self) -> Option<WebSocketRequestResponsePair> {
        let pair = self.sockets()?.auto_response()?;
        Some((*pair).clone())
    }

    /// When the node last answered a message of this socket by itself (W-12).
    pub fn get_websocket_auto_response_timestamp(&self, ws: &WebSocket) -> Option<Date> {
        let attached = held(ws).ok()?;
        attached.answered_at().map(Date::at)
    }

    /// How long an event of a socket may take from now on; without a limit, or with one of zero, as long as it likes. An event that takes longer resets the
    /// object (W-15, W-34).
    ///
    /// # Errors
    /// `Event timeout should not exceed 604800000 ms.`
    ///
    /// # Panics
    /// If the activation has ended; its code does not run any more then.
    pub fn set_hibernatable_websocket_event_timeout(&self, limit: Option<Duration>) -> Result<()> {
        let limit = limit.filter(|limit| !limit.is_zero());
        if limit.is_some_and(|limit| limit > EVENT_TIMEOUT_MAX) {
            // Exact text of the original (api/actor-state.c++).
            return Err(Error::from(format!(
                "Event timeout should not exceed {} ms.",
                EVENT_TIMEOUT_MAX.as_millis()
            )));
        }
        let sockets = match limit {
            Some(_) => Some(self.activation().entry.sockets_made()),
            None => self.sockets(), // nothing is made for a setting that is taken away (W-37)
        };
        if let Some(sockets) = sockets {
            sockets.set_event_timeout(limit);
        }
        Ok(())
    }

    /// How long an event of a socket may take, if there is a limit.
    ///
    /// # Panics
    /// If the activation has ended; its code does not run any more then.
    pub fn get_hibernatable_websocket_event_timeout(&self) -> Option<Duration> {
        self.sockets()?.event_timeout()
    }

    fn sockets(&self) -> Option<Rc<HibernatableSockets>> {
        self.activation().entry.sockets()
    }
}

/// The socket, as the node holds it.
fn held(socket: &WebSocket) -> Result<Rc<Attached>> {
    let (connection, at) = (socket.connection(), socket.at());
    if let Some(attached) = connection.attached(at) {
        return Ok(attached);
    }
    // Exact texts of the original (api/actor-state.c++).
    Err(Error::from(match &*connection.end(at).role.borrow() {
        Role::Fresh => {
            "you must call 'acceptWebSocket()' before attempting to access the tags of a WebSocket."
        }
        _ => "only hibernatable websockets can have tags.",
    }))
}
