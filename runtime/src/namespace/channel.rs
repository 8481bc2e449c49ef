//! The way from a stub to the node that hosts the object, and what breaks on it.
//!
//! A channel is a link and, at its far end, a session with the object. Calls made on one channel arrive in order. When the
//! connection is lost, or the object is reset, the channel stays broken: its calls fail with the same error for ever, and the caller makes a new stub
//! (ST-10, ST-11).

use std::{cell::RefCell, fmt, rc::Rc};

use super::id::RawId;
use crate::{
    Error, Result,
    alarm::Key,
    handler::{Invocation, Reply},
    mutation::Mutation,
    node::Session,
    platform::{Leg, Link, LocalBoxFuture, Lost},
};

/// Which object: its class and its id.
#[derive(Clone, Debug)]
pub struct ObjectAddress {
    pub(crate) class: Rc<str>,
    pub(crate) id: RawId,
    label: Rc<str>,
}

impl ObjectAddress {
    pub(crate) fn new(class: Rc<str>, id: RawId) -> Self {
        let place = id
            .jurisdiction()
            .map(|place| format!("@{}", place.as_str()))
            .unwrap_or_default();
        let label = match id.name() {
            Some(name) => format!("{class}/{name}{place}"),
            None => format!("{class}/{:.8}{place}", id.to_string()),
        };
        Self {
            class,
            id,
            label: label.into(),
        }
    }

    /// The same object, called otherwise: as those who know its name call it.
    pub(crate) fn called(mut self, label: Rc<str>) -> Self {
        self.label = label;
        self
    }

    /// Under which its alarm stands in the scheduler's index.
    pub(crate) fn alarm_key(&self) -> Key {
        Key {
            class: Rc::clone(&self.class),
            id: self.id.bytes(),
        }
    }

    /// How the object is called in traces: `Class/name`, or `Class/` and the first digits of its id.
    pub fn label(&self) -> &Rc<str> {
        &self.label
    }
}

/// The node at the far end, as callers see it. A node is its own host; a simulated client knows where the node is.
pub trait Host {
    /// A session with an object; `None` if no node is there to answer.
    fn session(&self, object: &ObjectAddress) -> Option<Session>;

    /// A link from a caller to an object.
    fn link(&self, from: &str, to: &ObjectAddress) -> Rc<dyn Link>;

    /// Runs a task of the caller beside him.
    fn spawn(&self, task: LocalBoxFuture<'static, ()>);

    /// Random bytes for the caller.
    fn fill_random(&self, bytes: &mut [u8]);
}

/// One stub's connection to its object.
pub(crate) struct Channel {
    host: Rc<dyn Host>,
    address: ObjectAddress,
    link: Rc<dyn Link>,
    session: RefCell<Option<Session>>,
    lost: RefCell<Option<Error>>,
}

impl Channel {
    pub(crate) fn new(host: Rc<dyn Host>, from: &str, address: ObjectAddress) -> Self {
        let link = host.link(from, &address);
        Self {
            host,
            address,
            link,
            session: RefCell::default(),
            lost: RefCell::default(),
        }
    }

    /// Delivers `invocation` and brings back the reply.
    ///
    /// # Errors
    /// The object's own error, the reason why it was reset, or a lost connection: then the invocation may have run or not.
    pub(crate) async fn call(&self, invocation: Invocation) -> Result<Reply> {
        if let Some(error) = &*self.lost.borrow() {
            return Err(error.clone());
        }
        self.link
            .carry(Leg::Call)
            .await
            .map_err(|Lost| self.lose())?;
        let opens = self.session.borrow().is_none();
        let session = self.session()?;
        if opens && Mutation::CallsOvertake.is_active() {
            let again = self.link.carry(Leg::Call).await;
            again.map_err(|Lost| self.lose())?;
        }
        let reply = session.receive(invocation).await;
        self.link
            .carry(Leg::Reply)
            .await
            .map_err(|Lost| self.lose())?;
        reply
    }

    fn session(&self) -> Result<Session> {
        if let Some(session) = &*self.session.borrow() {
            return Ok(session.clone());
        }
        let session = self
            .host
            .session(&self.address)
            .ok_or_else(|| self.lose())?;
        *self.session.borrow_mut() = Some(session.clone());
        Ok(session)
    }

    fn lose(&self) -> Error {
        self.lost
            .borrow_mut()
            .get_or_insert_with(Error::connection_lost)
            .clone()
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Channel").field(&self.address).finish()
    }
}
