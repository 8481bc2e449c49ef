//! Tasks of one node, on one thread.

use super::LocalBoxFuture;

/// The port for tasks.
pub trait Spawn {
    /// Runs `task` to its end beside the others of this node, on the same thread. Tasks that become ready are polled in
    /// the order in which they were woken.
    fn spawn(&self, task: LocalBoxFuture<'static, ()>);
}
