//! A socket in the hands of a simulated client.

use std::{fmt, rc::Rc, time::Duration};

use dormouse::{Headers, Request, RequestInit, Result, WebSocket, WebsocketEvent, platform::Clock};
use futures_util::{
    StreamExt as _,
    future::{Either, select},
};

use crate::scenario::Client;

/// An open socket to an object. A clone is the same socket.
#[derive(Clone)]
pub struct ClientSocket {
    socket: WebSocket,
    clock: Rc<dyn Clock>,
}

/// What a client heard on a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
    /// The object sends no more, or the connection is gone: then the code is 1006.
    Closed {
        /// The code of the Close.
        code: u16,
        /// Its reason.
        reason: String,
    },
}

impl Client {
    /// Opens a socket to the object `name` behind `binding`, with a GET of `url`, such as `https://room/?username=ann`. It travels over a way of its own, which the
    /// faults of sockets can break.
    ///
    /// # Errors
    /// The call's, and that the object answered without a socket.
    ///
    /// # Panics
    /// If there is no such binding: a mistake in the scenario.
    pub async fn websocket(&self, binding: &str, name: &str, url: &str) -> Result<ClientSocket> {
        let headers = Headers::new();
        headers.set("Upgrade", "websocket")?;
        let mut init = RequestInit::new();
        init.with_headers(headers);
        let request = Request::new_with_init(url, &init)?;
        let namespace = self.env.durable_object(binding).unwrap_or_else(|error| {
            panic!("the scenario calls an object that it does not serve: {error}")
        });
        let response = namespace
            .get_by_name(name)?
            .fetch_with_request(request)
            .await?;
        let socket = response.websocket().ok_or("server did not accept")?;
        socket.accept()?;
        Ok(ClientSocket {
            socket,
            clock: Rc::clone(&self.platform.clock),
        })
    }

    /// Keeps a socket for this client's later steps, in place of the one that was kept before.
    pub fn keep(&self, socket: ClientSocket) {
        *self.kept.borrow_mut() = Some(socket);
    }

    /// The socket that an earlier step of this client kept.
    pub fn kept(&self) -> Option<ClientSocket> {
        self.kept.borrow().clone()
    }

    /// The kept socket, which is not kept any longer.
    pub fn take_kept(&self) -> Option<ClientSocket> {
        self.kept.take()
    }
}

impl ClientSocket {
    /// Sends text. If the connection is gone, nothing happens: [`next`](Self::next) tells.
    ///
    /// # Errors
    /// After [`close`](Self::close).
    pub fn send(&self, text: &str) -> Result<()> {
        self.socket.send_with_str(text)
    }

    /// Says that nothing more will be sent.
    ///
    /// # Errors
    /// The code or the reason may not be sent.
    pub fn close(&self, code: u16, reason: &str) -> Result<()> {
        self.socket.close(Some(code), Some(reason))
    }

    /// What comes next.
    ///
    /// # Panics
    /// After it was closed: nothing comes any more.
    pub async fn next(&self) -> Heard {
        let mut events = self.socket.events().expect("listening always works");
        match events.next().await {
            Some(Ok(WebsocketEvent::Message(message))) => match message.text() {
                Some(text) => Heard::Text(text),
                None => Heard::Binary(message.bytes().unwrap_or_default()),
            },
            Some(Ok(WebsocketEvent::Close(close))) => Heard::Closed {
                code: close.code(),
                reason: close.reason(),
            },
            Some(Err(error)) => Heard::Closed {
                code: 1002,
                reason: error.to_string(),
            },
            None => unreachable!("each call listens anew"),
        }
    }

    /// What comes next, if it comes in time.
    pub async fn next_within(&self, time: Duration) -> Option<Heard> {
        let limit = self.clock.sleep_until(self.clock.now() + time);
        match select(std::pin::pin!(self.next()), limit).await {
            Either::Left((heard, _)) => Some(heard),
            Either::Right(((), _)) => None,
        }
    }
}

impl fmt::Debug for ClientSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientSocket").field(&self.socket).finish()
    }
}
