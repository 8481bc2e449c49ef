//! Why: at which event did the failure become inevitable?
//!
//! A failing run is long, and what breaks it happens at one place. So the first things that happened are kept and all that comes after them is drawn anew, twenty
//! times: the order of events, latencies, how long syncs take; and what had not gone wrong by then does not. If few of the twenty fail, nothing was
//! decided yet; if all of them do, it was. The event between is the one to look at.
//!
//! In: a plan that breaks a promise. Out: how often it is broken over how much is kept, and that event.

use std::fmt;

use super::{
    plans::{RunsPlans, Until, here::Here},
    run_plan,
};
use crate::{
    Detail, Run, Suite, Violation,
    anatomy::Anatomy,
    plan::{PlanError, RawPlan, Redraw},
};

/// How often the rest is drawn anew at each place.
pub const DRAWS: u32 = 20;
/// At how many places, before the jump is looked for more closely.
const PLACES: usize = 25;
/// From how many of the draws on a failure counts as inevitable: one in twenty may be luck.
const INEVITABLE: u32 = DRAWS - 1;
/// The length of a full bar.
const BAR: usize = 20;

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// What was broken.
    pub violation: Violation,
    /// How many things happened in the whole run.
    pub happened: usize,
    /// The places that were tried, in order.
    pub places: Vec<Place>,
    /// From which number of kept things on the failure is inevitable; nothing if only the whole run fails reliably.
    pub inevitable: Option<usize>,
}

/// One place at which the run was taken up anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// How many things were kept.
    pub kept: usize,
    /// In how many of [`DRAWS`] runs the promise was broken.
    pub failed: u32,
    /// The last of the things that were kept, in words; empty if none was.
    pub event: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum WhyError {
    /// It is no plan of this suite.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// It breaks nothing.
    #[error("the run breaks no promise: there is nothing to explain")]
    Passes,
}

/// Finds out at which event of a plan's run its failure became inevitable, in this process.
///
/// # Errors
/// It is no plan of this suite, or it breaks nothing.
pub fn why(suite: &Suite, plan: &str) -> Result<Why, WhyError> {
    why_with(suite, plan, &mut Here::new(suite))
}

/// The same with runs made by `runner`.
pub(crate) fn why_with(
    suite: &Suite,
    plan: &str,
    runner: &mut dyn RunsPlans,
) -> Result<Why, WhyError> {
    let raw = RawPlan::from_json(plan, suite.name())?;
    let Run {
        violation: Some(violation),
        anatomy: Some(anatomy),
        texts: Some(texts),
        ..
    } = run_plan(suite, plan, Detail::Full)?
    else {
        return Err(WhyError::Passes);
    };
    let lines: Vec<_> = texts.trace.lines().collect();
    let happened = anatomy.happenings.len();
    let mut asked = Asked {
        plan: raw,
        anatomy,
        promise: violation.promise.clone(),
        lines,
        places: Vec::new(),
        runner,
    };
    let places = PLACES.min(happened + 1);
    for place in 0..places {
        asked.try_place(happened * place / (places - 1).max(1));
    }
    let inevitable = asked.find_the_jump();
    let mut places = asked.places;
    places.sort_by_key(|place| place.kept);
    Ok(Why {
        violation,
        happened,
        places,
        inevitable,
    })
}

struct Asked<'a> {
    plan: RawPlan,
    anatomy: Anatomy,
    promise: String,
    lines: Vec<&'a str>,
    places: Vec<Place>,
    runner: &'a mut dyn RunsPlans,
}

