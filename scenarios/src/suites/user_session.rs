//! Sessions that expire: what has expired is never served, what is alive always is, and nothing is served that nobody stored.

use std::time::Duration;

use dormouse::{DurableObject, ObjectClass, Result};
use dormouse_objects::{UserSession, faulty::SplitSession};
use dormouse_sim::{
    Call, Client, Invariant, Observed, Outcome, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

const NOT_EXPIRED: &str = "what has expired is not served";

/// How long a value lives.
const TTL: Duration = Duration::from_secs(2);

/// How long after a client gave up on a `Set` it may still come to run: more than any message takes.
const LATE: Duration = Duration::from_secs(3);

/// What clients ask of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Store this value under the key, to live for two seconds.
    Set {
        /// The key.
        key: u8,
        /// The value; drawn from so many that no two are the same.
        value: u32,
    },
    /// Read the key.
    Get {
        /// The key.
        key: u8,
    },
}

type Served = Option<u32>;
type Calls<'a> = &'a [Call<Op, Served>];

fn sets_of(calls: Calls<'_>, of: u8) -> impl Iterator<Item = (&Call<Op, Served>, u32)> {
    calls.iter().filter_map(move |call| match call.op {
        Op::Set { key, value } if key == of && !matches!(call.outcome, Outcome::Failed(_)) => {
            Some((call, value))
        }
        _ => None,
    })
}

/// When a value stored by `set` has expired at the latest.
fn expired_by(set: &Call<Op, Served>) -> Option<Duration> {
    let returned = set.returned?.at;
    Some(match set.outcome {
        Outcome::Ok(_) => returned + TTL,
        Outcome::Failed(_) | Outcome::Unknown(_) => returned + LATE + TTL,
    })
}

fn served_values_are_alive(run: &Observed<'_, Op, Served>) -> Result<(), String> {
    let calls = run.history.calls();
    for get in calls {
        let (Op::Get { key }, Outcome::Ok(Some(value))) = (get.op, &get.outcome) else {
            continue;
        };
        let returned = get.returned.expect("it was answered").at;
        let mut sources = sets_of(calls, key)
            .filter(|(set, stored)| stored == value && set.invoked.at <= returned);
        if !sources.any(|(set, _)| expired_by(set).is_none_or(|expired| get.invoked.at <= expired))
        {
            return Err(format!(
                "key {key}: {value} was served at +{:?}, after it had expired",
                get.invoked.at
            ));
        }
    }
    Ok(())
}

fn live_values_are_served(run: &Observed<'_, Op, Served>) -> Result<(), String> {
    let calls = run.history.calls();
    for get in calls {
        let (Op::Get { key }, Outcome::Ok(None)) = (get.op, &get.outcome) else {
            continue;
        };
        let returned = get.returned.expect("it was answered");
        let alive = sets_of(calls, key).find(|(set, _)| {
            let stored_before = set.returned.is_some_and(|at| at.order < get.invoked.order);
            matches!(set.outcome, Outcome::Ok(_))
                && stored_before
                && returned.at < set.invoked.at + TTL
        });
        if let Some((_, value)) = alive {
            return Err(format!(
                "key {key}: {value} was alive at +{:?} and not served",
                get.invoked.at
            ));
        }
    }
    Ok(())
}

fn suite_of<T: DurableObject + ObjectClass, Fut: Future<Output = Result<Served>> + 'static>(
    name: &'static str,
    step: fn(Client, Op) -> Fut,
) -> Suite {
    let key = || 0..2_u8;
    let ops = prop_oneof![
        1 => (key(), any::<u32>()).prop_map(|(key, value)| Op::Set { key, value }),
        2 => key().prop_map(|key| Op::Get { key }),
    ];
    Scenario::new(name)
        .object::<T>("SESSION")
        .workload(ops, 1..=15)
        .step(step)
        .check(Invariant::new(NOT_EXPIRED, served_values_are_alive))
        .check(Invariant::new(
            "what is alive is served",
            live_values_are_served,
        ))
        .into_suite()
}

fn name(key: u8) -> String {
    format!("key-{key}")
}

fn ttl() -> u64 {
    u64::try_from(TTL.as_millis()).expect("two seconds fit")
}

fn number(value: Option<String>) -> Served {
    value.map(|value| value.parse().expect("the values are numbers"))
}

/// Value and expiry in one statement.
pub fn user_session() -> Suite {
    suite_of::<UserSession, _>("user_session", |client: Client, op| async move {
        let session = client.stub::<UserSession>("SESSION", "user");
        match op {
            Op::Set { key, value } => session
                .set(name(key), value.to_string(), Some(ttl()))
                .await
                .map(|()| None),
            Op::Get { key } => session.get(name(key)).await.map(number),
        }
    })
}

/// Faulty: the expiry in a second statement, after a wait.
pub fn split_session() -> Suite {
    suite_of::<SplitSession, _>("split_session", |client: Client, op| async move {
        let session = client.stub::<SplitSession>("SESSION", "user");
        match op {
            Op::Set { key, value } => session
                .set(name(key), value.to_string(), Some(ttl()))
                .await
                .map(|()| None),
            Op::Get { key } => session.get(name(key)).await.map(number),
        }
    })
}

/// One value, ended between its two statements, and a look at it much later.
pub const SPLIT: Exhibit = Exhibit {
    bug: "A value now, its expiry later",
    suite: split_session,
    correct: "user_session",
    found_as: &[NOT_EXPIRED],
    smallest: Smallest {
        calls: 2,
        clients: 1,
        faults: 1,
    },
    symptom: "Sessions that never end.",
    cause: "The value is stored, another service is asked how long it may live, and then its expiry is stored. A crash between the two statements leaves a value without one.",
    fix: "Ask first, then write both at once.",
};
