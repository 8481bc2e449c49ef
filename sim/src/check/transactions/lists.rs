//! Dependencies through lists: each read of a list shows the order of all appends before it.
//!
//! The longest read of a key is the order of its versions; appends that nobody saw came after all of those that somebody saw. What is
//! wrong with a read by itself is told here as well: aborted, intermediate, unwritten and future values, duplicates, orders that do not agree.

use std::collections::BTreeMap;

use super::{
    super::index::NONE,
    anomaly::Anomaly,
    graph::{GraphBuilder, Kind},
    history::{End, KeyKind, Step, Transactions},
    judge::Findings,
};

/// The order in which the versions of each list were appended, as far as it was seen.
pub(super) struct Orders {
    /// By key.
    pub(super) orders: Vec<Vec<u32>>,
    /// By version: its place in its key's order, or [`NONE`].
    pub(super) places: Vec<u32>,
}

impl Orders {
    /// The order of one list.
    pub(super) fn of(&self, key: u32) -> &[u32] {
        &self.orders[key as usize]
    }

    /// The versions of `key` behind `version`, or all of them behind [`NONE`]; `None` if it has no place itself.
    pub(super) fn behind(&self, key: u32, version: u32) -> Option<&[u32]> {
        let from = if version == NONE {
            0
        } else {
            let place = self.places[version as usize];
            (place != NONE).then_some(place as usize + 1)?
        };
        Some(&self.of(key)[from..])
    }
}

/// Finds the dependencies, and what is wrong by itself.
pub(super) fn infer(
    history: &Transactions,
    findings: &mut Findings<'_>,
    graph: &mut GraphBuilder,
) -> Orders {
    let mut orders = Orders {
        orders: Vec::with_capacity(history.keys().len()),
        places: vec![NONE; history.versions().len()],
    };
    let disputed = disputed_reads(history);
    for (key, _) in (0..).zip(history.keys()) {
        let reads = disputed.get(&key);
        let order = version_order(history, findings, &mut orders.places, key, reads);
        orders.orders.push(order);
    }
    let bad = Bad::find(history, &orders);
    let mut infer = Infer {
        history,
        orders: &orders,
        next: next_live(history, &orders),
        tail_reads: Vec::new(),
        unseen: Vec::new(),
    };
    for (number, recorded, steps) in history.walk() {
        match recorded.end {
            End::Committed => {
                bad.look_at(history, findings, number, steps);
                look_inside(history, findings, number, steps);
                infer.depend(graph, number, steps);
            }
            End::Unknown => infer.depend(graph, number, steps),
            End::Aborted => {}
        }
    }
    infer.depend_on_order(graph);
    infer.depend_at_the_end(graph);
    dirty_updates(history, findings, &orders);
    orders
}

/// Reads of one key: who read, and what was seen.
type Reads<'a> = Vec<(u32, &'a [u32])>;

/// The reads of each key whose reads are not all beginnings of one another.
fn disputed_reads(history: &Transactions) -> BTreeMap<u32, Reads<'_>> {
    let mut reads: BTreeMap<u32, Reads<'_>> = BTreeMap::new();
    if history.keys().iter().any(|key| key.has_others) {
        for (number, _, steps) in history.walk() {
            for (key, seen) in steps.iter().filter_map(|step| history.seen(*step)) {
                if history.keys()[key as usize].has_others {
                    reads.entry(key).or_default().push((number, seen));
                }
            }
        }
    }
    for reads in reads.values_mut() {
        reads.sort_by_key(|(number, seen)| (seen.len(), *number));
    }
    reads
}

/// The longest read of a key, without what stands in it twice.
fn version_order(
    history: &Transactions,
    findings: &mut Findings<'_>,
    places: &mut [u32],
    key: u32,
    disputed: Option<&Reads<'_>>,
) -> Vec<u32> {
    let mut longest: &[u32] = &history.keys()[key as usize].longest;
    if let Some(reads) = disputed {
        longest = reads.last().expect("somebody disagreed").1;
        let disagree = reads
            .windows(2)
            .find(|pair| !pair[1].1.starts_with(pair[0].1));
        if let Some(&[(one, first), (other, second)]) = disagree {
            findings.add(Anomaly::IncompatibleOrder, &[one, other], || {
                format!(
                    "T{one} read {} and T{other} read {}: neither begins with the other",
                    list(history, key, first),
                    list(history, key, second)
                )
            });
        }
    }
    let mut order = Vec::with_capacity(longest.len());
    for &version in longest {
        if places[version as usize] == NONE {
            places[version as usize] =
                u32::try_from(order.len()).expect("a list is counted in 32 bits");
            order.push(version);
        }
    }
    if order.len() < longest.len() {
        report_duplicates(history, findings, key, longest);
    } else if let Some((reader, seen)) = disputed.and_then(|reads| with_duplicate(reads)) {
        findings.add(Anomaly::DuplicateElements, &[reader], || {
            let seen = list(history, key, seen);
            format!("T{reader} read {seen}, in which a value is twice")
        });
    }
    order
}

