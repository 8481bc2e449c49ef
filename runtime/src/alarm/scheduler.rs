//! The scheduler of one node: it wakes each object that has an alarm when the alarm is due, and again when that failed.
//!
//! It knows one time for each object, that of the index. At this time it delivers the alarm over a link, as a call would be, and waits for
//! what became of it. From then on only the object says what happens next: it tells the scheduler as soon as it knows (`told` below),
//! through its [`AlarmSink`]. What comes back from the delivery itself counts only if the object has said nothing: then the alarm is as it
//! was, and is tried again, or given up.
//!
//! Alarms are due by the wall clock, and delivered when it shows their time, never before, wherever it jumps. Tries are due by the
//! monotonic clock. Both wait in [`Due`]; one task sleeps until the first of them.
//!
//! In: [`ObjectAlarms`], one for each activation; [`Scheduler::start`]. Out: [`Entry::deliver_alarm`](crate::node::Entry::deliver_alarm).

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::{Rc, Weak},
    time::Duration,
};

use super::{
    AlarmEnd, AlarmIndexError, AlarmInfo, AlarmSink, Failure, Key,
    index::{Index, Stored},
    retries::Retries,
    traced,
};
use crate::{
    Error, Result,
    instrument::point,
    mutation::Mutation,
    namespace::channel::ObjectAddress,
    node::NodeContext,
    platform::{DiskError, Instant, Leg, LocalBoxFuture, Platform, WallTime},
};

/// How long the scheduler sleeps at most. The wall clock may jump while it does, so an alarm may be late by this much.
const SLEEP_MAX: Duration = Duration::from_mins(1);

/// When an object is asked again that has not said what became of its alarm, although the delivery ended well.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// How a delivery's link calls its near end.
const LINK_NAME: &str = "alarms";

/// The scheduler of one node.
pub(crate) struct Scheduler {
    /// Since [`start`](Self::start).
    node: OnceCell<Weak<NodeContext>>,
    platform: Platform,
    index: Rc<Index>,
    rows: RefCell<BTreeMap<Key, Row>>,
    due: RefCell<Due>,
    /// When the task wakes up that sleeps, and its number.
    wakes: Cell<Option<(Instant, u64)>>,
    sleeps: Cell<u64>,
    /// What was delivered last, for [`Node::deliver_last_alarm_again`](crate::Node::deliver_last_alarm_again).
    last: RefCell<Option<(ObjectAddress, AlarmInfo)>>,
}

/// One object that is to be woken.
struct Row {
    address: ObjectAddress,
    /// As in the index; `None` if the object has said so while its alarm was under way.
    at: Option<WallTime>,
    state: State,
    retries: Retries,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Until its time.
    Waiting,
    /// Until its next try.
    Trying(Instant),
    /// It was delivered, and its end is not known. `told`: the object has said meanwhile what it wants.
    UnderWay { told: bool },
    /// It was given up, and the object could not be told: nothing happens before the object changes its alarm, or the node starts again.
    GivenUp,
}

/// What is due when.
#[derive(Default)]
struct Due {
    alarms: BTreeSet<(WallTime, Key)>,
    tries: BTreeSet<(Instant, Key)>,
}

impl Scheduler {
    /// The scheduler of a node, with what its index holds.
    ///
    /// # Errors
    /// The index is damaged, or the disk fails.
    pub(crate) fn open(
        platform: &Platform,
        tail_bytes_max: usize,
    ) -> Result<Rc<Self>, AlarmIndexError> {
        let index = Index::open(
            &platform.disk,
            &platform.entropy,
            &platform.spawn,
            tail_bytes_max,
        )?;
        Ok(Rc::new(Self {
            node: OnceCell::default(),
            platform: platform.clone(),
            index,
            rows: RefCell::default(),
            due: RefCell::default(),
            wakes: Cell::default(),
            sleeps: Cell::default(),
            last: RefCell::default(),
        }))
    }

