//! What the runtime may ask of the world, and nothing else.
//!
//! The runtime never touches a clock, a file, a socket or a source of randomness of the operating system: it asks one
//! of six small ports, which are handed to it. That is what lets a simulator run the very same runtime under schedules
//! and faults of its choosing. The real twin of each port stands in [`real`]; the simulated ones live in the simulator.
//!
//! In: nothing. Out: a [`Platform`], handed to [`NodeBuilder`](crate::NodeBuilder).

mod clock;
mod disk;
mod entropy;
mod link;
mod network;
#[cfg(feature = "real")]
pub mod real;
mod socket_link;
mod spawn;

use std::{fmt, future::Future, pin::Pin, rc::Rc};

pub use clock::{Clock, Instant, WallTime};
pub use disk::{Disk, DiskError, FileId, OpenMode};
pub use entropy::Entropy;
pub use link::{Leg, Link, Links, Lost};
pub use network::{Listener, Network, Stream};
pub use socket_link::{Direct, SocketEnd, SocketLink};
pub use spawn::Spawn;

/// A boxed future of one thread: what the ports' asynchronous methods return.
pub type LocalBoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// The six ports of one node. Cheap to clone.
#[derive(Clone)]
pub struct Platform {
    /// Wall time, monotonic time, sleeping.
    pub clock: Rc<dyn Clock>,
    /// Random bytes.
    pub entropy: Rc<dyn Entropy>,
    /// The node's files.
    pub disk: Rc<dyn Disk>,
    /// Byte streams to other processes.
    pub network: Rc<dyn Network>,
    /// The way of a call to an object and of its reply, and that of a socket's messages.
    pub links: Rc<dyn Links>,
    /// Tasks of this thread.
    pub spawn: Rc<dyn Spawn>,
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platform").finish_non_exhaustive()
    }
}
