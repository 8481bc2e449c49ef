//! One run: a plan goes in, a world is made, lives and ends, and the checkers judge it.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt::{Debug, Write as _},
    pin::pin,
    rc::Rc,
    time::Duration,
};

use futures_util::future::{Either, select};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    anatomy::{self, Anatomy, Fate},
    check::{Mark, Observed, Violation, activations, alarms, assertions, sockets},
    executor,
    fault::{FaultKind, armed::Effects},
    history::{Call, History, Moment, Outcome},
    oracles::{EVERY_CALL_SETTLES, LIVENESS_BOUND, transparency},
    plan::{Plan, Step},
    scenario::{Client, Detail, Scenario, is_refusal},
    trace::{Entry, Recorder, layer::with_trace},
    world::{Drive, Remains, World, director::Tape},
};

/// How long the node may take to start.
const START_BOUND: Duration = Duration::from_secs(10);

/// What came of a run.
#[derive(Debug)]
pub struct Run {
    /// The first promise that was broken, if one was.
    pub violation: Option<Violation>,
    /// The hash of the trace: equal for equal seeds.
    pub hash: u64,
    /// How often each kind of fault took effect.
    pub effects: Effects,
    /// How much virtual time passed.
    pub lasted: Duration,
    /// How many calls the clients made.
    pub calls: usize,
    /// How many of them were answered with a result.
    pub answered: usize,
    /// What became of each fault of the plan.
    pub fates: Vec<Fate>,
    /// How often each assertion inside objects and steps held, by its name.
    pub assertions: BTreeMap<String, u64>,
    /// The choices that were made between events ready at the same time.
    pub tape: Tape,
    /// What the run was made of; unless only [`Detail::Brief`] was asked for.
    pub anatomy: Option<Anatomy>,
    /// Texts for a report; with [`Detail::Full`] only.
    pub texts: Option<Texts>,
}

/// A run as a person reads it.
#[derive(Clone, Debug)]
pub struct Texts {
    /// The plan with the tape that was recorded, as JSON, to be run again.
    pub plan_json: String,
    /// The plan in words.
    pub plan: String,
    /// What the clients saw and which faults took effect, in order.
    pub story: String,
    /// Everything that the runtime and the world did.
    pub trace: String,
    /// The same as data, for the other formats.
    pub entries: Vec<Entry>,
}

struct Script<Op, Ret> {
    world: Rc<World>,
    history: Rc<RefCell<History<Op, Ret>>>,
    running: Rc<Cell<usize>>,
}

pub(crate) fn run<Op, Ret>(scenario: &Scenario<Op, Ret>, plan: &Plan<Op>, detail: Detail) -> Run
where
    Op: Clone + Debug + Serialize + DeserializeOwned + 'static,
    Ret: Clone + Debug + 'static,
{
    let history = Rc::new(RefCell::new(History::default()));
    let lived =
        with_trace(|| executor::run(plan.seed.0, live(scenario, plan, Rc::clone(&history))));
    let Lived {
        remains,
        last_reads,
        uses_sockets,
    } = lived;
    let history = history.borrow();
    let Remains {
        trace,
        tape,
        effects,
        violations,
        lasted,
        happenings,
        fired,
    } = remains;
    let observed = Observed {
        history: &history,
        last_reads,
        trace: &trace,
    };
    // The deepest first: with two activations of an object nothing else can be expected to hold.
    let violation = activations::check(&trace)
        .err()
        .or_else(|| violations.into_iter().next())
        .or_else(|| alarms::check(&trace).err())
        .or_else(|| unanswered(&history, last_reads))
        .or_else(|| uses_sockets.then(|| sockets::check(&trace).err()).flatten())
        .or_else(|| {
            scenario
                .checks
                .iter()
                .find_map(|check| check.check(&observed).err())
        });
    // The longest way last: whole runs of their own.
    let difference = scenario
        .oracles
        .transparency_one_in
        .filter(|&one_in| violation.is_none() && transparency::applies(plan.seed, one_in))
        .and_then(|_| transparency::compare(scenario, plan));
    let texts = (detail == Detail::Full).then(|| {
        let mut with_tape = plan.clone();
        with_tape.tape.clone_from(&tape);
        Texts {
            plan_json: with_tape.to_json(),
            plan: plan.to_string(),
            story: difference.as_ref().map_or_else(
                || story(&trace),
                |difference| story(&trace) + &difference.story,
            ),
            trace: trace.text(),
            entries: trace.entries(),
        }
    });
    let calls = history.calls();
    let anatomy = (detail != Detail::Brief).then(|| {
        let made = &calls[..calls.len() - last_reads];
        let invoked = made.iter().map(|call| (call.client, call.index)).collect();
        Anatomy::of(&trace, &plan.faults, &fired, invoked, happenings)
    });
    let is_answer = |call: &&Call<Op, Ret>| matches!(call.outcome, Outcome::Ok(_));
    Run {
        violation: violation.or(difference.map(|difference| difference.violation)),
        hash: trace.hash(),
        effects,
        lasted,
        calls: calls.len(),
        answered: calls.iter().filter(is_answer).count(),
        fates: anatomy::fates(&plan.faults, &fired),
        assertions: assertions::held(&trace),
        tape,
        anatomy,
        texts,
    }
}

