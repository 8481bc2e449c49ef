//! A run held against the traces that were recorded: per step and per source.
//!
//! The rules are those of the recordings' README. Events of objects and of the worker are in exact order within a step, and so are the events
//! of one connection; between these nothing is said. Times between events are compared with half a bucket of tolerance, alarm times by
//! the order of their first appearance. Beyond that, what a Rust error cannot have is left aside on the recorded side: its class, and the
//! number of a `DOMException`, which follows from its name.

use std::{collections::BTreeMap, fmt};

use serde_json::{Map, Value as Json, json};

use super::{
    twin::LeftOut,
    vector::{Scenario, TimeUnit},
};
use crate::conformance::compare::same;

/// Where a run left a recorded trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Departure {
    /// The step, counted from one; 0 for what comes before the first.
    pub step: usize,
    /// What the step does; null before the first.
    pub what: Json,
    /// Whose events differ: `objects and worker`, or a connection's name.
    pub source: String,
    /// Which of them, counted from one.
    pub event: usize,
    /// What was recorded; null for nothing.
    pub expected: Json,
    /// What came; null for nothing.
    pub got: Json,
}

/// The longest JSON that is shown.
const SHOWN_MAX: usize = 500;

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.step > 0 {
            write!(f, "step {} {}, ", self.step, self.what)?;
        }
        write!(f, "{}, event {}", self.source, self.event)?;
        for (label, json) in [("expected", &self.expected), ("got     ", &self.got)] {
            let text: String = json.to_string().chars().take(SHOWN_MAX).collect();
            write!(f, "\n    {label} {text}")?;
        }
        Ok(())
    }
}

/// The recorded trace that a run agrees with, or where it departs from the one that it follows longest.
///
/// `left_out` is taken out of both sides before.
///
/// # Errors
/// It agrees with none.
pub(super) fn compare(
    scenario: &Scenario,
    left_out: &[LeftOut],
    got: &[Json],
) -> Result<usize, Departure> {
    let got = steps(labelled(without(left_out, got)));
    let mut departures = Vec::new();
    for (at, trace) in scenario.traces.iter().enumerate() {
        let expected = trace.events.iter().map(as_rust_has_it).collect::<Vec<_>>();
        let expected = steps(without(left_out, &expected));
        match departure(scenario.time_unit, &expected, &got) {
            None => return Ok(at),
            Some(departure) => departures.push(departure),
        }
    }
    // The most frequent trace goes first, and stays where none is followed longer.
    let longest = departures.into_iter().reduce(|best, other| {
        if (other.step, other.event) > (best.step, best.event) {
            other
        } else {
            best
        }
    });
    Err(longest.expect("a scenario has a trace"))
}

/// A step of the client, or what comes before the first.
#[derive(Debug, Default)]
struct Step {
    /// Null before the first.
    begins: Json,
    sources: BTreeMap<String, Vec<Json>>,
}

/// What the events of objects and of the worker are listed under: they come from one thread.
const SERVER: &str = "objects and worker";

fn steps(events: Vec<Json>) -> Vec<Step> {
    let mut steps = vec![Step::default()];
    for event in events {
        if event["at"] == "client" && event["ev"] == "step" {
            steps.push(Step {
                begins: event,
                ..Step::default()
            });
            continue;
        }
        let source = match event["client"].as_str() {
            Some(connection) => format!("connection {connection}"),
            None => SERVER.to_owned(),
        };
        let step = steps.last_mut().expect("there is one from the beginning");
        step.sources.entry(source).or_default().push(event);
    }
    steps
}

fn departure(unit: Option<TimeUnit>, expected: &[Step], got: &[Step]) -> Option<Departure> {
    let nothing = Step::default();
    for at in 0..expected.len().max(got.len()) {
        let (expected, got) = (
            expected.get(at).unwrap_or(&nothing),
            got.get(at).unwrap_or(&nothing),
        );
        if !same(&expected.begins, &got.begins) {
            return Some(Departure {
                step: at,
                what: expected.begins["what"].clone(),
                source: "client".to_owned(),
                event: 1,
                expected: expected.begins.clone(),
                got: got.begins.clone(),
            });
        }
        for source in expected.sources.keys().chain(got.sources.keys()) {
            let empty = Vec::new();
            let (left, right) = (
                expected.sources.get(source).unwrap_or(&empty),
                got.sources.get(source).unwrap_or(&empty),
            );
            for event in 0..left.len().max(right.len()) {
                let (left, right) = (
                    left.get(event).unwrap_or(&Json::Null),
                    right.get(event).unwrap_or(&Json::Null),
                );
                if !agrees(unit, left, right) {
                    return Some(Departure {
                        step: at,
                        what: expected.begins["what"].clone(),
                        source: source.clone(),
                        event: event + 1,
                        expected: left.clone(),
                        got: right.clone(),
                    });
                }
            }
        }
    }
    None
}

