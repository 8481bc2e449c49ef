//! Tests and benchmarks that cross crates; they stand in `tests/` and `benches/` beside this file.
//!
//! - `ports.rs`: what each port promises, held against the real and the simulated platform;
//! - `objects.rs`: the runtime's promises to objects and callers, on both platforms;
//! - `ids.rs`: ids as the original derives them;
//! - `faults.rs`: each fault bites;
//! - `determinism.rs`: the same seed gives the same trace, wherever and whenever;
//! - `mutations.rs`: each deliberate defect of the runtime is found;
//! - `scenarios.rs`: the suites, as tests; `traces.rs`: three short runs, as snapshots;
//! - `command.rs` and `server.rs`: the programs, as their users run them;
//! - `tree.rs`: the repository looks after itself;
//! - `documents.rs`: the code in README and book is real.
