//! The object's last handler: `pre_shutdown`, before a planned end (L-16).
//!
//! In general nobody tells an object that it will be gone: it must persist as it goes. Where a node has the option on, an object is told before a
//! planned end, and has ten seconds for it. No event is delivered to it any more; those that come wait for its successor, which starts when what the
//! handler wrote is durable. After a crash or a reset nothing of this happens, so an object that relies on it is broken.

use std::{pin::pin, rc::Rc, time::Duration};

use futures_util::future::{Either, select};

use super::{
    Activation,
    turn::{Gated, Task, catching},
};
use crate::instrument::point;

/// How long the handler may take.
const TIME_MAX: Duration = Duration::from_secs(10);

/// Why an object is about to leave memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShutdownReason {
    /// It has had nothing to do, or nobody has called it, for long enough.
    Inactive,
    /// Its code was updated.
    CodeUpdated,
}

impl ShutdownReason {
    /// The original's name for it: `inactive`, `codeUpdated`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::CodeUpdated => "codeUpdated",
        }
    }
}

impl Activation {
    /// Ends the activation by `end`, after its last handler if the node has that option on.
    pub(super) fn retire_then(
        self: &Rc<Self>,
        reason: ShutdownReason,
        end: impl FnOnce(&Rc<Self>) + 'static,
    ) {
        let instance = self.instance.borrow().clone();
        let (true, Some(instance)) = (self.node.limits.pre_shutdown, instance) else {
            end(self);
            return;
        };
        if self.has_ended() || self.retiring.replace(true) {
            return;
        }
        let task = Task::new(Rc::clone(&self.input));
        let code = catching(Rc::clone(&task), instance.pre_shutdown(reason));
        let handler = Gated::new(Rc::clone(self), task, code);
        let activation = Rc::clone(self);
        // Not a task of the activation: ending that would end this.
        self.node.platform.spawn.spawn(Box::pin(async move {
            let clock = &activation.node.platform.clock;
            let limit = clock.sleep_until(clock.now() + TIME_MAX);
            let failed = match select(pin!(handler), limit).await {
                Either::Left((Ok(()), _)) => None,
                Either::Left((Err(error), _)) => Some(error.message().to_owned()),
                Either::Right(((), _)) => Some("it took longer than ten seconds".to_owned()),
            };
            if let Some(why) = failed {
                point!(
                    "pre_shutdown_failed",
                    object = &*activation.label,
                    error = &*why
                );
            }
            // What it wrote is durable before its successor's constructor runs. If that fails, the object has been reset.
            let _ = activation.output.pass().await;
            end(&activation);
        }));
    }

    /// It takes no more events.
    pub(crate) fn is_retiring(&self) -> bool {
        self.retiring.get() && !self.has_ended()
    }
}
