//! Links that take their time and lose connections when they are told to.
//!
//! Fault model: a message arrives after a number of ticks, in the order of its leg; all of them can be held. The next connections that
//! are opened can be doomed, each to lose its first call or its first reply, and everything after it.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::poll_fn,
    rc::Rc,
    task::Poll,
};

use crate::platform::{Leg, Link, Links, LocalBoxFuture, Lost};

#[derive(Default)]
pub(super) struct TestLinks(Rc<State>);

#[derive(Default)]
struct State {
    ends: RefCell<Vec<(String, String)>>,
    /// How many calls each connection carried, in the order in which they were opened.
    calls: RefCell<Vec<usize>>,
    doomed: RefCell<VecDeque<Leg>>,
    delayed: RefCell<VecDeque<[u64; 2]>>,
    gap: Cell<Option<usize>>,
    held: Cell<bool>,
    tick: Cell<u64>,
    slowest: Cell<u64>,
    chance: Cell<u64>,
}

struct TestLink {
    state: Rc<State>,
    number: usize,
    doom: Option<Leg>,
    /// How many ticks each message takes, by leg, if the test has said so.
    takes: Option<[u64; 2]>,
    lost: Cell<bool>,
    latest: [Cell<u64>; 2],
}

impl TestLinks {
    /// Messages stay on their way until this is taken back.
    pub(super) fn hold(&self, held: bool) {
        self.0.held.set(held);
    }

    /// Each message takes up to so many ticks, by the toss of a coin of this number.
    pub(super) fn slow_down(&self, slowest: u64, chance: u64) {
        self.0.slowest.set(slowest);
        self.0.chance.set(chance | 1);
    }

    pub(super) fn tick(&self) {
        self.0.tick.set(self.0.tick.get() + 1);
    }

    /// The next connections lose these, one each.
    pub(super) fn lose(&self, legs: impl IntoIterator<Item = Leg>) {
        self.0.doomed.borrow_mut().extend(legs);
    }

    /// Each connection loses its call of this number, counted from 1, and nothing else.
    pub(super) fn lose_only(&self, call: usize) {
        self.0.gap.set(Some(call));
    }

    /// The messages of the next connections take so many ticks: a call, and a reply.
    pub(super) fn delay(&self, ticks: impl IntoIterator<Item = [u64; 2]>) {
        self.0.delayed.borrow_mut().extend(ticks);
    }

    /// How many calls each connection carried that was opened since this was last asked.
    pub(super) fn take_calls(&self) -> Vec<usize> {
        // The places stay, because the connections know their own.
        let mut calls = self.0.calls.borrow_mut();
        calls
            .iter_mut()
            .map(std::mem::take)
            .filter(|&calls| calls > 0)
            .collect()
    }

    pub(super) fn ends(&self) -> Vec<(String, String)> {
        self.0.ends.borrow().clone()
    }
}

impl Links for TestLinks {
    fn open_socket(&self, _: &str) -> Rc<dyn crate::platform::SocketLink> {
        unreachable!("storage opens no sockets")
    }

    fn open(&self, from: &str, to: &str) -> Rc<dyn Link> {
        let state = &self.0;
        state.ends.borrow_mut().push((from.into(), to.into()));
        let number = state.calls.borrow().len();
        state.calls.borrow_mut().push(0);
        Rc::new(TestLink {
            state: Rc::clone(state),
            number,
            doom: state.doomed.borrow_mut().pop_front(),
            takes: state.delayed.borrow_mut().pop_front(),
            lost: Cell::new(false),
            latest: Default::default(),
        })
    }
}

impl Link for TestLink {
    fn carry(&self, leg: Leg) -> LocalBoxFuture<'static, Result<(), Lost>> {
        if leg == Leg::Call {
            self.state.calls.borrow_mut()[self.number] += 1;
        }
        if self.doom == Some(leg) {
            self.lost.set(true);
        }
        let carried = self.state.calls.borrow()[self.number];
        let in_gap = leg == Leg::Call && self.state.gap.get() == Some(carried);
        let (state, lost) = (Rc::clone(&self.state), self.lost.get() || in_gap);
        let mut chance = state.chance.get();
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        state.chance.set(chance);
        let drawn = chance % (state.slowest.get() + 1);
        let takes = self.takes.map_or(drawn, |takes| takes[leg as usize]);
        let latest = &self.latest[leg as usize];
        let due = latest.get().max(state.tick.get() + takes);
        latest.set(due);
        Box::pin(poll_fn(move |_| {
            if state.held.get() || state.tick.get() < due {
                Poll::Pending // the tests poll without being woken
            } else if lost {
                Poll::Ready(Err(Lost))
            } else {
                Poll::Ready(Ok(()))
            }
        }))
    }
}
