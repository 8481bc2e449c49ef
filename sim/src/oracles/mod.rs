//! The oracles that need no line, or one line, from a scenario's author: which are on, and what they ask of a world at rest.
//!
//! They look at a run when its clients are done and its faults are healed: does every object come to rest, does what is still to be done have an
//! alarm, does what should hold in the end hold. [`transparency`] runs the workload twice more and compares what the clients are told.

pub mod transparency;

use std::{cell::Cell, fmt, future::Future, rc::Rc, time::Duration};

use dormouse::{Result, Storage, platform::LocalBoxFuture};

use crate::{
    check::Violation,
    scenario::Client,
    world::{Drive, World},
};

/// The promise that an object becomes able to hibernate.
pub const COMES_TO_REST: &str = "an object with nothing to do comes to rest";
/// The promise that work which is left has something that will wake its object.
pub const PENDING_WORK: &str = "pending work has an armed alarm";
/// The promise that calls are answered.
pub const EVERY_CALL_SETTLES: &str = "every call settles";

/// How long objects and clients have, unless a scenario says otherwise.
pub(crate) const LIVENESS_BOUND: Duration = Duration::from_mins(5);
/// How long a condition that does not hold yet is left alone at most, unless a scenario says otherwise.
const ASK_AGAIN_AFTER_MAX: Duration = Duration::from_secs(30);

/// Which oracles a scenario has on.
pub(crate) struct Oracles {
    pub(crate) calls_settle: bool,
    /// How long objects may take to come to rest; nothing if they need not.
    pub(crate) rest_within: Option<Duration>,
    /// One in so many runs is compared with one in which objects are evicted; none if nothing.
    pub(crate) transparency_one_in: Option<u64>,
    pub(crate) pending_work: Vec<PendingWork>,
    pub(crate) eventually: Vec<Eventually>,
    pub(crate) eventually_within: Duration,
    pub(crate) eventually_every: Duration,
}

/// Whether an object of a class has work left, by what is in its storage.
pub(crate) struct PendingWork {
    pub(crate) class: &'static str,
    pub(crate) is_left: Rc<dyn Fn(Storage) -> LocalBoxFuture<'static, Result<bool>>>,
}

/// Something that must hold in the end.
pub(crate) struct Eventually {
    pub(crate) promise: &'static str,
    pub(crate) holds: Rc<dyn Fn(Client) -> LocalBoxFuture<'static, Result<bool>>>,
}

impl Default for Oracles {
    fn default() -> Self {
        Self {
            calls_settle: true,
            rest_within: Some(LIVENESS_BOUND),
            transparency_one_in: Some(transparency::ONE_IN),
            pending_work: Vec::new(),
            eventually: Vec::new(),
            eventually_within: LIVENESS_BOUND,
            eventually_every: ASK_AGAIN_AFTER_MAX,
        }
    }
}

impl Oracles {
    /// Asks all that are asked of a world whose clients are done.
    pub(crate) async fn ask(&self, world: &Rc<World>) {
        self.comes_to_rest(world).await;
        for condition in &self.eventually {
            if !world.has_violations() {
                self.holds_eventually(world, condition).await;
            }
        }
        self.pending_work_has_an_alarm(world).await;
    }

    /// Everything becomes able to hibernate.
    async fn comes_to_rest(&self, world: &Rc<World>) {
        let Some(bound) = self.rest_within else {
            return;
        };
        if world.has_violations() {
            return;
        }
        let since = world.now();
        let rested = || world.is_at_rest() || world.has_violations();
        if world.drive(since + bound, rested).await == Drive::Stuck && !world.has_violations() {
            let why = format!(
                "{:?} after the last call was answered and the last fault healed: {}",
                world.now().saturating_sub(since),
                world.pinned()
            );
            world.violated(Violation::new(COMES_TO_REST, why));
        }
    }

