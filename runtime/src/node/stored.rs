//! A look into objects from outside: which are stored, what stands in their storage, without waking them.
//!
//! For checks: whether an object that sleeps has work left is a question that must not wake it, because its constructor may set right what is wrong.

use std::{cell::Cell, future::Future, rc::Rc};

use super::{Node, NodeContext};
use crate::{
    Error, Result, Storage,
    activation::outside_sections,
    gate::output::OutputGate,
    namespace::{channel::ObjectAddress, id::RawId},
    storage::{ActivationSetup, ActivationStorage, LEGACY_SUFFIX, SQLITE_SUFFIX, StorageSetup},
};

/// An object that has files on a node's disk, in memory or not.
#[derive(Clone, Debug)]
pub struct StoredObject {
    address: ObjectAddress,
}

impl StoredObject {
    /// How the object is called in traces. Of one that sleeps only the id is known: `Counter/` and its first digits.
    pub fn label(&self) -> &Rc<str> {
        self.address.label()
    }

    /// Its id, as 64 hex digits.
    pub fn id(&self) -> String {
        self.address.id.to_string()
    }
}

impl Node {
    /// The objects of a class that have files, in the order of their ids. An object that never wrote anything may be among them.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn stored_objects(&self, class: &str) -> Result<Vec<StoredObject>> {
        let folder = format!("objects/{class}/");
        let disk = &self.context.platform.disk;
        let paths = disk
            .list(&folder)
            .map_err(|error| Error::from(error.to_string()))?;
        let namespaces = self.context.bindings.namespaces.values();
        let Some(namespace) = namespaces
            .into_iter()
            .find(|served| &*served.class == class)
        else {
            return Ok(Vec::new());
        };
        let ids = paths.iter().filter_map(|path| {
            let name = path.strip_prefix(&folder)?;
            let id = name
                .strip_suffix(SQLITE_SUFFIX)
                .or_else(|| name.strip_suffix(LEGACY_SUFFIX))?;
            namespace.key.parse(id).ok()
        });
        Ok(ids.map(|id| self.stored(&namespace.class, id)).collect())
    }

    fn stored(&self, class: &Rc<str>, id: RawId) -> StoredObject {
        let address = ObjectAddress::new(Rc::clone(class), id);
        let known = self.context.router.label(&address);
        StoredObject {
            address: match known {
                Some(label) => address.called(label),
                None => address,
            },
        }
    }

    /// Runs `look` on the object's storage, without waking the object: no code of it runs. Meant for an object that is at rest; `look` must only
    /// read.
    ///
    /// # Errors
    /// The storage cannot be opened, or what `look` fails with.
    pub async fn look_into<T, F>(
        &self,
        object: &StoredObject,
        look: impl FnOnce(Storage) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let node = &self.context;
        let entry = node.router.entry(node, &object.address)?;
        if let Some(activation) = entry.activation() {
            return look(activation.storage.handle()).await;
        }
        let path = entry.storage_path();
        let storage = node.open_for_a_look(object, &path, entry.backend)?;
        let result = look(storage.handle()).await;
        node.remember_how_it_is_left(path, storage.left());
        storage.shut_down(Error::from("the look into the storage is over"));
        result
    }
}

impl NodeContext {
    fn open_for_a_look(
        &self,
        object: &StoredObject,
        path: &str,
        backend: crate::StorageBackend,
    ) -> Result<Rc<ActivationStorage>> {
        let now = Cell::new(self.platform.clock.wall());
        ActivationStorage::open(ActivationSetup {
            storage: StorageSetup {
                disk: Rc::clone(&self.platform.disk),
                clock: Rc::clone(&self.platform.clock),
                entropy: Rc::clone(&self.platform.entropy),
                spawn: Rc::clone(&self.platform.spawn),
                path: path.to_owned(),
                object: Rc::clone(object.label()),
                gate: OutputGate::new(),
                wal_bytes_max: self.wal_bytes_max,
                history: self.history,
                left: self.how_it_was_left(path),
                sync_failures: self.sync_failures(path),
                now: Rc::new(move || now.get()),
                delete_all_deletes_alarm: self.compatibility.delete_all_deletes_alarm,
                alarms: self.alarms.sink({
                    let address = object.address.clone();
                    move || address.clone()
                }),
                bytes_max: self.object_bytes_max,
                strict: self.strict_storage,
                links: Rc::clone(&self.platform.links),
            },
            backend,
            sections: outside_sections(),
            alarm_handler: false,
        })
    }
}