struct Lived {
    remains: Remains,
    last_reads: usize,
    uses_sockets: bool,
}

/// From the start of the server to the last read.
async fn live<Op, Ret>(
    scenario: &Scenario<Op, Ret>,
    plan: &Plan<Op>,
    history: Rc<RefCell<History<Op, Ret>>>,
) -> Lived
where
    Op: Clone + Debug + 'static,
    Ret: Clone + Debug + 'static,
{
    let world = World::new(
        plan.seed,
        &plan.faults,
        plan.tape.clone(),
        scenario.serves.clone(),
    );
    world.direct(plan.order.clone(), plan.redraw);
    let heal_at = Duration::from_millis(plan.heal_at);
    world.faults.borrow_mut().heals_at(heal_at);
    world.set_next_code(scenario.next_code.clone());
    world.at(heal_at, |world| world.heal());
    world.start_server();
    world.drive(START_BOUND, || world.server_is_up()).await;
    let script = Script {
        world: Rc::clone(&world),
        history,
        running: Rc::default(),
    };
    for (index, steps) in plan.clients.iter().enumerate() {
        script.start(
            scenario,
            index + 1,
            &format!("client-{}", index + 1),
            steps.clone(),
        );
    }
    let mut last_reads = 0;
    let oracles = &scenario.oracles;
    let mut goes_on = script
        .settle(heal_at + LIVENESS_BOUND, oracles.calls_settle)
        .await;
    let uses_sockets = world.uses_sockets();
    if goes_on && uses_sockets {
        // What is on its way arrives, or is late.
        let quiet = world.now() + sockets::READ_BOUND + Duration::from_secs(1);
        world.at(quiet, |_| {});
        world
            .drive(quiet, || world.now() >= quiet || world.has_violations())
            .await;
        goes_on = !world.has_violations();
    }
    if goes_on && scenario.rest > Duration::ZERO {
        let rested = world.now().max(heal_at) + scenario.rest;
        world.drive(rested, || world.has_violations()).await;
        goes_on = !world.has_violations();
    }
    if goes_on {
        world.heal();
    }
    if goes_on && scenario.finally.is_empty() {
        oracles.ask(&world).await;
    }
    if goes_on && !scenario.finally.is_empty() {
        let before = script.history.borrow().calls().len();
        lose_power_for_good(&world).await;
        let steps = scenario
            .finally
            .iter()
            .map(|op| Step {
                pause: 0,
                op: op.clone(),
            })
            .collect();
        let number = plan.clients.len() + 1;
        script.start(scenario, number, &format!("client-{number}"), steps);
        script.settle(world.now() + LIVENESS_BOUND, true).await;
        last_reads = script.history.borrow().calls().len() - before;
    }
    if last_reads > 0 && !world.has_violations() {
        // Not before the last loss of power: they take time, in which everything becomes durable that it is to take.
        oracles.ask(&world).await;
    }
    drop(script);
    Lived {
        remains: world.tear_down().await,
        last_reads,
        uses_sockets,
    }
}

