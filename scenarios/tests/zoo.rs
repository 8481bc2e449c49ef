//! The zoo as tests: each bug is found for the right reason and shrinks to its stated size, and the objects that do it right pass the same workload.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use dormouse_scenarios::{suites, zoo};
use dormouse_sim::{
    Detail, Seed, Suite, Violation,
    explore::{
        Expectation,
        zoo::{Exhibit, Smallest},
    },
    shrink::{Limits, shrink},
};

#[dormouse_sim::test(seeds = 100)]
fn an_announcement_has_its_name_although_an_alarm_brings_it() -> Suite {
    zoo::announcer::announcer()
}

#[dormouse_sim::test(seeds = 100)]
fn everybody_joins_the_same_game() -> Suite {
    zoo::arena::arena()
}

#[dormouse_sim::test(seeds = 100)]
fn no_more_seats_are_sold_than_there_are() -> Suite {
    zoo::box_office::box_office()
}

#[dormouse_sim::test(seeds = 100)]
fn what_is_refused_is_not_spent() -> Suite {
    zoo::budget::budget()
}

#[dormouse_sim::test(seeds = 100)]
fn what_was_shown_can_be_read_again() -> Suite {
    zoo::bulletin::bulletin()
}

#[dormouse_sim::test(seeds = 100)]
fn a_slow_source_makes_no_call_fail() -> Suite {
    zoo::catalog::catalog()
}

#[dormouse_sim::test(seeds = 100)]
fn an_invoice_is_paid_once() -> Suite {
    zoo::checkout::checkout()
}

#[dormouse_sim::test(seeds = 100)]
fn a_message_that_comes_twice_counts_once() -> Suite {
    zoo::deposits::deposits()
}

#[dormouse_sim::test(seeds = 100)]
fn two_objects_decide_together() -> Suite {
    zoo::desk::desk()
}

#[dormouse_sim::test(seeds = 100)]
fn what_is_passed_on_twice_arrives_once() -> Suite {
    zoo::gateway::gateway()
}

#[dormouse_sim::test(seeds = 100)]
fn new_code_reads_what_old_code_stored() -> Suite {
    zoo::greeter::greeter()
}

#[dormouse_sim::test(seeds = 100)]
fn a_lease_is_let_go_when_the_work_is_done() -> Suite {
    zoo::heartbeat::heartbeat()
}

#[dormouse_sim::test(seeds = 100)]
fn every_entry_of_a_busy_second_is_there() -> Suite {
    zoo::journal::journal()
}

#[dormouse_sim::test(seeds = 100)]
fn every_player_is_told_once() -> Suite {
    zoo::kickoff::kickoff()
}

#[dormouse_sim::test(seeds = 100)]
fn a_migration_that_is_cut_off_goes_on() -> Suite {
    zoo::library::library()
}

#[dormouse_sim::test(seeds = 100)]
fn a_table_that_is_open_is_on_the_list() -> Suite {
    zoo::lobby::lobby()
}

#[dormouse_sim::test(seeds = 100)]
fn a_job_is_noted_once_however_often_its_object_is_made() -> Suite {
    zoo::maintenance::maintenance()
}

#[dormouse_sim::test(seeds = 100)]
fn a_relay_recovers_from_the_reset_of_what_it_calls() -> Suite {
    zoo::relay::relay()
}

#[dormouse_sim::test(seeds = 100)]
fn as_long_as_there_is_a_job_an_alarm_is_armed() -> Suite {
    zoo::schedule::schedule()
}

#[dormouse_sim::test(seeds = 100)]
fn nobody_counts_on_before_the_number_is_there() -> Suite {
    zoo::tally::tally()
}

#[dormouse_sim::test(seeds = 100)]
fn no_two_tickets_have_one_number() -> Suite {
    zoo::tickets::tickets()
}

#[dormouse_sim::test(seeds = 100)]
fn a_whiteboard_is_wiped_when_the_last_one_has_gone() -> Suite {
    zoo::whiteboard::whiteboard()
}

#[dormouse_sim::test(seeds = 100)]
fn what_was_destroyed_does_not_come_back() -> Suite {
    zoo::workspace::workspace()
}

#[dormouse_sim::test(seeds = 100)]
fn a_batcher_outlasts_an_outage_of_the_service_outside() -> Suite {
    zoo::outboxes::batcher_through_outages()
}

fn exhibits() -> Vec<&'static Exhibit> {
    let exhibits = suites().into_iter().filter_map(|listed| listed.exhibited());
    exhibits.collect()
}

