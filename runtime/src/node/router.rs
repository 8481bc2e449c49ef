//! The router: from an address to the one activation of that object.
//!
//! An *entry* stands for an object as long as somebody holds on to it: its activation, or a stub's session. There is at most one entry that is not
//! broken for an object, and an entry has at most one activation: that is how an object runs once at a time. When the
//! object is reset its entry is marked and unlinked: sessions that hold it fail for ever, new ones get a new entry (ST-10).

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::{Rc, Weak},
    time::Duration,
};

use futures_channel::oneshot;

use super::{NodeContext, overload::Crowd};
use crate::{
    Error, Result,
    activation::{Activation, EndSender, Event, as_seen_by_callers},
    alarm::AlarmInfo,
    handler::{Class, Invocation, Reply},
    instrument::point,
    mutation::Mutation,
    namespace::{channel::ObjectAddress, id::RawId},
    platform::WallTime,
    storage::{LEGACY_SUFFIX, SQLITE_SUFFIX, StorageBackend},
    websocket::hibernation::HibernatableSockets,
};

/// Names longer than this are not seen inside the object (ID-12), in bytes of UTF-8.
const NAME_BYTES_MAX: usize = 1024;

/// How many entries may be dead before the map is swept.
const DEAD_ENTRIES_BEFORE_SWEEP: usize = 1024;

#[derive(Default)]
pub(crate) struct Router {
    entries: RefCell<BTreeMap<Key, Weak<Entry>>>,
    /// Entries that stay although nobody else holds them: they have sockets.
    with_sockets: RefCell<BTreeMap<Key, Rc<Entry>>>,
    made_since_sweep: Cell<usize>,
}

/// Class and id.
type Key = (Rc<str>, RawId);

/// One object, as long as somebody holds on to it.
pub(crate) struct Entry {
    node: Weak<NodeContext>,
    class: Rc<dyn Class>,
    pub(crate) backend: StorageBackend,
    class_name: Rc<str>,
    pub(crate) label: Rc<str>,
    id: RawId,
    /// The object's name, once it was reached by it; its activations see it from the next one on (ID-13).
    name: RefCell<Option<Rc<str>>>,
    activation: RefCell<Option<Rc<Activation>>>,
    broken: RefCell<Option<Error>>,
    /// What waits for the object.
    pub(crate) crowd: Rc<Crowd>,
    /// Events that came while the activation was preparing for its end: they are its successor's (L-16).
    held_back: RefCell<Vec<Event>>,
    /// The sockets that the node holds for the object, from the first use on (W-37).
    sockets: RefCell<Option<Rc<HibernatableSockets>>>,
}

impl Router {
    /// The entry of an object, made if there is none.
    pub(super) fn entry(
        &self,
        node: &Rc<NodeContext>,
        address: &ObjectAddress,
    ) -> Result<Rc<Entry>> {
        let key = (Rc::clone(&address.class), address.id.clone());
        let existing = self.entries.borrow().get(&key).and_then(Weak::upgrade);
        if let Some(entry) = existing
            && !(Mutation::TwoActivations.is_active() && node.restarted)
        {
            entry.remember_name(&address.id);
            return Ok(entry);
        }
        let (class, backend) = node.class(&address.class)?;
        let entry = Rc::new(Entry {
            node: Rc::downgrade(node),
            class,
            backend,
            class_name: Rc::clone(&address.class),
            label: Rc::clone(address.label()),
            id: address.id.clone(),
            name: RefCell::default(),
            activation: RefCell::default(),
            broken: RefCell::default(),
            crowd: Rc::default(),
            held_back: RefCell::default(),
            sockets: RefCell::default(),
        });
        entry.remember_name(&address.id);
        self.made_since_sweep.set(self.made_since_sweep.get() + 1);
        let mut entries = self.entries.borrow_mut();
        if self.made_since_sweep.get() > DEAD_ENTRIES_BEFORE_SWEEP {
            self.made_since_sweep.set(0);
            entries.retain(|_, entry| entry.strong_count() > 0);
        }
        entries.insert(key, Rc::downgrade(&entry));
        Ok(entry)
    }

    /// How an object is called in traces, if anybody holds on to it.
    pub(super) fn label(&self, address: &ObjectAddress) -> Option<Rc<str>> {
        let key = (Rc::clone(&address.class), address.id.clone());
        let entry = self.entries.borrow().get(&key).and_then(Weak::upgrade);
        entry.map(|entry| Rc::clone(&entry.label))
    }

    /// Whether an object has an activation.
    pub(crate) fn is_in_memory(&self, address: &ObjectAddress) -> bool {
        let key = (Rc::clone(&address.class), address.id.clone());
        let entries = self.entries.borrow();
        let entry = entries.get(&key).and_then(Weak::upgrade);
        entry.is_some_and(|entry| entry.activation.borrow().is_some())
    }

    /// Every activation there is, in the order of classes and ids.
    pub(super) fn activations(&self) -> Vec<Rc<Activation>> {
        let entries = self.entries.borrow();
        let living = entries.values().filter_map(Weak::upgrade);
        living
            .filter_map(|entry| entry.activation.borrow().clone())
            .collect()
    }

