//! Scenarios of the legacy storage: on a disk that forgets, behind links that break.

mod alarms;
mod delete_all;
mod flushes;
mod gate;
mod limits;
mod links;
mod model;
mod overlays;
mod reads;
#[cfg(feature = "real")]
mod real;

use std::{cell::Cell, collections::BTreeMap, fmt, rc::Rc};

use self::links::TestLinks;
use super::{Answer, Caching, Entries, LegacyStorage, Stored};
use crate::{
    Error, PutOptions, Result,
    gate::output::OutputGate,
    platform::{Clock, Disk, Entropy, Links, Spawn, WallTime},
    storage::{
        History, Left, StorageSetup, WAL_BYTES_MAX,
        options::Bounds,
        tests::{
            Tasks, TestClock,
            disk::{Loss, TestDisk},
            poll_once,
        },
    },
};

const PATH: &str = "objects/Counter/a.kv";

/// How often the tasks are polled until they count as having got as far as they can.
const ROUNDS: usize = 12;

/// A node with one object that can be opened again and again.
struct Node {
    disk: Rc<TestDisk>,
    tasks: Rc<Tasks>,
    clock: Rc<TestClock>,
    links: Rc<TestLinks>,
    delete_all_deletes_alarm: Cell<bool>,
    seed: Cell<u64>,
    wal_bytes_max: Cell<u64>,
}

/// One activation's storage.
struct Object {
    storage: Rc<LegacyStorage>,
    gate: Rc<OutputGate>,
    tasks: Rc<Tasks>,
    links: Rc<TestLinks>,
}

/// What the service has: the entries and the alarm.
type State = (BTreeMap<String, String>, Option<i64>);

impl Node {
    fn new() -> Self {
        Self::with_disk(Rc::default())
    }

    fn with_disk(disk: Rc<TestDisk>) -> Self {
        Self {
            disk,
            tasks: Rc::default(),
            clock: Rc::default(),
            links: Rc::default(),
            delete_all_deletes_alarm: Cell::new(true),
            seed: Cell::new(1),
            wal_bytes_max: Cell::new(WAL_BYTES_MAX),
        }
    }

    fn try_open(&self) -> Result<Object> {
        let gate = OutputGate::new();
        let storage = LegacyStorage::open(StorageSetup {
            disk: Rc::clone(&self.disk) as Rc<dyn Disk>,
            clock: Rc::clone(&self.clock) as Rc<dyn Clock>,
            entropy: Rc::new(Coins(Cell::new(self.seed.get()))),
            spawn: Rc::clone(&self.tasks) as Rc<dyn Spawn>,
            sync_failures: crate::storage::SyncFailures::default(),
            path: PATH.into(),
            object: "Counter/a".into(),
            gate: Rc::clone(&gate),
            left: Left::InDoubt,
            wal_bytes_max: self.wal_bytes_max.get(),
            history: History::off(),
            now: Rc::new(|| WallTime::from_millis(0)),
            links: Rc::clone(&self.links) as Rc<dyn Links>,
            delete_all_deletes_alarm: self.delete_all_deletes_alarm.get(),
            alarms: Rc::new(crate::storage::tests::NoScheduler),
            bytes_max: crate::storage::OBJECT_BYTES_MAX,
            strict: false,
        })?;
        Ok(Object {
            storage,
            gate,
            tasks: Rc::clone(&self.tasks),
            links: Rc::clone(&self.links),
        })
    }

    fn open(&self) -> Object {
        self.try_open().expect("the storage opens")
    }

    /// The node after its power went and came back.
    fn lose_power(&self, loss: Loss) -> Self {
        Self::with_disk(self.disk.after_power_loss(loss))
    }

    /// What a loss of power leaves that spares nothing but what is durable.
    fn durable(&self) -> State {
        self.lose_power(Loss::Everything).open().state()
    }
}

impl Object {
    /// Lets everything happen that does not wait for the test.
    fn run(&self) {
        for _ in 0..ROUNDS {
            self.links.tick();
            self.tasks.run();
        }
    }

    /// The end of the turn, and everything that follows from it.
    fn end_turn(&self) {
        self.storage.end_turn();
        self.run();
    }

    /// Waits for an answer.
    fn wait<T>(&self, answer: Result<Answer<T>>) -> Result<T> {
        match answer? {
            Answer::Now(result) => Ok(result),
            Answer::Later(mut later) => loop {
                self.storage.end_turn();
                if let Some(result) = poll_once(later.as_mut()) {
                    return result;
                }
                self.run();
            },
        }
    }

    fn put(&self, key: &str, value: &str) {
        self.put_with(key, value, PutOptions::default());
    }

