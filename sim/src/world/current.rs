//! Which life's code this thread runs right now: instrumentation has no other way to know where it is.

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
};

use super::{World, machine::Life};
use crate::executor::Presence;

thread_local! {
    static CURRENT: RefCell<Option<(Rc<World>, Rc<Life>)>> = const { RefCell::new(None) };
}

/// The world and the life whose code runs, if it is a living one's.
pub(crate) fn get() -> Option<(Rc<World>, Rc<Life>)> {
    CURRENT.with_borrow(|current| {
        current
            .as_ref()
            .filter(|(_, life)| !life.is_dead())
            .cloned()
    })
}

pub(super) fn set(presence: Presence, world: &Weak<World>, life: &Weak<Life>) {
    CURRENT.set(match presence {
        Presence::Enters => world.upgrade().zip(life.upgrade()),
        Presence::Leaves => None,
    });
}

/// Runs `f` as code of `life`.
pub(super) fn during<T>(world: &Rc<World>, life: &Rc<Life>, f: impl FnOnce() -> T) -> T {
    let before = CURRENT.replace(Some((Rc::clone(world), Rc::clone(life))));
    let result = f();
    CURRENT.set(before);
    result
}
