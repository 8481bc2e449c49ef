//! Findings in words: what each transaction did, and what each dependency between two of them rests on.

use std::fmt::Write as _;

use super::{
    super::index::NONE,
    cycles::Cycle,
    graph::Kind,
    history::{End, KeyKind, Step, Transactions},
    judge::Finding,
    lists::{self, Orders},
    registers::{Because, Before},
};

/// How many of a transaction's actions are told.
const ACTIONS_TOLD_MAX: usize = 16;

pub(super) struct Words<'a> {
    history: &'a Transactions,
}

impl<'a> Words<'a> {
    pub(super) fn new(history: &'a Transactions) -> Self {
        Self { history }
    }

    /// A line for each of the transactions, in order, each once.
    pub(super) fn of_all(&self, transactions: &[u32]) -> Vec<String> {
        let mut sorted = transactions.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        sorted.iter().map(|number| self.of_one(*number)).collect()
    }

    fn of_one(&self, number: u32) -> String {
        let recorded = &self.history.all()[number as usize];
        let steps = self.history.steps(number);
        let mut words = format!("T{number}, client {}", recorded.client);
        match recorded.end {
            End::Committed => {}
            End::Aborted => words.push_str(", did not take place"),
            End::Unknown => words.push_str(", nobody knows whether it took place"),
        }
        let mut between = ": ";
        for step in steps.iter().take(ACTIONS_TOLD_MAX) {
            write!(words, "{between}{}", self.history.action(*step)).expect("a string takes it");
            between = ", ";
        }
        if steps.len() > ACTIONS_TOLD_MAX {
            write!(words, " and {} more", steps.len() - ACTIONS_TOLD_MAX)
                .expect("a string takes it");
        }
        words
    }

    pub(super) fn of_cycle(&self, cycle: &Cycle, orders: &Orders, befores: &[Before]) -> Finding {
        let transactions: Vec<u32> = cycle.steps.iter().map(|(number, _)| *number).collect();
        let mut headline = format!("{}: ", cycle.anomaly);
        for (number, kind) in &cycle.steps {
            write!(headline, "T{number} -{}-> ", name(*kind)).expect("a string takes it");
        }
        write!(headline, "T{}", transactions[0]).expect("a string takes it");
        let mut proof = self.of_all(&transactions);
        let next = transactions.iter().cycle().skip(1);
        for ((from, kind), to) in cycle.steps.iter().zip(next) {
            let why = self.of_edge(*from, *kind, *to, orders, befores);
            proof.push(format!("T{from} -{}-> T{to}: {why}", name(*kind)));
        }
        Finding {
            anomaly: cycle.anomaly,
            transactions: transactions.iter().map(|number| *number as usize).collect(),
            headline,
            proof,
        }
    }

    fn of_edge(
        &self,
        from: u32,
        kind: Kind,
        to: u32,
        orders: &Orders,
        befores: &[Before],
    ) -> String {
        let found = match kind {
            Kind::Process => return format!("one client made T{from} and then T{to}"),
            Kind::Realtime => {
                return format!("T{from} had returned before T{to} was invoked");
            }
            Kind::Wr => self.of_wr(from, to),
            _ if kind.is_ww() => self.of_ww(from, to, orders, befores),
            _ => self.of_rw(from, to, orders, befores),
        };
        found.expect("an edge rests on what two transactions did")
    }

