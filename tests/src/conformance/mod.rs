//! Recorded behaviour of the original, replayed on Dormouse and compared step by step: storage here, ids in [`ids`], everything that
//! happens over time in [`lifecycle`].
//!
//! The recordings are scripts in JavaScript's terms: they pass functions for keys and ask what `typeof` says. So between them and
//! [`dormouse::Storage`] stands what an engine would put there, a layer that converts arguments and results and nothing else. Whatever a
//! script learns about *storage* comes from Dormouse: an object on a node, on a disk. A layer that knew an answer itself would hide the
//! very differences for which this is here.
//!
//! In the order in which a case meets them:
//! - `vector`: the files and their cases;
//! - `replay`: each case on a fresh object of a real node, one call a run;
//! - `object`: that object; `script` reads its steps, `interpreter` performs them;
//! - `binding`: methods and properties, as JavaScript sees them; `arguments` looks at what they are given, `builtin` has the members of
//!   JavaScript's own values, `convert` and `js` know these values, `base64` their bytes;
//! - `host`: the calls of Dormouse that all of this comes down to;
//! - `result`: what came back, in the terms of the recordings;
//! - `compare`: the differences, and `differences`: those that have a reason;
//! - `report`: the table.

mod arguments;
mod base64;
mod binding;
mod builtin;
mod compare;
mod convert;
mod differences;
mod host;
pub mod ids;
mod interpreter;
mod js;
pub mod lifecycle;
mod object;
mod replay;
mod report;
mod result;
mod script;
mod vector;

pub use compare::Mismatch;
pub use differences::{Difference, explanation};
pub use replay::{DiskKind, Verdict, replay};
pub use report::Report;
pub use vector::{Backend, Case, ReadError, read};
