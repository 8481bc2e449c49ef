//! Chrome's trace format, which Perfetto opens: <https://ui.perfetto.dev>, "Open trace file".
//!
//! A lane is a thread and the lanes of one kind are a process. Calls and activations are `B`/`E` pairs, what happens inside of them `X`, every
//! event an `i`, and an arrow (`s`/`f`) leads from a commit to each output that depended on it. Times are microseconds of virtual time. Events of
//! one instant are set a nanosecond apart, or their order could not be seen.

use serde_json::{Value, json};

use super::{
    Entry,
    timeline::{self, LaneKind, Span, SpanKind, Timeline},
    words,
};

/// How many rows a lane's threads are numbered apart.
const ROWS_MAX: usize = 1_000;

/// The trace as one JSON document.
///
/// # Panics
/// Never: the document is made of text and numbers.
pub fn json(entries: &[Entry]) -> String {
    let timeline = timeline::of(entries);
    let times = times(entries);
    let mut events = names(&timeline);
    let mut timed: Vec<(usize, u8, Value)> = Vec::new();
    for span in &timeline.spans {
        timed.extend(bars(span, &timeline, &times));
    }
    for (at, entry) in entries.iter().enumerate() {
        timed.push((at, INSTANT, instant(at, entry, &timeline, &times)));
    }
    timed.extend(arrows(entries, &timeline, &times));
    // Bars that end at an event stand before those that begin at it.
    timed.sort_by_key(|(at, order, _)| (*at, *order));
    events.extend(timed.into_iter().map(|(_, _, event)| event));
    serde_json::to_string(&json!({"displayTimeUnit": "ms", "traceEvents": events}))
        .expect("it has a JSON form")
}

const END: u8 = 0;
const BEGIN: u8 = 1;
const INSTANT: u8 = 2;
const ARROW: u8 = 3;

/// For each event its time in microseconds.
fn times(entries: &[Entry]) -> Vec<f64> {
    let mut times = Vec::with_capacity(entries.len());
    let mut last = None;
    for entry in entries {
        let mut nanos = entry.at.as_nanos();
        if let Some(last) = last {
            nanos = nanos.max(last + 1);
        }
        last = Some(nanos);
        #[expect(
            clippy::cast_precision_loss,
            reason = "nanoseconds of a run fit into 53 bits for a hundred days"
        )]
        times.push(nanos as f64 / 1e3);
    }
    times
}

fn process(kind: LaneKind) -> (usize, &'static str) {
    match kind {
        LaneKind::Client => (1, "clients"),
        LaneKind::World => (2, "world"),
        LaneKind::Machine => (3, "machines"),
        LaneKind::Object => (4, "objects"),
        LaneKind::Disk => (5, "disk"),
    }
}

/// Process and thread of a row.
fn place(timeline: &Timeline, lane: usize, row: usize) -> (usize, usize) {
    (
        process(timeline.lanes[lane].kind).0,
        (lane + 1) * ROWS_MAX + row,
    )
}

fn names(timeline: &Timeline) -> Vec<Value> {
    let mut names = Vec::new();
    for (number, lane) in timeline.lanes.iter().enumerate() {
        let (pid, process) = process(lane.kind);
        names.push(
            json!({"ph": "M", "name": "process_name", "pid": pid, "args": {"name": process}}),
        );
        names.push(json!({"ph": "M", "name": "process_sort_index", "pid": pid, "args": {"sort_index": pid}}));
        for row in 0..lane.rows {
            let (_, tid) = place(timeline, number, row);
            let name = if row == 0 {
                lane.name.clone()
            } else {
                format!("{} ({row})", lane.name)
            };
            names.push(json!({"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": name}}));
            names.push(json!({"ph": "M", "name": "thread_sort_index", "pid": pid, "tid": tid, "args": {"sort_index": tid}}));
        }
    }
    names
}

fn bars(span: &Span, timeline: &Timeline, times: &[f64]) -> Vec<(usize, u8, Value)> {
    let (pid, tid) = place(timeline, span.lane, span.row);
    let (ts, end) = (times[span.from], times[span.to]);
    let category = json!(span.kind);
    let args = json!({"outcome": span.outcome});
    if matches!(span.kind, SpanKind::Call | SpanKind::Activation) {
        return vec![
            (
                span.from,
                BEGIN,
                json!({"ph": "B", "name": span.label, "cat": category, "pid": pid, "tid": tid, "ts": ts, "args": args}),
            ),
            (
                span.to,
                END,
                json!({"ph": "E", "pid": pid, "tid": tid, "ts": end}),
            ),
        ];
    }
    vec![(
        span.from,
        BEGIN,
        json!({"ph": "X", "name": span.label, "cat": category, "pid": pid, "tid": tid, "ts": ts, "dur": end - ts, "args": args}),
    )]
}

