//! The suites as ordinary tests: the correct objects pass, each faulty twin is found.

use dormouse_scenarios::{
    batcher, chat_room, counter, leader_election, ledger, mailbox, presence, rate_limiter,
    reminders, session_expiry, suites, user_session, webhooks,
};
use dormouse_sim::{Detail, Seed, Suite, Violation, explore::Expectation};

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

/// The first seed from `first` on that breaks a promise, and the promise.
fn first_failure(suite: &Suite, first: u64, seeds: u64) -> Option<(u64, Violation)> {
    (first..first + seeds)
        .find_map(|seed| Some(seed).zip(suite.run_seed(Seed(seed), Detail::Brief).violation))
}

#[test]
fn every_faulty_twin_is_found_and_for_the_right_reason() {
    let order = "calls take effect one at a time, in an order that clients could have seen";
    let durable = "what was acknowledged survives a loss of power";
    let evicted = "clients cannot tell whether an object was evicted";
    let expected = [
        (
            "clearing_batcher",
            vec!["every item that was accepted is delivered"],
        ),
        (
            "memory_batcher",
            vec!["every item that was accepted is delivered"],
        ),
        ("forgetful_counter", vec![order, durable, evicted]),
        ("unconfirmed_counter", vec![order, durable]),
        ("racing_counter", vec![order]),
        ("forgetful_election", vec![order, evicted]),
        ("split_ledger", vec![order, durable]),
        ("trusting_mailbox", vec![order, durable]),
        (
            "ticking_presence",
            vec!["an object with nothing to do comes to rest"],
        ),
        (
            "memory_limiter",
            vec!["no more pass than the limit allows", evicted],
        ),
        (
            "overwriting_reminders",
            vec!["every reminder that is due is delivered"],
        ),
        ("latest_expiry_session", vec!["what has expired is removed"]),
        ("split_session", vec!["what has expired is not served"]),
        ("fresh_key_webhooks", vec!["nothing takes effect twice"]),
        (
            "forgetful_room",
            vec!["whoever is connected hears what he says"],
        ),
    ];
    let faulty: Vec<_> = suites()
        .into_iter()
        .filter(|listed| listed.expectation == Expectation::IsFound)
        .collect();
    assert_eq!(
        faulty.len(),
        expected.len(),
        "a faulty twin is missing here"
    );
    for (listed, (name, promises)) in faulty.iter().zip(expected) {
        let suite = listed.suite();
        assert_eq!(suite.name(), name);
        let (seed, violation) =
            first_failure(&suite, 0, 2_000).unwrap_or_else(|| panic!("{name} was not found"));
        assert!(
            promises.contains(&violation.promise.as_str()),
            "{name}, seed {seed}: {violation}"
        );
    }
}
