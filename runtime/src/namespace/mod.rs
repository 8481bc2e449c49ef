//! How an object is named, reached and called: bindings, ids, stubs.
//!
//! In the order in which a call meets them: [`env`] finds the namespace behind a binding, [`object_id`] names one object in it, [`stub`]
//! makes the call, [`channel`] carries it to the node that hosts the object.

pub(crate) mod channel;
pub(crate) mod env;
pub(crate) mod id;
pub(crate) mod object_id;
pub(crate) mod stub;
