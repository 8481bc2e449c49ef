//! What a case gave, held against what was recorded: step by step, so that a difference says where it is.
//!
//! The order of an object's keys means nothing, the order of everything else does. Numbers are doubles however they are spelled, and the
//! name of a class of the runtime is no part of the contract.

use std::fmt;

use serde_json::{Map, Value as Json};

use super::vector::Case;

/// A step whose result is another one than recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// The run, counted from one.
    pub run: usize,
    /// The step, counted from one, and the steps inside it: `3.2`. Empty if the run as a whole is meant.
    pub place: String,
    /// The step, as the script spells it.
    pub step: Json,
    /// What was recorded; null for nothing.
    pub expected: Json,
    /// What came; null for nothing.
    pub got: Json,
}

/// The longest JSON that a mismatch shows.
const SHOWN_MAX: usize = 600;

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {}", self.run)?;
        if !self.place.is_empty() {
            write!(f, ", step {}", self.place)?;
        }
        for (label, json) in [
            ("script  ", &self.step),
            ("expected", &self.expected),
            ("got     ", &self.got),
        ] {
            write!(f, "\n    {label} {}", shown(json))?;
        }
        Ok(())
    }
}

fn shown(json: &Json) -> String {
    let mut text = json.to_string();
    if let Some((end, _)) = text.char_indices().nth(SHOWN_MAX) {
        text.truncate(end);
        text.push_str("...");
    }
    text
}

/// The differences between what was recorded for a case and what came: an entry for each run.
pub fn compare(case: &Case, got: &[Json]) -> Vec<Mismatch> {
    let mut mismatches = Vec::new();
    for at in 0..case.runs.len().max(got.len()) {
        let steps = case.runs.get(at).map_or(&[][..], Vec::as_slice);
        let expected = case.out.get(at).unwrap_or(&Json::Null);
        let mut found = Found {
            run: at + 1,
            mismatches: &mut mismatches,
        };
        found.run(steps, expected, got.get(at).unwrap_or(&Json::Null));
    }
    mismatches
}

struct Found<'a> {
    run: usize,
    mismatches: &'a mut Vec<Mismatch>,
}

impl Found<'_> {
    fn run(&mut self, steps: &[Json], expected: &Json, got: &Json) {
        match (expected, got) {
            (Json::Array(expected), Json::Array(got)) => self.steps("", steps, expected, got),
            _ => self.whole("", &Json::Array(steps.to_vec()), expected, got),
        }
    }

    /// A list of steps ends early at the same step in both, so results belong to the steps at their places.
    fn steps(&mut self, before: &str, steps: &[Json], expected: &[Json], got: &[Json]) {
        for at in 0..expected.len().max(got.len()) {
            let place = format!("{before}{}", at + 1);
            let part = |list: &[Json]| list.get(at).cloned().unwrap_or(Json::Null);
            self.step(&place, &part(steps), &part(expected), &part(got));
        }
    }

    fn step(&mut self, place: &str, step: &Json, expected: &Json, got: &Json) {
        for inside in ["steps", "all"] {
            let lists = (expected.get(inside), got.get(inside));
            if let (Some(Json::Array(expected_inside)), Some(Json::Array(got_inside))) = lists {
                let steps = step.get(1).and_then(Json::as_array);
                let steps = steps.map_or(&[][..], Vec::as_slice);
                let before = format!("{place}.");
                self.steps(&before, steps, expected_inside, got_inside);
                let (expected, got) = (without(expected, inside), without(got, inside));
                return self.whole(place, step, &expected, &got);
            }
        }
        self.whole(place, step, expected, got);
    }

    fn whole(&mut self, place: &str, step: &Json, expected: &Json, got: &Json) {
        if !same(expected, got) {
            self.mismatches.push(Mismatch {
                run: self.run,
                place: place.to_owned(),
                step: step.clone(),
                expected: expected.clone(),
                got: got.clone(),
            });
        }
    }
}

fn without(json: &Json, key: &str) -> Json {
    let members = json.as_object().into_iter().flatten();
    let others = members.filter(|(name, _)| *name != key);
    let others: Map<_, _> = others
        .map(|(name, it)| (name.clone(), it.clone()))
        .collect();
    Json::Object(others)
}

