//! The differences that have a reason: what Rust cannot hold, and what belongs to the original's own build and not to its contract.
//!
//! Each is a rule over a mismatch and its case, not a list of names: other recordings find the same differences. A case is explained only
//! if every one of its mismatches is.

use serde_json::Value as Json;

use super::{compare::Mismatch, vector::Case};

/// A difference that is meant.
#[derive(Debug)]
pub struct Difference {
    /// What it is about, in a few words.
    pub rule: &'static str,
    /// Why it is.
    pub reason: &'static str,
    applies: fn(&Case, &Mismatch) -> bool,
}

/// All of them.
static DIFFERENCES: [Difference; 5] = [
    Difference {
        rule: "stores a cyclic value",
        reason: "Rust's values are trees: none contains itself",
        applies: |case, _| writes(case, |json| json.get("$up").is_some()),
    },
    Difference {
        rule: "stores or names an ill-formed string",
        reason: "Rust's strings are UTF-8, which has no form for an unpaired surrogate",
        applies: |case, _| writes(case, |json| json.get("$utf16").is_some()),
    },
    Difference {
        rule: "meets an internal error of the original",
        reason: "a fault of its own, not to be imitated; what comes after it depends on it",
        applies: |case, mismatch| {
            let out = case.out.iter().take(mismatch.run);
            out.into_iter().any(|out| contains(out, is_internal_error))
        },
    },
    Difference {
        rule: "goes on reading a cursor that failed",
        reason: "the original starts over with a row of nulls, a fault of its own; here it is at its end",
        applies: reads_failed_cursor,
    },
    Difference {
        rule: "calls iif() with two arguments",
        reason: "the bundled SQLite is newer than the original's, and has the shorter form",
        applies: |_, mismatch| {
            let text = mismatch.step.get(1).and_then(Json::as_str);
            text.is_some_and(has_iif_of_two)
        },
    },
];

/// Whether `sql` calls `iif` with two simple arguments.
fn has_iif_of_two(sql: &str) -> bool {
    let calls = sql.to_ascii_lowercase();
    calls.split("iif(").skip(1).any(|call| {
        let arguments = call.split(')').next().unwrap_or_default();
        arguments.split(',').count() == 2
    })
}

/// How the original begins the message of an error that it does not explain. The rest of it is masked.
const INTERNAL_ERROR: &str = "internal error; reference = ";

fn is_internal_error(json: &Json) -> bool {
    let message = json.get("message").and_then(Json::as_str);
    message.is_some_and(|message| message.starts_with(INTERNAL_ERROR))
}

/// Whether the step reads from a variable that an earlier step of its list read from and got an error.
fn reads_failed_cursor(case: &Case, mismatch: &Mismatch) -> bool {
    let Some((variable, _)) = operation(&mismatch.step).split_once('.') else {
        return false;
    };
    let Ok(place) = mismatch.place.parse::<usize>() else {
        return false; // inside of another step
    };
    let steps = &case.runs[mismatch.run - 1][..place - 1];
    let results = case.out[mismatch.run - 1].as_array();
    let results = results.map_or(&[][..], Vec::as_slice);
    steps.iter().zip(results).any(|(step, result)| {
        let read_from = operation(step)
            .split_once('.')
            .map(|(variable, _)| variable);
        read_from == Some(variable) && result.get("err").is_some()
    })
}

fn operation(step: &Json) -> &str {
    step.get(0).and_then(Json::as_str).unwrap_or_default()
}

/// The reasons for all mismatches of a case, or nothing if one of them has none.
pub fn explanation(case: &Case, mismatches: &[Mismatch]) -> Option<Vec<&'static Difference>> {
    let mut reasons: Vec<&Difference> = Vec::new();
    for mismatch in mismatches {
        let mut applying = DIFFERENCES
            .iter()
            .filter(|difference| (difference.applies)(case, mismatch));
        let difference = applying.next()?;
        if !reasons.iter().any(|one| one.rule == difference.rule) {
            reasons.push(difference);
        }
    }
    Some(reasons)
}

/// Whether a step of the case that writes, wherever it stands, has such a value among its arguments.
fn writes(case: &Case, is_such: fn(&Json) -> bool) -> bool {
    case.runs
        .iter()
        .flatten()
        .any(|step| writes_in_step(step, is_such))
}

