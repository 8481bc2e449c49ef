//! When alarms leave the scheduler. There is no node that they could reach, so each delivery fails by the platform's fault.

use std::{cell::Cell, future::poll_fn, task::Poll};

use super::*;
use crate::{
    namespace::id::NamespaceKey,
    platform::{Clock, Entropy, Link, Links, Listener, Lost, Network, SocketLink, Stream},
    storage::tests::{Tasks, disk::TestDisk},
};

/// What every draw of a random number gives.
const DRAWN: u64 = 1234;

struct World {
    scheduler: Rc<Scheduler>,
    clock: Rc<TestClock>,
    tasks: Rc<Tasks>,
    departures: Rc<Departures>,
}

impl World {
    fn new() -> Self {
        let (clock, tasks) = (Rc::<TestClock>::default(), Rc::<Tasks>::default());
        let departures = Rc::<Departures>::default();
        let platform = Platform {
            clock: clock.clone(),
            entropy: Rc::new(Draws),
            disk: Rc::<TestDisk>::default(),
            network: Rc::new(NoNetwork),
            links: departures.clone(),
            spawn: tasks.clone(),
        };
        let scheduler = Scheduler::open(&platform, 1 << 20).expect("a new index");
        Self {
            scheduler,
            clock,
            tasks,
            departures,
        }
    }

    fn sink(&self, name: &'static str) -> Rc<dyn AlarmSink> {
        self.scheduler.sink(move || {
            let id = NamespaceKey::new("Batcher").id_from_name(name, None);
            ObjectAddress::new("Batcher".into(), id)
        })
    }

    /// The object asks to be woken so many milliseconds after the epoch, or not at all.
    fn set(&self, name: &'static str, at: Option<i64>) {
        let asked = self.sink(name).schedule(at.map(WallTime::from_millis));
        drop(asked.expect("a disk in order"));
        self.tasks.run();
    }

    /// So many milliseconds have passed since the beginning: which alarms have left since the last time.
    fn at(&self, millis: u64) -> Vec<String> {
        self.clock.now.set(Duration::from_millis(millis));
        self.tasks.run();
        self.departures.names.take()
    }
}

#[derive(Default)]
struct TestClock {
    now: Rc<Cell<Duration>>,
    /// How far the wall clock is ahead of its beginning at the epoch, in milliseconds.
    jumped: Cell<i64>,
}

impl Clock for TestClock {
    fn wall(&self) -> WallTime {
        let passed = i64::try_from(self.now.get().as_millis()).expect("a short test");
        WallTime::from_millis(passed + self.jumped.get())
    }

    fn now(&self) -> Instant {
        Instant::from_origin(self.now.get())
    }

    fn sleep_until(&self, deadline: Instant) -> LocalBoxFuture<'static, ()> {
        let now = Rc::clone(&self.now);
        Box::pin(poll_fn(move |_| {
            if now.get() >= deadline.since_origin() {
                Poll::Ready(())
            } else {
                Poll::Pending // the tests poll without being woken
            }
        }))
    }
}

struct Draws;

impl Entropy for Draws {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&DRAWN.to_le_bytes()[..chunk.len()]);
        }
    }
}

/// Writes down whose alarm leaves.
#[derive(Default)]
struct Departures {
    names: Rc<RefCell<Vec<String>>>,
    /// What has left does not arrive before this is taken back.
    held: Rc<Cell<bool>>,
}

struct Departure {
    name: String,
    names: Rc<RefCell<Vec<String>>>,
    held: Rc<Cell<bool>>,
}

impl Links for Departures {
    fn open(&self, _from: &str, to: &str) -> Rc<dyn Link> {
        Rc::new(Departure {
            name: to.trim_start_matches("Batcher/").to_owned(),
            names: Rc::clone(&self.names),
            held: Rc::clone(&self.held),
        })
    }

    fn open_socket(&self, _: &str) -> Rc<dyn SocketLink> {
        unreachable!("an alarm is no socket")
    }
}

impl Link for Departure {
    fn carry(&self, _: Leg) -> LocalBoxFuture<'static, Result<(), Lost>> {
        self.names.borrow_mut().push(self.name.clone());
        let held = Rc::clone(&self.held);
        Box::pin(poll_fn(move |_| {
            if held.get() {
                Poll::Pending
            } else {
                Poll::Ready(Ok(()))
            }
        }))
    }
}

struct NoNetwork;

