//! When a commit is durable: one sync for many commits.
//!
//! A commit leaves its frames in the page cache and takes a ticket here. One sync of the log runs at a time; it covers every commit made
//! before it began, and the next one covers the rest. Without this, either each reply would pay for a sync of its own, or replies would
//! leave before what they imply is durable.
//!
//! The first sync also covers the database file, because until then neither its contents nor the names of both files are
//! known to be on the disk. After a failed sync nothing is known, and a second one proves nothing: the object is reset, and the
//! next activation starts from what the disk really holds.
//!
//! Nor does one sync prove anything while another one of the same files fails: an activation that was thrown away may have one under way, which takes its
//! successor's writes along when it fails. So failures are counted over all who have the files open ([`SyncFailures`]).
//!
//! In: [`Durability::when_durable`] after each commit. Out: the ticket's callback, in the order of the commits (GEN-2).

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::{Rc, Weak},
    time::Duration,
};

use futures_util::future::{Either, join, select};

use super::{object::Left, sqlite::ObjectFiles};
use crate::{
    Error, Result,
    mutation::Mutation,
    platform::{Clock, DiskError, Instant, LocalBoxFuture, Spawn},
};

/// How long a commit may take to become durable (GATE-12, G-18).
const CONFIRMATION_TIME_MAX: Duration = Duration::from_secs(30);

/// How many syncs of an object's files have failed in this process, whoever had the files open.
#[derive(Clone, Debug, Default)]
pub(crate) struct SyncFailures(Rc<Cell<u64>>);

impl SyncFailures {
    pub(crate) fn count(&self) -> u64 {
        self.0.get()
    }

    pub(crate) fn add(&self) {
        self.0.set(self.0.get() + 1);
    }

    /// To be kept by those who do not have the files open.
    pub(crate) fn downgrade(&self) -> Weak<Cell<u64>> {
        Rc::downgrade(&self.0)
    }

    /// The count that others still keep, if any do.
    pub(crate) fn upgrade(count: &Weak<Cell<u64>>) -> Option<Self> {
        count.upgrade().map(Self)
    }
}

/// The syncs of one object's files.
pub(super) struct Durability {
    files: Rc<ObjectFiles>,
    clock: Rc<dyn Clock>,
    spawn: Rc<dyn Spawn>,
    state: RefCell<State>,
}

struct State {
    /// In the order of their positions, which is the order of the commits.
    tickets: VecDeque<Ticket>,
    /// A task is syncing.
    running: bool,
    /// How far the log is durable, in writes; nothing is known before the first sync of an object that was there before.
    durable: Option<u64>,
    /// The database file, and the names of both files, are durable.
    database_durable: bool,
    failed: Option<Error>,
}

struct Ticket {
    position: u64,
    due: Instant,
    settle: Box<dyn FnOnce(Result<()>)>,
}

impl Durability {
    pub(super) fn new(
        files: Rc<ObjectFiles>,
        left: Left,
        clock: Rc<dyn Clock>,
        spawn: Rc<dyn Spawn>,
    ) -> Rc<Self> {
        let left_durable = left == Left::Durable && !files.is_new();
        let state = State {
            tickets: VecDeque::new(),
            running: false,
            durable: (files.is_new() || left_durable).then_some(0),
            database_durable: left_durable,
            failed: None,
        };
        Rc::new(Self {
            files,
            clock,
            spawn,
            state: RefCell::new(state),
        })
    }

