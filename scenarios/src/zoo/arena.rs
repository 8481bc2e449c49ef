//! One game: everybody who joins gets the same one, also after the object has slept.

use dormouse::{DurableObject, ObjectClass};
use dormouse_objects::zoo::{Arena, UnrestoredArena};
use dormouse_sim::{
    Client, Invariant, Outcome, Scenario, Suite,
    explore::zoo::{Exhibit, Smallest},
};
use proptest::prelude::*;

use crate::promises::EVICTED;

const ONE_GAME: &str = "everybody joins the same game";

fn suite_of<T: DurableObject + ObjectClass>(name: &'static str) -> Suite {
    Scenario::new(name)
        .object::<T>("ARENA")
        .clients(2)
        .workload(Just(()), 1..=6)
        .step(|client: Client, ()| async move { client.stub::<Arena>("ARENA", "a").join().await })
        .finally(vec![()])
        .check(Invariant::new(ONE_GAME, |run| {
            let joined = run.history.calls().iter();
            let mut others = joined.filter_map(|call| match call.outcome {
                Outcome::Ok(game) if game != 1 => Some(game),
                _ => None,
            });
            others
                .next()
                .map_or(Ok(()), |game| Err(format!("somebody joined game {game}")))
        }))
        .into_suite()
}

/// Restored with the input gate shut.
pub fn arena() -> Suite {
    suite_of::<Arena>("arena")
}

/// Faulty: restored beside the first events.
pub fn unrestored_arena() -> Suite {
    suite_of::<UnrestoredArena>("unrestored_arena")
}

/// One joins; the one who reads after the last loss of power wakes the object, and gets a new game.
pub const EXHIBIT: Exhibit = Exhibit {
    bug: "Restored, but not waited for",
    suite: unrestored_arena,
    correct: "arena",
    found_as: &[ONE_GAME, EVICTED],
    smallest: Smallest {
        calls: 1,
        clients: 1,
        faults: 0,
    },
    symptom: "Two players of one game sit at different ones, if the second came after a pause.",
    cause: "The constructor begins to restore what was stored, and nobody waits for it. The event that woke the object finds nothing, and begins anew.",
    fix: "`block_concurrency_while` around the restoring: no event runs before it is done.",
};
