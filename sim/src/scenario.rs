//! A scenario: objects, clients, a workload, faults, and what must hold.
//!
//! This is what an author writes. A [`Scenario`] is a description; [`Suite`] hides its types, so that the explorer and the command can run any
//! of them.

use std::{
    cell::RefCell,
    fmt::{self, Debug},
    future::Future,
    ops::RangeInclusive,
    panic::Location,
    rc::Rc,
    time::Duration,
};

use dormouse::{
    DurableObject, Env, Error, NodeBuilder, ObjectClass, Result, Rpc, Storage, StorageBackend,
    platform::{LocalBoxFuture, Platform},
};
use proptest::prelude::{BoxedStrategy, Just, Strategy, prop_oneof};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    check::Check,
    client_socket::ClientSocket,
    fault::{ALARM_POINTS, FaultKind, Faults, KEY_VALUE_POINTS, POINTS},
    oracles::{Eventually, Oracles, PendingWork, boxed},
    plan::{Generator, OpTree, Plan, PlanError, StepTree, TypedTree},
    run::{self, Run},
    seed::Seed,
};

/// When faults end, in milliseconds of virtual time, unless a scenario says otherwise ([`Scenario::heal_at`]).
const HEAL_AT_MILLIS: u64 = 60_000;

/// How long a scenario with alarms goes on after its clients.
const REST_OF_ALARMS: Duration = Duration::from_mins(15);

/// Logs are kept short, so that checkpoints happen in ordinary runs and crashes happen in them.
const WAL_BYTES_MAX: u64 = 64 << 10;

/// What authors give to be run. See the [crate's documentation](crate) for an example.
pub struct Scenario<Op, Ret> {
    pub(crate) name: &'static str,
    /// Where it is described, for those who mark failures in the code.
    at: &'static Location<'static>,
    pub(crate) serves: NodeBuilder,
    clients: usize,
    workload: Option<(BoxedStrategy<Op>, RangeInclusive<usize>)>,
    pauses: BoxedStrategy<u64>,
    faults: Faults,
    /// The modules of the objects: what stands there is what this scenario is about.
    modules: Vec<String>,
    /// The injection points at which faults may fire.
    points: Vec<&'static str>,
    pub(crate) heal_at: u64,
    /// How much time passes between the end of the workload and the last reads, once everything is healed.
    pub(crate) rest: Duration,
    #[expect(
        clippy::type_complexity,
        reason = "a boxed closure, named nowhere else"
    )]
    pub(crate) step: Option<Rc<dyn Fn(Client, Op) -> LocalBoxFuture<'static, Result<Ret>>>>,
    pub(crate) finally: Vec<Op>,
    pub(crate) checks: Vec<Box<dyn Check<Op, Ret>>>,
    pub(crate) oracles: Oracles,
    /// What a code update brings, unless it is the same again.
    pub(crate) next_code: Option<NodeBuilder>,
    updates: Vec<fn(NodeBuilder) -> NodeBuilder>,
}

