//! Transactions as Jepsen records and Elle reads them: in EDN, or in JSON, as one list or an operation a line.
//!
//! An operation has a `type` (`invoke`, then `ok`, `fail` or `info`), a `process` and as `value` the transaction: `[:append k v]`, `[:w k v]`,
//! `[:r k seen]`. What a completed operation did stands in its completion; of one that nobody knows only the writes count. A completion without
//! an invocation counts as made at any time before.

use std::{collections::BTreeMap, fmt::Display};

use dormouse_sim::check::transactions::{Action, End, Scalar, Transaction};
use serde_json::Value;

use super::edn::Edn;

/// What the keys of a history are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Lists, which are appended to.
    ListAppend,
    /// Registers, which are written.
    Register,
}

/// Reads a history.
///
/// # Errors
/// With the line or the number of the operation, where something is not as described at the head of this module.
///
/// # Example
/// ```
/// use dormouse_tests::judge::{Workload, read_transactions};
/// let text = r#"{"type": "ok", "process": 0, "value": [["append", "x", 1], ["r", "x", [1]]]}"#;
/// assert_eq!(read_transactions(text, Workload::ListAppend)?[0].actions[0].to_string(), "append 1 to x");
/// # Ok::<(), String>(())
/// ```
pub fn read_transactions(text: &str, workload: Workload) -> Result<Vec<Transaction>, String> {
    let mut reader = Reader {
        workload,
        open: BTreeMap::new(),
        transactions: Vec::new(),
        next: 1,
    };
    let start = text.trim_start_matches(|first: char| first.is_whitespace() || first == '[');
    let behind_brace = start.strip_prefix('{').map(str::trim_start);
    if behind_brace.is_some_and(|rest| rest.starts_with('"')) {
        reader.read_json(text)?;
    } else {
        reader.read_edn(text)?;
    }
    Ok(reader.finish())
}

/// An operation, whatever it was written in.
struct Operation<'a> {
    kind: &'a str,
    process: usize,
    actions: Vec<Micro>,
}

/// A step of a transaction: its name, key, and value or what was seen.
struct Micro {
    name: String,
    key: Scalar,
    value: Seen,
}

enum Seen {
    Nothing,
    One(Scalar),
    Many(Vec<Scalar>),
}

struct Reader {
    workload: Workload,
    /// By process: when it asked, and what.
    open: BTreeMap<usize, (u64, Vec<Micro>)>,
    transactions: Vec<Transaction>,
    next: u64,
}

impl Reader {
    fn read_edn(&mut self, text: &str) -> Result<(), String> {
        let mut forms = Edn::read_all(text).map_err(|error| error.to_string())?;
        if let [(line, Edn::List(all))] = &mut forms[..] {
            let line = *line;
            forms = std::mem::take(all)
                .into_iter()
                .map(|form| (line, form))
                .collect();
        }
        for (number, (line, form)) in (1..).zip(&forms) {
            let at = |why: String| format!("line {line}, operation {number}: {why}");
            if let Some(operation) = operation_of_edn(form).map_err(at)? {
                self.note(operation).map_err(at)?;
            }
        }
        Ok(())
    }

    fn read_json(&mut self, text: &str) -> Result<(), String> {
        let values = if text.trim_start().starts_with('[') {
            serde_json::from_str(text).map_err(|error| error.to_string())?
        } else {
            let stream = serde_json::Deserializer::from_str(text).into_iter::<Value>();
            stream
                .collect::<Result<Vec<_>, _>>()
                .map_err(|error| error.to_string())?
        };
        for (number, value) in (1..).zip(&values) {
            let at = |why: String| format!("operation {number}: {why}");
            if let Some(operation) = operation_of_json(value).map_err(at)? {
                self.note(operation).map_err(at)?;
            }
        }
        Ok(())
    }

    fn note(&mut self, operation: Operation<'_>) -> Result<(), String> {
        let Operation {
            kind,
            process,
            actions,
        } = operation;
        self.next += 1;
        let now = self.next;
        let end = match kind {
            "invoke" => {
                if self.open.insert(process, (now, actions)).is_some() {
                    return Err(format!(
                        "process {process} asks again before it was answered"
                    ));
                }
                return Ok(());
            }
            "ok" => End::Committed,
            "fail" => End::Aborted,
            "info" => End::Unknown,
            other => return Err(format!("an operation has no type `{other}`")),
        };
        let (invoked, asked) = self.open.remove(&process).unwrap_or_default();
        let actions = if actions.is_empty() { asked } else { actions };
        self.add(process, invoked, Some(now), end, actions)
    }

