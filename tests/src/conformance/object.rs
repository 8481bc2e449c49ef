//! The object that performs scripts: one request a run, on its own storage.
//!
//! Scripts and results are bodies in JSON, so that a result is read when it came back to the caller and not before: an object that
//! was reset answers nothing.

use std::{cell::RefCell, rc::Rc};

use dormouse::{DurableObject, Env, Request, Response, Result, State, durable_object};
use serde_json::Value as Json;

use super::{interpreter::Interpreter, script};

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

    /// Performs the steps in the request's body; answers with their results.
    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let steps: Vec<Json> = request.json().await?;
        let steps = script::parse(&steps).map_err(|error| error.to_string())?;
        let results = Rc::new(RefCell::new(Vec::new()));
        let interpreter = Interpreter::new(Rc::clone(&self.state));
        let ran = interpreter.run(steps, Rc::clone(&results)).await;
        ran.map_err(|thrown| thrown.to_error())?;
        Response::from_json(&results.take())
    }
}