    fn put_with(&self, key: &str, value: &str, options: PutOptions) {
        let put = self.storage.put(vec![entry(key, value)], options);
        self.wait(put).expect("put");
    }

    /// A turn that writes `entries`, with everything that follows from it.
    fn write(&self, entries: &[(&str, &str)]) {
        for (key, value) in entries {
            self.put(key, value);
        }
        self.end_turn();
    }

    fn delete(&self, keys: &[&str]) -> usize {
        let deleted = self.storage.delete(keys, PutOptions::default());
        self.wait(deleted).expect("delete")
    }

    fn delete_all(&self) {
        let deleted = self
            .storage
            .delete_all(PutOptions::default())
            .expect("open");
        self.wait(Ok(deleted.answer)).expect("delete all");
    }

    fn get(&self, key: &str) -> Option<String> {
        self.wait(self.storage.get(key, Caching::Keep))
            .expect("get")
            .map(text)
    }

    fn set_alarm(&self, at: Option<i64>) {
        let at = at.map(WallTime::from_millis);
        let set = self.storage.set_alarm(at, PutOptions::default());
        self.wait(set).expect("set alarm");
    }

    fn alarm(&self) -> Option<i64> {
        let at = self.wait(self.storage.get_alarm()).expect("get alarm");
        at.map(WallTime::as_millis)
    }

    fn list(&self, bounds: Bounds) -> Vec<(String, String)> {
        texts(
            self.wait(self.storage.list(bounds, Caching::Keep))
                .expect("list"),
        )
    }

    fn state(&self) -> State {
        (self.list(everything()).into_iter().collect(), self.alarm())
    }

    /// What happens to a reply that is sent now: nothing while it is held.
    fn reply(&self) -> Option<Result<()>> {
        self.run();
        poll_once(self.gate.pass())
    }

    /// The error with which the object was reset.
    fn broken(&self) -> Error {
        let reply = self.reply().expect("the gate is decided");
        reply.expect_err("the gate is broken")
    }

    /// The process dies: nothing more of it runs.
    fn crash(self) {
        self.tasks.clear();
        self.storage.shut_down(Error::from("crash"));
    }
}

fn entry(key: &str, value: &str) -> (String, Vec<u8>) {
    (key.to_owned(), value.as_bytes().to_vec())
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is mapped over the values that a call gives"
)]
fn text(value: Stored) -> String {
    String::from_utf8(value.to_vec()).expect("the tests store texts")
}

fn texts(entries: Entries) -> Vec<(String, String)> {
    entries
        .into_iter()
        .map(|(key, value)| (key, text(value)))
        .collect()
}

fn pairs(entries: &[(&str, &str)]) -> Vec<(String, String)> {
    entries
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// `count` entries whose keys begin with `prefix`.
fn many(prefix: &str, count: usize) -> Vec<(String, String)> {
    (0..count)
        .map(|number| (format!("{prefix}{number:04}"), prefix.repeat(30)))
        .collect()
}

fn put_all(object: &Object, entries: &[(String, String)]) {
    let entries = entries
        .iter()
        .map(|(key, value)| entry(key, value))
        .collect();
    let put = object.storage.put(entries, PutOptions::default());
    object.wait(put).expect("put");
}

fn everything() -> Bounds {
    Bounds {
        start: Vec::new(),
        end: None,
        reverse: false,
        limit: None,
    }
}

fn unconfirmed() -> PutOptions {
    PutOptions {
        allow_unconfirmed: true,
        ..PutOptions::default()
    }
}

fn uncached() -> PutOptions {
    PutOptions {
        no_cache: true,
        ..PutOptions::default()
    }
}

/// The answer of a call that must not suspend.
fn now<T>(answer: Result<Answer<T>>) -> T {
    match answer.expect("the call succeeds") {
        Answer::Now(result) => result,
        Answer::Later(_) => panic!("the call suspends"),
    }
}

/// The future of a call that must suspend.
fn later<T>(answer: Result<Answer<T>>) -> crate::platform::LocalBoxFuture<'static, Result<T>> {
    match answer.expect("the call succeeds") {
        Answer::Now(_) => panic!("the call does not suspend"),
        Answer::Later(later) => later,
    }
}

impl<T> fmt::Debug for Answer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Now(_) => "Now",
            Self::Later(_) => "Later",
        })
    }
}

/// Random bytes from one number.
struct Coins(Cell<u64>);

impl Entropy for Coins {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let next = self
                .0
                .get()
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            self.0.set(next);
            *byte = next.to_be_bytes()[0];
        }
    }
}
