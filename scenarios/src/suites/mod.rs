//! One file for each kind of object: its model or invariants, the suite of the correct object, and those of its faulty twins.

pub mod batcher;
pub mod chat_room;
pub mod counter;
pub mod leader_election;
pub mod ledger;
pub mod mailbox;
pub mod presence;
pub mod rate_limiter;
pub mod reminders;
pub mod session_expiry;
pub mod user_session;
pub mod webhooks;
