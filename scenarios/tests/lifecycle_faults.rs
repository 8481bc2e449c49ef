//! The faults of an object's life and of what it stands on, each with a plan in which it bites.

use std::{cell::Cell, rc::Rc};

use dormouse::{
    Delay, DurableObject, Env, Error, Result, State, StorageBackend, durable_object, rpc,
};
use dormouse_scenarios::mailbox;
use dormouse_sim::{Detail, FaultKind, Faults, Run, Scenario};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a client asks of a tally.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Op {
    /// Count.
    Count,
    /// Wait so many milliseconds, and count.
    WaitAndCount(u64),
    /// Wait so many milliseconds, and touch no storage.
    Wait(u64),
    /// Fail.
    Fail,
}

/// Of a tally: the version of its code, how often it counted in this life, and how often in all.
type Tallied = (u32, u32, u32);

macro_rules! tally {
    ($version:literal) => {
        use super::*;

        /// Counts.
        #[durable_object]
        pub struct Tally {
            state: Rc<State>,
            in_memory: Cell<u32>,
        }

        impl DurableObject for Tally {
            fn new(state: State, _: Env) -> Self {
                Self {
                    state: Rc::new(state),
                    in_memory: Cell::new(0),
                }
            }
        }

        #[rpc]
        impl Tally {
            pub async fn carry_out(&self, op: Op) -> Result<Tallied> {
                match op {
                    Op::Count => {}
                    Op::Wait(millis) => {
                        Delay::from(std::time::Duration::from_millis(millis)).await;
                        return Ok(($version, self.in_memory.get(), 0));
                    }
                    Op::WaitAndCount(millis) => {
                        Delay::from(std::time::Duration::from_millis(millis)).await;
                    }
                    Op::Fail => return Err(Error::from("no")),
                }
                let storage = self.state.storage();
                let stored = storage.get("count").await?.unwrap_or(0) + 1;
                storage.put("count", stored).await?;
                self.in_memory.set(self.in_memory.get() + 1);
                Ok(($version, self.in_memory.get(), stored))
            }
        }
    };
}

mod first {
    tally!(1);
}

mod second {
    tally!(2);
}

/// What became of a plan: the run, and its story.
struct Told {
    run: Run,
    story: String,
}

impl Told {
    /// How often the fault bit.
    fn bit(&self, kind: FaultKind) -> u64 {
        self.run.effects.of(kind)
    }

    fn tells(&self, what: &str) -> bool {
        self.story.contains(what)
    }

    /// How many answers were of this kind: `unknown`, `failed`.
    fn times(&self, what: &str) -> usize {
        self.story.matches(what).count()
    }
}

/// One client, which does these things after these pauses, with one fault.
fn with(fault: &Value, steps: &[(u64, Op)]) -> Told {
    let steps: Vec<_> = steps
        .iter()
        .map(|(pause, op)| json!({"pause": pause, "op": op}))
        .collect();
    let plan = json!({
        "format": 1,
        "suite": "tally",
        "seed": 7,
        "clients": [steps],
        "faults": [fault],
        "heal_at": 60_000,
    });
    let suite = Scenario::new("tally")
        .object::<first::Tally>("TALLY")
        .updated_to::<second::Tally>()
        .clients(1)
        .workload(Just(Op::Count), 1..=1)
        .faults(Faults::all().and(FaultKind::CallTwice))
        .step(|client, op| client.stub::<first::Tally>("TALLY", "t").carry_out(op))
        .finally(vec![Op::Count])
        .without_eviction_transparency() // it tells about its memory on purpose
        .into_suite();
    let run = suite
        .run_plan(&plan.to_string(), Detail::Full)
        .expect("it is a plan");
    let story = run.texts.as_ref().expect("it was asked for").story.clone();
    assert_eq!(run.violation, None, "{story}");
    Told { run, story }
}

fn at(kind: &str, at: u64, millis: u64) -> Value {
    json!({"kind": kind, "trigger": {"at": at}, "millis": millis})
}

fn at_point(kind: &str, name: &str, nth: u64, millis: u64) -> Value {
    let point = json!({"machine": "server", "name": name, "nth": nth});
    json!({"kind": kind, "trigger": {"point": point}, "millis": millis})
}

const LATER: u64 = 1_000;

