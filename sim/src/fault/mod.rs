//! Faults: what can go wrong in a world, when, and whether it did.
//!
//! A fault is data: a kind, a trigger, a size. Triggers are a virtual time or the n-th passage of an *injection point* on a
//! machine; points reach the narrow windows that times never hit. [`armed`] holds the ones that wait for their point and counts which took effect: a
//! fault that never does anything tests nothing, so the table at the end of a run names it.

pub(crate) mod armed;

use std::{fmt, time::Duration};

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

/// The kinds of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultKind {
    /// The node's process dies and starts again; the page cache survives.
    ProcessCrash,
    /// The node's machine loses power and comes back; unsynced writes survive in part at most.
    PowerLoss,
    /// Every object that has nothing to do is dropped from memory, as soon as no code is running.
    Hibernate,
    /// Every object is dropped from memory, whatever it waits for, as soon as no code is running.
    Evict,
    /// The connection over which the next call leaves is lost: the call never runs.
    LoseCall,
    /// The connection over which the next reply comes is lost: the call ran.
    LoseReply,
    /// Messages take longer for a while.
    SlowLinks,
    /// Syncs take longer for a while, up to more than the gate's limit.
    SlowSync,
    /// A sync fails; what it covered never becomes durable.
    FailSync,
    /// Every object in memory goes over to another version of its code: at once, or when it hibernates and after a while at the latest.
    CodeUpdate,
    /// Every object in memory is reset, as if it had called `abort`.
    Abort,
    /// Another activation takes the place of every object in memory; what it had begun goes on for a while, without storage.
    Supersede,
    /// The next exception that leaves a handler resets its object.
    ResetAfterException,
    /// The next read of a file fails.
    ReadError,
    /// The next write to a file fails, and writes nothing.
    WriteError,
    /// The disk is full for a while: nothing can be written.
    DiskFull,
    /// The next write of the legacy storage service fails: a batch is not applied, or a `delete_all` ends half-way.
    FailKvBatch,
    /// The caches of the legacy backend drop what their service has as well, as soon as no code is running: the next reads have to wait.
    ForgetCache,
    /// The next calls are refused, as by an object with too much waiting for it.
    Refuse,
    /// A client does not wait for the answer to its next call any longer; the call may run all the same.
    GiveUp,
    /// A client cannot reach the server, nor the server it, for a while.
    Partition,
    /// The next call is delivered twice. Not among [`Faults::all`]: objects that must stand it say so with [`Faults::and`].
    CallTwice,
    /// The next alarm reaches its object late.
    AlarmLate,
    /// The alarm that was delivered last is delivered once more, after a while.
    AlarmTwice,
    /// The next alarm does not reach its object, or its end not the scheduler: a failure that is not the object's.
    AlarmLost,
    /// The node's wall clock jumps, forward or back. Monotonic time goes on.
    ClockJump,
    /// One of the open sockets between two machines is cut: what is under way on it is lost, and each end hears of it in its own time.
    CutSocket,
    /// One direction of one of the open sockets carries nothing any more, and nobody is told before the faults are healed.
    HalfOpenSocket,
}

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 28] = [
        Self::ProcessCrash,
        Self::PowerLoss,
        Self::Hibernate,
        Self::Evict,
        Self::LoseCall,
        Self::LoseReply,
        Self::SlowLinks,
        Self::SlowSync,
        Self::FailSync,
        Self::CodeUpdate,
        Self::Abort,
        Self::Supersede,
        Self::ResetAfterException,
        Self::ReadError,
        Self::WriteError,
        Self::DiskFull,
        Self::FailKvBatch,
        Self::ForgetCache,
        Self::Refuse,
        Self::GiveUp,
        Self::Partition,
        Self::CallTwice,
        Self::AlarmLate,
        Self::AlarmTwice,
        Self::AlarmLost,
        Self::ClockJump,
        Self::CutSocket,
        Self::HalfOpenSocket,
    ];

    /// Those that only happen to objects with alarms.
    pub const OF_ALARMS: [Self; 3] = [Self::AlarmLate, Self::AlarmTwice, Self::AlarmLost];

    /// Those that only happen to sockets.
    pub const OF_SOCKETS: [Self; 2] = [Self::CutSocket, Self::HalfOpenSocket];

    /// The kind in words, as in reports.
    pub const fn label(self) -> &'static str {
        match self {
            Self::ProcessCrash => "process crash",
            Self::PowerLoss => "power loss",
            Self::Hibernate => "hibernate",
            Self::Evict => "evict",
            Self::LoseCall => "lose call",
            Self::LoseReply => "lose reply",
            Self::SlowLinks => "slow links",
            Self::SlowSync => "slow sync",
            Self::FailSync => "fail sync",
            Self::CodeUpdate => "code update",
            Self::Abort => "abort",
            Self::Supersede => "supersede",
            Self::ResetAfterException => "reset after exception",
            Self::ReadError => "read error",
            Self::WriteError => "write error",
            Self::DiskFull => "disk full",
            Self::FailKvBatch => "fail kv batch",
            Self::ForgetCache => "forget cache",
            Self::Refuse => "refuse",
            Self::GiveUp => "give up",
            Self::Partition => "partition",
            Self::CallTwice => "call twice",
            Self::CutSocket => "cut socket",
            Self::HalfOpenSocket => "half-open socket",
            Self::AlarmLate => "alarm late",
            Self::AlarmTwice => "alarm twice",
            Self::AlarmLost => "alarm lost",
            Self::ClockJump => "clock jump",
        }
    }

    fn index(self) -> usize {
        Self::ALL
            .iter()
            .position(|&kind| kind == self)
            .expect("ALL holds every kind")
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// When a fault happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// So many milliseconds of virtual time after the start.
    At(u64),
    /// At a passage of an injection point. It says when, not where: crashes always hit the server.
    Point {
        /// The machine whose passages count: `server`, `client-1`, ...
        machine: String,
        /// The point's name: one of [`POINTS`], [`KEY_VALUE_POINTS`], [`ALARM_POINTS`] or [`DELETE_ALL_POINT`].
        name: String,
        /// Which passage of it on that machine, counted from 1 over the whole run, restarts included.
        nth: u64,
    },
    /// At a passage of an injection point, counted from a call on: it stays where it is when calls before that one are taken out.
    After(AfterCall),
}

