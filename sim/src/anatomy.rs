//! What a run is made of, for those who change plans: which calls were made, which injection points were passed, where its faults fired.
//!
//! A checker says *whether*; a shrinker, a sweep and a search want to know *where*. All of it is read off the trace after the run, and only
//! when asked for ([`Detail`](crate::Detail)), so mass exploration pays nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::{
    fault::{AfterCall, Fault, Trigger},
    trace::Trace,
    world::{Fired, Happening},
};

/// The parts of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anatomy {
    /// The calls in the order in which they were made: the client's number, from 1 on, and the call's index among its client's, from 0 on. The
    /// last reads are not among them.
    pub invoked: Vec<(usize, usize)>,
    /// The faults that fired.
    pub firings: Vec<Firing>,
    /// Every injection point that was passed as long as faults could strike, and how often.
    pub passages: Vec<Passages>,
    /// Where the run stood whenever something happened.
    pub(crate) happenings: Vec<Happening>,
    /// What followed what: a number for each pair of events that one object, or one client, met one after the other, and for each pair of a fault
    /// and the event at which it struck; each with how often, roughly. Sorted.
    pub edges: Vec<u64>,
}

/// How often a point was passed on a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passages {
    /// The machine.
    pub machine: String,
    /// The point.
    pub name: String,
    /// How often.
    pub times: u64,
}

/// A fault that met its trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firing {
    /// Its place in the plan.
    pub fault: usize,
    /// Whether anything came of it: a machine that is down cannot crash.
    pub took_effect: bool,
    /// How many things had happened by then.
    pub(crate) happenings: usize,
    /// How many events the trace had by then.
    pub(crate) event: usize,
    /// The same place in words that stay true when calls are taken out: first the passage counted from the start, then counted from each call that had been made,
    /// the latest first. Empty for a fault that has its time.
    pub triggers: Vec<Trigger>,
}

/// What happened to one fault of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// The fault.
    pub fault: Fault,
    /// Whether its trigger was met.
    pub fired: bool,
    /// Whether anything came of it.
    pub took_effect: bool,
}

/// The fates of a plan's faults, in the plan's order.
pub(crate) fn fates(faults: &[Fault], fired: &[Fired]) -> Vec<Fate> {
    let mut fates: Vec<_> = faults
        .iter()
        .map(|fault| Fate {
            fault: fault.clone(),
            fired: false,
            took_effect: false,
        })
        .collect();
    for one in fired {
        fates[one.fault].fired = true;
        fates[one.fault].took_effect |= one.took_effect;
    }
    fates
}

/// Events that are only notes and no injection points.
const NOTES: [&str; 5] = ["invoke", "ok", "failed", "unknown", "FAULT"];
/// After this no fault strikes.
const HEALED: &str = "healed";
/// Where the world itself stands in a trace.
const WORLD: &str = "world";

impl Anatomy {
    pub(crate) fn of(
        trace: &Trace,
        faults: &[Fault],
        fired: &[Fired],
        invoked: Vec<(usize, usize)>,
        happenings: Vec<Happening>,
    ) -> Self {
        let mut passages = BTreeMap::<(&str, &str), u64>::new();
        for event in trace.events().take_while(|event| event.name() != HEALED) {
            if event.place() != WORLD && !NOTES.contains(&event.name()) {
                *passages.entry((event.place(), event.name())).or_default() += 1;
            }
        }
        let passages = passages
            .into_iter()
            .map(|((machine, name), times)| Passages {
                machine: machine.to_owned(),
                name: name.to_owned(),
                times,
            });
        let firings = fired.iter().map(|one| Firing {
            fault: one.fault,
            took_effect: one.took_effect,
            happenings: one.happenings,
            event: one.event,
            triggers: triggers(trace, &faults[one.fault], one.event),
        });
        Self {
            firings: firings.collect(),
            passages: passages.collect(),
            edges: edges(trace),
            invoked,
            happenings,
        }
    }
}

/// The ways to name the passage at which `fault` fired, when the trace had `until` events.
fn triggers(trace: &Trace, fault: &Fault, until: usize) -> Vec<Trigger> {
    let (machine, name) = match &fault.trigger {
        Trigger::At(_) => return Vec::new(),
        Trigger::Point { machine, name, .. } => (machine, name),
        Trigger::After(after) => (&after.machine, &after.name),
    };
    let (mut passed, mut since) = (0, Vec::new());
    let mut calls = BTreeMap::<&str, usize>::new();
    for event in trace.events().take(until) {
        if event.name() == "invoke" {
            let call = calls.entry(event.place()).or_default();
            *call += 1;
            let client = event.place().strip_prefix("client-");
            since.extend(
                client
                    .and_then(|client| client.parse().ok())
                    .map(|client: usize| (client, *call, passed)),
            );
        }
        if event.name() == name && event.place() == machine {
            passed += 1;
        }
    }
    let from_the_start = Trigger::Point {
        machine: machine.clone(),
        name: name.clone(),
        nth: passed,
    };
    let from_calls = since
        .into_iter()
        .rev()
        .filter(|(_, _, before)| *before < passed)
        .map(|(client, call, before)| {
            Trigger::After(AfterCall {
                client,
                call,
                machine: machine.clone(),
                name: name.clone(),
                nth: passed - before,
            })
        });
    std::iter::once(from_the_start).chain(from_calls).collect()
}

/// How many classes of "how often" there are: once, twice, three times, up to seven, up to fifteen, more.
fn how_often(times: u32) -> u64 {
    match times {
        0..=3 => u64::from(times),
        4..=7 => 4,
        8..=15 => 5,
        _ => 6,
    }
}

fn edges(trace: &Trace) -> Vec<u64> {
    let mut last = BTreeMap::<&str, u64>::new();
    let mut times = BTreeMap::<u64, u32>::new();
    let mut last_on_the_server = 0;
    for event in trace.events() {
        let kind = xxh3_64(event.name().as_bytes());
        if event.name() == "FAULT" {
            let fault = event.text("kind").unwrap_or_default();
            let edge = xxh3_64_with_seed(fault.as_bytes(), last_on_the_server);
            *times.entry(edge).or_default() += 1;
            continue;
        }
        let lane = event.text("object").unwrap_or(event.place());
        let before = last.insert(lane, kind).unwrap_or(0);
        *times
            .entry(xxh3_64_with_seed(&before.to_le_bytes(), kind))
            .or_default() += 1;
        last_on_the_server = kind;
    }
    let edges: BTreeSet<_> = times
        .into_iter()
        .map(|(edge, times)| edge.rotate_left(3) ^ how_often(times))
        .collect();
    edges.into_iter().collect()
}
