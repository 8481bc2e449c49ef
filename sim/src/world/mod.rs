//! The world: machines, the way between them, time, and what goes wrong.
//!
//! One thing happens at a time. The world lets a [`completion`] happen, waits until no machine has anything left to do, and asks
//! the [`director`] for the next one; when nothing is ready, virtual time jumps to what is due next. So what a run does is a function of its
//! plan, its seed and its tape alone, and not of the order in which the executor underneath polls its tasks.
//!
//! The simulated twins of the runtime's ports: [`disk`], [`links`], [`sockets`], and the small ones in [`ports`].

pub(crate) mod completion;
pub(crate) mod current;
pub(crate) mod director;
pub(crate) mod disk;
pub(crate) mod links;
pub(crate) mod machine;
pub(crate) mod oracle;
pub(crate) mod ports;
pub(crate) mod sockets;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    rc::{Rc, Weak},
    time::Duration,
};

use dormouse::{
    Env, NodeBuilder, StartError,
    platform::{Leg, Platform, SocketEnd},
};

use self::{
    completion::{Agenda, NewCompletion, Wait},
    director::{Director, Tape},
    disk::SimDisk,
    links::{SimHost, SimLinks},
    machine::{Life, Machine},
    oracle::DurabilityOracle,
    ports::{SimClock, SimEntropy, SimNetwork, SimSpawn},
    sockets::SimSocket,
};
use crate::{
    check::Violation,
    executor::{self, Activity},
    fault::{
        Fault, FaultKind, SERVER, Trigger,
        armed::{ArmedFaults, Effects},
    },
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
    to_do: RefCell<Vec<FaultKind>>,
    links: RefCell<BTreeMap<(String, String), u64>>,
    /// Every socket that was opened, in this order.
    pub(crate) sockets: RefCell<Vec<Weak<SimSocket>>>,
    sockets_made: Cell<u64>,
    serves: NodeBuilder,
    moments: Cell<u64>,
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
            moments: Cell::new(0),
            streams_in_use: Cell::new(false),
            listening: RefCell::default(),
            name: "world".into(),
        });
        for fault in faults {
            if let Trigger::At(millis) = fault.trigger {
                let fault = fault.clone();
                world.at(Duration::from_millis(millis), move |world| {
                    world.fire(&fault);
                });
            }
        }
        world
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

    pub(crate) fn violated(&self, violation: Violation) {
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

    pub(crate) fn next_socket(&self) -> u64 {
        self.sockets_made.set(self.sockets_made.get() + 1);
        self.sockets_made.get()
    }

    pub(crate) fn uses_sockets(&self) -> bool {
        self.sockets_made.get() > 0
    }

    fn living_sockets(&self) -> Vec<Rc<SimSocket>> {
        let mut sockets = self.sockets.borrow_mut();
        sockets.retain(|socket| socket.strong_count() > 0);
        sockets.iter().filter_map(Weak::upgrade).collect()
    }

    /// One of the sockets between two machines that are open now; which one is drawn.
    fn draw_socket(&self, kind: FaultKind) -> Option<(Rc<SimSocket>, u64)> {
        let open: Vec<_> = self
            .living_sockets()
            .into_iter()
            .filter(|socket| socket.is_open())
            .collect();
        let which = self.faults.borrow().effects.of(kind);
        let mut draw = self.seed.draw("faults", kind.label(), which);
        let count = u64::try_from(open.len()).ok().filter(|&count| count > 0)?;
        let taken = usize::try_from(draw.below(count)).expect("below a length");
        Some((Rc::clone(&open[taken]), draw.number()))
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
        let (world, machine, serves) = (Rc::clone(self), Rc::clone(machine), self.serves.clone());
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
            self.settle();
            if done() {
                return Drive::Reached;
            }
            let next = self
                .agenda
                .borrow_mut()
                .take_ready(&mut self.director.borrow_mut());
            if let Some(completion) = next {
                let machine = self.server();
                let life = Rc::clone(&machine.life.borrow());
                current::during(self, &life, || completion.happen());
                at_this_instant += 1;
                if at_this_instant > HAPPENINGS_AT_ONE_INSTANT_MAX {
                    self.violated(Violation::new(
                        "time goes on",
                        "the objects are busy for ever without any time passing",
                    ));
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
        for kind in to_do {
            self.do_to_node(kind);
        }
    }

    fn do_to_node(self: &Rc<Self>, kind: FaultKind) {
        let machine = self.server();
        let life = Rc::clone(&machine.life.borrow());
        let Some(node) = machine.node.borrow().clone().filter(|_| !life.is_dead()) else {
            return;
        };
        let count = current::during(self, &life, || match kind {
            FaultKind::Hibernate => node.hibernate_idle(),
            FaultKind::Evict => node.evict_all(),
            other => unreachable!("{other} is not done to a node"),
        });
        if count > 0 {
            self.note_fault(kind);
            self.faults.borrow_mut().effects.add(kind, 1);
        }
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
        for fault in fired {
            self.fire(&fault);
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

    fn fire(self: &Rc<Self>, fault: &Fault) {
        if self.faults.borrow().is_healed() {
            return;
        }
        let by = Duration::from_millis(fault.millis);
        match fault.kind {
            FaultKind::ProcessCrash | FaultKind::PowerLoss => {
                if self.crash(fault.kind, by) {
                    self.faults.borrow_mut().effects.add(fault.kind, 1);
                }
            }
            FaultKind::Hibernate | FaultKind::Evict => self.to_do.borrow_mut().push(fault.kind),
            FaultKind::LoseCall => self.faults.borrow_mut().lose_next(Leg::Call),
            FaultKind::LoseReply => self.faults.borrow_mut().lose_next(Leg::Reply),
            FaultKind::CutSocket => {
                if let Some((socket, _)) = self.draw_socket(fault.kind) {
                    self.note_socket_fault(fault.kind, &socket);
                    socket.cut();
                }
            }
            FaultKind::HalfOpenSocket => {
                if let Some((socket, drawn)) = self.draw_socket(fault.kind) {
                    let from = if drawn % 2 == 0 {
                        SocketEnd::Near
                    } else {
                        SocketEnd::Far
                    };
                    self.note_socket_fault(fault.kind, &socket);
                    socket.silence(from);
                }
            }
            FaultKind::SlowLinks => {
                self.note_fault(fault.kind);
                self.faults.borrow_mut().slow_links(by);
            }
            FaultKind::SlowSync => {
                self.note_fault(fault.kind);
                self.faults.borrow_mut().slow_syncs(by);
            }
            FaultKind::FailSync => {
                self.note_fault(fault.kind);
                self.faults.borrow_mut().fail_next_sync();
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
        for socket in self.living_sockets() {
            if socket.is_of(&life) {
                socket.cut();
            }
        }
        if kind == FaultKind::PowerLoss {
            let mut draw = self
                .seed
                .keyed("power", machine.key, u64::from(life.number));
            machine.disk.borrow_mut().lose_power(&mut draw);
        }
        // At least a millisecond: a restart with no downtime tests no outage.
        self.crashed
            .borrow_mut()
            .push((machine, outage.max(Duration::from_millis(1))));
        true
    }

    pub(crate) fn note_effect_of_loss(&self, life: &Life, leg: Leg) {
        let kind = match leg {
            Leg::Call => FaultKind::LoseCall,
            Leg::Reply => FaultKind::LoseReply,
        };
        let mut trace = self.trace.borrow_mut();
        trace
            .record(self.now(), &life.machine, "FAULT")
            .text("kind", kind);
        self.faults.borrow_mut().effects.add(kind, 1);
    }

    fn note_socket_fault(&self, kind: FaultKind, socket: &SimSocket) {
        self.note("FAULT", |recorder| {
            recorder.text("kind", kind);
            recorder.number("socket", socket.number());
        });
        self.faults.borrow_mut().effects.add(kind, 1);
    }

    fn note_fault(&self, kind: FaultKind) {
        self.note("FAULT", |recorder| recorder.text("kind", kind));
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
        self.note("healed", |_| {});
        self.faults.borrow_mut().heal();
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
        Remains {
            trace: self.trace.take(),
            tape: self.director.take().into_tape(),
            effects: self.faults.borrow().effects.clone(),
            violations: self.violations.take(),
            lasted: self.now(),
        }
    }
}
