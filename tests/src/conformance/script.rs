//! The steps of a script, read from their JSON: which method of what is called with which values, and what is done around the calls.

use std::rc::Rc;

use serde_json::Value as Json;

use super::js::{self, Js, NoValue};

/// One step.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Call(Call),
    /// `storage.transaction`, with a closure that performs steps.
    Transaction {
        steps: Steps,
        options: Js,
    },
    TransactionSync(Steps),
    Return(Js),
    Throw(String),
    ThrowValue(Js),
    Rethrow,
    All(Steps),
    Start(String, Rc<Step>),
    Await(String),
    Let(String, Call),
    Keep(String),
    Sql(Rc<[Js]>),
    Spread(Spread),
    TypeOf(Call),
    /// Milliseconds.
    Wait(f64),
    Abort(Option<String>),
}

pub(super) type Steps = Rc<[Step]>;

/// A call of a method, or the reading of a property.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// As the script spells it.
    pub(super) operation: String,
    pub(super) reads: bool,
    /// The way to the object; empty for the storage itself.
    pub(super) path: Vec<String>,
    pub(super) member: String,
    pub(super) arguments: Rc<[Js]>,
}

/// What is spread into an array.
#[derive(Clone, Debug)]
pub(super) enum Spread {
    Variable(String),
    Call(Call),
}

/// Why JSON is no script.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoScript {
    #[error("step {at}: {error}")]
    Step { at: usize, error: NoStep },
}

#[derive(Debug, thiserror::Error)]
pub(super) enum NoStep {
    #[error(transparent)]
    Value(#[from] NoValue),
    #[error("{0}")]
    Inside(Box<NoScript>),
}

impl From<NoScript> for NoStep {
    fn from(error: NoScript) -> Self {
        Self::Inside(Box::new(error))
    }
}

/// The steps of a run, or of a closure.
pub(super) fn parse(steps: &[Json]) -> Result<Steps, NoScript> {
    let steps = steps.iter().enumerate().map(|(at, step)| {
        let at = at + 1;
        parse_step(step).map_err(|error| NoScript::Step { at, error })
    });
    steps.collect()
}

fn parse_step(json: &Json) -> Result<Step, NoStep> {
    let parts = json.as_array().map(Vec::as_slice);
    let Some([Json::String(operation), arguments @ ..]) = parts else {
        return Err(NoValue::new("not an operation and its arguments", json).into());
    };
    let missing = || NoValue::new("an argument is missing or of another type", json);
    let text = |at: usize| {
        let text = arguments.get(at).and_then(Json::as_str);
        text.map(str::to_owned).ok_or_else(missing)
    };
    let value = |at: usize| arguments.get(at).map_or(Ok(Js::Undefined), js::decode);
    let inner = |at: usize| arguments.get(at).ok_or_else(missing);
    let steps = |at: usize| -> Result<Steps, NoStep> {
        let steps = inner(at)?.as_array().ok_or_else(missing)?;
        Ok(parse(steps)?)
    };
    Ok(match operation.as_str() {
        "transaction" => Step::Transaction {
            steps: steps(0)?,
            options: value(1)?,
        },
        "transactionSync" => Step::TransactionSync(steps(0)?),
        "return" => Step::Return(value(0)?),
        "throw" => Step::Throw(text(0)?),
        "throwValue" => Step::ThrowValue(value(0)?),
        "rethrow" => Step::Rethrow,
        "all" => Step::All(steps(0)?),
        "start" => Step::Start(text(0)?, Rc::new(parse_step(inner(1)?)?)),
        "await" => Step::Await(text(0)?),
        "let" => Step::Let(text(0)?, parse_call(inner(1)?)?),
        "keep" => Step::Keep(text(0)?),
        "sql" => Step::Sql(values(arguments)?),
        "spread" => Step::Spread(match inner(0)? {
            Json::String(name) => Spread::Variable(name.clone()),
            call => Spread::Call(parse_call(call)?),
        }),
        "typeof" => Step::TypeOf(parse_call(inner(0)?)?),
        "wait" => Step::Wait(
            arguments
                .first()
                .and_then(Json::as_f64)
                .ok_or_else(missing)?,
        ),
        "abort" => Step::Abort(arguments.first().and_then(Json::as_str).map(str::to_owned)),
        _ => Step::Call(parse_call(json)?),
    })
}

fn parse_call(json: &Json) -> Result<Call, NoStep> {
    let parts = json.as_array().map(Vec::as_slice);
    let Some([Json::String(operation), arguments @ ..]) = parts else {
        return Err(NoValue::new("not an operation and its arguments", json).into());
    };
    let (reads, path) = match operation.strip_prefix('=') {
        Some(path) => (true, path),
        None => (false, operation.as_str()),
    };
    let mut path: Vec<_> = path.split('.').map(str::to_owned).collect();
    let member = path.pop().unwrap_or_default();
    Ok(Call {
        operation: operation.clone(),
        reads,
        path,
        member,
        arguments: values(arguments)?,
    })
}

fn values(arguments: &[Json]) -> Result<Rc<[Js]>, NoValue> {
    arguments.iter().map(js::decode).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn only(step: Json) -> Step {
        parse(&[step]).expect("a step")[0].clone()
    }

    #[test]
    fn a_path_leads_to_a_method_or_to_a_property() {
        let Step::Call(call) = only(json!(["put", "a", 1])) else {
            panic!("a call");
        };
        assert!(call.path.is_empty() && call.member == "put" && call.arguments.len() == 2);
        let Step::Call(call) = only(json!(["=c.columnNames"])) else {
            panic!("a call");
        };
        assert!(call.reads && call.path == ["c"] && call.member == "columnNames");
    }

    #[test]
    fn a_mistake_is_named_where_it_is() {
        let error = parse(&[json!(["sync"]), json!(["transaction", [["throw", 5]]])]);
        let error = error.expect_err("a message is a string").to_string();
        assert_eq!(
            error,
            r#"step 2: step 1: an argument is missing or of another type: ["throw",5]"#
        );
    }
}
