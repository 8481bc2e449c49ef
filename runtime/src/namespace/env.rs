//! Bindings: what an object, or a client, can reach, by the names that the configuration gives.

use std::{cell::RefCell, collections::BTreeMap, fmt, rc::Rc};

use super::{
    channel::{Host, ObjectAddress},
    id::{Jurisdiction, NamespaceKey, RawId},
    object_id::ObjectId,
    stub::{Caller, Stub},
};
use crate::{Error, Result};

/// The namespaces that a node serves, by binding.
#[derive(Debug, Default)]
pub struct Bindings {
    pub(crate) namespaces: BTreeMap<String, Rc<Namespace>>,
}

/// One class's objects: its name and the key from which their ids are derived.
#[derive(Debug)]
pub(crate) struct Namespace {
    pub(crate) class: Rc<str>,
    pub(crate) key: NamespaceKey,
    /// Ids that were derived from names of late: deriving one takes four hashes.
    derived: RefCell<BTreeMap<(String, Option<Jurisdiction>), RawId>>,
}

/// How many derived ids a namespace remembers.
const DERIVED_MAX: usize = 256;

impl Namespace {
    pub(crate) fn new(class: &str, unique_key: &str) -> Self {
        Self {
            class: class.into(),
            key: NamespaceKey::new(unique_key),
            derived: RefCell::default(),
        }
    }

    fn id_from_name(&self, name: &str, jurisdiction: Option<Jurisdiction>) -> RawId {
        let mut derived = self.derived.borrow_mut();
        let key = (name.to_owned(), jurisdiction);
        if let Some(id) = derived.get(&key) {
            return id.clone();
        }
        let id = self.key.id_from_name(name, jurisdiction);
        if derived.len() >= DERIVED_MAX {
            derived.clear();
        }
        derived.insert(key, id.clone());
        id
    }
}

/// What code can reach by name. Cheap to clone.
#[derive(Clone)]
pub struct Env {
    bindings: Rc<Bindings>,
    caller: Rc<Caller>,
}

impl Env {
    pub(crate) fn new(bindings: Rc<Bindings>, caller: Caller) -> Self {
        Self {
            bindings,
            caller: Rc::new(caller),
        }
    }

    /// The environment of a client outside of any object: its calls go to `host` over links that begin at `label`.
    pub fn of_client(bindings: Rc<Bindings>, label: &str, host: Rc<dyn Host>) -> Self {
        Self::new(
            bindings,
            Caller {
                label: label.into(),
                host,
                gate: None,
            },
        )
    }

    /// The namespace bound to `binding`.
    ///
    /// # Errors
    /// There is no such binding.
    ///
    /// # Example
    /// ```
    /// # use dormouse::{Env, Result};
    /// # fn example(env: &Env) -> Result<()> {
    /// let stub = env.durable_object("COUNTER")?.get_by_name("global")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn durable_object(&self, binding: &str) -> Result<ObjectNamespace> {
        let namespace = self.bindings.namespaces.get(binding);
        let namespace =
            namespace.ok_or_else(|| Error::from(format!("Binding `{binding}` is undefined.")))?;
        Ok(ObjectNamespace {
            namespace: Rc::clone(namespace),
            caller: Rc::clone(&self.caller),
            jurisdiction: None,
        })
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.bindings.namespaces.keys())
            .finish()
    }
}

/// All objects of one class. Making ids and stubs contacts nobody.
#[derive(Clone)]
pub struct ObjectNamespace {
    namespace: Rc<Namespace>,
    caller: Rc<Caller>,
    jurisdiction: Option<Jurisdiction>,
}

impl ObjectNamespace {
    /// The id of the object called `name`: the same name gives the same object, always (ID-4).
    ///
    /// # Errors
    /// None; the signature is that of workers-rs.
    pub fn id_from_name(&self, name: &str) -> Result<ObjectId<'_>> {
        Ok(self.with_namespace(self.namespace.id_from_name(name, self.jurisdiction)))
    }

    /// The id that `ObjectId` printed as `hex_id`. It carries no name.
    ///
    /// # Errors
    /// `TypeError` if `hex_id` is not 64 hex digits, or is an id of another namespace.
    pub fn id_from_string(&self, hex_id: &str) -> Result<ObjectId<'_>> {
        let id = self.namespace.key.parse(hex_id)?;
        self.check_jurisdiction(&id)?;
        Ok(self.with_namespace(id))
    }

    /// An id that was never used before.
    ///
    /// # Errors
    /// None; the signature is that of workers-rs.
    pub fn unique_id(&self) -> Result<ObjectId<'_>> {
        let mut base = [0; 16];
        self.caller.host.fill_random(&mut base);
        Ok(self.with_namespace(self.namespace.key.unique_id(base, self.jurisdiction)))
    }

    /// An id that was never used before, of an object that stays in `jurisdiction`.
    ///
    /// # Errors
    /// `TypeError` if there is no such jurisdiction (NS-10).
    pub fn unique_id_with_jurisdiction(&self, jurisdiction: &str) -> Result<ObjectId<'_>> {
        let jurisdiction = Jurisdiction::parse(jurisdiction, "newUniqueId")?;
        let mut base = [0; 16];
        self.caller.host.fill_random(&mut base);
        Ok(self.with_namespace(self.namespace.key.unique_id(base, Some(jurisdiction))))
    }

    /// The part of this namespace that stays in `jurisdiction`: the same name gives another object there (NS-10, NS-11).
    ///
    /// # Errors
    /// `TypeError` if there is no such jurisdiction.
    pub fn jurisdiction(&self, jurisdiction: &str) -> Result<Self> {
        Ok(Self {
            jurisdiction: Some(Jurisdiction::parse(jurisdiction, "jurisdiction")?),
            ..self.clone()
        })
    }

    /// A stub for `id`.
    ///
    /// # Errors
    /// `TypeError` if `id` belongs to another namespace (NS-6) or, in a jurisdiction, to another one (NS-12).
    pub fn get(&self, id: &ObjectId<'_>) -> Result<Stub> {
        self.namespace.key.check(id.raw())?;
        self.check_jurisdiction(id.raw())?;
        Ok(self.stub(id.raw().clone()))
    }

    /// A stub for the object called `name`.
    ///
    /// # Errors
    /// None; the signature is that of workers-rs.
    pub fn get_by_name(&self, name: &str) -> Result<Stub> {
        Ok(self.stub(self.namespace.id_from_name(name, self.jurisdiction)))
    }

    /// The same; the hint says where the object should be made, which means nothing on one node (NS-3).
    ///
    /// # Errors
    /// None; the signature is that of workers-rs.
    pub fn get_by_name_with_location_hint(&self, name: &str, location_hint: &str) -> Result<Stub> {
        let _ = location_hint;
        self.get_by_name(name)
    }

    pub(super) fn stub(&self, id: RawId) -> Stub {
        let address = ObjectAddress::new(Rc::clone(&self.namespace.class), id);
        Stub::new(address, Rc::clone(&self.caller))
    }

    fn with_namespace(&self, id: RawId) -> ObjectId<'_> {
        ObjectId::in_namespace(id, self)
    }

    fn check_jurisdiction(&self, id: &RawId) -> Result<()> {
        if self.jurisdiction.is_some() && id.jurisdiction() != self.jurisdiction {
            return Err(Error::type_error(
                "get called on jurisdictional subnamespace with an ID from a different jurisdiction",
            ));
        }
        Ok(())
    }
}

impl fmt::Debug for ObjectNamespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ObjectNamespace")
            .field(&self.namespace.class)
            .finish()
    }
}
