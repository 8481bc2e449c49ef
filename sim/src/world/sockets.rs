//! Simulated ways of `WebSocket`s.
//!
//! # Fault model
//! A message takes a drawn time; those of one direction of one connection arrive in order, all others in any. A connection can be cut: what is
//! under way in either direction never arrives, and each end hears of it when the news has travelled to it. It can be *half open*: one direction carries nothing any
//! more and nobody is told, as behind a router that forgot the connection; when the faults are healed the connection turns out to be gone, as keep-alives would
//! find out. When the machine of the near end goes down, the far end hears of it in the same way.
//!
//! Between objects of one machine a message takes no time.

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
    task::{Poll, Waker},
    time::Duration,
};

use dormouse::platform::{LocalBoxFuture, Lost, SocketEnd, SocketLink};

use super::{World, completion::NewCompletion, machine::Life};
use crate::{fault::FaultKind, seed::Draw};

/// One connection.
pub(crate) struct SimSocket {
    world: Rc<World>,
    number: u64,
    key: u64,
    near: Rc<Life>,
    /// The machine of the far end is the near end's; `None` before anybody holds it.
    is_local: Cell<Option<bool>>,
    carried: Cell<u64>,
    /// When the latest message of each direction arrives: a later one may not arrive before it.
    latest: [Cell<Duration>; 2],
    /// Directions that carry nothing any more.
    silent: [Cell<bool>; 2],
    broken: Signal,
    news: [Signal; 2],
}

impl World {
    pub(crate) fn next_socket(&self) -> u64 {
        self.sockets_made.set(self.sockets_made.get() + 1);
        self.sockets_made.get()
    }

    pub(crate) fn uses_sockets(&self) -> bool {
        self.sockets_made.get() > 0
    }

    pub(super) fn living_sockets(&self) -> Vec<Rc<SimSocket>> {
        let mut sockets = self.sockets.borrow_mut();
        sockets.retain(|socket| socket.strong_count() > 0);
        sockets.iter().filter_map(Weak::upgrade).collect()
    }

    /// One of the sockets between two machines that are open now; which one is drawn.
    pub(super) fn draw_socket(&self, kind: FaultKind) -> Option<(Rc<SimSocket>, u64)> {
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
}

/// Something that happens once.
#[derive(Clone, Default)]
struct Signal(Rc<SignalState>);

#[derive(Default)]
struct SignalState {
    happened: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

impl Signal {
    fn has_happened(&self) -> bool {
        self.0.happened.get()
    }

    fn happen(&self) {
        self.0.happened.set(true);
        for waker in self.0.waiting.take() {
            waker.wake();
        }
    }

    fn wait(&self) -> impl Future<Output = ()> + use<> {
        let state = Rc::clone(&self.0);
        std::future::poll_fn(move |cx| {
            if state.happened.get() {
                return Poll::Ready(());
            }
            state.waiting.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
    }
}

impl SimSocket {
    pub(crate) fn open(world: &Rc<World>, near: &Rc<Life>, from: &str) -> Rc<Self> {
        let number = world.next_socket();
        let mut key = world.seed.keyed("socket", world.seed.key(from), number);
        let socket = Rc::new(Self {
            world: Rc::clone(world),
            number,
            key: key.number(),
            near: Rc::clone(near),
            is_local: Cell::new(None),
            carried: Cell::new(0),
            latest: Default::default(),
            silent: Default::default(),
            broken: Signal::default(),
            news: Default::default(),
        });
        world.sockets.borrow_mut().push(Rc::downgrade(&socket));
        socket
    }

    /// It is in use between two machines, and could break.
    pub(crate) fn is_open(&self) -> bool {
        self.is_local.get() == Some(false)
            && !self.near.is_dead()
            && !self.broken.has_happened()
            && !self.is_silent()
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.silent.iter().any(Cell::get)
    }

    pub(crate) fn is_of(&self, life: &Rc<Life>) -> bool {
        Rc::ptr_eq(&self.near, life)
    }

    /// From now on nothing that leaves the end `from` arrives, and nobody is told.
    pub(crate) fn silence(&self, from: SocketEnd) {
        self.silent[from as usize].set(true);
    }

    /// The connection is gone. Each end that is alive hears of it in its own time.
    pub(crate) fn cut(&self) {
        if self.broken.has_happened() {
            return;
        }
        self.broken.happen();
        for (index, news) in self.news.iter().enumerate() {
            let mut draw = self.world.seed.keyed("socket news", self.key, index as u64);
            let news = news.clone();
            let due = self.world.now() + self.latency(&mut draw);
            drop(self.world.complete(NewCompletion {
                kind: "socket news",
                due,
                priority: draw.number(),
                queue: None,
                effect: Some(Box::new(move || news.happen())),
            }));
        }
    }

    /// Whole milliseconds, so that messages often arrive at the same time and the director has a choice.
    fn latency(&self, draw: &mut Draw) -> Duration {
        if self.is_local.get() == Some(true) {
            return Duration::ZERO;
        }
        let millis = match draw.below(16) {
            0..=9 => 0,
            10..=13 => 1,
            14 => draw.below(10),
            _ => draw.below(200),
        };
        Duration::from_millis(millis) + self.world.faults.borrow().extra_latency()
    }
}

impl SocketLink for SimSocket {
    fn number(&self) -> u64 {
        self.number
    }

    fn reach(&self, holder: &str) {
        self.is_local.set(Some(!self.world.is_client(holder)));
    }

    fn carry(
        &self,
        from: SocketEnd,
        _bytes: usize,
    ) -> Option<LocalBoxFuture<'static, Result<(), Lost>>> {
        if self.silent[from as usize].get() && !self.broken.has_happened() {
            let broken = self.broken.wait();
            return Some(Box::pin(async move {
                broken.await;
                Err(Lost)
            }));
        }
        let which = self.carried.get();
        self.carried.set(which + 1);
        let mut draw = self
            .world
            .drawing_seed()
            .keyed("socket latency", self.key, which);
        let latest = &self.latest[from as usize];
        let due = latest.get().max(self.world.now() + self.latency(&mut draw));
        latest.set(due);
        let arrival = self.world.complete(NewCompletion {
            kind: "socket message",
            due,
            priority: draw.number(),
            queue: Some(self.key ^ from as u64),
            effect: None,
        });
        let (broken, near) = (self.broken.clone(), Rc::clone(&self.near));
        Some(Box::pin(async move {
            arrival.await;
            if broken.has_happened() || near.is_dead() {
                Err(Lost)
            } else {
                Ok(())
            }
        }))
    }

    fn broken(&self, at: SocketEnd) -> Option<LocalBoxFuture<'static, ()>> {
        Some(Box::pin(self.news[at as usize].wait()))
    }
}
