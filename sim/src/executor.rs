//! The executor under a simulated world: the only module that knows madsim.
//!
//! From madsim come the single-threaded executor, its virtual time, simulated TCP, machines that can be killed and
//! restarted, and control over libc's clock and randomness in users' code. What it leaves to chance of its own is taken out of its hands:
//! - it polls ready tasks in random order: so a machine has one task only, which polls the machine's tasks in the order in which
//!   they were woken ([`TaskSet`]), and the world lets one thing happen at a time;
//! - it drops a killed machine's tasks at some later time: so a crash first makes the machine's ports deaf, and its [`TaskSet`] drops everything at once;
//! - it does not say when nothing is ready any more: so the task sets count ([`Activity`]).

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::{Future, poll_fn},
    net::{IpAddr, Ipv4Addr},
    pin::Pin,
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use dormouse::platform::LocalBoxFuture;
use futures_util::{Stream as _, stream::FuturesUnordered};

/// Runs `world` to its end on a fresh executor.
pub(crate) fn run<T>(seed: u64, world: impl Future<Output = T>) -> T {
    let runtime = madsim::runtime::Runtime::with_seed_and_config(seed, madsim::Config::default());
    runtime.block_on(world)
}

/// Virtual time since the executor started, as libc's clock in users' code sees it.
pub(crate) fn elapsed() -> Duration {
    madsim::time::TimeHandle::current().elapsed()
}

/// Completes when `duration` of virtual time has passed, or earlier if something becomes ready before that.
pub(crate) async fn sleep_while_idle(duration: Duration, activity: &Activity) {
    let mut sleep = std::pin::pin!(madsim::time::sleep(duration));
    let mut started = false;
    let begun = activity.begun();
    poll_fn(|cx| {
        // What woke may have done all that it had to do before we are asked, and left something for the world.
        if activity.is_busy() || activity.begun() != begun {
            return Poll::Ready(());
        }
        activity.wake_when_busy(cx.waker());
        if started && !sleep.is_elapsed() {
            return Poll::Pending; // madsim's timer stands; polling again would only add another one
        }
        started = true;
        sleep.as_mut().poll(cx)
    })
    .await;
}

/// How often tasks may be polled without anything happening in between before it is taken for a loop that never ends.
const POLLS_AT_ONE_INSTANT_MAX: usize = 100_000;

/// Counts the machines that have something to do, so that the world knows when nothing is ready any more.
#[derive(Clone, Default)]
pub(crate) struct Activity(Arc<ActivityState>);

#[derive(Default)]
struct ActivityState {
    busy: AtomicUsize,
    /// How often task sets were polled since the world was last idle.
    polls: AtomicUsize,
    overran: AtomicBool,
    /// How often a machine that had nothing to do got something.
    begun: AtomicUsize,
    waiting: Mutex<Option<Waker>>,
}

impl Activity {
    pub(crate) fn is_busy(&self) -> bool {
        self.0.busy.load(Ordering::Relaxed) > 0
    }

    /// How often a machine has become busy.
    pub(crate) fn begun(&self) -> usize {
        self.0.begun.load(Ordering::Relaxed)
    }

    fn wake_when_busy(&self, waker: &Waker) {
        *self.waiting() = Some(waker.clone());
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Option<Waker>> {
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A task set is about to be polled; says whether that goes on for ever.
    fn note_poll(&self) -> bool {
        let overran = self.0.polls.fetch_add(1, Ordering::Relaxed) >= POLLS_AT_ONE_INSTANT_MAX;
        if overran {
            self.0.overran.store(true, Ordering::Relaxed);
        }
        overran
    }

    /// Whether some code woke itself for ever, and its life had to be ended.
    pub(crate) fn overran(&self) -> bool {
        self.0.overran.load(Ordering::Relaxed)
    }

    fn begin(&self) {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        if self.0.busy.fetch_add(1, Ordering::Relaxed) == 0 {
            self.notify();
        }
    }

    fn end(&self) {
        if self.0.busy.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.notify();
        }
    }

    fn notify(&self) {
        let waiting = self.waiting().take();
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    /// Completes when no machine has anything to do until something from outside happens.
    pub(crate) fn idle(&self) -> impl Future<Output = ()> + '_ {
        poll_fn(|cx| {
            if !self.is_busy() {
                self.0.polls.store(0, Ordering::Relaxed);
                return Poll::Ready(());
            }
            self.wake_when_busy(cx.waker());
            Poll::Pending
        })
    }
}

/// The tasks of one life of a machine, polled in the order in which they were woken.
pub(crate) struct TaskSet {
    incoming: RefCell<Vec<LocalBoxFuture<'static, ()>>>,
    tasks: RefCell<FuturesUnordered<LocalBoxFuture<'static, ()>>>,
    closed: Cell<bool>,
    alarm: Arc<TaskSetWaker>,
    /// Told whenever the polling of these tasks begins and ends.
    presence: Box<dyn Fn(Presence)>,
}

/// Whether a task set's code is what this thread runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Enters,
    Leaves,
}

