//! One live object: an instance in memory, its gates, its storage and its events in flight.
//!
//! An activation is made by the first event for an object, runs its constructor before anything else, and ends when
//! the object has been idle long enough, when it is evicted, or when something breaks it. It is never repaired: the next event makes a
//! new one from what is durable. Modules in the order in which an event meets them:
//!
//! - `event`: an invocation arrives, waits, runs, and its reply leaves;
//! - `alarm`: the same for an alarm;
//! - `turn`: the only place where user code is polled;
//! - `section`: `block_concurrency_while`;
//! - `state`: what the object's code is given, `delay` its timers, `timers` in which order these run; `connections` bounds how many calls of its own it
//!   makes at once;
//! - `socket`: an event of a socket, and what becomes of sockets at the end;
//! - `pins`: what is pending and keeps the object in memory;
//! - `idle`: when nothing is pending any more, and the other ways to end; `superseded`, `retire`: the slower ones.

mod alarm;
pub(crate) mod connections;
pub(crate) mod delay;
mod event;
mod idle;
pub(crate) mod pins;
pub(crate) mod retire;
mod section;
mod socket;
pub(crate) mod state;
mod superseded;
mod timers;
pub(crate) mod turn;

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::Future,
    rc::Rc,
};

pub(crate) use alarm::EndSender;
pub(crate) use event::{Event, as_seen_by_callers, note_superseded_output};
use futures_util::future::{AbortHandle, Abortable};
pub(crate) use idle::Ending;
pub(crate) use socket::{ActivationSockets, Awake, Unsent};

use self::{
    alarm::AlarmRuns,
    pins::{PinGuard, PinKind, Pins},
    retire::ShutdownReason,
    section::SectionsOfTheTurn,
    timers::Timers,
    turn::{Background, Gated, Task, panic_text},
};
use crate::{
    Error, Result,
    gate::{input::InputGate, output::OutputGate},
    handler::{Class, Handler},
    instrument::point,
    mutation::Mutation,
    node::{Entry, NodeContext, code_updated},
    platform::{Instant, WallTime},
    storage::{ActivationSetup, ActivationStorage, StorageSetup},
};

/// One activation of one object.
pub(crate) struct Activation {
    pub(crate) node: Rc<NodeContext>,
    pub(crate) entry: Rc<Entry>,
    /// `Class/name`, or `Class/` and the first digits of the id: how the object is called in traces.
    pub(crate) label: Rc<str>,
    pub(crate) input: Rc<InputGate>,
    pub(crate) output: Rc<OutputGate>,
    pub(crate) storage: Rc<ActivationStorage>,
    pub(crate) turn_began_at: Rc<Cell<WallTime>>,
    timers: Rc<Timers>,
    /// Background tasks that the running turn has to begin ...
    to_begin: RefCell<VecDeque<Background>>,
    /// ... and those that it has begun and that go on after it.
    begun: RefCell<Vec<Background>>,
    /// Turns so far.
    turns: Cell<u64>,
    sockets: ActivationSockets,
    instance: RefCell<Option<Rc<dyn Handler>>>,
    /// What is pending and keeps the object from hibernating.
    pub(crate) pins: Pins,
    /// When the last event arrived or ended: what the eviction sweep goes by (lifecycle 1.2).
    last_event: Cell<Instant>,
    /// Which version of the code it runs: an update leaves those of the present one alone.
    pub(crate) code: u64,
    /// Counts the events that arrived; an idle period is over when it changed.
    arrivals: Cell<u64>,
    alarm_runs: AlarmRuns,
    /// The constructor stands at the gate, or is done.
    is_constructed: Cell<bool>,
    /// Says in logs in whose code something was.
    span: tracing::Span,
    aborts: RefCell<Vec<AbortHandle>>,
    ended: Cell<bool>,
    /// Another activation has taken its place; what it began may go on for a while, without storage (L-22).
    superseded: Cell<bool>,
    /// It takes no more events: it prepares for its end (L-16).
    retiring: Cell<bool>,
}

