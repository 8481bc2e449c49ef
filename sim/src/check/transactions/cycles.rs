//! Circles: whether there is one that a level forbids, and the shortest of the gravest kind.
//!
//! Whether there is one is a matter of strongly connected components (Tarjan), exact, and linear in the number of edges. A level that allows circles
//! with two `rw` in a row is judged on a graph with two nodes for each of ours, one for being there behind an `rw`: from there no other `rw`
//! goes on. Which circle to show is a search within the components, breadth first; that one is bounded, and if the bound is met, any circle is shown.

use std::collections::VecDeque;

use super::{
    anomaly::{Anomaly, CycleKind, Level, OrderKind},
    graph::{Edge, Graph, Kind, Kinds},
};

/// How many components are shown at most.
const COMPONENTS_MAX: usize = 4;

/// A circle of transactions: each with the kind of the edge to the next one.
pub(super) struct Cycle {
    pub(super) anomaly: Anomaly,
    pub(super) steps: Vec<(u32, Kind)>,
}

impl Cycle {
    /// How many of its edges rest on an order of versions that was inferred from time.
    pub(super) fn inferred(&self) -> usize {
        let by_time = Kinds::BY_PROCESS.with(Kinds::BY_REALTIME);
        let by_time = by_time.without(Kinds::PROCESS).without(Kinds::REALTIME);
        let kinds = self.steps.iter().map(|(_, kind)| *kind);
        kinds.filter(|kind| by_time.has(*kind)).count()
    }
}

/// Where a path may go.
#[derive(Clone, Copy)]
struct Rules {
    kinds: Kinds,
    rw: Rw,
}

/// How many `rw` a path may have.
#[derive(Clone, Copy, PartialEq)]
enum Rw {
    None,
    One,
    NoTwoInARow,
    Any,
}

impl Rules {
    fn new(kind: CycleKind, order: OrderKind) -> Self {
        let kinds = match kind {
            CycleKind::G0 => Kinds::WW,
            CycleKind::G1c => Kinds::WW.with(Kinds::WR),
            _ => Kinds::WW.with(Kinds::WR).with(Kinds::RW),
        };
        let kinds = kinds.with(Kinds::GLUE).with(match order {
            OrderKind::Plain => Kinds::GLUE,
            OrderKind::Process => Kinds::PROCESS,
            OrderKind::Realtime => Kinds::PROCESS.with(Kinds::REALTIME),
        });
        let kinds = match order {
            OrderKind::Plain => kinds.without(Kinds::BY_PROCESS).without(Kinds::BY_REALTIME),
            OrderKind::Process => kinds.without(Kinds::BY_REALTIME),
            OrderKind::Realtime => kinds,
        };
        let rw = match kind {
            CycleKind::G0 | CycleKind::G1c => Rw::None,
            CycleKind::GSingle => Rw::One,
            CycleKind::GNonadjacent => Rw::NoTwoInARow,
            CycleKind::G2Item => Rw::Any,
        };
        Self { kinds, rw }
    }

    /// Where a path that came to a node by an `rw`, or not, is behind `edge`, and whether it came there by an `rw`.
    fn follow(self, by_rw: bool, edge: Edge) -> Option<(u32, bool)> {
        let kind = edge.kind();
        if !self.kinds.has(kind) {
            return None;
        }
        if kind == Kind::Glue {
            return Some((edge.to(), by_rw));
        }
        let is_rw = kind.is_rw();
        let is_allowed = !is_rw
            || match self.rw {
                Rw::Any => true,
                Rw::NoTwoInARow => !by_rw,
                Rw::None | Rw::One => false,
            };
        // Only where it matters is it told.
        is_allowed.then_some((edge.to(), is_rw && self.rw == Rw::NoTwoInARow))
    }
}