fn with_duplicate<'a>(reads: &[(u32, &'a [u32])]) -> Option<(u32, &'a [u32])> {
    let has_duplicate = |(_, seen): &&(u32, &[u32])| {
        let mut sorted = seen.to_vec();
        sorted.sort_unstable();
        sorted.windows(2).any(|pair| pair[0] == pair[1])
    };
    reads.iter().find(has_duplicate).copied()
}

fn report_duplicates(
    history: &Transactions,
    findings: &mut Findings<'_>,
    key: u32,
    longest: &[u32],
) {
    if findings.is_full(Anomaly::DuplicateElements) {
        return;
    }
    let reader = history.walk().find(|(_, _, steps)| {
        let mut seen = steps.iter().filter_map(|step| history.seen(*step));
        seen.any(|(of, seen)| of == key && seen == longest)
    });
    let (reader, ..) = reader.expect("somebody read it");
    findings.add(Anomaly::DuplicateElements, &[reader], || {
        let seen = list(history, key, longest);
        format!("T{reader} read {seen}, in which a value is twice")
    });
}

/// `x = [1 2 3]`
pub(super) fn list(history: &Transactions, key: u32, versions: &[u32]) -> String {
    let values: Vec<_> = versions
        .iter()
        .map(|version| history.version_at(*version).value.to_string())
        .collect();
    format!(
        "{} = [{}]",
        history.keys()[key as usize].name,
        values.join(" ")
    )
}

/// Versions that nobody should have read.
struct Bad {
    /// By version: it was overwritten by its own writer.
    is_intermediate: Vec<bool>,
    /// By key: at how many values of its longest read one is among them that was aborted or that nobody wrote.
    bad_from: Vec<u32>,
}

impl Bad {
    fn find(history: &Transactions, orders: &Orders) -> Self {
        let mut is_intermediate = vec![false; history.versions().len()];
        let mut last = vec![NONE; history.keys().len()];
        for (_, _, steps) in history.walk() {
            for step in steps {
                if let Step::Write { version } = *step {
                    let key = history.version_at(version).key as usize;
                    let before = last[key];
                    if before != NONE
                        && history.version_at(before).writer == history.version_at(version).writer
                    {
                        is_intermediate[before as usize] = true;
                    }
                    last[key] = version;
                }
            }
        }
        let is_bad = |version: &u32| {
            history
                .end_of_writer(*version)
                .is_none_or(|end| end == End::Aborted)
        };
        let bad_from = (0..orders.orders.len())
            .map(|key| {
                let longest = &history.keys()[key].longest;
                let first = longest.iter().position(is_bad);
                first.map_or(NONE, |place| {
                    u32::try_from(place).expect("a list is counted in 32 bits")
                })
            })
            .collect();
        Self {
            is_intermediate,
            bad_from,
        }
    }

    fn look_at(
        &self,
        history: &Transactions,
        findings: &mut Findings<'_>,
        reader: u32,
        steps: &[Step],
    ) {
        for step in steps {
            let Some((key, seen)) = history.seen(*step) else {
                continue;
            };
            let Some(&last) = seen.last() else { continue };
            let is_known_good = match step {
                Step::ReadPrefix { length, .. } => *length <= self.bad_from[key as usize],
                _ => false,
            };
            if !is_known_good {
                Self::look_at_values(history, findings, reader, key, seen);
            }
            let writer = history.version_at(last).writer;
            if self.is_intermediate[last as usize] && writer != reader {
                findings.add(Anomaly::G1b, &[reader, writer], || {
                    format!(
                        "T{reader} read {}, but T{writer} appended more behind {}",
                        list(history, key, seen),
                        history.version_at(last).value
                    )
                });
            }
        }
    }

    fn look_at_values(
        history: &Transactions,
        findings: &mut Findings<'_>,
        reader: u32,
        key: u32,
        seen: &[u32],
    ) {
        for &version in seen {
            let value = &history.version_at(version).value;
            match history.end_of_writer(version) {
                Some(End::Aborted) => {
                    let writer = history.version_at(version).writer;
                    findings.add(Anomaly::G1a, &[reader, writer], || {
                        format!(
                            "T{reader} read {}, but T{writer}, which appended {value}, did not take place",
                            list(history, key, seen)
                        )
                    });
                }
                None => findings.add(Anomaly::UnwrittenRead, &[reader], || {
                    format!(
                        "T{reader} read {}, but nobody appended {value}",
                        list(history, key, seen)
                    )
                }),
                Some(End::Committed | End::Unknown) => continue,
            }
            return;
        }
    }
}

