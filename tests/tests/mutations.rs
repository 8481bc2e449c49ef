//! Each deliberate defect of the runtime is found by the simulator, within two thousand seeds: the checkers are worth what they catch.
//!
//! The same suites pass on the runtime as it is (`scenarios/tests/suites.rs`), so what is found here is the defect and nothing else.

use std::num::NonZero;

use dormouse::Mutation;
use dormouse_scenarios::{batcher, chat_room, counter, ledger, mailbox, reminders};
use dormouse_sim::{
    Detail, Seed, Suite,
    check::alarms::{NEVER_LATER, NEVER_LOST, NOT_WHEN_GONE, RETRIES},
    explore::Listed,
};
use dormouse_tests::mutations::{
    as_markdown, find,
    suites::{
        DONE, IN_ORDER, bucket, counter_by_name_and_by_id, hesitant, leisurely, pairs, slow_echo,
        special, stenographer, turnstile, unlucky,
    },
    table,
};

const SEEDS: u64 = 2_000;

fn assert_found(mutation: Mutation, suite: &Suite, promises: &[&str]) {
    let found = find(mutation, suite, SEEDS)
        .unwrap_or_else(|| panic!("{mutation:?} was not found in {SEEDS} seeds"));
    let (seed, violation) = (found.seed, found.violation);
    println!("{mutation:?}: seed {seed} of {}: {violation}", suite.name());
    assert!(
        promises.contains(&violation.promise.as_str()),
        "seed {seed}: {violation}"
    );
    assert_eq!(
        suite.run_seed(Seed(seed), Detail::Brief).violation,
        None,
        "it is the defect that was found"
    );
}

const ORDER: &str = "calls take effect one at a time, in an order that clients could have seen";
const DURABLE: &str = "what was acknowledged survives a loss of power";
const NOT_BEFORE: &str = "nothing leaves before it is durable";
const HEARS: &str = "whoever is connected hears what he says";
const ONCE: &str = "an object runs once at a time";

#[test]
fn an_output_gate_that_does_not_wait_is_found() {
    assert_found(Mutation::OutputGateOpen, &counter::counter(), &[NOT_BEFORE]);
}

#[test]
fn a_call_that_does_not_wait_at_the_output_gate_is_found() {
    assert_found(
        Mutation::CallsLeaveEarly,
        &counter::audited_counter(),
        &[NOT_BEFORE],
    );
}

#[test]
fn a_message_on_a_socket_that_does_not_wait_at_the_output_gate_is_found() {
    assert_found(
        Mutation::SocketMessagesLeaveEarly,
        &stenographer(),
        &[NOT_BEFORE],
    );
}

#[test]
fn a_sync_that_is_left_out_is_found() {
    assert_found(Mutation::WalSyncIgnored, &counter::counter(), &[NOT_BEFORE]);
}

#[test]
fn a_sync_that_counts_for_what_came_after_it_is_found() {
    assert_found(
        Mutation::SyncCountsForLaterCommits,
        &counter::counter(),
        &[NOT_BEFORE],
    );
}

#[test]
fn a_failed_sync_that_is_ignored_is_found() {
    assert_found(
        Mutation::FailedSyncIgnored,
        &counter::counter(),
        &[NOT_BEFORE],
    );
}

#[test]
fn a_new_database_that_is_not_synced_is_found() {
    assert_found(
        Mutation::NewDatabaseNotSynced,
        &counter::counter(),
        &[NOT_BEFORE],
    );
}

#[test]
fn files_in_doubt_that_are_not_written_again_are_found() {
    assert_found(
        Mutation::DoubtfulFilesKept,
        &counter::counter(),
        &[NOT_BEFORE],
    );
}

#[test]
fn a_new_header_of_a_log_that_nobody_waits_for_is_found() {
    assert_found(
        Mutation::NewHeaderNotSynced,
        &reminders::reminders(),
        &[NOT_BEFORE],
    );
}

#[test]
fn a_checkpoint_that_does_not_wait_for_the_database_is_found() {
    assert_found(
        Mutation::CheckpointNotSynced,
        &counter::counter(),
        &[NOT_BEFORE],
    );
}

