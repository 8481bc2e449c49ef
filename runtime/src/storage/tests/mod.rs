//! Scenarios of one object's storage, on a disk that forgets.

mod alarm_order;
mod alarm_runs;
mod alarms;
mod damage;
mod delete_all;
pub(crate) mod disk;
mod durability;
mod fuzz;
mod history;
mod history_gaps;
mod history_sweep;
mod keys;
mod size;
mod sql;
mod strict;
mod sweep;
mod transactions;

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    pin::pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use futures_channel::oneshot;
use futures_util::task::noop_waker_ref;

use self::disk::{Loss, TestDisk};
use super::{
    ActivationSetup, ActivationStorage, History, Sections, Storage, StorageBackend, StorageSetup,
    SyncFailures, engine::Engine, object::ObjectStorage,
};
use crate::{
    Error, Result,
    alarm::AlarmSink,
    gate::output::OutputGate,
    platform::{Clock, Disk, Entropy, Instant, Link, Links, LocalBoxFuture, Spawn, WallTime},
};

const PATH: &str = "objects/Counter/a.sqlite";

/// The time of the first turn, in milliseconds since the epoch, and of all others as long as the test does not say otherwise.
const NOW: i64 = 1_700_000_000_123;

/// How many turns a test's code may take.
const TURNS_MAX: usize = 100;

/// A scheduler that does as it is told at once, for tests that are about something else.
pub(super) struct NoScheduler;

impl AlarmSink for NoScheduler {
    fn schedule(&self, _: Option<WallTime>) -> Result<LocalBoxFuture<'static, Result<()>>> {
        Ok(Box::pin(std::future::ready(Ok(()))))
    }

    fn scheduled(&self) -> Option<WallTime> {
        Some(WallTime::from_millis(0)) // never too late
    }
}

/// A node with one object that can be opened again and again.
struct Node {
    disk: Rc<TestDisk>,
    tasks: Rc<Tasks>,
    clock: Rc<TestClock>,
    /// The time of the next turns, in milliseconds since the epoch.
    now: Rc<Cell<i64>>,
    sync_failures: SyncFailures,
    delete_all_deletes_alarm: bool,
    wal_bytes_max: u64,
    bytes_max: u64,
    strict: bool,
    history: History,
    alarms: Rc<dyn AlarmSink>,
}

/// One activation's storage.
struct Activation {
    disk: Rc<TestDisk>,
    whole: Rc<ActivationStorage>,
    storage: Rc<ObjectStorage>,
    gate: Rc<OutputGate>,
    handle: Storage,
    tasks: Rc<Tasks>,
}

impl Node {
    fn new() -> Self {
        Self::with_disk(Rc::default())
    }

    fn with_disk(disk: Rc<TestDisk>) -> Self {
        Self {
            disk,
            tasks: Rc::default(),
            clock: Rc::default(),
            now: Rc::new(Cell::new(NOW)),
            sync_failures: SyncFailures::default(),
            delete_all_deletes_alarm: true,
            wal_bytes_max: crate::storage::WAL_BYTES_MAX,
            bytes_max: crate::storage::OBJECT_BYTES_MAX,
            strict: false,
            history: History::default(),
            alarms: Rc::new(NoScheduler),
        }
    }

    fn try_open(&self) -> Result<Activation> {
        let gate = OutputGate::new();
        let now = Rc::clone(&self.now);
        let setup = StorageSetup {
            disk: Rc::clone(&self.disk) as Rc<dyn Disk>,
            clock: Rc::clone(&self.clock) as Rc<dyn Clock>,
            entropy: Rc::new(Ones),
            spawn: Rc::clone(&self.tasks) as Rc<dyn Spawn>,
            sync_failures: self.sync_failures.clone(),
            path: PATH.into(),
            object: "Counter/a".into(),
            gate: Rc::clone(&gate),
            left: crate::storage::Left::InDoubt,
            wal_bytes_max: self.wal_bytes_max,
            history: self.history,
            now: Rc::new(move || WallTime::from_millis(now.get())),
            delete_all_deletes_alarm: self.delete_all_deletes_alarm,
            bytes_max: self.bytes_max,
            strict: self.strict,
            links: Rc::new(NoLinks),
            alarms: Rc::clone(&self.alarms),
        };
        let activation = ActivationStorage::open(ActivationSetup {
            storage: setup,
            backend: StorageBackend::Sqlite,
            sections: Rc::new(TaskSections(Rc::clone(&self.tasks))),
            alarm_handler: true,
        })?;
        let storage = match &activation.engine {
            Engine::Sqlite(sqlite) => Rc::clone(sqlite),
            Engine::Legacy(_) => unreachable!("the backend is SQLite"),
        };
        let handle = activation.handle();
        Ok(Activation {
            disk: Rc::clone(&self.disk),
            whole: activation,
            storage,
            gate,
            handle,
            tasks: Rc::clone(&self.tasks),
        })
    }

    fn open(&self) -> Activation {
        self.try_open().expect("the storage opens")
    }

    /// The node after its power went and came back.
    fn lose_power(&self, loss: Loss) -> Self {
        Self {
            delete_all_deletes_alarm: self.delete_all_deletes_alarm,
            wal_bytes_max: self.wal_bytes_max,
            bytes_max: self.bytes_max,
            strict: self.strict,
            history: self.history,
            clock: Rc::clone(&self.clock),
            now: Rc::clone(&self.now),
            alarms: Rc::clone(&self.alarms),
            ..Self::with_disk(self.disk.after_power_loss(loss))
        }
    }

