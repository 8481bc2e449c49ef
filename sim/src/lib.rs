//! A deterministic simulator for Durable Objects.
//!
//! You have met this bug: it appears once a week, in production, after a deploy, and no test has ever shown it. An object that answers before its
//! write is durable; one that reads, calls somebody else, and writes; one that trusts what it remembered before it hibernated. This crate runs
//! the real [`dormouse`] runtime and your objects, unmodified, through thousands of schedules in which machines crash, lose power,
//! hibernate objects and lose connections, and gives you a number with which the failure happens again, every time, on every machine.
//!
//! ```text
//! seed -> plan (workload + faults, as data)
//!      -> world (machines, links, disk and time of its own; one thing happens at a time)
//!      -> history (what clients saw) + trace (what the runtime did)
//!      -> checkers -> verdict -> shrink -> report
//! ```
//! Modules in that order: [`seed`], [`plan`], [`fault`], the world, [`history`], [`trace`], [`check`], [`shrink`], [`explore`].
//!
//! # A scenario
//! ```
//! use dormouse::{DurableObject, Env, Result, State, durable_object, rpc};
//! use dormouse_sim::{Detail, Faults, Linearizable, Model, Scenario, Seed};
//! use proptest::prelude::*;
//!
//! #[durable_object]
//! pub struct Counter {
//!     state: State,
//! }
//!
//! impl DurableObject for Counter {
//!     fn new(state: State, _env: Env) -> Self {
//!         Self { state }
//!     }
//! }
//!
//! #[rpc]
//! impl Counter {
//!     pub async fn increment(&self) -> Result<u64> {
//!         let storage = self.state.storage();
//!         let value = storage.get::<u64>("value").await?.unwrap_or(0) + 1;
//!         storage.put("value", value).await?;
//!         Ok(value)
//!     }
//! }
//!
//! #[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
//! struct Increment;
//!
//! /// What a counter is, if nothing ever goes wrong.
//! struct CounterModel;
//!
//! impl Model for CounterModel {
//!     type Op = Increment;
//!     type Ret = u64;
//!     type State = u64;
//!
//!     fn initial(&self) -> u64 {
//!         0
//!     }
//!
//!     fn step(&self, count: &u64, _: &Increment, returned: Option<&u64>) -> Option<u64> {
//!         let next = count + 1;
//!         returned.is_none_or(|returned| *returned == next).then_some(next)
//!     }
//!
//!     fn object(&self, _: &Increment) -> String {
//!         "a".to_owned()
//!     }
//! }
//!
//! let suite = Scenario::new("increments_are_linearizable")
//!     .object::<Counter>("COUNTER")
//!     .workload(Just(Increment), 1..=10)
//!     .faults(Faults::all())
//!     .step(|client, Increment| async move { client.stub::<Counter>("COUNTER", "a").increment().await })
//!     .finally(vec![Increment])
//!     .check(Linearizable::per_object(CounterModel))
//!     .into_suite();
//!
//! for seed in 0..20 {
//!     assert_eq!(suite.run_seed(Seed(seed), Detail::Brief).violation, None);
//! }
//! ```

pub mod anatomy;
pub mod check;
mod client_socket;
mod executor;
pub mod explore;
pub mod fault;
pub mod history;
mod machine;
pub mod oracles;
pub mod plan;
mod run;
pub mod scenario;
pub mod seed;
pub mod shrink;
pub mod trace;
mod world;

#[doc(inline)]
pub use dormouse_sim_macros::test;

pub use crate::{
    check::{
        Check, Mark, Observed, Violation,
        durable::Durable,
        effects::Effects,
        invariant::Invariant,
        linearizable::Linearizable,
        model::{Model, NondeterministicModel},
        monotonic::MonotonicReads,
        transactional::Transactional,
    },
    client_socket::{ClientSocket, Heard},
    fault::{FaultKind, Faults},
    history::{Call, History, Moment, Outcome},
    machine::run_on_a_machine,
    run::{Run, Texts},
    scenario::{Client, Detail, Scenario, Suite},
    seed::Seed,
    world::director::{Choice, Order, Tape},
};
