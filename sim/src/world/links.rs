//! Simulated links: the way of a call to an object and of its reply.
//!
//! # Fault model
//! A message takes a drawn time; messages of one leg of one link arrive in order, between links any order is possible. A connection can be lost: with the call
//! under way (it never ran) or with the reply under way (it did), and the caller cannot tell which. When the machine at the far end goes down,
//! every link to it is lost. A lost link stays lost. A client that is cut off loses every message, and learns of it when the partition is over.
//!
//! An alarm comes to its object over a link, too, and its end goes back over it; either can be late or be lost.
//!
//! Between objects of one machine a message takes no time. The legacy storage service is another matter: its files are on the objects'
//! machine, because they must go down with the power there, but its messages take as long as those between machines.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use dormouse::{
    Host, ObjectAddress, Session,
    platform::{Leg, Link, Links, LocalBoxFuture, Lost, SocketLink},
};

use super::{
    World,
    completion::NewCompletion,
    machine::{Life, Machine},
    sockets::SimSocket,
};
use crate::{fault::FaultKind, seed::Draw};

/// How the far end of a link to the legacy storage is called: `storage of Counter/a`.
const STORAGE_SERVICE: &str = "storage of ";

/// How the near end of a link is called over which an alarm comes.
const ALARMS: &str = "alarms";

/// The [`Links`] port of one life.
pub(crate) struct SimLinks {
    pub(crate) world: Rc<World>,
    pub(crate) life: Rc<Life>,
    /// The machine on which the objects live.
    pub(crate) far_end: Rc<Machine>,
}

struct SimLink {
    world: Rc<World>,
    owner: Rc<Life>,
    far_end: Rc<Machine>,
    key: u64,
    /// Who calls over it.
    caller: u64,
    state: RefCell<Connection>,
    /// Messages take no time, unless links are slow.
    is_local: bool,
    /// An alarm comes over it.
    is_alarm: bool,
    carried: Cell<u64>,
    /// When the latest message of each leg arrives: a later one may not arrive before it.
    latest: [Cell<Duration>; 2],
}

/// What a link is connected to.
enum Connection {
    NotYet,
    To(Rc<Life>),
    Lost,
}

impl Links for SimLinks {
    fn open(&self, from: &str, to: &str) -> Rc<dyn Link> {
        let number = self.world.next_link(from, to);
        let is_local = self.life.machine == self.far_end.name && !to.starts_with(STORAGE_SERVICE);
        Rc::new(SimLink {
            is_local,
            is_alarm: from == ALARMS,
            world: Rc::clone(&self.world),
            owner: Rc::clone(&self.life),
            far_end: Rc::clone(&self.far_end),
            caller: self.world.seed.key(from),
            key: self
                .world
                .seed
                .keyed(
                    "link",
                    self.world.seed.key(from),
                    self.world.seed.key(to) ^ number,
                )
                .number(),
            state: RefCell::new(Connection::NotYet),
            carried: Cell::new(0),
            latest: Default::default(),
        })
    }

    fn open_socket(&self, from: &str) -> Rc<dyn SocketLink> {
        SimSocket::open(&self.world, &self.life, from)
    }
}

impl SimLink {
    /// How long a message takes. Whole milliseconds, so that messages often arrive at the same time and the director has a choice.
    fn latency(&self, draw: &mut Draw) -> Duration {
        if self.world.faults.borrow().is_calm() {
            return Duration::ZERO;
        }
        let millis = match (draw.below(16), self.is_local) {
            (0..=9, _) | (_, true) => 0,
            (10..=13, false) => 1,
            (14, false) => draw.below(10),
            (_, false) => draw.below(200),
        };
        Duration::from_millis(millis) + self.world.faults.borrow().extra_latency()
    }

    /// Whether an alarm, or the word of its end, is lost; and by how much it is late.
    fn faults_of_alarm(&self, leg: Leg) -> (bool, Duration) {
        let mut faults = self.world.faults.borrow_mut();
        let late = if leg == Leg::Call {
            faults.alarm_is_late()
        } else {
            None
        };
        let lost = faults.loses_alarm();
        drop(faults);
        if late.is_some() {
            self.world.note_effect(FaultKind::AlarmLate);
        }
        if lost {
            self.world.note_effect(FaultKind::AlarmLost);
        }
        (lost, late.unwrap_or_default())
    }

