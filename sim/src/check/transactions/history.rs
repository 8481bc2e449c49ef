//! A history of transactions, taken in such that everything in it has a number.
//!
//! A *version* is a value of a key: since a value is written once per key, version, write and value are one thing, and what is known of it (who
//! wrote it, what came next) stands in arrays. Most reads of a list are a beginning of the longest one so far; of those only the length is
//! kept, so that long lists that are read often take neither memory nor time.

use std::{cmp::Ordering, fmt};

use serde::{Deserialize, Serialize};

use super::super::index::{Index, NONE, hash_of, spread};

/// A key or a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}

impl From<i64> for Scalar {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Scalar {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Scalar {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Scalar {
    fn hash(&self) -> u64 {
        match self {
            Self::Number(number) => spread(number.cast_unsigned()),
            Self::Text(text) => hash_of(text),
        }
    }
}

/// What a transaction did to one key. A read that was not answered saw nothing, and is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Appended a value to the list at a key. A value is appended once per key.
    Append(Scalar, Scalar),
    /// Read the list at a key and saw these values, in this order; no value if nothing had been appended.
    ReadList(Scalar, Vec<Scalar>),
    /// Wrote a value to the register at a key. A value is written once per key.
    Write(Scalar, Scalar),
    /// Read the register at a key and saw this value; `None` if nothing had been written.
    ReadRegister(Scalar, Option<Scalar>),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Append(key, value) => write!(f, "append {value} to {key}"),
            Self::ReadList(key, seen) => {
                write!(f, "read {key} = [")?;
                for (number, value) in seen.iter().enumerate() {
                    write!(f, "{}{value}", if number == 0 { "" } else { " " })?;
                }
                f.write_str("]")
            }
            Self::Write(key, value) => write!(f, "write {key} = {value}"),
            Self::ReadRegister(key, Some(value)) => write!(f, "read {key} = {value}"),
            Self::ReadRegister(key, None) => write!(f, "read {key} = nothing"),
        }
    }
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// It took place, between its invocation and its return.
    Committed,
    /// It did not take place.
    Aborted,
    /// Nobody knows: it took place at some time after its invocation, or never.
    Unknown,
}

/// One transaction, as its client saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// The client that made it.
    pub client: usize,
    /// When it was made: a position among all events of the history.
    pub invoked: u64,
    /// When it returned; `None` if it never did.
    pub returned: Option<u64>,
    /// How it ended.
    pub end: End,
    /// What it did, in order.
    pub actions: Vec<Action>,
}

/// A history of transactions, ready to be judged.
///
/// # Example
/// ```
/// use dormouse_sim::check::transactions::{Action, End, Level, Transaction, Transactions, Verdict, check, Budget};
///
/// // Two transactions read what the other one is about to append to: write skew.
/// let skewed = |client: usize, reads: &str, appends: &str| Transaction {
///     client,
///     invoked: 0,
///     returned: Some(1),
///     end: End::Committed,
///     actions: vec![Action::ReadList(reads.into(), vec![]), Action::Append(appends.into(), 1.into())],
/// };
/// let history: Transactions = [skewed(1, "x", "y"), skewed(2, "y", "x")].into_iter().collect();
/// assert_eq!(check(&history, Level::SnapshotIsolation, Budget::default()), Verdict::Ok);
/// let Verdict::Illegal(why) = check(&history, Level::Serializable, Budget::default()) else { panic!("no order explains it") };
/// assert_eq!(why.findings[0].headline, "G2-item: T0 -rw-> T1 -rw-> T0");
/// ```
#[derive(Default)]
pub struct Transactions {
    keys: Vec<Key>,
    key_index: Index,
    versions: Vec<Version>,
    version_index: Index,
    recorded: Vec<Recorded>,
    steps: Vec<Step>,
    /// What reads saw that are no beginning of their key's `longest`.
    others: Vec<u32>,
    malformed: Option<String>,
    is_cut: bool,
}

pub(super) struct Key {
    pub(super) name: Scalar,
    pub(super) kind: KeyKind,
    /// The longest read so far of which all others are beginnings, but for those in [`Step::ReadOther`].
    pub(super) longest: Vec<u32>,
    /// Whether one of those is there.
    pub(super) has_others: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum KeyKind {
    List,
    Register,
}

pub(super) struct Version {
    pub(super) key: u32,
    pub(super) value: Scalar,
    /// The transaction that wrote it, or [`NONE`].
    pub(super) writer: u32,
}

#[derive(Clone, Copy)]
pub(super) struct Recorded {
    pub(super) client: usize,
    pub(super) invoked: u64,
    pub(super) returned: Option<u64>,
    pub(super) end: End,
    first_step: u32,
    end_step: u32,
}

/// An [`Action`] in numbers.
#[derive(Clone, Copy)]
pub(super) enum Step {
    /// Of a version, to a list or a register.
    Write { version: u32 },
    /// Saw so many of its key's longest.
    ReadPrefix { key: u32, length: u32 },
    /// Saw so many of `others` from a place on.
    ReadOther { key: u32, from: u32, length: u32 },
    /// Saw a version, or [`NONE`].
    ReadRegister { key: u32, version: u32 },
}

impl Transactions {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.recorded.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.recorded.is_empty()
    }

