//! Sessions tidy up after themselves: what has expired is removed by an alarm, whether anybody asks for it or not.

use dormouse::{DurableObject, ObjectClass, Result, platform::LocalBoxFuture};
use dormouse_objects::{UserSession, faulty::LatestExpirySession};
use dormouse_sim::{
    Client, Invariant, Observed, Outcome, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

/// What clients ask of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Store something under the key, to live for a second or two.
    SetForMoments(u8),
    /// Store something under a key of its own, to live for a day.
    SetForADay,
    /// The keys that are stored.
    Stored,
}

/// The keys that are stored; nothing in answer to the others.
pub type Stored = Vec<String>;

/// What has expired is removed.
pub const REMOVED: &str = "what has expired is removed";

/// The key of what lives for a day.
const FOR_A_DAY: &str = "for a day";

fn removed(run: &Observed<'_, Op, Stored>) -> Result<(), String> {
    match run.history.calls().last().map(|call| &call.outcome) {
        Some(Outcome::Ok(stored)) if run.last_reads > 0 => {
            let left = stored.iter().find(|key| *key != FOR_A_DAY);
            left.map_or(Ok(()), |key| {
                Err(format!("{key} is still stored, minutes after it expired"))
            })
        }
        _ => Ok(()), // the run was cut short, for a reason that is reported
    }
}

type Set = fn(&Client, String, u64) -> LocalBoxFuture<'static, Result<()>>;
type Look = fn(&Client) -> LocalBoxFuture<'static, Result<Stored>>;

fn suite_of<T: DurableObject + ObjectClass>(name: &'static str, set: Set, look: Look) -> Suite {
    let ops = prop_oneof![
        4 => (0..3_u8).prop_map(Op::SetForMoments),
        1 => Just(Op::SetForADay),
    ];
    Scenario::new(name)
        .object::<T>("SESSION")
        .alarms()
        .clients(2)
        .workload(ops, 1..=6)
        .step(move |client: Client, op| async move {
            match op {
                Op::SetForMoments(key) => {
                    set(&client, format!("key {key}"), 1_000 + 400 * u64::from(key))
                        .await
                        .map(|()| Vec::new())
                }
                Op::SetForADay => set(&client, FOR_A_DAY.to_owned(), 86_400_000)
                    .await
                    .map(|()| Vec::new()),
                Op::Stored => look(&client).await,
            }
        })
        .finally(vec![Op::Stored])
        .check(Invariant::new(REMOVED, removed))
        .into_suite()
}

/// The alarm is that of the first value to expire.
pub fn session_expiry() -> Suite {
    suite_of::<UserSession>(
        "session_expiry",
        |client, key, ttl| {
            let session = client.stub::<UserSession>("SESSION", "user");
            Box::pin(session.set(key, "value".to_owned(), Some(ttl)))
        },
        |client| Box::pin(client.stub::<UserSession>("SESSION", "user").stored()),
    )
}

/// Faulty: sets its alarm only if none is set.
pub fn latest_expiry_session() -> Suite {
    suite_of::<LatestExpirySession>(
        "latest_expiry_session",
        |client, key, ttl| {
            let session = client.stub::<LatestExpirySession>("SESSION", "user");
            Box::pin(session.set(key, "value".to_owned(), Some(ttl)))
        },
        |client| {
            Box::pin(
                client
                    .stub::<LatestExpirySession>("SESSION", "user")
                    .stored(),
            )
        },
    )
}

/// A value that lives long, and then one that lives for a moment.
pub const LATEST: Exhibit = Exhibit {
    bug: "Armed already, for something later",
    suite: latest_expiry_session,
    correct: "session_expiry",
    found_as: &[REMOVED],
    smallest: Smallest {
        calls: 2,
        clients: 1,
        faults: 0,
    },
    symptom: "What should be gone after a second lies about for a day.",
    cause: "The alarm is set only if none is. The one that is set is that of a value which lives longer.",
    fix: "The alarm is that of the first value to expire, after each change.",
};