impl Activation {
    /// Opens the object's storage. The first event queues the constructor before itself.
    ///
    /// # Errors
    /// The storage cannot be opened: the object's files are left as they are.
    pub(crate) fn start(node: &Rc<NodeContext>, entry: &Rc<Entry>) -> Result<Rc<Self>> {
        let class = entry.class();
        let label = Rc::clone(&entry.label);
        // With the id as well: the label is what the caller who made the entry called the object, and another one may call it differently.
        point!(
            "activation_start",
            object = &*label,
            id = tracing::field::display(entry.id())
        );
        let output = OutputGate::new();
        let turn_began_at = Rc::new(Cell::new(node.platform.clock.wall()));
        let storage = StorageSetup {
            disk: Rc::clone(&node.platform.disk),
            clock: Rc::clone(&node.platform.clock),
            entropy: Rc::clone(&node.platform.entropy),
            spawn: Rc::clone(&node.platform.spawn),
            path: entry.storage_path(),
            object: Rc::clone(&label),
            gate: Rc::clone(&output),
            wal_bytes_max: node.wal_bytes_max,
            history: node.history,
            left: node.how_it_was_left(&entry.storage_path()),
            sync_failures: node.sync_failures(&entry.storage_path()),
            now: {
                let turn_began_at = Rc::clone(&turn_began_at);
                Rc::new(move || turn_began_at.get())
            },
            delete_all_deletes_alarm: node.compatibility.delete_all_deletes_alarm,
            alarms: node.alarms.sink({
                let at_the_start = entry.address();
                let entry = Rc::downgrade(entry);
                move || {
                    entry
                        .upgrade()
                        .map_or_else(|| at_the_start.clone(), |entry| entry.address())
                }
            }),
            bytes_max: node.object_bytes_max,
            strict: node.strict_storage,
            links: Rc::clone(&node.platform.links),
        };
        let storage = ActivationStorage::open(ActivationSetup {
            storage,
            backend: entry.backend,
            sections: Rc::new(SectionsOfTheTurn),
            alarm_handler: class.handles_alarms(),
        })
        .inspect_err(|_| {
            point!(
                "activation_end",
                object = &*label,
                id = tracing::field::display(entry.id()),
                reason = "storage"
            );
        })?;
        let activation = Rc::new(Self {
            node: Rc::clone(node),
            entry: Rc::clone(entry),
            span: tracing::info_span!(target: crate::instrument::TARGET, "object", id = &*label),
            label,
            input: InputGate::new(),
            output,
            storage,
            turn_began_at,
            timers: Rc::default(),
            to_begin: RefCell::default(),
            begun: RefCell::default(),
            turns: Cell::new(0),
            sockets: ActivationSockets::default(),
            instance: RefCell::default(),
            pins: Pins::default(),
            last_event: Cell::new(node.platform.clock.now()),
            code: node.code_version(),
            arrivals: Cell::new(0),
            alarm_runs: AlarmRuns::default(),
            is_constructed: Cell::default(),
            aborts: RefCell::default(),
            ended: Cell::new(false),
            superseded: Cell::new(false),
            retiring: Cell::new(false),
        });
        activation.output.set_on_break({
            let activation = Rc::downgrade(&activation);
            move |error| {
                if let Some(activation) = activation.upgrade() {
                    activation.reset(error);
                }
            }
        });
        Ok(activation)
    }

    /// The constructor is the first to stand at the input gate, so every event finds it done (C-1).
    pub(crate) fn construct_once(self: &Rc<Self>) {
        if !self.is_constructed.replace(true) {
            self.construct(self.entry.class());
        }
    }