/// The first seed that breaks `promise`, or any if none is given, and what it breaks.
fn first_failure(suite: &Suite, promise: Option<&str>) -> (Seed, Violation) {
    let found = (0..2_000).map(Seed).find_map(|seed| {
        let violation = suite.run_seed(seed, Detail::Brief).violation?;
        let is_wanted = promise.is_none_or(|promise| violation.promise == promise);
        is_wanted.then_some((seed, violation))
    });
    found.unwrap_or_else(|| panic!("{} was not found: {promise:?}", suite.name()))
}

#[test]
fn every_suite_with_a_bug_is_an_exhibit_and_names_a_correct_one() {
    let correct: BTreeSet<_> = suites()
        .iter()
        .filter(|listed| listed.expectation == Expectation::Passes)
        .map(|listed| listed.suite().name())
        .collect();
    let faulty = suites().len() - correct.len();
    assert_eq!(exhibits().len(), faulty, "every bug has its story");
    for exhibit in exhibits() {
        assert!(correct.contains(exhibit.correct), "{exhibit:?}");
    }
}

#[test]
fn every_bug_is_found_and_for_the_right_reason() {
    for exhibit in exhibits() {
        let suite = (exhibit.suite)();
        let (seed, violation) = first_failure(&suite, None);
        assert!(
            exhibit.found_as.contains(&violation.promise.as_str()),
            "{}, seed {seed}: {violation}",
            suite.name()
        );
    }
}

#[test]
fn every_bug_shrinks_to_a_plan_as_small_as_its_exhibit_says() {
    for exhibit in exhibits() {
        let suite = (exhibit.suite)();
        let promise = exhibit.found_as[0];
        let (seed, _) = first_failure(&suite, Some(promise));
        let shrunk = shrink(&suite, &suite.plan(seed), Limits::runs(5_000));
        let shrunk = shrunk.unwrap_or_else(|error| panic!("{} seed {seed}: {error}", suite.name()));
        assert_eq!(shrunk.violation.promise, promise);
        assert_eq!(
            Smallest::from(shrunk.after),
            exhibit.smallest,
            "{} seed {seed}: {}",
            suite.name(),
            shrunk.plan
        );
    }
}

#[test]
fn the_book_tells_the_story_of_every_exhibit() {
    let chapter = Path::new(env!("CARGO_MANIFEST_DIR")).join("../book/src/zoo.md");
    let chapter = fs::read_to_string(chapter).expect("the book has a chapter about it");
    for exhibit in exhibits() {
        let story = exhibit.story();
        assert!(
            chapter.contains(&story),
            "`dormouse zoo --format markdown` has:\n{story}"
        );
        let row = format!("| {} | `{}` |", exhibit.bug, (exhibit.suite)().name());
        assert!(chapter.contains(&row), "the table has no row {row}");
    }
    let stories = chapter.matches("\n- *Symptom:*").count();
    assert_eq!(
        stories,
        exhibits().len(),
        "the chapter tells of bugs that are not there"
    );
}

fn dormouse(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_dormouse"))
        .args(arguments)
        .output();
    let output = output.expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("it writes text");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn the_command_shows_how_many_seeds_a_bug_takes_and_how_small_it_gets() {
    let asked = ["zoo", "locked_desk", "one_page_outbox", "--searches", "3"];
    let (code, out, error) = dormouse(&asked);
    assert_eq!(code, Some(0), "{error}");
    let lines: Vec<_> = out.lines().collect();
    assert!(lines[0].starts_with("bug"), "{out}");
    assert!(
        lines[1].starts_with("Two objects that wait for each other")
            && lines[1].contains("1 call of 1 client, no fault"),
        "{out}"
    );
    assert!(
        lines[2].contains("one_page_outbox") && lines[2].contains("3 calls of 1 client, no fault"),
        "{out}"
    );
    assert!(
        out.contains("2 of 2 bugs found, each in 3 searches"),
        "{out}"
    );
}

#[test]
fn wrong_usage_is_refused_by_name() {
    let refused = [
        (
            &["zoo", "locked_desk", "counter"][..],
            "`counter` is not in the zoo; `clearing_batcher` is, for example",
        ),
        (&["zoo", "unicorn"], "there is no suite `unicorn`"),
        (&["zoo", "--searches", "0"], "0 is not in 1..=100000"),
    ];
    for (arguments, expected) in refused {
        let (code, _, error) = dormouse(arguments);
        assert_eq!(code, Some(2), "{error}");
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_suite_that_is_asked_for_twice_is_shown_once() {
    let (code, out, error) = dormouse(&["zoo", "locked_desk", "locked_desk", "--searches", "2"]);
    assert_eq!(code, Some(0), "{out}{error}");
    assert!(out.contains("1 of 1 bugs found"), "{out}");
}
