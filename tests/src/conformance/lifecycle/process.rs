//! The process in which a node runs, as far as it can be killed.

use std::{cell::RefCell, rc::Rc};

use dormouse::platform::{LocalBoxFuture, Spawn};
use futures_util::future::{AbortHandle, Abortable};

/// The tasks of a process: when it is killed, all of them are gone, and nothing of them has any effect.
pub(super) struct Process {
    spawn: Rc<dyn Spawn>,
    tasks: RefCell<Vec<AbortHandle>>,
}

impl Process {
    pub(super) fn new(spawn: &Rc<dyn Spawn>) -> Rc<Self> {
        Rc::new(Self {
            spawn: Rc::clone(spawn),
            tasks: RefCell::default(),
        })
    }

    pub(super) fn kill(&self) {
        for task in self.tasks.take() {
            task.abort();
        }
    }
}

impl Spawn for Process {
    fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        let (abort, registration) = AbortHandle::new_pair();
        self.tasks.borrow_mut().push(abort);
        let task = Abortable::new(task, registration);
        self.spawn.spawn(Box::pin(async move {
            let _ = task.await; // it was aborted: that is how a process ends
        }));
    }
}
