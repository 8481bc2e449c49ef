//! Deliberate defects of the runtime, to show that the simulator catches them.
//!
//! A checker that has never failed proves nothing. Under the feature `mutations` a test can switch one of these on for the current thread;
//! without the feature [`Mutation::is_active`] is always false and costs nothing.
//!
//! The list goes area by area over what the runtime promises, so that a thin spot shows. Each defect is a line or two at the place where the
//! promise is kept, and one that somebody could make: a wait left out, a bound off by one, a failure not looked at.

use std::fmt;

/// A part of the runtime that keeps promises of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MutationArea {
    /// What waits for whom: the input gate and the output gate.
    Gates,
    /// What a sync of an object's files proves.
    Sync,
    /// The write-ahead log and its checkpoints.
    WriteAheadLog,
    /// What happens as a whole or not at all.
    Transactions,
    /// The batches of the key-value backend.
    KeyValueBatches,
    /// The alarm's way between object and scheduler.
    Alarms,
    /// What outlives an object's time in memory, and what keeps it there.
    Hibernation,
    /// From a call to the one activation of its object.
    Routing,
    /// From a name to an object.
    Ids,
}

impl MutationArea {
    /// Its name in words, as in tables.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Gates => "gates",
            Self::Sync => "sync",
            Self::WriteAheadLog => "write-ahead log",
            Self::Transactions => "transactions",
            Self::KeyValueBatches => "KV batches",
            Self::Alarms => "alarm protocol",
            Self::Hibernation => "hibernation",
            Self::Routing => "routing",
            Self::Ids => "ids",
        }
    }
}

impl fmt::Display for MutationArea {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// Makes the enum and its tables from one list, so that none of them is forgotten anywhere.
macro_rules! mutations {
    ($($(#[doc = $description:literal])+ $name:ident in $area:ident,)+) => {
        /// One deliberate defect.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Mutation {
            $($(#[doc = $description])+ $name,)+
        }

        impl Mutation {
            /// All of them, area by area.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Where in the runtime it is.
            pub const fn area(self) -> MutationArea {
                match self {
                    $(Self::$name => MutationArea::$area,)+
                }
            }

            /// What is wrong under it, in a sentence.
            pub fn description(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($description),+).trim(),)+
                }
            }
        }
    };
}

mutations! {
    /// Replies and outgoing calls leave without waiting for the writes before them.
    OutputGateOpen in Gates,
    /// An outgoing call leaves without waiting for the writes before it; replies wait.
    CallsLeaveEarly in Gates,
    /// A message on a socket leaves without waiting for the writes before it; replies wait.
    SocketMessagesLeaveEarly in Gates,
    /// Other events may run while a storage call of the asynchronous API is awaited.
    InputGateOpen in Gates,
    /// Other events may run while a critical section waits for something.
    SectionOpen in Gates,
    /// A commit counts as durable without the write-ahead log having been synced.
    WalSyncIgnored in Sync,
    /// A sync that ends also counts for the commits that were made while it was under way.
    SyncCountsForLaterCommits in Sync,
    /// A sync that fails counts as one that succeeded.
    FailedSyncIgnored in Sync,
    /// The first sync leaves out the database file, so that the names of a new object's files may not be on the disk.
    NewDatabaseNotSynced in Sync,
    /// What a failed sync has left in the page cache is not written again before it is built upon.
    DoubtfulFilesKept in Sync,
    /// A log begins anew without waiting until its new header is on the disk.
    NewHeaderNotSynced in WriteAheadLog,
    /// A checkpoint does not wait until the database is on the disk before the log is used again.
    CheckpointNotSynced in WriteAheadLog,
    /// Each write is a commit of its own instead of one per turn.
    CommitSplit in Transactions,
    /// A transaction that is rolled back keeps what it wrote.
    RollbackKeepsWrites in Transactions,
    /// A `transaction_sync` that fails keeps what it wrote.
    SyncRollbackKeepsWrites in Transactions,
    /// A flush that takes several messages is several transactions.
    FlushSplit in KeyValueBatches,
    /// A batch that the storage service could not apply counts as applied.
    FailedBatchIgnored in KeyValueBatches,
    /// A `delete_all` is answered after the first of its steps.
    DeleteAllStopsEarly in KeyValueBatches,
    /// The scheduler forgets an alarm when it fires, not when its handler's writes are durable.
    AlarmRemovedEarly in Alarms,
    /// An alarm that moves earlier is told to the scheduler only after the commit, as one that moves later.
    AlarmScheduledLate in Alarms,
    /// An alarm whose delivery brings its object back into memory begins to count its failures anew.
    AlarmRetriesForgotten in Alarms,
    /// A failed alarm runs again at once, however often it failed.
    AlarmBackoffIgnored in Alarms,
    /// The scheduler's index counts as durable without having been synced.
    AlarmIndexNotSynced in Alarms,
    /// An alarm fires although the object has deleted it.
    DeletedAlarmRuns in Alarms,
    /// What is attached to a socket is gone after its object has hibernated.
    AttachmentLost in Hibernation,
    /// An object may hibernate while an event of one of its sockets waits or runs: the event goes to an activation that is being torn down.
    HibernatesOverSocketEvent in Hibernation,
    /// A socket that closes while its object hibernates is forgotten without an event.
    CloseLostAtHibernation in Hibernation,
    /// A message that is answered without the object wakes it nevertheless.
    AutoResponseWakes in Hibernation,
    /// Neither a task given to `wait_until` nor a timer keeps its object in memory.
    HibernatesOverBackgroundTask in Hibernation,
    /// After a restart a second activation of an object may start beside the first.
    TwoActivations in Routing,
    /// An activation that has hibernated is still the one that calls are handed to.
    EndedActivationCalled in Routing,
    /// An activation whose place another one has taken keeps its storage.
    SupersededKeepsStorage in Routing,
    /// The first call on a stub, which looks its object up, is overtaken by the second.
    CallsOvertake in Routing,
    /// The last byte of a name does not enter its id.
    NameCutShort in Ids,
    /// To the router an id that knows its name is another one than the same id without.
    NameTellsIdsApart in Ids,
}

impl Mutation {
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