    fn add(
        &mut self,
        client: usize,
        invoked: u64,
        returned: Option<u64>,
        end: End,
        all: Vec<Micro>,
    ) -> Result<(), String> {
        let mut actions = Vec::with_capacity(all.len());
        for micro in all {
            actions.extend(self.action(micro, end)?);
        }
        self.transactions.push(Transaction {
            client,
            invoked,
            returned,
            end,
            actions,
        });
        Ok(())
    }

    /// `None` for a read that was not answered.
    fn action(&self, micro: Micro, end: End) -> Result<Option<Action>, String> {
        let Micro { name, key, value } = micro;
        Ok(match (&*name, self.workload, value) {
            ("append", Workload::ListAppend, Seen::One(value)) => Some(Action::Append(key, value)),
            ("w", Workload::Register, Seen::One(value)) => Some(Action::Write(key, value)),
            ("r", ..) if end != End::Committed => None,
            ("r", Workload::ListAppend, Seen::Nothing) => Some(Action::ReadList(key, Vec::new())),
            ("r", Workload::ListAppend, Seen::Many(seen)) => Some(Action::ReadList(key, seen)),
            ("r", Workload::Register, Seen::Nothing) => Some(Action::ReadRegister(key, None)),
            ("r", Workload::Register, Seen::One(seen)) => {
                Some(Action::ReadRegister(key, Some(seen)))
            }
            (name, Workload::ListAppend, _) => {
                return Err(format!(
                    "`{name}` with such a value is no step of a list: `[:append k v]` and `[:r k [v]]` are"
                ));
            }
            (name, Workload::Register, _) => {
                return Err(format!(
                    "`{name}` with such a value is no step of a register: `[:w k v]` and `[:r k v]` are"
                ));
            }
        })
    }

    /// What never completed is unknown.
    fn finish(mut self) -> Vec<Transaction> {
        for (process, (invoked, actions)) in std::mem::take(&mut self.open) {
            let added = self.add(process, invoked, None, End::Unknown, actions);
            added.expect("what was asked was looked at when it was read");
        }
        self.transactions
    }
}

fn is_of_a_client(name: Option<&str>) -> bool {
    name.is_none_or(|name| name == "txn")
}

fn operation_of_edn<'a>(form: &'a Edn<'_>) -> Result<Option<Operation<'a>>, String> {
    if !matches!(form, Edn::Map(_)) {
        return Err(format!("{form:?} is no map"));
    }
    let process = match form.get("process") {
        None | Some(Edn::Nil) => Some(0),
        Some(process) => process.number(),
    };
    let (Some(process), true) = (process, is_of_a_client(form.get("f").and_then(Edn::name))) else {
        return Ok(None);
    };
    let kind = form.get("type").and_then(Edn::name);
    let kind = kind.ok_or("there is no :type")?;
    let mut actions = Vec::new();
    for step in form.get("value").and_then(Edn::list).unwrap_or_default() {
        let Some([name, key, value]) = step.list() else {
            return Err(no_step(format_args!("{step:?}")));
        };
        let value = match value {
            Edn::Nil => Seen::Nothing,
            Edn::List(all) => Seen::Many(all.iter().map(scalar_of_edn).collect::<Result<_, _>>()?),
            one => Seen::One(scalar_of_edn(one)?),
        };
        actions.push(Micro {
            name: name.name().unwrap_or_default().to_owned(),
            key: scalar_of_edn(key)?,
            value,
        });
    }
    Ok(Some(Operation {
        kind,
        process: client(process)?,
        actions,
    }))
}

fn scalar_of_edn(form: &Edn<'_>) -> Result<Scalar, String> {
    match form {
        Edn::Number(number) => Ok((*number).into()),
        form => {
            let name = form
                .name()
                .ok_or_else(|| no_scalar(format_args!("{form:?}")))?;
            Ok(name.into())
        }
    }
}

fn operation_of_json(value: &Value) -> Result<Option<Operation<'_>>, String> {
    if !value.is_object() {
        return Err(format!("{value} is no object"));
    }
    let process = match &value["process"] {
        Value::Null => Some(0),
        process => process.as_i64(),
    };
    let (Some(process), true) = (process, is_of_a_client(value["f"].as_str())) else {
        return Ok(None);
    };
    let kind = value["type"].as_str().ok_or("there is no \"type\"")?;
    let mut actions = Vec::new();
    for step in value["value"].as_array().into_iter().flatten() {
        let Some([name, key, value]) = step.as_array().map(Vec::as_slice) else {
            return Err(no_step(step));
        };
        let value = match value {
            Value::Null => Seen::Nothing,
            Value::Array(all) => {
                Seen::Many(all.iter().map(scalar_of_json).collect::<Result<_, _>>()?)
            }
            one => Seen::One(scalar_of_json(one)?),
        };
        actions.push(Micro {
            name: name.as_str().unwrap_or_default().to_owned(),
            key: scalar_of_json(key)?,
            value,
        });
    }
    Ok(Some(Operation {
        kind,
        process: client(process)?,
        actions,
    }))
}

