//! Scenario suites: for each object a workload, faults, and what must hold; for each a faulty twin that must be found.
//!
//! The names are what the `dormouse` command takes: `dormouse explore counter`.

mod suites;

use dormouse_sim::explore::Listed;

pub use crate::suites::{
    batcher, chat_room, counter, leader_election, ledger, mailbox, presence, rate_limiter,
    reminders, session_expiry, user_session, webhooks,
};

/// What failed once, and is run before everything else.
const REGRESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/regressions");

/// Every suite of this crate, the correct ones first.
pub fn suites() -> Vec<Listed> {
    let suites = vec![
        Listed::correct(batcher::batcher),
        Listed::correct(counter::counter),
        Listed::correct(counter::brief_counter),
        Listed::correct(counter::audited_counter),
        Listed::correct(leader_election::leader_election),
        Listed::correct(ledger::ledger),
        Listed::correct(mailbox::mailbox),
        Listed::correct(mailbox::mailbox_on_sqlite),
        Listed::correct(mailbox::trusting_mailbox_on_sqlite),
        Listed::correct(presence::presence),
        Listed::correct(rate_limiter::rate_limiter),
        Listed::correct(reminders::reminders),
        Listed::correct(session_expiry::session_expiry),
        Listed::correct(user_session::user_session),
        Listed::correct(chat_room::chat_room),
        Listed::correct(webhooks::webhooks),
        Listed::faulty(batcher::clearing_batcher),
        Listed::faulty(batcher::memory_batcher),
        Listed::faulty(counter::forgetful_counter),
        Listed::faulty(counter::unconfirmed_counter),
        Listed::faulty(counter::racing_counter),
        Listed::faulty(leader_election::forgetful_election),
        Listed::faulty(ledger::split_ledger),
        Listed::faulty(mailbox::trusting_mailbox),
        Listed::faulty(presence::ticking_presence),
        Listed::faulty(rate_limiter::memory_limiter),
        Listed::faulty(reminders::overwriting_reminders),
        Listed::faulty(session_expiry::latest_expiry_session),
        Listed::faulty(user_session::split_session),
        Listed::faulty(webhooks::fresh_key_webhooks),
        Listed::faulty(chat_room::forgetful_room),
    ];
    suites
        .into_iter()
        .map(|listed| listed.regressions_in(REGRESSIONS))
        .collect()
}
