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
//! - `state`: what the object's code is given;
//! - `idle`: when nothing is in flight any more.

mod alarm;
mod event;
mod idle;
mod section;
pub(crate) mod state;
pub(crate) mod turn;

use std::{
    cell::{Cell, RefCell},
    future::Future,
    rc::Rc,
};

pub(crate) use alarm::EndSender;
pub(crate) use event::{Event, as_seen_by_callers};
use futures_util::future::{AbortHandle, Abortable};
pub(crate) use idle::Ending;

use self::turn::{Gated, Task, panic_text};
use self::{alarm::AlarmRuns, section::SectionsOfTheTurn};
use crate::{
    Error, Result,
    gate::{input::InputGate, output::OutputGate},
    handler::{Class, Handler},
    instrument::point,
    node::{Entry, NodeContext},
    platform::WallTime,
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
    instance: RefCell<Option<Rc<dyn Handler>>>,
    /// Tasks in flight that keep the object from hibernating.
    in_flight: Cell<usize>,
    /// Counts the events that arrived; an idle period is over when it changed.
    arrivals: Cell<u64>,
    alarm_runs: AlarmRuns,
    /// The constructor stands at the gate, or is done.
    is_constructed: Cell<bool>,
    aborts: RefCell<Vec<AbortHandle>>,
    ended: Cell<bool>,
}

impl Activation {
    /// Opens the object's storage. The first event queues the constructor before itself.
    ///
    /// # Errors
    /// The storage cannot be opened: the object's files are left as they are.
    pub(crate) fn start(node: &Rc<NodeContext>, entry: &Rc<Entry>) -> Result<Rc<Self>> {
        let class = entry.class();
        let label = Rc::clone(&entry.label);
        point!("activation_start", object = &*label);
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
            links: Rc::clone(&node.platform.links),
        };
        let storage = ActivationStorage::open(ActivationSetup {
            storage,
            backend: entry.backend,
            sections: Rc::new(SectionsOfTheTurn),
            alarm_handler: class.handles_alarms(),
        })
        .inspect_err(|_| point!("activation_end", object = &*label, reason = "storage"))?;
        let activation = Rc::new(Self {
            node: Rc::clone(node),
            entry: Rc::clone(entry),
            label,
            input: InputGate::new(),
            output,
            storage,
            turn_began_at,
            instance: RefCell::default(),
            in_flight: Cell::new(0),
            arrivals: Cell::new(0),
            alarm_runs: AlarmRuns::default(),
            is_constructed: Cell::default(),
            aborts: RefCell::default(),
            ended: Cell::new(false),
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
    fn construct_once(self: &Rc<Self>) {
        if !self.is_constructed.replace(true) {
            self.construct(self.entry.class());
        }
    }

    fn construct(self: &Rc<Self>, class: Rc<dyn Class>) {
        let task = Task::new(Rc::clone(&self.input));
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
        self.spawn(async move {
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

    /// Runs `task` until it is done or the activation ends; until then the object is not idle.
    pub(crate) fn spawn(self: &Rc<Self>, task: impl Future<Output = ()> + 'static) {
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
        self.in_flight.set(self.in_flight.get() + 1);
        let activation = Rc::clone(self);
        self.node.platform.spawn.spawn(Box::pin(async move {
            let finished = Abortable::new(task, registration).await.is_ok();
            abort.abort(); // marks it as done for the cleaning above
            if finished {
                activation.task_done();
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

    /// Ends the activation: nothing of it runs or reaches its storage any more.
    pub(crate) fn end(self: &Rc<Self>, ending: Ending, error: Error) {
        if self.ended.replace(true) {
            return;
        }
        point!(
            "activation_end",
            object = &*self.label,
            reason = ending.as_str()
        );
        self.end_alarms();
        self.entry.forget_activation(self);
        self.node
            .remember_how_it_is_left(self.entry.storage_path(), self.storage.left());
        self.storage.shut_down(error.clone());
        self.output.break_with(error);
        for abort in self.aborts.borrow_mut().drain(..) {
            abort.abort();
        }
        drop(self.instance.borrow_mut().take());
    }
}

/// How many finished tasks may lie about before the list of running ones is cleaned.
const ABORTS_BEFORE_CLEANING: usize = 64;