impl<Op, Ret> Scenario<Op, Ret>
where
    Op: Clone + Debug + Serialize + DeserializeOwned + 'static,
    Ret: Clone + Debug + 'static,
{
    /// A scenario with three clients and all faults. The name is that of the test or suite.
    #[track_caller]
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            at: Location::caller(),
            serves: NodeBuilder::new("sim").wal_bytes_max(WAL_BYTES_MAX),
            clients: 3,
            workload: None,
            pauses: pause().boxed(),
            faults: Faults::all(),
            modules: Vec::new(),
            points: POINTS.to_vec(),
            heal_at: HEAL_AT_MILLIS,
            rest: Duration::ZERO,
            step: None,
            finally: Vec::new(),
            checks: Vec::new(),
            oracles: Oracles::default(),
            next_code: None,
            updates: Vec::new(),
        }
    }

    /// Serves objects of the type `T` under `binding`, each with a SQLite database of its own.
    #[must_use]
    pub fn object<T: DurableObject + ObjectClass>(self, binding: &str) -> Self {
        self.object_on::<T>(binding, StorageBackend::Sqlite)
    }

    /// Serves objects of the type `T` under `binding`, on a storage backend of choice. On [`StorageBackend::KeyValue`] the storage
    /// service answers as another machine would, and faults may fire at the points of that backend as well ([`KEY_VALUE_POINTS`]).
    #[must_use]
    pub fn object_on<T: DurableObject + ObjectClass>(
        mut self,
        binding: &str,
        backend: StorageBackend,
    ) -> Self {
        self.serves = self.serves.object_on::<T>(binding, backend);
        let class = std::any::type_name::<T>();
        let module = class.rsplit_once("::").map_or(class, |(module, _)| module);
        self = self.asserts_in(module);
        if backend == StorageBackend::KeyValue {
            self.also_at(KEY_VALUE_POINTS)
        } else {
            self
        }
    }

    /// Expects the assertions of this module and of those in it to be met, besides those of the objects' own modules; `module_path!()` for
    /// assertions in the scenario's steps. What never held over a whole exploration is named at its end
    /// ([`dormouse::assert`]).
    #[must_use]
    pub fn asserts_in(mut self, module: &str) -> Self {
        if !self.modules.iter().any(|known| known == module) {
            self.modules.push(module.to_owned());
        }
        self
    }

    /// Lets faults fire at these injection points, besides those that every workload passes ([`POINTS`]).
    #[must_use]
    pub fn also_at(mut self, points: impl IntoIterator<Item = &'static str>) -> Self {
        for point in points {
            if !self.points.contains(&point) {
                self.points.push(point);
            }
        }
        self
    }

    /// Holds the objects to what the original documents, where it lets more pass: see [`NodeBuilder::strict_storage`].
    #[must_use]
    pub fn strict_storage(mut self) -> Self {
        self.serves = self.serves.strict_storage();
        self
    }

    /// How many clients there are, each on a machine of its own.
    #[must_use]
    pub fn clients(mut self, clients: usize) -> Self {
        self.clients = clients;
        self
    }

    /// What each client does: `calls` operations of this strategy, with pauses in between that are now and then long enough for the
    /// object to hibernate. Keep the strategy flat (`prop_oneof`, `prop_map`): filters and dependent values shrink badly.
    #[must_use]
    pub fn workload(
        mut self,
        op: impl Strategy<Value = Op> + 'static,
        calls: RangeInclusive<usize>,
    ) -> Self {
        self.workload = Some((op.boxed(), calls));
        self
    }

    /// What may go wrong.
    #[must_use]
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// From when on nothing goes wrong any more: a minute unless set.
    #[must_use]
    pub fn heal_at(mut self, at: Duration) -> Self {
        self.heal_at = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// The objects set alarms. What can happen to alarms may go wrong as well ([`FaultKind::OF_ALARMS`]), faults may fire at the points of an
    /// alarm's life ([`ALARM_POINTS`]), and when the clients are done and everything is healed, time goes on for a quarter of an hour before the
    /// last reads: long enough for an alarm that failed to be tried again.
    #[must_use]
    pub fn alarms(mut self) -> Self {
        if !self.faults.is_none() {
            for kind in FaultKind::OF_ALARMS {
                self.faults = self.faults.and(kind);
            }
        }
        self.rest = REST_OF_ALARMS;
        self.also_at(ALARM_POINTS)
    }

    /// How much time passes between the end of the workload and the last reads, once everything is healed: none, unless set.
    #[must_use]
    pub fn rest(mut self, rest: Duration) -> Self {
        self.rest = rest;
        self
    }

    /// How long clients wait before each operation, in milliseconds. Unless set: mostly not at all, now and then long enough for an object to
    /// hibernate.
    #[must_use]
    pub fn pauses(mut self, pauses: impl Strategy<Value = u64> + 'static) -> Self {
        self.pauses = pauses.boxed();
        self
    }

    /// How a client carries out one operation. Return the error of a call as it is: an exception of the object's own code counts as *failed*, and
    /// by convention has had no effect; everything else counts as *unknown*. An exception that is an answer belongs into `Ret`, and so does one that the
    /// object throws after it has written something: writes are not taken back by it.
    #[must_use]
    pub fn step<F, Fut>(mut self, step: F) -> Self
    where
        F: Fn(Client, Op) -> Fut + 'static,
        Fut: Future<Output = Result<Ret>> + 'static,
    {
        self.step = Some(Rc::new(move |client, op| Box::pin(step(client, op))));
        self
    }

    /// Operations that a last client carries out when everything is healed, after a final loss of power: reads that show what survived.
    #[must_use]
    pub fn finally(mut self, ops: Vec<Op>) -> Self {
        self.finally = ops;
        self
    }

    /// What must hold.
    #[must_use]
    pub fn check(mut self, check: impl Check<Op, Ret> + 'static) -> Self {
        self.checks.push(Box::new(check));
        self
    }

    /// What a code update ([`FaultKind::CodeUpdate`]) brings: the objects of `T`'s class run as a `T` from then on. `T` must have the name of the class
    /// that is served, so it stands in a module of its own. Unless set, an update brings the same code again.
    #[must_use]
    pub fn updated_to<T: DurableObject + ObjectClass>(mut self) -> Self {
        self.updates.push(NodeBuilder::with_code_of::<T>);
        self
    }

    /// Declares what work is left in an object of the class `T`, by what is in its storage. When the clients are done and everything is healed, and again
    /// after the last loss of power, an object with work left must have an armed alarm or be busy: else nothing will ever wake it. The object is not
    /// woken up for the question.
    ///
    /// # Example
    /// ```
    /// # use dormouse_sim::Scenario;
    /// # fn example<T: dormouse::DurableObject + dormouse::ObjectClass>(scenario: Scenario<(), ()>) -> Scenario<(), ()> {
    /// scenario.pending_work::<T, _, _>(|storage| async move {
    ///     Ok(storage.get::<Vec<String>>("outbox").await?.is_some_and(|outbox| !outbox.is_empty()))
    /// })
    /// # }
    /// ```
    #[must_use]
    pub fn pending_work<T, F, Fut>(mut self, is_left: F) -> Self
    where
        T: ObjectClass,
        F: Fn(Storage) -> Fut + 'static,
        Fut: Future<Output = Result<bool>> + 'static,
    {
        self.oracles.pending_work.push(PendingWork {
            class: T::CLASS_NAME,
            is_left: boxed(is_left),
        });
        self
    }

    /// Something that must hold in the end: within five minutes ([`eventually_within`](Self::eventually_within)) after the clients are done and everything
    /// is healed. `holds` is asked again and again by a client of its own, number 0; an error counts as "not yet".
    #[must_use]
    pub fn eventually<F, Fut>(mut self, promise: &'static str, holds: F) -> Self
    where
        F: Fn(Client) -> Fut + 'static,
        Fut: Future<Output = Result<bool>> + 'static,
    {
        self.oracles.eventually.push(Eventually {
            promise,
            holds: boxed(holds),
        });
        self
    }

    /// How long the conditions given to [`eventually`](Self::eventually) have, in virtual time.
    #[must_use]
    pub fn eventually_within(mut self, bound: Duration) -> Self {
        self.oracles.eventually_within = bound;
        self
    }

    /// How often the conditions given to [`eventually`](Self::eventually) are asked for, at least: after a second, then after pauses that double up to
    /// this one, in virtual time. It is half a minute unless this says otherwise, in which objects hibernate, so that each answer is that of a new activation. With less
    /// than ten seconds they stay in memory: for a condition that a new activation fulfills by itself.
    ///
    /// # Panics
    /// If `pause` is zero.
    #[must_use]
    pub fn eventually_every(mut self, pause: Duration) -> Self {
        assert!(
            !pause.is_zero(),
            "eventually_every: without a pause between the questions no time passes"
        );
        self.oracles.eventually_every = pause;
        self
    }

    /// How long objects may be busy after the last call was answered and the last fault healed, in virtual time: five minutes unless set.
    #[must_use]
    pub fn rest_within(mut self, bound: Duration) -> Self {
        self.oracles.rest_within = Some(bound);
        self
    }

    /// Objects may be busy for ever: switches off *an object with nothing to do comes to rest*. For objects that poll or hold a connection on purpose, and
    /// whose authors know what that costs.
    #[must_use]
    pub fn may_stay_busy(mut self) -> Self {
        self.oracles.rest_within = None;
        self
    }

    /// Calls may hang for ever: switches off *every call settles*. For objects that answer only if somebody else calls them, such as a queue with a blocking
    /// receive. The run ends five minutes after everything is healed; calls without an answer count as unknown, the last reads after them are not made.
    #[must_use]
    pub fn calls_may_hang(mut self) -> Self {
        self.oracles.calls_settle = false;
        self
    }

    /// Switches off *clients cannot tell whether an object was evicted*. The comparison is sound where each step makes its calls one after the other and keeps
    /// nothing of its own between two runs of the scenario, and where answers tell nothing about the object's instance; what is left to chance is
    /// recognised. A scenario that is otherwise, or whose objects keep a cache in memory on purpose that clients can see, switches it off.
    #[must_use]
    pub fn without_eviction_transparency(mut self) -> Self {
        self.oracles.transparency_one_in = None;
        self
    }

    /// Compares one run in `runs` with one whose objects are evicted around each call; one in sixteen unless set.
    #[must_use]
    pub fn eviction_transparency_one_in(mut self, runs: u64) -> Self {
        self.oracles.transparency_one_in = Some(runs.max(1));
        self
    }

    /// The suite that runs this scenario.
    ///
    /// # Panics
    /// If it has no workload or no step.
    pub fn into_suite(mut self) -> Suite {
        if !self.updates.is_empty() {
            let next = self.serves.clone();
            self.next_code = Some(self.updates.iter().fold(next, |next, update| update(next)));
        }
        if !self.points.contains(&KEY_VALUE_POINTS[0]) {
            // Nothing could meet them.
            self.faults = self
                .faults
                .without(FaultKind::FailKvBatch)
                .without(FaultKind::ForgetCache);
        }
        let (op, calls) = self.workload.clone().expect("a scenario has a workload");
        assert!(self.step.is_some(), "a scenario has a step");
        let generator = Generator {
            clients: self.clients,
            calls,
            pauses: self.pauses.clone(),
            op,
            faults: self.faults.strategy(self.clients, self.points.clone()),
        };
        Suite(Rc::new(Typed {
            generator,
            scenario: self,
        }))
    }
}

fn pause() -> impl Strategy<Value = u64> {
    prop_oneof![5 => Just(0), 4 => 0..3_u64, 2 => 0..200_u64, 1 => 9_995..10_300_u64]
}

impl<Op, Ret> Debug for Scenario<Op, Ret> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenario")
            .field("name", &self.name)
            .field("serves", &self.serves)
            .finish_non_exhaustive()
    }
}

