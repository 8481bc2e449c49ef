//! Scenario suites: for each object a workload, faults, and what must hold; for each a faulty twin that must be found.
//!
//! The names are what the `dormouse` command takes: `dormouse explore counter`.

mod suites;
pub mod zoo;

use dormouse_sim::explore::Listed;

pub use crate::suites::{
    batcher, chat_room, counter, leader_election, ledger, mailbox, presence, rate_limiter,
    reminders, session_expiry, user_session, webhooks,
};

/// Promises that many suites are held to.
pub(crate) mod promises {
    pub(crate) use dormouse_sim::{
        check::linearizable::{PROMISE_DURABLE as DURABLE, PROMISE_ORDER as ORDER},
        oracles::transparency::PROMISE as EVICTED,
    };
}

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
        Listed::correct(zoo::announcer::announcer),
        Listed::correct(zoo::arena::arena),
        Listed::correct(zoo::box_office::box_office),
        Listed::correct(zoo::budget::budget),
        Listed::correct(zoo::bulletin::bulletin),
        Listed::correct(zoo::catalog::catalog),
        Listed::correct(zoo::checkout::checkout),
        Listed::correct(zoo::deposits::deposits),
        Listed::correct(zoo::desk::desk),
        Listed::correct(zoo::gateway::gateway),
        Listed::correct(zoo::greeter::greeter),
        Listed::correct(zoo::heartbeat::heartbeat),
        Listed::correct(zoo::journal::journal),
        Listed::correct(zoo::kickoff::kickoff),
        Listed::correct(zoo::library::library),
        Listed::correct(zoo::lobby::lobby),
        Listed::correct(zoo::maintenance::maintenance),
        Listed::correct(zoo::relay::relay),
        Listed::correct(zoo::schedule::schedule),
        Listed::correct(zoo::tally::tally),
        Listed::correct(zoo::tickets::tickets),
        Listed::correct(zoo::whiteboard::whiteboard),
        Listed::correct(zoo::workspace::workspace),
        Listed::correct(zoo::outboxes::batcher_through_outages),
        Listed::exhibit(&batcher::CLEARING),
        Listed::exhibit(&batcher::IN_MEMORY),
        Listed::exhibit(&counter::FORGETFUL),
        Listed::exhibit(&counter::UNCONFIRMED),
        Listed::exhibit(&counter::RACING),
        Listed::exhibit(&leader_election::FORGETFUL),
        Listed::exhibit(&ledger::SPLIT),
        Listed::exhibit(&mailbox::TRUSTING),
        Listed::exhibit(&presence::TICKING),
        Listed::exhibit(&rate_limiter::IN_MEMORY),
        Listed::exhibit(&reminders::OVERWRITING),
        Listed::exhibit(&session_expiry::LATEST),
        Listed::exhibit(&user_session::SPLIT),
        Listed::exhibit(&webhooks::FRESH_KEY),
        Listed::exhibit(&chat_room::FORGETFUL),
        Listed::exhibit(&chat_room::UNANSWERING),
        Listed::exhibit(&zoo::announcer::EXHIBIT),
        Listed::exhibit(&zoo::arena::EXHIBIT),
        Listed::exhibit(&zoo::box_office::EXHIBIT),
        Listed::exhibit(&zoo::budget::EXHIBIT),
        Listed::exhibit(&zoo::bulletin::EXHIBIT),
        Listed::exhibit(&zoo::catalog::EXHIBIT),
        Listed::exhibit(&zoo::checkout::EXHIBIT),
        Listed::exhibit(&zoo::deposits::EXHIBIT),
        Listed::exhibit(&zoo::desk::EXHIBIT),
        Listed::exhibit(&zoo::gateway::EXHIBIT),
        Listed::exhibit(&zoo::greeter::EXHIBIT),
        Listed::exhibit(&zoo::heartbeat::EXHIBIT),
        Listed::exhibit(&zoo::journal::EXHIBIT),
        Listed::exhibit(&zoo::kickoff::EXHIBIT),
        Listed::exhibit(&zoo::library::EXHIBIT),
        Listed::exhibit(&zoo::lobby::EXHIBIT),
        Listed::exhibit(&zoo::maintenance::EXHIBIT),
        Listed::exhibit(&zoo::relay::EXHIBIT),
        Listed::exhibit(&zoo::schedule::EXHIBIT),
        Listed::exhibit(&zoo::tally::EXHIBIT),
        Listed::exhibit(&zoo::tickets::EXHIBIT),
        Listed::exhibit(&zoo::whiteboard::EXHIBIT),
        Listed::exhibit(&zoo::workspace::EXHIBIT),
        Listed::exhibit(&zoo::outboxes::ONE_PAGE),
        Listed::exhibit(&zoo::outboxes::HOURLY),
        Listed::exhibit(&zoo::outboxes::FLAGGED),
        Listed::exhibit(&zoo::outboxes::SWALLOWING),
        Listed::exhibit(&zoo::outboxes::QUITTING),
    ];
    suites
        .into_iter()
        .map(|listed| listed.regressions_in(REGRESSIONS))
        .collect()
}
