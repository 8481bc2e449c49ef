//! Each planted bug shrinks to the plan that a person would write to show it; and the same seed always to the same plan.
//!
//! What is the smallest plan can be reasoned out for each twin of the objects that everybody writes first, and is below, beside its numbers; for the others it stands in their
//! exhibits, and is held against them in `zoo.rs`. Times and values are not stated: they are round, and
//! that is tested where they are made so.

use std::{path::Path, process::Command};

use dormouse_scenarios::suites;
use dormouse_sim::{
    Detail, Seed, Suite,
    shrink::{End, Limits, ShrinkError, Shrunk, shrink},
};
use serde_json::Value;

const ORDER: &str = "calls take effect one at a time, in an order that clients could have seen";
const DURABLE: &str = "what was acknowledged survives a loss of power";
const ACCEPTED: &str = "every item that was accepted is delivered";
/// How many failing seeds of each suite are shrunk; one where a failing seed is rare.
const FAILURES: usize = 3;
const RARE: &str = "trusting_mailbox";

fn suite(name: &str) -> Suite {
    suites()
        .iter()
        .map(dormouse_sim::explore::Listed::suite)
        .find(|suite| suite.name() == name)
        .unwrap_or_else(|| panic!("there is no suite {name}"))
}

/// The first seeds that break `promise`.
fn failing(suite: &Suite, promise: &str, count: usize) -> Vec<Seed> {
    let broke = |seed: &Seed| {
        let violation = suite.run_seed(*seed, Detail::Brief).violation;
        violation.is_some_and(|violation| violation.promise == promise)
    };
    let seeds: Vec<_> = (0..2_000).map(Seed).filter(broke).take(count).collect();
    assert_eq!(
        seeds.len(),
        count,
        "{} hardly ever breaks {promise}",
        suite.name()
    );
    seeds
}

fn shrunk(suite: &Suite, seed: Seed) -> Shrunk {
    let shrunk = shrink(suite, &suite.plan(seed), Limits::runs(5_000));
    shrunk.unwrap_or_else(|error| panic!("{} seed {seed}: {error}", suite.name()))
}

/// Shrinks the first failures of a suite that break `promise`, and holds their sizes against `calls`, `clients` and `faults`.
fn smallest(name: &str, promise: &str, calls: usize, clients: usize, faults: usize) {
    let suite = suite(name);
    let failures = if name == RARE { 1 } else { FAILURES };
    for seed in failing(&suite, promise, failures) {
        let shrunk = shrunk(&suite, seed);
        let after = shrunk.after;
        assert_eq!(shrunk.violation.promise, promise, "{name} seed {seed}");
        assert_eq!(
            (after.steps, after.clients, after.faults),
            (calls, clients, faults),
            "{name} seed {seed}: {shrunk}\n{}",
            shrunk.plan
        );
        assert_eq!(shrunk.end, End::Smallest, "{name} seed {seed}");
    }
}

#[test]
fn forgetting_takes_one_increment_and_the_last_loss_of_power() {
    // The answer leaves before anything is written. The loss of power with which every run ends comes within the 50 ms of the delay, so
    // no fault is needed; without an increment there is nothing to lose.
    smallest("forgetful_counter", DURABLE, 1, 1, 0);
}

#[test]
fn forgetting_shows_while_it_runs_with_two_calls_and_a_fault_between() {
    // That answers contradict each other takes two of them. Between them the memory must go before it is saved: waiting does not do it, because whoever
    // waits to be saved does not hibernate. So one fault.
    smallest("forgetful_counter", ORDER, 2, 1, 1);
}

#[test]
fn not_waiting_takes_one_increment_and_the_last_loss_of_power() {
    // The sync that nobody waits for has to take longer than the answer. That is so with the latencies of one seed or another.
    smallest("unconfirmed_counter", DURABLE, 1, 1, 0);
}

#[test]
fn racing_takes_two_increments_of_two_clients_and_no_fault() {
    // A client waits for its answer, so two increments of one client never overlap.
    smallest("racing_counter", ORDER, 2, 2, 0);
}

#[test]
fn an_election_that_forgets_takes_two_elections_and_patience() {
    // One becomes the leader, the object hibernates by itself after ten seconds, the next one becomes the leader as well.
    smallest("forgetful_election", ORDER, 2, 1, 0);
}

#[test]
fn a_split_transfer_shows_to_a_second_client_that_comes_in_between() {
    // Who comes in between sees half, or overwrites half: two calls of two clients, and nothing has to go wrong.
    smallest("split_ledger", ORDER, 2, 2, 0);
}

#[test]
fn a_split_transfer_is_lost_in_half_by_one_fault() {
    // One transfer, ended between its two writes; the last read finds the first of them.
    smallest("split_ledger", DURABLE, 1, 1, 1);
}

#[test]
fn a_mailbox_that_trusts_takes_two_deliveries_a_purge_and_a_fault_within_it() {
    // `delete_all` takes 128 keys a step and a delivery is a hundred letters: after one delivery a single step removes everything, so it takes two. The purge has to be
    // cut off between its steps, and the last read finds the rest.
    smallest("trusting_mailbox", DURABLE, 3, 1, 1);
}

