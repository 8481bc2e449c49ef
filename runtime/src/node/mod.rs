//! A node: one process that owns objects, their files and their activations.
//!
//! [`compatibility`] says which behaviour it shows, [`folder`] what is stored in its data folder beside the objects, [`served`] which classes go together; [`router`] finds the
//! one activation of an object, also for its alarm ([`alarms`]); [`overload`] says when too much waits for it, [`sweep`] throws out what nobody calls
//! and cannot sleep, [`update`] gives objects new code, [`stored`] looks into those that sleep. [`limits`] are the settings of all that, [`outside`]
//! what can be done to a node by hand.

mod alarms;
mod compatibility;
mod folder;
mod limits;
mod outside;
mod overload;
mod router;
mod served;
mod stored;
mod sweep;
mod update;

use std::{
    any::TypeId,
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    fmt,
    rc::{Rc, Weak},
};

pub(crate) use compatibility::Compatibility;
pub use folder::StartError;
pub use overload::OverloadLimits;
pub(crate) use router::Entry;
pub use router::Session;
pub use stored::StoredObject;
pub(crate) use update::code_updated;
pub use update::{CodeUpdate, UpdateError};

use self::{folder::Folder, limits::Limits, outside::Next, router::Router, served::Served};
use crate::{
    DurableObject, Env, Error, Result,
    alarm::Scheduler,
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
    storage::{
        ActivationStorage, History, Left, OBJECT_BYTES_MAX, StorageBackend, SyncFailures,
        WAL_BYTES_MAX,
    },
};

/// The scheduler's index is written anew when it has grown by this part of what an object's write-ahead log may grow by.
const ALARM_INDEX_PART: u64 = 16;

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
    object_bytes_max: u64,
    strict_storage: bool,
    history: History,
    compatibility_date: Option<String>,
    compatibility_flags: Vec<String>,
    classes: Vec<Served>,
    limits: Limits,
}

/// How many counts of nobody's may lie about before they are tidied up.
const FORGOTTEN_COUNTS_MAX: usize = 1024;

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
        self.0.router.drop_sockets();
    }
}

/// What the parts of a node share.
pub(crate) struct NodeContext {
    pub(crate) platform: Platform,
    pub(crate) router: Router,
    pub(crate) alarms: Rc<Scheduler>,
    /// The data folder was there already: this is not the node's first life.
    pub(crate) restarted: bool,
    pub(crate) wal_bytes_max: u64,
    pub(crate) object_bytes_max: u64,
    pub(crate) strict_storage: bool,
    pub(crate) history: History,
    pub(crate) compatibility: Compatibility,
    pub(crate) limits: Limits,
    started_at: Instant,
    sweep_is_armed: Cell<bool>,
    /// Counts the updates.
    code_version: Cell<u64>,
    /// What was asked for from outside, to be done to what comes next.
    next: Next,
    bindings: Rc<Bindings>,
    classes: RefCell<Classes>,
    /// Files of objects not in memory that this process knows to be durable, by path.
    durable: RefCell<BTreeSet<String>>,
    /// Failures of syncs of the files that somebody has open, by path.
    sync_failures: RefCell<BTreeMap<String, Weak<Cell<u64>>>>,
}

/// By binding.
type Classes = BTreeMap<String, (Rc<dyn Class>, StorageBackend)>;

