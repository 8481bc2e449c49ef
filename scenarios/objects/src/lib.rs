//! Durable Objects in Rust: the examples that everybody begins with, written so that they survive anything.
//!
//! They know nothing of the simulator that tests them. Beside them, in [`faulty`], stand twins with the bugs that a straight-line test passes: each shows only under
//! some schedule or fault.

#![allow(
    clippy::unused_async,
    reason = "to its callers a method is asynchronous, whatever it does inside"
)]

pub mod audited_counter;
pub mod batcher;
pub mod chat_room;
pub mod counter;
pub mod faulty;
pub mod leader_election;
pub mod ledger;
pub mod mailbox;
pub mod megaphone;
pub mod presence;
pub mod rate_limiter;
pub mod receiver;
pub mod reminders;
pub mod user_session;
pub mod webhooks;
pub mod zoo;

use dormouse::NodeBuilder;

pub use crate::{
    audited_counter::{AuditLog, AuditedCounter},
    batcher::Batcher,
    chat_room::ChatRoom,
    counter::Counter,
    leader_election::LeaderElection,
    ledger::Ledger,
    mailbox::Mailbox,
    megaphone::Megaphone,
    presence::Presence,
    rate_limiter::RateLimiter,
    receiver::{Delivery, Receiver},
    reminders::ReminderQueue,
    user_session::UserSession,
    webhooks::WebhookSender,
};

/// A node that serves the objects of this crate.
pub fn bundled() -> NodeBuilder {
    NodeBuilder::new("dormouse")
        .object::<AuditLog>("AUDIT_LOG")
        .object::<AuditedCounter>("AUDITED_COUNTER")
        .object::<Batcher>("BATCHER")
        .object::<ChatRoom>("CHAT_ROOM")
        .object::<Counter>("COUNTER")
        .object::<LeaderElection>("LEADER")
        .object::<Ledger>("LEDGER")
        .object::<Mailbox>("MAILBOX")
        .object::<Megaphone>("MEGAPHONE")
        .object::<Presence>("PRESENCE")
        .object::<RateLimiter>("RATE_LIMITER")
        .object::<Receiver>("RECEIVER")
        .object::<ReminderQueue>("REMINDERS")
        .object::<UserSession>("USER_SESSION")
        .object::<WebhookSender>("WEBHOOKS")
}
