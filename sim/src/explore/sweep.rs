//! The crash-point sweep: a fault at each injection point of a run, one after the other.
//!
//! Random faults hit windows by chance. A sweep leaves none out: the plan is run without faults, all the passages that it makes are counted, and
//! then it is run again as often as there are passages, each time with one fault at one of them; or with two. What it says is as strong as its workload:
//! a sweep of a plan that never fills a cache says nothing about a full cache.

use std::{collections::BTreeMap, fmt};

use super::plans::{RunsPlans, Until, here::Here};
use crate::{
    FaultKind, Order, Suite, Violation,
    anatomy::Passages,
    fault::{Fault, Trigger},
    plan::{PlanError, RawPlan},
};

/// How long a machine stays down in a sweep, in milliseconds.
const OUTAGE_MILLIS: u64 = 20;
/// By how much messages and syncs are slower, in milliseconds.
const SLOWER_MILLIS: u64 = 2_000;
/// How many of the strikes that broke something are told one by one.
const BROKEN_NAMED_MAX: usize = 8;
/// How many plans are handed over at once.
const PLANS_AT_ONCE: usize = 256;

/// What is to be swept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The kinds of fault.
    pub kinds: Vec<FaultKind>,
    /// How many pairs of points are struck besides, taken evenly from all pairs.
    pub pairs: usize,
}

impl Default for Options {
    /// What ends an activation: process crash, power loss, eviction. No pairs.
    fn default() -> Self {
        Self {
            kinds: vec![
                FaultKind::ProcessCrash,
                FaultKind::PowerLoss,
                FaultKind::Evict,
            ],
            pairs: 0,
        }
    }
}

/// What came of a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// Every point that the plan passes without faults, and how often.
    pub points: Vec<Passages>,
    /// What came of each fault, or pair of faults.
    pub strikes: Vec<Strike>,
}

/// One run of a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strike {
    /// The fault, or the pair.
    pub faults: Vec<Fault>,
    /// How many of them took effect. The second of a pair may never come: after the first the run is another one.
    pub took_effect: usize,
    /// What was broken.
    pub violation: Option<Violation>,
    /// The plan, to be replayed.
    pub plan: String,
}

/// Why nothing was swept.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// It is no plan of this suite.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// What it breaks by itself would be found at every point.
    #[error("the plan breaks a promise without any fault: {0}")]
    BrokenAnyway(Violation),
    /// Its run hung, or took its process with it.
    #[error("the plan cannot be run without faults")]
    NoRun,
}

/// Sweeps a plan, whose own faults are left away, in this process.
///
/// # Errors
/// It is no plan of this suite, or it breaks a promise without any fault.
///
/// # Example
/// ```
/// use dormouse_sim::explore::sweep::{Options, sweep};
/// # use dormouse::{DurableObject, Env, Result, State, durable_object, rpc};
/// # use dormouse_sim::{Scenario, Seed, Suite};
/// # use proptest::prelude::*;
/// # #[durable_object]
/// # pub struct Counter { state: State }
/// # impl DurableObject for Counter {
/// #     fn new(state: State, _: Env) -> Self { Self { state } }
/// # }
/// # #[rpc]
/// # impl Counter {
/// #     pub async fn increment(&self) -> Result<u64> {
/// #         let storage = self.state.storage();
/// #         let value = storage.get::<u64>("value").await?.unwrap_or(0) + 1;
/// #         storage.put("value", value).await?;
/// #         Ok(value)
/// #     }
/// # }
/// # let suite = Scenario::new("one_increment")
/// #     .object::<Counter>("COUNTER")
/// #     .clients(1)
/// #     .workload(Just(()), 1..=1)
/// #     .step(|client, ()| async move { client.stub::<Counter>("COUNTER", "a").increment().await })
/// #     .into_suite();
/// let sweep = sweep(&suite, &suite.plan(Seed(0)), &Options::default())?;
/// assert!(sweep.points.iter().any(|point| point.name == "committed"));
/// assert_eq!(sweep.broken().count(), 0, "{sweep}");
/// # Ok::<(), dormouse_sim::explore::sweep::SweepError>(())
/// ```
pub fn sweep(suite: &Suite, plan: &str, options: &Options) -> Result<Sweep, SweepError> {
    sweep_with(suite, plan, options, &mut Here::new(suite), &mut |_, _| {})
}