/// Whether an event is the recorded one, times within their tolerance.
fn agrees(unit: Option<TimeUnit>, expected: &Json, got: &Json) -> bool {
    let (expected_dt, got_dt) = (expected.get("dt"), got.get("dt"));
    let in_time = match (unit, expected_dt, got_dt) {
        (_, None, None) => true,
        (Some(unit), Some(Json::String(bucket)), Some(got)) => match got["seconds"].as_f64() {
            Some(seconds) => is_in_bucket(unit, bucket, seconds),
            None => got.as_str() == Some(bucket), // the first one: "start"
        },
        _ => false,
    };
    in_time && same(&without_dt(expected), &without_dt(got))
}

fn without_dt(event: &Json) -> Json {
    let mut event = event.clone();
    if let Json::Object(fields) = &mut event {
        fields.shift_remove("dt");
    }
    event
}

/// Whether a time belongs to a bucket such as `+2s`, or is off by less than half a bucket.
fn is_in_bucket(unit: TimeUnit, bucket: &str, seconds: f64) -> bool {
    let middle = bucket
        .strip_prefix('+')
        .and_then(|rest| rest.strip_suffix('s'));
    let Some(middle) = middle.and_then(|middle| middle.parse::<f64>().ok()) else {
        return false;
    };
    match unit {
        // A bucket is a second wide, half of it on either side.
        TimeUnit::Seconds => (seconds - middle).abs() <= 1.0,
        // The bucket of zero ends at 0.7 s, and the one after it is as wide.
        TimeUnit::PowersOfTwo if middle == 0.0 => seconds < 1.05,
        // A bucket reaches from its middle over the root of two to either side; half a bucket more makes that a factor of two.
        TimeUnit::PowersOfTwo => (middle / 2.0..=middle * 2.0).contains(&seconds),
    }
}

/// Alarm times become `T1`, `T2` and so on, in the order in which they first appear.
fn labelled(mut events: Vec<Json>) -> Vec<Json> {
    let mut seen = Vec::new();
    for event in &mut events {
        label_times(event, &mut seen);
    }
    events
}

fn label_times(json: &mut Json, seen: &mut Vec<Json>) {
    let parts: Vec<(Option<&str>, &mut Json)> = match json {
        Json::Object(fields) => fields
            .iter_mut()
            .map(|(key, value)| (Some(&**key), value))
            .collect(),
        Json::Array(elements) => elements.iter_mut().map(|element| (None, element)).collect(),
        _ => return,
    };
    for (key, value) in parts {
        if key == Some("scheduledTime") && value.is_number() {
            let number = seen
                .iter()
                .position(|time| time == value)
                .unwrap_or_else(|| {
                    seen.push(value.clone());
                    seen.len() - 1
                });
            *value = json!(format!("T{}", number + 1));
        } else {
            label_times(value, seen);
        }
    }
}

/// A recorded event without what an error of Rust cannot have.
fn as_rust_has_it(recorded: &Json) -> Json {
    match recorded {
        Json::Object(fields) if fields.get("$").is_some_and(|tag| tag == "error") => {
            let is_dom = fields
                .get("class")
                .is_some_and(|class| class == "DOMException");
            let mut error = Map::new();
            for (key, value) in fields {
                match (key.as_str(), value) {
                    ("class", _) => {}
                    ("own", Json::Object(own)) => {
                        let own = own.iter().filter(|(key, _)| !(is_dom && *key == "code"));
                        let own: Map<_, _> = own
                            .map(|(key, it)| (key.clone(), as_rust_has_it(it)))
                            .collect();
                        if !own.is_empty() {
                            error.insert("own".to_owned(), Json::Object(own));
                        }
                    }
                    (key, value) => drop(error.insert(key.to_owned(), as_rust_has_it(value))),
                }
            }
            Json::Object(error)
        }
        Json::Object(fields) => {
            let fields = fields.iter();
            Json::Object(
                fields
                    .map(|(key, it)| (key.clone(), as_rust_has_it(it)))
                    .collect(),
            )
        }
        Json::Array(elements) => elements.iter().map(as_rust_has_it).collect(),
        other => other.clone(),
    }
}

