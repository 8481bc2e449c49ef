//! A bulletin: what was shown on the screen can be read on the board.

use dormouse::{DurableObject, ObjectClass};
use dormouse_objects::{
    Receiver,
    zoo::{Bulletin, HastyBulletin},
};
use dormouse_sim::{
    Client, Invariant, Observed, Outcome, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

const ON_THE_BOARD: &str = "what was shown can be read again";

/// What clients ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Post this; drawn from so many that no two are the same.
    Post(u32),
    /// What the screen has shown.
    Shown,
    /// What is on the board.
    Posts,
}

fn what_was_shown_is_there(run: &Observed<'_, Op, Vec<String>>) -> Result<(), String> {
    let last = |wanted: Op| {
        let mut calls = run.history.calls().iter().rev();
        calls.find_map(|call| match &call.outcome {
            Outcome::Ok(texts) if call.op == wanted => Some(texts),
            _ => None,
        })
    };
    let (Some(shown), Some(posts)) = (last(Op::Shown), last(Op::Posts)) else {
        return Ok(()); // the run was cut short, for a reason that is reported
    };
    match shown.iter().find(|text| !posts.contains(text)) {
        Some(lost) => Err(format!("{lost} was shown, and is not on the board")),
        None => Ok(()),
    }
}

fn suite_of<T: DurableObject + ObjectClass>(name: &'static str) -> Suite {
    Scenario::new(name)
        .object::<T>("BULLETIN")
        .object::<Receiver>("RECEIVER")
        .clients(2)
        .workload(any::<u32>().prop_map(Op::Post), 1..=6)
        .step(|client: Client, op| async move {
            let bulletin = client.stub::<Bulletin>("BULLETIN", "b");
            match op {
                Op::Post(text) => bulletin.post(text.to_string()).await.map(|()| Vec::new()),
                Op::Shown => {
                    client
                        .stub::<Receiver>("RECEIVER", "outside")
                        .received()
                        .await
                }
                Op::Posts => bulletin.posts().await,
            }
        })
        .finally(vec![Op::Shown, Op::Posts])
        .check(Invariant::new(ON_THE_BOARD, what_was_shown_is_there))
        .into_suite()
}

/// Stored first.
pub fn bulletin() -> Suite {
    suite_of::<Bulletin>("bulletin")
}

/// Faulty: shown first.
pub fn hasty_bulletin() -> Suite {
    suite_of::<HastyBulletin>("hasty_bulletin")
}

/// One post, ended between the screen and the board.
pub const EXHIBIT: Exhibit = Exhibit {
    bug: "Visible before it is durable",
    suite: hasty_bulletin,
    correct: "bulletin",
    found_as: &[ON_THE_BOARD],
    smallest: Smallest {
        calls: 1,
        clients: 1,
        faults: 1,
    },
    symptom: "People have seen a message, some have answered it, and the history does not have it.",
    cause: "It was sent out first and stored then, or stored with `allow_unconfirmed`. In between the object was reset, or the write failed.",
    fix: "Store first. What is sent after a write waits at the output gate until the write is durable.",
};