/// The circles to show; none only if the level forbids none that there is.
pub(super) fn find(graph: &Graph, level: Level, search_steps: u64) -> Vec<Cycle> {
    let forbidden = |kind: CycleKind| level.forbids(Anomaly::Cycle(kind, OrderKind::Plain));
    let last = CycleKind::ALL.into_iter().rfind(|kind| forbidden(*kind));
    let rules = Rules::new(last.expect("each level forbids some circle"), level.order());
    let mut components = Components::new(graph);
    let mut parts = components.find(graph, rules, None);
    if parts.is_empty() {
        return Vec::new();
    }
    parts.sort_by_key(|part| (part.len(), part.first().copied()));
    let mut search = Search::new(graph, components, search_steps);
    let mut found = Vec::new();
    for part in parts.iter().take(COMPONENTS_MAX) {
        search.stay_within(part);
        let mut of_part: Vec<Cycle> = Vec::new();
        for order in [OrderKind::Plain, OrderKind::Process, OrderKind::Realtime] {
            for kind in CycleKind::ALL {
                let anomaly = Anomaly::Cycle(kind, order);
                let is_implied = of_part.iter().any(|cycle| implies(cycle.anomaly, anomaly));
                if !level.forbids(anomaly) || is_implied {
                    continue;
                }
                if let Some(cycle) = search.shortest(Rules::new(kind, order))
                    && !of_part.iter().any(|other| other.anomaly == cycle.anomaly)
                {
                    of_part.push(cycle);
                }
            }
        }
        if of_part.is_empty() {
            of_part.push(search.any(rules));
        }
        found.extend(of_part);
    }
    found
}

fn implies(one: Anomaly, other: Anomaly) -> bool {
    match (one, other) {
        (Anomaly::Cycle(kind, order), Anomaly::Cycle(other_kind, other_order)) => {
            order <= other_order && kind.implies(other_kind)
        }
        _ => false,
    }
}

/// Finds strongly connected components; kept, so that its room is made once.
struct Components {
    /// By node: when it was met first, or [`NEW`], or [`DONE`] if its component is complete.
    met: Vec<u32>,
    lowest: Vec<u32>,
    open: Vec<u32>,
    path: Vec<(u32, u32)>,
}

const NEW: u32 = u32::MAX;
const DONE: u32 = u32::MAX - 1;

impl Components {
    fn new(graph: &Graph) -> Self {
        // With room for two nodes for each, the second one for having come by an `rw`.
        let nodes = graph.nodes() as usize * 2;
        Self {
            met: vec![NEW; nodes],
            lowest: vec![0; nodes],
            open: Vec::new(),
            path: Vec::new(),
        }
    }

    /// Those with a circle in them, as their nodes in order. `part`: within which nodes, all if it is `None`.
    fn find(
        &mut self,
        graph: &Graph,
        rules: Rules,
        part: Option<(&[u32], &[bool])>,
    ) -> Vec<Vec<u32>> {
        let mut found = Vec::new();
        let mut time = 0;
        match part {
            None => {
                for root in 0..graph.nodes() {
                    self.from(root, graph, rules, None, &mut time, &mut found);
                }
                self.met.fill(NEW);
            }
            Some((nodes, is_inside)) => {
                for &root in nodes {
                    let inside = Some(is_inside);
                    self.from(root, graph, rules, inside, &mut time, &mut found);
                }
                for &node in nodes {
                    self.met[node as usize * 2] = NEW;
                    self.met[node as usize * 2 + 1] = NEW;
                }
            }
        }
        found
    }

    /// Tarjan's algorithm from one node, without recursion.
    fn from(
        &mut self,
        root: u32,
        graph: &Graph,
        rules: Rules,
        is_inside: Option<&[bool]>,
        time: &mut u32,
        found: &mut Vec<Vec<u32>>,
    ) {
        // Having come by an `rw` is a node of its own; every one of those that matters is reached from one that is not.
        if self.met[root as usize * 2] != NEW {
            return;
        }
        self.meet(root * 2, time);
        while let Some((at, next)) = self.path.last_mut() {
            let at = *at;
            let edges = graph.edges(at / 2);
            let mut goes_on = None;
            while let Some(edge) = edges.get(*next as usize) {
                *next += 1;
                let Some((to, by_rw)) = rules.follow(at % 2 == 1, *edge) else {
                    continue;
                };
                if is_inside.is_some_and(|is_inside| !is_inside[to as usize]) {
                    continue;
                }
                let to = to * 2 + u32::from(by_rw);
                match self.met[to as usize] {
                    NEW => {
                        goes_on = Some(to);
                        break;
                    }
                    DONE => {}
                    when => {
                        let lowest = &mut self.lowest[at as usize];
                        *lowest = when.min(*lowest);
                    }
                }
            }
            if let Some(to) = goes_on {
                self.meet(to, time);
                continue;
            }
            self.path.pop();
            self.leave(at, found);
        }
    }