/// Whether a transaction agrees with itself, and what it lost.
fn look_inside(history: &Transactions, findings: &mut Findings<'_>, number: u32, steps: &[Step]) {
    let mut is_contradicted = false;
    for (at, step) in steps.iter().enumerate() {
        if let Step::Write { version } = *step {
            let key = history.version_at(version).key;
            if history.keys()[key as usize].kind == KeyKind::List {
                let reads = steps[..at].iter().filter_map(|step| history.seen(*step));
                let mut of_key = reads.filter(|(of, _)| *of == key).map(|(_, seen)| seen);
                let first = of_key.next();
                let is_future = |seen: &[u32]| seen.contains(&version);
                if first.is_some_and(is_future) || of_key.any(is_future) {
                    findings.add(Anomaly::FutureRead, &[number], || {
                        let value = &history.version_at(version).value;
                        format!("T{number} read {value} before it appended it")
                    });
                }
                if let Some(seen) = first {
                    findings.read_then_wrote(key, seen.last().copied().unwrap_or(NONE), number);
                }
            }
            continue;
        }
        let Some((key, seen)) = history.seen(*step) else {
            continue;
        };
        if is_contradicted {
            continue; // what follows from the first contradiction is none
        }
        if let Some(expected) = contradicted(history, &steps[..at], key, seen) {
            is_contradicted = true;
            findings.add(Anomaly::Internal, &[number], || {
                format!(
                    "T{number} read {}, where its own steps before had led to {}{}",
                    list(history, key, seen),
                    if expected.0 {
                        ""
                    } else {
                        "something and then "
                    },
                    list(history, key, &expected.1)
                )
            });
        }
    }
}

/// What a read should have seen after a transaction's own steps, if it did not: whether that is all, and the values.
fn contradicted(
    history: &Transactions,
    before: &[Step],
    key: u32,
    seen: &[u32],
) -> Option<(bool, Vec<u32>)> {
    let mut own_from = before.len();
    let mut read = None;
    let mut appended = 0;
    for (at, step) in before.iter().enumerate().rev() {
        if history.key_of(*step) != key {
            continue;
        }
        if let Some((_, seen)) = history.seen(*step) {
            read = Some(seen);
            break;
        }
        appended += 1;
        own_from = at;
    }
    if read.is_none() && appended == 0 {
        return None;
    }
    let own = before[own_from..].iter().filter_map(|step| match *step {
        Step::Write { version } if history.version_at(version).key == key => Some(version),
        _ => None,
    });
    let start = seen.len().checked_sub(appended);
    let agrees = start.is_some_and(|start| {
        read.is_none_or(|read| read == &seen[..start])
            && own.clone().eq(seen[start..].iter().copied())
    });
    (!agrees).then(|| {
        let values = read.unwrap_or_default().iter().copied().chain(own);
        (read.is_some(), values.collect())
    })
}

/// By version: the first transaction behind it in its key's order that took place or may have, or [`NONE`].
fn next_live(history: &Transactions, orders: &Orders) -> Vec<u32> {
    let mut next = vec![NONE; history.versions().len()];
    for order in &orders.orders {
        let mut writer = NONE;
        for &version in order.iter().rev() {
            next[version as usize] = writer;
            writer = history.live_writer(version).unwrap_or(writer);
        }
    }
    next
}

struct Infer<'a> {
    history: &'a Transactions,
    orders: &'a Orders,
    next: Vec<u32>,
    /// Key and transaction: reads behind which nobody was seen to append.
    tail_reads: Vec<(u32, u32)>,
    /// Key and transaction: appends that nobody saw.
    unseen: Vec<(u32, u32)>,
}

