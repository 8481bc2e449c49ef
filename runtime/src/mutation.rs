//! Deliberate defects of the runtime, to show that the simulator catches them.
//!
//! A checker that has never failed proves nothing. Under the feature `mutations` a test can switch one of these on for the current thread;
//! without the feature [`Mutation::is_active`] is always false and costs nothing.

/// One deliberate defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mutation {
    /// Replies and outgoing calls leave without waiting for the writes before them.
    OutputGateOpen,
    /// A commit counts as durable without the write-ahead log having been synced.
    WalSyncIgnored,
    /// Each write is a commit of its own instead of one per turn.
    CommitSplit,
    /// After a restart a second activation of an object may start beside the first.
    TwoActivations,
    /// Other events may run while a storage call of the asynchronous API is awaited.
    InputGateOpen,
    /// The scheduler forgets an alarm when it fires, not when its handler's writes are durable.
    AlarmRemovedEarly,
    /// An alarm that moves earlier is told to the scheduler only after the commit, as one that moves later.
    AlarmScheduledLate,
    /// An alarm whose delivery brings its object back into memory begins to count its failures anew.
    AlarmRetriesForgotten,
    /// A failed alarm runs again at once, however often it failed.
    AlarmBackoffIgnored,
    /// The scheduler's index counts as durable without having been synced.
    AlarmIndexNotSynced,
    /// An alarm fires although the object has deleted it.
    DeletedAlarmRuns,
    /// What is attached to a socket is gone after its object has hibernated.
    AttachmentLost,
    /// An object may hibernate while an event of one of its sockets waits or runs: the event goes to an activation that is being torn down.
    HibernatesOverSocketEvent,
    /// A socket that closes while its object hibernates is forgotten without an event.
    CloseLostAtHibernation,
    /// A message that is answered without the object wakes it nevertheless.
    AutoResponseWakes,
}

impl Mutation {
    /// All of them, in the order above.
    pub const ALL: [Self; 15] = [
        Self::OutputGateOpen,
        Self::WalSyncIgnored,
        Self::CommitSplit,
        Self::TwoActivations,
        Self::InputGateOpen,
        Self::AlarmRemovedEarly,
        Self::AlarmScheduledLate,
        Self::AlarmRetriesForgotten,
        Self::AlarmBackoffIgnored,
        Self::AlarmIndexNotSynced,
        Self::DeletedAlarmRuns,
        Self::AttachmentLost,
        Self::HibernatesOverSocketEvent,
        Self::CloseLostAtHibernation,
        Self::AutoResponseWakes,
    ];

    /// Whether this defect is switched on for the current thread.
    #[cfg(not(feature = "mutations"))]
    #[inline]
    #[expect(clippy::unused_self, reason = "the same call as with the feature")]
    pub(crate) const fn is_active(self) -> bool {
        false
    }

    /// Whether this defect is switched on for the current thread.
    #[cfg(feature = "mutations")]
    pub(crate) fn is_active(self) -> bool {
        ACTIVE.get() == Some(self)
    }

    /// Runs `f` with this defect switched on for the current thread.
    #[cfg(feature = "mutations")]
    pub fn during<T>(self, f: impl FnOnce() -> T) -> T {
        struct Restore(Option<Mutation>);
        impl Drop for Restore {
            fn drop(&mut self) {
                ACTIVE.set(self.0);
            }
        }
        let _restore = Restore(ACTIVE.replace(Some(self)));
        f()
    }
}

#[cfg(feature = "mutations")]
thread_local! {
    static ACTIVE: std::cell::Cell<Option<Mutation>> = const { std::cell::Cell::new(None) };
}
