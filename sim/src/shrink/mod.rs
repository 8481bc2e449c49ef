//! Shrinking: from a plan that breaks a promise to the smallest one that breaks the same promise.
//!
//! A seed that fails has sixty calls and six faults, of which two calls and one fault matter. Nobody reads the other sixty. So the plan is cut down,
//! and every candidate is run in a fresh world; it is taken if *the same promise* is broken, by the same checker, and not merely something.
//! What is printed of a failing test is the story of what is left.
//!
//! The passes, a file each, large steps first:
//! 1. [`truncate`]: cut after the call at which the checker can already say no;
//! 2. [`faults`]: none at all, without each kind, then as few as possible; milder kinds;
//! 3. [`clients`] and [`calls`]: whole clients, then calls in chunks, from the back; all calls in one client if it need not be two;
//! 4. [`refit`] and [`latencies`]: of a plan that is already small, one call or fault fewer, with a fault moved to any other injection point, or with the
//!    latencies of another seed;
//! 5. [`objects`] and [`values`]: fewer objects, then simpler operations, as the workload's strategy knows them;
//! 6. [`times`]: shorter and rounder pauses, outages and delays;
//! 7. [`order`]: events in the order of their arrival, but for the few choices that matter.
//!
//! They are repeated until none of them gets any further. [`search`] is what they have in common: it tries candidates, counts runs, and never
//! runs the same plan twice. How many processes run the candidates does not change what is found; the end of the *time* does, so give
//! [`Limits::runs`] alone where two machines must agree.
//!
//! # What makes it work
//! Draws are keyed and not positional ([`crate::seed`]), so a call can be taken out without changing most of what is drawn for the others. A fault at the 57th passage of a
//! point would be at another place when calls before it are gone, so while calls are taken out it is counted from the latest call that stays
//! ([`Trigger::After`](crate::fault::Trigger::After)).
//!
//! # Plans from files
//! A plan that was loaded is shrunk in the same way. Its operations are made simpler where they are still those that the plan's seed generates today,
//! found by comparing them; an operation that is not, because it was edited or the workload has changed since, is kept as it is, or
//! becomes another one of the plan where objects are merged. A plan that has been shrunk may have the latencies of another seed, and then its operations
//! are kept as well.

mod calls;
mod clients;
mod draft;
mod faults;
mod latencies;
mod objects;
mod order;
mod refit;
mod search;
#[cfg(test)]
mod tests;
mod times;
mod truncate;
mod values;

use std::{fmt, time::Duration};

use self::{
    draft::Draft,
    search::Search,
    values::{Trees, trees_of},
};
use crate::{
    Suite, Violation,
    explore::plans::{RunsPlans, Seen, Until, here::Here},
    plan::{PlanError, RawPlan},
};

/// How often all passes are repeated at most; in practice the third time finds nothing more.
const ROUNDS_MAX: usize = 5;

/// How long shrinking may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many candidates may be run. The same on every machine.
    pub runs: u64,
    /// How much real time it may take. Not the same on every machine.
    pub time: Duration,
}

impl Default for Limits {
    /// 5,000 candidates, two seconds.
    fn default() -> Self {
        Self {
            runs: 5_000,
            time: Duration::from_secs(2),
        }
    }
}

impl Limits {
    /// So many candidates, however long they take.
    pub fn runs(runs: u64) -> Self {
        Self {
            runs,
            time: Duration::MAX,
        }
    }
}

/// How large a plan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// How many calls its clients make.
    pub steps: usize,
    /// How many clients make any.
    pub clients: usize,
    /// How many faults it has.
    pub faults: usize,
}

impl Size {
    fn of(plan: &RawPlan) -> Self {
        Self {
            steps: plan.clients.iter().map(Vec::len).sum(),
            clients: plan
                .clients
                .iter()
                .filter(|steps| !steps.is_empty())
                .count(),
            faults: plan.faults.len(),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = |count: usize| if count == 1 { "" } else { "s" };
        let Self { steps, faults, .. } = *self;
        write!(f, "{steps} step{}, {faults} fault{}", s(steps), s(faults))
    }
}

/// Why shrinking ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing can be left out, as far as the passes know.
    Smallest,
    /// The number of runs was reached.
    OutOfRuns,
    /// The time was over.
    OutOfTime,
}

/// What is left of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// The smallest plan, as JSON, with its tape: run again, it gives `hash`.
    pub plan: String,
    /// What it breaks. The promise is that of the plan at the beginning.
    pub violation: Violation,
    /// The hash of its trace.
    pub hash: u64,
    /// The plan's size at the beginning.
    pub before: Size,
    /// And now.
    pub after: Size,
    /// How many candidates were run.
    pub runs: u64,
    /// Why it ended.
    pub end: End,
}

impl fmt::Display for Shrunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            before,
            after,
            runs,
            end,
            ..
        } = self;
        let what = match end {
            End::Smallest => "smallest plan",
            End::OutOfRuns => "smaller plan, there were no runs left",
            End::OutOfTime => "smaller plan, there was no time left",
        };
        write!(f, "{what}: {after} (from {before}; {runs} runs)")
    }
}