impl Network for NoNetwork {
    fn listen(&self, _: &str) -> LocalBoxFuture<'static, std::io::Result<Rc<dyn Listener>>> {
        unreachable!("an alarm needs no network")
    }

    fn connect(&self, _: &str) -> LocalBoxFuture<'static, std::io::Result<Box<dyn Stream>>> {
        unreachable!("an alarm needs no network")
    }
}

const NONE: [&str; 0] = [];

#[test]
fn an_alarm_leaves_at_its_time_and_not_before() {
    let world = World::new();
    world.set("a", Some(5_000));
    assert_eq!(world.at(4_999), NONE);
    assert_eq!(world.at(5_000), ["a"]);
}

#[test]
fn alarms_that_are_due_together_leave_in_the_order_of_their_times() {
    let world = World::new();
    for (name, at) in [("b", 2_000), ("a", 3_000), ("c", 1_000), ("d", 3_001)] {
        world.set(name, Some(at));
    }
    assert_eq!(world.at(3_000), ["c", "b", "a"]);
}

#[test]
fn an_earlier_alarm_shortens_the_sleep() {
    let world = World::new();
    world.set("a", Some(30_000));
    world.set("b", Some(1_000));
    assert_eq!(world.at(1_000), ["b"]);
    world.set("a", Some(2_000));
    assert_eq!(world.at(2_000), ["a"]);
}

#[test]
fn an_alarm_that_was_deleted_or_moved_does_not_leave() {
    let world = World::new();
    world.set("a", Some(1_000));
    world.set("b", Some(1_000));
    world.set("a", None);
    world.set("b", Some(2_000));
    assert_eq!(world.sink("a").scheduled(), None);
    assert_eq!(
        world.sink("b").scheduled(),
        Some(WallTime::from_millis(2_000))
    );
    assert_eq!(world.at(1_999), NONE);
    assert_eq!(world.at(2_000), ["b"]);
}

#[test]
fn a_delivery_that_fails_is_tried_after_two_seconds_then_four_and_up_to_a_quarter_more() {
    let world = World::new();
    world.set("a", Some(1_000));
    assert_eq!(world.at(1_000), ["a"]);
    // Of a quarter, 500 milliseconds, there are 501 possible numbers.
    let first = 1_000 + 2_000 + DRAWN % 501;
    assert_eq!(world.at(first - 1), NONE);
    assert_eq!(world.at(first), ["a"]);
    let second = first + 4_000 + DRAWN % 1_001;
    assert_eq!(world.at(second - 1), NONE);
    assert_eq!(world.at(second), ["a"]);
}

#[test]
fn an_alarm_that_is_set_anew_ends_the_tries_of_the_one_before() {
    let world = World::new();
    world.set("a", Some(1_000));
    assert_eq!(world.at(1_000), ["a"]);
    world.set("a", Some(60_000));
    assert_eq!(world.at(59_999), NONE);
    assert_eq!(world.at(60_000), ["a"]);
}

#[test]
fn an_alarm_that_is_set_while_one_is_under_way_waits_for_its_end() {
    let world = World::new();
    world.departures.held.set(true);
    world.set("a", Some(1_000));
    assert_eq!(world.at(1_000), ["a"]);
    world.set("a", Some(2_000));
    assert_eq!(world.at(5_000), NONE);
    world.departures.held.set(false);
    assert_eq!(world.at(5_001), ["a"]);
}

#[test]
fn a_wall_clock_that_jumps_is_noticed_within_a_minute_and_an_alarm_never_leaves_before_it_shows_its_time()
 {
    const HOUR: i64 = 3_600_000;
    let world = World::new();
    world.set("a", Some(HOUR));
    world.clock.jumped.set(HOUR);
    assert_eq!(world.at(59_999), NONE);
    assert_eq!(world.at(60_000), ["a"]);
    let world = World::new();
    world.set("a", Some(10_000));
    world.clock.jumped.set(-5_000);
    assert_eq!(world.at(14_999), NONE);
    assert_eq!(world.at(15_000), ["a"]);
}

#[test]
fn the_last_alarm_can_leave_once_more_and_before_the_first_there_is_none() {
    let world = World::new();
    assert!(!world.scheduler.deliver_last_again());
    world.set("a", Some(1_000));
    assert_eq!(world.at(1_000), ["a"]);
    assert!(world.scheduler.deliver_last_again());
    assert_eq!(world.at(1_001), ["a"]);
}
