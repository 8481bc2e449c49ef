//! The graph of what came before what.
//!
//! Nodes are the transactions, by number, and *joints*: nodes of ours through which many edges go at once. "Everything that had returned before
//! this moment, before everything invoked after it" is a square of edges, and a few edges through a joint. A path leaves a joint by a [`Kind::Glue`]
//! edge, which counts as what the path came in by.

/// Why one transaction is before another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Wrote the version before the other one's.
    Ww,
    /// Wrote what the other one read.
    Wr,
    /// Read the version before the other one's.
    Rw,
    /// As `Ww`, where the order of the versions follows from that of a client's transactions.
    WwProcess,
    /// As `Rw`, where the order of the versions follows from that of a client's transactions.
    RwProcess,
    /// As `Ww`, where the order of the versions follows from real time.
    WwRealtime,
    /// As `Rw`, where the order of the versions follows from real time.
    RwRealtime,
    /// Is the same client's one before.
    Process,
    /// Had returned before the other one was invoked.
    Realtime,
    /// Goes on from a joint.
    Glue,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Ww,
        Self::Wr,
        Self::Rw,
        Self::WwProcess,
        Self::RwProcess,
        Self::WwRealtime,
        Self::RwRealtime,
        Self::Process,
        Self::Realtime,
        Self::Glue,
    ];

    /// Whether it is a read that missed a write.
    pub(super) fn is_rw(self) -> bool {
        matches!(self, Self::Rw | Self::RwProcess | Self::RwRealtime)
    }

    pub(super) fn is_ww(self) -> bool {
        matches!(self, Self::Ww | Self::WwProcess | Self::WwRealtime)
    }

    /// The set of this kind alone.
    pub(super) const fn set(self) -> Kinds {
        Kinds(1 << self as u16)
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kinds(u16);

impl Kinds {
    pub(super) const WW: Self = Kind::Ww
        .set()
        .with(Kind::WwProcess.set())
        .with(Kind::WwRealtime.set());
    pub(super) const WR: Self = Kind::Wr.set();
    pub(super) const RW: Self = Kind::Rw
        .set()
        .with(Kind::RwProcess.set())
        .with(Kind::RwRealtime.set());
    /// All that rests on a client's own order.
    pub(super) const BY_PROCESS: Self = Kind::Process
        .set()
        .with(Kind::WwProcess.set())
        .with(Kind::RwProcess.set());
    /// All that rests on real time.
    pub(super) const BY_REALTIME: Self = Kind::Realtime
        .set()
        .with(Kind::WwRealtime.set())
        .with(Kind::RwRealtime.set());
    pub(super) const PROCESS: Self = Kind::Process.set();
    pub(super) const REALTIME: Self = Kind::Realtime.set();
    pub(super) const GLUE: Self = Kind::Glue.set();

    pub(super) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) fn has(self, kind: Kind) -> bool {
        self.0 & kind.set().0 != 0
    }
}

/// Collects edges.
pub(super) struct GraphBuilder {
    transactions: u32,
    nodes: u32,
    edges: Vec<(u32, Edge)>,
    edges_max: usize,
    is_full: bool,
}

/// Where an edge leads, and its kind, in one number.
#[derive(Clone, Copy)]
pub(super) struct Edge(u32);

const KIND_BITS: u32 = 4;
/// The most nodes a graph may have.
pub(super) const NODES_MAX: u32 = u32::MAX >> KIND_BITS;

impl Edge {
    fn new(to: u32, kind: Kind) -> Self {
        Self(to << KIND_BITS | kind as u32)
    }

    pub(super) fn to(self) -> u32 {
        self.0 >> KIND_BITS
    }

    pub(super) fn kind(self) -> Kind {
        Kind::ALL[(self.0 & ((1 << KIND_BITS) - 1)) as usize]
    }
}

impl GraphBuilder {
    /// Without edges; it takes no more than `edges_max`.
    pub(super) fn new(transactions: usize, edges_max: usize) -> Self {
        let transactions = u32::try_from(transactions).expect("a history is counted in 32 bits");
        Self {
            transactions,
            nodes: transactions,
            edges: Vec::with_capacity((transactions as usize * 8).min(edges_max)),
            edges_max,
            is_full: transactions > NODES_MAX / 4,
        }
    }

    /// Puts an edge in; none from a node to itself.
    pub(super) fn link(&mut self, from: u32, to: u32, kind: Kind) {
        if from == to || self.is_full {
            return;
        }
        if self.edges.len() >= self.edges_max {
            self.is_full = true;
            return;
        }
        self.edges.push((from, Edge::new(to, kind)));
    }

    pub(super) fn joint(&mut self) -> u32 {
        self.nodes += 1;
        self.is_full |= self.nodes > NODES_MAX;
        self.nodes - 1
    }

    /// From each of `sources` to each of `targets` but itself. `targets` are sorted.
    pub(super) fn link_all(&mut self, sources: &[u32], targets: &[u32], kind: Kind) {
        if sources.len() * targets.len() <= 4 * (sources.len() + targets.len()) {
            for &from in sources {
                for &to in targets {
                    self.link(from, to, kind);
                }
            }
            return;
        }
        // One joint for every beginning of the list of targets, and one for every end. A source that is a target itself goes to the
        // beginning before itself and to the end behind itself.
        let up_to = self.chain(targets.iter().copied());
        let mut from_on = self.chain(targets.iter().rev().copied());
        from_on.reverse();
        for &from in sources {
            match targets.binary_search(&from) {
                Err(_) => self.link(from, up_to[targets.len() - 1], kind),
                Ok(place) => {
                    if place > 0 {
                        self.link(from, up_to[place - 1], kind);
                    }
                    if place + 1 < targets.len() {
                        self.link(from, from_on[place + 1], kind);
                    }
                }
            }
        }
    }

    /// A joint for each target, which leads to it and to the joint before.
    fn chain(&mut self, targets: impl Iterator<Item = u32>) -> Vec<u32> {
        let mut joints = Vec::new();
        for target in targets {
            let joint = self.joint();
            self.link(joint, target, Kind::Glue);
            if let Some(before) = joints.last() {
                self.link(joint, *before, Kind::Glue);
            }
            joints.push(joint);
        }
        joints
    }

    /// The graph; `None` if there were too many edges.
    pub(super) fn finish(self) -> Option<Graph> {
        if self.is_full {
            return None;
        }
        let nodes = self.nodes as usize;
        let mut first = vec![0_u32; nodes + 1];
        for (from, _) in &self.edges {
            first[*from as usize + 1] += 1;
        }
        for node in 0..nodes {
            first[node + 1] += first[node];
        }
        let mut next = first.clone();
        let mut edges = vec![Edge(0); self.edges.len()];
        for (from, edge) in self.edges {
            let slot = &mut next[from as usize];
            edges[*slot as usize] = edge;
            *slot += 1;
        }
        Some(Graph {
            transactions: self.transactions,
            first,
            edges,
        })
    }
}

/// The edges, sorted by where they begin.
pub(super) struct Graph {
    transactions: u32,
    first: Vec<u32>,
    edges: Vec<Edge>,
}

impl Graph {
    pub(super) fn nodes(&self) -> u32 {
        u32::try_from(self.first.len() - 1).expect("nodes are counted in 32 bits")
    }

    /// Joints are no transactions.
    pub(super) fn is_transaction(&self, node: u32) -> bool {
        node < self.transactions
    }

    pub(super) fn edges(&self, node: u32) -> &[Edge] {
        let (from, to) = (self.first[node as usize], self.first[node as usize + 1]);
        &self.edges[from as usize..to as usize]
    }
}