/// Whether two results mean the same.
pub(super) fn same(expected: &Json, got: &Json) -> bool {
    match (expected, got) {
        (Json::Number(a), Json::Number(b)) => a.as_f64() == b.as_f64(),
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            let is_instance = |members: &Map<_, _>| members.contains_key("$instance");
            if is_instance(a) || is_instance(b) {
                return is_instance(a) && is_instance(b);
            }
            let in_b = |(key, a): (&String, &Json)| b.get(key).is_some_and(|b| same(a, b));
            a.len() == b.len() && a.iter().all(in_b)
        }
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn case(runs: &Json, out: &Json) -> Case {
        let case = json!({"name": "t/a", "backend": "sqlite", "runs": runs, "out": out});
        serde_json::from_value(case).expect("a case")
    }

    fn places(case: &Case, got: Json) -> Vec<(usize, String)> {
        let Json::Array(got) = got else {
            panic!("a list: {got}");
        };
        let mismatches = compare(case, &got).into_iter();
        mismatches.map(|it| (it.run, it.place)).collect()
    }

    #[test]
    fn equal_results_are_equal_however_they_are_spelled() {
        for (a, b) in [
            (json!(1), json!(1.0)),
            (
                json!(9_223_372_036_854_776_000_u64),
                json!(9.223_372_036_854_776e18),
            ),
            (json!({"a": 1, "b": [2]}), json!({"b": [2.0], "a": 1})),
            (
                json!({"$instance": "Cursor"}),
                json!({"$instance": "Object"}),
            ),
        ] {
            assert!(same(&a, &b), "{a} {b}");
        }
    }

    #[test]
    fn every_other_result_is_another_one() {
        let values = [
            json!(null),
            json!(false),
            json!(0),
            json!({"$float": "-0"}),
            json!({"$float": "NaN"}),
            json!({"$undefined": true}),
            json!(""),
            json!("0"),
            json!(0.300_000_000_000_000_04),
            json!(0.3),
            json!([]),
            json!([0]),
            json!({}),
            json!({"a": 0}),
            json!({"a": 0, "b": 0}),
            json!({"b": 0}),
            json!({"$map": [["a", 1], ["b", 2]]}),
            json!({"$map": [["b", 2], ["a", 1]]}),
            json!({"$date": 0}),
            json!({"$bigint": "0"}),
            json!({"$bytes": ""}),
            json!({"$bytes": "", "view": "Uint8Array"}),
            json!({"$instance": "Cursor"}),
        ];
        for (at, a) in values.iter().enumerate() {
            for (other_at, b) in values.iter().enumerate() {
                assert_eq!(same(a, b), at == other_at, "{a} {b}");
            }
        }
    }

    #[test]
    fn a_difference_is_found_where_it_is() {
        let case = case(
            &json!([[
                ["sync"],
                [
                    "transaction",
                    [["txn.get", "a"], ["all", [["sync"], ["get", "a"]]]]
                ]
            ]]),
            &json!([[{"ok": 1}, {"ok": 2, "steps": [{"ok": 3}, {"all": [{"ok": 4}, {"ok": 5}]}]}]]),
        );
        let recorded = case.out.clone();
        assert_eq!(places(&case, Json::Array(recorded.clone())), []);
        for (pointer, place) in [
            ("/0/0/ok", "1"),
            ("/0/1/ok", "2"),
            ("/0/1/steps/0/ok", "2.1"),
            ("/0/1/steps/1/all/1/ok", "2.2.2"),
        ] {
            let mut got = Json::Array(recorded.clone());
            *got.pointer_mut(pointer).expect("it is there") = json!("changed");
            assert_eq!(places(&case, got), [(1, place.to_owned())], "{pointer}");
        }
    }

    #[test]
    fn a_result_too_many_or_too_few_is_a_difference() {
        let case = case(
            &json!([[["sync"]], [["sync"]]]),
            &json!([[{"ok": 1}], {"fail": {"err": {}}}]),
        );
        let place = |run, place: &str| (run, place.to_owned());
        let got = json!([[{"ok": 1}, {"ok": 2}], {"fail": {"err": {}}}]);
        assert_eq!(places(&case, got), [place(1, "2")]);
        let got = json!([[], {"fail": {"err": {}}}]);
        assert_eq!(places(&case, got), [place(1, "1")]);
        let got = json!([{"fail": {"err": {}}}, [{"ok": 1}]]);
        assert_eq!(places(&case, got), [place(1, ""), place(2, "")]);
        assert_eq!(places(&case, json!([[{"ok": 1}]])), [place(2, "")]);
    }
}