fn instant(at: usize, entry: &Entry, timeline: &Timeline, times: &[f64]) -> Value {
    let (lane, row) = timeline.places[at];
    let (pid, tid) = place(timeline, lane, row);
    let scope = if entry.name == "FAULT" { "g" } else { "t" };
    json!({
        "ph": "i", "name": entry.name, "cat": words::kind(&entry.name), "s": scope, "pid": pid, "tid": tid, "ts": times[at],
        "args": entry.fields,
    })
}

/// From the commit of a batch to the outputs that waited for it.
fn arrows(entries: &[Entry], timeline: &Timeline, times: &[f64]) -> Vec<(usize, u8, Value)> {
    let mut arrows = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let (Some(batch), true) = (
            entry.number("batch").filter(|batch| *batch > 0),
            entry.name == "output",
        ) else {
            continue;
        };
        let is_its_commit = |earlier: &&Entry| {
            earlier.name == "committed"
                && earlier.text("object") == entry.text("object")
                && earlier.number("batch") == Some(batch)
        };
        let Some(from) = entries[..at]
            .iter()
            .rposition(|earlier| is_its_commit(&earlier))
        else {
            continue;
        };
        for (end, phase) in [(from, "s"), (at, "f")] {
            let (lane, row) = timeline.places[end];
            let (pid, tid) = place(timeline, lane, row);
            let arrow = json!({
                "ph": phase, "bp": "e", "id": at, "name": "depends on", "cat": "durability", "pid": pid, "tid": tid, "ts": times[end],
            });
            arrows.push((end, ARROW, arrow));
        }
    }
    arrows
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use super::*;

    fn entries() -> Vec<Entry> {
        let lines = [
            r#"{"at_ns":0,"place":"client-1","name":"invoke","fields":{"op":"Increment"}}"#,
            r#"{"at_ns":0,"place":"server","name":"activation_start","fields":{"object":"Counter/a"}}"#,
            r#"{"at_ns":0,"place":"server","name":"committed","fields":{"object":"Counter/a","batch":1}}"#,
            r#"{"at_ns":2000,"place":"server","name":"output","fields":{"object":"Counter/a","what":"call","batch":1}}"#,
            r#"{"at_ns":2000,"place":"client-1","name":"ok","fields":{"returned":"1"}}"#,
            r#"{"at_ns":9000,"place":"world","name":"FAULT","fields":{"kind":"power loss"}}"#,
        ];
        lines
            .map(|line| serde_json::from_str(line).expect("an entry"))
            .into()
    }

    fn events() -> Vec<Value> {
        let document: Value = serde_json::from_str(&json(&entries())).expect("it is JSON");
        document["traceEvents"].as_array().expect("a list").clone()
    }

    #[test]
    fn what_begins_ends_on_its_thread_and_time_does_not_go_back() {
        let (mut open, mut last) = (BTreeMap::<String, i32>::new(), 0.0);
        for event in events() {
            let thread = event["tid"].to_string();
            match event["ph"].as_str() {
                Some("B") => *open.entry(thread).or_default() += 1,
                Some("E") => *open.entry(thread).or_default() -= 1,
                Some("M") => continue,
                _ => {}
            }
            let ts = event["ts"].as_f64().expect("a time");
            assert!(ts >= last, "{event}");
            last = ts;
        }
        assert_eq!(open.len(), 2, "a call and an activation");
        assert!(open.values().all(|open| *open == 0), "{open:?}");
    }

    #[test]
    fn events_of_one_instant_keep_their_order_and_the_others_their_time() {
        assert_eq!(times(&entries()), [0.0, 0.001, 0.002, 2.0, 2.001, 9.0]);
        assert_eq!(entries()[5].at, Duration::from_micros(9));
    }

    #[test]
    fn an_arrow_leads_from_the_commit_to_what_depended_on_it() {
        let of_phase = |phase: &str| -> Vec<f64> {
            let events = events().into_iter().filter(|event| event["ph"] == phase);
            events
                .map(|event| event["ts"].as_f64().expect("a time"))
                .collect()
        };
        assert_eq!(of_phase("s"), [0.002]);
        assert_eq!(of_phase("f"), [2.0]);
    }
}
