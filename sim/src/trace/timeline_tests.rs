//! Which spans are drawn for which events.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;

/// Events, a millisecond apart: place, name, fields.
fn run(events: &[(&str, &str, Value)]) -> Vec<Entry> {
    let entries = events
        .iter()
        .zip(0..)
        .map(|((place, name, fields), millis)| Entry {
            at: Duration::from_millis(millis),
            place: (*place).to_owned(),
            name: (*name).to_owned(),
            fields: fields.as_object().cloned().unwrap_or_default(),
        });
    entries.collect()
}

/// The spans in words: lane, row, kind, label, first and last event, how it ended.
fn spans(entries: &[Entry]) -> Vec<String> {
    let timeline = of(entries);
    let in_words = timeline.spans.iter().map(|span| {
        let lane = &timeline.lanes[span.lane].name;
        let Span {
            row,
            kind,
            label,
            from,
            to,
            outcome,
            ..
        } = span;
        format!("{lane}:{row} {kind:?} `{label}` {from}-{to} {outcome}")
    });
    in_words.collect()
}

#[test]
fn a_call_is_a_bar_with_its_answer_and_one_without_is_open() {
    let entries = run(&[
        ("client-1", "invoke", json!({"op": "Get"})),
        ("client-2", "invoke", json!({"op": "Set"})),
        ("client-1", "ok", json!({"returned": "7"})),
        ("client-1", "invoke", json!({"op": "Get"})),
        ("client-1", "unknown", json!({"error": "gone"})),
    ]);
    assert_eq!(
        spans(&entries),
        [
            "client-1:0 Call `Get \u{2192} 7` 0-2 ok",
            "client-2:0 Call `Set` 1-4 open",
            "client-1:0 Call `Get \u{2192} gone` 3-4 unknown",
        ]
    );
}

#[test]
fn lanes_stand_in_the_order_clients_world_machines_objects_disk() {
    let entries = run(&[
        ("server", "disk_write", json!({"bytes": 7})),
        ("server", "turn", json!({"object": "Counter/b"})),
        ("server", "node_start", json!({})),
        ("server", "turn", json!({"object": "Counter/a"})),
        ("client-10", "invoke", json!({})),
        ("client-9", "FAULT", json!({"kind": "lose call"})),
        ("client-9", "invoke", json!({})),
    ]);
    let names: Vec<_> = of(&entries)
        .lanes
        .into_iter()
        .map(|lane| lane.name)
        .collect();
    assert_eq!(
        names,
        [
            "client-9",
            "client-10",
            "world",
            "server",
            "Counter/a",
            "Counter/b",
            "disk"
        ]
    );
}

#[test]
fn an_event_waits_at_both_gates_and_another_one_has_a_row_of_its_own() {
    let on = |event: u64| json!({"object": "Counter/a", "event": event, "what": "increment"});
    let entries = run(&[
        ("server", "activation_start", json!({"object": "Counter/a"})),
        ("server", "deliver", on(1)),
        ("server", "deliver", on(2)),
        ("server", "turn", on(1)),
        (
            "server",
            "commit",
            json!({"object": "Counter/a", "batch": 1}),
        ),
        ("server", "turn", on(2)),
        (
            "server",
            "output",
            json!({"object": "Counter/a", "event": 2, "what": "reply", "batch": 0}),
        ),
        (
            "server",
            "durable",
            json!({"object": "Counter/a", "batch": 1}),
        ),
        (
            "server",
            "output",
            json!({"object": "Counter/a", "event": 1, "what": "reply", "batch": 1}),
        ),
        (
            "server",
            "activation_end",
            json!({"object": "Counter/a", "reason": "hibernated"}),
        ),
    ]);
    assert_eq!(
        spans(&entries),
        [
            "Counter/a:0 Activation `activation 1` 0-9 hibernated",
            "Counter/a:1 InputGate `increment waits at the input gate` 1-3 done",
            "Counter/a:2 InputGate `increment waits at the input gate` 2-5 done",
            "Counter/a:1 Handling `increment` 3-3 done",
            "Counter/a:1 OutputGate `reply of increment waits at the output gate` 3-8 done",
            "Counter/a:3 NotDurable `batch 1 is not durable` 4-7 done",
            "Counter/a:2 Handling `increment` 5-6 done",
        ]
    );
    let timeline = of(&entries);
    assert_eq!(timeline.lanes[0].rows, 4);
    assert_eq!(
        timeline.places[5],
        (0, 2),
        "a turn stands in its event's row"
    );
}

#[test]
fn a_crash_ends_what_was_in_memory_and_the_machine_is_down_until_the_node_starts() {
    let entries = run(&[
        ("server", "activation_start", json!({"object": "Counter/a"})),
        (
            "server",
            "commit",
            json!({"object": "Counter/a", "batch": 1}),
        ),
        ("server", "disk_sync", json!({})),
        ("world", "FAULT", json!({"kind": "power loss"})),
        ("world", "restart", json!({})),
        ("server", "node_start", json!({"restarted": true})),
        ("server", "activation_start", json!({"object": "Counter/a"})),
        ("world", "FAULT", json!({"kind": "slow sync"})),
    ]);
    assert_eq!(
        spans(&entries),
        [
            "Counter/a:0 Activation `activation 1` 0-3 lost",
            "Counter/a:1 NotDurable `batch 1 is not durable` 1-3 lost",
            "disk:0 Sync `syncing` 2-3 lost",
            "server:0 Down `down: power loss` 3-5 done",
            "Counter/a:0 Activation `activation 2` 6-7 open",
        ]
    );
}

#[test]
fn one_sync_for_two_batches_and_a_batch_that_comes_too_late_for_it() {
    let batch = |batch: u64| json!({"object": "Counter/a", "batch": batch});
    let entries = run(&[
        ("server", "commit", batch(1)),
        ("server", "commit", batch(2)),
        ("server", "commit", batch(3)),
        ("server", "durable", batch(2)),
        ("server", "durable", batch(3)),
        ("server", "commit", batch(4)),
    ]);
    assert_eq!(
        spans(&entries),
        [
            "Counter/a:1 NotDurable `batch 1 is not durable` 0-3 done",
            "Counter/a:1 NotDurable `batch 3 is not durable` 3-4 done",
            "Counter/a:1 NotDurable `batch 4 is not durable` 5-5 open",
        ]
    );
}

#[test]
fn a_name_that_is_new_is_drawn_all_the_same() {
    let entries = run(&[
        ("server", "comet_start", json!({"object": "Sky/a"})),
        ("server", "meteor", json!({"object": "Sky/a"})),
        ("server", "dust", json!({"object": "Sky/a"})),
        ("server", "meteor_done", json!({"object": "Sky/a"})),
        ("server", "comet_end", json!({"object": "Sky/a"})),
    ]);
    assert_eq!(
        spans(&entries),
        [
            "Sky/a:1 Other `comet` 0-4 done",
            "Sky/a:2 Other `meteor` 1-3 done"
        ]
    );
    assert_eq!(
        of(&entries).places.len(),
        5,
        "the one without an end as well"
    );
}