/// A scenario whose types nobody needs to know any more.
#[derive(Clone)]
pub struct Suite(Rc<dyn Runs>);

/// How much of a run is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The verdict, the hash and the figures.
    Brief,
    /// What the run was made of as well ([`Anatomy`](crate::anatomy::Anatomy)).
    Anatomy,
    /// All that, and the texts for a report.
    Full,
}

trait Runs {
    fn name(&self) -> &'static str;
    fn location(&self) -> &'static Location<'static>;
    fn plan(&self, seed: Seed) -> String;
    fn run_seed(&self, seed: Seed, detail: Detail) -> Run;
    fn run_plan(&self, plan: &str, detail: Detail) -> Result<Run, PlanError>;
    fn op_trees(&self, seed: Seed) -> Vec<Vec<Box<dyn OpTree>>>;
    fn modules(&self) -> &[String];
    fn understands(&self, plan: &str) -> Result<(), PlanError>;
}

struct Typed<Op, Ret> {
    scenario: Scenario<Op, Ret>,
    generator: Generator<Op>,
}

impl<Op, Ret> Typed<Op, Ret>
where
    Op: Clone + Debug + Serialize + DeserializeOwned + 'static,
    Ret: Clone + Debug + 'static,
{
    fn generate(&self, seed: Seed) -> Plan<Op> {
        self.generator
            .generate(self.scenario.name, seed, self.scenario.heal_at)
    }
}