#[test]
fn a_code_update_at_once_resets_an_object_in_the_middle_of_a_call_and_brings_the_new_code() {
    let calls = [
        (0, Op::Count),
        (0, Op::WaitAndCount(500)),
        (LATER, Op::Count),
    ];
    let told = with(&at("code_update", 300, 1), &calls);
    assert_eq!(told.bit(FaultKind::CodeUpdate), 1);
    assert!(told.tells("<- (1, 1, 1)"), "{}", told.story);
    assert!(
        told.tells("unknown: Durable Object reset because its code was updated."),
        "{}",
        told.story
    );
    assert!(told.tells("<- (2, 1, 2)"), "{}", told.story);
}

#[test]
fn a_deferred_code_update_waits_until_the_object_hibernates() {
    let calls = [(0, Op::Count), (LATER, Op::Count), (11_000, Op::Count)];
    let told = with(&at("code_update", 500, 40_000), &calls);
    assert_eq!(told.bit(FaultKind::CodeUpdate), 1);
    for answer in ["<- (1, 1, 1)", "<- (1, 2, 2)", "<- (2, 1, 3)"] {
        assert!(told.tells(answer), "{}", told.story);
    }
    assert_eq!(told.times("unknown"), 0, "{}", told.story);
}

#[test]
fn the_new_code_is_still_there_after_a_restart() {
    let told = with(
        &at("code_update", 500, 1),
        &[(0, Op::Count), (LATER, Op::Count)],
    );
    let last = told.story.lines().rev().find(|line| line.contains("<-"));
    assert!(
        last.is_some_and(|line| line.contains("(2, 1, 3)")),
        "{}",
        told.story
    );
}

#[test]
fn an_abort_from_outside_resets_the_object_in_the_middle_of_a_call() {
    let calls = [(0, Op::WaitAndCount(500)), (LATER, Op::Count)];
    let told = with(&at("abort", 300, 0), &calls);
    assert_eq!(told.bit(FaultKind::Abort), 1);
    assert!(
        told.tells("unknown: Application called abort() to reset Durable Object."),
        "{}",
        told.story
    );
    assert!(told.tells("<- (1, 1, 1)"), "{}", told.story);
}

#[test]
fn a_superseded_instance_goes_on_until_it_touches_its_storage() {
    let told = with(
        &at("supersede", 300, 0),
        &[(0, Op::WaitAndCount(500)), (LATER, Op::Count)],
    );
    assert_eq!(told.bit(FaultKind::Supersede), 1);
    assert!(
        told.tells("Tally/t leaves memory (superseded)"),
        "{}",
        told.story
    );
    assert!(
        told.tells("unknown: Durable Object storage is no longer accessible."),
        "{}",
        told.story
    );
    let told = with(
        &at("supersede", 300, 0),
        &[(0, Op::Wait(500)), (LATER, Op::Count)],
    );
    assert_eq!(told.times("unknown"), 0, "{}", told.story);
    assert!(told.tells("<- (1, 0, 0)"), "{}", told.story);
}

#[test]
fn an_exception_resets_the_object_that_it_leaves() {
    let calls = [
        (0, Op::Count),
        (0, Op::Fail),
        (LATER, Op::Count),
        (0, Op::Fail),
        (LATER, Op::Count),
    ];
    let told = with(&at("reset_after_exception", 0, 0), &calls);
    // The node is up at once, but not before the world begins.
    assert_eq!(
        told.bit(FaultKind::ResetAfterException),
        1,
        "{}",
        told.story
    );
    assert!(
        told.tells("Tally/t leaves memory (reset)"),
        "{}",
        told.story
    );
    assert!(
        told.tells("<- (1, 1, 2)"),
        "it forgot its first life: {}",
        told.story
    );
    assert!(
        told.tells("<- (1, 2, 3)"),
        "only one exception did that: {}",
        told.story
    );
}

#[test]
fn a_read_that_fails_fails_the_call() {
    // The first activation has nothing to read; the second one reads the object's files.
    let calls = [(0, Op::Count), (11_000, Op::Count), (LATER, Op::Count)];
    let told = with(&at_point("read_error", "activation_start", 2, 0), &calls);
    assert_eq!(told.bit(FaultKind::ReadError), 1, "{}", told.story);
    assert_eq!(told.times("unknown: "), 1, "{}", told.story);
    assert!(told.tells("2)"), "{}", told.story);
}

#[test]
fn a_write_that_fails_resets_the_object_and_nobody_is_told_that_it_counted() {
    let calls = [(0, Op::Count), (LATER, Op::Count), (LATER, Op::Count)];
    let told = with(&at_point("write_error", "commit", 2, 0), &calls);
    assert_eq!(told.bit(FaultKind::WriteError), 1, "{}", told.story);
    assert_eq!(told.times("unknown: "), 1, "{}", told.story);
    assert!(
        told.tells("Tally/t leaves memory (reset)"),
        "{}",
        told.story
    );
    assert!(told.tells("<- (1, 1, 2)"), "{}", told.story);
}