impl Asked<'_> {
    /// In how many runs the promise is broken if the first `kept` things are kept.
    fn try_place(&mut self, kept: usize) -> u32 {
        if let Some(place) = self.places.iter().find(|place| place.kept == kept) {
            return place.failed;
        }
        let had_fired = |fault: usize| {
            let mut firings = self.anatomy.firings.iter();
            firings.any(|firing| firing.fault == fault && firing.happenings <= kept)
        };
        let plans: Vec<_> = (0..u64::from(DRAWS))
            .map(|salt| {
                let mut plan = self.plan.clone();
                let faults = plan.faults.into_iter().enumerate();
                plan.faults = faults
                    .filter(|(place, _)| had_fired(*place))
                    .map(|(_, fault)| fault)
                    .collect();
                plan.redraw = Some(Redraw {
                    after: kept as u64,
                    salt,
                });
                plan.to_json()
            })
            .collect();
        let seen = self.runner.run(&plans, Until::AllRan);
        let broke = seen
            .iter()
            .flatten()
            .filter(|seen| seen.broke(&self.promise));
        let failed = u32::try_from(broke.count()).expect("there are few draws");
        let event = self.event(kept);
        self.places.push(Place {
            kept,
            failed,
            event,
        });
        failed
    }

    /// The first number of kept things from which on it always fails, as far as the places tell, looked for more closely.
    fn find_the_jump(&mut self) -> Option<usize> {
        self.places.sort_by_key(|place| place.kept);
        let first = self
            .places
            .iter()
            .rposition(|place| place.failed < INEVITABLE);
        let Some(before) = first else {
            return Some(0);
        };
        let mut not_yet = self.places[before].kept;
        let mut surely = self.places.get(before + 1)?.kept;
        while surely - not_yet > 1 {
            let between = not_yet + (surely - not_yet) / 2;
            if self.try_place(between) >= INEVITABLE {
                surely = between;
            } else {
                not_yet = between;
            }
        }
        self.try_place(not_yet);
        Some(surely)
    }

    /// What happened as number `kept`, in one line of the trace: the most telling one.
    fn event(&self, kept: usize) -> String {
        let Some(number) = kept.checked_sub(1) else {
            return String::new();
        };
        let happenings = &self.anatomy.happenings;
        let from = happenings[number].event;
        let until = happenings
            .get(kept)
            .map_or(self.lines.len(), |next| next.event);
        let lines = self.lines.get(from..until.max(from)).unwrap_or_default();
        let telling = [
            " FAULT ",
            " restart",
            " activation_",
            " ok ",
            " unknown ",
            " invoke ",
        ];
        let line = telling
            .iter()
            .find_map(|what| lines.iter().find(|line| line.contains(what)))
            .or_else(|| lines.first());
        let line = line.copied().unwrap_or("(something that left no trace)");
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// The rate over what is kept, as bars, and the event.
impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "broke    `{}`", self.violation.promise)?;
        writeln!(
            f,
            "kept     the first things that happened, of {}; the rest drawn anew {DRAWS} times, without the faults to come",
            self.happened
        )?;
        writeln!(f, "\n  kept   fails   {:<BAR$}  the last that is kept", "")?;
        for place in &self.places {
            let length = usize::try_from(place.failed).expect("few") * BAR
                / usize::try_from(DRAWS).expect("few");
            let here = if Some(place.kept) == self.inevitable {
                "<-- "
            } else {
                ""
            };
            let line = format!(
                "{:>6}  {:>3}/{DRAWS}   {:<BAR$}  {here}{}",
                place.kept,
                place.failed,
                "#".repeat(length),
                place.event
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        let rate = |kept: usize| {
            let place = self.places.iter().find(|place| place.kept == kept);
            place.map_or(0, |place| place.failed * 100 / DRAWS)
        };
        match self.inevitable {
            Some(0) => writeln!(
                f,
                "\nThe failure was inevitable from the start: the calls alone lead to it, in whatever order things happen."
            ),
            Some(kept) => {
                let event = self.places.iter().find(|place| place.kept == kept);
                writeln!(
                    f,
                    "\nThe failure became inevitable at: {}\n({} % of the runs fail before it, {} % after it)",
                    event.map_or("", |place| &*place.event),
                    rate(kept - 1),
                    rate(kept)
                )
            }
            None => writeln!(
                f,
                "\nThe failure was never inevitable: up to the last event it can still go well."
            ),
        }
    }
}
