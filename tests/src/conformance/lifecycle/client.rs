//! The network client of a scenario: what it does happens in steps, and a step is over when nothing happens any more.

use std::{future::Future, rc::Rc};

use dormouse::{Request, RequestInit, RequestRedirect};
use serde_json::Value as Json;

use super::{
    frames::{Connection, Habits},
    stage::{Stage, entry},
};

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

    /// `c.get(path)`
    pub(super) async fn get(&self, path: &str) {
        let mut init = RequestInit::new();
        init.with_redirect(RequestRedirect::Manual);
        let request = Request::new_with_init(&format!("http://127.0.0.1{path}"), &init);
        let answered = entry(self.stage.node().env(), request.expect("a path")).await;
        drop(answered.expect("the entry answers in any case"));
    }

    /// `c.ws(connection, object, query)`
    pub(super) async fn ws(&self, connection: &str, object: &str, query: &str) -> Connection {
        self.open(connection, Habits::Library, object, query).await
    }

    /// `c.raw(connection, object)`
    pub(super) async fn raw(&self, connection: &str, object: &str) -> Connection {
        self.open(connection, Habits::Bare, object, "").await
    }

    async fn open(&self, name: &str, habits: Habits, object: &str, query: &str) -> Connection {
        let stream = self.stage.connect().await;
        let path = format!("/o/{object}/{query}");
        let (log, spawn) = (&self.stage.log, self.stage.spawn());
        let opened = Connection::open(name, habits, &path, stream, log, spawn).await;
        opened.expect("the object accepts it")
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
}
