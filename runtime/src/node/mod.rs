//! A node: one process that owns objects, their files and their activations.
//!
//! [`compatibility`] says which behaviour it shows, [`folder`] what is stored in its data folder beside the objects; [`router`] finds the
//! one activation of an object, [`overload`] says when too much waits for it, [`sweep`] throws out what nobody calls and cannot sleep,
//! [`update`] gives objects new code, [`stored`] looks into those that sleep.

mod compatibility;
mod folder;
mod overload;
mod router;
mod stored;
mod sweep;
mod update;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    fmt,
    rc::{Rc, Weak},
    time::Duration,
};

pub(crate) use compatibility::Compatibility;
pub use folder::StartError;
pub use overload::OverloadLimits;
pub(crate) use router::Entry;
pub use router::Session;
pub use stored::StoredObject;
pub(crate) use update::code_updated;
pub use update::{CodeUpdate, UpdateError};

use self::{folder::Folder, router::Router};
use crate::{
    DurableObject, Env, Error, InMemory, Result,
    activation::connections::CONNECTIONS_MAX,
    gate::output::OutputGate,
    handler::Class,
    instrument::point,
    namespace::{
        channel::{Host, ObjectAddress},
        env::{Bindings, Namespace},
        stub::{Caller, CallerGate},
    },
    object::{ObjectClass, RustClass},
    platform::{Instant, Link, LocalBoxFuture, Platform},
    storage::{ActivationStorage, History, Left, StorageBackend, WAL_BYTES_MAX},
};

/// Declares what a node serves.
///
/// # Example
/// ```no_run
/// # use dormouse::{DurableObject, Env, NodeBuilder, State, durable_object, platform::real};
/// # #[durable_object]
/// # struct Counter;
/// # impl DurableObject for Counter {
/// #     fn new(_: State, _: Env) -> Self { Self }
/// # }
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let platform = real::platform("data".as_ref())?;
/// let node = NodeBuilder::new("my-worker").object::<Counter>("COUNTER").start(platform)?;
/// let counter = node.env().durable_object("COUNTER")?.get_by_name("global")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct NodeBuilder {
    worker: String,
    wal_bytes_max: u64,
    history: History,
    compatibility_date: Option<String>,
    compatibility_flags: Vec<String>,
    classes: Vec<Served>,
    limits: Limits,
}

/// What a node allows its objects, and when it ends them.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) overload: OverloadLimits,
    pub(crate) outgoing_calls_max: usize,
    pub(crate) keep_alive: Duration,
    pub(crate) stay_in_memory: bool,
    pub(crate) pre_shutdown: bool,
    pub(crate) reset_after_exception: bool,
}

/// One class that a node serves.
#[derive(Clone)]
struct Served {
    binding: String,
    class: Rc<dyn Class>,
    backend: StorageBackend,
}

/// A running node. Dropping the last handle of it ends it: nothing that was not durable is waited for.
#[derive(Clone)]
pub struct Node {
    context: Rc<NodeContext>,
    _objects: Rc<Objects>,
}

/// Throws the objects out of memory when the node's last handle goes: they hold on to themselves as long as they are active.
struct Objects(Rc<NodeContext>);

impl Drop for Objects {
    fn drop(&mut self) {
        for activation in self.0.router.activations() {
            activation.evict();
        }
    }
}

/// What the parts of a node share.
pub(crate) struct NodeContext {
    pub(crate) platform: Platform,
    pub(crate) router: Router,
    /// The data folder was there already: this is not the node's first life.
    pub(crate) restarted: bool,
    pub(crate) wal_bytes_max: u64,
    pub(crate) history: History,
    pub(crate) compatibility: Compatibility,
    pub(crate) limits: Limits,
    started_at: Instant,
    sweep_is_armed: Cell<bool>,
    /// Counts the updates.
    code_version: Cell<u64>,
    /// How many of the next exceptions of handlers reset their objects; of the next calls are refused; are delivered twice.
    next_exceptions_reset: Cell<u32>,
    next_calls_refused: Cell<u32>,
    next_calls_repeated: Cell<Repeat>,
    bindings: Rc<Bindings>,
    classes: RefCell<BTreeMap<String, (Rc<dyn Class>, StorageBackend)>>,
    /// Files of objects not in memory that this process knows to be durable, by path.
    durable: RefCell<BTreeSet<String>>,
}

impl NodeBuilder {
    /// A node that runs the objects of the script `worker`: the name is part of the default key of every namespace (ID-8).
    pub fn new(worker: impl Into<String>) -> Self {
        Self {
            worker: worker.into(),
            wal_bytes_max: WAL_BYTES_MAX,
            history: History::default(),
            compatibility_date: None,
            compatibility_flags: Vec::new(),
            classes: Vec::new(),
            limits: Limits {
                overload: OverloadLimits::default(),
                outgoing_calls_max: CONNECTIONS_MAX,
                keep_alive: sweep::KEEP_ALIVE,
                stay_in_memory: false,
                pre_shutdown: false,
                reset_after_exception: false,
            },
        }
    }

