//! Alarms fire: not early, not never, one at a time, again when they failed, and not again when they are gone.
//!
//! The promises, each checked on what the runtime and the world did:
//! - [`NEVER_EARLY`]: a handler starts at a wall time not before that of its alarm.
//! - [`NEVER_LOST`]: an alarm that is durable is fired by the time at which it is due, give or take the minute that a jump of the clock may cost; a
//!   failed one when its next try is due; after a crash, when the node is up again. Until the object's next durable change of it.
//! - [`NEVER_LATER`]: when an object comes into memory, the scheduler would have woken it in time for the alarm that its files hold.
//! - [`ONE_AT_A_TIME`]: no handler starts while another one of the object runs.
//! - [`RETRIES`]: a failed handler starts again no sooner than 2, 4, 8, ... seconds after its failure, and for one alarm at most seven runs fail by
//!   the object's own code, unless the node starts anew in between.
//! - [`NOT_WHEN_GONE`]: when it is durable that the object has no alarm, no handler starts before it sets one.
//!
//! Not seen here: an alarm that a client was never promised may be lost in a crash, and so may the changes of an activation that ended before they
//! were durable. What a handler does is for the scenario's own checks; so is whether an object *should* have had an alarm.

use std::{collections::BTreeMap, time::Duration};

use super::Violation;
use crate::{
    trace::{Event, Trace},
    world::ports::WALL_AT_START,
};

/// A handler does not start before its alarm's time.
pub const NEVER_EARLY: &str = "no alarm fires early";
/// A durable alarm fires.
pub const NEVER_LOST: &str = "no alarm is lost";
/// The scheduler's time is never later than the object's.
pub const NEVER_LATER: &str = "the scheduler never wakes an object later than it asked for";
/// At most one handler of an object runs.
pub const ONE_AT_A_TIME: &str = "one alarm handler of an object runs at a time";
/// Failed alarms are tried again, in time, and given up.
pub const RETRIES: &str = "a failed alarm is tried again as it should be";
/// A deleted alarm does not fire.
pub const NOT_WHEN_GONE: &str = "no alarm fires that the object does not have";

/// The scheduler looks at the wall clock once a minute at least; and a moment for everything else.
const LATE_MAX: Duration = Duration::from_secs(62);
/// A handler may run for a quarter of an hour, and its delivery be late by a fault.
const RUN_MAX: Duration = Duration::from_mins(16);
/// The first delay before another try; it doubles each time.
const FIRST_DELAY: Duration = Duration::from_secs(2);
/// How many runs of one alarm may fail by the object's own code.
const RUNS_MAX: u32 = 7;

/// What is known of one object's alarm. Times are as in the trace: milliseconds since the epoch, 0 for none.
#[derive(Default)]
struct Watched {
    /// The last one that is durable.
    durable: u64,
    /// Those that were committed since, and are not known to be durable; with the number of the activation, as it were, that did it.
    pending: Vec<(u64, u64)>,
    /// Grows when the object leaves memory: what is pending then may be durable or not.
    life: u64,
    /// It is durable that there is none.
    is_gone: bool,
    /// The time for which a handler runs.
    running: Option<u64>,
    /// By when it must have been fired.
    due: Option<Duration>,
    failures: Failures,
    /// A fault delivers it once more, beside the scheduler's own tries and whenever it likes.
    is_fired_again: bool,
}

/// The failures of one alarm since the scheduler has begun to count.
#[derive(Default)]
struct Failures {
    counted: u32,
    in_a_row: u32,
    last_was_counted: bool,
    /// Before this no other run may start.
    not_before: Option<Duration>,
}

/// Goes through the alarms of a run.
///
/// # Errors
/// The first promise that was broken.
pub fn check(trace: &Trace) -> Result<(), Violation> {
    let mut checker = Checker::default();
    let mut end = Duration::ZERO;
    for event in trace.events() {
        end = event.at();
        match event.name() {
            "FAULT" => checker.fault(event),
            "node_start" => checker.node_is_up(event.at()),
            "activation_end" | "restored" => checker.left_memory(event),
            name if name.starts_with("alarm_") => checker.alarm(event)?,
            _ => {}
        }
    }
    for (object, watched) in &checker.objects {
        watched.check_due(object, end)?;
    }
    Ok(())
}

/// A time of an alarm as a person reads it: since the start of the world, by a clock that does not jump.
pub(crate) fn at_in_words(at: u64) -> String {
    let since = i64::try_from(at).unwrap_or(i64::MAX) - WALL_AT_START;
    format!("+{}.{:03}s", since / 1000, since.rem_euclid(1000))
}

