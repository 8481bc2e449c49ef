//! Code updates: the objects of a running node go over to another version of their code (lifecycle 1.5, L-17).
//!
//! What is stored stays; what is in memory is lost at some instant, in the middle of whatever the object does. An object that is not in memory has
//! the new code at its next start. The new version reads what the old one wrote, and for a while old and new objects talk to each other (L-18).

use std::{collections::BTreeMap, fmt, rc::Rc, time::Duration};

use super::{
    Node, NodeBuilder, NodeContext,
    served::{self, Served},
};
use crate::Error;

/// How long a deferred update may be put off at most.
const DELAY_MAX: Duration = Duration::from_hours(24);

/// When the objects that are in memory go over to the new code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodeUpdate {
    /// At once: each is reset in the middle of what it does.
    Immediate,
    /// When they hibernate, or after this time at the latest. Zero is the same as at once; a day is the most.
    Deferred {
        /// How long the old code may run on.
        max_delay: Duration,
    },
}

/// Why code cannot be updated. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// The new version serves other classes, under other names or on another storage.
    #[error(
        "an update serves the same classes under the same bindings, on the same storage: {binding} is {before} now and would be {after}. \
         Start a new node to change that"
    )]
    OtherBindings {
        /// The binding that would change.
        binding: String,
        /// What it is bound to.
        before: String,
        /// What it would be bound to.
        after: String,
    },
    /// Two bindings of the new version contradict each other.
    #[error("{why}")]
    Contradiction {
        /// Which, and how: as when a node starts.
        why: String,
    },
    /// The delay is longer than a day.
    #[error("an update can be put off for a day at most, and not for {max_delay:?}")]
    DelayTooLong {
        /// What was asked for.
        max_delay: Duration,
    },
}

impl Node {
    /// Gives the objects another version of their code: the classes of `serves`, which must serve the same classes under the same bindings. Its other
    /// settings are not looked at. Returns how many objects were reset at once.
    ///
    /// The callers of an object that is reset see `Durable Object reset because its code was updated.`, retryable. An object that is running when the
    /// update is deferred goes on with its old code, and takes events, until it hibernates or the delay is over; with several updates under
    /// way the first delay that ends brings the latest version.
    ///
    /// # Errors
    /// The bindings differ or contradict each other, or the delay is too long.
    ///
    /// # Example
    /// ```no_run
    /// # use std::time::Duration;
    /// # use dormouse::{CodeUpdate, Node, NodeBuilder};
    /// # fn example(node: &Node, next: &NodeBuilder) -> Result<(), dormouse::UpdateError> {
    /// node.update_code(next, CodeUpdate::Deferred { max_delay: Duration::from_secs(300) })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn update_code(
        &self,
        serves: &NodeBuilder,
        when: CodeUpdate,
    ) -> Result<usize, UpdateError> {
        let max_delay = match when {
            CodeUpdate::Immediate => Duration::ZERO,
            CodeUpdate::Deferred { max_delay } => max_delay,
        };
        if max_delay > DELAY_MAX {
            return Err(UpdateError::DelayTooLong { max_delay });
        }
        let node = &self.context;
        served::check(&serves.classes).map_err(|error| UpdateError::Contradiction {
            why: error.to_string(),
        })?;
        node.check_same_bindings(&serves.classes)?;
        {
            let mut classes = node.classes.borrow_mut();
            for served in &serves.classes {
                let class = Rc::clone(&served.class);
                classes.insert(class.name().to_owned(), (class, served.backend));
            }
        }
        node.code_version.set(node.code_version.get() + 1);
        if max_delay.is_zero() {
            let reset = node.apply_update();
            node.router.drop_sockets(); // those of objects that sleep as well (L-17)
            return Ok(reset);
        }
        let clock = &node.platform.clock;
        let timer = clock.sleep_until(clock.now() + max_delay);
        let weak = Rc::downgrade(node);
        node.platform.spawn.spawn(Box::pin(async move {
            timer.await;
            if let Some(node) = weak.upgrade() {
                node.apply_update();
            }
        }));
        Ok(0)
    }
}

impl NodeContext {
    pub(crate) fn code_version(&self) -> u64 {
        self.code_version.get()
    }

    /// Resets every object that runs older code; returns how many there were.
    fn apply_update(&self) -> usize {
        let newest = self.code_version();
        let activations = self.router.activations();
        let older = activations
            .iter()
            .filter(|activation| activation.code < newest);
        older
            .map(super::super::activation::Activation::update)
            .count()
    }

    fn check_same_bindings(&self, after: &[Served]) -> Result<(), UpdateError> {
        let describe = |class: &str, backend: &dyn fmt::Debug| format!("{class} on {backend:?}");
        let classes = self.classes.borrow();
        let before: BTreeMap<_, _> = self
            .bindings
            .namespaces
            .iter()
            .map(|(binding, namespace)| {
                let (class, backend) = classes
                    .get(&*namespace.class)
                    .expect("what is bound is served");
                (binding.clone(), describe(class.name(), backend))
            })
            .collect();
        let after: BTreeMap<_, _> = after
            .iter()
            .map(|served| {
                let described = describe(served.class.name(), &served.backend);
                (served.binding.clone(), described)
            })
            .collect();
        let differs = before
            .keys()
            .chain(after.keys())
            .find(|binding| before.get(*binding) != after.get(*binding));
        let Some(binding) = differs else {
            return Ok(());
        };
        let nothing = || "nothing".to_owned();
        Err(UpdateError::OtherBindings {
            binding: binding.clone(),
            before: before.get(binding).cloned().unwrap_or_else(nothing),
            after: after.get(binding).cloned().unwrap_or_else(nothing),
        })
    }
}

/// What callers of an object see whose code was updated under them (lifecycle 4.4).
pub(crate) fn code_updated() -> Error {
    Error::from("Durable Object reset because its code was updated.")
        .with_retryable()
        .with_reset()
}
