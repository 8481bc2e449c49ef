//! The sockets that a node holds for an object, so that the object need not be in memory.
//!
//! They belong to the object's entry at the router and live as long as their connections, over any number of activations. What must be there when the object wakes
//! lies here, beside the socket: its tags, its attachment, when it was last answered by itself. What must be there for the answer to be given without
//! waking the object lies here, too. A reset of the object, of whatever kind, drops all of it (W-33, lifecycle 6.6).

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::{Rc, Weak},
    time::Duration,
};

use super::{
    WebSocket, WebSocketRequestResponsePair,
    attachment::fingerprint,
    connection::{Connection, Role, other},
};
use crate::{
    Error, Result,
    activation::Activation,
    instrument::point,
    node::Entry,
    platform::{SocketEnd, WallTime},
};

/// How many sockets an object may have (W-1).
pub(crate) const SOCKETS_MAX: usize = 32_768;

/// How many different tags a socket may have (W-1).
const TAGS_MAX: usize = 10;

/// How long a tag may be, in bytes of UTF-8 (W-1).
const TAG_BYTES_MAX: usize = 256;

/// The sockets of one object, and its settings for them.
#[derive(Default)]
pub(crate) struct HibernatableSockets {
    /// By the order in which they were accepted.
    all: RefCell<BTreeMap<u64, Rc<Attached>>>,
    /// The numbers of the sockets with a tag, ascending.
    by_tag: RefCell<BTreeMap<Rc<str>, Vec<u64>>>,
    accepted: Cell<u64>,
    auto_response: RefCell<Option<Rc<WebSocketRequestResponsePair>>>,
    event_timeout: Cell<Option<Duration>>,
}

/// One socket, as the node holds it.
pub(crate) struct Attached {
    entry: Weak<Entry>,
    label: Rc<str>,
    connection: Rc<Connection>,
    at: SocketEnd,
    /// Its place in the order of acceptance.
    number: u64,
    tags: Box<[Rc<str>]>,
    answered_at: Cell<Option<WallTime>>,
}

impl HibernatableSockets {
    /// Takes a socket from the object's code.
    ///
    /// # Errors
    /// With the original's texts, in the original's order (W-1).
    pub(super) fn accept(
        &self,
        entry: &Rc<Entry>,
        socket: &WebSocket,
        tags: &[&str],
    ) -> Result<()> {
        let (connection, at) = (socket.connection(), socket.at());
        let end = connection.end(at);
        // Exact texts of the original (api/actor-state.c++, io/legacy-hibernation-manager.c++, api/web-socket.c++).
        if !end.is_fresh() {
            return Err(Error::from(
                "Cannot call `acceptWebSocket()` if the WebSocket was already accepted via `accept()`",
            ));
        }
        let pair = connection.end(other(at));
        if !pair.is_fresh() || pair.was_handed_over() {
            return Err(Error::from(
                "Cannot call `acceptWebSocket()` on this WebSocket because its pair has already been accepted or used in a Response.",
            ));
        }
        let tags = checked_tags(tags)?;
        if self.all.borrow().len() >= SOCKETS_MAX {
            return Err(Error::from(format!(
                "only {SOCKETS_MAX} websockets can be accepted on a single Durable Object instance"
            )));
        }
        if !socket.is_holder() {
            return Err(Error::type_error(
                "Tried to make an api::WebSocket hibernatable when it was in an incompatible state.",
            ));
        }
        self.attach(entry, connection, at, &tags);
        Ok(())
    }

    fn attach(&self, entry: &Rc<Entry>, connection: &Rc<Connection>, at: SocketEnd, tags: &[&str]) {
        let number = self.accepted.get();
        self.accepted.set(number + 1);
        let mut by_tag = self.by_tag.borrow_mut();
        let tags = tags.iter().map(|&tag| {
            let shared = by_tag.get_key_value(tag).map(|(tag, _)| Rc::clone(tag));
            let tag = shared.unwrap_or_else(|| tag.into());
            by_tag.entry(Rc::clone(&tag)).or_default().push(number);
            tag
        });
        let attached = Rc::new(Attached {
            entry: Rc::downgrade(entry),
            label: Rc::clone(&entry.label),
            connection: Rc::clone(connection),
            at,
            number,
            tags: tags.collect(),
            answered_at: Cell::new(None),
        });
        point!(
            "socket_accept",
            object = attached.label(),
            socket = connection.number(),
            how = "hibernatable",
            attachment = connection.attachment_print(at),
            tags = attached.tags_print()
        );
        *connection.end(at).role.borrow_mut() = Role::Hibernatable(Rc::downgrade(&attached));
        let mut all = self.all.borrow_mut();
        if all.is_empty() {
            entry.stay_for_sockets();
        }
        all.insert(number, attached);
        connection.call(at);
    }

    /// The newest first (W-4).
    pub(super) fn all(&self) -> Vec<WebSocket> {
        let all = self.all.borrow();
        all.values()
            .rev()
            .map(|attached| attached.socket())
            .collect()
    }

    /// The oldest first (W-4).
    pub(super) fn with_tag(&self, tag: &str) -> Vec<WebSocket> {
        let (all, by_tag) = (self.all.borrow(), self.by_tag.borrow());
        let numbers = by_tag.get(tag).map_or(&[][..], Vec::as_slice);
        numbers.iter().map(|number| all[number].socket()).collect()
    }