    /// Breaks the connection of every socket that the node holds.
    pub(super) fn drop_sockets(&self) {
        let entries = self.with_sockets.take();
        for entry in entries.into_values() {
            entry.drop_sockets();
        }
    }

    fn unlink(&self, entry: &Entry) {
        let key = entry.key();
        let mut entries = self.entries.borrow_mut();
        if entries
            .get(&key)
            .is_some_and(|linked| std::ptr::eq(linked.as_ptr(), entry))
        {
            entries.remove(&key);
        }
    }
}

impl Entry {
    fn remember_name(&self, id: &RawId) {
        if let Some(name) = id.name()
            && self.name.borrow().is_none()
            && name.len() <= NAME_BYTES_MAX
        {
            *self.name.borrow_mut() = Some(name.into());
        }
    }

    /// Which object it is, whatever callers call it.
    pub(crate) fn id(&self) -> &RawId {
        &self.id
    }

    /// The id as the object itself sees it: with its name, if it may know it.
    pub(crate) fn id_inside(&self) -> RawId {
        self.id.clone().with_name(self.name.borrow().clone())
    }

    fn key(&self) -> Key {
        (Rc::clone(&self.class_name), self.id.clone())
    }

    /// The object's sockets, if it ever had to do with any.
    pub(crate) fn sockets(&self) -> Option<Rc<HibernatableSockets>> {
        self.sockets.borrow().clone()
    }

    /// The object's sockets.
    pub(crate) fn sockets_made(&self) -> Rc<HibernatableSockets> {
        Rc::clone(self.sockets.borrow_mut().get_or_insert_with(Rc::default))
    }

    /// Breaks the connections of the object's sockets, and forgets what was set for them.
    pub(crate) fn drop_sockets(&self) {
        let sockets = self.sockets.take();
        if let Some(sockets) = sockets {
            sockets.drop_all();
            self.go_without_sockets();
        }
    }

    /// It has sockets: it stays, in memory or not.
    pub(crate) fn stay_for_sockets(self: &Rc<Self>) {
        if let Some(node) = self.node.upgrade() {
            let mut with_sockets = node.router.with_sockets.borrow_mut();
            with_sockets.insert(self.key(), Rc::clone(self));
        }
    }

    /// It has none any more.
    pub(crate) fn go_without_sockets(&self) {
        let Some(node) = self.node.upgrade() else {
            return;
        };
        let mut with_sockets = node.router.with_sockets.borrow_mut();
        let key = self.key();
        let is_this = |entry: &Rc<Self>| std::ptr::eq(&raw const **entry, self);
        let gone = with_sockets
            .get(&key)
            .is_some_and(is_this)
            .then(|| with_sockets.remove(&key));
        drop(with_sockets);
        drop(gone); // it may be the last one that held it
    }

    /// The time, as its node has it.
    pub(crate) fn wall(&self) -> WallTime {
        let node = self.node.upgrade();
        node.map_or(WallTime::from_millis(0), |node| node.platform.clock.wall())
    }

    /// Its activation, if it is in memory.
    pub(crate) fn activation(&self) -> Option<Rc<Activation>> {
        self.activation.borrow().clone()
    }

    /// Its activation, started if there is none.
    ///
    /// # Errors
    /// The object was reset, or its storage cannot be opened.
    pub(crate) fn in_memory(self: &Rc<Self>) -> Result<Rc<Activation>> {
        match (self.broken(), self.activation()) {
            (Some(error), _) => Err(error),
            (None, Some(activation)) => Ok(activation),
            (None, None) => self.activate(),
        }
    }

    pub(crate) fn storage_path(&self) -> String {
        let suffix = match self.backend {
            StorageBackend::Sqlite | StorageBackend::KeyValueEmulated => SQLITE_SUFFIX,
            StorageBackend::KeyValue => LEGACY_SUFFIX,
        };
        format!("objects/{}/{}{suffix}", self.class_name, self.id)
    }

    /// Hands an event to the object's activation, starting one if there is none.
    fn deliver(self: &Rc<Self>, event: Event) {
        match self.in_memory() {
            Ok(activation) if activation.is_retiring() => self.held_back.borrow_mut().push(event),
            Ok(activation) => activation.deliver(event),
            Err(error) => {
                let _ = event.reply.send(Err(error)); // the caller is gone
            }
        }
    }

    /// Hands an alarm to the object. If the object cannot be started, `end` is dropped.
    pub(crate) fn deliver_alarm(self: &Rc<Self>, info: AlarmInfo, end: EndSender) {
        if let Ok(activation) = self.in_memory()
            && !activation.is_retiring()
        {
            activation.deliver_alarm(info, end);
        }
    }

    /// Tells the object that its alarm is given up. If the object cannot be started, `told` is dropped.
    pub(crate) fn abandon_alarm(self: &Rc<Self>, at: WallTime, told: oneshot::Sender<()>) {
        if let Ok(activation) = self.in_memory() {
            activation.abandon_alarm(at, told);
        }
    }