impl<Op, Ret> Runs for Typed<Op, Ret>
where
    Op: Clone + Debug + Serialize + DeserializeOwned + 'static,
    Ret: Clone + Debug + 'static,
{
    fn name(&self) -> &'static str {
        self.scenario.name
    }

    fn location(&self) -> &'static Location<'static> {
        self.scenario.at
    }

    fn plan(&self, seed: Seed) -> String {
        self.generate(seed).to_json()
    }

    fn run_seed(&self, seed: Seed, detail: Detail) -> Run {
        run::run(&self.scenario, &self.generate(seed), detail)
    }

    fn run_plan(&self, plan: &str, detail: Detail) -> Result<Run, PlanError> {
        Ok(run::run(
            &self.scenario,
            &Plan::from_json(plan, self.scenario.name)?,
            detail,
        ))
    }

    fn op_trees(&self, seed: Seed) -> Vec<Vec<Box<dyn OpTree>>> {
        let erased = |step: StepTree<Op>| Box::new(TypedTree(step.op)) as Box<dyn OpTree>;
        let clients = self.generator.trees(seed).into_iter();
        clients
            .map(|steps| steps.into_iter().map(erased).collect())
            .collect()
    }

    fn modules(&self) -> &[String] {
        &self.scenario.modules
    }

    fn understands(&self, plan: &str) -> Result<(), PlanError> {
        Plan::<Op>::from_json(plan, self.scenario.name).map(drop)
    }
}