#[test]
fn a_commit_that_is_split_in_two_is_found() {
    assert_found(Mutation::CommitSplit, &ledger::ledger(), &[ORDER, DURABLE]);
}

#[test]
fn a_transaction_that_keeps_what_it_rolls_back_is_found() {
    assert_found(Mutation::RollbackKeepsWrites, &hesitant(), &[ORDER]);
}

#[test]
fn a_transaction_sync_that_keeps_what_it_rolls_back_is_found() {
    assert_found(Mutation::SyncRollbackKeepsWrites, &hesitant(), &[ORDER]);
}

#[test]
fn a_flush_in_several_transactions_is_found() {
    assert_found(Mutation::FlushSplit, &mailbox::mailbox(), &[ORDER, DURABLE]);
}

#[test]
fn a_batch_that_failed_and_counts_as_applied_is_found() {
    assert_found(
        Mutation::FailedBatchIgnored,
        &mailbox::mailbox(),
        &[ORDER, DURABLE],
    );
}

#[test]
fn a_delete_all_that_stops_after_its_first_step_is_found() {
    assert_found(Mutation::DeleteAllStopsEarly, &bucket(), &[ORDER, DURABLE]);
}

#[test]
fn two_activations_of_one_object_after_a_crash_are_found() {
    assert_found(Mutation::TwoActivations, &counter::counter(), &[ONCE]);
}

#[test]
fn an_activation_that_is_called_after_its_end_is_found() {
    let promise = "clients cannot tell whether an object was evicted";
    assert_found(
        Mutation::EndedActivationCalled,
        &counter::counter(),
        &[promise],
    );
}

#[test]
fn an_activation_that_keeps_its_storage_after_another_took_its_place_is_found() {
    assert_found(
        Mutation::SupersededKeepsStorage,
        &counter::audited_counter(),
        // What it writes stands in the log behind its successor's back.
        &[NOT_BEFORE, ORDER],
    );
}

#[test]
fn a_call_that_overtakes_another_one_of_its_stub_is_found() {
    assert_found(Mutation::CallsOvertake, &pairs(), &[IN_ORDER]);
}

#[test]
fn two_names_with_one_id_are_found() {
    assert_found(Mutation::NameCutShort, &counter::counter(), &[ORDER]);
}

#[test]
fn one_id_that_is_two_to_the_router_is_found() {
    assert_found(
        Mutation::NameTellsIdsApart,
        &counter_by_name_and_by_id(),
        &[ONCE],
    );
}

#[test]
fn two_activations_of_one_object_are_found_although_they_are_called_differently() {
    let suite = counter_by_name_and_by_id();
    let found = Mutation::TwoActivations.during(|| {
        (0..SEEDS)
            .filter_map(|seed| suite.run_seed(Seed(seed), Detail::Brief).violation)
            .find(|violation| violation.why.contains(", called Counter/"))
    });
    let violation = found.expect("one is reached by its name while the other lives, or by its id");
    assert_eq!(violation.promise, ONCE, "{violation}");
    for seed in 0..20 {
        let violation = suite.run_seed(Seed(seed), Detail::Brief).violation;
        assert_eq!(
            violation, None,
            "seed {seed}: it is the defect that was found"
        );
    }
}

#[test]
fn an_input_gate_left_open_during_storage_is_found() {
    assert_found(Mutation::InputGateOpen, &counter::counter(), &[ORDER]);
}

#[test]
fn a_critical_section_that_lets_others_in_is_found() {
    assert_found(Mutation::SectionOpen, &turnstile(), &[ORDER]);
}

const DELIVERED: &str = batcher::NOTHING_LOST;

#[test]
fn an_alarm_that_is_removed_when_it_fires_is_found() {
    assert_found(
        Mutation::AlarmRemovedEarly,
        &batcher::batcher(),
        &[NEVER_LATER, NEVER_LOST, DELIVERED],
    );
}

