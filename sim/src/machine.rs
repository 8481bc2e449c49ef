//! One simulated machine, for code that wants its ports and no objects: the contract suites of the ports run on it.

use std::{cell::RefCell, future::Future, rc::Rc, time::Duration};

use dormouse::{NodeBuilder, platform::Platform};

use crate::{
    Seed, executor,
    trace::layer::with_trace,
    world::{World, director::Tape},
};

/// How long the code may take, in virtual time.
const TIME_MAX: Duration = Duration::from_hours(1);

/// Runs `code` on a simulated machine with ports of its own, without faults.
///
/// A library that keeps a random generator for each thread seeds it in the first run of a thread and not in the second. Where two runs with such a
/// library are compared, give each a thread of its own.
///
/// # Panics
/// If the code does not come to its end within an hour of virtual time.
///
/// # Example
/// ```
/// use dormouse_sim::{Seed, run_on_a_machine};
/// let waited = run_on_a_machine(Seed(1), |platform| async move {
///     let start = platform.clock.now();
///     platform.clock.sleep_until(start + std::time::Duration::from_secs(600)).await;
///     platform.clock.now() - start
/// });
/// assert_eq!(waited.as_secs(), 600); // in no time
/// ```
pub fn run_on_a_machine<T, Fut>(seed: Seed, code: impl FnOnce(Platform) -> Fut) -> T
where
    Fut: Future<Output = T> + 'static,
    T: 'static,
{
    let live = async move {
        let world = World::new(seed, &[], Tape::new(), NodeBuilder::new("machine"));
        world.start_server();
        let (_, platform, life) = world.start_client("machine");
        let result = Rc::new(RefCell::new(None));
        let (code, done) = (code(platform), Rc::clone(&result));
        life.tasks.spawn(Box::pin(async move {
            let value = code.await;
            *done.borrow_mut() = Some(value);
        }));
        world.drive(TIME_MAX, || result.borrow().is_some()).await;
        drop(life);
        world.tear_down().await;
        result.take()
    };
    with_trace(|| executor::run(seed.0, live)).expect("the code comes to its end")
}
