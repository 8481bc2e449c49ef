//! Where a twin runs: a node with the namespaces of its scenario, and the stateless worker beside it.

use std::{cell::RefCell, rc::Rc, time::Duration};

use dormouse::{
    Delay, Env, Node, NodeBuilder, ObjectNamespace, Request, Response, Result, Rpc, Stub,
    platform::{OpenMode, Platform, Spawn, Stream},
    server::{self, FetchHandler},
};
use serde_json::json;

use super::{
    describe::describe_error,
    process::Process,
    tracer::{Log, W},
    twin::Twin,
    vector::Scenario,
};

/// A node that can be killed and started again on the same disk.
pub(super) struct Stage {
    platform: Platform,
    twin: Twin,
    scenario: Rc<Scenario>,
    process: RefCell<Rc<Process>>,
    node: RefCell<Option<Node>>,
    /// Where the node's HTTP server listens, once somebody has asked for it.
    address: RefCell<Option<String>>,
    pub(super) log: Rc<Log>,
    pace: Pace,
    host: &'static str,
}

/// How long nothing must happen for a step to be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// As long as in the recordings: virtual time costs nothing.
    AsRecorded,
    /// Shorter, for what hangs on no time.
    Quick,
    /// Longer, where messages take their time.
    Patient,
}

/// How long an eviction waits for the object to be idle.
const EVICTION_MAX: Duration = Duration::from_secs(30);

impl Stage {
    /// Starts the node on an empty disk. Its namespaces get the keys that were recorded.
    pub(super) fn start(
        platform: Platform,
        twin: &Twin,
        scenario: &Rc<Scenario>,
        log: &Rc<Log>,
        pace: Pace,
        host: &'static str,
    ) -> Rc<Self> {
        let namespaces = scenario.config.namespaces.values();
        let keys: serde_json::Map<_, _> = namespaces
            .map(|namespace| (namespace.class.clone(), namespace.unique_key.clone().into()))
            .collect();
        store_keys(&platform, keys);
        let stage = Rc::new(Self {
            process: RefCell::new(Process::new(&platform.spawn)),
            platform,
            twin: twin.clone(),
            scenario: Rc::clone(scenario),
            node: RefCell::default(),
            address: RefCell::default(),
            log: Rc::clone(log),
            pace,
            host,
        });
        stage.boot();
        stage
    }

    /// Starts the node.
    pub(super) fn boot(&self) {
        let builder = NodeBuilder::new("conformance")
            .compatibility_date(&*self.scenario.compatibility_date)
            .compatibility_flags(self.scenario.config.compatibility_flags.clone());
        let process = Process::new(&self.platform.spawn);
        let platform = Platform {
            spawn: Rc::clone(&process) as Rc<dyn Spawn>,
            ..self.platform.clone()
        };
        *self.process.borrow_mut() = process;
        let node = (self.twin.serve)(builder, &self.scenario).start(platform);
        *self.node.borrow_mut() = Some(node.expect("the node starts on this disk"));
    }

    /// Ends the process in the middle of whatever it does: its tasks first, then what they leave.
    pub(super) fn kill(&self) {
        self.process.borrow().kill();
        self.address.take();
        drop(self.node.borrow_mut().take());
    }

    /// A byte stream to the node's HTTP server, which the first one starts.
    pub(super) async fn connect(&self) -> Box<dyn Stream> {
        let known = self.address.borrow().clone();
        let address = match known {
            Some(address) => address,
            None => self.serve().await,
        };
        let stream = self.platform.network.connect(&address).await;
        stream.expect("the server listens")
    }

    async fn serve(&self) -> String {
        let listener = self
            .platform
            .network
            .listen(&format!("{}:0", self.host))
            .await;
        let listener = listener.expect("a free port");
        let address = listener.local_address();
        let env = self.node().env();
        let handler: FetchHandler = Rc::new(move |request| Box::pin(entry(env.clone(), request)));
        let process = Rc::clone(&self.process.borrow());
        let clock = Rc::clone(&self.platform.clock);
        let served = server::serve(
            listener,
            Rc::clone(&process) as Rc<dyn Spawn>,
            clock,
            handler,
            std::future::pending(),
        );
        process.spawn(Box::pin(async move { drop(served.await) }));
        *self.address.borrow_mut() = Some(address.clone());
        address
    }

    /// The platform's tasks, for those beside the process.
    pub(super) fn spawn(&self) -> &Rc<dyn Spawn> {
        &self.platform.spawn
    }

    pub(super) fn node(&self) -> Node {
        let node = self.node.borrow();
        node.clone().expect("the node is up")
    }

    /// The stateless worker's side.
    pub(super) fn worker(self: &Rc<Self>) -> Worker {
        Worker {
            stage: Rc::clone(self),
        }
    }

