//! The two gates of an activation: which event may run now, and what may leave already.

pub(crate) mod input;
pub(crate) mod output;