    fn construct(self: &Rc<Self>, class: Rc<dyn Class>) {
        let task = Task::of_event(0, Rc::clone(&self.input));
        let handles_alarms = class.handles_alarms();
        let activation = Rc::clone(self);
        let constructor = Gated::new(Rc::clone(self), Rc::clone(&task), async move {
            let (state, env) = activation.state_and_env();
            activation.storage.allow_alarms(true);
            let made = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                class.construct(state, env)
            }));
            activation.storage.allow_alarms(handles_alarms);
            made.unwrap_or_else(|panic| {
                point!(
                    "panicked",
                    object = &*activation.label,
                    text = panic_text(&*panic)
                );
                Err(Error::from(format!("panicked: {}", panic_text(&*panic))))
            })
        });
        let activation = Rc::clone(self);
        self.spawn_pinned(self.pin(PinKind::Constructor, None), async move {
            match constructor.await {
                Ok(instance) => {
                    *activation.instance.borrow_mut() = Some(instance);
                    point!("constructed", object = &*activation.label);
                }
                Err(error) => activation.reset(error.with_reset()),
            }
        });
    }

    fn instance(&self) -> Rc<dyn Handler> {
        let instance = self.instance.borrow();
        Rc::clone(
            instance
                .as_ref()
                .expect("the constructor stood at the gate before every event"),
        )
    }

    /// Runs `task` until it is done or the activation ends; until then `pin` keeps the object in memory.
    pub(crate) fn spawn_pinned(
        self: &Rc<Self>,
        pin: PinGuard,
        task: impl Future<Output = ()> + 'static,
    ) {
        if self.has_ended() {
            return; // started in the turn in which the end came: nobody would ever stop it
        }
        let (abort, registration) = AbortHandle::new_pair();
        {
            let mut aborts = self.aborts.borrow_mut();
            if aborts.len() >= ABORTS_BEFORE_CLEANING {
                aborts.retain(|abort| !abort.is_aborted());
            }
            aborts.push(abort.clone());
        }
        self.node.platform.spawn.spawn(Box::pin(async move {
            let finished = Abortable::new(task, registration).await.is_ok();
            abort.abort(); // marks it as done for the cleaning above
            if finished {
                pin.release();
            }
        }));
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.get()
    }

    /// Throws the activation away for `error`: every event in flight and every later call on the same stubs fails with it (E-4).
    pub(crate) fn reset(self: &Rc<Self>, error: Error) {
        if self.has_ended() {
            return; // its gate breaks at every ending; only a reset breaks the stubs as well
        }
        self.entry.mark_broken(error.clone());
        self.end(Ending::Reset, error);
    }

    /// Resets the object from outside for `reason`, or for the original's text without one (E-6). It is not the object's fault: an alarm that it interrupts is run again.
    pub(crate) fn abort(self: &Rc<Self>, reason: Option<&str>) {
        let text = reason.unwrap_or(state::ABORTED);
        self.reset(Error::from(text).with_reset());
    }

    /// The object's code is updated: its last handler runs if it has one, then it is reset (L-17).
    pub(crate) fn update(self: &Rc<Self>) {
        self.retire_then(ShutdownReason::CodeUpdated, |activation| {
            activation.reset(code_updated());
        });
    }

    /// Ends the activation: nothing of it runs or reaches its storage any more.
    pub(crate) fn end(self: &Rc<Self>, ending: Ending, error: Error) {
        if self.ended.replace(true) {
            return;
        }
        if !self.superseded.get() {
            self.leave_storage(ending, error.clone()); // else it was taken away before
        }
        self.output.break_with(error);
        self.let_go_of_sockets(ending);
        for abort in self.aborts.borrow_mut().drain(..) {
            abort.abort();
        }
        drop(self.instance.borrow_mut().take());
        self.entry.deliver_held_back();
    }

    /// From here on another activation may be at the object's files.
    fn leave_storage(&self, ending: Ending, error: Error) {
        point!(
            "activation_end",
            object = &*self.label,
            id = tracing::field::display(self.entry.id()),
            reason = ending.as_str()
        );
        self.end_alarms();
        self.entry.forget_activation(self);
        self.node
            .remember_how_it_is_left(self.entry.storage_path(), self.storage.left());
        if ending == Ending::Superseded && Mutation::SupersededKeepsStorage.is_active() {
            return;
        }
        self.storage.shut_down(error);
    }
}

/// The critical sections of whoever reads an object's storage from outside: there are none.
pub(crate) fn outside_sections() -> Rc<dyn crate::storage::Sections> {
    Rc::new(SectionsOfTheTurn)
}

/// How many finished tasks may lie about before the list of running ones is cleaned.
const ABORTS_BEFORE_CLEANING: usize = 64;
