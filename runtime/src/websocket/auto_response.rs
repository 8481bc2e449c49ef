//! The one message that the node answers by itself.

/// A text and the text with which it is answered, without the object being woken; see
/// [`State::set_websocket_auto_response`](crate::State::set_websocket_auto_response).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketRequestResponsePair {
    request: String,
    response: String,
}

impl WebSocketRequestResponsePair {
    /// `request` is to be answered by `response`.
    ///
    /// # Errors
    /// None: how long they may be is checked when they are set.
    pub fn new(request: &str, response: &str) -> crate::Result<Self> {
        Ok(Self {
            request: request.to_owned(),
            response: response.to_owned(),
        })
    }

    /// What is answered: text that is equal to it, byte for byte.
    pub fn request(&self) -> String {
        self.request.clone()
    }

    /// The answer.
    pub fn response(&self) -> String {
        self.response.clone()
    }

    pub(super) fn request_text(&self) -> &str {
        &self.request
    }
}
