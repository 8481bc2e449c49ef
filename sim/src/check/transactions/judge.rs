//! The verdict: every anomaly that a level forbids, with its witness.

use std::{collections::BTreeMap, fmt};

use super::{
    anomaly::{Anomaly, Level},
    cycles,
    graph::GraphBuilder,
    history::Transactions,
    lists::{self, ReadThenWrote},
    order, registers,
    words::Words,
};

/// How much work a check may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How many dependencies may be kept; each takes 12 bytes, and the room in which they are collected may be twice as large.
    pub edges_max: usize,
    /// How many dependencies may be followed to find the shortest circle of the gravest kind. Past it the verdict stands, and its witness
    /// is a circle, but there may be a graver or a shorter one.
    pub search_steps: u64,
}

impl Default for Budget {
    /// 32 million dependencies, which is some 600 MB at the most; 20 million steps.
    fn default() -> Self {
        Self {
            edges_max: 32_000_000,
            search_steps: 20_000_000,
        }
    }
}

/// What the checker found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Nothing that the level forbids was seen.
    Ok,
    /// The level was not kept.
    Illegal(Explanation),
    /// Nothing is known.
    Unknown(Reason),
}

/// Why nothing is known. `Display` tells it in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The history does not keep the rules of the workloads, as the text says: a value is written once per key, a key is a list or a register.
    Malformed(String),
    /// There are more dependencies than [`Budget::edges_max`].
    Edges(usize),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => f.write_str(why),
            Self::Edges(max) => write!(f, "there are more than {max} dependencies"),
        }
    }
}

/// The proof. `Display` tells it in words.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The level that was not kept.
    pub level: Level,
    /// What it forbids and was seen, at most [`Explanation::FINDINGS_MAX`] of a kind: circles first, the gravest of them at the head.
    pub findings: Vec<Finding>,
}

impl Explanation {
    /// How many findings of a kind are told at most.
    pub const FINDINGS_MAX: usize = 4;
}

/// One anomaly and its witness.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What it is.
    pub anomaly: Anomaly,
    /// The transactions in it, by number; a circle's in its order.
    pub transactions: Vec<usize>,
    /// The finding in a line: `G-single: T1 -ww-> T2 -rw-> T1`.
    pub headline: String,
    /// What proves it: for a circle what each transaction did and what each of its dependencies rests on, line by line.
    pub proof: Vec<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline)?;
        for line in &self.proof {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not {}", self.level)?;
        for finding in &self.findings {
            write!(f, "\n{finding}")?;
        }
        Ok(())
    }
}

/// Collects what is wrong by itself, as far as the level forbids it.
pub(super) struct Findings<'a> {
    history: &'a Transactions,
    level: Level,
    found: BTreeMap<Anomaly, Vec<Finding>>,
    read_then_wrote: ReadThenWrote,
}

impl<'a> Findings<'a> {
    fn new(history: &'a Transactions, level: Level) -> Self {
        Self {
            history,
            level,
            found: BTreeMap::new(),
            read_then_wrote: ReadThenWrote::new(history),
        }
    }

    /// Whether no more findings of this kind are told.
    pub(super) fn is_full(&self, anomaly: Anomaly) -> bool {
        !self.level.forbids(anomaly)
            || anomaly == Anomaly::UnwrittenRead && self.history.is_cut()
            || (self.found.get(&anomaly))
                .is_some_and(|found| found.len() >= Explanation::FINDINGS_MAX)
    }

    pub(super) fn add(
        &mut self,
        anomaly: Anomaly,
        transactions: &[u32],
        why: impl FnOnce() -> String,
    ) {
        if self.is_full(anomaly) {
            return;
        }
        let words = Words::new(self.history);
        let finding = Finding {
            anomaly,
            transactions: transactions.iter().map(|number| *number as usize).collect(),
            headline: format!("{anomaly}: {}", why()),
            proof: words.of_all(transactions),
        };
        self.found.entry(anomaly).or_default().push(finding);
    }

    /// A transaction read a key, saw this version last, and then wrote the key.
    pub(super) fn read_then_wrote(&mut self, key: u32, version: u32, transaction: u32) {
        self.read_then_wrote.add(key, version, transaction);
    }
}

/// Judges a history by a level.
///
/// Within what clients saw: [`Verdict::Ok`] says that no anomaly was seen, not that none can be. See the example at [`Transactions`].
///
/// # Panics
/// Never, if the history's numbers fit into 28 bits, which takes many gigabytes.
pub fn check(history: &Transactions, level: Level, budget: Budget) -> Verdict {
    if let Some(why) = history.malformed() {
        return Verdict::Unknown(Reason::Malformed(why.to_owned()));
    }
    let mut findings = Findings::new(history, level);
    let mut graph = GraphBuilder::new(history.len(), budget.edges_max);
    let orders = lists::infer(history, &mut findings, &mut graph);
    let befores = registers::infer(history, level, &mut findings, &mut graph);
    order::infer(history, level.order(), &mut graph);
    let Some(graph) = graph.finish() else {
        return Verdict::Unknown(Reason::Edges(budget.edges_max));
    };
    let words = Words::new(history);
    let mut cycles = cycles::find(&graph, level, budget.search_steps);
    // What rests on an order of versions that had to be inferred from time is harder to follow, and comes later.
    cycles.sort_by_key(|cycle| (cycle.inferred(), cycle.anomaly));
    let mut told: Vec<Finding> = cycles
        .iter()
        .map(|cycle| words.of_cycle(cycle, &orders, &befores))
        .collect();
    let lost = std::mem::take(&mut findings.read_then_wrote);
    lost.report(history, &mut findings);
    told.extend(findings.found.into_values().flatten());
    if told.is_empty() {
        Verdict::Ok
    } else {
        Verdict::Illegal(Explanation {
            level,
            findings: told,
        })
    }
}
