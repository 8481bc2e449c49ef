//! What a whole exploration never saw: a suite that tests nothing says so.
//!
//! A run that passes proves little if the case that it is about never came up. So at the end of many seeds it is said which [`sometimes!`](dormouse::assert::sometimes)
//! and [`reachable!`](dormouse::assert::reachable) never held, which faults were drawn and never came to anything, and whether any call was answered at
//! all.
//!
//! Which assertions a suite has to meet is known without one of them ever being reached: they are registered by name before `main`, with their
//! module, and a suite is about the modules in which its objects stand ([`Scenario::asserts_in`](crate::Scenario::asserts_in) adds more).

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use dormouse::assert::{Site, sites};
use serde::{Deserialize, Serialize};

use super::Summary;
use crate::{FaultKind, Suite, anatomy::Fate, fault::Trigger};

/// Fewer seeds than this are no reason to expect anything.
const SEEDS_MIN: u64 = 100;
/// A fault that was drawn less often may just have had bad luck.
const DRAWN_MIN: u64 = 10;

/// What became of all faults of one kind and place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fates {
    /// How many were drawn.
    pub drawn: u64,
    /// How many met their trigger.
    pub fired: u64,
    /// How many took effect.
    pub took_effect: u64,
}

/// Fates by kind and point; the point is empty for faults that have a time.
pub(super) type FatesByPlace = BTreeMap<String, Fates>;

/// Adds what became of a run's faults.
pub(super) fn add(fates: &mut FatesByPlace, run: &[Fate]) {
    for fate in run {
        let point = match &fate.fault.trigger {
            Trigger::At(_) => "",
            Trigger::Point { name, .. } => name,
            Trigger::After(after) => &after.name,
        };
        let key = key(fate.fault.kind, point);
        let sum = fates.entry(key).or_default();
        sum.drawn += 1;
        sum.fired += u64::from(fate.fired);
        sum.took_effect += u64::from(fate.took_effect);
    }
}

fn key(kind: FaultKind, point: &str) -> String {
    format!("{kind}@{point}")
}

/// What was never seen of one suite, in words; nothing if all was.
pub(super) fn of(suite: &Suite, summary: &Summary) -> Vec<String> {
    let mut never = Vec::new();
    if summary.seeds == 0 {
        return never;
    }
    if summary.answered == 0 {
        never.push("no call was ever answered with a result".to_owned());
    }
    never.extend(unmet(&sites(), suite.modules(), &summary.assertions));
    if summary.seeds >= SEEDS_MIN {
        never.extend(idle_faults(&summary.fates));
    }
    never
}

/// The assertions that had to hold somewhere and held nowhere.
fn unmet(sites: &[&Site], modules: &[String], held: &BTreeMap<String, u64>) -> Vec<String> {
    let is_within = |site: &Site| {
        modules.iter().any(|module| {
            let below = site.module().strip_prefix(module.as_str());
            below.is_some_and(|below| below.is_empty() || below.starts_with("::"))
        })
    };
    let mut named = BTreeSet::new();
    let unmet = sites.iter().filter(|site| {
        site.kind().must_be_seen()
            && is_within(site)
            && !held.contains_key(site.name())
            && named.insert(site.name())
    });
    unmet
        .map(|site| {
            format!(
                "`{}` never held ({}:{})",
                site.name(),
                site.file(),
                site.line()
            )
        })
        .collect()
}

/// The faults that were drawn and did nothing, by kind; a kind that never did anything once for all its places.
fn idle_faults(fates: &FatesByPlace) -> Vec<String> {
    let mut never = Vec::new();
    for kind in FaultKind::ALL {
        let prefix = key(kind, "");
        let of_kind: Vec<_> = fates
            .iter()
            .filter_map(|(key, fates)| Some((key.strip_prefix(&prefix)?, fates)))
            .collect();
        let drawn: u64 = of_kind.iter().map(|(_, fates)| fates.drawn).sum();
        if drawn < DRAWN_MIN {
            continue;
        }
        if of_kind.iter().all(|(_, fates)| fates.took_effect == 0) {
            never.push(format!("{kind} never took effect ({drawn} drawn)"));
            continue;
        }
        let idle = of_kind
            .iter()
            .filter(|(_, fates)| fates.took_effect == 0 && fates.drawn >= DRAWN_MIN);
        let idle: Vec<_> = idle
            .map(|(point, fates)| {
                let place = if point.is_empty() { "a time" } else { point };
                let why = if fates.fired == 0 {
                    "not passed so often"
                } else {
                    "in vain"
                };
                format!("{place} ({} drawn, {why})", fates.drawn)
            })
            .collect();
        if !idle.is_empty() {
            never.push(format!("{kind} never took effect at {}", idle.join(", ")));
        }
    }
    never
}

/// What was never seen, by suite.
pub(super) fn text(suites: &[(Suite, &Summary)]) -> String {
    let mut out = String::new();
    for (suite, summary) in suites {
        for never in of(suite, summary) {
            if out.is_empty() {
                out.push_str("\nnever seen\n");
            }
            writeln!(out, "{:<24}  {never}", suite.name())
                .expect("writing to a string does not fail");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use dormouse::assert::Kind;

    use super::*;
    use crate::fault::Fault;

    const FULL: Site = Site::new(
        Kind::Sometimes,
        "the cache is full",
        "cache.rs",
        7,
        "mine::cache",
    );
    const SEEN: Site = Site::new(
        Kind::Reachable,
        "it is seen",
        "cache.rs",
        9,
        "mine::cache::line",
    );
    const HOLDS: Site = Site::new(Kind::Always, "it holds", "cache.rs", 11, "mine::cache");
    const OTHER: Site = Site::new(Kind::Sometimes, "elsewhere", "b.rs", 1, "mine::cached");

    #[test]
    fn what_must_be_seen_and_was_not_is_named_with_its_place() {
        let held = BTreeMap::from([("it is seen".to_owned(), 3)]);
        let modules = ["mine::cache".to_owned()];
        let sites = [&FULL, &SEEN, &HOLDS, &OTHER];
        assert_eq!(
            unmet(&sites, &modules, &held),
            ["`the cache is full` never held (cache.rs:7)"]
        );
        assert_eq!(
            unmet(&sites, &modules, &BTreeMap::new()).len(),
            2,
            "the module within is its module as well, one of a similar name is not"
        );
    }

    fn fates(kind: FaultKind, name: &str, drawn: usize, took_effect: usize) -> Vec<Fate> {
        let fate = |number| Fate {
            fault: Fault {
                kind,
                trigger: Trigger::Point {
                    machine: "server".to_owned(),
                    name: name.to_owned(),
                    nth: 1,
                },
                millis: 0,
            },
            fired: true,
            took_effect: number < took_effect,
        };
        (0..drawn).map(fate).collect()
    }

    #[test]
    fn a_fault_that_was_drawn_and_did_nothing_is_named_by_kind_and_point() {
        let mut sums = FatesByPlace::new();
        add(&mut sums, &fates(FaultKind::Evict, "commit", 12, 4));
        add(&mut sums, &fates(FaultKind::Evict, "idle", 20, 0));
        add(&mut sums, &fates(FaultKind::Evict, "turn", 3, 0));
        add(&mut sums, &fates(FaultKind::SlowSync, "commit", 11, 0));
        assert_eq!(
            idle_faults(&sums),
            [
                "evict never took effect at idle (20 drawn, in vain)",
                "slow sync never took effect (11 drawn)"
            ]
        );
    }
}
