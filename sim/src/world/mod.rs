//! The world: machines, the way between them, time, and what goes wrong.
//!
//! One thing happens at a time. The world lets a [`completion`] happen, waits until no machine has anything left to do, and asks
//! the [`director`] for the next one; when nothing is ready, virtual time jumps to what is due next. So what a run does is a function of its
//! plan, its seed and its tape alone, and not of the order in which the executor underneath polls its tasks.
//!
//! The simulated twins of the runtime's ports: [`disk`], [`links`], [`sockets`], and the small ones in [`ports`]. What goes wrong is in [`faults`],
//! what is asked in the end in [`rest`].

pub(crate) mod completion;
pub(crate) mod current;
pub(crate) mod director;
pub(crate) mod disk;
mod faults;
pub(crate) mod links;
pub(crate) mod machine;
pub(crate) mod oracle;
pub(crate) mod ports;
mod rest;
pub(crate) mod sockets;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    rc::{Rc, Weak},
    time::Duration,
};

use dormouse::{Env, NodeBuilder, StartError, platform::Platform};

use self::{
    completion::{Agenda, NewCompletion, Wait},
    director::{Director, Order, Tape},
    disk::SimDisk,
    links::{SimHost, SimLinks},
    machine::{Life, Machine},
    oracle::DurabilityOracle,
    ports::{SimClock, SimEntropy, SimNetwork, SimSpawn},
    sockets::SimSocket,
};
use crate::{
    check::{Mark, Violation, assertions},
    executor::{self, Activity},
    fault::{
        Fault, FaultKind, SERVER, Trigger,
        armed::{ArmedFaults, Effects},
    },
    plan::Redraw,
    seed::Seed,
    trace::Trace,
};

/// When a node that could not start is started again.
const START_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How many things may happen at one instant before it is taken for a loop that never ends.
const HAPPENINGS_AT_ONE_INSTANT_MAX: u32 = 100_000;

pub(crate) struct World {
    pub(crate) seed: Seed,
    now: Cell<Duration>,
    /// What the wall clock shows beyond the time that has passed, in milliseconds.
    pub(crate) clock_offset: Cell<i64>,
    pub(crate) activity: Activity,
    agenda: RefCell<Agenda>,
    director: RefCell<Director>,
    pub(crate) trace: RefCell<Trace>,
    pub(crate) faults: RefCell<ArmedFaults>,
    oracle: RefCell<DurabilityOracle>,
    violations: RefCell<Vec<Violation>>,
    server: RefCell<Option<Rc<Machine>>>,
    machines: RefCell<Vec<Rc<Machine>>>,
    crashed: RefCell<Vec<(Rc<Machine>, Duration)>>,
    /// What is to be done to the node as soon as nothing of it is being polled.
    to_do: RefCell<Vec<Fault>>,
    links: RefCell<BTreeMap<(String, String), u64>>,
    /// Every socket that was opened, in this order.
    pub(crate) sockets: RefCell<Vec<Weak<SimSocket>>>,
    sockets_made: Cell<u64>,
    serves: NodeBuilder,
    /// What a code update brings, unless it is the same again.
    next_code: RefCell<Option<NodeBuilder>>,
    code_updated: Cell<bool>,
    moments: Cell<u64>,
    /// What happened so far, one thing after the other.
    happenings: RefCell<Vec<Happening>>,
    redraw: Cell<Option<Redraw>>,
    fired: RefCell<Vec<Fired>>,
    pub(crate) streams_in_use: Cell<bool>,
    /// Addresses at which somebody accepts byte streams.
    pub(crate) listening: RefCell<BTreeSet<SocketAddr>>,
    name: Rc<str>,
}

/// What is left of a world when it is over.
pub(crate) struct Remains {
    pub(crate) trace: Trace,
    pub(crate) tape: Tape,
    pub(crate) effects: Effects,
    pub(crate) violations: Vec<Violation>,
    pub(crate) lasted: Duration,
    pub(crate) happenings: Vec<Happening>,
    pub(crate) fired: Vec<Fired>,
}

