//! Byte streams inside one thread: what is written has arrived.
//!
//! The simulator's own streams have a timing of their own, and know no half-closed ones. The recorded clients were on the same machine.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    io,
    rc::Rc,
    task::{Poll, Waker},
};

use dormouse::platform::{Listener, LocalBoxFuture, Network, Stream};

/// How much may be under way in one direction.
const PIPE_BYTES: usize = 1 << 20;

/// A network of one machine.
#[derive(Default)]
pub(super) struct Pipes {
    listening: RefCell<BTreeMap<String, Rc<Queue>>>,
    ports: Cell<u16>,
}

/// Streams that wait to be accepted.
#[derive(Default)]
struct Queue {
    streams: RefCell<VecDeque<Box<dyn Stream>>>,
    waker: RefCell<Option<Waker>>,
}

struct Accepting {
    address: String,
    queue: Rc<Queue>,
}

impl Network for Pipes {
    fn listen(&self, address: &str) -> LocalBoxFuture<'static, io::Result<Rc<dyn Listener>>> {
        self.ports.set(self.ports.get() + 1);
        let host = address.split(':').next().unwrap_or_default();
        let address = format!("{host}:{}", self.ports.get());
        let queue = Rc::<Queue>::default();
        let mut listening = self.listening.borrow_mut();
        listening.insert(address.clone(), Rc::clone(&queue));
        let listener = Rc::new(Accepting { address, queue }) as Rc<dyn Listener>;
        Box::pin(std::future::ready(Ok(listener)))
    }

    fn connect(&self, address: &str) -> LocalBoxFuture<'static, io::Result<Box<dyn Stream>>> {
        let queue = self.listening.borrow().get(address).cloned();
        // A listener that is gone has let go of its queue.
        let Some(queue) = queue.filter(|queue| Rc::strong_count(queue) > 2) else {
            return Box::pin(std::future::ready(Err(
                io::ErrorKind::ConnectionRefused.into()
            )));
        };
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        queue.streams.borrow_mut().push_back(Box::new(far));
        if let Some(waker) = queue.waker.take() {
            waker.wake();
        }
        Box::pin(std::future::ready(Ok(Box::new(near) as Box<dyn Stream>)))
    }
}

impl Listener for Accepting {
    fn accept(&self) -> LocalBoxFuture<'_, io::Result<Box<dyn Stream>>> {
        Box::pin(poll_fn(|cx| {
            if let Some(stream) = self.queue.streams.borrow_mut().pop_front() {
                Poll::Ready(Ok(stream))
            } else {
                *self.queue.waker.borrow_mut() = Some(cx.waker().clone());
                Poll::Pending
            }
        }))
    }

    fn local_address(&self) -> String {
        self.address.clone()
    }
}
