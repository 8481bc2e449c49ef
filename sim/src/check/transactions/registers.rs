//! Dependencies through registers: a read shows which write it saw, and little else.
//!
//! In which order a register's values were written has to be inferred, and more can be where more was promised. Nothing comes before what was
//! there at first. If transactions are serializable, one that read a value and then wrote the register wrote over that value. If each client's order
//! is kept, what a client saw of a register last comes before, or is, what it sees first in its next transaction; and if real time is kept, that
//! holds for any two transactions of which one had returned before the other was invoked. If a circle follows from what was promised, the
//! promise was not kept.

use super::{
    super::index::NONE,
    anomaly::{Anomaly, Level, OrderKind},
    graph::{GraphBuilder, Kind},
    history::{End, KeyKind, Step, Transactions, by_moment},
    judge::Findings,
};

/// Why a version of a register comes before another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Because {
    /// A transaction read the first and wrote the second.
    Overwritten { by: u32 },
    /// A transaction knew the first last, and its client's next one knew the second first.
    Session { before: u32, after: u32 },
    /// A transaction knew the first last, and had returned before one was invoked that knew the second first.
    Realtime { before: u32, after: u32 },
}

/// One version of a register before another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Before {
    pub(super) key: u32,
    /// [`NONE`]: what was there at first.
    pub(super) first: u32,
    pub(super) second: u32,
    pub(super) because: Because,
}

/// What one transaction knew of one register.
#[derive(Clone, Copy)]
struct Touch {
    key: u32,
    transaction: u32,
    /// Read before any write of its own.
    read: Option<u32>,
    /// Its last write.
    written: Option<u32>,
}

impl Touch {
    fn first(&self) -> u32 {
        self.read.or(self.written).expect("it touched the register")
    }

    fn last(&self) -> u32 {
        self.written.or(self.read).expect("it touched the register")
    }
}

/// Finds the dependencies, and what is wrong by itself; gives what is known of the versions' order.
pub(super) fn infer(
    history: &Transactions,
    level: Level,
    findings: &mut Findings<'_>,
    graph: &mut GraphBuilder,
) -> Vec<Before> {
    let is_register = |kind: KeyKind| kind == KeyKind::Register;
    if !history.keys().iter().any(|key| is_register(key.kind)) {
        return Vec::new();
    }
    let intermediate = intermediate_writes(history);
    let mut touches = Vec::new();
    for (number, recorded, steps) in history.walk() {
        if recorded.end == End::Aborted {
            continue;
        }
        if recorded.end == End::Committed {
            look_at(history, &intermediate, findings, number, steps);
            look_inside(history, findings, number, steps);
        }
        collect(history, number, steps, &mut touches);
    }
    touches.sort_by_key(|touch| touch.key);
    read_what_was_written(history, &touches, graph);
    first_of_all(&touches, graph);
    let mut befores = version_orders(history, level, &touches);
    befores.sort_unstable();
    befores.dedup_by_key(|before| (before.key, before.first, before.second));
    depend_on_order(history, &touches, &befores, graph);
    befores
}

/// By version: it was overwritten by its own writer.
fn intermediate_writes(history: &Transactions) -> Vec<bool> {
    let mut is_intermediate = vec![false; history.versions().len()];
    let mut last = vec![NONE; history.keys().len()];
    for (_, _, steps) in history.walk() {
        for step in steps {
            if let Step::Write { version } = *step {
                let before = &mut last[history.version_at(version).key as usize];
                if *before != NONE
                    && history.version_at(*before).writer == history.version_at(version).writer
                {
                    is_intermediate[*before as usize] = true;
                }
                *before = version;
            }
        }
    }
    is_intermediate
}

fn look_at(
    history: &Transactions,
    is_intermediate: &[bool],
    findings: &mut Findings<'_>,
    reader: u32,
    steps: &[Step],
) {
    for step in steps {
        let Step::ReadRegister { version, .. } = *step else {
            continue;
        };
        if version == NONE {
            continue;
        }
        let writer = history.version_at(version).writer;
        let read = || format!("T{reader} {}", history.action(*step));
        match history.end_of_writer(version) {
            None => findings.add(Anomaly::UnwrittenRead, &[reader], || {
                format!("{}, which nobody wrote", read())
            }),
            Some(End::Aborted) => findings.add(Anomaly::G1a, &[reader, writer], || {
                format!(
                    "{}, but T{writer}, which wrote it, did not take place",
                    read()
                )
            }),
            Some(End::Committed | End::Unknown) => {
                if is_intermediate[version as usize] && writer != reader {
                    findings.add(Anomaly::G1b, &[reader, writer], || {
                        format!("{}, but T{writer} itself wrote over it", read())
                    });
                }
            }
        }
    }
}