    /// Breaks every connection: the object is being reset. Nobody at the object ever hears of it.
    pub(crate) fn drop_all(&self) {
        let all = self.all.take();
        self.by_tag.take();
        for attached in all.into_values() {
            point!(
                "socket_drop",
                object = attached.label(),
                socket = attached.connection.number()
            );
            attached.connection.cut(attached.at);
        }
    }

    /// Defect: what was kept beside the sockets goes with the memory of the object.
    pub(crate) fn forget_attachments(&self) {
        for attached in self.all.borrow().values() {
            attached.connection.end(attached.at).attachment.take();
        }
    }

    pub(super) fn auto_response(&self) -> Option<Rc<WebSocketRequestResponsePair>> {
        self.auto_response.borrow().clone()
    }

    pub(super) fn set_auto_response(&self, pair: Option<WebSocketRequestResponsePair>) {
        *self.auto_response.borrow_mut() = pair.map(Rc::new);
    }

    pub(super) fn event_timeout(&self) -> Option<Duration> {
        self.event_timeout.get()
    }

    pub(super) fn set_event_timeout(&self, limit: Option<Duration>) {
        self.event_timeout.set(limit);
    }
}

/// The tags without duplicates, in the order of their first occurrence.
fn checked_tags<'a>(tags: &[&'a str]) -> Result<Vec<&'a str>> {
    let mut distinct = Vec::with_capacity(tags.len().min(TAGS_MAX));
    for &tag in tags {
        // Looked at before the tag is known to be a new one, as in the original: an eleventh that repeats one fails as well.
        if distinct.len() >= TAGS_MAX {
            return Err(Error::from(format!(
                "a Hibernatable WebSocket cannot have more than {TAGS_MAX} tags"
            )));
        }
        if tag.len() > TAG_BYTES_MAX {
            return Err(Error::from(format!(
                "\"{tag}\" is longer than the max tag length ({TAG_BYTES_MAX} characters)."
            )));
        }
        if !distinct.contains(&tag) {
            distinct.push(tag);
        }
    }
    Ok(distinct)
}

impl Attached {
    fn socket(&self) -> WebSocket {
        WebSocket::of(&self.connection, self.at)
    }

    fn sockets(&self) -> Option<Rc<HibernatableSockets>> {
        self.entry.upgrade()?.sockets()
    }

    /// The object's, as in traces.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    pub(super) fn tags(&self) -> &[Rc<str>] {
        &self.tags
    }

    pub(super) fn tags_print(&self) -> u64 {
        fingerprint(self.tags.iter().flat_map(|tag| tag.bytes().chain([0])))
    }

    pub(super) fn answered_at(&self) -> Option<WallTime> {
        self.answered_at.get()
    }

    /// The activation of its object, if it is in memory.
    pub(super) fn activation(&self) -> Option<Rc<Activation>> {
        self.entry.upgrade()?.activation()
    }

    pub(super) fn is_in_memory(&self) -> bool {
        self.activation().is_some()
    }

    /// The activation of its object, started if there is none.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn wake(&self) -> Result<Rc<Activation>> {
        let entry = self.entry.upgrade().ok_or_else(Error::connection_lost)?;
        entry.in_memory()
    }

    pub(super) fn event_timeout(&self) -> Option<Duration> {
        self.sockets()?.event_timeout()
    }

    /// The answer to a message that is answered without the object (W-11).
    pub(super) fn automatic_answer(&self, text: &str) -> Option<String> {
        let pair = self.sockets()?.auto_response()?;
        if pair.request_text() != text {
            return None;
        }
        let entry = self.entry.upgrade()?;
        self.answered_at.set(Some(entry.wall()));
        if crate::Mutation::AutoResponseWakes.is_active()
            && let Ok(activation) = entry.in_memory()
        {
            activation.construct_once(); // the defect is that it is there at all
        }
        Some(pair.response())
    }

    /// Takes the socket from the object's lists. As long as `owner` lives, its code may still answer the Close.
    pub(super) fn detach(self: &Rc<Self>, owner: Weak<Activation>) {
        let Some(sockets) = self.sockets() else {
            return;
        };
        let (mut all, mut by_tag) = (sockets.all.borrow_mut(), sockets.by_tag.borrow_mut());
        if all.remove(&self.number).is_none() {
            return; // the object was reset meanwhile
        }
        for tag in &self.tags {
            if let Some(numbers) = by_tag.get_mut(tag) {
                numbers.retain(|&number| number != self.number);
                if numbers.is_empty() {
                    by_tag.remove(tag);
                }
            }
        }
        let was_last = all.is_empty();
        drop((all, by_tag));
        if let Some(activation) = owner.upgrade() {
            activation.answers_for(&self.connection, self.at);
        }
        *self.connection.end(self.at).role.borrow_mut() = Role::Released(owner);
        if was_last && let Some(entry) = self.entry.upgrade() {
            entry.go_without_sockets();
        }
    }
}

impl Connection {
    /// The socket at the end `at`, as the node holds it for its object.
    pub(super) fn attached(&self, at: SocketEnd) -> Option<Rc<Attached>> {
        match &*self.end(at).role.borrow() {
            Role::Hibernatable(attached) => attached.upgrade(),
            _ => None,
        }
    }
}
