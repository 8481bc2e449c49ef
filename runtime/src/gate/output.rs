//! The output gate: nothing leaves an object before what it implies is durable.
//!
//! A reply, a call to another object or a socket message waits for the confirmations that were outstanding when it was
//! issued. Without the gate a caller can see a counter at 6, the power fails, and the counter is 5 again.
//!
//! In: [`Confirmation`]s from the storage, one for each batch of writes. Out: the activation calls [`OutputGate::pass`] before anything
//! leaves. A failed confirmation breaks the gate for good; the activation is thrown away, never repaired (GATE-10, GATE-11).

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    rc::Rc,
    task::{Poll, Waker},
};

use crate::{Error, Result, mutation::Mutation};

/// The gate of one activation.
#[derive(Default)]
pub(crate) struct OutputGate {
    /// Confirmations issued so far; each has the number before it.
    issued: Cell<u64>,
    /// Numbers of confirmations that are still outstanding, ascending. Commits are ordered, so it is a queue in practice.
    outstanding: RefCell<Vec<u64>>,
    waiting: RefCell<Vec<Waker>>,
    broken: RefCell<Option<Error>>,
    on_break: RefCell<Option<OnBreak>>,
}

/// What is to be done when the gate breaks.
type OnBreak = Box<dyn FnOnce(Error)>;

/// A batch of writes that is not durable yet. Dropping it undecided breaks the gate.
pub(crate) struct Confirmation {
    gate: Rc<OutputGate>,
    number: u64,
    settled: bool,
}

impl OutputGate {
    pub(crate) fn new() -> Rc<Self> {
        Rc::default()
    }

    /// Called once, synchronously, with the reason when the gate breaks.
    pub(crate) fn set_on_break(&self, on_break: impl FnOnce(Error) + 'static) {
        *self.on_break.borrow_mut() = Some(Box::new(on_break));
    }

    /// Holds back whatever is issued from now on, until the confirmation is settled.
    pub(crate) fn hold(self: &Rc<Self>) -> Confirmation {
        let number = self.issued.get();
        self.issued.set(number + 1);
        self.outstanding.borrow_mut().push(number);
        Confirmation {
            gate: Rc::clone(self),
            number,
            settled: false,
        }
    }

    /// Completes when every confirmation outstanding *now* is given; later ones do not matter.
    ///
    /// # Errors
    /// The reason for which the gate broke.
    pub(crate) fn pass(self: &Rc<Self>) -> impl Future<Output = Result<()>> + use<> + 'static {
        let gate = Rc::clone(self);
        let before = self.issued.get();
        poll_fn(move |cx| {
            if let Some(error) = &*gate.broken.borrow() {
                return Poll::Ready(Err(error.clone()));
            }
            let clear = gate
                .outstanding
                .borrow()
                .first()
                .is_none_or(|&oldest| oldest >= before);
            if clear || Mutation::OutputGateOpen.is_active() {
                return Poll::Ready(Ok(()));
            }
            gate.waiting.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
    }

    /// Nothing is held back.
    pub(crate) fn is_clear(&self) -> bool {
        self.outstanding.borrow().is_empty()
    }

    /// Breaks the gate: every present and later [`pass`](Self::pass) fails with `error`. The first reason stays.
    pub(crate) fn break_with(&self, error: Error) {
        if self.broken.borrow().is_some() {
            return;
        }
        *self.broken.borrow_mut() = Some(error.clone());
        self.wake();
        let on_break = self.on_break.borrow_mut().take();
        if let Some(on_break) = on_break {
            on_break(error);
        }
    }

    fn settle(&self, number: u64) {
        self.outstanding
            .borrow_mut()
            .retain(|&other| other != number);
        self.wake();
    }

    fn wake(&self) {
        let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        for waker in waiting {
            waker.wake();
        }
    }
}

impl Confirmation {
    /// The writes are durable.
    pub(crate) fn confirm(mut self) {
        self.settled = true;
        self.gate.settle(self.number);
    }

    /// The writes failed, or it is not known whether they are durable: the object must be reset.
    pub(crate) fn fail(mut self, error: Error) {
        self.settled = true;
        self.gate.break_with(error);
    }
}

impl Drop for Confirmation {
    fn drop(&mut self) {
        if !self.settled {
            self.gate
                .break_with(Error::from("output lock was canceled before completion").with_reset());
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn an_output_waits_for_the_writes_before_it_and_not_for_later_ones() {
        let gate = OutputGate::new();
        let first = gate.hold();
        let mut output = Box::pin(gate.pass());
        let second = gate.hold();
        assert!(output.as_mut().now_or_never().is_none());
        first.confirm();
        assert_eq!(output.as_mut().now_or_never(), Some(Ok(())));
        second.confirm();
    }

    #[test]
    fn a_failed_write_breaks_the_gate_for_all_and_for_good() {
        let gate = OutputGate::new();
        let reason = Rc::new(RefCell::new(None));
        gate.set_on_break({
            let reason = Rc::clone(&reason);
            move |error| *reason.borrow_mut() = Some(error)
        });
        let write = gate.hold();
        let mut output = Box::pin(gate.pass());
        assert!(output.as_mut().now_or_never().is_none());
        write.fail(Error::from("disk is gone"));
        assert_eq!(
            output.now_or_never(),
            Some(Err(Error::from("disk is gone")))
        );
        assert_eq!(
            gate.pass().now_or_never(),
            Some(Err(Error::from("disk is gone")))
        );
        assert_eq!(*reason.borrow(), Some(Error::from("disk is gone")));
    }

    #[test]
    fn a_confirmation_that_is_dropped_undecided_breaks_the_gate() {
        let gate = OutputGate::new();
        drop(gate.hold());
        assert!(matches!(gate.pass().now_or_never(), Some(Err(_))));
    }
}