#[test]
fn a_full_disk_fails_every_write_until_there_is_space_again() {
    let calls = [
        (0, Op::Count),
        (LATER, Op::Count),
        (LATER, Op::Count),
        (3_000, Op::Count),
    ];
    let told = with(&at("disk_full", 500, 3_000), &calls);
    assert!(told.bit(FaultKind::DiskFull) >= 2, "{}", told.story);
    assert_eq!(told.times("unknown: "), 2, "{}", told.story);
    assert!(told.tells("<- (1, 1, 2)"), "{}", told.story);
}

#[test]
fn what_lasts_is_over_when_everything_is_healed() {
    let told = with(
        &at("disk_full", 30_000, 40_000),
        &[(0, Op::Count), (40_000, Op::Count), (21_000, Op::Count)],
    );
    assert_eq!(told.times("unknown: "), 1, "{}", told.story);
    assert!(told.tells("<- (1, 1, 2)"), "{}", told.story);
}

#[test]
fn calls_are_refused_by_an_object_that_is_overloaded() {
    let calls = [
        (0, Op::Count),
        (LATER, Op::Count),
        (0, Op::Count),
        (0, Op::Count),
        (0, Op::Count),
    ];
    let told = with(&at("refuse", 500, 0), &calls);
    assert_eq!(told.bit(FaultKind::Refuse), 3);
    assert_eq!(
        told.times("unknown: Durable Object is overloaded. Too many requests queued."),
        3,
        "{}",
        told.story
    );
    assert!(
        told.tells("<- (1, 2, 2)"),
        "the object was not reset: {}",
        told.story
    );
}

#[test]
fn a_client_that_gives_up_does_not_stop_its_call() {
    let calls = [(100, Op::WaitAndCount(500)), (LATER, Op::Count)];
    let told = with(&at("give_up", 50, 200), &calls);
    assert_eq!(told.bit(FaultKind::GiveUp), 1, "{}", told.story);
    assert_eq!(
        told.times("unknown: the client gave up"),
        1,
        "{}",
        told.story
    );
    assert!(told.tells("<- (1, 2, 2)"), "{}", told.story);
}

#[test]
fn a_client_that_is_answered_in_time_does_not_give_up() {
    let told = with(&at("give_up", 50, 1_900), &[(100, Op::WaitAndCount(500))]);
    assert_eq!(told.bit(FaultKind::GiveUp), 0, "{}", told.story);
    assert_eq!(told.times("unknown"), 0, "{}", told.story);
}

#[test]
fn a_client_that_is_cut_off_loses_its_calls_and_reaches_the_server_afterwards() {
    let calls = [(0, Op::Count), (LATER, Op::Count), (LATER, Op::Count)];
    let told = with(&at("partition", 900, 1_500), &calls);
    assert!(told.bit(FaultKind::Partition) >= 1, "{}", told.story);
    assert_eq!(
        told.times("unknown: Network connection lost."),
        1,
        "{}",
        told.story
    );
    assert!(
        told.tells("<- (1, 2, 2)"),
        "the lost call never ran: {}",
        told.story
    );
}

#[test]
fn an_answer_on_its_way_is_lost_when_its_client_is_cut_off() {
    let told = with(
        &at("partition", 300, 1_000),
        &[(0, Op::WaitAndCount(500)), (LATER, Op::Count)],
    );
    assert_eq!(
        told.times("unknown: Network connection lost."),
        1,
        "{}",
        told.story
    );
    assert!(told.tells("<- (1, 2, 2)"), "the call ran: {}", told.story);
}

#[test]
fn a_call_that_is_delivered_twice_counts_twice() {
    let calls = [(0, Op::Count), (LATER, Op::Count), (LATER, Op::Count)];
    let told = with(&at("call_twice", 500, 100), &calls);
    assert_eq!(told.bit(FaultKind::CallTwice), 1);
    assert!(
        told.tells("<- (1, 2, 2)"),
        "it is answered once: {}",
        told.story
    );
    assert!(told.tells("<- (1, 4, 4)"), "and ran twice: {}", told.story);
}