    /// Runs a task beside the syncs.
    pub(super) fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        self.spawn.spawn(task);
    }

    /// Calls `settle` when everything written up to now is durable, or when that has failed. May do so at once.
    pub(super) fn when_durable(self: &Rc<Self>, settle: impl FnOnce(Result<()>) + 'static) {
        let position = self.files.log_position();
        let mut state = self.state.borrow_mut();
        if let Some(error) = &state.failed {
            let error = error.clone();
            drop(state);
            return settle(Err(error));
        }
        if state.durable.is_some_and(|durable| position <= durable)
            || Mutation::WalSyncIgnored.is_active()
        {
            drop(state);
            return settle(Ok(()));
        }
        let due = self.clock.now() + CONFIRMATION_TIME_MAX;
        state.tickets.push_back(Ticket {
            position,
            due,
            settle: Box::new(settle),
        });
        if !state.running {
            state.running = true;
            drop(state);
            self.spawn.spawn(Box::pin(Rc::clone(self).run()));
        }
    }

    /// Everything that was written is durable, and no sync has failed.
    pub(super) fn is_settled(&self) -> bool {
        let state = self.state.borrow();
        state.failed.is_none()
            && state.tickets.is_empty()
            && state.database_durable
            && state.durable == Some(self.files.log_position())
    }

    /// Syncs until no ticket is left.
    async fn run(self: Rc<Self>) {
        loop {
            let Some(due) = self.next_due() else { return };
            let position = self.files.log_position();
            let outcome = match select(self.sync(), self.clock.sleep_until(due)).await {
                Either::Left((synced, _)) => self
                    .files
                    .judge(synced)
                    .map_err(|error| sync_failed(&error)),
                Either::Right(((), sync)) => {
                    // Nobody waits for it any more, but whether it fails matters to whoever opens the files next.
                    let files = Rc::clone(&self.files);
                    self.spawn.spawn(Box::pin(async move {
                        let _ = files.judge(sync.await); // counted
                    }));
                    Err(timed_out())
                }
            };
            for (ticket, outcome) in self.settled(position, outcome) {
                (ticket.settle)(outcome);
            }
        }
    }

    /// When the oldest ticket must be settled. The later ones are due later, so its time limit is the only one to watch.
    fn next_due(&self) -> Option<Instant> {
        let mut state = self.state.borrow_mut();
        let due = state.tickets.front().map(|ticket| ticket.due);
        state.running = due.is_some();
        due
    }

    fn sync(&self) -> LocalBoxFuture<'static, Result<(), DiskError>> {
        let disk = self.files.disk();
        let log = disk.sync(self.files.log_id());
        if self.state.borrow().database_durable || Mutation::NewDatabaseNotSynced.is_active() {
            return log;
        }
        let database = disk.sync(self.files.database_id());
        Box::pin(async move {
            let (database, log) = join(database, log).await;
            database.and(log)
        })
    }

    /// The tickets that a sync from `position` decides.
    fn settled(&self, position: u64, outcome: Result<()>) -> Vec<(Ticket, Result<()>)> {
        let mut state = self.state.borrow_mut();
        match outcome {
            Ok(()) => {
                state.durable = Some(position);
                state.database_durable = true;
                let covered = state.tickets.partition_point(|ticket| {
                    ticket.position <= position || Mutation::SyncCountsForLaterCommits.is_active()
                });
                state
                    .tickets
                    .drain(..covered)
                    .map(|ticket| (ticket, Ok(())))
                    .collect()
            }
            Err(error) => {
                state.failed = Some(error.clone());
                state
                    .tickets
                    .drain(..)
                    .map(|ticket| (ticket, Err(error.clone())))
                    .collect()
            }
        }
    }
}

fn sync_failed(error: &DiskError) -> Error {
    Error::from(format!(
        "Internal error in Durable Object storage write caused object to be reset: {error}"
    ))
    .with_reset()
}

/// What a commit fails with that has not become durable in time.
pub(super) fn timed_out() -> Error {
    // Exact text of the original (G-18).
    Error::from(
        "Durable Object storage operation exceeded timeout which caused object to be reset.",
    )
    .with_overloaded()
    .with_reset()
}

#[cfg(test)]
mod tests {
    use super::SyncFailures;

    #[test]
    fn failures_are_counted_for_all_who_have_the_files_open_and_forgotten_with_the_last() {
        let first = SyncFailures::default();
        let kept = first.downgrade();
        let second = SyncFailures::upgrade(&kept).expect("the first has it");
        first.add();
        second.add();
        assert_eq!((first.count(), second.count()), (2, 2));
        drop(first);
        let third = SyncFailures::upgrade(&kept).expect("the second has it");
        assert_eq!(third.count(), 2);
        drop((second, third));
        assert!(SyncFailures::upgrade(&kept).is_none());
    }
}
