//! Which life's code this thread runs right now: instrumentation has no other way to know where it is.

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
};

use super::{World, machine::Life};
use crate::executor::Presence;

thread_local! {
    static SPAN: RefCell<Option<tracing::span::EnteredSpan>> = const { RefCell::new(None) };
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
    match presence {
        Presence::Enters => {
            let life = life.upgrade();
            SPAN.set(life.as_ref().map(|life| life.span.clone().entered()));
            CURRENT.set(world.upgrade().zip(life));
        }
        Presence::Leaves => {
            CURRENT.set(None);
            SPAN.set(None);
        }
    }
}

/// Runs `f` as code of `life`.
pub(super) fn during<T>(world: &Rc<World>, life: &Rc<Life>, f: impl FnOnce() -> T) -> T {
    let before = CURRENT.replace(Some((Rc::clone(world), Rc::clone(life))));
    let result = f();
    CURRENT.set(before);
    result
}