impl Infer<'_> {
    fn depend(&mut self, graph: &mut GraphBuilder, number: u32, steps: &[Step]) {
        for step in steps {
            if let Step::Write { version } = *step {
                let key = self.history.version_at(version).key;
                if self.orders.places[version as usize] == NONE
                    && self.history.keys()[key as usize].kind == KeyKind::List
                {
                    self.unseen.push((key, number));
                }
                continue;
            }
            let Some((key, seen)) = self.history.seen(*step) else {
                continue;
            };
            let next = if let Some(&last) = seen.last() {
                if let Some(writer) = self.history.live_writer(last) {
                    graph.link(writer, number, Kind::Wr);
                }
                if self.orders.places[last as usize] == NONE {
                    continue; // nobody knows what came next
                }
                self.next[last as usize]
            } else {
                let mut writers = self.orders.of(key).iter();
                writers
                    .find_map(|version| self.history.live_writer(*version))
                    .unwrap_or(NONE)
            };
            if next == NONE {
                self.tail_reads.push((key, number));
            } else {
                graph.link(number, next, Kind::Rw);
            }
        }
    }

    /// From each version's writer to that of the next one.
    fn depend_on_order(&self, graph: &mut GraphBuilder) {
        for order in &self.orders.orders {
            for version in order {
                let next = self.next[*version as usize];
                if let Some(writer) = self.history.live_writer(*version).filter(|_| next != NONE) {
                    graph.link(writer, next, Kind::Ww);
                }
            }
        }
    }

    /// Appends that nobody saw came after all that somebody saw, and after the reads that did not see them.
    fn depend_at_the_end(&mut self, graph: &mut GraphBuilder) {
        self.unseen.sort_unstable();
        self.unseen.dedup();
        self.tail_reads.sort_unstable();
        self.tail_reads.dedup();
        let mut reads = &self.tail_reads[..];
        for appends in self.unseen.chunk_by(|one, other| one.0 == other.0) {
            let key = appends[0].0;
            let targets: Vec<u32> = appends.iter().map(|(_, number)| *number).collect();
            let mut versions = self.orders.of(key).iter().rev();
            let last = versions.find_map(|version| self.history.live_writer(*version));
            if let Some(last) = last {
                for &target in &targets {
                    graph.link(last, target, Kind::Ww);
                }
            }
            let skip = reads.partition_point(|(of, _)| *of < key);
            let count = reads[skip..].partition_point(|(of, _)| *of == key);
            let sources: Vec<u32> = reads[skip..skip + count]
                .iter()
                .map(|(_, number)| *number)
                .collect();
            graph.link_all(&sources, &targets, Kind::Rw);
            reads = &reads[skip + count..];
        }
    }
}

/// Appends that took place on top of appends that did not.
fn dirty_updates(history: &Transactions, findings: &mut Findings<'_>, orders: &Orders) {
    for order in &orders.orders {
        let mut aborted: Option<u32> = None;
        for &version in order {
            let writer = history.version_at(version).writer;
            match (history.end_of_writer(version), aborted) {
                (Some(End::Aborted), _) => aborted = Some(version),
                (Some(End::Committed), Some(below)) => {
                    let by = history.version_at(below).writer;
                    findings.add(Anomaly::DirtyUpdate, &[writer, by], || {
                        format!(
                            "T{writer} appended {} to {} behind {} of T{by}, which did not take place",
                            history.version_at(version).value,
                            history.keys()[history.version_at(version).key as usize].name,
                            history.version_at(below).value
                        )
                    });
                    aborted = None;
                }
                (Some(End::Committed) | None, _) => aborted = None,
                (Some(End::Unknown), _) => {}
            }
        }
    }
}

/// Transactions that read the same version of a key and then wrote the key, while they are counted.
#[derive(Default)]
pub(super) struct ReadThenWrote {
    /// Key and version, or [`NONE`] for what was there at first, and the transactions.
    by_version: BTreeMap<(u32, u32), Vec<u32>>,
    /// By version, and by key for what was there at first: the first transaction that did.
    first_of_version: Vec<u32>,
    first_of_key: Vec<u32>,
}

impl ReadThenWrote {
    pub(super) fn new(history: &Transactions) -> Self {
        Self {
            by_version: BTreeMap::new(),
            first_of_version: vec![NONE; history.versions().len()],
            first_of_key: vec![NONE; history.keys().len()],
        }
    }

    pub(super) fn add(&mut self, key: u32, version: u32, transaction: u32) {
        let first = if version == NONE {
            &mut self.first_of_key[key as usize]
        } else {
            &mut self.first_of_version[version as usize]
        };
        if *first == NONE {
            *first = transaction;
        } else if *first != transaction {
            let all = self
                .by_version
                .entry((key, version))
                .or_insert_with(|| vec![*first]);
            if all.last() != Some(&transaction) {
                all.push(transaction);
            }
        }
    }

    pub(super) fn report(&self, history: &Transactions, findings: &mut Findings<'_>) {
        for ((key, version), transactions) in &self.by_version {
            findings.add(Anomaly::LostUpdate, transactions, || {
                let all: Vec<_> = transactions.iter().map(|number| format!("T{number}")).collect();
                let name = &history.keys()[*key as usize].name;
                let seen = if *version == NONE {
                    "nothing".to_owned()
                } else {
                    history.version_at(*version).value.to_string()
                };
                format!(
                    "{} read {name} when {seen} was the last there, and wrote it: all but one of them wrote over what they had not seen",
                    all.join(", ")
                )
            });
        }
    }
}
