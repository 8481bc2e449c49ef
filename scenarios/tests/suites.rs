//! The suites of the objects that everybody writes first, as ordinary tests. Their faulty twins are in the zoo.

use dormouse_scenarios::{
    batcher, chat_room, counter, leader_election, ledger, mailbox, presence, rate_limiter,
    reminders, session_expiry, user_session, webhooks,
};
use dormouse_sim::Suite;

#[dormouse_sim::test(seeds = 500)]
fn a_counter_loses_nothing_and_counts_nothing_twice() -> Suite {
    counter::counter()
}

#[dormouse_sim::test(seeds = 1000)]
fn a_counter_that_is_asked_once_or_twice_is_right_as_well() -> Suite {
    counter::brief_counter()
}

#[dormouse_sim::test(seeds = 300)]
fn a_counter_that_calls_another_object_first_is_right_as_well() -> Suite {
    counter::audited_counter()
}

#[dormouse_sim::test(seeds = 300)]
fn at_most_one_worker_leads() -> Suite {
    leader_election::leader_election()
}

#[dormouse_sim::test(seeds = 300)]
fn a_transfer_happens_whole_or_not_at_all() -> Suite {
    ledger::ledger()
}

#[dormouse_sim::test(seeds = 300)]
fn a_mailbox_is_emptied_whole_although_the_legacy_backend_works_in_steps() -> Suite {
    mailbox::mailbox()
}

#[dormouse_sim::test(seeds = 100)]
fn a_mailbox_with_generations_is_right_on_sqlite_as_well() -> Suite {
    mailbox::mailbox_on_sqlite()
}

#[dormouse_sim::test(seeds = 300)]
fn on_sqlite_delete_all_is_one_step_and_may_be_trusted() -> Suite {
    mailbox::trusting_mailbox_on_sqlite()
}

#[dormouse_sim::test(seeds = 200)]
fn who_is_online_is_known_although_the_object_sleeps() -> Suite {
    presence::presence()
}

#[dormouse_sim::test(seeds = 300)]
fn a_rate_limiter_keeps_its_limit_over_hibernation_and_crashes() -> Suite {
    rate_limiter::rate_limiter()
}

#[dormouse_sim::test(seeds = 300)]
fn a_session_ends_when_it_should_and_not_before() -> Suite {
    user_session::user_session()
}

#[dormouse_sim::test(seeds = 300)]
fn everybody_in_a_chat_room_hears_everything() -> Suite {
    chat_room::chat_room()
}

#[dormouse_sim::test(seeds = 300)]
fn a_batcher_delivers_every_item_once() -> Suite {
    batcher::batcher()
}

#[dormouse_sim::test(seeds = 200)]
fn reminders_come_when_they_are_due_however_many_there_are() -> Suite {
    reminders::reminders()
}

#[dormouse_sim::test(seeds = 200)]
fn a_session_tidies_up_after_itself() -> Suite {
    session_expiry::session_expiry()
}

#[dormouse_sim::test(seeds = 200)]
fn a_webhook_takes_effect_once() -> Suite {
    webhooks::webhooks()
}