/// A passage of an injection point, counted from when a client makes a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AfterCall {
    /// The client's number, from 1 on.
    pub client: usize,
    /// Which of its calls, from 1 on.
    pub call: usize,
    /// The machine whose passages count.
    pub machine: String,
    /// The point's name.
    pub name: String,
    /// Which passage, counted from 1 from the call on.
    pub nth: u64,
}

/// One fault of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What happens.
    pub kind: FaultKind,
    /// When it happens.
    pub trigger: Trigger,
    /// How long it lasts (the machine is down, the disk is full, the client is cut off), how much is added to each message or sync, how long a client waits
    /// or a second delivery comes after the first, in milliseconds. A code update is deferred by it, unless it is short ([`CODE_UPDATE_AT_ONCE_MILLIS`]).
    pub millis: u64,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.trigger {
            Trigger::At(millis) => {
                write!(f, "{} at {:?}", self.kind, Duration::from_millis(*millis))?;
            }
            Trigger::Point { machine, name, nth } => {
                write!(f, "{} at passage {nth} of {name} on {machine}", self.kind)?;
            }
            Trigger::After(after) => {
                let AfterCall {
                    client,
                    call,
                    machine,
                    name,
                    nth,
                } = after;
                let kind = self.kind;
                write!(
                    f,
                    "{kind} at passage {nth} of {name} on {machine} after call {call} of client-{client}"
                )?;
            }
        }
        match self.kind {
            FaultKind::ProcessCrash | FaultKind::PowerLoss => {
                write!(f, ", down for {} ms", self.millis)
            }
            FaultKind::SlowLinks | FaultKind::SlowSync => write!(f, ", {} ms slower", self.millis),
            FaultKind::DiskFull | FaultKind::Partition => write!(f, ", for {} ms", self.millis),
            FaultKind::CodeUpdate if self.millis < CODE_UPDATE_AT_ONCE_MILLIS => {
                f.write_str(", at once")
            }
            FaultKind::CodeUpdate => write!(f, ", deferred by {} ms at most", self.millis),
            FaultKind::GiveUp | FaultKind::CallTwice => write!(f, ", after {} ms", self.millis),
            FaultKind::AlarmLate | FaultKind::AlarmTwice => write!(f, ", {} ms later", self.millis),
            FaultKind::ClockJump => write!(f, " by {} ms", clock_jump(self.millis)),
            FaultKind::Hibernate
            | FaultKind::Evict
            | FaultKind::Abort
            | FaultKind::Supersede
            | FaultKind::ResetAfterException
            | FaultKind::ReadError
            | FaultKind::WriteError
            | FaultKind::FailKvBatch
            | FaultKind::ForgetCache
            | FaultKind::Refuse
            | FaultKind::LoseCall
            | FaultKind::LoseReply
            | FaultKind::FailSync
            | FaultKind::AlarmLost
            | FaultKind::CutSocket
            | FaultKind::HalfOpenSocket => Ok(()),
        }
    }
}