/// The events without those, and without the steps and fields, that a twin leaves out.
fn without(left_out: &[LeftOut], events: &[Json]) -> Vec<Json> {
    let mut in_left_out_step = false;
    let kept = events.iter().filter(|event| {
        if event["at"] == "client" && event["ev"] == "step" {
            in_left_out_step = left_out.iter().any(|it| it.takes_step(event));
        }
        !in_left_out_step && !left_out.iter().any(|it| it.takes(event))
    });
    let trimmed = kept.map(|event| {
        let mut event = event.clone();
        for it in left_out {
            it.trim(&mut event);
        }
        event
    });
    trimmed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(unit: Option<&str>, traces: &[Json]) -> Scenario {
        let traces: Vec<_> = traces
            .iter()
            .map(|events| json!({"count": 1, "events": events}))
            .collect();
        let timing = if unit.is_some() { "buckets" } else { "none" };
        let scenario = json!({
            "name": "t/a", "description": "", "timing": timing, "timeUnit": unit,
            "config": {"namespaces": {}}, "source": {}, "traces": traces,
        });
        serde_json::from_value(scenario).expect("a scenario")
    }

    fn object(name: &str) -> Json {
        json!({"at": "object", "ev": name})
    }

    fn on(connection: &str, text: &str) -> Json {
        json!({"at": "client", "client": connection, "ev": "message", "text": text})
    }

    fn step(what: &str) -> Json {
        json!({"at": "client", "ev": "step", "what": what})
    }

    fn events(events: &Json) -> Vec<Json> {
        events.as_array().expect("a list").clone()
    }

    fn place(recorded: &Json, got: &Json) -> Option<(usize, String, usize)> {
        let departure = compare(
            &scenario(None, std::slice::from_ref(recorded)),
            &[],
            &events(got),
        );
        departure.err().map(|it| (it.step, it.source, it.event))
    }

    #[test]
    fn the_order_of_one_source_counts_and_that_between_sources_does_not() {
        let recorded = json!([
            step("s"),
            object("a"),
            object("b"),
            on("c1", "1"),
            on("c1", "2"),
            on("c2", "3")
        ]);
        assert_eq!(place(&recorded, &recorded), None);
        let mixed = json!([
            step("s"),
            on("c2", "3"),
            object("a"),
            on("c1", "1"),
            object("b"),
            on("c1", "2")
        ]);
        assert_eq!(place(&recorded, &mixed), None);
        let objects = json!([
            step("s"),
            object("b"),
            object("a"),
            on("c1", "1"),
            on("c1", "2"),
            on("c2", "3")
        ]);
        assert_eq!(place(&recorded, &objects), Some((1, SERVER.to_owned(), 1)));
        let connection = json!([
            step("s"),
            object("a"),
            object("b"),
            on("c1", "2"),
            on("c1", "1"),
            on("c2", "3")
        ]);
        assert_eq!(
            place(&recorded, &connection),
            Some((1, "connection c1".to_owned(), 1))
        );
    }

    #[test]
    fn an_event_belongs_to_its_step() {
        let recorded = json!([
            object("early"),
            step("one"),
            object("a"),
            step("two"),
            object("b")
        ]);
        let late = json!([
            object("early"),
            step("one"),
            step("two"),
            object("a"),
            object("b")
        ]);
        assert_eq!(place(&recorded, &late), Some((1, SERVER.to_owned(), 1)));
        let missing = json!([object("early"), step("one"), object("a")]);
        assert_eq!(
            place(&recorded, &missing),
            Some((2, "client".to_owned(), 1))
        );
        let too_much = json!([
            object("early"),
            step("one"),
            object("a"),
            object("a"),
            step("two"),
            object("b")
        ]);
        assert_eq!(place(&recorded, &too_much), Some((1, SERVER.to_owned(), 2)));
    }

    #[test]
    fn times_have_half_a_bucket_of_tolerance_and_no_more() {
        for (unit, bucket, good, bad) in [
            ("s", "+0s", &[0.0, 0.99][..], &[1.01][..]),
            ("s", "+2s", &[1.0, 2.0, 3.0], &[0.9, 3.1]),
            ("s", "+30s", &[29.2, 30.8], &[28.9, 31.1]),
            ("pow2", "+0s", &[0.0, 0.9], &[1.1, 2.0]),
            ("pow2", "+8s", &[4.0, 8.0, 10.0, 16.0], &[3.9, 16.1]),
        ] {
            let clocked = |dt: Json| json!([{"at": "object", "ev": "a", "dt": dt}]);
            let scenario = scenario(Some(unit), &[clocked(json!(bucket))]);
            let agrees = |seconds: f64| {
                compare(
                    &scenario,
                    &[],
                    &events(&clocked(json!({"seconds": seconds}))),
                )
                .is_ok()
            };
            for &seconds in good {
                assert!(agrees(seconds), "{unit} {bucket} {seconds}");
            }
            for &seconds in bad {
                assert!(!agrees(seconds), "{unit} {bucket} {seconds}");
            }
            assert!(compare(&scenario, &[], &events(&clocked(json!("start")))).is_err());
            assert!(
                compare(&scenario, &[], &[object("a")]).is_err(),
                "a time is missing"
            );
        }
    }

    #[test]
    fn alarm_times_are_told_apart_and_nothing_more() {
        let at =
            |time: Json| json!({"at": "object", "ev": "alarm", "info": {"scheduledTime": time}});
        let recorded = json!([at(json!("T1")), at(json!("T2")), at(json!("T1"))]);
        assert_eq!(
            place(
                &recorded,
                &json!([at(json!(7)), at(json!(5)), at(json!(7))])
            ),
            None
        );
        let other = json!([at(json!(7)), at(json!(5)), at(json!(5))]);
        assert_eq!(place(&recorded, &other), Some((0, SERVER.to_owned(), 3)));
    }

    #[test]
    fn of_several_traces_any_will_do_and_the_longest_followed_is_reported() {
        let traces = [
            json!([object("a"), object("b"), object("c")]),
            json!([object("b"), object("a")]),
        ];
        let scenario = scenario(None, &traces);
        for (at, trace) in traces.iter().enumerate() {
            assert_eq!(compare(&scenario, &[], &events(trace)), Ok(at));
        }
        let departure = compare(&scenario, &[], &[object("b"), object("b")]).expect_err("neither");
        assert_eq!((departure.event, departure.expected), (2, object("a")));
    }

    #[test]
    fn what_an_error_of_rust_cannot_have_is_left_aside() {
        let threw =
            |error: Json| json!([{"at": "worker", "ev": "threw", "label": "l", "error": error}]);
        let recorded = threw(
            json!({"$": "error", "class": "DOMException", "name": "AbortError", "message": "m", "own": {"code": 20}}),
        );
        let got = |own: Json| {
            threw(json!({"$": "error", "name": "AbortError", "message": "m", "own": own}))
        };
        assert_eq!(
            place(
                &recorded,
                &threw(json!({"$": "error", "name": "AbortError", "message": "m"}))
            ),
            None
        );
        assert!(place(&recorded, &got(json!({"remote": true}))).is_some());
        let recorded = threw(
            json!({"$": "error", "class": "Error", "name": "AbortError", "message": "m", "own": {"code": 20}}),
        );
        assert_eq!(place(&recorded, &got(json!({"code": 20}))), None);
        assert!(place(&recorded, &got(json!({"code": 21}))).is_some());
    }

    #[test]
    fn what_a_twin_leaves_out_is_taken_from_both_sides_and_only_that() {
        let recorded = json!([
            {"at": "worker", "ev": "returned", "label": "symbol", "value": 1},
            {"at": "worker", "ev": "returned", "label": "number", "value": 1, "identical": false},
        ]);
        let left_out = [
            LeftOut::label("symbol", "there are none"),
            LeftOut::field("identical", "a matter of identity"),
        ];
        let scenario = scenario(None, &[recorded]);
        let got = |value: u32| json!([{"at": "worker", "ev": "returned", "label": "number", "value": value}]);
        assert_eq!(compare(&scenario, &left_out, &events(&got(1))), Ok(0));
        assert!(compare(&scenario, &left_out, &events(&got(2))).is_err());
        assert!(compare(&scenario, &left_out[..1], &events(&got(1))).is_err());
    }
}