/// Sweeps with runs made by `runner`; `progress` hears how many of how many are done.
pub(crate) fn sweep_with(
    suite: &Suite,
    plan: &str,
    options: &Options,
    runner: &mut dyn RunsPlans,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Sweep, SweepError> {
    let mut quiet = RawPlan::from_json(plan, suite.name())?;
    quiet.faults.clear();
    if !quiet.order.is_of_the_seed() {
        quiet.order = Order::Arrival; // a tape, or numbers of choices, would be out of step after the first fault
    }
    quiet.tape.clear();
    let seen = runner.run(&[quiet.to_json()], Until::AllRan).pop();
    let seen = seen.flatten().ok_or(SweepError::NoRun)?;
    if let Some(violation) = seen.violation {
        return Err(SweepError::BrokenAnyway(violation));
    }
    let points = seen.passages;
    let strikes = strikes(&points, options);
    let plans: Vec<_> = strikes
        .iter()
        .map(|faults| {
            let mut plan = quiet.clone();
            plan.faults.clone_from(faults);
            plan.to_json()
        })
        .collect();
    let mut results = Vec::new();
    for plans_now in plans.chunks(PLANS_AT_ONCE) {
        results.extend(runner.run(plans_now, Until::AllRan));
        progress(results.len(), plans.len());
    }
    let strikes = strikes.into_iter().zip(plans).zip(results);
    let strikes = strikes.map(|((faults, plan), seen)| match seen {
        Some(seen) => Strike {
            faults,
            took_effect: seen
                .firings
                .iter()
                .filter(|firing| firing.took_effect)
                .count(),
            violation: seen.violation,
            plan,
        },
        None => Strike {
            faults,
            took_effect: 0,
            violation: Some(Violation::new(
                super::pool::RUN_ENDS,
                "the run hangs or kills its process",
            )),
            plan,
        },
    });
    Ok(Sweep {
        points,
        strikes: strikes.collect(),
    })
}

fn strikes(points: &[Passages], options: &Options) -> Vec<Vec<Fault>> {
    let mut single = Vec::new();
    for &kind in &options.kinds {
        for point in points.iter().filter(|point| kind.may_strike(point)) {
            single.extend((1..=point.times).map(|nth| Fault {
                kind,
                trigger: Trigger::Point {
                    machine: point.machine.clone(),
                    name: point.name.clone(),
                    nth,
                },
                millis: match kind {
                    FaultKind::SlowLinks | FaultKind::SlowSync => SLOWER_MILLIS,
                    _ => OUTAGE_MILLIS,
                },
            }));
        }
    }
    let count = single.len() as u64;
    let all_pairs = count * count.saturating_sub(1) / 2;
    let wanted = all_pairs.min(options.pairs as u64);
    let pairs = (0..wanted).map(|pair| {
        // The middle of each of so many equal parts of the list of all pairs.
        let number = u64::try_from(
            (u128::from(pair) * 2 + 1) * u128::from(all_pairs) / (u128::from(wanted) * 2),
        );
        let (one, other) = pair_number(number.expect("below the number of pairs"));
        vec![single[one].clone(), single[other].clone()]
    });
    let pairs: Vec<_> = pairs.collect();
    let single = single.into_iter().map(|fault| vec![fault]);
    single.chain(pairs).collect()
}

/// The pair with this number: (0, 1), (0, 2), (1, 2), (0, 3), ...
fn pair_number(number: u64) -> (usize, usize) {
    let mut other = number.saturating_mul(2).isqrt();
    while other * (other + 1) / 2 > number {
        other -= 1;
    }
    while (other + 1) * (other + 2) / 2 <= number {
        other += 1;
    }
    let one = number - other * (other + 1) / 2;
    let index = |number: u64| usize::try_from(number).expect("an index of a list");
    (index(one), index(other + 1))
}

impl FaultKind {
    /// Whether a fault of this kind at this point is another one than those at other points: what strikes the server strikes it wherever it is
    /// counted, and clients pass only points of links.
    pub(crate) fn may_strike(self, point: &Passages) -> bool {
        match self {
            Self::LoseCall | Self::LoseReply | Self::SlowLinks => point.name.starts_with("link_"),
            _ => point.machine == crate::fault::SERVER,
        }
    }
}

impl Sweep {
    /// The strikes that broke a promise.
    pub fn broken(&self) -> impl Iterator<Item = &Strike> {
        self.strikes
            .iter()
            .filter(|strike| strike.violation.is_some())
    }
}

/// A line for each point: how often it is passed, and what came of each kind of fault there.
impl fmt::Display for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let single = || {
            self.strikes
                .iter()
                .filter(|strike| strike.faults.len() == 1)
        };
        let mut kinds: Vec<_> = single().map(|strike| strike.faults[0].kind).collect();
        kinds.sort();
        kinds.dedup();
        let mut cells = BTreeMap::<(&str, &str, FaultKind), (u64, u64, u64)>::new();
        for strike in single() {
            if let Trigger::Point { machine, name, .. } = &strike.faults[0].trigger {
                let cell = cells.entry((machine, name, strike.faults[0].kind));
                let (struck, effects, broke) = cell.or_default();
                *struck += 1;
                *effects += strike.took_effect as u64;
                *broke += u64::from(strike.violation.is_some());
            }
        }
        write!(f, "{:<28}  {:>8}", "point", "passages")?;
        for kind in &kinds {
            write!(f, "  {:>16}", kind.label())?;
        }
        writeln!(f)?;
        for point in &self.points {
            let place = format!("{} on {}", point.name, point.machine);
            write!(f, "{place:<28}  {:>8}", point.times)?;
            for &kind in &kinds {
                let cell = cells.get(&(point.machine.as_str(), point.name.as_str(), kind));
                let text = match cell {
                    None => "-".to_owned(),
                    Some((_, 0, 0)) => "no effect".to_owned(),
                    Some((_, _, 0)) => "ok".to_owned(),
                    Some((struck, _, broke)) => format!("{broke} of {struck} BROKE"),
                };
                write!(f, "  {text:>16}")?;
            }
            writeln!(f)?;
        }
        let pairs: Vec<_> = self
            .strikes
            .iter()
            .filter(|strike| strike.faults.len() == 2)
            .collect();
        if !pairs.is_empty() {
            let both = pairs.iter().filter(|pair| pair.took_effect == 2).count();
            let broke = pairs.iter().filter(|pair| pair.violation.is_some()).count();
            writeln!(
                f,
                "{} pairs, {both} of which took effect both; {broke} BROKE",
                pairs.len()
            )?;
        }
        for strike in self.broken().take(BROKEN_NAMED_MAX) {
            let faults: Vec<_> = strike.faults.iter().map(ToString::to_string).collect();
            let violation = strike.violation.as_ref().expect("it is one that broke");
            let why = violation.why.lines().next().unwrap_or_default();
            writeln!(
                f,
                "BROKE {}: {}: {why}",
                faults.join(" and "),
                violation.promise
            )?;
        }
        let more = self.broken().count().saturating_sub(BROKEN_NAMED_MAX);
        if more > 0 {
            writeln!(f, "and {more} more BROKE")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_numbered_without_gaps_and_without_repeats() {
        let mut expected = Vec::new();
        for other in 1..60 {
            expected.extend((0..other).map(|one| (one, other)));
        }
        let numbered: Vec<_> = (0..expected.len() as u64).map(pair_number).collect();
        assert_eq!(numbered, expected);
    }

    #[test]
    fn every_passage_is_struck_once_by_each_kind_and_pairs_are_bounded() {
        let points = [
            Passages {
                machine: "server".to_owned(),
                name: "commit".to_owned(),
                times: 3,
            },
            Passages {
                machine: "client-1".to_owned(),
                name: "link_call".to_owned(),
                times: 2,
            },
        ];
        let options = Options {
            kinds: vec![FaultKind::PowerLoss, FaultKind::LoseCall],
            pairs: 4,
        };
        let strikes = strikes(&points, &options);
        let single: Vec<_> = strikes.iter().filter(|faults| faults.len() == 1).collect();
        assert_eq!(single.len(), 5, "three losses of power, two lost calls");
        let pairs: Vec<_> = strikes.iter().filter(|faults| faults.len() == 2).collect();
        assert_eq!(pairs.len(), 4);
        assert!(pairs.iter().all(|pair| pair[0] != pair[1]));
    }
}
