//! Tests and benchmarks that cross crates; they stand in `tests/` and `benches/` beside this file.
//!
//! [`conformance`] replays what the original was seen to do; the command `conformance` does so with any recordings; `conformance.rs` and
//! `lifecycle.rs` hold all of them.
//! [`judge`] holds our checkers against histories and verdicts of others; the command `judge` does so with any folder of them.
//! [`mutations`] searches for the runtime's deliberate defects; the command `mutations` says which suites catch which.
//!
//! - `ports.rs`: what each port promises, held against the real and the simulated platform;
//! - `objects/`: the runtime's promises to objects and callers, on both platforms;
//! - `ids.rs`: ids as the original derives them;
//! - `faults.rs`: each fault bites;
//! - `determinism.rs`: the same seed gives the same trace, wherever and whenever;
//! - `mutations.rs`: each deliberate defect of the runtime is found;
//! - `scenarios.rs`: the suites, as tests; `traces.rs`: three short runs, as snapshots;
//! - `wire_sockets.rs`: `WebSockets` over simulated byte streams;
//! - `command.rs` and `server.rs`: the programs, as their users run them;
//! - `page.rs`: the page of a failure, in a real browser;
//! - `tree.rs`: the repository looks after itself;
//! - `documents.rs`: the code in README and book is real.

pub mod conformance;
pub mod judge;
pub mod mutations;

/// The README's examples, compiled as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}

/// The book's chapters, compiled as documentation tests.
#[cfg(doctest)]
mod book {
    #[doc = include_str!("../../book/src/introduction.md")]
    mod introduction {}

    #[doc = include_str!("../../book/src/getting-started.md")]
    mod getting_started {}

    #[doc = include_str!("../../book/src/object-model.md")]
    mod object_model {}

    #[doc = include_str!("../../book/src/life-of-an-object.md")]
    mod life_of_an_object {}

    #[doc = include_str!("../../book/src/oracles.md")]
    mod oracles {}

    #[doc = include_str!("../../book/src/writing-an-object.md")]
    mod writing_an_object {}

    #[doc = include_str!("../../book/src/storage.md")]
    mod storage {}

    #[doc = include_str!("../../book/src/alarms.md")]
    mod alarms {}

    #[doc = include_str!("../../book/src/websockets.md")]
    mod websockets {}

    #[doc = include_str!("../../book/src/writing-a-scenario.md")]
    mod writing_a_scenario {}

    #[doc = include_str!("../../book/src/reading-a-failure.md")]
    mod reading_a_failure {}

    #[doc = include_str!("../../book/src/shrinking.md")]
    mod shrinking {}

    #[doc = include_str!("../../book/src/looking-at-a-run.md")]
    mod looking_at_a_run {}

    #[doc = include_str!("../../book/src/in-ci.md")]
    mod in_ci {}

    #[doc = include_str!("../../book/src/what-is-simulated.md")]
    mod what_is_simulated {}

    #[doc = include_str!("../../book/src/faults.md")]
    mod faults {}

    #[doc = include_str!("../../book/src/checkers.md")]
    mod checkers {}

    #[doc = include_str!("../../book/src/mutations.md")]
    mod mutations {}

    #[doc = include_str!("../../book/src/zoo.md")]
    mod zoo {}

    #[doc = include_str!("../../book/src/determinism.md")]
    mod determinism {}

    #[doc = include_str!("../../book/src/conformance.md")]
    mod conformance {}

    #[doc = include_str!("../../book/src/glossary.md")]
    mod glossary {}
}