    /// The newest version of the object's class: the code may have been updated since the entry was made.
    pub(crate) fn class(&self) -> Rc<dyn Class> {
        let newest = self
            .node
            .upgrade()
            .and_then(|node| node.class(&self.class_name).ok());
        newest.map_or_else(|| Rc::clone(&self.class), |(class, _)| class)
    }

    /// The object's address, with its name if it is known.
    pub(crate) fn address(&self) -> ObjectAddress {
        ObjectAddress::new(Rc::clone(&self.class_name), self.id_inside())
    }

    /// The activation that events were held back from has ended.
    pub(crate) fn deliver_held_back(self: &Rc<Self>) {
        for event in self.held_back.take() {
            self.deliver(event);
        }
    }

    fn activate(self: &Rc<Self>) -> Result<Rc<Activation>> {
        let node = self.node.upgrade().ok_or_else(Error::connection_lost)?;
        let activation = Activation::start(&node, self)?;
        *self.activation.borrow_mut() = Some(Rc::clone(&activation));
        Ok(activation)
    }

    /// The object is being reset for `error`.
    pub(crate) fn mark_broken(&self, error: Error) {
        self.broken.borrow_mut().get_or_insert(error);
        if let Some(node) = self.node.upgrade() {
            node.router.unlink(self);
        }
    }

    fn broken(&self) -> Option<Error> {
        self.broken.borrow().clone()
    }

    pub(crate) fn forget_activation(&self, ended: &Activation) {
        if Mutation::EndedActivationCalled.is_active() {
            return;
        }
        let mut activation = self.activation.borrow_mut();
        if activation
            .as_deref()
            .is_some_and(|current| std::ptr::eq(current, ended))
        {
            *activation = None;
        }
    }
}

/// A stub's hold on an object, at the object's node.
#[derive(Clone)]
pub struct Session {
    node: Weak<NodeContext>,
    address: ObjectAddress,
    entry: Rc<RefCell<Option<Rc<Entry>>>>,
}

impl Session {
    pub(super) fn new(node: &Rc<NodeContext>, address: &ObjectAddress) -> Self {
        Self {
            node: Rc::downgrade(node),
            address: address.clone(),
            entry: Rc::default(),
        }
    }

    /// Hands `invocation` to the object, in the order of these calls, and completes with what it answers.
    pub(crate) fn receive(
        &self,
        invocation: Invocation,
    ) -> impl Future<Output = Result<Reply>> + use<> {
        let (reply, answer) = oneshot::channel();
        let over_rpc = matches!(invocation, Invocation::Call { .. });
        let session = self.clone();
        if let Some(node) = self.node.upgrade() {
            if let Invocation::Call { method, arguments } = &invocation
                && let Some(after) = node.repeats_a_call()
            {
                let again = Invocation::Call {
                    method: method.clone(),
                    arguments: arguments.clone(),
                };
                self.deliver_again(&node, again, after);
            }
            // Delivery is the node's doing, not the caller's: it runs as a task of the node.
            let event = Event { invocation, reply };
            node.platform
                .spawn
                .spawn(Box::pin(async move { session.deliver(event) }));
        }
        let session = self.clone();
        async move {
            answer
                .await
                .unwrap_or_else(|oneshot::Canceled| Err(session.why_no_answer()))
                .map_err(|error| match session.node.upgrade() {
                    Some(node) if error.flags().durable_object_reset => {
                        as_seen_by_callers(error, over_rpc, node.compatibility)
                    }
                    _ => error,
                })
        }
    }

    /// Delivers a call once more, `after` this time; its answer reaches nobody.
    fn deliver_again(&self, node: &Rc<NodeContext>, invocation: Invocation, after: Duration) {
        point!(
            "call_repeated",
            object = &**self.address.label(),
            what = invocation.label()
        );
        let clock = &node.platform.clock;
        let timer = clock.sleep_until(clock.now() + after);
        let session = Self::new(node, &self.address);
        node.platform.spawn.spawn(Box::pin(async move {
            timer.await;
            let (reply, nobody) = oneshot::channel();
            session.deliver(Event { invocation, reply });
            drop(nobody);
        }));
    }

    fn deliver(&self, event: Event) {
        let Some(node) = self.node.upgrade() else {
            return;
        };
        let pinned = self.entry.borrow().clone();
        let entry = match pinned {
            Some(entry) => entry,
            None => match node.router.entry(&node, &self.address) {
                Ok(entry) => entry,
                Err(error) => {
                    let _ = event.reply.send(Err(error)); // the caller is gone
                    return;
                }
            },
        };
        *self.entry.borrow_mut() = Some(Rc::clone(&entry));
        entry.deliver(event);
    }

    /// The activation ended under the call, or the whole node did.
    fn why_no_answer(&self) -> Error {
        let entry = self.entry.borrow().clone();
        let alive = self.node.upgrade().is_some();
        entry
            .filter(|_| alive)
            .and_then(|entry| entry.broken())
            .unwrap_or_else(Error::connection_lost)
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Session").field(&self.address).finish()
    }
}