    /// Takes up every alarm of the index; those that are past fire at once. Called when the node is complete.
    pub(crate) fn start(self: &Rc<Self>, node: &Rc<NodeContext>) {
        let _ = self.node.set(Rc::downgrade(node)); // it is started once
        for (key, Stored { at, name }) in self.index.rows() {
            let Some(address) = node.address_of_alarm(&key, name) else {
                // Its class is not served here, at present: the row stays until it is.
                point!("alarm_unserved", class = &*key.class, at = traced(Some(at)));
                continue;
            };
            let row = Row {
                address,
                at: Some(at),
                state: State::Waiting,
                retries: Retries::default(),
            };
            self.due.borrow_mut().alarms.insert((at, key.clone()));
            self.rows.borrow_mut().insert(key, row);
        }
        self.sleep();
    }

    /// The scheduler as one object's storage sees it. `address` gives its name as it is known by then.
    pub(crate) fn sink(
        self: &Rc<Self>,
        address: impl Fn() -> ObjectAddress + 'static,
    ) -> Rc<dyn AlarmSink> {
        Rc::new(ObjectAlarms {
            scheduler: Rc::downgrade(self),
            address: Box::new(address),
        })
    }

    fn node(&self) -> Option<Rc<NodeContext>> {
        self.node.get().and_then(Weak::upgrade)
    }

