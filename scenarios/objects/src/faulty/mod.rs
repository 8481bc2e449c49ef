//! Objects with bugs that a straight-line test passes. Each shows only under some schedule or fault, and each looks reasonable.

mod batchers;
mod chat;
mod counters;
mod leader;
mod ledger;
mod limiter;
mod mailbox;
mod presence;
mod reminders;
mod session;
mod webhooks;

pub use batchers::{ClearingBatcher, MemoryBatcher};
pub use chat::{ForgetfulRoom, UnansweringRoom};
pub use counters::{ForgetfulCounter, RacingCounter, UnconfirmedCounter};
pub use leader::ForgetfulElection;
pub use ledger::SplitLedger;
pub use limiter::MemoryLimiter;
pub use mailbox::TrustingMailbox;
pub use presence::TickingPresence;
pub use reminders::OverwritingReminders;
pub use session::{LatestExpirySession, SplitSession};
pub use webhooks::FreshKeyWebhooks;
