//! Recorded traces of what objects do over time, held against twins of these objects in Rust.
//!
//! A recording of storage is data; these are programs in JavaScript. So each has a *twin*, which reads beside it, writes the same events
//! and is driven in the same way, and what it writes must be a recorded trace.
//!
//! In the order in which a scenario meets them:
//! - `vector`: the files and their scenarios;
//! - `twin`: what a twin is; `ids`, `rpc`, `fetch`, `gates`, `alarms`, `websockets`, `hibernation`: the twins, topic by topic; `class` and `prelude`: what they share;
//! - `stage` and `client`: where they run, in a `process` that can be killed, and who drives them, over `frames` of a WebSocket and, in the simulator, `pipes`; `tracer` and `describe`: what they write;
//! - `replay`: runs them on several platforms, in many schedules;
//! - `compare`: the rules of comparison; `differences`: the scenarios that differ, and why;
//! - `report`: the table.

#![expect(
    clippy::unused_self,
    clippy::unused_async,
    clippy::needless_pass_by_value,
    reason = "twins have the methods and the arguments of the recorded objects, whether they need them or not"
)]
#![expect(
    clippy::result_large_err,
    clippy::large_enum_variant,
    reason = "a departure from a recording is made once, to be printed"
)]

mod alarms;
mod class;
mod client;
mod compare;
mod describe;
mod differences;
mod fetch;
mod frames;
mod gates;
mod hibernation;
mod ids;
mod pipes;
mod prelude;
mod process;
mod replay;
mod report;
mod rpc;
mod stage;
mod tracer;
mod twin;
mod vector;
mod websockets;

pub use compare::Departure;
pub use differences::{Difference, difference};
pub use replay::{Failure, Outcome, replay_scenarios};
pub use report::{Report, Tally};
pub use twin::LeftOut;
pub use vector::{Scenario, TimeUnit, Timing, read_scenarios};

pub(in crate::conformance) use vector::read_text;

pub(in crate::conformance) use stage::store_keys;
