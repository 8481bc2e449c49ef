//! Batches: every item that was accepted is delivered, whatever happens between the alarm and the outside; and none that was never added.

use dormouse::{DurableObject, ObjectClass, Result, platform::LocalBoxFuture};
use dormouse_objects::{
    Batcher, Receiver,
    faulty::{ClearingBatcher, MemoryBatcher},
};
use dormouse_sim::{
    Call, Client, Invariant, Observed, Outcome, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

/// What clients ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Add an item to a batcher; drawn from so many that no two are the same.
    Add(u32),
    /// The service outside is down for so many seconds from now on.
    Outage(u64),
    /// What was delivered.
    Delivered,
}

/// What was delivered; nothing in answer to an `Add`.
pub type Delivered = Vec<u32>;

/// Every item that was accepted is delivered in the end.
pub const NOTHING_LOST: &str = "every item that was accepted is delivered";
/// Nothing is delivered that nobody added.
pub const NOTHING_INVENTED: &str = "nothing is delivered that was never added";
/// An item takes effect once.
pub const NOTHING_TWICE: &str = "nothing takes effect twice";

type Seen<'a> = Observed<'a, Op, Delivered>;

/// What the receiver had at the very end.
fn in_the_end<'a>(run: &Seen<'a>) -> Option<&'a Delivered> {
    match &run.history.calls().last()?.outcome {
        Outcome::Ok(delivered) if run.last_reads > 0 => Some(delivered),
        _ => None, // the run was cut short, for a reason that is reported
    }
}

fn added(call: &Call<Op, Delivered>) -> Option<u32> {
    match call.op {
        Op::Add(item) => Some(item),
        Op::Outage(_) | Op::Delivered => None,
    }
}

pub(super) fn nothing_lost(run: &Seen<'_>) -> Result<(), String> {
    let Some(delivered) = in_the_end(run) else {
        return Ok(());
    };
    let accepted = run
        .history
        .calls()
        .iter()
        .filter(|call| matches!(call.outcome, Outcome::Ok(_)));
    for call in accepted {
        if let Some(item) = added(call)
            && !delivered.contains(&item)
        {
            return Err(format!(
                "client-{}'s {item} was accepted at +{:?} and never delivered",
                call.client,
                call.returned
                    .map_or(call.invoked.at, |returned| returned.at)
            ));
        }
    }
    Ok(())
}

pub(super) fn nothing_invented(run: &Seen<'_>) -> Result<(), String> {
    let delivered = in_the_end(run).into_iter().flatten();
    for item in delivered {
        if !run
            .history
            .calls()
            .iter()
            .any(|call| added(call) == Some(*item))
        {
            return Err(format!("{item} was delivered, and nobody added it"));
        }
    }
    Ok(())
}

pub(crate) fn nothing_twice(run: &Seen<'_>) -> Result<(), String> {
    let delivered = in_the_end(run).map_or(&[][..], Vec::as_slice);
    for (place, item) in delivered.iter().enumerate() {
        if delivered[..place].contains(item) {
            return Err(format!("{item} took effect twice"));
        }
    }
    Ok(())
}

/// How a client adds an item.
pub(crate) type Add = fn(&Client, String) -> LocalBoxFuture<'static, Result<()>>;

/// A scenario in which clients add items to one object of type `T`, which delivers them by alarms.
pub(crate) fn deliveries<T: DurableObject + ObjectClass>(
    name: &'static str,
    add: Add,
) -> Scenario<Op, Delivered> {
    Scenario::new(name)
        .object::<T>("SENDER")
        .object::<Receiver>("RECEIVER")
        .alarms()
        .clients(2)
        .workload(any::<u32>().prop_map(Op::Add), 1..=8)
        .step(move |client: Client, op| async move {
            match op {
                Op::Add(item) => add(&client, item.to_string()).await.map(|()| Vec::new()),
                Op::Outage(seconds) => {
                    let receiver = client.stub::<Receiver>("RECEIVER", "outside");
                    receiver
                        .close_for(seconds * 1000)
                        .await
                        .map(|()| Vec::new())
                }
                Op::Delivered => {
                    let receiver = client.stub::<Receiver>("RECEIVER", "outside");
                    let received = receiver.received().await?;
                    let numbers = received.iter().map(|body| body.parse());
                    Ok(numbers
                        .collect::<Result<_, _>>()
                        .expect("the items are numbers"))
                }
            }
        })
        .finally(vec![Op::Delivered])
        .check(Invariant::new(NOTHING_LOST, nothing_lost))
        .check(Invariant::new(NOTHING_INVENTED, nothing_invented))
}

/// The same, and the service outside is down now and then, for up to two minutes.
pub(crate) fn through_outages(scenario: Scenario<Op, Delivered>) -> Scenario<Op, Delivered> {
    let ops = prop_oneof![
        4 => any::<u32>().prop_map(Op::Add),
        1 => (1..120_u64).prop_map(Op::Outage),
    ];
    scenario.workload(ops, 1..=8)
}

/// Items are rows; a run deletes what it has sent.
pub fn batcher() -> Suite {
    deliveries::<Batcher>("batcher", |client, item| {
        Box::pin(client.stub::<Batcher>("SENDER", "a").add(item))
    })
    .check(Invariant::new(NOTHING_TWICE, nothing_twice))
    .into_suite()
}

/// Faulty: a run clears the list, and what came meanwhile.
pub fn clearing_batcher() -> Suite {
    deliveries::<ClearingBatcher>("clearing_batcher", |client, item| {
        Box::pin(client.stub::<ClearingBatcher>("SENDER", "a").add(item))
    })
    .into_suite()
}

/// Faulty: keeps the items in memory.
pub fn memory_batcher() -> Suite {
    deliveries::<MemoryBatcher>("memory_batcher", |client, item| {
        Box::pin(client.stub::<MemoryBatcher>("SENDER", "a").add(item))
    })
    .into_suite()
}

/// One item is on its way, and another one is added and cleared with it.
pub const CLEARING: Exhibit = Exhibit {
    bug: "Drain and clear",
    suite: clearing_batcher,
    correct: "batcher",
    found_as: &[NOTHING_LOST],
    smallest: Smallest {
        calls: 2,
        clients: 1,
        faults: 0,
    },
    symptom: "Now and then an item is never delivered, and nothing was ever wrong.",
    cause: "While the alarm waits for the outside, an `add` is let in, stored and acknowledged. Then the list is cleared, and the new item with it. This stands in many guides.",
    fix: "Remove what was sent, and nothing else: an item is a row, and a run deletes the rows that it has sent.",
};

/// One item, and ten seconds, in which the object falls asleep.
pub const IN_MEMORY: Exhibit = Exhibit {
    bug: "A buffer in memory",
    suite: memory_batcher,
    correct: "batcher",
    found_as: &[NOTHING_LOST],
    smallest: Smallest {
        calls: 1,
        clients: 1,
        faults: 0,
    },
    symptom: "After a quiet moment, or a deployment, items are gone.",
    cause: "An object that waits for its alarm is idle, and leaves memory after ten seconds.",
    fix: "Store what was accepted before saying so.",
};