    fn meet(&mut self, node: u32, time: &mut u32) {
        self.met[node as usize] = *time;
        self.lowest[node as usize] = *time;
        *time += 1;
        self.open.push(node);
        self.path.push((node, 0));
    }

    fn leave(&mut self, node: u32, found: &mut Vec<Vec<u32>>) {
        let low = self.lowest[node as usize];
        if let Some((above, _)) = self.path.last() {
            let lowest = &mut self.lowest[*above as usize];
            *lowest = low.min(*lowest);
        }
        if low != self.met[node as usize] {
            return;
        }
        let from = self.open.iter().rposition(|open| *open == node);
        let from = from.expect("it was opened");
        for node in &self.open[from..] {
            self.met[*node as usize] = DONE;
        }
        if self.open.len() - from > 1 {
            let mut part: Vec<u32> = self.open[from..].iter().map(|node| node / 2).collect();
            part.sort_unstable();
            part.dedup();
            found.push(part);
        }
        self.open.truncate(from);
    }
}

/// Into how many the bound is divided: so much of it each kind of circle may use.
const SHARES: u64 = 8;
/// How many steps are spent on finding a shorter circle than one that was found.
const STEPS_FOR_SHORTER: u64 = 200_000;

/// Looks for circles within a component.
struct Search<'a> {
    graph: &'a Graph,
    components: Components,
    /// How many steps each kind of circle may take.
    share: u64,
    steps_left: u64,
    inside: Vec<u32>,
    is_inside: Vec<bool>,
    /// By node and by having come by an `rw`: in which search it was reached last, and from where.
    reached: Vec<Reached>,
    round: u32,
}

#[derive(Clone, Copy)]
struct Reached {
    round: u32,
    from: u32,
    distance: u32,
    kind: Kind,
}

impl<'a> Search<'a> {
    fn new(graph: &'a Graph, components: Components, steps: u64) -> Self {
        let nodes = graph.nodes() as usize;
        let unreached = Reached {
            round: 0,
            from: 0,
            distance: 0,
            kind: Kind::Glue,
        };
        Self {
            graph,
            components,
            share: steps / SHARES,
            steps_left: 0,
            inside: Vec::new(),
            is_inside: vec![false; nodes],
            reached: vec![unreached; nodes * 2],
            round: 0,
        }
    }

    fn stay_within(&mut self, part: &[u32]) {
        for node in &self.inside {
            self.is_inside[*node as usize] = false;
        }
        for node in part {
            self.is_inside[*node as usize] = true;
        }
        self.inside = part.to_vec();
    }

    /// A short circle that keeps to the rules, a shortest one where the bound allows; `None` if there is none, or the bound was met.
    fn shortest(&mut self, rules: Rules) -> Option<Cycle> {
        // What can be in a circle at all; for `One` this is what may have more than one.
        let wide = match rules.rw {
            Rw::One => Rw::NoTwoInARow,
            other => other,
        };
        let wide = Rules { rw: wide, ..rules };
        let part = (&self.inside[..], &self.is_inside[..]);
        let mut parts = self.components.find(self.graph, wide, Some(part));
        parts.sort_by_key(Vec::len);
        self.steps_left = self.share;
        let mut best: Option<Vec<(u32, Kind)>> = None;
        for &start in parts.iter().flatten() {
            let limit = best.as_ref().map_or(usize::MAX, Vec::len);
            if limit <= 2 || self.steps_left == 0 {
                break; // none is shorter than two, or there is no time
            }
            if !self.graph.is_transaction(start) {
                continue;
            }
            let limit = u32::try_from(limit).unwrap_or(u32::MAX);
            if let Some(steps) = self.shortest_from(start, rules, limit) {
                best = Some(steps);
                self.steps_left = self.steps_left.min(STEPS_FOR_SHORTER);
            }
        }
        best.map(|steps| Cycle {
            anomaly: classify(&steps),
            steps,
        })
    }

