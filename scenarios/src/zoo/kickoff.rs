//! The beginning of a game: once it is acknowledged, every player is told, and told once.

use dormouse::{DurableObject, ObjectClass};
use dormouse_objects::{
    Receiver,
    zoo::{HalfToldKickoff, Kickoff, PLAYERS},
};
use dormouse_sim::{
    Client, Effects, Scenario, Suite,
    check::effects::PROMISE_EXACTLY_ONCE,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

/// What clients ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Begin the game.
    Start,
    /// Who was told.
    Told,
}

fn suite_of<T: DurableObject + ObjectClass>(name: &'static str) -> Suite {
    Scenario::new(name)
        .object::<T>("GAME")
        .object::<Receiver>("RECEIVER")
        .alarms()
        .clients(2)
        .workload(Just(Op::Start), 1..=3)
        .step(|client: Client, op| async move {
            match op {
                Op::Start => {
                    let game = client.stub::<Kickoff>("GAME", "g");
                    game.start().await.map(|()| Vec::new())
                }
                Op::Told => {
                    client
                        .stub::<Receiver>("RECEIVER", "outside")
                        .received()
                        .await
                }
            }
        })
        .finally(vec![Op::Told])
        .check(Effects::exactly_once(
            |op, _| match op {
                Op::Start => PLAYERS.map(str::to_owned).to_vec(),
                Op::Told => vec![],
            },
            |op, told: &Vec<String>| (*op == Op::Told).then(|| told.clone()),
        ))
        .into_suite()
}

/// A row for each player.
pub fn kickoff() -> Suite {
    suite_of::<Kickoff>("kickoff")
}

/// Faulty: a loop.
pub fn half_told_kickoff() -> Suite {
    suite_of::<HalfToldKickoff>("half_told_kickoff")
}

/// One call, cut off in the loop; one more, which finds the game begun.
pub const EXHIBIT: Exhibit = Exhibit {
    bug: "A fan-out that ends half-way",
    suite: half_told_kickoff,
    correct: "kickoff",
    found_as: &[PROMISE_EXACTLY_ONCE],
    smallest: Smallest {
        calls: 2,
        clients: 1,
        faults: 1,
    },
    symptom: "A game goes on and one of the players does not know of it. To start it again does not help.",
    cause: "The object notes that it has begun, and tells the players in a loop. The loop ended with the object after the first of them; who comes later finds it noted.",
    fix: "An outbox: a row for each player, written together with the note, and an alarm that tells one after the other and deletes each row when that is done.",
};
