//! The classes that a node is to serve, and under which bindings.
//!
//! An object's id and files depend on its class's *name*. So two classes of one name would share their objects, and one class on two backends would look for
//! them in two places (MG-7): both are refused before anything is opened. Several bindings of one class are fine: of one Rust type, or of one and the same [`Class`].

use std::{
    any::TypeId,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use super::StartError;
use crate::{handler::Class, storage::StorageBackend};

/// One class under one binding.
#[derive(Clone)]
pub(super) struct Served {
    pub(super) binding: String,
    pub(super) class: Rc<dyn Class>,
    /// Of which Rust type its objects are, if they are of one.
    pub(super) rust_type: Option<TypeId>,
    pub(super) backend: StorageBackend,
}

impl Served {
    fn is_same_class(&self, other: &Self) -> bool {
        let is_same_type = self.rust_type.is_some() && self.rust_type == other.rust_type;
        is_same_type || Rc::ptr_eq(&self.class, &other.class)
    }
}

/// # Errors
/// Two bindings contradict each other.
pub(super) fn check(all: &[Served]) -> Result<(), StartError> {
    let mut bindings = BTreeSet::new();
    let mut classes = BTreeMap::new();
    for served in all {
        let binding = served.binding.clone();
        if !bindings.insert(&served.binding) {
            return Err(StartError::DuplicateBinding { binding });
        }
        let class = served.class.name();
        let before: &Served = classes.entry(class).or_insert(served);
        let (class, first, second) = (class.to_owned(), before.binding.clone(), binding);
        if !before.is_same_class(served) {
            return Err(StartError::DuplicateClass {
                class,
                first,
                second,
            });
        }
        if before.backend != served.backend {
            return Err(StartError::DifferentBackends {
                class,
                first,
                second,
            });
        }
    }
    Ok(())
}
