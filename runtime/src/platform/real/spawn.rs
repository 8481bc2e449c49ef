//! Tasks of the thread's `LocalSet`.

use crate::platform::{LocalBoxFuture, Spawn};

/// Tasks beside the one that spawns them.
pub(super) struct RealSpawn;

impl Spawn for RealSpawn {
    /// # Panics
    /// Outside of a `LocalSet`.
    fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        // The handle is dropped, which detaches the task; nobody waits for it or cancels it.
        drop(tokio::task::spawn_local(task));
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use super::*;

    #[tokio::test]
    async fn tasks_run_in_the_order_in_which_they_were_spawned() {
        let log = Rc::new(RefCell::new(Vec::new()));
        let run = async {
            for name in ["a", "b", "c"] {
                let log = Rc::clone(&log);
                RealSpawn.spawn(Box::pin(async move { log.borrow_mut().push(name) }));
            }
            tokio::task::yield_now().await;
        };
        tokio::task::LocalSet::new().run_until(run).await;
        assert_eq!(*log.borrow(), ["a", "b", "c"]);
    }
}