impl Suite {
    /// The scenario's name.
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// Where the scenario is described: the call of [`Scenario::new`].
    pub fn location(&self) -> &'static Location<'static> {
        self.0.location()
    }

    /// The plan of a seed, as JSON.
    pub fn plan(&self, seed: Seed) -> String {
        self.0.plan(seed)
    }

    /// Runs one seed.
    pub fn run_seed(&self, seed: Seed, detail: Detail) -> Run {
        self.0.run_seed(seed, detail)
    }

    /// Runs a saved plan.
    ///
    /// # Errors
    /// It was made by another version, for another suite, or is damaged.
    pub fn run_plan(&self, plan: &str, detail: Detail) -> Result<Run, PlanError> {
        self.0.run_plan(plan, detail)
    }

    /// Finds out whether a saved plan can be run.
    ///
    /// # Errors
    /// It was made by another version, for another suite, or is damaged.
    pub fn understands(&self, plan: &str) -> Result<(), PlanError> {
        self.0.understands(plan)
    }

    /// The generated operations of a seed's clients, as they can still be made simpler.
    pub(crate) fn op_trees(&self, seed: Seed) -> Vec<Vec<Box<dyn OpTree>>> {
        self.0.op_trees(seed)
    }

    /// The modules whose assertions this suite is expected to meet.
    pub(crate) fn modules(&self) -> &[String] {
        self.0.modules()
    }
}

impl<Op, Ret> From<Scenario<Op, Ret>> for Suite
where
    Op: Clone + Debug + Serialize + DeserializeOwned + 'static,
    Ret: Clone + Debug + 'static,
{
    fn from(scenario: Scenario<Op, Ret>) -> Self {
        scenario.into_suite()
    }
}

impl Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Suite").field(&self.name()).finish()
    }
}

/// A simulated client: stateless code on a machine of its own, like the worker in front of an object.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) number: usize,
    pub(crate) env: Env,
    pub(crate) platform: Platform,
    /// A socket that its steps pass on to each other.
    pub(crate) kept: Rc<RefCell<Option<ClientSocket>>>,
}

impl Client {
    /// Its number, from 1 on.
    pub fn number(&self) -> usize {
        self.number
    }

    /// What it can reach.
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// A new typed stub for the object `name` behind `binding`. A new one for each call, as is advised: one that met a reset fails for ever.
    ///
    /// # Panics
    /// If there is no such binding: a mistake in the scenario.
    pub fn stub<T: Rpc>(&self, binding: &str, name: &str) -> T::Stub {
        let stub = self
            .env
            .durable_object(binding)
            .and_then(|namespace| namespace.get_by_name(name));
        stub.unwrap_or_else(|error| {
            panic!("the scenario calls an object that it does not serve: {error}")
        })
        .typed::<T>()
    }

    /// Waits.
    pub async fn sleep(&self, duration: Duration) {
        let clock = &self.platform.clock;
        clock.sleep_until(clock.now() + duration).await;
    }
}

/// Whether the object's own code refused, and by convention did nothing.
pub(crate) fn is_refusal(error: &Error) -> bool {
    // An error of the disk or of the storage service comes out of the object's own code as well, and in the middle of whatever that was doing.
    let of_the_storage = [
        "internal error; reference = ",
        "SQLITE_IOERR",
        "SQLITE_FULL",
        "SQLITE_CANTOPEN",
        "cannot open the storage of",
    ];
    let of_the_storage = of_the_storage
        .iter()
        .any(|code| error.message().contains(code));
    error.remote()
        && !error.durable_object_reset()
        && !error.retryable()
        && !error.overloaded()
        && !of_the_storage
}