/// Where the run stood when something happened: a completion, or what the world itself does at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Happening {
    /// How many events the trace had.
    pub(crate) event: usize,
    /// How many choices were made, the one that led to this included.
    pub(crate) choices: usize,
}

/// A fault of the plan that met its trigger.
#[derive(Clone, Debug)]
pub(crate) struct Fired {
    /// Its place in the plan.
    pub(crate) fault: usize,
    kind: FaultKind,
    /// How many events the trace had.
    pub(crate) event: usize,
    /// How many things had happened, the one included in which it fired.
    pub(crate) happenings: usize,
    /// How often its kind had taken effect before.
    effects_before: u64,
    pub(crate) took_effect: bool,
}

/// How a sleep of the world ended.
#[derive(PartialEq)]
enum Woke {
    InTime,
    Early,
}

/// How the wait for something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drive {
    /// It happened.
    Reached,
    /// It did not happen in time, or nothing can happen any more.
    Stuck,
}

impl World {
    pub(crate) fn new(seed: Seed, faults: &[Fault], tape: Tape, serves: NodeBuilder) -> Rc<Self> {
        let world = Rc::new(Self {
            seed,
            now: Cell::new(Duration::ZERO),
            clock_offset: Cell::new(0),
            activity: Activity::default(),
            agenda: RefCell::default(),
            director: RefCell::new(Director::following(tape)),
            trace: RefCell::default(),
            faults: RefCell::new(ArmedFaults::new(faults)),
            oracle: RefCell::default(),
            violations: RefCell::default(),
            server: RefCell::default(),
            machines: RefCell::default(),
            crashed: RefCell::default(),
            to_do: RefCell::default(),
            links: RefCell::default(),
            sockets: RefCell::default(),
            sockets_made: Cell::new(0),
            serves,
            next_code: RefCell::default(),
            code_updated: Cell::new(false),
            moments: Cell::new(0),
            happenings: RefCell::default(),
            redraw: Cell::default(),
            fired: RefCell::default(),
            streams_in_use: Cell::new(false),
            listening: RefCell::default(),
            name: "world".into(),
        });
        for (place, fault) in faults.iter().enumerate() {
            if let Trigger::At(millis) = fault.trigger {
                let fault = fault.clone();
                world.at(Duration::from_millis(millis), move |world| {
                    world.meets_its_trigger(place, &fault);
                });
            }
        }
        world
    }

    /// What a code update brings, instead of the same again.
    pub(crate) fn set_next_code(&self, next: Option<NodeBuilder>) {
        *self.next_code.borrow_mut() = next;
    }

    /// The code that a node has which starts now.
    fn present_code(&self) -> NodeBuilder {
        let next = self.next_code.borrow();
        match &*next {
            Some(next) if self.code_updated.get() => next.clone(),
            _ => self.serves.clone(),
        }
    }

    /// Says who decides the order where the tape does not, and from where on the seed's draws are other ones.
    pub(crate) fn direct(&self, order: Order, redraw: Option<Redraw>) {
        self.director.borrow_mut().set_order(order);
        self.redraw.set(redraw);
    }

    /// The seed for what is drawn while the world goes on.
    pub(crate) fn drawing_seed(&self) -> Seed {
        match self.redraw.get() {
            Some(redraw) if self.happenings.borrow().len() as u64 > redraw.after => {
                Seed(self.seed.draw("redraw", "world", redraw.salt).number())
            }
            _ => self.seed,
        }
    }

    /// Something is about to happen.
    fn count_happening(&self) {
        let event = self.trace.borrow().len();
        let choices = self.director.borrow().choices();
        let mut happenings = self.happenings.borrow_mut();
        happenings.push(Happening { event, choices });
    }

