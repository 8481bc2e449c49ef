//! Each kind of fault takes effect: a plan with this one fault, and what shows that it happened.
//!
//! A fault that does nothing tests nothing, and nobody would notice.

use dormouse_scenarios::{batcher, chat_room, counter, mailbox};
use dormouse_sim::{
    Detail, FaultKind, Run, Suite,
    fault::{ALARM_POINTS, DELETE_ALL_POINT, KEY_VALUE_POINTS, POINTS, SOCKET_POINTS},
};
use serde_json::{Value, json};

/// One client that increments `a` five times, with one fault; faults at points happen on the server.
fn run_with(kind: &str, trigger: &Value, millis: u64) -> (Run, String) {
    let step = |pause: u64| json!({"pause": pause, "op": {"Increment": "a"}});
    let plan = json!({
        "format": 1,
        "suite": "counter",
        "seed": 7,
        "clients": [[step(0), step(1), step(5), step(50), step(500)]],
        "faults": [{"kind": kind, "trigger": trigger, "millis": millis}],
        "heal_at": 60_000,
    });
    let run = counter::counter()
        .run_plan(&plan.to_string(), Detail::Full)
        .expect("it is a plan");
    assert_eq!(run.violation, None, "a correct object survives it");
    let story = run.texts.as_ref().expect("it was asked for").story.clone();
    (run, story)
}

fn at_point(name: &str, nth: u64) -> Value {
    json!({"point": {"machine": "server", "name": name, "nth": nth}})
}

fn at_client(name: &str, nth: u64) -> Value {
    json!({"point": {"machine": "client-1", "name": name, "nth": nth}})
}

fn times(story: &str, what: &str) -> usize {
    story.matches(what).count()
}

#[test]
fn without_a_fault_every_call_is_answered_in_one_life_and_one_activation() {
    let (run, story) = run_with("process_crash", &json!({"at": 59_999}), 1);
    assert_eq!(
        run.effects.of(FaultKind::ProcessCrash),
        0,
        "the clients were done by then"
    );
    assert_eq!(times(&story, "unknown"), 0, "{story}");
    assert_eq!(
        times(&story, "the node starts again"),
        1,
        "only after the last loss of power: {story}"
    );
}

#[test]
fn a_process_crash_at_a_point_ends_the_node_at_that_very_point() {
    let (run, story) = run_with("process_crash", &at_point("commit", 2), 20);
    assert_eq!(run.effects.of(FaultKind::ProcessCrash), 1);
    assert_eq!(times(&story, "the node starts again"), 2, "{story}");
    assert!(
        times(&story, "unknown: Network connection lost.") >= 1,
        "{story}"
    );
    let trace = run.texts.expect("it was asked for").trace;
    let crash = trace
        .lines()
        .position(|line| line.contains("FAULT"))
        .expect("it happened");
    let before = trace.lines().nth(crash - 1).expect("a line before");
    assert!(
        before.contains(" commit ") && before.contains("batch=2"),
        "{before}"
    );
    let until_restart = trace
        .lines()
        .skip(crash + 1)
        .take_while(|line| !line.contains("restart"));
    for line in until_restart {
        assert!(
            !line.contains(" server "),
            "the dead process did something: {line}"
        );
    }
}

#[test]
fn a_crash_at_a_time_happens_at_that_time_and_lasts_as_long_as_it_says() {
    let (run, _) = run_with("process_crash", &json!({"at": 20}), 300);
    assert_eq!(run.effects.of(FaultKind::ProcessCrash), 1);
    let trace = run.texts.expect("it was asked for").trace;
    assert!(
        trace
            .lines()
            .any(|line| line.starts_with("+0.020s world     FAULT")),
        "{trace}"
    );
    assert!(
        trace
            .lines()
            .any(|line| line.starts_with("+0.320s world     restart")),
        "{trace}"
    );
}

#[test]
fn a_power_loss_takes_back_what_was_not_synced() {
    // Right after the first commit and before its sync: the increment is gone, or nobody was told of it.
    let (run, story) = run_with("power_loss", &at_point("committed", 1), 20);
    assert_eq!(run.effects.of(FaultKind::PowerLoss), 1);
    assert!(
        times(&story, "unknown: Network connection lost.") >= 1,
        "{story}"
    );
}

#[test]
fn hibernation_drops_an_idle_object_from_memory_and_clients_do_not_notice() {
    let (run, story) = run_with("hibernate", &json!({"at": 40}), 0);
    assert_eq!(run.effects.of(FaultKind::Hibernate), 1);
    assert!(
        story.contains("Counter/a leaves memory (hibernated)"),
        "{story}"
    );
    assert_eq!(times(&story, "unknown"), 0, "{story}");
}