    /// Serves objects of the Rust type `T` under `binding`, each with a SQLite database of its own.
    #[must_use]
    pub fn object<T: DurableObject + ObjectClass>(self, binding: impl Into<String>) -> Self {
        self.object_on::<T>(binding, StorageBackend::Sqlite)
    }

    /// Serves objects of the Rust type `T` under `binding`, on a storage backend of choice.
    #[must_use]
    pub fn object_on<T: DurableObject + ObjectClass>(
        self,
        binding: impl Into<String>,
        backend: StorageBackend,
    ) -> Self {
        self.class_on(binding, Rc::new(RustClass::<T>::new()), backend)
    }

    /// Serves objects of a class of any engine under `binding`, each with a SQLite database of its own.
    #[must_use]
    pub fn class(self, binding: impl Into<String>, class: Rc<dyn Class>) -> Self {
        self.class_on(binding, class, StorageBackend::Sqlite)
    }

    /// Serves objects of a class of any engine under `binding`, on a storage backend of choice.
    #[must_use]
    pub fn class_on(
        mut self,
        binding: impl Into<String>,
        class: Rc<dyn Class>,
        backend: StorageBackend,
    ) -> Self {
        self.classes.push(Served {
            binding: binding.into(),
            class,
            backend,
        });
        self
    }

    /// Serves the class of `T`'s name by `T` from now on, under the same binding and on the same storage: another version of its code, for
    /// [`Node::update_code`].
    ///
    /// # Panics
    /// If no class of that name is served.
    #[must_use]
    pub fn with_code_of<T: DurableObject + ObjectClass>(mut self) -> Self {
        let name = T::CLASS_NAME;
        let mut classes = self.classes.iter_mut();
        let served = classes
            .find(|served| served.class.name() == name)
            .unwrap_or_else(|| panic!("no class `{name}` is served whose code could be another"));
        served.class = Rc::new(RustClass::<T>::new());
        self
    }

    /// The day whose behaviour the objects expect, as `YYYY-MM-DD`; the newest behaviour unless set. It changes what `delete_all` does to
    /// the alarm (DEL-2).
    #[must_use]
    pub fn compatibility_date(mut self, date: impl Into<String>) -> Self {
        self.compatibility_date = Some(date.into());
        self
    }

    /// Single points of behaviour, whatever the date: `delete_all_deletes_alarm`, `delete_all_preserves_alarm` (DEL-2).
    #[must_use]
    pub fn compatibility_flags<F: Into<String>>(
        mut self,
        flags: impl IntoIterator<Item = F>,
    ) -> Self {
        self.compatibility_flags = flags.into_iter().map(Into::into).collect();
        self
    }

    /// From how many bytes on an object's write-ahead log is moved into its database, when a turn ends: 4 MiB unless set. A smaller one costs
    /// more syncs, a larger one more space and a slower start of the object.
    #[must_use]
    pub fn wal_bytes_max(mut self, bytes: u64) -> Self {
        self.wal_bytes_max = bytes;
        self
    }

    /// How much of the past of each SQLite-backed object is kept for bookmarks: 30 days and 256 MiB unless set. It is written when the
    /// write-ahead log is moved into the database, and costs about as many bytes as were written since the last time, twice.
    #[must_use]
    pub fn history(mut self, history: History) -> Self {
        self.history = history;
        self
    }

    /// How much may wait for one object before more is refused (O-2).
    #[must_use]
    pub fn overload_limits(mut self, limits: OverloadLimits) -> Self {
        self.limits.overload = limits;
        self
    }

    /// How many calls to other objects one event may have under way at once; more wait (O-6). Six unless set.
    #[must_use]
    pub fn outgoing_calls_max(mut self, calls: usize) -> Self {
        self.limits.outgoing_calls_max = calls.max(1);
        self
    }

    /// For how long whatever is pending in an object (a timer, a background task, a call of its own) protects it from eviction while nobody calls it,
    /// counted from when it began: fifteen minutes unless set (L-11). Zero is the behaviour of before 2026-06: nothing but events protects.
    #[must_use]
    pub fn keep_alive(mut self, time: Duration) -> Self {
        self.limits.keep_alive = time;
        self
    }

    /// Objects neither hibernate nor are evicted for being idle; the default is that they do and are (lifecycle 1.2).
    #[must_use]
    pub fn stay_in_memory(mut self, stay: bool) -> Self {
        self.limits.stay_in_memory = stay;
        self
    }

