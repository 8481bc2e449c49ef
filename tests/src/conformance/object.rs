//! The object that performs scripts: one request a run, on its own storage.
//!
//! Scripts and results are bodies in JSON, so that a result is read when it came back to the caller and not before: an object that
//! was reset answers nothing.

use std::{cell::RefCell, rc::Rc};

use dormouse::{
    Env, Error, Request, Response, Result, State, Value,
    handler::{Class, Handler},
    platform::LocalBoxFuture,
};
use serde_json::Value as Json;

use super::{interpreter::Interpreter, script};

/// A class of objects that perform scripts, as an engine would define it.
pub(super) struct ScriptedClass {
    pub(super) name: &'static str,
    pub(super) handles_alarms: bool,
}

struct Scripted {
    state: Rc<State>,
}

impl Class for ScriptedClass {
    fn name(&self) -> &str {
        self.name
    }

    fn construct(&self, state: State, _: Env) -> Result<Rc<dyn Handler>> {
        let state = Rc::new(state);
        Ok(Rc::new(Scripted { state }))
    }

    fn handles_alarms(&self) -> bool {
        self.handles_alarms
    }
}

impl Handler for Scripted {
    fn fetch(self: Rc<Self>, request: Request) -> LocalBoxFuture<'static, Result<Response>> {
        Box::pin(perform(Rc::clone(&self.state), request))
    }

    fn call(
        self: Rc<Self>,
        method: String,
        _: Vec<Value>,
    ) -> LocalBoxFuture<'static, Result<Value>> {
        let error = Error::type_error(format!("scripts have no method {method}"));
        Box::pin(std::future::ready(Err(error)))
    }
}

/// Performs the steps in the request's body; answers with their results.
async fn perform(state: Rc<State>, mut request: Request) -> Result<Response> {
    let steps: Vec<Json> = request.json().await?;
    let steps = script::parse(&steps).map_err(|error| error.to_string())?;
    let results = Rc::new(RefCell::new(Vec::new()));
    let interpreter = Interpreter::new(state);
    let ran = interpreter.run(steps, Rc::clone(&results)).await;
    ran.map_err(|thrown| thrown.to_error())?;
    Response::from_json(&results.take())
}
