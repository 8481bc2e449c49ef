//! What happens on a socket, as code sees it that listens to it.
//!
//! In the original each event is a task of its own. A loop over an [`EventStream`] keeps that: in an object's code it gets at most one event in a turn, so that what it
//! writes for two messages is two commits, as there.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt,
    marker::PhantomData,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use futures_util::Stream;
use serde::de::DeserializeOwned;

use super::{WebSocket, deliver::NO_CODE};
use crate::{Error, Result, activation::turn::Turn};

/// A message, as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebSocketIncomingMessage {
    /// Text.
    String(String),
    /// Bytes.
    Binary(Vec<u8>),
}

/// What happened on a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebsocketEvent {
    /// A message came.
    Message(MessageEvent),
    /// The other end sends no more, or is gone.
    Close(CloseEvent),
}

/// A message came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageEvent(WebSocketIncomingMessage);

/// The other end sends no more, or is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseEvent {
    code: u16,
    reason: String,
    was_clean: bool,
}

impl MessageEvent {
    pub(super) fn new(message: WebSocketIncomingMessage) -> Self {
        Self(message)
    }

    /// The text, if it was one.
    pub fn text(&self) -> Option<String> {
        match &self.0 {
            WebSocketIncomingMessage::String(text) => Some(text.clone()),
            WebSocketIncomingMessage::Binary(_) => None,
        }
    }

    /// The bytes, if it was no text.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        match &self.0 {
            WebSocketIncomingMessage::String(_) => None,
            WebSocketIncomingMessage::Binary(bytes) => Some(bytes.clone()),
        }
    }

    /// The text, as JSON.
    ///
    /// # Errors
    /// `data of message event is not text`, or a `SyntaxError` if it is not JSON of that shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        // Exact text of workers-rs (src/websocket.rs).
        let text = self
            .text()
            .ok_or_else(|| Error::from("data of message event is not text"))?;
        Ok(serde_json::from_str(&text)?)
    }
}

impl CloseEvent {
    pub(super) fn new(code: u16, reason: String, was_clean: bool) -> Self {
        Self {
            code,
            reason,
            was_clean,
        }
    }

    /// A Close that came: one without a code counts as 1005 (W-26).
    pub(super) fn received(close: Option<(u16, String)>) -> Self {
        let (code, reason) = close.unwrap_or_else(|| (NO_CODE, String::new()));
        Self::new(code, reason, true)
    }

    /// The code: that of the Close, 1005 if it had none, 1006 if there was no Close.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Why.
    pub fn reason(&self) -> String {
        self.reason.clone()
    }

    /// A Close came; without one the connection was lost.
    pub fn was_clean(&self) -> bool {
        self.was_clean
    }
}

/// Who listens to an `accept()`ed socket.
#[derive(Default)]
pub(crate) struct Listeners {
    streams: RefCell<Vec<Rc<Queue>>>,
    /// What came before anybody listened: the first one gets it. (The original drops it.)
    before: Rc<Queue>,
}

#[derive(Default)]
struct Queue {
    events: RefCell<VecDeque<Result<WebsocketEvent>>>,
    bytes: Cell<usize>,
    waker: RefCell<Option<Waker>>,
}

impl Queue {
    fn push(&self, event: Result<WebsocketEvent>) {
        self.bytes.set(self.bytes.get() + bytes_of(&event));
        self.events.borrow_mut().push_back(event);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    fn pop(&self) -> Option<Result<WebsocketEvent>> {
        let event = self.events.borrow_mut().pop_front()?;
        self.bytes.set(self.bytes.get() - bytes_of(&event));
        Some(event)
    }
}

impl Listeners {
    pub(super) fn tell(&self, event: &Result<WebsocketEvent>) {
        let streams = self.streams.borrow();
        if streams.is_empty() {
            self.before.push(event.clone());
        }
        for stream in &*streams {
            stream.push(event.clone());
        }
    }

    fn listen(&self) -> Rc<Queue> {
        let queue = Rc::new(Queue::default());
        while let Some(event) = self.before.pop() {
            queue.push(event);
        }
        self.streams.borrow_mut().push(Rc::clone(&queue));
        queue
    }

    /// How many bytes the slowest of them has not read.
    pub(super) fn unread(&self) -> usize {
        let streams = self.streams.borrow();
        let most = streams.iter().map(|stream| stream.bytes.get()).max();
        most.unwrap_or_else(|| self.before.bytes.get())
    }
}

fn bytes_of(event: &Result<WebsocketEvent>) -> usize {
    match event {
        Ok(WebsocketEvent::Message(MessageEvent(WebSocketIncomingMessage::String(text)))) => {
            text.len()
        }
        Ok(WebsocketEvent::Message(MessageEvent(WebSocketIncomingMessage::Binary(bytes)))) => {
            bytes.len()
        }
        Ok(WebsocketEvent::Close(_)) | Err(_) => 0,
    }
}

/// The events of a socket, from [`WebSocket::events`]. It ends after a Close, or after the error that took the place of one.
///
/// Dropping it ends the listening and nothing else; what it did not take is there for the next one.
#[must_use = "it has to be polled, as a stream"]
pub struct EventStream<'ws> {
    queue: Rc<Queue>,
    listeners: Rc<Listeners>,
    ended: Cell<bool>,
    /// The turn that got the latest event.
    served: Cell<Option<u64>>,
    socket: PhantomData<&'ws WebSocket>,
}

impl EventStream<'_> {
    pub(super) fn new(listeners: Rc<Listeners>) -> Self {
        Self {
            queue: listeners.listen(),
            listeners,
            ended: Cell::new(false),
            served: Cell::new(None),
            socket: PhantomData,
        }
    }
}

impl Stream for EventStream<'_> {
    type Item = Result<WebsocketEvent>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended.get() {
            return Poll::Ready(None);
        }
        let turn = Turn::current().map(|turn| turn.activation.turn_number());
        if turn.is_some() && turn == self.served.get() {
            cx.waker().wake_by_ref(); // in a turn of its own
            return Poll::Pending;
        }
        let Some(event) = self.queue.pop() else {
            *self.queue.waker.borrow_mut() = Some(cx.waker().clone());
            return Poll::Pending;
        };
        self.served.set(turn);
        let is_last = !matches!(event, Ok(WebsocketEvent::Message(_)));
        self.ended.set(is_last);
        Poll::Ready(Some(event))
    }
}

impl Drop for EventStream<'_> {
    fn drop(&mut self) {
        let mut streams = self.listeners.streams.borrow_mut();
        streams.retain(|stream| !Rc::ptr_eq(stream, &self.queue));
        if streams.is_empty() {
            // What it has not taken is the next one's: a loop may listen anew for each event.
            while let Some(event) = self.queue.pop() {
                self.listeners.before.push(event);
            }
        }
    }
}

impl fmt::Debug for EventStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventStream")
    }
}