struct TaskSetWaker {
    activity: Activity,
    rung: AtomicBool,
    /// Its tasks are gone: nobody answers any more.
    over: AtomicBool,
    machine: Mutex<Option<Waker>>,
}

impl Wake for TaskSetWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.over.load(Ordering::Relaxed) && !self.rung.swap(true, Ordering::Relaxed) {
            self.activity.begin();
            let machine = self
                .machine
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            if let Some(waker) = machine {
                waker.wake();
            }
        }
    }
}

impl TaskSet {
    pub(crate) fn new(activity: Activity, presence: impl Fn(Presence) + 'static) -> Rc<Self> {
        let alarm = TaskSetWaker {
            activity,
            rung: AtomicBool::new(false),
            over: AtomicBool::new(false),
            machine: Mutex::new(None),
        };
        Rc::new(Self {
            incoming: RefCell::default(),
            tasks: RefCell::default(),
            closed: Cell::new(false),
            alarm: Arc::new(alarm),
            presence: Box::new(presence),
        })
    }

    /// Adds a task; one that comes after the end is dropped.
    pub(crate) fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        if self.closed.get() {
            return;
        }
        self.incoming.borrow_mut().push(task);
        self.alarm.wake_by_ref();
    }

    /// Ends this life: the tasks are dropped, all at once, as soon as none of them is being polled.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        self.alarm.wake_by_ref();
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        *self
            .alarm
            .machine
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        if !self.alarm.rung.swap(false, Ordering::Relaxed) {
            return Poll::Pending;
        }
        if self.alarm.activity.note_poll() {
            self.closed.set(true);
        }
        (self.presence)(Presence::Enters);
        let over = self.poll_tasks();
        (self.presence)(Presence::Leaves);
        if over.is_ready() {
            self.alarm.over.store(true, Ordering::Relaxed);
        }
        self.alarm.activity.end();
        over
    }

    fn poll_tasks(&self) -> Poll<()> {
        let waker = Waker::from(Arc::clone(&self.alarm));
        let mut cx = Context::from_waker(&waker);
        loop {
            if self.closed.get() {
                let (incoming, tasks) = (self.incoming.take(), self.tasks.take());
                drop((incoming, tasks));
                if self.alarm.rung.swap(false, Ordering::Relaxed) {
                    self.alarm.activity.end(); // rung by what was dropped; nobody will answer
                }
                return Poll::Ready(());
            }
            let mut tasks = self.tasks.borrow_mut();
            tasks.extend(self.incoming.borrow_mut().drain(..));
            match Pin::new(&mut *tasks).poll_next(&mut cx) {
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) | Poll::Pending => {
                    if self.incoming.borrow().is_empty() && !self.closed.get() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

thread_local! {
    /// The task set that a machine's next life runs, by the machine's name: madsim's start function can carry nothing itself.
    static NEXT_LIVES: RefCell<BTreeMap<String, Rc<TaskSet>>> = const { RefCell::new(BTreeMap::new()) };
}

/// One simulated machine.
pub(crate) struct Machine {
    name: String,
    id: madsim::task::NodeId,
}

impl Machine {
    /// Switches a machine on for the first time. Machines have the addresses 10.0.0.1, 10.0.0.2, ... by their `number`.
    pub(crate) fn start(name: &str, number: u8, life: Rc<TaskSet>) -> Self {
        let name = name.to_owned();
        NEXT_LIVES.with_borrow_mut(|lives| lives.insert(name.clone(), life));
        let handle = madsim::runtime::Handle::current();
        let builder = handle
            .create_node()
            .name(name.clone())
            .ip(IpAddr::V4(Ipv4Addr::new(10, 0, 0, number)));
        let node = {
            let name = name.clone();
            builder.init(move || run_life(&name)).build()
        };
        Self {
            name,
            id: node.id(),
        }
    }

    /// Stops the machine: its sockets break.
    pub(crate) fn kill(&self) {
        madsim::runtime::Handle::current().kill(self.id);
    }

    /// Switches a killed machine on again.
    pub(crate) fn restart(&self, life: Rc<TaskSet>) {
        NEXT_LIVES.with_borrow_mut(|lives| lives.insert(self.name.clone(), life));
        madsim::runtime::Handle::current().restart(self.id);
    }
}

fn run_life(machine: &str) -> impl Future<Output = ()> + use<> + 'static {
    let life = NEXT_LIVES.with_borrow_mut(|lives| lives.remove(machine));
    let life = life.expect("a machine is started with the life that it is to run");
    poll_fn(move |cx| life.poll(cx))
}