/// Whether a transaction agrees with itself, and what it lost.
fn look_inside(history: &Transactions, findings: &mut Findings<'_>, number: u32, steps: &[Step]) {
    let mut is_contradicted = false;
    for (at, step) in steps.iter().enumerate() {
        let key = history.key_of(*step);
        if history.keys()[key as usize].kind != KeyKind::Register {
            continue;
        }
        let of_key = |step: &&Step| history.key_of(**step) == key;
        let mut before = steps[..at].iter().filter(of_key);
        match *step {
            Step::ReadRegister { version, .. } => {
                let known = before.next_back().map(|step| match *step {
                    Step::Write { version } | Step::ReadRegister { version, .. } => version,
                    Step::ReadPrefix { .. } | Step::ReadOther { .. } => {
                        unreachable!("a register is no list")
                    }
                });
                if !is_contradicted && known.is_some_and(|known| known != version) {
                    is_contradicted = true;
                    findings.add(Anomaly::Internal, &[number], || {
                        format!(
                            "T{number} {}, which its own step before contradicts",
                            history.action(*step)
                        )
                    });
                }
            }
            Step::Write { version } => {
                let is_read = |step: &&Step| matches!(step, Step::ReadRegister { .. });
                if let Some(&Step::ReadRegister { version: seen, .. }) = before.find(is_read) {
                    findings.read_then_wrote(key, seen, number);
                }
                let is_future = |step: &Step| matches!(*step, Step::ReadRegister { version: seen, .. } if seen == version);
                if steps[..at].iter().any(is_future) {
                    findings.add(Anomaly::FutureRead, &[number], || {
                        let value = &history.version_at(version).value;
                        format!("T{number} read {value} before it wrote it")
                    });
                }
            }
            Step::ReadPrefix { .. } | Step::ReadOther { .. } => {}
        }
    }
}

fn collect(history: &Transactions, number: u32, steps: &[Step], touches: &mut Vec<Touch>) {
    let from = touches.len();
    for step in steps {
        let key = history.key_of(*step);
        if history.keys()[key as usize].kind != KeyKind::Register {
            continue;
        }
        let place = touches[from..]
            .iter()
            .position(|touch| touch.key == key)
            .map_or_else(
                || {
                    touches.push(Touch {
                        key,
                        transaction: number,
                        read: None,
                        written: None,
                    });
                    touches.len() - 1
                },
                |place| from + place,
            );
        let touch = &mut touches[place];
        match *step {
            Step::Write { version } => touch.written = Some(version),
            Step::ReadRegister { version, .. } => {
                if touch.written.is_none() && touch.read.is_none() {
                    touch.read = Some(version);
                }
            }
            Step::ReadPrefix { .. } | Step::ReadOther { .. } => {}
        }
    }
}

fn read_what_was_written(history: &Transactions, touches: &[Touch], graph: &mut GraphBuilder) {
    for touch in touches {
        if let Some(version) = touch.read.filter(|version| *version != NONE)
            && let Some(writer) = history.live_writer(version)
        {
            graph.link(writer, touch.transaction, Kind::Wr);
        }
    }
}

/// What was there at first was there before anything was written.
fn first_of_all(touches: &[Touch], graph: &mut GraphBuilder) {
    for of_key in touches.chunk_by(|one, other| one.key == other.key) {
        let saw_nothing = of_key.iter().filter(|touch| touch.read == Some(NONE));
        let wrote = of_key.iter().filter(|touch| touch.written.is_some());
        let sources: Vec<u32> = saw_nothing.map(|touch| touch.transaction).collect();
        let mut targets: Vec<u32> = wrote.map(|touch| touch.transaction).collect();
        targets.sort_unstable();
        graph.link_all(&sources, &targets, Kind::Rw);
    }
}