#[test]
fn an_alarm_that_is_scheduled_only_after_its_commit_is_found() {
    assert_found(
        Mutation::AlarmScheduledLate,
        &batcher::batcher(),
        &[NEVER_LATER, NEVER_LOST, DELIVERED],
    );
}

#[test]
fn an_index_of_alarms_that_is_not_synced_is_found() {
    assert_found(
        Mutation::AlarmIndexNotSynced,
        &batcher::batcher(),
        // Its file may be there without its contents.
        &[
            NEVER_LATER,
            NEVER_LOST,
            DELIVERED,
            "the node starts on its data folder",
        ],
    );
}

#[test]
fn a_deleted_alarm_that_fires_is_found() {
    assert_found(
        Mutation::DeletedAlarmRuns,
        &batcher::batcher(),
        &[NOT_WHEN_GONE],
    );
}

#[test]
fn failures_that_are_forgotten_when_the_object_leaves_memory_are_found() {
    assert_found(Mutation::AlarmRetriesForgotten, &unlucky(), &[RETRIES]);
}

#[test]
fn a_retry_without_a_pause_is_found() {
    assert_found(Mutation::AlarmBackoffIgnored, &unlucky(), &[RETRIES]);
}

#[test]
fn an_attachment_that_is_not_kept_is_found() {
    let promise = "what is attached to a socket outlives hibernation";
    assert_found(
        Mutation::AttachmentLost,
        &chat_room::chat_room(),
        &[promise, HEARS],
    );
}

#[test]
fn an_event_handed_to_an_activation_that_is_being_torn_down_is_found() {
    assert_found(
        Mutation::HibernatesOverSocketEvent,
        &slow_echo(),
        &[
            "an object hibernates only when its sockets' events were handled",
            "what was only in memory is gone after hibernation", // the event's turn runs outside of any activation
        ],
    );
}

#[test]
fn a_close_that_is_lost_while_the_object_hibernates_is_found() {
    assert_found(
        Mutation::CloseLostAtHibernation,
        &chat_room::chat_room(),
        &[
            "nothing sent on a connected socket is lost",
            HEARS,
            "clients cannot tell whether an object was evicted", // who leaves is answered by an object in memory alone
        ],
    );
}

#[test]
fn an_automatic_answer_that_wakes_the_object_is_found() {
    let promise = "an answered ping wakes nobody";
    assert_found(
        Mutation::AutoResponseWakes,
        &chat_room::chat_room(),
        &[promise],
    );
}

#[test]
fn a_background_task_that_does_not_keep_its_object_in_memory_is_found() {
    assert_found(
        Mutation::HibernatesOverBackgroundTask,
        &leisurely(),
        &[DONE],
    );
}

#[test]
fn no_defect_is_missing_here() {
    let source = include_str!("mutations.rs");
    for mutation in Mutation::ALL {
        let tested = source.contains(&format!("Mutation::{mutation:?},"));
        assert!(tested, "{mutation:?} has no test");
    }
}

#[test]
fn the_special_suites_pass_on_the_runtime_as_it_is() {
    for suite in special().iter().map(Listed::suite) {
        for seed in (0..50).map(Seed) {
            let violation = suite.run_seed(seed, Detail::Brief).violation;
            assert_eq!(violation, None, "seed {seed} of {}", suite.name());
        }
    }
}

#[test]
fn the_table_is_the_same_on_one_thread_and_on_two_and_names_what_is_not_caught() {
    let mutations = [Mutation::RollbackKeepsWrites, Mutation::WalSyncIgnored];
    let suites = [
        Listed::correct(counter::counter),
        Listed::correct(ledger::ledger),
    ];
    let on = |threads| {
        let threads = NonZero::new(threads).expect("some");
        as_markdown(&table(&mutations, &suites, 5, threads, |_| ()))
    };
    let text = on(1);
    assert_eq!(text, on(2));
    // Neither object ever rolls back, and each call of both writes.
    assert!(text.contains("| **no suite** |"), "{text}");
    assert!(text.contains("`counter` 1, `ledger` 1"), "{text}");
    assert!(text.ends_with("\ncaught 1 of 2\n"), "{text}");
}