    /// Whether objects are told before a planned end, through [`DurableObject::pre_shutdown`]; not unless set (L-16).
    #[must_use]
    pub fn pre_shutdown(mut self, tell: bool) -> Self {
        self.limits.pre_shutdown = tell;
        self
    }

    /// Whether an exception that leaves a handler of `fetch` or a method resets the object, when its caller has been told. It does not unless set: the
    /// original's documentation warns that it may, and what we know of its code does not (lifecycle 4.2).
    #[must_use]
    pub fn reset_after_exception(mut self, reset: bool) -> Self {
        self.limits.reset_after_exception = reset;
        self
    }

    /// Starts the node on its platform: reads its data folder, or makes it. Objects start when they are called.
    ///
    /// # Errors
    /// The folder belongs to another version, is damaged or cannot be used; two bindings have one name; the compatibility date is none or a
    /// flag is unknown. Nothing is changed then.
    pub fn start(self, platform: Platform) -> Result<Node, StartError> {
        let compatibility = Compatibility::new(
            self.compatibility_date.as_deref(),
            &self.compatibility_flags,
        )?;
        let disk = &*platform.disk;
        let (mut folder, restarted) = Folder::read(disk)?;
        let namespaces_before = folder.namespace_count();
        let mut bindings = Bindings::default();
        let mut classes = BTreeMap::new();
        for Served {
            binding,
            class,
            backend,
        } in self.classes
        {
            let unique_key =
                folder.unique_key(class.name(), || format!("{}-{}", self.worker, class.name()));
            let namespace = Namespace::new(class.name(), &unique_key);
            if bindings
                .namespaces
                .insert(binding.clone(), Rc::new(namespace))
                .is_some()
            {
                return Err(StartError::DuplicateBinding { binding });
            }
            classes.insert(class.name().to_owned(), (class, backend));
        }
        if !restarted || folder.namespace_count() > namespaces_before {
            folder.write(disk)?;
        }
        point!("node_start", restarted = restarted);
        let bindings = Rc::new(bindings);
        let started_at = platform.clock.now();
        let context = NodeContext {
            platform,
            wal_bytes_max: self.wal_bytes_max,
            history: self.history,
            compatibility,
            router: Router::default(),
            restarted,
            limits: self.limits,
            started_at,
            sweep_is_armed: Cell::new(false),
            code_version: Cell::new(0),
            next_exceptions_reset: Cell::new(0),
            next_calls_refused: Cell::new(0),
            next_calls_repeated: Cell::default(),
            bindings,
            classes: RefCell::new(classes),
            durable: RefCell::default(),
        };
        let context = Rc::new(context);
        Ok(Node {
            _objects: Rc::new(Objects(Rc::clone(&context))),
            context,
        })
    }

    /// The bindings that this node will have, for clients that know its configuration and not its folder: right as long as every key is the default.
    pub fn default_bindings(&self) -> Rc<Bindings> {
        let namespaces = self.classes.iter().map(|served| {
            let class = served.class.name();
            let unique_key = format!("{}-{class}", self.worker);
            (
                served.binding.clone(),
                Rc::new(Namespace::new(class, &unique_key)),
            )
        });
        Rc::new(Bindings {
            namespaces: namespaces.collect(),
        })
    }
}

impl Node {
    /// The environment of the stateless code beside the objects: what a worker would be given.
    pub fn env(&self) -> Env {
        let bindings = Rc::clone(&self.context.bindings);
        Env::of_client(bindings, "worker", LocalHost::of(&self.context))
    }

    /// A session with an object, for calls that come from other nodes.
    pub fn session(&self, object: &ObjectAddress) -> Session {
        Session::new(&self.context, object)
    }

    /// Hibernates every object that has nothing to do, without waiting for its idle time; returns how many there were.
    pub fn hibernate_idle(&self) -> usize {
        let activations = self.context.router.activations();
        activations
            .iter()
            .filter(|activation| activation.hibernate())
            .count()
    }

    /// Throws every object out of memory, whatever it is doing; returns how many there were. Their callers see a lost connection.
    pub fn evict_all(&self) -> usize {
        let activations = self.context.router.activations();
        for activation in &activations {
            activation.evict();
        }
        activations.len()
    }

    /// Lets another activation take the place of each, as when objects move to another machine; returns how many there were. What they had begun may go
    /// on for half a minute, without storage (lifecycle 1.5, L-22).
    pub fn supersede_all(&self) -> usize {
        let activations = self.context.router.activations();
        for activation in &activations {
            activation.supersede();
        }
        activations.len()
    }

    /// Resets every object, as its own [`State::abort`](crate::State::abort) would; returns how many there were.
    pub fn abort_all(&self, reason: Option<&str>) -> usize {
        let activations = self.context.router.activations();
        for activation in &activations {
            activation.abort(reason);
        }
        activations.len()
    }

