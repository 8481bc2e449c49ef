//! Reminders: each that is due is delivered, however many others there are.

use dormouse::{DurableObject, ObjectClass, Result, platform::LocalBoxFuture};
use dormouse_objects::{Receiver, ReminderQueue, faulty::OverwritingReminders};
use dormouse_sim::{
    Client, Invariant, Observed, Outcome, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

/// What clients ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Remind somebody.
    Remind {
        /// Of what; drawn from so many that no two are the same.
        text: u32,
        /// When: in so many milliseconds.
        after: u64,
    },
    /// What was delivered.
    Delivered,
}

/// What was delivered; nothing in answer to a `Remind`.
pub type Delivered = Vec<u32>;

/// A reminder that is due is delivered.
pub const DELIVERED: &str = "every reminder that is due is delivered";

/// What is further away than this is not due when a run ends.
const FAR: u64 = 3_600_000;

fn all_delivered(run: &Observed<'_, Op, Delivered>) -> Result<(), String> {
    let calls = run.history.calls();
    let delivered = match calls.last().map(|call| &call.outcome) {
        Some(Outcome::Ok(delivered)) if run.last_reads > 0 => delivered,
        _ => return Ok(()), // the run was cut short, for a reason that is reported
    };
    for call in calls {
        if let (Op::Remind { text, after }, Outcome::Ok(_)) = (call.op, &call.outcome)
            && after < FAR
            && !delivered.contains(&text)
        {
            return Err(format!(
                "{text}, accepted at +{:?} for {after} ms later, was never delivered",
                call.invoked.at
            ));
        }
    }
    Ok(())
}

type Remind = fn(&Client, String, u64) -> LocalBoxFuture<'static, Result<()>>;

fn suite_of<T: DurableObject + ObjectClass>(name: &'static str, remind: Remind) -> Suite {
    let after = prop_oneof![
        2 => Just(0),
        4 => 1..5_000_u64,
        2 => 30_000..120_000_u64,
        1 => Just(FAR),
    ];
    Scenario::new(name)
        .object::<T>("REMINDERS")
        .object::<Receiver>("RECEIVER")
        .alarms()
        .clients(2)
        .workload(
            (any::<u32>(), after).prop_map(|(text, after)| Op::Remind { text, after }),
            1..=6,
        )
        .step(move |client: Client, op| async move {
            match op {
                Op::Remind { text, after } => remind(&client, text.to_string(), after)
                    .await
                    .map(|()| Vec::new()),
                Op::Delivered => {
                    let receiver = client.stub::<Receiver>("RECEIVER", "outside");
                    let received = receiver.received().await?;
                    let numbers = received.iter().map(|body| body.parse());
                    Ok(numbers
                        .collect::<Result<_, _>>()
                        .expect("the texts are numbers"))
                }
            }
        })
        .finally(vec![Op::Delivered])
        .check(Invariant::new(DELIVERED, all_delivered))
        .into_suite()
}

/// The alarm is that of the first reminder.
pub fn reminders() -> Suite {
    suite_of::<ReminderQueue>("reminders", |client, text, after| {
        let queue = client.stub::<ReminderQueue>("REMINDERS", "a");
        Box::pin(queue.remind(text, after))
    })
}

/// Faulty: the alarm is that of the last one that was made.
pub fn overwriting_reminders() -> Suite {
    suite_of::<OverwritingReminders>("overwriting_reminders", |client, text, after| {
        let queue = client.stub::<OverwritingReminders>("REMINDERS", "a");
        Box::pin(queue.remind(text, after))
    })
}

/// One reminder in a while, and then one in an hour.
pub const OVERWRITING: Exhibit = Exhibit {
    bug: "One alarm, two deadlines",
    suite: overwriting_reminders,
    correct: "reminders",
    found_as: &[DELIVERED],
    smallest: Smallest {
        calls: 2,
        clients: 1,
        faults: 0,
    },
    symptom: "A reminder comes with a later one, or never.",
    cause: "An object has one alarm; setting it for each reminder as it comes replaces the one before.",
    fix: "A row for each reminder, and the alarm for the first of all, after each new one and after each run.",
};
