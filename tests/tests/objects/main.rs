//! The runtime's promises to objects and to those who call them, held on the real and on the simulated platform.
//!
//! Each test runs small objects of its own on a node and says what they and their callers must see. What comes from recordings of the
//! original is marked with the rule that it belongs to. Promises about long times are held on the simulated platform only, where time costs nothing.
//!
//! - `sections`: the constructor and `block_concurrency_while`;
//! - `gates`: which event may run while another one waits;
//! - `calls`: order, arguments, names of methods;
//! - `reentrancy`: objects that call each other, and themselves;
//! - `errors`: what of a failure reaches the caller;
//! - `resets`: what a failure ends, and what it leaves alone;
//! - `flags`: the flags of each failure, row by row;
//! - `lifecycle`: idle times, hibernation, restarts;
//! - `memory`: what keeps an object in memory, and when it is thrown out all the same;
//! - `updates`: new code, another instance in the object's place, the last handler;
//! - `overload`: what is refused, and other things done to a node from outside;
//! - `stored`: a look into objects that sleep;
//! - `nesting`: sections awaited elsewhere, or by nobody;
//! - `identity`: ids and names;
//! - `storage`: what is separate, what is undone;
//! - `alarms`: when they fire, and how often;
//! - `sockets`: `WebSockets` of both kinds, and what becomes of them;
//! - `backends`: the same calls on SQLite and on the legacy key-value storage;
//! - `limits`: how large an object gets, and how strictly it is held to what is documented;
//! - `bookmarks`: the way back to a former state;
//! - `damage`: what a damaged file does to its object and to others.

#![expect(
    clippy::unused_self,
    reason = "a method that is called remotely takes `&self`, whether it needs it or not"
)]

mod alarms;
mod backends;
mod bookmarks;
mod calls;
mod damage;
mod errors;
mod flags;
mod gates;
mod identity;
mod lifecycle;
mod limits;
mod memory;
mod nesting;
mod overload;
mod reentrancy;
mod resets;
mod sections;
mod sockets;
mod storage;
mod stored;
mod updates;

use std::{
    cell::{Cell, RefCell},
    future::Future,
    io,
    time::Duration,
};

use dormouse::{
    DurableObject, Node, NodeBuilder, ObjectClass, Result, Rpc, Stub,
    platform::{Instant, Platform, real},
};
use dormouse_sim::{Seed, run_on_a_machine};

/// How many schedules of the simulator each promise is held in.
const SEEDS: u64 = 12;

thread_local! {
    static NOTES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static BUILDS: Cell<u32> = const { Cell::new(0) };
}

/// Writes a line into the log of this run, which outlives every object.
fn note(line: impl Into<String>) {
    NOTES.with_borrow_mut(|notes| notes.push(line.into()));
}

/// What was noted since the last time.
fn noted() -> Vec<String> {
    NOTES.take()
}

/// Counts the instances made in this run; the first one is told 1.
fn count_build() -> u32 {
    BUILDS.set(BUILDS.get() + 1);
    BUILDS.get()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A node that serves `T` under the name of its class.
fn serving<T: DurableObject + ObjectClass>() -> NodeBuilder {
    NodeBuilder::new("app").object::<T>(T::CLASS_NAME)
}

/// Holds a promise on both platforms.
fn on_both<Fut>(serves: &NodeBuilder, promise: impl Fn(Bench) -> Fut + Copy + 'static)
where
    Fut: Future<Output = ()> + 'static,
{
    on_the_real_platform(serves, promise);
    on_the_simulator(serves, promise);
}

fn on_the_real_platform<Fut>(serves: &NodeBuilder, promise: impl Fn(Bench) -> Fut)
where
    Fut: Future<Output = ()>,
{
    let _place = Place::enter("on the real platform");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let done: io::Result<()> = real::run(async {
        promise(Bench::start(real::platform(folder.path())?, serves)).await;
        Ok(())
    });
    done.expect("the real platform starts");
}

/// Holds a promise on the simulated platform, in several schedules: its time costs nothing.
fn on_the_simulator<Fut>(serves: &NodeBuilder, promise: impl Fn(Bench) -> Fut + Copy + 'static)
where
    Fut: Future<Output = ()> + 'static,
{
    for seed in 0..SEEDS {
        let _place = Place::enter(format!("on the simulator, seed {seed}"));
        let serves = serves.clone();
        run_on_a_machine(Seed(seed), |platform| async move {
            promise(Bench::start(platform, &serves)).await;
        });
    }
}

/// Says where a promise was broken.
struct Place(String);

impl Place {
    fn enter(place: impl Into<String>) -> Self {
        noted();
        BUILDS.set(0);
        Self(place.into())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("broken {}; noted so far: {:?}", self.0, noted());
        }
    }
}

/// A node, and the ports on which it runs.
struct Bench {
    platform: Platform,
    node: Node,
}

impl Bench {
    fn start(platform: Platform, serves: &NodeBuilder) -> Self {
        let node = serves
            .clone()
            .start(platform.clone())
            .expect("the node starts");
        Self { platform, node }
    }

    /// Ends the node and starts one that serves `serves`, on the same disk.
    fn restart(self, serves: &NodeBuilder) -> Self {
        let Self { platform, node } = self;
        drop(node);
        Self::start(platform, serves)
    }

    /// A new stub for the object of class `T` called `name`.
    fn plain<T: ObjectClass>(&self, name: &str) -> Stub {
        let namespace = self.node.env().durable_object(T::CLASS_NAME);
        let stub = namespace.and_then(|namespace| namespace.get_by_name(name));
        stub.expect("the class is served")
    }

    /// A new typed stub for the object of class `T` called `name`.
    fn stub<T: ObjectClass + Rpc>(&self, name: &str) -> T::Stub {
        self.plain::<T>(name).typed::<T>()
    }

    fn now(&self) -> Instant {
        self.platform.clock.now()
    }

    /// Lets time pass.
    async fn pass(&self, time: Duration) {
        self.platform.clock.sleep_until(self.now() + time).await;
    }
}

/// The error, with its name, its message and its flags in brackets.
fn error_of<T>(result: Result<T>) -> String {
    match result {
        Ok(_) => panic!("this call must fail"),
        Err(error) => format!("{error:?}"),
    }
}