    /// What comes now is the first thing that is not kept: the order of events is another one from here on.
    fn draw_order_anew_if_it_is_time(&self) {
        if let Some(redraw) = self.redraw.get()
            && self.happenings.borrow().len() as u64 >= redraw.after
        {
            self.director.borrow_mut().draw_anew(redraw.salt);
        }
    }

    /// Virtual time since the start.
    pub(crate) fn now(&self) -> Duration {
        self.now.get()
    }

    /// A number for the next moment: it orders everything that clients saw.
    pub(crate) fn next_moment(&self) -> u64 {
        let moment = self.moments.get();
        self.moments.set(moment + 1);
        moment
    }

    /// Lets `deed` be done at `time`.
    pub(crate) fn at(&self, time: Duration, deed: impl FnOnce(&Rc<Self>) + 'static) {
        self.agenda.borrow_mut().add_deed(time, deed);
    }

    pub(crate) fn complete(&self, new: NewCompletion) -> Wait {
        self.agenda.borrow_mut().add(new)
    }

    pub(crate) fn complete_for(&self, actor: u64, new: NewCompletion) -> Wait {
        self.agenda.borrow_mut().add_for(actor, new)
    }

    /// Somebody saw a promise broken: at what happened last, unless the violation says otherwise.
    pub(crate) fn violated(&self, mut violation: Violation) {
        let events = self.trace.borrow().events().len();
        if violation.marks.is_empty() && events > 0 {
            violation.marks.push(Mark::Event(events - 1));
        }
        self.violations.borrow_mut().push(violation);
    }

    pub(crate) fn has_violations(&self) -> bool {
        !self.violations.borrow().is_empty()
    }

    pub(crate) fn fill_random(&self, machine: &Machine, bytes: &mut [u8]) {
        let which = machine.entropy.get();
        machine.entropy.set(which + 1);
        self.seed.keyed("entropy", machine.key, which).fill(bytes);
    }

    pub(crate) fn next_link(&self, from: &str, to: &str) -> u64 {
        let mut links = self.links.borrow_mut();
        let number = links.entry((from.to_owned(), to.to_owned())).or_default();
        *number += 1;
        *number
    }

    /// Whether `holder` is a client on a machine of its own; all other code runs beside the objects.
    pub(crate) fn is_client(&self, holder: &str) -> bool {
        let machines = self.machines.borrow();
        machines
            .iter()
            .skip(1)
            .any(|machine| *machine.name == *holder)
    }

    // Machines.

    fn new_machine(self: &Rc<Self>, name: &str) -> Rc<Machine> {
        let mut machines = self.machines.borrow_mut();
        let number = u8::try_from(machines.len() + 1).expect("a world has few machines");
        let name: Rc<str> = name.into();
        let machine = Rc::new(Machine {
            key: self.seed.key(&name),
            disk: Rc::default(),
            life: RefCell::new(Life::new(self, &name, 1)),
            power: RefCell::default(),
            node: RefCell::default(),
            timers: Cell::new(0),
            entropy: Cell::new(0),
            syncs: Cell::new(0),
            name,
        });
        machines.push(Rc::clone(&machine));
        let tasks = Rc::clone(&machine.life.borrow().tasks);
        *machine.power.borrow_mut() = Some(executor::Machine::start(&machine.name, number, tasks));
        machine
    }

    /// Makes the machine that runs the objects and starts the runtime on it.
    pub(crate) fn start_server(self: &Rc<Self>) {
        let machine = self.new_machine(SERVER);
        *self.server.borrow_mut() = Some(Rc::clone(&machine));
        self.start_node(&machine);
    }

    fn server(&self) -> Rc<Machine> {
        Rc::clone(
            self.server
                .borrow()
                .as_ref()
                .expect("the server is started first"),
        )
    }

