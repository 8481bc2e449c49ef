//! How many calls of its own an event may have under way at once: six; more wait for one of them to be answered (O-6).
//!
//! It is counted per event, with the background tasks and critical sections that it started. An event that fans out to a hundred objects so has
//! them answer in an order that its own code did not choose, and a call that waits for a seventh call of the same event waits for ever.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use futures_channel::oneshot;

/// How many calls of one event may be under way at once, unless the node says otherwise.
pub(crate) const CONNECTIONS_MAX: usize = 6;

/// The calls of one event.
#[derive(Default)]
pub(crate) struct Connections {
    open: Cell<usize>,
    waiting: RefCell<VecDeque<oneshot::Sender<Connection>>>,
}

/// The right to have a call under way, until it is dropped.
pub(crate) struct Connection(Option<Rc<Connections>>);

impl Connections {
    /// Takes a place now; completes when the call may leave. Places are given in the order of these calls.
    pub(crate) fn enter(
        self: &Rc<Self>,
        max: usize,
    ) -> impl Future<Output = Connection> + use<> + 'static {
        let (open, place) = oneshot::channel();
        if self.open.get() < max {
            self.open.set(self.open.get() + 1);
            let _ = open.send(Connection(Some(Rc::clone(self)))); // the receiver is in our hands
        } else {
            self.waiting.borrow_mut().push_back(open);
        }
        // A sender goes only with the whole event, and then nobody asks any more.
        async move { place.await.unwrap_or(Connection(None)) }
    }

    fn leave(self: &Rc<Self>) {
        loop {
            let next = self.waiting.borrow_mut().pop_front();
            let Some(next) = next else { break };
            match next.send(Connection(Some(Rc::clone(self)))) {
                Ok(()) => return,
                // It gave up: its place goes to the one behind it.
                Err(mut unused) => unused.0 = None,
            }
        }
        self.open.set(self.open.get() - 1);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(connections) = self.0.take() {
            connections.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_call_beyond_the_limit_waits_for_one_before_it_and_keeps_its_place() {
        let connections = Rc::new(Connections::default());
        let first = connections.enter(2).now_or_never().expect("the first");
        let second = connections.enter(2).now_or_never().expect("the second");
        let mut third = Box::pin(connections.enter(2));
        let mut fourth = Box::pin(connections.enter(2));
        assert!(third.as_mut().now_or_never().is_none());
        drop(first);
        assert!(
            fourth.as_mut().now_or_never().is_none(),
            "it must not overtake the third"
        );
        let third = third.as_mut().now_or_never().expect("a place became free");
        drop((second, third));
        assert!(fourth.as_mut().now_or_never().is_some());
    }

    #[test]
    fn a_place_that_is_given_up_goes_to_the_next_one() {
        let connections = Rc::new(Connections::default());
        let first = connections.enter(1).now_or_never().expect("the first");
        let gives_up = connections.enter(1);
        let mut next = Box::pin(connections.enter(1));
        drop(gives_up);
        drop(first);
        assert!(next.as_mut().now_or_never().is_some());
    }

    #[test]
    fn a_place_that_was_granted_and_never_taken_is_free_again() {
        let connections = Rc::new(Connections::default());
        drop(connections.enter(1));
        assert!(connections.enter(1).now_or_never().is_some());
    }
}