/// After the last loss of power nothing goes wrong any more: an object that still cannot be read is lost.
fn unanswered<Op: Debug, Ret>(history: &History<Op, Ret>, last_reads: usize) -> Option<Violation> {
    let calls = history.calls();
    calls[calls.len() - last_reads..]
        .iter()
        .find_map(|call| match &call.outcome {
            Outcome::Ok(_) => None,
            Outcome::Failed(why) | Outcome::Unknown(why) => {
                let why = format!("client-{}'s {:?}: {why}", call.client, call.op);
                let violation =
                    Violation::new("after the last loss of power every object answers", why);
                Some(violation.at(Mark::call(call)))
            }
        })
}

/// What was acknowledged must survive a last loss of power, whatever the plan's faults were.
async fn lose_power_for_good(world: &Rc<World>) {
    world
        .drive(world.now() + LIVENESS_BOUND, || world.server_is_up())
        .await;
    world.crash(FaultKind::PowerLoss, Duration::from_millis(1));
    world
        .drive(world.now() + LIVENESS_BOUND, || world.server_is_up())
        .await;
}

impl<Op, Ret> Script<Op, Ret>
where
    Op: Clone + Debug + 'static,
    Ret: Clone + Debug + 'static,
{
    fn start(&self, scenario: &Scenario<Op, Ret>, number: usize, name: &str, steps: Vec<Step<Op>>) {
        let (env, platform, life) = self.world.start_client(name);
        let client = Client {
            number,
            env,
            platform,
            kept: Rc::default(),
        };
        let carry_out = Rc::clone(
            scenario
                .step
                .as_ref()
                .expect("a suite's scenario has a step"),
        );
        let (world, history, running) = (
            Rc::clone(&self.world),
            Rc::clone(&self.history),
            Rc::clone(&self.running),
        );
        running.set(running.get() + 1);
        let name: Rc<str> = name.into();
        life.tasks.spawn(Box::pin(async move {
            for (index, Step { pause, op }) in steps.into_iter().enumerate() {
                if pause > 0 {
                    client.sleep(Duration::from_millis(pause)).await;
                }
                let invoked = moment(&world);
                world.faults.borrow_mut().invoked(number, index);
                note(&world, &name, "invoke", |recorder| {
                    recorder.text("op", format_args!("{op:?}"));
                });
                let place = history.borrow_mut().push(Call {
                    client: number,
                    index,
                    op: op.clone(),
                    invoked,
                    returned: None,
                    outcome: Outcome::Unknown("never settled".to_owned()),
                });
                let patience = world.faults.borrow_mut().patience();
                let call = carry_out(client.clone(), op);
                let result = match patience {
                    None => Some(call.await),
                    Some(patience) => {
                        let gives_up = pin!(client.sleep(patience));
                        match select(call, gives_up).await {
                            Either::Left((result, _)) => Some(result),
                            Either::Right(((), _)) => None,
                        }
                    }
                };
                let outcome = match result {
                    Some(Ok(ret)) => Outcome::Ok(ret),
                    None => {
                        world.note_given_up(&name);
                        Outcome::Unknown("the client gave up".to_owned())
                    }
                    Some(Err(error)) if is_refusal(&error) => Outcome::Failed(error.to_string()),
                    Some(Err(error)) => Outcome::Unknown(error.to_string()),
                };
                note(
                    &world,
                    &name,
                    outcome_name(&outcome),
                    |recorder| match &outcome {
                        Outcome::Ok(ret) => recorder.text("returned", format_args!("{ret:?}")),
                        Outcome::Failed(why) | Outcome::Unknown(why) => recorder.text("error", why),
                    },
                );
                history.borrow_mut().settle(place, moment(&world), outcome);
            }
            running.set(running.get() - 1);
        }));
    }

    /// Waits until every client is done; says whether the run can go on.
    async fn settle(&self, limit: Duration, must: bool) -> bool {
        let done = || self.running.get() == 0 || self.world.has_violations();
        let driven = self.world.drive(limit, done).await;
        if driven == Drive::Stuck && must && !self.world.has_violations() {
            let history = self.history.borrow();
            let open = history.calls().iter().find(|call| call.returned.is_none());
            let what = open.map_or_else(
                || "a client never got to its next call".to_owned(),
                |call| {
                    format!(
                        "client-{} never got an answer to {:?}",
                        call.client, call.op
                    )
                },
            );
            let why = format!(
                "{what}, {:?} after the start; {}",
                self.world.now(),
                self.world.pinned()
            );
            let mut violation = Violation::new(EVERY_CALL_SETTLES, why);
            violation.marks.extend(open.map(Mark::call));
            self.world.violated(violation);
        }
        !self.world.has_violations()
    }
}