    fn run_tasks(&self) {
        self.tasks.run();
    }
}

impl Activation {
    /// Runs one turn: code that never waits for anything but storage.
    fn turn<T>(&self, code: impl AsyncFnOnce(Storage) -> T) -> T {
        let outcome = poll_once(code(self.handle.clone())).expect("storage calls do not suspend");
        self.storage.end_turn();
        outcome
    }

    /// Runs code that takes several turns: a critical section among them runs between two of its own.
    fn turns<T: 'static>(&self, code: impl AsyncFnOnce(Storage) -> T + 'static) -> T {
        self.try_turns(code)
            .expect("the code waits for something that does not come")
    }

    /// The same for code that may wait for ever, because the object is being reset.
    fn try_turns<T: 'static>(&self, code: impl AsyncFnOnce(Storage) -> T + 'static) -> Option<T> {
        let outcome = Rc::new(RefCell::new(None));
        let (handle, result) = (self.handle.clone(), Rc::clone(&outcome));
        self.tasks.spawn(Box::pin(async move {
            *result.borrow_mut() = Some(code(handle).await);
        }));
        for _ in 0..TURNS_MAX {
            self.tasks.run_once();
            self.storage.end_turn();
            let outcome = outcome.take();
            if outcome.is_some() {
                return outcome;
            }
        }
        None
    }

    fn put(&self, key: &str, value: i32) {
        self.turn(async |storage| storage.put(key, value).await)
            .expect("put");
    }

    fn get(&self, key: &str) -> Option<i32> {
        self.turn(async |storage| storage.get(key).await)
            .expect("get")
    }

    fn sql(&self, text: &str) -> Result<Vec<Vec<super::SqlStorageValue>>> {
        self.handle.sql().exec(text, None)?.raw().collect()
    }

    /// What happens to a reply that is sent now: nothing while it is held.
    fn reply(&self) -> Option<Result<()>> {
        self.tasks.run();
        poll_once(self.gate.pass())
    }

    /// Everything that was committed becomes durable.
    fn run_to_durable(&self) {
        self.disk.hold_syncs(false);
        self.storage.end_turn();
        self.tasks.run();
        assert_eq!(poll_once(self.gate.pass()), Some(Ok(())));
    }

    /// The process dies: nothing more of it runs.
    fn crash(self) {
        self.tasks.clear();
        self.storage.shut_down(Error::from("crash"));
    }
}

pub(crate) fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(noop_waker_ref())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Completes in another turn.
fn next_turn() -> impl Future<Output = ()> {
    let mut suspended = false;
    poll_fn(move |_| {
        if std::mem::replace(&mut suspended, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
}

/// Polls its tasks whenever it is told to, until none of them gets on.
#[derive(Default)]
pub(crate) struct Tasks(RefCell<Vec<LocalBoxFuture<'static, ()>>>);

impl Tasks {
    pub(crate) fn run(&self) {
        for _ in 0..8 {
            self.run_once();
        }
    }

    fn run_once(&self) {
        let tasks = self.0.take();
        let mut cx = Context::from_waker(noop_waker_ref());
        let waiting: Vec<_> = tasks
            .into_iter()
            .filter_map(|mut task| task.as_mut().poll(&mut cx).is_pending().then_some(task))
            .collect();
        self.0.borrow_mut().extend(waiting);
    }

    pub(super) fn clear(&self) {
        drop(self.0.take());
    }
}

impl Spawn for Tasks {
    fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        self.0.borrow_mut().push(task);
    }
}

/// A SQLite-backed object sends no messages to its storage.
struct NoLinks;

impl Links for NoLinks {
    fn open_socket(&self, _: &str) -> Rc<dyn crate::platform::SocketLink> {
        unreachable!("storage opens no sockets")
    }

    fn open(&self, from: &str, to: &str) -> Rc<dyn Link> {
        unreachable!("{from} opens a link to {to}")
    }
}

/// Critical sections of an object in which nothing else happens.
struct TaskSections(Rc<Tasks>);

impl Sections for TaskSections {
    fn critical_section(
        &self,
        body: LocalBoxFuture<'static, Result<()>>,
    ) -> LocalBoxFuture<'static, Result<()>> {
        let (done, result) = oneshot::channel();
        self.0.spawn(Box::pin(async move {
            let _ = done.send(body.await); // whoever asked may not wait any more
        }));
        Box::pin(async { result.await.expect("the section ends") })
    }

    fn with_input_held(
        &self,
        operation: LocalBoxFuture<'static, ()>,
    ) -> LocalBoxFuture<'static, ()> {
        operation
    }
}

#[derive(Default)]
pub(super) struct TestClock(Rc<Cell<Duration>>);

impl TestClock {
    pub(super) fn advance(&self, duration: Duration) {
        self.0.set(self.0.get() + duration);
    }
}

impl Clock for TestClock {
    fn wall(&self) -> WallTime {
        WallTime::from_millis(i64::try_from(self.0.get().as_millis()).expect("small"))
    }

    fn now(&self) -> Instant {
        Instant::from_origin(self.0.get())
    }

    fn sleep_until(&self, deadline: Instant) -> LocalBoxFuture<'static, ()> {
        let now = Rc::clone(&self.0);
        Box::pin(poll_fn(move |_| {
            if now.get() >= deadline.since_origin() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }))
    }
}

pub(crate) struct Ones;

impl Entropy for Ones {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(1);
    }
}