#[test]
fn nobody_meets_a_second_delivery_who_has_not_asked_for_it() {
    let scenario = |faults: Faults| {
        Scenario::<Op, Tallied>::new("tally")
            .object::<first::Tally>("TALLY")
            .workload(Just(Op::Count), 1..=5)
            .faults(faults)
            .without_eviction_transparency()
            .step(|client, op| client.stub::<first::Tally>("TALLY", "t").carry_out(op))
            .into_suite()
    };
    let twice = |faults: Faults| {
        let suite = scenario(faults);
        (0..300).any(|seed| suite.plan(dormouse_sim::Seed(seed)).contains("call_twice"))
    };
    assert!(!twice(Faults::all()));
    assert!(twice(Faults::all().and(FaultKind::CallTwice)));
}

/// Three deliveries of a hundred letters and a purge on the legacy backend, with one fault there: the run's story.
fn mailbox_with(fault: &Value) -> (Run, String) {
    let suite = mailbox::trusting_mailbox();
    let step = |op: &str| json!({"pause": 0, "op": op});
    let plan = json!({
        "format": 1,
        "suite": suite.name(),
        "seed": 7,
        "clients": [[step("Deliver"), step("Deliver"), step("Deliver"), step("Purge")]],
        "faults": [fault],
        "heal_at": 60_000,
    });
    let run = suite
        .run_plan(&plan.to_string(), Detail::Full)
        .expect("it is a plan");
    let story = run.texts.as_ref().expect("it was asked for").story.clone();
    (run, story)
}

#[test]
fn a_batch_of_the_legacy_backend_that_fails_resets_the_object() {
    let (run, story) = mailbox_with(&at_point("fail_kv_batch", "kv_batch", 2, 0));
    assert_eq!(run.effects.of(FaultKind::FailKvBatch), 1, "{story}");
    assert!(
        story.contains("unknown: Internal error in Durable Object storage"),
        "{story}"
    );
    assert!(story.contains("leaves memory (reset)"), "{story}");
}

#[test]
fn a_delete_all_of_the_legacy_backend_can_fail_half_way() {
    let (run, story) = mailbox_with(&at_point("fail_kv_batch", "kv_delete_all_step", 2, 0));
    assert_eq!(run.effects.of(FaultKind::FailKvBatch), 1, "{story}");
    let letters = story
        .split("letters: ")
        .last()
        .and_then(|rest| rest.split([' ', ',']).next())
        .and_then(|number| number.parse::<u32>().ok());
    let letters = letters.unwrap_or_else(|| panic!("nobody looked: {story}"));
    assert!(
        letters > 0 && letters < 300,
        "{letters} of 300 are left: {story}"
    );
}

/// Three counts on the legacy backend, a second apart, with these faults: how often the fault bit, and how many reads reached the service.
fn reads_with(faults: &[Value]) -> (u64, usize) {
    let steps = [0, LATER, LATER].map(|pause| json!({"pause": pause, "op": "Count"}));
    let plan = json!({
        "format": 1,
        "suite": "tally",
        "seed": 7,
        "clients": [steps],
        "faults": faults,
        "heal_at": 60_000,
    });
    let suite = Scenario::new("tally")
        .object_on::<first::Tally>("TALLY", StorageBackend::KeyValue)
        .clients(1)
        .workload(Just(Op::Count), 1..=1)
        .step(|client, op| client.stub::<first::Tally>("TALLY", "t").carry_out(op))
        .into_suite();
    let run = suite
        .run_plan(&plan.to_string(), Detail::Full)
        .expect("it is a plan");
    let texts = run.texts.as_ref().expect("it was asked for");
    assert_eq!(run.violation, None, "{}", texts.story);
    for answer in ["<- (1, 1, 1)", "<- (1, 2, 2)", "<- (1, 3, 3)"] {
        assert!(texts.story.contains(answer), "{}", texts.story);
    }
    let reads = texts.entries.iter().filter(|entry| entry.name == "kv_read");
    (run.effects.of(FaultKind::ForgetCache), reads.count())
}

#[test]
fn a_cache_of_the_legacy_backend_that_forgets_asks_again_and_nobody_notices() {
    assert_eq!(reads_with(&[]), (0, 1), "the cache knows what was written");
    let once = at("forget_cache", 500, 0);
    assert_eq!(reads_with(std::slice::from_ref(&once)), (1, 2));
    let twice = [once, at("forget_cache", 1_500, 0)];
    assert_eq!(reads_with(&twice), (2, 3));
    let again = [at("forget_cache", 500, 0), at("forget_cache", 600, 0)];
    assert_eq!(reads_with(&again), (1, 2), "there is nothing to forget");
}
