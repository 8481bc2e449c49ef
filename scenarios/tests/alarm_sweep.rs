//! A crash at every point of an alarm's life, of the process and of the power: no alarm is lost, none fires that is gone, and what the two stores say
//! after the restart is what the crash matrix says (lifecycle 5.5).
//!
//! `D` is the alarm in the object's database, `S` that in the scheduler's index.

use dormouse_scenarios::{batcher, session_expiry};
use dormouse_sim::{Detail, FaultKind, Suite, fault::ALARM_POINTS};
use serde_json::{Value, json};

const CRASHES: [&str; 2] = ["process_crash", "power_loss"];

/// How many losses of power are tried at each point: each spares other writes.
const LOSSES: u64 = 6;

/// What a run did: its trace, line by line.
struct Ran(Vec<String>);

/// Runs these steps of one client, with a crash at a passage of a point, or without.
fn run(suite: &Suite, steps: &Value, crash: Option<(&str, &str, u64)>, seed: u64) -> Ran {
    let faults = crash.map_or(json!([]), |(kind, point, nth)| {
        json!([{
            "kind": kind,
            "trigger": {"point": {"machine": "server", "name": point, "nth": nth}},
            "millis": 20,
        }])
    });
    let plan = json!({
        "format": 1,
        "suite": suite.name(),
        "seed": seed,
        "clients": [steps],
        "faults": faults,
        "heal_at": 60_000,
    });
    let run = suite
        .run_plan(&plan.to_string(), Detail::Full)
        .expect("it is a plan");
    let texts = run.texts.expect("it was asked for");
    assert_eq!(
        run.violation, None,
        "{crash:?}, seed {seed}: {}",
        texts.story
    );
    if crash.is_some() {
        let crashes =
            run.effects.of(FaultKind::ProcessCrash) + run.effects.of(FaultKind::PowerLoss);
        assert_eq!(crashes, 1, "{crash:?} takes effect");
    }
    Ran(texts.trace.lines().map(str::to_owned).collect())
}

impl Ran {
    fn times(&self, event: &str) -> usize {
        self.lines_of(event).count()
    }

    fn lines_of(&self, event: &str) -> impl Iterator<Item = &String> {
        let event = format!(" {event} ");
        self.0
            .iter()
            .filter(move |line| format!("{line} ").contains(&event))
    }

    /// What happened after the crash.
    fn after_the_crash(&self) -> Ran {
        let crash = self.0.iter().position(|line| line.contains("FAULT"));
        Ran(self.0[crash.expect("it happened")..].to_vec())
    }

    /// How often an alarm that fired turned out not to be due.
    fn canceled(&self) -> usize {
        self.lines_of("alarm_arm")
            .filter(|line| line.contains("runs=false"))
            .count()
    }
}

fn add_one() -> Value {
    json!([{"pause": 0, "op": {"Add": 1}}])
}

/// An alarm that is set, moved later before it fires, and fires.
fn set_twice() -> Value {
    json!([
        {"pause": 0, "op": {"SetForMoments": 0}},
        {"pause": 400, "op": {"SetForMoments": 0}},
    ])
}

#[test]
fn a_crash_at_any_point_loses_no_alarm_and_brings_none_back() {
    for (suite, steps) in [
        (batcher::batcher(), add_one()),
        (session_expiry::session_expiry(), set_twice()),
    ] {
        let undisturbed = run(&suite, &steps, None, 1);
        let mut swept = 0;
        for point in ALARM_POINTS {
            let passages = undisturbed.times(point);
            assert!(passages > 0, "{} never passes {point}", suite.name());
            for nth in 1..=passages as u64 {
                run(&suite, &steps, Some((CRASHES[0], point, nth)), 1);
                for seed in 1..=LOSSES {
                    run(&suite, &steps, Some((CRASHES[1], point, nth)), seed);
                }
                swept += 1;
            }
        }
        assert!(swept >= 10, "a sweep over {swept} points is none");
    }
}

/// One row of the matrix: after a crash of either kind at this passage of a point.
fn after_crash(suite: &Suite, steps: &Value, point: &str, nth: u64, holds: impl Fn(&Ran) -> bool) {
    for crash in CRASHES {
        let ran = run(suite, steps, Some((crash, point, nth)), 1);
        assert!(
            holds(&ran.after_the_crash()),
            "{crash} at passage {nth} of {point}:\n{}",
            ran.0.join("\n")
        );
    }
}

#[test]
fn an_earlier_alarm_that_only_the_scheduler_knows_fires_once_for_nothing() {
    // n earlier: after the scheduler's word, before the commit. D = none, S = n.
    let suite = batcher::batcher();
    after_crash(&suite, &add_one(), "alarm_index_durable", 1, |ran| {
        ran.canceled() == 1 && ran.times("alarm_start") == 0
    });
}

#[test]
fn an_alarm_that_is_durable_in_both_fires() {
    // n earlier: after the commit. D = S = n.
    let suite = batcher::batcher();
    after_crash(&suite, &add_one(), "alarm_durable", 1, |ran| {
        ran.times("alarm_start") == 1 && ran.canceled() == 0
    });
}

#[test]
fn a_handler_that_succeeded_runs_again_if_its_deletion_is_not_durable() {
    // D = S = o.
    let suite = batcher::batcher();
    after_crash(&suite, &add_one(), "alarm_done", 1, |ran| {
        ran.times("alarm_start") == 1
    });
    after_crash(&suite, &add_one(), "alarm_commit", 2, |ran| {
        ran.times("alarm_start") == 1
    });
}

#[test]
fn a_handler_whose_deletion_is_durable_does_not_run_again_although_the_scheduler_was_not_told() {
    // D = none, S = o.
    let suite = batcher::batcher();
    after_crash(&suite, &add_one(), "alarm_durable", 2, |ran| {
        ran.canceled() == 1 && ran.times("alarm_start") == 0
    });
}

#[test]
fn an_alarm_that_was_to_move_later_fires_at_its_old_time_if_that_is_not_durable() {
    // n later: before the commit. D = S = o. What was stored with it is gone as well, so the old value expires.
    let suite = session_expiry::session_expiry();
    after_crash(&suite, &set_twice(), "alarm_commit", 2, |ran| {
        ran.times("alarm_start") == 1 && ran.canceled() == 0
    });
}

#[test]
fn an_alarm_that_moved_later_is_asked_for_again_if_the_scheduler_was_not_told() {
    // n later: after the commit. D = n, S = o.
    let suite = session_expiry::session_expiry();
    after_crash(&suite, &set_twice(), "alarm_durable", 2, |ran| {
        ran.canceled() == 1 && ran.times("alarm_start") == 1
    });
}