    /// Asks again and again, less and less often.
    async fn holds_eventually(&self, world: &Rc<World>, condition: &Eventually) {
        let since = world.now();
        let (env, platform, life) = world.start_client("observer");
        let client = Client {
            number: 0,
            env,
            platform,
            kept: Rc::default(),
        };
        let held = Rc::new(Cell::new(false));
        let last = Rc::new(std::cell::RefCell::new("no answer".to_owned()));
        let (holds, found, answer) = (
            Rc::clone(&condition.holds),
            Rc::clone(&held),
            Rc::clone(&last),
        );
        let pause_max = self.eventually_every;
        life.tasks.spawn(Box::pin(async move {
            let mut pause = pause_max.min(Duration::from_secs(1));
            loop {
                let result = holds(client.clone()).await;
                if result == Ok(true) {
                    found.set(true);
                    return;
                }
                *answer.borrow_mut() = match result {
                    Ok(_) => "no".to_owned(),
                    Err(error) => format!("{error:?}"),
                };
                client.sleep(pause).await;
                pause = (pause * 2).min(pause_max);
            }
        }));
        let done = || held.get() || world.has_violations();
        let driven = world.drive(since + self.eventually_within, done).await;
        life.die(); // it asks no more
        if driven == Drive::Stuck && !world.has_violations() {
            let why = format!(
                "it does not hold {:?} after the last call was answered and the last fault healed; the last answer was: {}; {}; the last \
                 events:\n{}",
                world.now().saturating_sub(since),
                last.borrow(),
                world.pinned(),
                world.last_events()
            );
            world.violated(Violation::new(condition.promise, why));
        }
    }

    /// An object that has work left is busy with it, or has an alarm that will wake it.
    async fn pending_work_has_an_alarm(&self, world: &Rc<World>) {
        for work in &self.pending_work {
            if world.has_violations() {
                return;
            }
            let limit = world.now() + LIVENESS_BOUND;
            // Asking clients may have woken objects up.
            world.drive(limit, || world.is_at_rest()).await;
            let Some(node) = world.node() else {
                return;
            };
            let (class, is_left) = (work.class, Rc::clone(&work.is_left));
            let stranded = async move {
                let mut stranded = Vec::new();
                for object in node.stored_objects(class)? {
                    let is_left = Rc::clone(&is_left);
                    let look = |storage: Storage| async move {
                        Ok(is_left(storage.clone()).await? && storage.get_alarm().await?.is_none())
                    };
                    let is_stranded = node.look_into(&object, look).await?;
                    let mut in_memory = node.in_memory().into_iter();
                    let is_busy =
                        in_memory.any(|busy| busy.object == *object.label() && !busy.is_idle());
                    if is_stranded && !is_busy {
                        stranded.push((object.label().to_string(), object.id()));
                    }
                }
                Ok::<_, dormouse::Error>(stranded)
            };
            let violation = match world.on_the_server(limit, stranded).await {
                Some(Ok(stranded)) => stranded.into_iter().next().map(|(label, id)| {
                    let label = world.label_of(&id).unwrap_or(label);
                    format!(
                        "{label} has work left, but no alarm is armed and nothing of it is running: nothing will ever wake it"
                    )
                }),
                Some(Err(error)) => Some(format!("{class}: its storage cannot be read: {error:?}")),
                None => Some(format!("{class}: looking into its storage does not end")),
            };
            if let Some(why) = violation {
                world.violated(Violation::new(PENDING_WORK, why));
            }
        }
    }
}

impl fmt::Debug for Oracles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oracles")
            .field("calls_settle", &self.calls_settle)
            .field("rest_within", &self.rest_within)
            .field("transparency_one_in", &self.transparency_one_in)
            .finish_non_exhaustive()
    }
}

/// A closure of an author's, boxed.
pub(crate) fn boxed<A, T, F, Fut>(f: F) -> Rc<dyn Fn(A) -> LocalBoxFuture<'static, Result<T>>>
where
    F: Fn(A) -> Fut + 'static,
    Fut: Future<Output = Result<T>> + 'static,
    A: 'static,
{
    Rc::new(move |argument| Box::pin(f(argument)))
}