fn writes_in_step(step: &Json, is_such: fn(&Json) -> bool) -> bool {
    let Some([Json::String(operation), arguments @ ..]) = step.as_array().map(Vec::as_slice) else {
        return false;
    };
    match operation.as_str() {
        "transaction" | "transactionSync" | "all" => {
            let steps = arguments.first().and_then(Json::as_array);
            steps
                .into_iter()
                .flatten()
                .any(|step| writes_in_step(step, is_such))
        }
        "start" | "let" => arguments
            .get(1)
            .is_some_and(|step| writes_in_step(step, is_such)),
        operation => {
            let method = operation.rsplit('.').next().unwrap_or_default();
            method == "put" && arguments.iter().any(|it| contains(it, is_such))
        }
    }
}

fn contains(json: &Json, is_such: fn(&Json) -> bool) -> bool {
    is_such(json)
        || match json {
            Json::Array(parts) => parts.iter().any(|it| contains(it, is_such)),
            Json::Object(members) => members.values().any(|it| contains(it, is_such)),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::conformance::compare::compare;

    fn case(steps: &Json) -> Case {
        let case =
            json!({"name": "t/a", "backend": "sqlite", "runs": [steps], "out": [[{"ok": 1}]]});
        serde_json::from_value(case).expect("a case")
    }

    fn rules(case: &Case) -> Option<Vec<&'static str>> {
        let mismatches = compare(case, &[json!([{"ok": 2}])]);
        assert_eq!(mismatches.len(), 1, "it differs");
        let reasons = explanation(case, &mismatches)?;
        Some(reasons.iter().map(|reason| reason.rule).collect())
    }

    #[test]
    fn a_cycle_is_a_reason_wherever_it_is_stored_and_only_there() {
        let stored = vec!["stores a cyclic value"];
        let put = json!(["txn.put", "a", [{"b": {"$up": 1}}]]);
        assert_eq!(rules(&case(&json!([put]))), Some(stored.clone()));
        assert_eq!(
            rules(&case(&json!([["transaction", [["start", "p", put]]]]))),
            Some(stored)
        );
        assert_eq!(rules(&case(&json!([["return", {"$up": 1}]]))), None);
    }

    #[test]
    fn only_what_comes_with_or_after_an_internal_error_is_its_fault() {
        let error = json!({"fail": {"err": {"name": "Error", "message": "internal error; reference = <masked>"}}});
        let two_runs = |out: [Json; 2]| {
            let case = json!({"name": "t/a", "backend": "sqlite", "runs": [[["sync"]], [["sync"]]], "out": out});
            serde_json::from_value::<Case>(case).expect("a case")
        };
        let first = two_runs([error.clone(), json!([{"ok": 1}])]);
        let got = [json!([{"ok": 1}]), json!([{"ok": 2}])];
        let reasons = explanation(&first, &compare(&first, &got)).expect("both have a reason");
        assert_eq!(reasons.len(), 1);
        let second = two_runs([json!([{"ok": 1}]), error]);
        let got = [json!([{"ok": 2}]), json!([{"ok": 2}])];
        assert!(explanation(&second, &compare(&second, &got)).is_none());
    }

    #[test]
    fn a_cursor_that_failed_explains_only_its_own_later_rows() {
        let case = json!({
            "name": "t/a",
            "backend": "sqlite",
            "runs": [[["c.next"], ["c.next"], ["d.next"]]],
            "out": [[{"err": {"name": "Error", "message": "m"}}, {"ok": 1}, {"ok": 1}]],
        });
        let case: Case = serde_json::from_value(case).expect("a case");
        let explained = |at: usize| {
            let mut got = case.out.clone();
            got[0][at] = json!({"ok": 2});
            explanation(&case, &compare(&case, &got)).is_some()
        };
        assert_eq!(
            [explained(0), explained(1), explained(2)],
            [false, true, false]
        );
    }

    #[test]
    fn an_ordinary_difference_has_no_reason() {
        assert_eq!(rules(&case(&json!([["put", "a", 1]]))), None);
    }
}