    /// Adds a transaction; it is called by its number, which is how many were added before.
    ///
    /// # Panics
    /// If there are more than four thousand million transactions, actions or values.
    pub fn push(&mut self, transaction: &Transaction) {
        let number = u32::try_from(self.recorded.len()).expect("a history is counted in 32 bits");
        let first_step = self.next_step();
        for action in &transaction.actions {
            self.act(number, transaction.end, action);
        }
        self.recorded.push(Recorded {
            client: transaction.client,
            invoked: transaction.invoked,
            returned: transaction.returned,
            end: transaction.end,
            first_step,
            end_step: self.next_step(),
        });
    }

    /// Says that these are part of a longer history: what was written in the rest may be read in this one, and is no
    /// [`UnwrittenRead`](super::Anomaly::UnwrittenRead).
    #[must_use]
    pub fn cut_from_a_longer_one(mut self) -> Self {
        self.is_cut = true;
        self
    }

    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    fn next_step(&self) -> u32 {
        u32::try_from(self.steps.len()).expect("a history is counted in 32 bits")
    }

    fn act(&mut self, transaction: u32, end: End, action: &Action) {
        let (name, kind) = match action {
            Action::Append(key, _) | Action::ReadList(key, _) => (key, KeyKind::List),
            Action::Write(key, _) | Action::ReadRegister(key, _) => (key, KeyKind::Register),
        };
        let key = self.key(name, kind);
        let step = match action {
            Action::Append(_, value) | Action::Write(_, value) => {
                let version = self.version(key, value);
                let before = self.versions[version as usize].writer;
                if before != NONE {
                    self.complain(format!(
                        "{value} is written to {name} by T{before} and by T{transaction}: a value is written once per key, or nobody can say \
                         which write a read saw"
                    ));
                }
                self.versions[version as usize].writer = transaction;
                Step::Write { version }
            }
            // What an aborted transaction saw binds nobody.
            Action::ReadList(..) | Action::ReadRegister(..) if end != End::Committed => return,
            Action::ReadList(_, seen) => self.read_list(key, seen),
            Action::ReadRegister(_, seen) => {
                let version = seen.as_ref().map_or(NONE, |value| self.version(key, value));
                Step::ReadRegister { key, version }
            }
        };
        self.steps.push(step);
    }

    fn read_list(&mut self, key: u32, seen: &[Scalar]) -> Step {
        let length = u32::try_from(seen.len()).expect("a list is counted in 32 bits");
        let longest = &self.keys[key as usize].longest;
        let is_known =
            |(version, value): (&u32, &Scalar)| self.versions[*version as usize].value == *value;
        let common = longest.len().min(seen.len());
        if longest.iter().zip(seen).all(is_known) {
            for value in &seen[common..] {
                let version = self.version(key, value);
                self.keys[key as usize].longest.push(version);
            }
            return Step::ReadPrefix { key, length };
        }
        self.keys[key as usize].has_others = true;
        let from = u32::try_from(self.others.len()).expect("a history is counted in 32 bits");
        for value in seen {
            let version = self.version(key, value);
            self.others.push(version);
        }
        Step::ReadOther { key, from, length }
    }

    fn key(&mut self, name: &Scalar, kind: KeyKind) -> u32 {
        let new = u32::try_from(self.keys.len()).expect("keys are counted in 32 bits");
        let keys = &self.keys;
        let found = self
            .key_index
            .find_or_put(name.hash(), new, |key| keys[key as usize].name == *name);
        let Some(key) = found else {
            self.keys.push(Key {
                name: name.clone(),
                kind,
                longest: Vec::new(),
                has_others: false,
            });
            return new;
        };
        if self.keys[key as usize].kind != kind {
            self.complain(format!(
                "{name} is used as a list and as a register: a key is one of them"
            ));
        }
        key
    }

