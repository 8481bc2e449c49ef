//! Scenario suites: for each object a workload, faults, and what must hold; for each a faulty twin that must be found.
//!
//! The names are what the `dormouse` command takes: `dormouse explore counter`.

mod suites;

use dormouse_sim::explore::Listed;

pub use crate::suites::{
    chat_room, counter, leader_election, ledger, mailbox, presence, rate_limiter, user_session,
};

/// Every suite of this crate, the correct ones first.
pub fn suites() -> Vec<Listed> {
    vec![
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
        Listed::correct(user_session::user_session),
        Listed::correct(chat_room::chat_room),
        Listed::faulty(counter::forgetful_counter),
        Listed::faulty(counter::unconfirmed_counter),
        Listed::faulty(counter::racing_counter),
        Listed::faulty(leader_election::forgetful_election),
        Listed::faulty(ledger::split_ledger),
        Listed::faulty(mailbox::trusting_mailbox),
        Listed::faulty(presence::ticking_presence),
        Listed::faulty(rate_limiter::memory_limiter),
        Listed::faulty(user_session::split_session),
        Listed::faulty(chat_room::forgetful_room),
    ]
}