#[derive(Default)]
struct Checker<'a> {
    objects: BTreeMap<&'a str, Watched>,
    /// What the wall clock shows beyond the time that has passed, in milliseconds.
    clock_offset: i64,
}

impl<'a> Checker<'a> {
    fn fault(&mut self, event: Event<'_>) {
        match event.text("kind") {
            Some("process crash" | "power loss") => {
                for watched in self.objects.values_mut() {
                    watched.running = None;
                    watched.due = None;
                    watched.life += 1;
                    watched.failures = Failures::default();
                    watched.is_fired_again = false;
                }
            }
            Some("clock jump") => {
                let by = event.number("millis").unwrap_or_default();
                let by = i64::try_from(by).unwrap_or(i64::MAX);
                self.clock_offset += if event.is_true("forward") { by } else { -by };
                let offset = self.clock_offset;
                for watched in self.objects.values_mut() {
                    if watched.due.is_some()
                        && watched.running.is_none()
                        && watched.failures.not_before.is_none()
                    {
                        watched.await_alarm(event.at(), offset);
                    }
                }
            }
            _ => {}
        }
    }

    fn node_is_up(&mut self, at: Duration) {
        let offset = self.clock_offset;
        for watched in self.objects.values_mut() {
            watched.await_alarm(at, offset);
        }
    }

    fn left_memory(&mut self, event: Event<'a>) {
        let object = event.text("object").unwrap_or_default();
        let offset = self.clock_offset;
        let Some(watched) = self.objects.get_mut(object) else {
            return;
        };
        if event.name() == "restored" {
            *watched = Watched::default(); // it has the alarm of another time
            return;
        }
        watched.running = None;
        watched.life += 1;
        if !watched.pending.is_empty() {
            watched.await_alarm(event.at(), offset);
        }
    }

    fn alarm(&mut self, event: Event<'a>) -> Result<(), Violation> {
        let Some(object) = event.text("object") else {
            return Ok(());
        };
        let offset = self.clock_offset;
        let watched = self.objects.entry(object).or_default();
        let (now, at) = (event.at(), event.number("at").unwrap_or_default());
        watched.check_due(object, now)?;
        match event.name() {
            "alarm_request" => watched.failures = Failures::default(),
            "alarm_fire_again" => watched.is_fired_again = true,
            "alarm_repaired" => {
                let scheduled = event.number("scheduled").unwrap_or_default();
                let scheduled = match scheduled {
                    0 => "never".to_owned(),
                    scheduled => at_in_words(scheduled),
                };
                let why = format!(
                    "{object}: its alarm is set for {}, and the scheduler would have woken it {scheduled}",
                    at_in_words(at)
                );
                return Err(Violation::new(NEVER_LATER, why));
            }
            "alarm_commit" => {
                watched.pending.push((watched.life, at));
                watched.is_gone = false;
                watched.failures = Failures::default();
            }
            "alarm_durable" => {
                watched.settle_former_lives();
                let settled = watched
                    .pending
                    .iter()
                    .position(|&(_, pending)| pending == at);
                watched
                    .pending
                    .drain(..settled.map_or(0, |index| index + 1));
                watched.durable = at;
                watched.is_gone = at == 0 && watched.pending.is_empty();
                watched.await_alarm(now, offset);
            }
            "alarm_fire" => watched.due = Some(now + RUN_MAX),
            "alarm_arm" => {
                // What a crash has left is known now.
                watched.settle_former_lives();
                watched.durable = event.number("durable").unwrap_or_default();
            }
            "alarm_start" => watched.start(object, event)?,
            "alarm_done" => watched.running = None,
            "alarm_end" => watched.end(event, offset),
            "alarm_retry" => {
                let after = event.number("after_millis").unwrap_or_default();
                watched.due = Some(now + Duration::from_millis(after) + LATE_MAX);
            }
            "alarm_give_up" => watched.due = None,
            _ => {}
        }
        Ok(())
    }
}

impl Watched {
    /// From now on the alarm is awaited: by its time, and a minute; as far as it is certain that there is one.
    fn await_alarm(&mut self, now: Duration, clock_offset: i64) {
        let pending = self.pending.iter().map(|&(_, at)| at);
        let mut possible = pending.chain([self.durable]);
        self.due = if self.running.is_some() {
            Some(now + RUN_MAX)
        } else if possible.clone().any(|at| at == 0) {
            None // it may have none
        } else {
            let latest = possible.by_ref().max().unwrap_or_default();
            let latest = i64::try_from(latest).unwrap_or(i64::MAX);
            let since_start = latest.saturating_sub(WALL_AT_START + clock_offset);
            let at = Duration::from_millis(u64::try_from(since_start).unwrap_or(0));
            Some(at.max(now) + LATE_MAX)
        };
    }