    /// Runs the scenario's worker function.
    pub(super) async fn run_worker(self: &Rc<Self>) {
        let worker = self.twin.worker.expect("the twin has a worker function");
        worker(self.worker()).await;
    }

    pub(super) async fn sleep(&self, millis: u64) {
        let clock = &self.platform.clock;
        let time = Duration::from_millis(millis);
        clock.sleep_until(clock.now() + time).await;
    }

    /// Waits until nothing has happened for `millis`.
    pub(super) async fn settle(&self, millis: u64) {
        let quiet = match self.pace {
            Pace::AsRecorded => millis,
            Pace::Quick => millis / 4,
            Pace::Patient => millis + 1000,
        };
        loop {
            let before = self.log.len();
            self.sleep(quiet).await;
            if self.log.len() == before {
                return;
            }
        }
    }

    /// Throws idle objects out of memory, once they are all idle.
    pub(super) async fn evict(&self) {
        let deadline = self.platform.clock.now() + EVICTION_MAX;
        let node = self.node();
        loop {
            node.hibernate_idle();
            if node.activation_count() == 0 {
                return;
            }
            let waits = self.platform.clock.now() < deadline;
            assert!(
                waits,
                "Timed out waiting to evict Durable Object: it still has active references."
            );
            self.sleep(1).await;
        }
    }
}

/// Lays the keys of namespaces into an empty data folder, as a folder holds them that outlived a change of names (ID-8).
pub(in crate::conformance) fn store_keys(
    platform: &Platform,
    keys: serde_json::Map<String, serde_json::Value>,
) {
    let folder = serde_json::json!({"format": 1, "namespaces": keys}).to_string();
    let disk = &platform.disk;
    let file = disk
        .open("dormouse.json", OpenMode::Create)
        .expect("the disk is empty");
    disk.write_at(file, folder.as_bytes(), 0)
        .expect("there is room");
    disk.close(file);
}

/// What the stateless worker's function gets: `env`, and the recorder's helpers.
#[derive(Clone)]
pub(super) struct Worker {
    stage: Rc<Stage>,
}

impl Worker {
    /// The scenario, for a twin that reads its data there.
    pub(super) fn scenario(&self) -> &Scenario {
        &self.stage.scenario
    }

    /// `env`
    pub(super) fn env(&self) -> Env {
        self.stage.node().env()
    }

    /// `env.BINDING`
    pub(super) fn namespace(&self, binding: &str) -> ObjectNamespace {
        let namespace = self.env().durable_object(binding);
        namespace.expect("the twin serves it")
    }

    /// `env.BINDING.getByName(name)`
    pub(super) fn plain(&self, binding: &str, name: &str) -> Stub {
        plain(&self.env(), binding, name)
    }

    /// `env.BINDING.getByName(name)`, with the methods of its class
    pub(super) fn stub<T: Rpc>(&self, binding: &str, name: &str) -> T::Stub {
        stub::<T>(&self.env(), binding, name)
    }

    /// `sleep(ms)`
    pub(super) async fn sleep(&self, millis: u64) {
        self.stage.sleep(millis).await;
    }

    /// `Date.now()`
    pub(super) fn now(&self) -> i64 {
        self.stage.platform.clock.wall().as_millis()
    }

    /// `unsafe.evict(stub)`
    pub(super) async fn evict(&self) {
        self.stage.evict().await;
    }
}

/// The stateless worker's entry: `/o/NAME/...` goes on to the object of that name in `OBJ`, unchanged.
pub(super) async fn entry(env: Env, request: Request) -> Result<Response> {
    let pathname = request.path();
    let name = pathname.split('/').nth(2).unwrap_or_default();
    match plain(&env, "OBJ", name).fetch_with_request(request).await {
        Ok(response) => Ok(response),
        Err(error) => {
            W.ev(
                "threw",
                json!({"label": pathname, "error": describe_error(&error)}),
            );
            Ok(Response::ok("error")?.with_status(500))
        }
    }
}

/// `env.BINDING.getByName(name)`
pub(super) fn plain(env: &Env, binding: &str, name: &str) -> Stub {
    let namespace = env.durable_object(binding);
    let stub = namespace.and_then(|namespace| namespace.get_by_name(name));
    stub.expect("the twin serves it")
}

/// `env.BINDING.getByName(name)`, with the methods of its class
pub(super) fn stub<T: Rpc>(env: &Env, binding: &str, name: &str) -> T::Stub {
    plain(env, binding, name).typed::<T>()
}

/// `sleep(ms)`, in an object
pub(super) async fn sleep(millis: u64) {
    Delay::from(Duration::from_millis(millis)).await;
}