/// A code update that could be deferred by less than this many milliseconds happens at once, in the middle of what the objects do.
pub const CODE_UPDATE_AT_ONCE_MILLIS: u64 = 50;

/// The injection points at which generated faults may fire: passages that every workload makes, each opening a window of its own.
pub const POINTS: [&str; 16] = [
    "activation_start",
    "checkpoint",
    "commit",
    "committed",
    "constructed",
    "deliver",
    "disk_barrier",
    "disk_sync",
    "disk_synced",
    "disk_write",
    "durable",
    "link_call",
    "link_reply",
    "output",
    "storage_open",
    "turn",
];

/// The injection points of the legacy storage: its flushes, and what happens at the service. They are drawn where an object is served on
/// [`StorageBackend::KeyValue`](dormouse::StorageBackend::KeyValue): nothing else passes them.
pub const KEY_VALUE_POINTS: [&str; 5] = [
    "kv_batch",
    "kv_batch_done",
    "kv_delete_all_step",
    "kv_flush",
    "kv_read",
];

/// The injection points of an alarm's life, in its order: the object asks the scheduler, which writes its index and makes it durable; the
/// change is committed with the turn and durable; the alarm fires, is armed, its handler runs and ends, and its end is told. They are drawn where a
/// scenario has alarms ([`Scenario::alarms`](crate::Scenario::alarms)).
pub const ALARM_POINTS: [&str; 10] = [
    "alarm_request",
    "alarm_indexed",
    "alarm_index_durable",
    "alarm_commit",
    "alarm_durable",
    "alarm_fire",
    "alarm_arm",
    "alarm_start",
    "alarm_done",
    "alarm_end",
];

/// The injection point of a `delete_all` on SQLite. Few objects ever pass it, so a scenario asks for it
/// ([`Scenario::also_at`](crate::Scenario::also_at)).
pub const DELETE_ALL_POINT: &str = "delete_all";

/// The injection points of sockets: a scenario that uses some asks for them ([`Scenario::also_at`](crate::Scenario::also_at)).
pub const SOCKET_POINTS: [&str; 4] = [
    "socket_accept",
    "socket_event",
    "socket_read",
    "socket_send",
];

/// Which faults a scenario is run with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    kinds: Vec<FaultKind>,
    most: usize,
}

impl Faults {
    /// Every kind that any object must stand, at most six in a run. A scenario with alarms adds those that happen to alarms, one with sockets
    /// [those of sockets](Self::and_sockets). Jumps of the clock and second deliveries ([`FaultKind::CallTwice`]) are for those who ask for them
    /// ([`and`](Self::and)): what an object promises about time rarely survives the ones, and many a correct object not the others.
    pub fn all() -> Self {
        let kinds = FaultKind::ALL.into_iter();
        Self {
            kinds: kinds
                .filter(|kind| {
                    !FaultKind::OF_ALARMS.contains(kind)
                        && !FaultKind::OF_SOCKETS.contains(kind)
                        && *kind != FaultKind::ClockJump
                })
                .collect(),
            most: 6,
        }
        .without(FaultKind::CallTwice)
    }

