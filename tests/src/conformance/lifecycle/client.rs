//! The network client of a scenario: what it does happens in steps, and a step is over when nothing happens any more.

use std::{future::Future, rc::Rc};

use dormouse::{Method, Request};
use serde_json::{Value as Json, json};

use super::{describe::describe_error, stage::{Stage, Worker}, tracer::W};

/// How long nothing must happen for a step to be over, in milliseconds.
const QUIET: u64 = 150;

/// What the client's function gets.
#[derive(Clone)]
pub(super) struct Client {
    stage: Rc<Stage>,
}

impl Client {
    pub(super) fn new(stage: &Rc<Stage>) -> Self {
        Self {
            stage: Rc::clone(stage),
        }
    }

    /// `c.step(what, fn)`
    pub(super) async fn step<T>(&self, what: impl Into<Json>, deed: impl Future<Output = T>) -> T {
        self.step_until_quiet(what, QUIET, deed).await
    }

    /// `c.step(what, fn, { quiet })`
    pub(super) async fn step_until_quiet<T>(
        &self,
        what: impl Into<Json>,
        quiet: u64,
        deed: impl Future<Output = T>,
    ) -> T {
        self.stage.log.step(what.into());
        let value = deed.await;
        self.stage.settle(quiet).await;
        value
    }

    /// `c.run()`
    pub(super) async fn run(&self) {
        self.stage.run_worker().await;
    }

    /// `c.get(path)`: `/o/NAME/...` goes on to the object of that name in `OBJ`, unchanged.
    pub(super) async fn get(&self, path: &str) {
        let url = format!("http://127.0.0.1{path}");
        let request = Request::new(&url, Method::Get).expect("a path");
        let pathname = request.path();
        let name = pathname.split('/').nth(2).expect("an object's name");
        let stub = self.worker().plain("OBJ", name);
        if let Err(error) = stub.fetch_with_request(request).await {
            W.ev("threw", json!({"label": pathname, "error": describe_error(&error)}));
        }
    }

    /// `c.evict(name)`
    pub(super) async fn evict(&self) {
        self.stage.evict().await;
    }

    /// `c.restart("SIGKILL")`
    pub(super) fn restart(&self) {
        self.kill();
        self.start();
    }

    /// `c.proc.kill("SIGKILL")`
    pub(super) fn kill(&self) {
        self.stage.kill();
    }

    /// `c.start()`
    pub(super) fn start(&self) {
        self.stage.boot();
    }

    /// `c.sleep(ms)`
    pub(super) async fn sleep(&self, millis: u64) {
        self.stage.sleep(millis).await;
    }

    fn worker(&self) -> Worker {
        self.stage.worker()
    }
}