fn version_orders(history: &Transactions, level: Level, touches: &[Touch]) -> Vec<Before> {
    let mut befores = Vec::new();
    if level < Level::Serializable {
        return befores;
    }
    for touch in touches {
        if let (Some(read), Some(written)) =
            (touch.read.filter(|read| *read != NONE), touch.written)
            && history.all()[touch.transaction as usize].end == End::Committed
        {
            befores.push(Before {
                key: touch.key,
                first: read,
                second: written,
                because: Because::Overwritten {
                    by: touch.transaction,
                },
            });
        }
    }
    match level.order() {
        OrderKind::Plain => {}
        OrderKind::Process => by_session(history, touches, &mut befores),
        OrderKind::Realtime => by_realtime(history, touches, &mut befores),
    }
    // Of a version before itself nothing follows, and before what was there at first there is none.
    befores.retain(|before| before.first != before.second && before.second != NONE);
    befores
}

/// Within a client's committed transactions, from each one that knew a register to the next one that did.
fn by_session(history: &Transactions, touches: &[Touch], befores: &mut Vec<Before>) {
    let recorded = |touch: &Touch| &history.all()[touch.transaction as usize];
    for of_key in touches.chunk_by(|one, other| one.key == other.key) {
        let is_committed = |touch: &&Touch| recorded(touch).end == End::Committed;
        let mut sorted: Vec<&Touch> = of_key.iter().filter(is_committed).collect();
        sorted.sort_by_key(|touch| (recorded(touch).client, recorded(touch).invoked));
        for pair in sorted.windows(2) {
            let (before, after) = (pair[0], pair[1]);
            if recorded(before).client == recorded(after).client {
                befores.push(Before {
                    key: before.key,
                    first: before.last(),
                    second: after.first(),
                    because: Because::Session {
                        before: before.transaction,
                        after: after.transaction,
                    },
                });
            }
        }
    }
}

/// From each transaction that knew a register, and had returned, to those invoked later that knew it; those between which another one had
/// its whole time are left to that one.
fn by_realtime(history: &Transactions, touches: &[Touch], befores: &mut Vec<Before>) {
    for of_key in touches.chunk_by(|one, other| one.key == other.key) {
        let mut events = Vec::with_capacity(of_key.len() * 2);
        for (number, touch) in (0_u32..).zip(of_key) {
            let recorded = &history.all()[touch.transaction as usize];
            events.push((recorded.invoked, false, number));
            if let Some(returned) = recorded.returned.filter(|_| recorded.end == End::Committed) {
                events.push((returned, true, number));
            }
        }
        events.sort_by(by_moment);
        // When it returned, and which touch it was.
        let mut frontier: Vec<(u64, u32)> = Vec::new();
        for (moment, is_return, number) in events {
            let touch = &of_key[number as usize];
            if is_return {
                let invoked = history.all()[touch.transaction as usize].invoked;
                frontier.retain(|(returned, _)| *returned >= invoked);
                frontier.push((moment, number));
                continue;
            }
            for &(_, before) in &frontier {
                let before = &of_key[before as usize];
                befores.push(Before {
                    key: touch.key,
                    first: before.last(),
                    second: touch.first(),
                    because: Because::Realtime {
                        before: before.transaction,
                        after: touch.transaction,
                    },
                });
            }
        }
    }
}

/// From who wrote or read a version to who wrote a later one.
fn depend_on_order(
    history: &Transactions,
    touches: &[Touch],
    befores: &[Before],
    graph: &mut GraphBuilder,
) {
    // Key, version read, and who read it.
    let mut reads: Vec<(u32, u32, u32)> = touches
        .iter()
        .filter_map(|touch| Some((touch.key, touch.read?, touch.transaction)))
        .collect();
    reads.sort_unstable();
    for before in befores {
        let Some(to) = history.live_writer(before.second) else {
            continue;
        };
        let (ww, rw) = match before.because {
            Because::Overwritten { .. } => (Kind::Ww, Kind::Rw),
            Because::Session { .. } => (Kind::WwProcess, Kind::RwProcess),
            Because::Realtime { .. } => (Kind::WwRealtime, Kind::RwRealtime),
        };
        if before.first != NONE
            && let Some(from) = history.live_writer(before.first)
        {
            graph.link(from, to, ww);
        }
        let key = (before.key, before.first);
        let from = reads.partition_point(|(of, version, _)| (*of, *version) < key);
        for (_, _, reader) in reads[from..]
            .iter()
            .take_while(|(of, version, _)| (*of, *version) == key)
        {
            graph.link(*reader, to, rw);
        }
    }
}