fn moment(world: &World) -> Moment {
    Moment {
        order: world.next_moment(),
        at: world.now(),
    }
}

fn note(
    world: &World,
    place: &Rc<str>,
    name: &'static str,
    fields: impl FnOnce(&mut Recorder<'_>),
) {
    fields(&mut world.trace.borrow_mut().record(world.now(), place, name));
}

fn outcome_name<Ret>(outcome: &Outcome<Ret>) -> &'static str {
    match outcome {
        Outcome::Ok(_) => "ok",
        Outcome::Failed(_) => "failed",
        Outcome::Unknown(_) => "unknown",
    }
}

/// The trace, cut down to what a person needs first: calls, their outcomes, faults, and what became of the objects.
fn story(trace: &crate::trace::Trace) -> String {
    let mut story = String::new();
    for event in trace.events() {
        let told = match event.name() {
            "invoke" => format!(
                "{} asks {}",
                event.place(),
                event.text("op").unwrap_or_default()
            ),
            "ok" => format!(
                "{} <- {}",
                event.place(),
                event.text("returned").unwrap_or_default()
            ),
            "failed" | "unknown" => {
                format!(
                    "{} <- {}: {}",
                    event.place(),
                    event.name(),
                    event.text("error").unwrap_or_default()
                )
            }
            "FAULT" => format!("FAULT {}", event.text("kind").unwrap_or_default()),
            "restart" => "the node starts again".to_owned(),
            "healed" => "no more faults from here on".to_owned(),
            "activation_start" => format!(
                "{} comes into memory",
                event.text("object").unwrap_or_default()
            ),
            "alarm_durable" => match event.number("at").filter(|at| *at > 0) {
                Some(at) => format!(
                    "{} has its alarm set for {}",
                    event.text("object").unwrap_or_default(),
                    alarms::at_in_words(at)
                ),
                None => format!(
                    "{} has no alarm any more",
                    event.text("object").unwrap_or_default()
                ),
            },
            "alarm_start" => format!(
                "{} alarm (retry {})",
                event.text("object").unwrap_or_default(),
                event.number("retry_count").unwrap_or_default()
            ),
            "alarm_done" => format!(
                "{} alarm {}",
                event.text("object").unwrap_or_default(),
                if event.is_true("ok") {
                    "succeeds"
                } else {
                    "fails"
                }
            ),
            "activation_end" => format!(
                "{} leaves memory ({})",
                event.text("object").unwrap_or_default(),
                event.text("reason").unwrap_or_default()
            ),
            _ => continue,
        };
        let at = event.at();
        writeln!(
            story,
            "  +{}.{:03}s  {told}",
            at.as_secs(),
            at.subsec_millis()
        )
        .expect("a string takes it");
    }
    story
}

impl Run {
    /// A run that did not come to its end, because we panicked.
    pub(crate) fn panicked(violation: Violation) -> Self {
        Self {
            violation: Some(violation),
            hash: 0,
            effects: Effects::default(),
            lasted: Duration::ZERO,
            calls: 0,
            answered: 0,
            fates: Vec::new(),
            assertions: BTreeMap::new(),
            tape: Tape::new(),
            anatomy: None,
            texts: None,
        }
    }
}
