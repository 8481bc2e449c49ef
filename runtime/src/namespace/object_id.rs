//! The id of one object, as authors hold it.

use std::fmt;

use super::{env::ObjectNamespace, id::RawId, stub::Stub};
use crate::{Error, Result};

/// The id of one object: 32 bytes, shown as 64 hex digits. Inert: having one creates nothing (ID-14).
///
/// Two ids are equal if their bytes are; names and namespaces do not count (ID-10).
#[derive(Clone)]
pub struct ObjectId<'a> {
    raw: RawId,
    namespace: Option<&'a ObjectNamespace>,
}

impl<'a> ObjectId<'a> {
    pub(crate) fn in_namespace(raw: RawId, namespace: &'a ObjectNamespace) -> Self {
        Self {
            raw,
            namespace: Some(namespace),
        }
    }

    pub(crate) fn without_namespace(raw: RawId) -> Self {
        Self {
            raw,
            namespace: None,
        }
    }

    pub(crate) fn raw(&self) -> &RawId {
        &self.raw
    }

    /// The name from which it was made, if it was made from one here.
    pub fn name(&self) -> Option<String> {
        self.raw.name().map(str::to_owned)
    }

    /// The jurisdiction in which the object stays.
    pub fn jurisdiction(&self) -> Option<&'static str> {
        self.raw.jurisdiction().map(super::id::Jurisdiction::as_str)
    }

    /// A stub for this object.
    ///
    /// # Errors
    /// The id came from [`State::id`](crate::State::id), which knows no namespace.
    pub fn get_stub(&self) -> Result<Stub> {
        let namespace = self
            .namespace
            .ok_or("Cannot get stub from within a Durable Object")?;
        namespace.get(self)
    }

    /// The same; the hint says where the object should be made, which means nothing on one node (NS-3).
    ///
    /// # Errors
    /// As for [`get_stub`](Self::get_stub).
    pub fn get_stub_with_location_hint(&self, location_hint: &str) -> Result<Stub, Error> {
        let _ = location_hint;
        self.get_stub()
    }
}

impl PartialEq for ObjectId<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl Eq for ObjectId<'_> {}

impl fmt::Display for ObjectId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.raw)
    }
}

impl fmt::Debug for ObjectId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectId({})", self.raw)
    }
}