    fn start_node(self: &Rc<Self>, machine: &Rc<Machine>) {
        let life = Rc::clone(&machine.life.borrow());
        let platform = self.platform(machine, &life);
        let (world, machine, serves) = (Rc::clone(self), Rc::clone(machine), self.present_code());
        Rc::clone(&life).tasks.spawn(Box::pin(async move {
            match serves.start(platform) {
                Ok(node) => *machine.node.borrow_mut() = Some(node),
                Err(_) if life.is_dead() => {}
                // The disk refused: whoever watches over the process starts it again.
                Err(StartError::Disk(_)) => {
                    world.crash(FaultKind::ProcessCrash, START_AGAIN_AFTER);
                }
                Err(error) => world.violated(Violation::new(
                    "the node starts on its data folder",
                    error.to_string(),
                )),
            }
        }));
    }

    fn platform(self: &Rc<Self>, machine: &Rc<Machine>, life: &Rc<Life>) -> Platform {
        let (world, machine, life) = (
            || Rc::clone(self),
            || Rc::clone(machine),
            || Rc::clone(life),
        );
        Platform {
            clock: Rc::new(SimClock {
                world: world(),
                machine: machine(),
                life: life(),
            }),
            entropy: Rc::new(SimEntropy {
                world: world(),
                machine: machine(),
            }),
            disk: Rc::new(SimDisk {
                world: world(),
                machine: machine(),
                life: life(),
                open: RefCell::default(),
                opened: Cell::new(0),
            }),
            network: Rc::new(SimNetwork { world: world() }),
            links: Rc::new(SimLinks {
                world: world(),
                life: life(),
                far_end: self.server(),
            }),
            spawn: Rc::new(SimSpawn(life())),
        }
    }

    /// Makes a machine for a client; returns what it can reach, and its ports.
    pub(crate) fn start_client(self: &Rc<Self>, name: &str) -> (Env, Platform, Rc<Life>) {
        let machine = self.new_machine(name);
        let life = Rc::clone(&machine.life.borrow());
        let platform = self.platform(&machine, &life);
        let links = SimLinks {
            world: Rc::clone(self),
            life: Rc::clone(&life),
            far_end: self.server(),
        };
        let host = SimHost {
            world: Rc::clone(self),
            machine,
            links,
        };
        let env = Env::of_client(self.serves.default_bindings(), name, Rc::new(host));
        (env, platform, life)
    }

    // What happens.

    /// Lets things happen until `done`, at most until `limit`.
    pub(crate) async fn drive(self: &Rc<Self>, limit: Duration, done: impl Fn() -> bool) -> Drive {
        let mut at_this_instant = 0;
        loop {
            self.activity.idle().await;
            if self.activity.overran() {
                self.busy_for_ever("some code wakes itself again and again");
                return Drive::Stuck;
            }
            self.settle();
            if done() {
                return Drive::Reached;
            }
            self.draw_order_anew_if_it_is_time();
            let next = self
                .agenda
                .borrow_mut()
                .take_ready(&mut self.director.borrow_mut());
            if let Some(completion) = next {
                let machine = self.server();
                let life = Rc::clone(&machine.life.borrow());
                self.count_happening();
                current::during(self, &life, || completion.happen());
                at_this_instant += 1;
                if at_this_instant > HAPPENINGS_AT_ONE_INSTANT_MAX {
                    self.busy_for_ever("the objects are busy for ever");
                    return Drive::Stuck;
                }
                continue;
            }
            at_this_instant = 0;
            let due = self
                .agenda
                .borrow_mut()
                .next_due()
                .filter(|&due| due <= limit);
            // Byte streams have a timing of their own; with none in use, nothing due means that nothing will ever happen.
            let Some(due) = due.or_else(|| self.streams_in_use.get().then_some(limit)) else {
                return Drive::Stuck;
            };
            if self.sleep_until(due).await == Woke::Early {
                continue;
            }
            if due == limit
                && self
                    .agenda
                    .borrow_mut()
                    .next_due()
                    .is_none_or(|next| next > limit)
            {
                return Drive::Stuck;
            }
            let deeds = self.agenda.borrow_mut().collect_due(due);
            for deed in deeds {
                self.count_happening();
                deed(self);
            }
        }
    }

