//! Rate limiting: in no window of time do more requests pass than the limit allows, and none is refused without reason.

use std::time::Duration;

use dormouse::{DurableObject, ObjectClass, RpcCall};
use dormouse_objects::{RateLimiter, faulty::MemoryLimiter};
use dormouse_sim::{
    Call, Client, Invariant, Observed, Outcome, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::promises::EVICTED;

const NEVER_TOO_MANY: &str = "no more pass than the limit allows";
const LIMIT: usize = 3;
const WINDOW: Duration = Duration::from_mins(1);

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check;

/// More than the limit passed although all of them were made and answered within one window, by the clients' own clock.
fn never_too_many(run: &Observed<'_, Check, bool>) -> Result<(), String> {
    let mut passed: Vec<_> = run
        .history
        .calls()
        .iter()
        .filter(|call| matches!(call.outcome, Outcome::Ok(true)))
        .map(|call| (call.invoked.at, call.returned.expect("it was answered").at))
        .collect();
    passed.sort_unstable();
    for first in &passed {
        let within = passed
            .iter()
            .filter(|call| call.0 >= first.0 && call.1 < first.0 + WINDOW)
            .count();
        if within > LIMIT {
            return Err(format!(
                "{within} requests passed between +{:?} and +{:?}",
                first.0,
                first.0 + WINDOW
            ));
        }
    }
    Ok(())
}

/// A request was refused although too few others can have counted against it.
fn never_without_reason(run: &Observed<'_, Check, bool>) -> Result<(), String> {
    let calls = run.history.calls();
    let refused = calls
        .iter()
        .filter(|call| matches!(call.outcome, Outcome::Ok(false)));
    for call in refused {
        let returned = call.returned.expect("it was answered");
        let may_count = |other: &&Call<Check, bool>| {
            let effect_unless_refused =
                !matches!(other.outcome, Outcome::Ok(false) | Outcome::Failed(_));
            let left_behind = match other.outcome {
                // A call whose answer was lost may run later than the client learned of it.
                Outcome::Unknown(_) => false,
                _ => other
                    .returned
                    .is_some_and(|at| at.at + WINDOW < call.invoked.at),
            };
            effect_unless_refused && !left_behind && other.invoked.order < returned.order
        };
        let counted = calls.iter().filter(may_count).count();
        if counted < LIMIT {
            return Err(format!(
                "a request at +{:?} was refused with only {counted} before it",
                call.invoked.at
            ));
        }
    }
    Ok(())
}

fn suite_of<T: DurableObject + ObjectClass>(
    name: &'static str,
    check: fn(&Client) -> RpcCall<bool>,
) -> Suite {
    Scenario::new(name)
        .object::<T>("LIMITER")
        .clients(2)
        .workload(Just(Check), 1..=10)
        .step(move |client, Check| check(&client))
        .check(Invariant::new(NEVER_TOO_MANY, never_too_many))
        .check(Invariant::new(
            "none is refused without reason",
            never_without_reason,
        ))
        .into_suite()
}

fn window() -> u64 {
    u64::try_from(WINDOW.as_millis()).expect("a minute fits")
}

/// The window in storage.
pub fn rate_limiter() -> Suite {
    suite_of::<RateLimiter>("rate_limiter", |client| {
        client
            .stub::<RateLimiter>("LIMITER", "user")
            .check_limit(LIMIT as u64, window())
    })
}

/// Faulty: the window in memory.
pub fn memory_limiter() -> Suite {
    suite_of::<MemoryLimiter>("memory_limiter", |client| {
        client
            .stub::<MemoryLimiter>("LIMITER", "user")
            .check_limit(LIMIT as u64, window())
    })
}

/// Three pass, the object sleeps, a fourth passes.
pub const IN_MEMORY: Exhibit = Exhibit {
    bug: "A limit in memory",
    suite: memory_limiter,
    correct: "rate_limiter",
    found_as: &[NEVER_TOO_MANY, EVICTED],
    smallest: Smallest {
        calls: 4,
        clients: 1,
        faults: 0,
    },
    symptom: "More requests pass than the limit allows.",
    cause: "The times of the last requests are kept in memory. An object that has nothing to do for ten seconds hibernates, well within a window of a minute.",
    fix: "Store them. If a limit may be exceeded now and then, say so in the check.",
};
