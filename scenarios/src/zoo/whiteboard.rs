//! A whiteboard: it keeps what is on it while somebody is there, and nothing when everybody has gone.

use std::time::Duration;

use dormouse::{DurableObject, ObjectClass, Result};
use dormouse_objects::zoo::{HauntedWhiteboard, Whiteboard};
use dormouse_sim::{
    Client, Heard, Invariant, Observed, Outcome, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

const WIPED: &str = "when everybody has gone the whiteboard is empty";
const KEPT: &str = "what is drawn stays as long as who drew it";

/// How long a visitor waits for an answer: longer than any fault lasts, the latest being healed after a minute.
const PATIENCE: Duration = Duration::from_secs(70);

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Come, draw so many strokes, and go. Answers how many there were after each of them.
    Visit(u8),
    /// How many strokes there are.
    Look,
}

async fn visit(client: &Client, strokes: u8) -> Result<Vec<u32>> {
    let socket = client.websocket("BOARD", "b", "https://board/").await?;
    let mut seen = Vec::new();
    for _ in 0..strokes {
        socket.send("draw")?;
        let Some(Heard::Text(count)) = socket.next_within(PATIENCE).await else {
            return Ok(seen); // the connection was lost
        };
        seen.push(count.parse().expect("it answers with a number"));
    }
    socket.close(1000, "goodbye")?;
    socket.next_within(PATIENCE).await;
    Ok(seen)
}

fn nothing_is_left(run: &Observed<'_, Op, Vec<u32>>) -> Result<(), String> {
    let mut calls = run.history.calls().iter().rev();
    let last = calls.find(|call| call.op == Op::Look);
    match last.map(|call| &call.outcome) {
        Some(Outcome::Ok(left)) if *left != [0] => Err(format!(
            "everybody has gone, and there are {left:?} strokes"
        )),
        _ => Ok(()),
    }
}

fn nobody_loses_a_stroke(run: &Observed<'_, Op, Vec<u32>>) -> Result<(), String> {
    for call in run.history.calls() {
        let Outcome::Ok(seen) = &call.outcome else {
            continue;
        };
        let mut steps = seen.iter().zip(seen.iter().skip(1));
        if let Some((before, after)) = steps.find(|(before, after)| after <= before) {
            return Err(format!(
                "client {} drew a stroke, and there were {after} where there had been {before}",
                call.client
            ));
        }
    }
    Ok(())
}

fn suite_of<T: DurableObject + ObjectClass>(name: &'static str) -> Suite {
    Scenario::new(name)
        .object::<T>("BOARD")
        .workload((1..=3_u8).prop_map(Op::Visit), 1..=5)
        .step(|client: Client, op| async move {
            match op {
                Op::Visit(strokes) => visit(&client, strokes).await,
                Op::Look => {
                    let board = client.stub::<Whiteboard>("BOARD", "b");
                    board.strokes().await.map(|strokes| vec![strokes])
                }
            }
        })
        // Of those whose connections a crash ended the board has never heard; the next one who goes is the last.
        .finally(vec![Op::Visit(0), Op::Look])
        .check(Invariant::new(KEPT, nobody_loses_a_stroke))
        .check(Invariant::new(WIPED, nothing_is_left))
        .into_suite()
}

/// Who is going does not count.
pub fn whiteboard() -> Suite {
    suite_of::<Whiteboard>("whiteboard")
}

/// Faulty: there is always somebody there.
pub fn haunted_whiteboard() -> Suite {
    suite_of::<HauntedWhiteboard>("haunted_whiteboard")
}

/// One visitor who draws something.
pub const EXHIBIT: Exhibit = Exhibit {
    bug: "A socket that is closing counts as somebody",
    suite: haunted_whiteboard,
    correct: "whiteboard",
    found_as: &[WIPED],
    smallest: Smallest {
        calls: 1,
        clients: 1,
        faults: 0,
    },
    symptom: "Rooms that everybody has left are never tidied up: their data stays, and whoever lists them sees one visitor.",
    cause: "In the handler of its close event a socket is still among those that the object holds, up to the first real `await`; so is one that the object has closed and whose peer has not answered.",
    fix: "Count the sockets whose ready state is open. A crash ends connections without any event, so look again when the next one comes or goes.",
};