#[test]
fn eviction_drops_an_object_in_the_middle_of_a_call() {
    let (run, story) = run_with("evict", &at_point("committed", 2), 0);
    assert_eq!(run.effects.of(FaultKind::Evict), 1);
    assert!(
        story.contains("Counter/a leaves memory (evicted)"),
        "{story}"
    );
}

#[test]
fn a_call_that_is_lost_never_runs() {
    let (run, story) = run_with("lose_call", &at_client("link_call", 2), 0);
    assert_eq!(run.effects.of(FaultKind::LoseCall), 1);
    assert_eq!(
        times(&story, "unknown: Network connection lost."),
        1,
        "{story}"
    );
    assert!(
        story.contains("client-2 <- 4"),
        "five were made and four ran: {story}"
    );
}

#[test]
fn a_reply_that_is_lost_hides_a_call_that_ran() {
    let (run, story) = run_with("lose_reply", &at_client("link_reply", 2), 0);
    assert_eq!(run.effects.of(FaultKind::LoseReply), 1);
    assert_eq!(
        times(&story, "unknown: Network connection lost."),
        1,
        "{story}"
    );
    assert!(story.contains("client-2 <- 5"), "all five ran: {story}");
}

fn duration_of_calls(story: &str) -> Vec<(f64, f64)> {
    let time = |line: &str| -> f64 {
        let time = line.trim_start().split('s').next().expect("a time");
        time.trim_start_matches('+').parse().expect("a number")
    };
    let asked = story
        .lines()
        .filter(|line| line.contains("client-1 asks"))
        .map(time);
    let answered = story
        .lines()
        .filter(|line| line.contains("client-1 <-"))
        .map(time);
    asked.zip(answered).collect()
}

#[test]
fn slow_links_delay_messages() {
    let (run, story) = run_with("slow_links", &at_client("link_call", 2), 1_000);
    assert_eq!(run.effects.of(FaultKind::SlowLinks), 1);
    let slow = duration_of_calls(&story)
        .into_iter()
        .filter(|(asked, answered)| answered - asked >= 0.9)
        .count();
    assert!(slow >= 1, "{story}");
}

#[test]
fn a_slow_sync_holds_the_reply_back() {
    let (run, story) = run_with("slow_sync", &at_point("commit", 2), 2_000);
    assert!(run.effects.of(FaultKind::SlowSync) >= 1);
    let slow = duration_of_calls(&story)
        .into_iter()
        .filter(|(asked, answered)| answered - asked >= 2.0)
        .count();
    assert!(slow >= 1, "{story}");
}

#[test]
fn a_sync_slower_than_the_gates_limit_resets_the_object() {
    let (_, story) = run_with("slow_sync", &at_point("commit", 2), 40_000);
    let text = "Durable Object storage operation exceeded timeout which caused object to be reset.";
    assert!(story.contains(text), "{story}");
    assert!(story.contains("Counter/a leaves memory (reset)"), "{story}");
}

#[test]
fn a_failed_sync_resets_the_object_and_its_callers_are_told() {
    let (run, story) = run_with("fail_sync", &at_point("commit", 2), 0);
    assert_eq!(run.effects.of(FaultKind::FailSync), 1);
    assert!(story.contains("Counter/a leaves memory (reset)"), "{story}");
    assert!(
        story.contains("unknown: Internal error in Durable Object storage write"),
        "{story}"
    );
}

