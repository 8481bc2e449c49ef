//! Eviction transparency: whether an object was evicted between two calls, its clients must not be able to tell.
//!
//! An object may leave memory whenever it has nothing to do. So the plan's calls are made twice more, one after the other, each at a fixed time, in a
//! calm world in which nothing goes wrong and no message takes any time: once with objects that stay in memory, once with objects that are
//! dropped from it around every call. Whatever the object remembers outside its storage shows as a difference.
//!
//! # Soundness
//! Both runs make the same calls in the same order at the same virtual times, and only objects with nothing pending are dropped; so what could differ
//! is memory, or chance. Where the answers differ, the first run is made once more with another seed: if its answers differ as well, they are a
//! matter of chance (random ids, the order of calls that a step makes at once) and nothing is said. Not sound are steps that share state
//! across runs of the scenario, and objects that tell about their own instance on purpose: such scenarios switch the comparison off.

use std::{cell::RefCell, fmt::Debug, fmt::Write as _, rc::Rc, time::Duration};

use dormouse::NodeBuilder;

use crate::{
    Seed,
    check::Violation,
    executor,
    plan::Plan,
    scenario::{Client, Scenario},
    trace::layer::with_trace,
    world::{Drive, World, director::Tape},
};

/// The promise that is checked here.
pub const PROMISE: &str = "clients cannot tell whether an object was evicted";

/// One run in so many is compared, unless a scenario says otherwise: three calm runs cost about as much as two with faults.
pub(crate) const ONE_IN: u64 = 16;

/// How long a call may take before the comparison is given up.
const CALL_BOUND: Duration = Duration::from_mins(5);
/// When the first call is made.
const FIRST_CALL_AT: Duration = Duration::from_secs(1);

/// What was found, with the calls side by side.
pub(crate) struct Difference {
    pub(crate) violation: Violation,
    pub(crate) story: String,
}

/// Whether this plan's seed is among those that are compared.
pub(crate) fn applies(seed: Seed, one_in: u64) -> bool {
    seed.draw("oracle", "transparency", 0).one_in(one_in.max(1))
}

/// Compares the answers of `plan`'s workload with and without evictions.
pub(crate) fn compare<Op, Ret>(scenario: &Scenario<Op, Ret>, plan: &Plan<Op>) -> Option<Difference>
where
    Op: Clone + Debug + 'static,
    Ret: Clone + Debug + 'static,
{
    let staying = answers(scenario, plan, plan.seed, Memory::Kept)?;
    let evicted = answers(scenario, plan, plan.seed, Memory::Lost)?;
    let place = staying
        .iter()
        .zip(&evicted)
        .position(|(kept, lost)| kept.answer != lost.answer)?;
    let otherwise = answers(scenario, plan, Seed(plan.seed.0 ^ u64::MAX), Memory::Kept)?;
    if otherwise != staying {
        return None; // chance
    }
    let (kept, lost) = (&staying[place], &evicted[place]);
    let why = format!(
        "{} (call {} when the plan's calls are made one after the other) is answered {} by an object that stays in memory, and {} by \
         one that was evicted before the call",
        kept.call,
        place + 1,
        kept.answer,
        lost.answer
    );
    let mut story = String::from(
        "  the calls one after the other, with objects that stay in memory | with objects that are evicted around each call:\n",
    );
    for (kept, lost) in staying.iter().zip(&evicted).take(place + 1) {
        writeln!(story, "  {}  {} | {}", kept.call, kept.answer, lost.answer)
            .expect("a string takes it");
    }
    Some(Difference {
        violation: Violation::new(PROMISE, why),
        story,
    })
}

/// What becomes of the objects' memory between two calls.
#[derive(Clone, Copy, PartialEq)]
enum Memory {
    Kept,
    Lost,
}

/// One call and what came of it, in words.
#[derive(PartialEq)]
struct Answered {
    call: String,
    answer: String,
}

/// Makes the plan's calls in a calm world, one after the other; nothing if one of them does not end.
fn answers<Op, Ret>(
    scenario: &Scenario<Op, Ret>,
    plan: &Plan<Op>,
    seed: Seed,
    memory: Memory,
) -> Option<Vec<Answered>>
where
    Op: Clone + Debug + 'static,
    Ret: Clone + Debug + 'static,
{
    let serves = scenario
        .serves
        .clone()
        .stay_in_memory(memory == Memory::Kept);
    with_trace(|| executor::run(seed.0, make_calls(scenario, plan, seed, serves, memory)))
}

async fn make_calls<Op, Ret>(
    scenario: &Scenario<Op, Ret>,
    plan: &Plan<Op>,
    seed: Seed,
    serves: NodeBuilder,
    memory: Memory,
) -> Option<Vec<Answered>>
where
    Op: Clone + Debug + 'static,
    Ret: Clone + Debug + 'static,
{
    let world = World::new(seed, &[], Tape::new(), serves);
    world.faults.borrow_mut().calm();
    world.start_server();
    world.drive(FIRST_CALL_AT, || world.server_is_up()).await;
    let clients: Vec<_> = (1..=plan.clients.len())
        .map(|number| {
            let name = format!("client-{number}");
            let (env, platform, life) = world.start_client(&name);
            let client = Client {
                number,
                env,
                platform,
                kept: Rc::default(),
            };
            (client, life)
        })
        .collect();
    let carry_out = scenario.step.as_ref().expect("a scenario has a step");
    let mut answered = Vec::new();
    let mut at = FIRST_CALL_AT;
    for (client, step) in one_after_the_other(plan) {
        at += Duration::from_millis(plan.clients[client][step].pause);
        at = at.max(world.now());
        world.pass_until(at).await;
        if memory == Memory::Lost {
            world.hibernate_idle();
        }
        let op = plan.clients[client][step].op.clone();
        let (caller, life) = &clients[client];
        let call = format!("client-{} asks {op:?}", client + 1);
        let answer = Rc::new(RefCell::new(None));
        let (result, call_is_over) = (carry_out(caller.clone(), op), Rc::clone(&answer));
        life.tasks.spawn(Box::pin(async move {
            let text = match result.await {
                Ok(ret) => format!("{ret:?}"),
                Err(error) => format!("with the error {error:?}"),
            };
            *call_is_over.borrow_mut() = Some(text);
        }));
        let limit = world.now() + CALL_BOUND;
        let over = || answer.borrow().is_some();
        if world.drive(limit, over).await == Drive::Stuck {
            world.tear_down().await;
            return None; // that calls end is the business of another oracle
        }
        let text = answer.take().expect("the call is over");
        answered.push(Answered { call, answer: text });
        world.pass_until(world.now()).await; // whatever else happens at this instant
        if memory == Memory::Lost {
            world.hibernate_idle();
        }
    }
    drop(clients);
    world.tear_down().await;
    Some(answered)
}

/// The steps of all clients in an order that hangs on nothing but the plan: everybody's first, everybody's second, and so on.
fn one_after_the_other<Op>(plan: &Plan<Op>) -> Vec<(usize, usize)> {
    let longest = plan.clients.iter().map(Vec::len).max().unwrap_or(0);
    (0..longest)
        .flat_map(|step| (0..plan.clients.len()).map(move |client| (client, step)))
        .filter(|&(client, step)| step < plan.clients[client].len())
        .collect()
}