#[test]
fn a_limit_in_memory_takes_one_request_more_than_it_allows_and_patience() {
    // Three are allowed in a minute, and a fourth passes because the object has hibernated after ten seconds without a request.
    smallest(
        "memory_limiter",
        "no more pass than the limit allows",
        4,
        1,
        0,
    );
}

#[test]
fn a_split_session_takes_a_set_cut_short_and_a_get_much_later() {
    // Waiting does nothing here: the value has to stay without its expiry, so the activation has to end between two statements.
    smallest("split_session", "what has expired is not served", 2, 1, 1);
}

#[test]
fn a_room_that_forgets_names_takes_an_entry_patience_and_a_word() {
    // One comes in, the room falls asleep around him, and what he says then has no name any more. He has to be in to be heard.
    smallest(
        "forgetful_room",
        "whoever is connected hears what he says",
        2,
        1,
        0,
    );
}

#[test]
fn a_batcher_that_clears_takes_an_item_and_another_one_while_the_first_is_sent() {
    // The first sets the alarm; the second has to come while the run waits for the outside. Nothing has to go wrong.
    smallest("clearing_batcher", ACCEPTED, 2, 1, 0);
}

#[test]
fn a_batcher_in_memory_takes_one_item_and_the_last_loss_of_power() {
    // The alarm is ten seconds away, and the loss of power with which every run ends comes before it.
    smallest("memory_batcher", ACCEPTED, 1, 1, 0);
}

#[test]
fn reminders_that_overwrite_take_one_for_soon_and_one_for_later() {
    // The second takes the alarm of the first, whatever else happens.
    smallest(
        "overwriting_reminders",
        "every reminder that is due is delivered",
        2,
        1,
        0,
    );
}

#[test]
fn a_session_that_keeps_its_first_alarm_takes_one_for_a_day_and_one_for_moments() {
    // The one for a day sets the alarm, and the one for moments finds it set.
    smallest(
        "latest_expiry_session",
        "what has expired is removed",
        2,
        1,
        0,
    );
}

#[test]
fn webhooks_with_fresh_keys_take_one_hook_and_a_fault_between_sending_and_noting_it() {
    // It is sent, that is not noted, and the alarm's second run sends it with another key.
    smallest("fresh_key_webhooks", "nothing takes effect twice", 1, 1, 1);
}

#[test]
fn a_presence_that_ticks_takes_one_call_and_nothing_else() {
    // The constructor starts the timer that never ends, and any call makes the object be constructed.
    smallest(
        "ticking_presence",
        "an object with nothing to do comes to rest",
        1,
        1,
        0,
    );
}

#[test]
fn the_smallest_plan_is_saved_with_its_order_and_gives_the_saved_hash() {
    for name in ["racing_counter", "forgetful_election", "split_ledger"] {
        let suite = suite(name);
        let seed = failing(&suite, ORDER, 1)[0];
        let shrunk = shrunk(&suite, seed);
        let again = suite
            .run_plan(&shrunk.plan, Detail::Brief)
            .expect("it was just made");
        assert_eq!(again.hash, shrunk.hash, "{name} seed {seed}");
        assert_eq!(
            again.violation,
            Some(shrunk.violation),
            "{name} seed {seed}"
        );
    }
}

#[test]
fn what_is_smallest_stays_as_it_is_when_it_is_shrunk_again() {
    let suite = suite("split_ledger");
    let seed = failing(&suite, ORDER, 1)[0];
    let once = shrunk(&suite, seed);
    let twice = shrink(&suite, &once.plan, Limits::runs(5_000)).expect("it still fails");
    assert_eq!(twice.after, once.after);
    assert_eq!(twice.before, once.after);
}

/// The plan that the command finds on so many worker processes.
fn by_the_command(name: &str, seed: Seed, jobs: &str, folder: &Path) -> Value {
    let path = folder.join(format!("{name}-{jobs}.json"));
    let output = Command::new(env!("CARGO_BIN_EXE_dormouse"))
        .args(["shrink", name, &seed.to_string(), "--jobs", jobs])
        .args(["--runs", "5000", "--save"])
        .arg(&path)
        .output()
        .expect("the command runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = std::fs::read_to_string(&path).expect("it was saved");
    serde_json::from_str(&text).expect("a plan is JSON")
}

#[test]
fn a_seed_shrinks_to_the_same_plan_on_any_number_of_workers_and_in_this_process() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // One that is decided by order alone, and one where hundreds of candidates fail.
    for (name, promise) in [("racing_counter", ORDER), ("forgetful_counter", ORDER)] {
        let suite = suite(name);
        let seed = failing(&suite, promise, 1)[0];
        let here: Value = serde_json::from_str(&shrunk(&suite, seed).plan).expect("a plan");
        for jobs in ["1", "3"] {
            let there = by_the_command(name, seed, jobs, folder.path());
            assert_eq!(there, here, "{name} seed {seed} on {jobs} workers");
        }
    }
}

#[test]
fn a_plan_that_breaks_nothing_is_refused() {
    let suite = suite("counter");
    let refused = shrink(&suite, &suite.plan(Seed(0)), Limits::runs(10));
    assert!(matches!(refused, Err(ShrinkError::Passes)), "{refused:?}");
}