    fn connect(&self) {
        let mut state = self.state.borrow_mut();
        if matches!(*state, Connection::NotYet) {
            let life = Rc::clone(&self.far_end.life.borrow());
            *state = if life.is_dead() {
                Connection::Lost
            } else {
                Connection::To(life)
            };
        }
    }
}

impl Link for SimLink {
    fn carry(&self, leg: Leg) -> LocalBoxFuture<'static, Result<(), Lost>> {
        if self.owner.is_dead() {
            return Box::pin(std::future::pending());
        }
        self.connect();
        let (name, kind, latest) = match leg {
            Leg::Call => ("link_call", "call", &self.latest[0]),
            Leg::Reply => ("link_reply", "reply", &self.latest[1]),
        };
        self.world.point(&self.owner, name, 0);
        let (alarm_lost, alarm_late) = if self.is_alarm {
            self.faults_of_alarm(leg)
        } else {
            (false, Duration::ZERO)
        };
        if alarm_lost {
            *self.state.borrow_mut() = Connection::Lost;
        } else if self.world.faults.borrow_mut().loses(leg) {
            self.world.note_effect_of_loss(&self.owner, leg);
            *self.state.borrow_mut() = Connection::Lost;
        }
        let cut_off = self.cut_off_until();
        if cut_off.is_some() {
            self.world.note_partitioned(&self.owner);
            *self.state.borrow_mut() = Connection::Lost;
        }
        let which = self.carried.get();
        self.carried.set(which + 1);
        let mut draw = self.world.drawing_seed().keyed("latency", self.key, which);
        let arrives = self.world.now() + self.latency(&mut draw) + alarm_late;
        // Who is cut off learns of it when he can be reached again.
        let due = latest.get().max(arrives).max(cut_off.unwrap_or_default());
        latest.set(due);
        let new = NewCompletion {
            kind,
            due,
            priority: draw.number(),
            queue: Some(self.key ^ leg as u64),
            effect: None,
        };
        let wait = self.world.complete_for(self.caller, new);
        let link = self.share();
        let (world, owner) = (Rc::downgrade(&self.world), Rc::clone(&self.owner));
        let crosses = self.crosses();
        Box::pin(async move {
            wait.await;
            if link.is_lost() {
                return Err(Lost);
            }
            // The way was cut while the message was on it.
            if crosses
                && let Some(world) = world.upgrade()
                && world.is_cut_off(&owner.machine)
            {
                world.note_partitioned(&owner);
                return Err(Lost);
            }
            Ok(())
        })
    }
}

impl SimLink {
    /// The link leads to another machine.
    fn crosses(&self) -> bool {
        self.owner.machine != self.far_end.name
    }

    fn cut_off_until(&self) -> Option<Duration> {
        let world = &self.world;
        let until = world
            .faults
            .borrow()
            .cut_off_until(&self.owner.machine, world.now());
        until.filter(|_| self.crosses())
    }

    /// What the message needs to know of its link when it arrives.
    fn share(&self) -> LinkState {
        let state = match &*self.state.borrow() {
            Connection::NotYet => unreachable!("a message connects its link"),
            Connection::To(life) => Some(Rc::clone(life)),
            Connection::Lost => None,
        };
        LinkState(state)
    }
}

/// The far end's life, or nothing if the link was lost when the message left.
struct LinkState(Option<Rc<Life>>);

impl LinkState {
    fn is_lost(&self) -> bool {
        self.0.as_ref().is_none_or(|life| life.is_dead())
    }
}

/// Where a simulated client's calls go.
pub(crate) struct SimHost {
    pub(crate) world: Rc<World>,
    pub(crate) machine: Rc<Machine>,
    pub(crate) links: SimLinks,
}

impl Host for SimHost {
    fn session(&self, object: &ObjectAddress) -> Option<Session> {
        let far_end = &self.links.far_end;
        if far_end.life.borrow().is_dead() {
            return None;
        }
        far_end
            .node
            .borrow()
            .as_ref()
            .map(|node| node.session(object))
    }

    fn link(&self, from: &str, to: &ObjectAddress) -> Rc<dyn Link> {
        self.links.open(from, to.label())
    }

    fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        self.links.life.tasks.spawn(task);
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        self.world.fill_random(&self.machine, bytes);
    }
}
