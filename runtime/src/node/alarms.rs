//! The way of an alarm from the node's scheduler to its object.

use std::rc::Rc;

use futures_channel::oneshot;

use super::NodeContext;
use crate::{
    alarm::{AlarmEnd, AlarmInfo, Key},
    namespace::channel::ObjectAddress,
    platform::WallTime,
};

impl NodeContext {
    /// Whose alarm stands under `key`; `None` if this node does not serve its class, or not under the key that made the id.
    pub(crate) fn address_of_alarm(
        &self,
        key: &Key,
        name: Option<Rc<str>>,
    ) -> Option<ObjectAddress> {
        let mut namespaces = self.bindings.namespaces.values();
        let namespace = namespaces.find(|namespace| namespace.class == key.class)?;
        let id = namespace.key.recognise(key.id).ok()?;
        Some(ObjectAddress::new(
            Rc::clone(&namespace.class),
            id.with_name(name),
        ))
    }

    /// Hands an alarm to its object. What comes back says how it ended; nothing does if the object could not even be started.
    pub(crate) fn deliver_alarm(
        self: &Rc<Self>,
        object: &ObjectAddress,
        info: AlarmInfo,
    ) -> oneshot::Receiver<AlarmEnd> {
        let (end, ended) = oneshot::channel();
        if let Ok(entry) = self.router.entry(self, object) {
            entry.deliver_alarm(info, end);
        }
        ended
    }

    /// Tells an object that its alarm is given up. Completes when it has heard; fails if it could not.
    pub(crate) fn abandon_alarm(
        self: &Rc<Self>,
        object: &ObjectAddress,
        at: WallTime,
    ) -> oneshot::Receiver<()> {
        let (told, heard) = oneshot::channel();
        if let Ok(entry) = self.router.entry(self, object) {
            entry.abandon_alarm(at, told);
        }
        heard
    }
}