/// Three deliveries of a hundred letters and a purge, cut short by a crash at a passage of `point`: the last look at what is left.
fn purge_cut_short_at(suite: &Suite, point: &str, nth: u64) -> Value {
    let step = |op: &str| json!({"pause": 0, "op": op});
    let plan = json!({
        "format": 1,
        "suite": suite.name(),
        "seed": 7,
        "clients": [[step("Deliver"), step("Deliver"), step("Deliver"), step("Purge")]],
        "faults": [{"kind": "process_crash", "trigger": at_point(point, nth), "millis": 20}],
        "heal_at": 60_000,
    });
    let run = suite
        .run_plan(&plan.to_string(), Detail::Full)
        .expect("it is a plan");
    assert_eq!(run.effects.of(FaultKind::ProcessCrash), 1);
    let story = run.texts.expect("it was asked for").story;
    let look = story
        .split("asks Inventory")
        .nth(1)
        .and_then(|rest| rest.split_once("<- Inventory { ")?.1.split_once(" }"))
        .unwrap_or_else(|| panic!("nobody looked: {story}"))
        .0;
    let numbers = look.split(", ").filter_map(|part| part.split_once(": "));
    numbers
        .map(|(name, number)| {
            let number: u64 = number.parse().expect("a number");
            (name.to_owned(), Value::from(number))
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[test]
fn a_crash_between_two_steps_of_delete_all_leaves_some_keys_on_the_legacy_backend() {
    let suite = mailbox::trusting_mailbox();
    let left = |nth| purge_cut_short_at(&suite, "kv_delete_all_step", nth);
    // 300 letters and their total are 301 keys, and each step takes 128 of them, whichever.
    assert_eq!(left(1), json!({"total": 300, "letters": 300}));
    for (step, keys) in [(2, 173), (3, 45)] {
        let seen = left(step);
        let with_total = json!({"total": 300, "letters": keys - 1});
        let without_total = json!({"total": 0, "letters": keys});
        assert!(
            seen == with_total || seen == without_total,
            "a crash at step {step} leaves {seen}"
        );
    }
}

#[test]
fn a_crash_within_delete_all_on_sqlite_leaves_everything() {
    let suite = mailbox::trusting_mailbox_on_sqlite();
    let seen = purge_cut_short_at(&suite, "delete_all", 1);
    assert_eq!(seen, json!({"total": 300, "letters": 300}));
}

/// One visitor of a chat room, who says two things and leaves, with one fault.
fn visit_with(kind: &str, trigger: &Value) -> (Run, String) {
    let step = |pause: u64, op: Value| json!({"pause": pause, "op": op});
    let plan = json!({
        "format": 1,
        "suite": "chat_room",
        "seed": 7,
        "clients": [[
            step(0, json!("Enter")),
            step(5, json!({"Say": 1})),
            step(5_000, json!({"Say": 2})),
            step(5, json!("Leave")),
        ]],
        "faults": [{"kind": kind, "trigger": trigger, "millis": 0}],
        "heal_at": 60_000,
    });
    let run = chat_room::chat_room()
        .run_plan(&plan.to_string(), Detail::Full)
        .expect("it is a plan");
    assert_eq!(run.violation, None, "a correct room survives it");
    let story = run.texts.as_ref().expect("it was asked for").story.clone();
    (run, story)
}

#[test]
fn a_room_that_hibernates_under_its_visitor_knows_him_afterwards() {
    let (run, story) = visit_with("hibernate", &json!({"at": 3_000}));
    assert_eq!(run.effects.of(FaultKind::Hibernate), 1);
    assert!(
        story.contains("ChatRoom/lobby leaves memory (hibernated)"),
        "{story}"
    );
    assert_eq!(times(&story, "ended: Answered"), 3, "{story}");
    assert_eq!(times(&story, "ended: Closed(1000)"), 1, "{story}");
}

#[test]
fn a_socket_that_is_cut_is_heard_of_at_both_ends() {
    let (run, story) = visit_with("cut_socket", &at_point("socket_event", 1));
    assert_eq!(run.effects.of(FaultKind::CutSocket), 1);
    assert_eq!(times(&story, "ended: Closed(1006)"), 1, "{story}");
    let trace = run.texts.expect("it was asked for").trace;
    for (machine, end) in [("server", "near"), ("client-1", "far")] {
        let heard = |line: &str| {
            line.contains(machine)
                && line.contains("socket_lost")
                && line.contains(&format!("end={end}"))
        };
        assert!(
            trace.lines().any(heard),
            "{machine} never heard of it: {trace}"
        );
    }
    assert!(
        trace.contains("what=websocket_close"),
        "the room hears of it as a close"
    );
}

#[test]
fn a_half_open_socket_is_found_out_when_the_faults_are_healed() {
    let (run, story) = visit_with("half_open_socket", &at_point("socket_event", 1));
    assert_eq!(run.effects.of(FaultKind::HalfOpenSocket), 1);
    let found = story
        .lines()
        .find(|line| line.contains("ended: Closed(1006)"));
    let at = found.expect("it is found out").trim_start();
    assert!(at.starts_with("+60."), "not before: {story}");
}

/// One client that adds one item to a batcher, whose alarm comes ten seconds later, with one fault: what happened when, as a trace.
fn batch_with(kind: &str, trigger: &Value, millis: u64) -> (Run, Vec<String>) {
    let plan = json!({
        "format": 1,
        "suite": "batcher",
        "seed": 7,
        "clients": [[{"pause": 0, "op": {"Add": 1}}]],
        "faults": [{"kind": kind, "trigger": trigger, "millis": millis}],
        "heal_at": 60_000,
    });
    let run = batcher::batcher()
        .run_plan(&plan.to_string(), Detail::Full)
        .expect("it is a plan");
    let texts = run.texts.as_ref().expect("it was asked for");
    let trace = texts.trace.lines().map(str::to_owned).collect();
    assert_eq!(
        run.violation, None,
        "a correct object survives it: {}",
        texts.story
    );
    (run, trace)
}

/// The seconds at which something happened, before the last loss of power.
fn seconds_of(trace: &[String], event: &str) -> Vec<f64> {
    let event = format!(" {event} ");
    let lines = trace
        .iter()
        .filter(|line| format!("{line} ").contains(&event));
    lines
        .map(|line| {
            let time = line.split('s').next().expect("a time");
            time.trim_start_matches('+').parse().expect("a number")
        })
        .collect()
}

#[test]
fn an_alarm_comes_late_by_as_much_as_the_fault_says() {
    let (run, trace) = batch_with("alarm_late", &at_point("alarm_durable", 1), 5_000);
    assert_eq!(run.effects.of(FaultKind::AlarmLate), 1);
    let (fired, started) = (
        seconds_of(&trace, "alarm_fire"),
        seconds_of(&trace, "alarm_start"),
    );
    assert!(started[0] - fired[0] >= 5.0, "{fired:?} {started:?}");
}

#[test]
fn an_alarm_delivered_twice_while_it_runs_runs_once() {
    let (run, trace) = batch_with("alarm_twice", &at_point("alarm_start", 1), 0);
    assert_eq!(run.effects.of(FaultKind::AlarmTwice), 1);
    assert_eq!(seconds_of(&trace, "alarm_fire_again").len(), 1);
    assert_eq!(seconds_of(&trace, "alarm_start").len(), 1);
}

#[test]
fn an_alarm_delivered_again_when_it_has_succeeded_does_not_run() {
    let (run, trace) = batch_with("alarm_twice", &at_point("alarm_start", 1), 3_000);
    assert_eq!(run.effects.of(FaultKind::AlarmTwice), 1);
    assert_eq!(
        seconds_of(&trace, "alarm_arm").len(),
        2,
        "it reached the object"
    );
    assert_eq!(seconds_of(&trace, "alarm_start").len(), 1);
}

#[test]
fn an_alarm_that_does_not_reach_its_object_is_tried_again_and_not_counted() {
    let (run, trace) = batch_with("alarm_lost", &at_point("alarm_durable", 1), 0);
    assert_eq!(run.effects.of(FaultKind::AlarmLost), 1);
    let fired = seconds_of(&trace, "alarm_fire");
    assert_eq!(fired.len(), 2, "{fired:?}");
    let delay = fired[1] - fired[0];
    assert!((2.0..=2.5).contains(&delay), "{delay}");
    let started = trace.iter().find(|line| line.contains(" alarm_start "));
    assert!(started.is_some_and(|line| line.contains("retry_count=0")));
}

#[test]
fn a_clock_that_jumps_forward_brings_the_alarm_forward_and_one_that_jumps_back_puts_it_off() {
    let (run, trace) = batch_with("clock_jump", &json!({"at": 2_000}), 8_000);
    assert_eq!(run.effects.of(FaultKind::ClockJump), 1);
    let fired = seconds_of(&trace, "alarm_fire")[0];
    assert!(
        (9.9..=62.0).contains(&fired),
        "within a minute, whatever the clock says: {fired}"
    );
    let (_, trace) = batch_with("clock_jump", &json!({"at": 2_000}), 20_001);
    let fired = seconds_of(&trace, "alarm_fire")[0];
    assert!(
        fired >= 30.0,
        "not before the clock shows its time: {fired}"
    );
}

#[test]
fn every_injection_point_is_passed_by_an_ordinary_run() {
    every_point_is_passed(&counter::counter(), &POINTS);
    every_point_is_passed(&batcher::batcher(), &ALARM_POINTS);
    every_point_is_passed(&chat_room::chat_room(), &SOCKET_POINTS);
    every_point_is_passed(&mailbox::trusting_mailbox(), &KEY_VALUE_POINTS);
    every_point_is_passed(&mailbox::trusting_mailbox_on_sqlite(), &[DELETE_ALL_POINT]);
}

fn every_point_is_passed(suite: &Suite, points: &[&str]) {
    let traces: Vec<_> = (0..10)
        .filter_map(|seed| suite.run_seed(dormouse_sim::Seed(seed), Detail::Full).texts)
        .map(|texts| texts.trace)
        .collect();
    for point in points {
        let passed = traces.iter().any(|trace| {
            trace.contains(&format!(" {point} ")) || trace.contains(&format!(" {point}\n"))
        });
        assert!(passed, "nothing ever passes {point}");
    }
}