    /// Lets virtual time pass until `due`, unless a byte stream wakes somebody before.
    async fn sleep_until(&self, due: Duration) -> Woke {
        if due <= self.now() {
            return Woke::InTime;
        }
        let (before, begun) = (executor::elapsed(), self.activity.begun());
        executor::sleep_while_idle(due.saturating_sub(self.now()), &self.activity).await;
        if self.activity.begun() != begun {
            let passed = executor::elapsed().saturating_sub(before);
            self.now.set((self.now() + passed).min(due));
            return Woke::Early;
        }
        self.now.set(due);
        Woke::InTime
    }

    /// Does what could not be done while code was being polled.
    fn settle(self: &Rc<Self>) {
        let crashed = std::mem::take(&mut *self.crashed.borrow_mut());
        for (machine, outage) in crashed {
            drop(machine.node.borrow_mut().take());
            machine
                .power
                .borrow()
                .as_ref()
                .expect("a machine that runs has power")
                .kill();
            self.at(self.now() + outage, move |world| world.restart(&machine));
        }
        let to_do = std::mem::take(&mut *self.to_do.borrow_mut());
        for fault in to_do {
            self.do_to_node(&fault);
        }
    }

    /// Time stands still: nothing else will ever happen.
    fn busy_for_ever(&self, what: &str) {
        let last = self.last_events();
        let why = format!("{what} without any time passing; the last events:\n{last}");
        self.violated(Violation::new("time goes on", why));
    }

    fn restart(self: &Rc<Self>, machine: &Rc<Machine>) {
        let number = machine.life.borrow().number + 1;
        let life = Life::new(self, &machine.name, number);
        machine
            .power
            .borrow()
            .as_ref()
            .expect("it ran before")
            .restart(Rc::clone(&life.tasks));
        *machine.life.borrow_mut() = life;
        self.note("restart", |_| {});
        self.start_node(machine);
    }

    /// An event of the runtime, or of a port, on `life`'s machine has been recorded: it is an injection point.
    pub(crate) fn passed(self: &Rc<Self>, life: &Life, name: &'static str) {
        self.consult_oracle(name);
        let fired = self.faults.borrow_mut().pass(&life.machine, name);
        for (place, fault) in fired {
            self.meets_its_trigger(place, &fault);
        }
    }

    /// A port passes an injection point of its own.
    pub(crate) fn point(self: &Rc<Self>, life: &Life, name: &'static str, size: u64) {
        if life.is_dead() {
            return;
        }
        {
            let mut trace = self.trace.borrow_mut();
            let mut recorder = trace.record(self.now(), &life.machine, name);
            if size > 0 {
                recorder.number("bytes", size);
            }
        }
        self.passed(life, name);
    }

    fn consult_oracle(&self, name: &'static str) {
        self.faults.borrow_mut().reported(name); // some faults show only where the runtime tells of them
        let trace = self.trace.borrow();
        let event = trace.last().expect("it has just been recorded");
        if name == "panicked" {
            let (object, text) = (
                event.text("object").unwrap_or_default(),
                event.text("text").unwrap_or_default(),
            );
            self.violated(Violation::new(
                "no object panics",
                format!("{object}: {text}"),
            ));
        }
        if let Some(violation) = assertions::broken_by(event) {
            self.violated(violation);
        }
        debug_assert_eq!(event.name(), name);
        if !DurabilityOracle::listens_to(name) {
            return;
        }
        let machine = self.server();
        let found = self.oracle.borrow_mut().hear(event, &machine.disk.borrow());
        drop(trace);
        if let Some(violation) = found {
            self.violated(violation);
        }
    }

