//! Transactions: is there an order of them, one at a time, that explains what each of them read?
//!
//! Linearizability looks at one object. A transaction reads and writes several things, and what goes wrong between them no look at one of them
//! shows: two transactions that each read what the other is about to change, a transfer of which somebody sees one half. Trying all orders is
//! hopeless; but clients can be made to write values that tell which write a read saw, and then the *dependencies* between transactions are known
//! (Adya's; found from outside as Elle does):
//!
//! - `T1 -ww-> T2`: T2 wrote the version that follows T1's;
//! - `T1 -wr-> T2`: T2 read what T1 wrote;
//! - `T1 -rw-> T2`: T1 read the version that T2's write followed;
//! - `T1 -process-> T2`: one client made both, T1 first; `T1 -realtime-> T2`: T1 had returned before T2 was invoked.
//!
//! All of them say "before". If they go in a circle, no order explains the history, and the circle is the proof. Which dependencies are in it tells
//! the anomaly ([`Anomaly`]), and a [`Level`] is the list of anomalies that it forbids.
//!
//! Workloads: lists, to which values are appended and which are read whole, and registers, which are written and read ([`Action`]). Every value
//! is written once per key. Lists tell far more: each read shows the order of all writes before it.
//!
//! In: [`Transactions`]. Out: a [`Verdict`], with each anomaly's witness in words. Modules in the order of the way through: `history` names things
//! by number, `lists`, `registers` and `order` find dependencies, `graph` holds them, `cycles` finds circles, `words` tells them.

mod anomaly;
mod cycles;
mod graph;
mod history;
mod judge;
mod lists;
mod order;
#[cfg(test)]
mod random_tests;
mod registers;
#[cfg(test)]
mod tests;
mod words;

pub use self::{
    anomaly::{Anomaly, CycleKind, Level, OrderKind},
    history::{Action, End, Scalar, Transaction, Transactions},
    judge::{Budget, Explanation, Finding, Reason, Verdict, check},
};
