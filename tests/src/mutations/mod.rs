//! Each deliberate defect of the runtime, and which suites catch it.
//!
//! A suite that passes proves little as long as nobody knows what it would find. So each [`Mutation`](dormouse::Mutation) is switched on in turn
//! and the correct suites are run: the bundled ones, and where those cannot see a defect, a scenario of [`suites`] that can. What no suite
//! catches is a hole in the net, and the table names it.
//!
//! In: the list of the runtime's mutations, and suites. Out: [`find`] for a test, which asks whether the right promise breaks, and [`table`] for the
//! command `mutations`.

mod search;
pub mod suites;
mod table;

pub use self::{
    search::{Finding, find},
    table::{Row, all_suites, as_markdown, as_text, table},
};
