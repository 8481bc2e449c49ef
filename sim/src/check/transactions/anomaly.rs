//! What can go wrong between transactions, by the names that the field has for it, and what a level of isolation forbids.

use std::fmt;

/// An anomaly. `Display` gives the field's name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Anomaly {
    /// `duplicate-elements`: a value that was appended once is in a list more than once.
    DuplicateElements,
    /// `incompatible-order`: two reads of a list of which neither begins with the other. One of them saw appends that never happened.
    IncompatibleOrder,
    /// `G1a`, aborted or dirty read: what a transaction wrote that did not take place was read.
    G1a,
    /// `G1b`, intermediate read: what a transaction wrote, and overwrote itself, was read by another one.
    G1b,
    /// `dirty-update`: a transaction that took place wrote on top of what one left that did not.
    DirtyUpdate,
    /// `future-read`: a transaction read what it wrote only later.
    FutureRead,
    /// `unwritten-read`: what nobody wrote was read.
    UnwrittenRead,
    /// `internal`: a transaction's read disagrees with its own earlier reads and writes.
    Internal,
    /// `lost-update`: two transactions read the same version of a key and both wrote the key: one of them wrote over what it had not seen.
    LostUpdate,
    /// A circle of dependencies, by which of them are in it.
    Cycle(CycleKind, OrderKind),
}

/// Which dependencies between transactions are in a circle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CycleKind {
    /// `G0`, dirty write: `ww` only.
    G0,
    /// `G1c`, circular information flow: `ww` and `wr`.
    G1c,
    /// `G-single`, read skew: one `rw` among them. A transaction saw some of another one's effects and missed some.
    GSingle,
    /// `G-nonadjacent`: several `rw`, no two of them one after the other.
    GNonadjacent,
    /// `G2-item`, write skew: two `rw` one after the other.
    G2Item,
}

/// Which order beside the dependencies is in a circle; the last that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OrderKind {
    /// None: the transactions alone contradict each other.
    Plain,
    /// `-process`: the order of a client's own transactions.
    Process,
    /// `-realtime`: one transaction had returned before another one was invoked.
    Realtime,
}

impl CycleKind {
    pub(super) const ALL: [Self; 5] = [
        Self::G0,
        Self::G1c,
        Self::GSingle,
        Self::GNonadjacent,
        Self::G2Item,
    ];

    /// Whether a circle of this kind says all that one of the `other` kind could say.
    pub(super) fn implies(self, other: Self) -> bool {
        self == other
            || self == Self::G0 && other == Self::G1c
            || self >= Self::GSingle && other > self
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::DuplicateElements => "duplicate-elements",
            Self::IncompatibleOrder => "incompatible-order",
            Self::G1a => "G1a",
            Self::G1b => "G1b",
            Self::DirtyUpdate => "dirty-update",
            Self::FutureRead => "future-read",
            Self::UnwrittenRead => "unwritten-read",
            Self::Internal => "internal",
            Self::LostUpdate => "lost-update",
            Self::Cycle(kind, _) => match kind {
                CycleKind::G0 => "G0",
                CycleKind::G1c => "G1c",
                CycleKind::GSingle => "G-single",
                CycleKind::GNonadjacent => "G-nonadjacent",
                CycleKind::G2Item => "G2-item",
            },
        };
        f.write_str(name)?;
        match self {
            Self::Cycle(_, OrderKind::Process) => f.write_str("-process"),
            Self::Cycle(_, OrderKind::Realtime) => f.write_str("-realtime"),
            _ => Ok(()),
        }
    }
}

/// How well transactions have to be isolated from each other. `Display` gives the field's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Writes happen in one order.
    ReadUncommitted,
    /// Only what took place, as it was at the end, is read.
    ReadCommitted,
    /// All reads of a transaction are from one state, and no two transactions that wrote the same thing overlapped.
    SnapshotIsolation,
    /// As serializable, for what is read by key, which is all that these workloads have; a transaction may disagree with itself.
    RepeatableRead,
    /// Some order of the transactions explains all reads.
    Serializable,
    /// Some such order keeps that of each client's own transactions.
    StrongSessionSerializable,
    /// Some such order keeps that of all transactions that did not overlap.
    StrictSerializable,
}

impl Level {
    /// All of them, the weakest first.
    pub const ALL: [Self; 7] = [
        Self::ReadUncommitted,
        Self::ReadCommitted,
        Self::SnapshotIsolation,
        Self::RepeatableRead,
        Self::Serializable,
        Self::StrongSessionSerializable,
        Self::StrictSerializable,
    ];

    /// The level with this name; `strong-serializable` and the like are not taken.
    ///
    /// # Example
    /// ```
    /// use dormouse_sim::check::transactions::Level;
    /// assert_eq!(Level::named("strict-serializable"), Some(Level::StrictSerializable));
    /// ```
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "read-uncommitted",
            Self::ReadCommitted => "read-committed",
            Self::SnapshotIsolation => "snapshot-isolation",
            Self::RepeatableRead => "repeatable-read",
            Self::Serializable => "serializable",
            Self::StrongSessionSerializable => "strong-session-serializable",
            Self::StrictSerializable => "strict-serializable",
        }
    }

    /// Whether `anomaly` cannot be where this level is kept.
    pub fn forbids(self, anomaly: Anomaly) -> bool {
        match anomaly {
            Anomaly::DuplicateElements => true,
            Anomaly::IncompatibleOrder
            | Anomaly::G1a
            | Anomaly::G1b
            | Anomaly::DirtyUpdate
            | Anomaly::FutureRead
            | Anomaly::UnwrittenRead => self >= Self::ReadCommitted,
            Anomaly::Internal => self >= Self::SnapshotIsolation && self != Self::RepeatableRead,
            Anomaly::LostUpdate => self >= Self::SnapshotIsolation,
            Anomaly::Cycle(kind, order) => kind <= self.last_forbidden() && order <= self.order(),
        }
    }

    /// The last kind of circle that it forbids.
    fn last_forbidden(self) -> CycleKind {
        match self {
            Self::ReadUncommitted => CycleKind::G0,
            Self::ReadCommitted => CycleKind::G1c,
            Self::SnapshotIsolation => CycleKind::GNonadjacent,
            _ => CycleKind::G2Item,
        }
    }

    /// Which order must be kept beside the dependencies.
    pub(super) fn order(self) -> OrderKind {
        match self {
            Self::StrongSessionSerializable => OrderKind::Process,
            Self::StrictSerializable => OrderKind::Realtime,
            _ => OrderKind::Plain,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