fn scalar_of_json(value: &Value) -> Result<Scalar, String> {
    match value {
        Value::String(text) => Ok(text.as_str().into()),
        value => {
            let number = value.as_i64().ok_or_else(|| no_scalar(value))?;
            Ok(number.into())
        }
    }
}

fn client(process: i64) -> Result<usize, String> {
    usize::try_from(process).map_err(|_| format!("process {process} is negative"))
}

fn no_step(step: impl Display) -> String {
    format!("{step} is no step: it has a name, a key and a value")
}

fn no_scalar(value: impl Display) -> String {
    format!("{value} is no key or value: numbers and texts are")
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDN: &str = "{:type :invoke, :f :txn, :process 0, :value [[:append 9 1] [:r 8 nil]]}
        {:type :info, :f :start, :process :nemesis, :value nil}
        {:type :invoke, :f :txn, :process 1, :value [[:append 8 2] [:r 8 nil]]}
        {:type :ok, :f :txn, :process 0, :value [[:append 9 1] [:r 8 [2]]]}
        {:type :info, :f :txn, :process 1, :value [[:append 8 2] [:r 8 nil]]}";
    const JSON: &str = r#"{"type":"invoke","f":"txn","process":0,"value":[["append",9,1],["r",8,null]]}
        {"type":"info","f":"start","process":"nemesis","value":null}
        {"type":"invoke","f":"txn","process":1,"value":[["append",8,2],["r",8,null]]}
        {"type":"ok","f":"txn","process":0,"value":[["append",9,1],["r",8,[2]]]}
        {"type":"info","f":"txn","process":1,"value":[["append",8,2],["r",8,null]]}"#;

    #[test]
    fn both_notations_say_the_same() {
        let edn = read_transactions(EDN, Workload::ListAppend).expect("a history");
        assert_eq!(edn.len(), 2);
        assert_eq!((edn[0].client, edn[0].end), (0, End::Committed));
        assert_eq!(
            edn[0].actions,
            [
                Action::Append(9.into(), 1.into()),
                Action::ReadList(8.into(), vec![2.into()])
            ]
        );
        assert_eq!(edn[1].end, End::Unknown);
        assert_eq!(edn[1].actions, [Action::Append(8.into(), 2.into())]);
        assert!(edn[0].invoked < edn[1].invoked && Some(edn[1].invoked) < edn[0].returned);
        let listed = format!("[{}]", JSON.replace("}\n", "},\n"));
        for json in [JSON, &listed] {
            let read = read_transactions(json, Workload::ListAppend);
            assert_eq!(read.as_ref(), Ok(&edn));
        }
        let vector = format!("[{EDN}]");
        assert_eq!(read_transactions(&vector, Workload::ListAppend), Ok(edn));
    }

    #[test]
    fn what_never_completed_is_unknown_and_what_was_never_begun_was_made_before() {
        let text = "{:type :invoke, :process 0, :value [[:w :x 1] [:r :y nil]]}
                    {:type :ok, :process 1, :value [[:r :x 1]]}";
        let read = read_transactions(text, Workload::Register).expect("a history");
        assert_eq!((read[0].client, read[0].invoked), (1, 0));
        assert_eq!(
            (read[1].end, read[1].returned, read[1].actions.len()),
            (End::Unknown, None, 1)
        );
    }

    #[test]
    fn errors_say_where_and_what() {
        for (text, message) in [
            (
                "{:type :ok, :process 0, :value [[:cas 1 2]]}",
                "line 1, operation 1: `cas` with such a value is no step of a list: `[:append k v]` and `[:r k [v]]` are",
            ),
            ("{:process 0}", "line 1, operation 1: there is no :type"),
            ("\n[3]", "line 2, operation 1: Number(3) is no map"),
            (
                r#"{"type": "ok", "value": [["r", 1]]}"#,
                r#"operation 1: ["r",1] is no step: it has a name, a key and a value"#,
            ),
            (
                r#"{"type": "ok", "value": [["r", 1, [2.5]]]}"#,
                "operation 1: 2.5 is no key or value: numbers and texts are",
            ),
            (
                r#"{"type": "done"}"#,
                "operation 1: an operation has no type `done`",
            ),
        ] {
            assert_eq!(
                read_transactions(text, Workload::ListAppend).expect_err(message),
                message
            );
        }
    }
}
