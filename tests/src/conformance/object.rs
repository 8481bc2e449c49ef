//! The object that performs scripts: one call a run, on its own storage.
//!
//! Scripts and results cross the call as JSON, so that a result is read when it came back to the caller and not before: an object that
//! was reset answers nothing.

use std::{cell::RefCell, rc::Rc};

use dormouse::{DurableObject, Env, Result, State, durable_object, rpc};
use serde_json::Value as Json;

use super::{convert::Thrown, interpreter::Interpreter, script};

/// An object that performs scripts.
#[durable_object]
pub(super) struct Scripted {
    state: Rc<State>,
}

impl DurableObject for Scripted {
    fn new(state: State, _: Env) -> Self {
        Self {
            state: Rc::new(state),
        }
    }
}

#[rpc]
impl Scripted {
    /// Performs the steps of a run; returns their results.
    pub async fn run(&self, script: &str) -> Result<String> {
        perform(&self.state, script).await
    }
}

async fn perform(state: &Rc<State>, script: &str) -> Result<String> {
    let steps: Vec<Json> = serde_json::from_str(script)?;
    let steps = script::parse(&steps).map_err(|error| error.to_string())?;
    let results = Rc::new(RefCell::new(Vec::new()));
    let interpreter = Interpreter::new(Rc::clone(state));
    let ran = interpreter.run(steps, Rc::clone(&results)).await;
    ran.map_err(|thrown: Thrown| thrown.to_error())?;
    let results = Json::Array(results.take());
    Ok(results.to_string())
}
