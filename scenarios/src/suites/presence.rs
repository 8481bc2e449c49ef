//! Presence: who was seen is online for a minute and not longer; and when nobody calls, the object sleeps.
//!
//! The faulty twin gives the same answers. What it breaks is a promise that no answer shows: that an object with nothing to do comes to rest.

use std::time::Duration;

use dormouse::{DurableObject, ObjectClass, Result};
use dormouse_objects::{Presence, faulty::TickingPresence, presence::ONLINE_MILLIS};
use dormouse_sim::{
    Call, Client, Invariant, Observed, Outcome, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use dormouse_sim::oracles::COMES_TO_REST;

const ONLINE: Duration = Duration::from_millis(ONLINE_MILLIS);

/// What clients ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// This user is here.
    Seen(String),
    /// Who is online?
    Online,
}

type Online = Vec<String>;
type Run<'a> = Observed<'a, Op, Online>;

/// Answered questions for who is online, with what was answered.
fn questions<'a>(run: &'a Run<'_>) -> impl Iterator<Item = (&'a Call<Op, Online>, &'a Online)> {
    let calls = run.history.calls().iter();
    calls.filter_map(|call| match (&call.op, &call.outcome) {
        (Op::Online, Outcome::Ok(online)) => Some((call, online)),
        _ => None,
    })
}

fn sightings<'a>(run: &'a Run<'_>) -> impl Iterator<Item = (&'a Call<Op, Online>, &'a String)> {
    let calls = run.history.calls().iter();
    calls.filter_map(|call| match &call.op {
        Op::Seen(user) => Some((call, user)),
        Op::Online => None,
    })
}

/// Somebody was seen, his client was told so, and less than a minute later he was not online.
fn nobody_is_missing(run: &Run<'_>) -> Result<(), String> {
    for (question, online) in questions(run) {
        let answered = question.returned.expect("it was answered");
        for (seen, user) in sightings(run) {
            let Some(told) = seen
                .returned
                .filter(|_| matches!(seen.outcome, Outcome::Ok(_)))
            else {
                continue;
            };
            let before = told.order < question.invoked.order;
            let recent = answered.at < seen.invoked.at + ONLINE;
            if before && recent && !online.contains(user) {
                return Err(format!(
                    "{user} was seen at +{:?} and missing at +{:?}",
                    seen.invoked.at, answered.at
                ));
            }
        }
    }
    Ok(())
}

/// Somebody was online whom nobody can have seen within the last minute.
fn nobody_is_left_over(run: &Run<'_>) -> Result<(), String> {
    for (question, online) in questions(run) {
        let answered = question.returned.expect("it was answered");
        for user in online {
            let may_be_it = |seen: &Call<Op, Online>| match seen.outcome {
                Outcome::Failed(_) => false,
                // It may have run after its client learned that the connection was lost.
                Outcome::Unknown(_) => true,
                Outcome::Ok(_) => seen
                    .returned
                    .is_none_or(|told| told.at + ONLINE >= question.invoked.at),
            };
            let seen = sightings(run).any(|(seen, who)| {
                who == user && seen.invoked.order < answered.order && may_be_it(seen)
            });
            if !seen {
                return Err(format!(
                    "{user} was online at +{:?}, long gone",
                    answered.at
                ));
            }
        }
    }
    Ok(())
}

fn ops() -> impl Strategy<Value = Op> {
    let user = prop_oneof![Just("ann"), Just("bob"), Just("eve")];
    prop_oneof![2 => user.prop_map(|user| Op::Seen(user.to_owned())), 1 => Just(Op::Online)]
}

fn pause() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..200_u64, 2 => 5_000..20_000_u64, 1 => 59_000..61_000_u64]
}

type Ask = fn(Client, Op) -> std::pin::Pin<Box<dyn Future<Output = Result<Online>>>>;

fn suite_of<T: DurableObject + ObjectClass>(name: &'static str, ask: Ask) -> Suite {
    Scenario::new(name)
        .object::<T>("PRESENCE")
        .clients(2)
        .workload(ops(), 1..=12)
        .pauses(pause())
        .heal_at(Duration::from_mins(10)) // the pauses are long
        .step(ask)
        .check(Invariant::new(
            "who was just seen is online",
            nobody_is_missing,
        ))
        .check(Invariant::new(
            "who is gone is not online",
            nobody_is_left_over,
        ))
        .into_suite()
}

/// The times in storage, looked at when somebody asks.
pub fn presence() -> Suite {
    suite_of::<Presence>("presence", |client, op| {
        Box::pin(async move {
            let stub = client.stub::<Presence>("PRESENCE", "room");
            match op {
                Op::Seen(user) => stub.seen(user).await.map(|()| Vec::new()),
                Op::Online => stub.online().await,
            }
        })
    })
}

/// Faulty: swept by a timer that is always pending.
pub fn ticking_presence() -> Suite {
    suite_of::<TickingPresence>("ticking_presence", |client, op| {
        Box::pin(async move {
            let stub = client.stub::<TickingPresence>("PRESENCE", "room");
            match op {
                Op::Seen(user) => stub.seen(user).await.map(|()| Vec::new()),
                Op::Online => stub.online().await,
            }
        })
    })
}

/// One call constructs the object, and with it the timer.
pub const TICKING: Exhibit = Exhibit {
    bug: "A timer that keeps an object awake",
    suite: ticking_presence,
    correct: "presence",
    found_as: &[COMES_TO_REST],
    smallest: Smallest {
        calls: 1,
        clients: 1,
        faults: 0,
    },
    symptom: "None in any answer. The object never leaves memory, although nobody calls it, and is paid for.",
    cause: "A timer that the constructor sets sweeps out who has left, every half a minute. A pending timer keeps its object in memory, and this one is always pending.",
    fix: "Look at the times when somebody asks, or sweep from an alarm.",
};