    /// Fires a fault of the plan, and remembers that it was.
    fn meets_its_trigger(self: &Rc<Self>, place: usize, fault: &Fault) {
        if self.faults.borrow().is_healed() {
            return;
        }
        self.see_what_took_effect(fault.kind);
        self.fired.borrow_mut().push(Fired {
            fault: place,
            kind: fault.kind,
            event: self.trace.borrow().len(),
            happenings: self.happenings.borrow().len(),
            effects_before: self.faults.borrow().effects.of(fault.kind),
            took_effect: false,
        });
        self.fire(fault);
        self.see_what_took_effect(fault.kind);
    }

    /// Some faults take effect later than they fire: the next message is lost, the object hibernates when its turn is over.
    fn see_what_took_effect(&self, kind: FaultKind) {
        let effects = self.faults.borrow().effects.of(kind);
        for fired in self.fired.borrow_mut().iter_mut() {
            if fired.kind == kind {
                fired.took_effect |= effects > fired.effects_before;
            }
        }
    }

    /// Ends the server's life at this very instant; it comes back after `outage`. Says whether there was a life to end.
    pub(crate) fn crash(self: &Rc<Self>, kind: FaultKind, outage: Duration) -> bool {
        let machine = self.server();
        let life = Rc::clone(&machine.life.borrow());
        if life.is_dead() {
            return false; // it is down already
        }
        self.note_fault(kind);
        life.die();
        machine.disk.borrow_mut().close_all();
        for socket in self.living_sockets() {
            if socket.is_of(&life) {
                socket.cut();
            }
        }
        if kind == FaultKind::PowerLoss {
            let mut draw = self
                .drawing_seed()
                .keyed("power", machine.key, u64::from(life.number));
            machine.disk.borrow_mut().lose_power(&mut draw);
        }
        // At least a millisecond: a restart with no downtime tests no outage.
        self.crashed
            .borrow_mut()
            .push((machine, outage.max(Duration::from_millis(1))));
        true
    }

    /// Records something that the world did.
    pub(crate) fn note(
        &self,
        name: &'static str,
        fields: impl FnOnce(&mut crate::trace::Recorder<'_>),
    ) {
        let mut trace = self.trace.borrow_mut();
        fields(&mut trace.record(self.now(), &self.name, name));
    }

    /// Whether the server's machine is up, with the runtime on it.
    pub(crate) fn server_is_up(&self) -> bool {
        let machine = self.server();
        let life = machine.life.borrow();
        machine.node.borrow().is_some() && !life.is_dead()
    }

    /// No fault happens from now on. What is down comes up when its outage is over.
    pub(crate) fn heal(&self) {
        if self.faults.borrow().is_healed() {
            return;
        }
        self.note("healed", |_| {});
        self.faults.borrow_mut().heal();
        let machine = self.server();
        if let Some(node) = &*machine.node.borrow() {
            node.reset_after_exceptions(0);
            node.refuse_calls(0);
            node.repeat_calls(0, Duration::ZERO);
        }
        for socket in self.living_sockets() {
            if socket.is_silent() {
                socket.cut(); // it is found out now
            }
        }
    }

    /// Ends everything, and hands out what was recorded.
    pub(crate) async fn tear_down(self: Rc<Self>) -> Remains {
        let machines = std::mem::take(&mut *self.machines.borrow_mut());
        for machine in &machines {
            machine.life.borrow().die();
        }
        self.activity.idle().await;
        for machine in &machines {
            drop(machine.node.borrow_mut().take());
        }
        drop(machines);
        drop(self.server.borrow_mut().take());
        drop(self.agenda.take());
        self.sockets.borrow_mut().clear();
        self.crashed.borrow_mut().clear();
        for kind in FaultKind::ALL {
            self.see_what_took_effect(kind);
        }
        Remains {
            trace: self.trace.take(),
            tape: self.director.take().into_tape(),
            effects: self.faults.borrow().effects.clone(),
            violations: self.violations.take(),
            lasted: self.now(),
            happenings: self.happenings.take(),
            fired: self.fired.take(),
        }
    }
}