    /// What activations that have ended had committed is durable or not, and by now that is known.
    fn settle_former_lives(&mut self) {
        let life = self.life;
        self.pending.retain(|&(of, _)| of == life);
    }

    fn check_due(&self, object: &str, now: Duration) -> Result<(), Violation> {
        match self.due {
            Some(due) if now > due => Err(Violation::new(
                NEVER_LOST,
                format!(
                    "{object}: its alarm is set for {}, durably, and was not fired by +{due:?}",
                    at_in_words(self.durable)
                ),
            )),
            _ => Ok(()),
        }
    }

    fn start(&mut self, object: &str, event: Event<'_>) -> Result<(), Violation> {
        let (at, now) = (event.number("at").unwrap_or_default(), event.at());
        let wall = event.number("now").unwrap_or_default();
        let start = format!("{object}: the handler of the alarm for {}", at_in_words(at));
        if wall < at {
            let why = format!("{start} started at {}", at_in_words(wall));
            return Err(Violation::new(NEVER_EARLY, why));
        }
        if let Some(other) = self.running.replace(at) {
            let why = format!(
                "{start} started at +{now:?} while that for {} ran",
                at_in_words(other)
            );
            return Err(Violation::new(ONE_AT_A_TIME, why));
        }
        if self.is_gone {
            let why =
                format!("{start} started at +{now:?}, when it was durable that there is none");
            return Err(Violation::new(NOT_WHEN_GONE, why));
        }
        if let Some(not_before) = self.failures.not_before
            && now < not_before
            && !std::mem::take(&mut self.is_fired_again)
        {
            let why = format!("{start} started again at +{now:?}, before +{not_before:?}");
            return Err(Violation::new(RETRIES, why));
        }
        if self.failures.counted >= RUNS_MAX {
            let why = format!("{start} started again after {RUNS_MAX} failures of its own");
            return Err(Violation::new(RETRIES, why));
        }
        Ok(())
    }

