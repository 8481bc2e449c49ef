//! Completions: everything in the world that takes time ends in one.
//!
//! A message under way, a sync, a timer: each is a completion with a time at which it is due. The world lets one of those that are due happen,
//! waits until nothing is left to do, and lets the next one happen.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::{
    World,
    director::{Alternative, Director},
};

/// One thing that will be complete at some time.
pub(crate) struct Completion {
    kind: &'static str,
    priority: u64,
    /// On whose behalf it happens.
    actor: u64,
    /// Completions of one queue happen in the order in which they were made.
    queue: Option<u64>,
    state: Cell<State>,
    waker: RefCell<Option<Waker>>,
    effect: RefCell<Option<Box<dyn FnOnce()>>>,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    UnderWay,
    Done,
    Abandoned,
}

/// Waits for a completion. Dropping it abandons the wait, and the completion with it unless that has an effect of its own.
pub(crate) struct Wait(Rc<Completion>);

/// What to make a completion from.
pub(crate) struct NewCompletion {
    pub(crate) kind: &'static str,
    pub(crate) due: Duration,
    pub(crate) priority: u64,
    pub(crate) queue: Option<u64>,
    /// Happens when the completion does, waited for or not.
    pub(crate) effect: Option<Box<dyn FnOnce()>>,
}

/// Something that the world itself does at a time.
type Deed = Box<dyn FnOnce(&Rc<World>)>;

enum Due {
    Completion(Rc<Completion>),
    Deed(Deed),
}

/// Everything that is to come, by time, and what is due now.
#[derive(Default)]
pub(crate) struct Agenda {
    to_come: BTreeMap<(Duration, u64), Due>,
    made: u64,
    ready: Vec<Rc<Completion>>,
}

impl Agenda {
    /// Adds a completion on behalf of whoever owns its queue, or of the disk.
    pub(crate) fn add(&mut self, new: NewCompletion) -> Wait {
        let owner = new.queue.unwrap_or(0);
        self.add_for(owner, new)
    }

    /// Adds a completion on behalf of `actor`.
    pub(crate) fn add_for(&mut self, actor: u64, new: NewCompletion) -> Wait {
        let NewCompletion {
            kind,
            due,
            priority,
            queue,
            effect,
        } = new;
        let completion = Rc::new(Completion {
            kind,
            priority,
            actor,
            queue,
            state: Cell::new(State::UnderWay),
            waker: RefCell::default(),
            effect: RefCell::new(effect),
        });
        self.push(due, Due::Completion(Rc::clone(&completion)));
        Wait(completion)
    }

    pub(crate) fn add_deed(&mut self, due: Duration, deed: impl FnOnce(&Rc<World>) + 'static) {
        self.push(due, Due::Deed(Box::new(deed)));
    }

    fn push(&mut self, due: Duration, what: Due) {
        self.made += 1;
        self.to_come.insert((due, self.made), what);
    }

    /// When the next thing is due, abandoned ones left aside.
    pub(crate) fn next_due(&mut self) -> Option<Duration> {
        loop {
            let first = self.to_come.first_entry()?;
            match first.get() {
                Due::Completion(completion) if completion.is_abandoned() => drop(first.remove()),
                Due::Completion(_) | Due::Deed(_) => return Some(first.key().0),
            }
        }
    }

    /// Moves everything that is due by `now` to where the director chooses from, and returns the deeds.
    pub(crate) fn collect_due(&mut self, now: Duration) -> Vec<Deed> {
        let mut deeds = Vec::new();
        while let Some(first) = self.to_come.first_entry()
            && first.key().0 <= now
        {
            match first.remove() {
                Due::Completion(completion) => self.ready.push(completion),
                Due::Deed(deed) => deeds.push(deed),
            }
        }
        deeds
    }

    /// Takes one of the ready completions, asking the director if there is a choice.
    pub(crate) fn take_ready(&mut self, director: &mut Director) -> Option<Rc<Completion>> {
        self.ready.retain(|completion| !completion.is_abandoned());
        let mut alternatives = Vec::with_capacity(self.ready.len());
        let mut heads = Vec::with_capacity(self.ready.len());
        for (index, completion) in self.ready.iter().enumerate() {
            let behind_another = completion.queue.is_some()
                && self.ready[..index]
                    .iter()
                    .any(|earlier| earlier.queue == completion.queue);
            if !behind_another {
                alternatives.push(Alternative {
                    kind: completion.kind,
                    priority: completion.priority,
                    actor: completion.actor,
                });
                heads.push(index);
            }
        }
        let taken = match heads.len() {
            0 => return None,
            1 => heads[0],
            _ => heads[director.choose(&alternatives)],
        };
        Some(self.ready.remove(taken))
    }
}

impl Completion {
    fn is_abandoned(&self) -> bool {
        self.state.get() == State::Abandoned && self.effect.borrow().is_none()
    }

    /// Lets it happen.
    pub(crate) fn happen(&self) {
        let effect = self.effect.borrow_mut().take();
        if let Some(effect) = effect {
            effect();
        }
        if self.state.replace(State::Done) == State::UnderWay {
            let waker = self.waker.borrow_mut().take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.state.get() == State::Done {
            return Poll::Ready(());
        }
        *self.0.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if self.0.state.get() == State::UnderWay {
            self.0.state.set(State::Abandoned);
        }
    }
}