impl NodeBuilder {
    /// A node that runs the objects of the script `worker`: the name is part of the default key of every namespace (ID-8).
    pub fn new(worker: impl Into<String>) -> Self {
        Self {
            worker: worker.into(),
            wal_bytes_max: WAL_BYTES_MAX,
            object_bytes_max: OBJECT_BYTES_MAX,
            strict_storage: false,
            history: History::default(),
            compatibility_date: None,
            compatibility_flags: Vec::new(),
            classes: Vec::new(),
            limits: Limits::default(),
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
        self.serve(Served {
            binding: binding.into(),
            class: Rc::new(RustClass::<T>::new()),
            rust_type: Some(TypeId::of::<T>()),
            backend,
        })
    }

    /// Serves objects of a class of any engine under `binding`, each with a SQLite database of its own. Several bindings of one class get clones of one `Rc`: two
    /// classes of one name are refused.
    #[must_use]
    pub fn class(self, binding: impl Into<String>, class: Rc<dyn Class>) -> Self {
        self.class_on(binding, class, StorageBackend::Sqlite)
    }

    /// Serves objects of a class of any engine under `binding`, on a storage backend of choice. What [`class`](Self::class) says of several bindings counts here, too.
    #[must_use]
    pub fn class_on(
        self,
        binding: impl Into<String>,
        class: Rc<dyn Class>,
        backend: StorageBackend,
    ) -> Self {
        self.serve(Served {
            binding: binding.into(),
            class,
            rust_type: None,
            backend,
        })
    }

    fn serve(mut self, served: Served) -> Self {
        self.classes.push(served);
        self
    }

    /// Serves the class of `T`'s name by `T` from now on, under the same bindings and on the same storage: another version of its code, for
    /// [`Node::update_code`].
    ///
    /// # Panics
    /// If no class of that name is served.
    #[must_use]
    pub fn with_code_of<T: DurableObject + ObjectClass>(mut self) -> Self {
        let name = T::CLASS_NAME;
        let class: Rc<dyn Class> = Rc::new(RustClass::<T>::new());
        let mut is_served = false;
        for served in &mut self.classes {
            if served.class.name() == name {
                is_served = true;
                served.class = Rc::clone(&class);
                served.rust_type = Some(TypeId::of::<T>());
            }
        }
        assert!(
            is_served,
            "no class `{name}` is served whose code could be another"
        );
        self
    }

    /// The day whose behaviour the objects expect, as `YYYY-MM-DD`; the newest behaviour unless set. It changes what `delete_all` does to
    /// the alarm (DEL-2), how a socket's closing is answered and limited (W-29, W-30), and what of an error reaches its caller (RP-21).
    #[must_use]
    pub fn compatibility_date(mut self, date: impl Into<String>) -> Self {
        self.compatibility_date = Some(date.into());
        self
    }

    /// Single points of behaviour, whatever the date: `delete_all_deletes_alarm`, `delete_all_preserves_alarm` (DEL-2),
    /// `web_socket_auto_reply_to_close`, `web_socket_manual_reply_to_close` (W-29), `websocket_close_reason_byte_limit` (W-30),
    /// `enhanced_error_serialization`, `legacy_error_serialization` (RP-21).
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

    /// What the database of a SQLite-backed object may take at most: 10 GB unless set, as in production. A write that does not fit fails
    /// with `database or disk is full: SQLITE_FULL`, and mostly resets the object (LM-2); deleting makes room again. The runtime's
    /// own tables count, the write-ahead log and the history do not. Objects on the legacy backend have no such limit.
    #[must_use]
    pub fn object_bytes_max(mut self, bytes: u64) -> Self {
        self.object_bytes_max = bytes;
        self
    }

    /// Refuses what the original lets pass but does not promise; off unless called. For tests: what fails here may fail in production one
    /// day.
    ///
    /// - `get`, `put` and `delete` of more than 128 keys at once, on every backend and in transactions: a range error
    ///   `Maximum number of key value pairs is 128. N pairs were provided.` (KV-40);
    /// - rows of a SQL cursor, and entries of a `kv().list_as`, that are asked for after the turn in which it was made (CUR-5, KVS-5).
    #[must_use]
    pub fn strict_storage(mut self) -> Self {
        self.strict_storage = true;
        self
    }

    /// How much of the past of each SQLite-backed object is kept for bookmarks: 30 days and 256 MiB unless set. It is written when the
    /// write-ahead log is moved into the database, and costs about as many bytes as were written since the last time, twice.
    #[must_use]
    pub fn history(mut self, history: History) -> Self {
        self.history = history;
        self
    }

    /// Starts the node on its platform: reads its data folder, or makes it. Objects start when they are called, or when their alarm is due.
    ///
    /// # Errors
    /// The folder belongs to another version, is damaged or cannot be used; two bindings have one name, or bind two classes of one name, or one class with two
    /// storage backends; the compatibility date is none or a
    /// flag is unknown; the index of alarms is damaged. Nothing is changed then.
    ///
    /// # Panics
    /// On the real platform, outside of [`real::run`](crate::platform::real::run) or another `LocalSet`, if alarms are set.
    pub fn start(self, platform: Platform) -> Result<Node, StartError> {
        let compatibility = Compatibility::new(
            self.compatibility_date.as_deref(),
            &self.compatibility_flags,
        )?;
        served::check(&self.classes)?;
        let disk = &*platform.disk;
        let (mut folder, restarted) = Folder::read(disk)?;
        let namespaces_before = folder.namespace_count();
        let mut bindings = Bindings::default();
        let mut classes = BTreeMap::new();
        for Served {
            binding,
            class,
            backend,
            ..
        } in self.classes
        {
            let unique_key =
                folder.unique_key(class.name(), || format!("{}-{}", self.worker, class.name()));
            let namespace = Namespace::new(class.name(), &unique_key);
            bindings.namespaces.insert(binding, Rc::new(namespace));
            classes.insert(class.name().to_owned(), (class, backend));
        }
        let tail_bytes_max = usize::try_from(self.wal_bytes_max / ALARM_INDEX_PART);
        let alarms = Scheduler::open(&platform, tail_bytes_max.unwrap_or(usize::MAX))?;
        if !restarted || folder.namespace_count() > namespaces_before {
            folder.write(disk)?;
        }
        point!("node_start", restarted = restarted);
        let bindings = Rc::new(bindings);
        let started_at = platform.clock.now();
        let context = NodeContext {
            platform,
            alarms,
            wal_bytes_max: self.wal_bytes_max,
            object_bytes_max: self.object_bytes_max,
            strict_storage: self.strict_storage,
            history: self.history,
            compatibility,
            router: Router::default(),
            restarted,
            limits: self.limits,
            started_at,
            sweep_is_armed: Cell::new(false),
            code_version: Cell::new(0),
            next: Next::default(),
            bindings,
            classes: RefCell::new(classes),
            durable: RefCell::default(),
            sync_failures: RefCell::default(),
        };
        let context = Rc::new(context);
        context.alarms.start(&context);
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

    /// Delivers the alarm that was delivered last once more, as a scheduler does that was not told what became of it: an object must bear that,
    /// since an alarm fires at least once. Returns whether there was one.
    pub fn deliver_last_alarm_again(&self) -> bool {
        self.context.alarms.deliver_last_again()
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

    /// How the last activation left the files at `path`. Whoever asks is about to write to them.
    pub(crate) fn how_it_was_left(&self, path: &str) -> Left {
        if self.durable.borrow_mut().remove(path) {
            Left::Durable
        } else {
            Left::InDoubt
        }
    }

    /// The failures of syncs of the files at `path`, also of those that a former activation may have under way.
    pub(crate) fn sync_failures(&self, path: &str) -> SyncFailures {
        let mut counts = self.sync_failures.borrow_mut();
        if let Some(count) = counts.get(path).and_then(SyncFailures::upgrade) {
            return count;
        }
        if counts.len() > FORGOTTEN_COUNTS_MAX {
            counts.retain(|_, count| count.strong_count() > 0);
        }
        let count = SyncFailures::default();
        counts.insert(path.to_owned(), count.downgrade());
        count
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