    fn schedule(
        self: &Rc<Self>,
        address: ObjectAddress,
        at: Option<WallTime>,
    ) -> Result<LocalBoxFuture<'static, Result<()>>> {
        let label = Rc::clone(address.label());
        point!("alarm_request", object = &*label, at = traced(at));
        let key = address.alarm_key();
        let name = address.id.name().map(Into::into);
        self.index
            .put(&key, at, name)
            .map_err(|error| refused(&error))?;
        point!("alarm_indexed", object = &*label, at = traced(at));
        self.told(&key, address, at);
        let durable = self.index.durable();
        Ok(Box::pin(async move {
            durable.await.map_err(|error| refused(&error))?;
            point!("alarm_index_durable", object = &*label, at = traced(at));
            Ok(())
        }))
    }

    /// The object has said when it wants to be woken.
    fn told(self: &Rc<Self>, key: &Key, address: ObjectAddress, at: Option<WallTime>) {
        let mut rows = self.rows.borrow_mut();
        if let Some(row) = rows.get_mut(key) {
            self.due.borrow_mut().forget(key, row);
            row.at = at;
            row.address = address;
            if let State::UnderWay { told } = &mut row.state {
                *told = true; // it begins when the delivery has ended: one handler at a time
                return;
            }
        } else if at.is_some() {
            let row = Row {
                address,
                at,
                state: State::Waiting,
                retries: Retries::default(),
            };
            rows.insert(key.clone(), row);
        }
        self.begin(&mut rows, key);
        drop(rows);
        self.sleep();
    }

    /// A row waits for its time, with tries of its own; or is gone, if it has none.
    fn begin(&self, rows: &mut BTreeMap<Key, Row>, key: &Key) {
        let Some(row) = rows.get_mut(key) else { return };
        let Some(at) = row.at else {
            rows.remove(key);
            return;
        };
        row.state = State::Waiting;
        row.retries = Retries::default();
        self.due.borrow_mut().alarms.insert((at, key.clone()));
    }

    /// A row waits for its next try.
    fn try_after(&self, row: &mut Row, key: &Key, delay: Duration) {
        let at = self.platform.clock.now() + delay;
        row.state = State::Trying(at);
        self.due.borrow_mut().tries.insert((at, key.clone()));
    }

    /// Sees to it that a task wakes up in time for what is due first.
    fn sleep(self: &Rc<Self>) {
        let clock = &self.platform.clock;
        let Some(first) = self.due.borrow().first(clock.now(), clock.wall()) else {
            return;
        };
        if self.wakes.get().is_some_and(|(wakes, _)| wakes <= first) {
            return;
        }
        let number = self.sleeps.get() + 1;
        self.sleeps.set(number);
        self.wakes.set(Some((first, number)));
        let sleep = clock.sleep_until(first);
        let scheduler = Rc::downgrade(self);
        self.platform.spawn.spawn(Box::pin(async move {
            sleep.await;
            let Some(scheduler) = scheduler.upgrade() else {
                return;
            };
            if scheduler
                .wakes
                .get()
                .is_some_and(|(_, latest)| latest == number)
            {
                scheduler.wakes.set(None);
                scheduler.fire_all_due();
                scheduler.sleep();
            }
        }));
    }

    fn fire_all_due(self: &Rc<Self>) {
        let clock = &self.platform.clock;
        let due = self.due.borrow_mut().take(clock.now(), clock.wall());
        for key in due {
            self.fire(key);
        }
    }

    fn fire(self: &Rc<Self>, key: Key) {
        let (address, info) = {
            let mut rows = self.rows.borrow_mut();
            let Some(row) = rows.get_mut(&key) else {
                return;
            };
            let Some(at) = row.at else { return };
            row.state = State::UnderWay { told: false };
            (
                row.address.clone(),
                AlarmInfo::new(at, row.retries.counted()),
            )
        };
        if Mutation::AlarmRemovedEarly.is_active() {
            let _ = self.index.put(&key, None, None);
        }
        point!(
            "alarm_fire",
            object = &**address.label(),
            at = traced(Some(info.scheduled())),
            retry_count = info.retry_count
        );
        *self.last.borrow_mut() = Some((address.clone(), info));
        let wakes_it = self
            .node()
            .is_some_and(|node| !node.router.is_in_memory(&address));
        let delivery = self.deliver(address, info);
        let scheduler = Rc::downgrade(self);
        self.platform.spawn.spawn(Box::pin(async move {
            let end = delivery.await;
            if let Some(scheduler) = scheduler.upgrade() {
                if wakes_it && Mutation::AlarmRetriesForgotten.is_active() {
                    scheduler.forget_retries(&key);
                }
                scheduler.ended(&key, end);
            }
        }));
    }

    fn forget_retries(&self, key: &Key) {
        if let Some(row) = self.rows.borrow_mut().get_mut(key) {
            row.retries = Retries::default();
        }
    }

    /// Brings an alarm to its object and waits for its end. What breaks on the way is nobody's failure.
    fn deliver(
        &self,
        address: ObjectAddress,
        info: AlarmInfo,
    ) -> impl Future<Output = AlarmEnd> + use<> {
        const BROKEN: AlarmEnd = AlarmEnd::Failed(Failure::Uncounted);
        let link = self.platform.links.open(LINK_NAME, address.label());
        let arrives = link.carry(Leg::Call);
        let node = self.node.get().cloned().unwrap_or_default();
        async move {
            if arrives.await.is_err() {
                return BROKEN;
            }
            let end = {
                let Some(node) = node.upgrade() else {
                    return BROKEN;
                };
                node.deliver_alarm(&address, info)
            };
            drop(address);
            // The activation says in any case how it ended. If it does not, the node has ended.
            let end = end.await.unwrap_or(BROKEN);
            match link.carry(Leg::Reply).await {
                Ok(()) => end,
                Err(_) => BROKEN,
            }
        }
    }

    /// A delivery has ended.
    fn ended(self: &Rc<Self>, key: &Key, end: AlarmEnd) {
        let mut rows = self.rows.borrow_mut();
        let Some(row) = rows.get_mut(key) else { return };
        let State::UnderWay { told } = row.state else {
            return;
        };
        point!(
            "alarm_end",
            object = &**row.address.label(),
            end = end.label(),
            told = told
        );
        if told {
            // Whatever it was, the object has set its alarm anew or removed it: that is what counts.
            self.begin(&mut rows, key);
            drop(rows);
            return self.sleep();
        }
        let given_up = match end {
            // The object owes us a word: it was lost with the activation, or a change is still on its way to the disk.
            AlarmEnd::Done | AlarmEnd::Canceled | AlarmEnd::NoHandler => {
                row.retries = Retries::default();
                self.try_after(row, key, ASK_AGAIN_AFTER);
                false
            }
            AlarmEnd::Failed(failure) => {
                match row.retries.after(failure, |most| self.random(most)) {
                    Some(delay) => {
                        point!(
                            "alarm_retry",
                            object = &**row.address.label(),
                            after_millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
                            counted = failure == Failure::Counted
                        );
                        self.try_after(row, key, delay);
                        false
                    }
                    None => true,
                }
            }
            AlarmEnd::Aborted => true,
        };
        let given_up = given_up.then(|| {
            row.state = State::GivenUp;
            point!("alarm_give_up", object = &**row.address.label());
            (row.address.clone(), row.at)
        });
        // Telling the object may bring it into memory, and then it asks when it is to be woken.
        drop(rows);
        if let Some((address, Some(at))) = given_up {
            self.give_up(&address, at);
        }
        self.sleep();
    }

    /// Tells the object that nobody will try its alarm again. What it says then, if it does, counts.
    fn give_up(&self, address: &ObjectAddress, at: WallTime) {
        let Some(node) = self.node() else {
            return;
        };
        let told = node.abandon_alarm(address, at);
        self.platform.spawn.spawn(Box::pin(async move {
            let _ = told.await; // if it could not be told, the row stays as it is: given up until the node starts again
        }));
    }

    /// Delivers the last alarm once more, as a scheduler does that did not learn of its end. Returns whether there was one.
    pub(crate) fn deliver_last_again(self: &Rc<Self>) -> bool {
        let Some((address, info)) = self.last.borrow().clone() else {
            return false;
        };
        point!(
            "alarm_fire_again",
            object = &**address.label(),
            at = traced(Some(info.scheduled()))
        );
        let delivery = self.deliver(address, info);
        self.platform.spawn.spawn(Box::pin(async move {
            delivery.await; // its end is nobody's business: the object has said itself what it wants
        }));
        true
    }

    fn random(&self, most: u64) -> u64 {
        let mut bytes = [0; 8];
        self.platform.entropy.fill(&mut bytes);
        u64::from_le_bytes(bytes) % (most + 1)
    }
}