    /// None: only the order of events varies.
    pub fn none() -> Self {
        Self {
            kinds: Vec::new(),
            most: 0,
        }
    }

    /// Only these kinds, at most six in a run.
    pub fn only(kinds: impl IntoIterator<Item = FaultKind>) -> Self {
        Self {
            kinds: kinds.into_iter().collect(),
            most: 6,
        }
    }

    /// The faults of sockets as well.
    #[must_use]
    pub fn and_sockets(mut self) -> Self {
        self.kinds.extend(FaultKind::OF_SOCKETS);
        self
    }

    /// This kind as well.
    #[must_use]
    pub fn and(mut self, kind: FaultKind) -> Self {
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
        }
        self
    }

    pub(crate) fn is_none(&self) -> bool {
        self.kinds.is_empty()
    }

    /// All but this kind.
    #[must_use]
    pub fn without(mut self, kind: FaultKind) -> Self {
        self.kinds.retain(|&other| other != kind);
        self
    }

    /// At most so many in a run.
    #[must_use]
    pub fn at_most(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    /// The strategy that generates a plan's faults. Each plan first draws which kinds are on: a little of everything everywhere hides what a
    /// lot of one thing shows. `points` are those at which they may fire.
    pub(crate) fn strategy(
        &self,
        clients: usize,
        points: Vec<&'static str>,
    ) -> BoxedStrategy<Vec<Fault>> {
        if self.kinds.is_empty() || self.most == 0 {
            return Just(Vec::new()).boxed();
        }
        let kinds = self.kinds.clone();
        let count = kinds.len();
        let switched_on = proptest::collection::vec(any::<bool>(), count);
        let raw = (
            any::<prop::sample::Index>(),
            trigger(clients, points),
            millis(),
        );
        (switched_on, proptest::collection::vec(raw, 0..=self.most))
            .prop_map(move |(switched_on, raw)| {
                let mut on: Vec<_> = kinds
                    .iter()
                    .zip(&switched_on)
                    .filter(|(_, on)| **on)
                    .map(|(kind, _)| *kind)
                    .collect();
                if on.is_empty() {
                    on.clone_from(&kinds);
                }
                raw.into_iter()
                    .map(|(kind, trigger, millis)| Fault {
                        kind: *kind.get(&on),
                        trigger,
                        millis,
                    })
                    .collect()
            })
            .boxed()
    }
}

fn trigger(clients: usize, points: Vec<&'static str>) -> impl Strategy<Value = Trigger> {
    let early = 0..40_u64;
    let any_time = 0..FAULT_TIME_MAX_MILLIS;
    prop_oneof![
        2 => early.prop_map(Trigger::At),
        1 => any_time.prop_map(Trigger::At),
        5 => (prop::sample::select(points), nth(), 0..=clients).prop_map(|(name, nth, machine)| {
            // Only links are passed on the clients' machines.
            let machine = if name.starts_with("link_") && machine > 0 { format!("client-{machine}") } else { SERVER.to_owned() };
            Trigger::Point { machine, name: name.to_owned(), nth }
        }),
    ]
}

/// Mostly early passages; later ones for points that are passed often, such as writes in the middle of a checkpoint.
fn nth() -> impl Strategy<Value = u64> {
    prop_oneof![2 => 1..4_u64, 4 => 4..30_u64, 2 => 30..300_u64]
}

fn millis() -> impl Strategy<Value = u64> {
    prop_oneof![3 => 1..50_u64, 2 => 50..2_000_u64, 1 => 2_000..40_000_u64]
}

/// By how much a fault of this size moves the wall clock, in milliseconds: odd ones back, even ones forward, up to half a day.
pub(crate) fn clock_jump(millis: u64) -> i64 {
    let by = i64::try_from(millis).unwrap_or(i64::MAX).min(43_200_000);
    if millis % 2 == 1 { -by } else { by }
}

/// The machine that runs the objects.
pub(crate) const SERVER: &str = "server";

/// The latest time at which a generated fault fires.
const FAULT_TIME_MAX_MILLIS: u64 = 30_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_place_in_the_list() {
        for (index, kind) in FaultKind::ALL.into_iter().enumerate() {
            assert_eq!(kind.index(), index);
        }
    }
}