/// Why a plan cannot be shrunk.
#[derive(Debug, thiserror::Error)]
pub enum ShrinkError {
    /// It is no plan of this suite.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// It breaks nothing.
    #[error("the plan breaks no promise: there is nothing to shrink")]
    Passes,
    /// There was no time for a single run.
    #[error("there was no time to run the plan even once")]
    NoTime,
}

/// Shrinks a plan in this process.
///
/// # Errors
/// It is no plan of this suite, or it breaks nothing.
///
/// # Example
/// ```
/// use dormouse_sim::shrink::{Limits, shrink};
/// # use dormouse::{DurableObject, Env, Result, State, durable_object, rpc};
/// # use dormouse_sim::{Faults, Invariant, Outcome, Scenario, Seed};
/// # use proptest::prelude::*;
/// # #[durable_object]
/// # pub struct Echo;
/// # impl DurableObject for Echo {
/// #     fn new(_: State, _: Env) -> Self { Self }
/// # }
/// # #[rpc]
/// # impl Echo {
/// #     pub async fn echo(&self, number: u32) -> Result<u32> { Ok(number) }
/// # }
/// let suite = Scenario::new("echoes_are_small") // they are not
///     .object::<Echo>("ECHO")
///     .workload(0..1_000_u32, 5..=20)
///     .step(|client, number| async move { client.stub::<Echo>("ECHO", "e").echo(number).await })
///     .check(Invariant::new("echoes are small", |run| {
///         let large = run.history.iter().any(|call| matches!(call.outcome, Outcome::Ok(412..)));
///         if large { Err("one was large".to_owned()) } else { Ok(()) }
///     }))
///     .into_suite();
/// let shrunk = shrink(&suite, &suite.plan(Seed(0)), Limits::runs(1_000))?;
/// assert_eq!(shrunk.after.steps, 1);
/// assert!(shrunk.plan.contains("\"op\": 412"));
/// # Ok::<(), dormouse_sim::shrink::ShrinkError>(())
/// ```
pub fn shrink(suite: &Suite, plan: &str, limits: Limits) -> Result<Shrunk, ShrinkError> {
    shrink_with(
        suite,
        plan,
        limits.runs,
        &mut Here::for_at_most(suite, limits.time),
    )
}

/// Shrinks a plan with candidates run by `runner`, at most `runs_max` of them.
pub(crate) fn shrink_with(
    suite: &Suite,
    plan: &str,
    runs_max: u64,
    runner: &mut dyn RunsPlans,
) -> Result<Shrunk, ShrinkError> {
    let plan = RawPlan::from_json(plan, suite.name())?;
    let generated = suite.op_trees(plan.seed);
    shrink_raw(plan, generated, runs_max, runner)
}

fn shrink_raw(
    plan: RawPlan,
    generated: Trees,
    runs_max: u64,
    runner: &mut dyn RunsPlans,
) -> Result<Shrunk, ShrinkError> {
    let before = Size::of(&plan);
    let text = plan.to_json();
    let seen = runner.run(&[text], Until::AllRan).pop();
    let seen = seen
        .ok_or(ShrinkError::NoTime)?
        .ok_or(ShrinkError::Passes)?;
    let Some(violation) = seen.violation.clone() else {
        return Err(ShrinkError::Passes);
    };
    let (draft, mut trees) = trees_of(plan, generated);
    let mut search = Search::new(draft, seen, violation.promise, runs_max, runner);
    order::leave_to_arrival(&mut search);
    for _ in 0..ROUNDS_MAX {
        let at_first = search.best().clone();
        truncate::pass(&mut search);
        faults::take_out(&mut search);
        clients::take_out(&mut search);
        calls::take_out(&mut search);
        faults::take_out(&mut search);
        faults::tame(&mut search);
        refit::pass(&mut search);
        latencies::pass(&mut search);
        faults::wait_instead(&mut search);
        faults::meet_instead(&mut search);
        clients::join(&mut search); // before values become such as only two clients can give
        objects::pass(&mut search);
        values::pass(&mut search, &mut trees);
        clients::join(&mut search);
        times::pass(&mut search);
        order::pass(&mut search);
        if *search.best() == at_first || search.has_ended() {
            break;
        }
    }
    clients::number_anew(&mut search);
    faults::count_from_the_start(&mut search);
    let runs = search.runs();
    let (draft, seen, end) = search.into_best();
    Ok(finished(draft, seen, before, runs, end))
}

fn finished(draft: Draft, seen: Seen, before: Size, runs: u64, end: End) -> Shrunk {
    let mut plan = draft.plan;
    plan.tape = order::needed(&plan.order, seen.tape);
    Shrunk {
        after: Size::of(&plan),
        plan: plan.to_json(),
        violation: seen.violation.expect("only what breaks a promise is taken"),
        hash: seen.hash,
        before,
        runs,
        end,
    }
}
