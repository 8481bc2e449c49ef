//! Machines and their lives.
//!
//! A machine has a disk and a name that outlive its processes; a *life* is one process on it. When a life ends by a crash,
//! it ends for its ports at one instant: whatever its code still does until its tasks are dropped, the destructors included, has no effect on anything.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use dormouse::Node;

use super::{World, disk::DiskImage};
use crate::executor::{self, TaskSet};

/// One machine of the world.
pub(crate) struct Machine {
    pub(crate) name: Rc<str>,
    pub(crate) key: u64,
    pub(crate) disk: Rc<RefCell<DiskImage>>,
    pub(crate) life: RefCell<Rc<Life>>,
    pub(crate) power: RefCell<Option<executor::Machine>>,
    /// The runtime that runs on it, if it has one and is up.
    pub(crate) node: RefCell<Option<Node>>,
    /// Draws made so far, by purpose: they go on counting over restarts.
    pub(crate) timers: Cell<u64>,
    pub(crate) entropy: Cell<u64>,
    pub(crate) syncs: Cell<u64>,
}

/// One process on a machine.
pub(crate) struct Life {
    pub(crate) machine: Rc<str>,
    pub(crate) number: u32,
    dead: Cell<bool>,
    /// Says in logs on which machine something was.
    pub(crate) span: tracing::Span,
    pub(crate) tasks: Rc<TaskSet>,
}

impl Life {
    pub(crate) fn new(world: &Rc<World>, machine: &Rc<str>, number: u32) -> Rc<Self> {
        Rc::new_cyclic(|life| {
            let (world_of_tasks, life) = (Rc::downgrade(world), life.clone());
            let tasks = TaskSet::new(world.activity.clone(), move |presence| {
                super::current::set(presence, &world_of_tasks, &life);
            });
            Self {
                machine: Rc::clone(machine),
                number,
                dead: Cell::new(false),
                span: tracing::info_span!(target: dormouse::instrument::TARGET, "node", name = &**machine),
                tasks,
            }
        })
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.get()
    }

    /// From this instant on nothing that this life does has any effect. Its tasks are dropped as soon as none is being polled.
    pub(crate) fn die(&self) {
        if !self.dead.replace(true) {
            self.tasks.close();
        }
    }
}