    /// A delivery has come to its end.
    fn end(&mut self, event: Event<'_>, clock_offset: i64) {
        let now = event.at();
        self.await_alarm(now, clock_offset);
        let failures = &mut self.failures;
        let counts = match event.text("end") {
            _ if event.is_true("told") => return *failures = Failures::default(),
            Some("failed") => true,
            Some("interrupted") => false,
            _ => return *failures = Failures::default(),
        };
        // The delays grow with every failure, but those of the object itself after one of the platform begin anew; so this is the least.
        let doublings = if counts {
            failures.counted += 1;
            failures.in_a_row = if failures.last_was_counted {
                failures.in_a_row + 1
            } else {
                0
            };
            failures.in_a_row
        } else {
            0
        };
        failures.last_was_counted = counts;
        failures.not_before = Some(now + FIRST_DELAY * 2_u32.pow(doublings.min(9)));
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    const AT: u64 = 1_767_225_610_000; // ten seconds after the start of a world

    /// Records events of one object: when, in seconds, and which; with its alarm's time.
    fn trace(events: &[(u64, &'static str, u64)]) -> Trace {
        let mut trace = Trace::default();
        let place: Rc<str> = "server".into();
        for &(seconds, name, at) in events {
            let mut recorder = trace.record(Duration::from_secs(seconds), &place, name);
            match name {
                "FAULT" => recorder.text("kind", "process crash"),
                _ => recorder.text("object", "Batcher/a"),
            }
            match name {
                "alarm_retry" => recorder.number("after_millis", at),
                "alarm_end" => {
                    recorder.text(
                        "end",
                        ["done", "failed", "interrupted"][usize::try_from(at).expect("small")],
                    );
                }
                "alarm_start" => {
                    recorder.number("at", at);
                    recorder.number("now", 1_767_225_600_000 + seconds * 1000);
                }
                _ => recorder.number("at", at),
            }
        }
        trace
    }

    fn broken_by(events: &[(u64, &'static str, u64)]) -> Option<String> {
        check(&trace(events))
            .err()
            .map(|violation| violation.promise)
    }

    const SET: [(u64, &str, u64); 2] = [(0, "alarm_commit", AT), (0, "alarm_durable", AT)];
    const RAN: [(u64, &str, u64); 5] = [
        (10, "alarm_fire", AT),
        (10, "alarm_start", AT),
        (10, "alarm_done", AT),
        (10, "alarm_commit", 0),
        (10, "alarm_durable", 0),
    ];

    fn after_set(more: &[(u64, &'static str, u64)]) -> Option<String> {
        broken_by(&[&SET[..], more].concat())
    }

    #[test]
    fn one_delivery_more_by_a_fault_keeps_to_no_schedule_and_a_second_one_does() {
        let again = [
            (10, "alarm_fire", AT),
            (10, "alarm_start", AT),
            (11, "activation_end", 0),
            (11, "alarm_fire_again", AT),
            (11, "alarm_end", 2), // the news of the first delivery comes later than the second one begins
            (11, "alarm_retry", 2_000),
            (11, "alarm_start", AT),
        ];
        assert_eq!(after_set(&again), None);
        let and_again = [(12, "alarm_done", AT), (12, "alarm_start", AT)];
        let promise = after_set(&[&again[..], &and_again].concat());
        assert_eq!(promise.as_deref(), Some(RETRIES));
    }

    #[test]
    fn an_alarm_that_fires_and_is_deleted_keeps_every_promise() {
        let end = [(10, "alarm_end", 0), (900, "turn", 0)];
        assert_eq!(after_set(&[&RAN[..], &end].concat()), None);
    }

    #[test]
    fn one_that_does_not_fire_is_lost_after_a_minute_unless_it_was_deleted_or_the_node_is_down() {
        assert_eq!(after_set(&[(72, "turn", 0)]), None);
        assert_eq!(after_set(&[(73, "turn", 0)]).as_deref(), Some(NEVER_LOST));
        let deleted = [(1, "alarm_commit", 0), (1, "alarm_durable", 0)];
        assert_eq!(
            after_set(&[&deleted[..], &[(900, "turn", 0)]].concat()),
            None
        );
        assert_eq!(after_set(&[(5, "FAULT", 0), (900, "turn", 0)]), None);
        let up = [(5, "FAULT", 0), (80, "node_start", 0), (143, "turn", 0)];
        assert_eq!(after_set(&up).as_deref(), Some(NEVER_LOST));
        // A deletion that may have become durable or not.
        let doubtful = [
            (1, "alarm_commit", 0),
            (5, "FAULT", 0),
            (80, "node_start", 0),
            (900, "turn", 0),
        ];
        assert_eq!(after_set(&doubtful), None);
    }

    #[test]
    fn an_early_one_is_found() {
        assert_eq!(
            after_set(&[(9, "alarm_start", AT)]).as_deref(),
            Some(NEVER_EARLY)
        );
    }

    #[test]
    fn two_at_once_are_found() {
        let two = [(10, "alarm_start", AT), (11, "alarm_start", AT)];
        assert_eq!(after_set(&two).as_deref(), Some(ONE_AT_A_TIME));
        let one_by_one = [
            (10, "alarm_start", AT),
            (11, "activation_end", 0),
            (12, "alarm_start", AT),
        ];
        assert_eq!(after_set(&one_by_one), None);
    }

    #[test]
    fn one_that_is_gone_and_runs_is_found() {
        let again = [&RAN[..], &[(11, "alarm_start", AT)]].concat();
        assert_eq!(after_set(&again).as_deref(), Some(NOT_WHEN_GONE));
        let set_again = [
            &RAN[..],
            &[(11, "alarm_commit", AT), (11, "alarm_start", AT)],
        ]
        .concat();
        assert_eq!(after_set(&set_again), None);
    }

    /// The second and the third run of an alarm, both failed, `first` and `second` seconds after the failures before them.
    fn retried_after(first: u64, second: u64) -> Option<String> {
        let failed = |at: u64| {
            [
                (at, "alarm_start", AT),
                (at, "alarm_done", AT),
                (at, "alarm_end", 1),
            ]
        };
        let runs = [failed(10), failed(10 + first), failed(10 + first + second)].concat();
        after_set(&runs)
    }

    #[test]
    fn a_retry_that_comes_too_soon_is_found() {
        assert_eq!(retried_after(2, 4), None);
        assert_eq!(retried_after(1, 4).as_deref(), Some(RETRIES));
        assert_eq!(retried_after(2, 3).as_deref(), Some(RETRIES));
    }

    #[test]
    fn an_eighth_run_is_found() {
        let mut runs = Vec::new();
        let mut at = 10;
        for run in 0..8 {
            runs.extend([
                (at, "alarm_fire", AT),
                (at, "alarm_start", AT),
                (at, "alarm_done", AT),
                (at, "alarm_end", 1),
                (at, "alarm_retry", 2_000 << run),
            ]);
            at += 2 << run;
        }
        assert_eq!(after_set(&runs[..35]), None);
        assert_eq!(after_set(&runs).as_deref(), Some(RETRIES));
    }

    #[test]
    fn a_scheduler_that_was_too_late_is_found() {
        assert_eq!(
            after_set(&[(1, "alarm_repaired", AT)]).as_deref(),
            Some(NEVER_LATER)
        );
    }
}
