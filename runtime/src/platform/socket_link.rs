//! The way of a WebSocket's messages between its two ends.
//!
//! Like the link of a call it stands between the ends also where both are in one process, because that is where orders arise: a message takes its
//! time, one of another socket may overtake it, one of the same socket and direction never does. A connection can break: then what was
//! under way may be lost, and each end learns of it when the news reaches it, or when it sends something, or, if the way is dead in
//! one direction only, not for a long time.

use std::{cell::Cell, rc::Rc};

use super::{LocalBoxFuture, Lost};

/// Which of a connection's two ends a message comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SocketEnd {
    /// The one on the machine on which the connection was made: in practice the object's.
    Near,
    /// The other one: in practice the client's.
    Far,
}

/// One connection's way.
pub trait SocketLink {
    /// How the connection is called in traces. No two of one platform have the same number.
    fn number(&self) -> u64;

    /// The far end is now held by `holder` (`client-1`, `Counter/a`). It may be passed on; before the first call nothing is carried.
    fn reach(&self, holder: &str);

    /// Completes when a message of so many bytes has arrived; `None` if it has arrived already. Messages of one direction arrive in the order of these
    /// calls, whatever the order in which the futures are polled. After [`Lost`] nothing of this direction arrives any more.
    fn carry(
        &self,
        from: SocketEnd,
        bytes: usize,
    ) -> Option<LocalBoxFuture<'static, Result<(), Lost>>>;

    /// Completes when the end `at` hears that the connection broke, without having sent anything; `None` if it never breaks on its own.
    fn broken(&self, at: SocketEnd) -> Option<LocalBoxFuture<'static, ()>>;
}

/// The way between two ends in one process: at once, and never broken.
#[derive(Debug)]
pub struct Direct(u64);

thread_local! {
    static NEXT: Cell<u64> = const { Cell::new(1) };
}

impl Direct {
    /// A way with the thread's next number.
    pub fn open() -> Rc<dyn SocketLink> {
        Rc::new(Self(NEXT.replace(NEXT.get() + 1)))
    }
}

impl SocketLink for Direct {
    fn number(&self) -> u64 {
        self.0
    }

    fn reach(&self, _holder: &str) {}

    fn carry(
        &self,
        _from: SocketEnd,
        _bytes: usize,
    ) -> Option<LocalBoxFuture<'static, Result<(), Lost>>> {
        None
    }

    fn broken(&self, _at: SocketEnd) -> Option<LocalBoxFuture<'static, ()>> {
        None
    }
}