    /// The versions that a transaction wrote.
    fn writes(&self, transaction: u32) -> impl Iterator<Item = u32> + '_ {
        let steps = self.history.steps(transaction).iter();
        steps.filter_map(|step| match *step {
            Step::Write { version } => Some(version),
            _ => None,
        })
    }

    /// Key and last version of what a transaction read.
    fn reads(&self, transaction: u32) -> impl Iterator<Item = (u32, u32)> + '_ {
        let steps = self.history.steps(transaction).iter();
        steps.filter_map(|step| match *step {
            Step::ReadRegister { key, version } => Some((key, version)),
            other => {
                let (key, seen) = self.history.seen(other)?;
                Some((key, seen.last().copied().unwrap_or(NONE)))
            }
        })
    }

    /// `1` and `x`, of a version.
    fn told(&self, version: u32) -> (String, String) {
        let version = self.history.version_at(version);
        let key = &self.history.keys()[version.key as usize].name;
        (version.value.to_string(), key.to_string())
    }

    fn of_wr(&self, from: u32, to: u32) -> Option<String> {
        let mut written = self.writes(from);
        let version = written.find(|version| self.reads(to).any(|(_, read)| read == *version))?;
        let (value, key) = self.told(version);
        Some(format!("T{to} read {value} of {key}, which T{from} wrote"))
    }

    fn of_ww(&self, from: u32, to: u32, orders: &Orders, befores: &[Before]) -> Option<String> {
        self.writes(from).find_map(|first| {
            let key = self.history.version_at(first).key;
            let (value, name) = self.told(first);
            let second = self.follower(to, key, first, orders, befores)?;
            let (later, _) = self.told(second.version);
            Some(format!(
                "T{from} wrote {value} to {name}, and T{to} wrote {later} after it{}",
                second.why
            ))
        })
    }

    fn of_rw(&self, from: u32, to: u32, orders: &Orders, befores: &[Before]) -> Option<String> {
        self.reads(from).find_map(|(key, last)| {
            let second = self.follower(to, key, last, orders, befores)?;
            let (later, name) = self.told(second.version);
            let seen = if last == NONE {
                "nothing in".to_owned()
            } else {
                format!("{} as the last of", self.told(last).0)
            };
            Some(format!(
                "T{from} read {seen} {name}, before T{to} wrote {later}{}",
                second.why
            ))
        })
    }

    /// What `transaction` wrote to `key` behind `version`, and how that is known.
    fn follower(
        &self,
        transaction: u32,
        key: u32,
        version: u32,
        orders: &Orders,
        befores: &[Before],
    ) -> Option<Follower> {
        let is_of_key = |written: &u32| self.history.version_at(*written).key == key;
        let written: Vec<u32> = self.writes(transaction).filter(is_of_key).collect();
        if let Some(behind) = orders.behind(key, version)
            && !orders.of(key).is_empty()
        {
            let seen = written.iter().find(|written| behind.contains(written));
            if let Some(&version) = seen {
                let order = lists::list(self.history, key, orders.of(key));
                return Some(Follower {
                    version,
                    why: format!(" ({order})"),
                });
            }
        }
        let is_unseen = |written: &&u32| orders.places[**written as usize] == NONE;
        let known = befores.iter().find(|before| {
            (before.key, before.first) == (key, version) && written.contains(&before.second)
        });
        if let Some(before) = known {
            let why = match before.because {
                Because::Overwritten { by } => format!(" (T{by} read the one and wrote the other)"),
                Because::Session { before, after } => {
                    format!(" (one client saw it so, in T{before} and then T{after})")
                }
                Because::Realtime { before, after } => format!(
                    " (T{before}, which knew the one, had returned before T{after} was invoked, which knew the other)"
                ),
            };
            return Some(Follower {
                version: before.second,
                why,
            });
        }
        let is_list = self.history.keys()[key as usize].kind == KeyKind::List;
        let unseen = *written.iter().find(is_unseen)?;
        (is_list || version == NONE).then(|| Follower {
            version: unseen,
            why: if is_list {
                " (which nobody saw: it came after all that was seen)".to_owned()
            } else {
                String::new()
            },
        })
    }
}

struct Follower {
    version: u32,
    why: String,
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Ww | Kind::WwProcess | Kind::WwRealtime => "ww",
        Kind::Wr => "wr",
        Kind::Rw | Kind::RwProcess | Kind::RwRealtime => "rw",
        Kind::Process => "process",
        Kind::Realtime => "realtime",
        Kind::Glue => unreachable!("joints are left out of a circle"),
    }
}