    /// A shortest circle through `start`, shorter than `limit`; with an `rw`, where the rules allow one, as its first edge.
    fn shortest_from(&mut self, start: u32, rules: Rules, limit: u32) -> Option<Vec<(u32, Kind)>> {
        self.round += 1;
        let mut queue: VecDeque<u32> = VecDeque::new();
        for edge in self.graph.edges(start) {
            let kind = edge.kind();
            let begins = rules.kinds.has(kind) && (rules.rw == Rw::None || kind.is_rw());
            if begins && self.is_inside[edge.to() as usize] {
                let by_rw = rules.rw == Rw::NoTwoInARow;
                let state = edge.to() * 2 + u32::from(by_rw);
                self.reach(state, start * 2, 1, kind, &mut queue);
            }
        }
        let mut closed: Option<(u32, Kind)> = None;
        let mut limit = limit;
        while let Some(state) = queue.pop_front() {
            let distance = self.reached[state as usize].distance;
            if distance >= limit || self.steps_left == 0 {
                break;
            }
            let (node, by_rw) = (state / 2, state % 2 == 1);
            for edge in self.graph.edges(node) {
                self.steps_left = self.steps_left.saturating_sub(1);
                let Some((to, by_rw)) = rules.follow(by_rw, *edge) else {
                    continue;
                };
                let distance = distance + u32::from(edge.kind() != Kind::Glue);
                if distance >= limit || !self.is_inside[to as usize] {
                    continue;
                }
                if to != start {
                    let to = to * 2 + u32::from(by_rw);
                    self.reach(to, state, distance, edge.kind(), &mut queue);
                } else if !by_rw {
                    // An `rw` into the start would stand before the one that begins there.
                    closed = Some((state, edge.kind()));
                    limit = distance;
                }
            }
        }
        closed.map(|(state, kind)| self.steps_back(start, state, kind))
    }

    /// Notes a way to `state`, unless there was one as short.
    fn reach(
        &mut self,
        state: u32,
        from: u32,
        distance: u32,
        kind: Kind,
        queue: &mut VecDeque<u32>,
    ) {
        let reached = &mut self.reached[state as usize];
        if reached.round == self.round && reached.distance <= distance {
            return;
        }
        *reached = Reached {
            round: self.round,
            from,
            distance,
            kind,
        };
        // Glue costs nothing: what it leads to is as near as what it came from.
        if kind == Kind::Glue {
            queue.push_front(state);
        } else {
            queue.push_back(state);
        }
    }

    /// The circle that ends with an edge from `state` to `start`, joints left out.
    fn steps_back(&self, start: u32, state: u32, last: Kind) -> Vec<(u32, Kind)> {
        let mut edges = vec![(state / 2, last)];
        let mut at = state;
        while at / 2 != start {
            let Reached { from, kind, .. } = self.reached[at as usize];
            edges.push((from / 2, kind));
            at = from;
        }
        edges.reverse();
        // Of an edge into a joint and the glue behind it the first tells the kind.
        edges.retain(|(node, _)| self.graph.is_transaction(*node));
        edges
    }

    /// Any circle, when nothing better was found within the bound. Only for components that have one by these rules.
    fn any(&mut self, rules: Rules) -> Cycle {
        let without_rw = Rules {
            rw: Rw::None,
            ..rules
        };
        let starts = std::mem::take(&mut self.inside);
        let found = starts
            .iter()
            .filter(|start| self.graph.is_transaction(**start))
            .find_map(|start| {
                self.steps_left = u64::MAX;
                self.shortest_from(*start, rules, u32::MAX)
                    .or_else(|| self.shortest_from(*start, without_rw, u32::MAX))
            });
        self.inside = starts;
        let steps = found.expect("a component has a circle");
        Cycle {
            anomaly: classify(&steps),
            steps,
        }
    }
}

/// What a circle is, by the edges in it.
fn classify(steps: &[(u32, Kind)]) -> Anomaly {
    let rws = steps.iter().filter(|(_, kind)| kind.is_rw()).count();
    let follows = steps.iter().cycle().skip(1);
    let in_a_row = rws > 1
        && steps
            .iter()
            .zip(follows)
            .any(|((_, one), (_, other))| one.is_rw() && other.is_rw());
    let has = |kinds: Kinds| steps.iter().any(|(_, kind)| kinds.has(*kind));
    let kind = match rws {
        0 if has(Kinds::WR) => CycleKind::G1c,
        0 => CycleKind::G0,
        1 => CycleKind::GSingle,
        _ if in_a_row => CycleKind::G2Item,
        _ => CycleKind::GNonadjacent,
    };
    let order = if has(Kinds::BY_REALTIME) {
        OrderKind::Realtime
    } else if has(Kinds::BY_PROCESS) {
        OrderKind::Process
    } else {
        OrderKind::Plain
    };
    Anomaly::Cycle(kind, order)
}
