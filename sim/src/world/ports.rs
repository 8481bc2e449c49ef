//! The small ports of a simulated machine: clock, randomness, tasks, and byte streams.

use std::{io, net::SocketAddr, rc::Rc, time::Duration};

use dormouse::platform::{
    Clock, Entropy, Instant, Listener, LocalBoxFuture, Network, Spawn, Stream, WallTime,
};

use super::{
    World,
    completion::NewCompletion,
    machine::{Life, Machine},
};

/// The wall time at which every world begins: 2026-01-01T00:00Z. Fixed, so that nothing depends on today.
pub(crate) const WALL_AT_START: i64 = 1_767_225_600_000;

/// The [`Clock`] port of one life.
pub(crate) struct SimClock {
    pub(crate) world: Rc<World>,
    pub(crate) machine: Rc<Machine>,
    pub(crate) life: Rc<Life>,
}

impl Clock for SimClock {
    fn wall(&self) -> WallTime {
        let passed = i64::try_from(self.world.now().as_millis())
            .expect("a run is shorter than 200 million years");
        WallTime::from_millis(WALL_AT_START + passed + self.world.clock_offset.get())
    }

    fn now(&self) -> Instant {
        Instant::from_origin(self.world.now())
    }

    fn sleep_until(&self, deadline: Instant) -> LocalBoxFuture<'static, ()> {
        if self.life.is_dead() {
            return Box::pin(std::future::pending());
        }
        let which = self.machine.timers.get();
        self.machine.timers.set(which + 1);
        let wait = self.world.complete(NewCompletion {
            kind: "timer",
            due: whole_millis(deadline.since_origin()).max(self.world.now()),
            priority: self
                .world
                .seed
                .keyed("timer", self.machine.key, which)
                .number(),
            // Timers that are due together fire in the order in which they were set (G-2).
            queue: Some(self.machine.key),
            effect: None,
        });
        Box::pin(wait)
    }
}

/// A timer fires at the next whole millisecond, never before its time.
fn whole_millis(deadline: Duration) -> Duration {
    let millis = u64::try_from(deadline.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX / 2);
    Duration::from_millis(millis)
}

/// The [`Entropy`] port of one machine.
pub(crate) struct SimEntropy {
    pub(crate) world: Rc<World>,
    pub(crate) machine: Rc<Machine>,
}

impl Entropy for SimEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        self.world.fill_random(&self.machine, bytes);
    }
}

/// The [`Spawn`] port of one life.
pub(crate) struct SimSpawn(pub(crate) Rc<Life>);

impl Spawn for SimSpawn {
    fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        self.0.tasks.spawn(task);
    }
}

/// The [`Network`] port: madsim's TCP between the machines of a world.
pub(crate) struct SimNetwork {
    pub(crate) world: Rc<World>,
}

struct SimListener {
    world: Rc<World>,
    address: SocketAddr,
    inner: madsim::net::TcpListener,
}

impl Drop for SimListener {
    fn drop(&mut self) {
        self.world.listening.borrow_mut().remove(&self.address);
    }
}

impl Network for SimNetwork {
    fn listen(&self, address: &str) -> LocalBoxFuture<'static, io::Result<Rc<dyn Listener>>> {
        self.world.streams_in_use.set(true);
        let (world, address) = (Rc::clone(&self.world), address.to_owned());
        Box::pin(async move {
            let inner = madsim::net::TcpListener::bind(numeric(&address)?).await?;
            let address = inner.local_addr()?;
            world.listening.borrow_mut().insert(address);
            Ok(Rc::new(SimListener {
                world,
                address,
                inner,
            }) as Rc<dyn Listener>)
        })
    }

    fn connect(&self, address: &str) -> LocalBoxFuture<'static, io::Result<Box<dyn Stream>>> {
        self.world.streams_in_use.set(true);
        let (world, address) = (Rc::clone(&self.world), address.to_owned());
        Box::pin(async move {
            let address = numeric(&address)?;
            // madsim takes a free port for the near end before it looks for the far one, and may so connect a caller to himself.
            let somebody_listens = world.listening.borrow().iter().any(|listening| {
                listening.port() == address.port()
                    && (listening.ip() == address.ip() || listening.ip().is_unspecified())
            });
            if !somebody_listens {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let stream = madsim::net::TcpStream::connect(address).await?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}

fn numeric(address: &str) -> io::Result<SocketAddr> {
    let invalid = |error| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("`{address}` is no address: {error}"),
        )
    };
    address.parse().map_err(invalid)
}

impl Listener for SimListener {
    fn accept(&self) -> LocalBoxFuture<'_, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            let (stream, _) = self.inner.accept().await?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }

    fn local_address(&self) -> String {
        self.address.to_string()
    }
}