impl Due {
    /// When the first of them is due, seen from now; and in [`SLEEP_MAX`] at the latest.
    fn first(&self, now: Instant, wall: WallTime) -> Option<Instant> {
        let alarm = self.alarms.first().map(|(at, _)| {
            let millis = at.as_millis().saturating_sub(wall.as_millis());
            now + Duration::from_millis(u64::try_from(millis).unwrap_or(0))
        });
        let retry = self.tries.first().map(|(at, _)| *at);
        let first = [alarm, retry].into_iter().flatten().min()?;
        Some(first.min(now + SLEEP_MAX))
    }

    /// Takes out what is due, in the order of times.
    fn take(&mut self, now: Instant, wall: WallTime) -> Vec<Key> {
        let mut due = Vec::new();
        while let Some((at, _)) = self.alarms.first()
            && *at <= wall
        {
            due.extend(self.alarms.pop_first().map(|(_, key)| key));
        }
        while let Some((at, _)) = self.tries.first()
            && *at <= now
        {
            due.extend(self.tries.pop_first().map(|(_, key)| key));
        }
        due
    }

    fn forget(&mut self, key: &Key, row: &Row) {
        match (row.state, row.at) {
            (State::Waiting, Some(at)) => drop(self.alarms.remove(&(at, key.clone()))),
            (State::Trying(at), _) => drop(self.tries.remove(&(at, key.clone()))),
            (State::Waiting, None) | (State::UnderWay { .. } | State::GivenUp, _) => {}
        }
    }
}

/// The scheduler, as one object's storage sees it. Weak: an activation must not keep its node alive.
struct ObjectAlarms {
    scheduler: Weak<Scheduler>,
    address: Box<dyn Fn() -> ObjectAddress>,
}

impl AlarmSink for ObjectAlarms {
    fn schedule(&self, at: Option<WallTime>) -> Result<LocalBoxFuture<'static, Result<()>>> {
        let scheduler = self.scheduler.upgrade();
        let scheduler = scheduler.ok_or_else(Error::connection_lost)?;
        scheduler.schedule((self.address)(), at)
    }

    fn scheduled(&self) -> Option<WallTime> {
        let scheduler = self.scheduler.upgrade()?;
        let rows = scheduler.rows.borrow();
        rows.get(&(self.address)().alarm_key())?.at
    }
}

fn refused(error: &DiskError) -> Error {
    Error::from(format!(
        "Internal error in Durable Object storage write caused object to be reset: the alarm could not be scheduled: {error}"
    ))
    .with_reset()
}

#[cfg(test)]
#[path = "scheduler_tests.rs"]
mod tests;