    fn version(&mut self, key: u32, value: &Scalar) -> u32 {
        let new = u32::try_from(self.versions.len()).expect("versions are counted in 32 bits");
        let hash = spread(value.hash() ^ spread(u64::from(key)));
        let versions = &self.versions;
        let is_it = |version: u32| {
            let version = &versions[version as usize];
            version.key == key && version.value == *value
        };
        self.version_index
            .find_or_put(hash, new, is_it)
            .unwrap_or_else(|| {
                self.versions.push(Version {
                    key,
                    value: value.clone(),
                    writer: NONE,
                });
                new
            })
    }

    fn complain(&mut self, why: String) {
        self.malformed.get_or_insert(why);
    }

    /// Why the history cannot be judged, if it cannot.
    pub(super) fn malformed(&self) -> Option<&str> {
        self.malformed.as_deref()
    }

    pub(super) fn keys(&self) -> &[Key] {
        &self.keys
    }

    pub(super) fn versions(&self) -> &[Version] {
        &self.versions
    }

    pub(super) fn version_at(&self, version: u32) -> &Version {
        &self.versions[version as usize]
    }

    pub(super) fn all(&self) -> &[Recorded] {
        &self.recorded
    }

    pub(super) fn steps(&self, transaction: u32) -> &[Step] {
        let Recorded {
            first_step,
            end_step,
            ..
        } = self.recorded[transaction as usize];
        &self.steps[first_step as usize..end_step as usize]
    }

    /// Every transaction with its number and its steps.
    pub(super) fn walk(&self) -> impl Iterator<Item = (u32, &Recorded, &[Step])> {
        (0..).zip(&self.recorded).map(|(number, recorded)| {
            let steps = &self.steps[recorded.first_step as usize..recorded.end_step as usize];
            (number, recorded, steps)
        })
    }

    /// The versions that a read of a list saw; `None` for other steps.
    pub(super) fn seen(&self, step: Step) -> Option<(u32, &[u32])> {
        match step {
            Step::ReadPrefix { key, length } => {
                Some((key, &self.keys[key as usize].longest[..length as usize]))
            }
            Step::ReadOther { key, from, length } => {
                Some((key, &self.others[from as usize..(from + length) as usize]))
            }
            Step::Write { .. } | Step::ReadRegister { .. } => None,
        }
    }

    /// The key that a step concerns.
    pub(super) fn key_of(&self, step: Step) -> u32 {
        match step {
            Step::Write { version } => self.versions[version as usize].key,
            Step::ReadPrefix { key, .. }
            | Step::ReadOther { key, .. }
            | Step::ReadRegister { key, .. } => key,
        }
    }

    /// How the transaction ended that wrote `version`; `None` if nobody did.
    pub(super) fn end_of_writer(&self, version: u32) -> Option<End> {
        let writer = self.versions[version as usize].writer;
        (writer != NONE).then(|| self.recorded[writer as usize].end)
    }

    /// The transaction that wrote `version`, if it took place or may have.
    pub(super) fn live_writer(&self, version: u32) -> Option<u32> {
        let writer = self.versions[version as usize].writer;
        (writer != NONE && self.recorded[writer as usize].end != End::Aborted).then_some(writer)
    }

    /// A step as it was told.
    pub(super) fn action(&self, step: Step) -> Action {
        let name = |key: u32| self.keys[key as usize].name.clone();
        let value = |version: u32| self.versions[version as usize].value.clone();
        match step {
            Step::Write { version } => {
                let key = self.versions[version as usize].key;
                match self.keys[key as usize].kind {
                    KeyKind::List => Action::Append(name(key), value(version)),
                    KeyKind::Register => Action::Write(name(key), value(version)),
                }
            }
            Step::ReadRegister { key, version } => {
                Action::ReadRegister(name(key), (version != NONE).then(|| value(version)))
            }
            Step::ReadPrefix { .. } | Step::ReadOther { .. } => {
                let (key, seen) = self.seen(step).expect("it reads a list");
                Action::ReadList(
                    name(key),
                    seen.iter().map(|version| value(*version)).collect(),
                )
            }
        }
    }
}

impl FromIterator<Transaction> for Transactions {
    fn from_iter<All: IntoIterator<Item = Transaction>>(all: All) -> Self {
        let mut transactions = Self::new();
        for transaction in all {
            transactions.push(&transaction);
        }
        transactions
    }
}

impl fmt::Debug for Transactions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        for (number, recorded, steps) in self.walk() {
            let actions: Vec<_> = steps.iter().map(|step| self.action(*step)).collect();
            list.entry(&(number, recorded.client, recorded.end, actions));
        }
        list.finish()
    }
}

/// The order of events at one moment: an invocation before a return, so that they overlap.
pub(super) fn by_moment(one: &(u64, bool, u32), other: &(u64, bool, u32)) -> Ordering {
    (one.0, one.1).cmp(&(other.0, other.1))
}