    /// Lets the next `count` exceptions that leave a handler reset their objects, when their callers have been told (lifecycle 4.2).
    pub fn reset_after_exceptions(&self, count: u32) {
        self.context.next_exceptions_reset.set(count);
    }

    /// Refuses the next `count` calls, as an object with too much waiting for it would (O-2).
    pub fn refuse_calls(&self, count: u32) {
        self.context.next_calls_refused.set(count);
    }

    /// Delivers the next `count` remote calls twice, the second time `after` the first: what a runtime does that makes a call again when its connection
    /// was lost. What the second one answers reaches nobody. (A `fetch` is delivered once: its body can be read once.)
    pub fn repeat_calls(&self, count: u32, after: Duration) {
        self.context.next_calls_repeated.set(Repeat { count, after });
    }

    /// The objects in memory, in the order of classes and ids, with what keeps each of them there.
    pub fn in_memory(&self) -> Vec<InMemory> {
        let activations = self.context.router.activations();
        activations
            .iter()
            .map(|activation| activation.in_memory())
            .collect()
    }

    /// Whether no object has anything pending: each that is in memory could hibernate right now.
    pub fn is_at_rest(&self) -> bool {
        let activations = self.context.router.activations();
        activations.iter().all(|activation| activation.is_idle())
    }

    /// How many objects are in memory.
    pub fn activation_count(&self) -> usize {
        self.context.router.activations().len()
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("bindings", &self.context.bindings)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for NodeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bindings = self
            .classes
            .iter()
            .map(|served| (&served.binding, served.class.name().to_owned()));
        f.debug_map().entries(bindings).finish()
    }
}

impl NodeContext {
    fn class(&self, name: &str) -> Result<(Rc<dyn Class>, StorageBackend)> {
        let class = self.classes.borrow().get(name).cloned();
        class.ok_or_else(|| Error::from(format!("no such actor class: {name}")))
    }

    /// Whether an exception that has just left a handler resets its object.
    pub(crate) fn exception_resets(&self) -> bool {
        self.limits.reset_after_exception || take_one(&self.next_exceptions_reset)
    }

    /// Whether the call that has just arrived is delivered once more, and how much later.
    fn repeats_a_call(&self) -> Option<Duration> {
        let Repeat { count, after } = self.next_calls_repeated.get();
        let count = count.checked_sub(1)?;
        self.next_calls_repeated.set(Repeat { count, after });
        Some(after)
    }

    /// Whether the call that has just arrived is refused although nothing waits.
    fn refuses_a_call(&self) -> bool {
        take_one(&self.next_calls_refused)
    }

    /// How the last activation left the files at `path`. Whoever asks is about to write to them.
    pub(crate) fn how_it_was_left(&self, path: &str) -> Left {
        if self.durable.borrow_mut().remove(path) {
            Left::Durable
        } else {
            Left::InDoubt
        }
    }

    pub(crate) fn remember_how_it_is_left(&self, path: String, left: Left) {
        if left == Left::Durable {
            self.durable.borrow_mut().insert(path);
        }
    }

    /// The environment of an object: its calls wait at its output gate.
    pub(crate) fn env_for(
        self: &Rc<Self>,
        label: &Rc<str>,
        output: &Rc<OutputGate>,
        storage: &Rc<ActivationStorage>,
    ) -> Env {
        let caller = Caller {
            label: Rc::clone(label),
            host: LocalHost::of(self),
            gate: Some(CallerGate {
                output: Rc::clone(output),
                storage: Rc::clone(storage),
            }),
        };
        Env::new(Rc::clone(&self.bindings), caller)
    }
}

/// How many of the next calls are delivered again, and how much later.
#[derive(Clone, Copy, Default)]
struct Repeat {
    count: u32,
    after: Duration,
}

fn take_one(counter: &Cell<u32>) -> bool {
    let left = counter.get();
    counter.set(left.saturating_sub(1));
    left > 0
}

/// A node as the host of its own objects' calls. Weak: an object, or a stub that is kept for long, must not keep its node alive.
struct LocalHost {
    node: Weak<NodeContext>,
    platform: Platform,
}

impl LocalHost {
    fn of(node: &Rc<NodeContext>) -> Rc<Self> {
        Rc::new(Self {
            node: Rc::downgrade(node),
            platform: node.platform.clone(),
        })
    }
}

impl Host for LocalHost {
    fn session(&self, object: &ObjectAddress) -> Option<Session> {
        self.node.upgrade().map(|node| Session::new(&node, object))
    }

    fn link(&self, from: &str, to: &ObjectAddress) -> Rc<dyn Link> {
        self.platform.links.open(from, to.label())
    }

    fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        self.platform.spawn.spawn(task);
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        self.platform.entropy.fill(bytes);
    }
}
