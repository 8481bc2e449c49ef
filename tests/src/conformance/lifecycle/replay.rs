//! Runs the twins, each on platforms and in schedules of several kinds, and holds what they wrote against the recordings.
//!
//! - In one thread on the simulator, as in the recorded runtime: messages take no time, virtual time costs nothing, and seeds change how
//!   long the disk takes. Every twin runs so.
//! - Across the simulator's links, where a message takes its time: what hangs on no timer, and has no network client, must come out the same.
//! - On the real platform: what hangs on no timer.

use std::{
    any::Any,
    collections::BTreeSet,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

use dormouse::platform::{
    Direct, Leg, Link, Links, LocalBoxFuture, Lost, Platform, SocketLink, real,
};
use dormouse_sim::{Seed, run_on_a_machine};
use serde_json::Value as Json;

use super::{
    client::Client,
    compare::{Departure, compare},
    differences::{Difference, difference},
    pipes::Pipes,
    stage::{Pace, Stage},
    tracer::Recording,
    twin::{LeftOut, Messages, Schedules, Twin, twins},
    vector::{Scenario, Timing},
};

/// How many schedules of each kind a twin is held in.
const SEEDS: u64 = 6;

/// The address of a simulated machine that runs code of its own.
const SIMULATED_HOST: &str = "10.0.0.2";

/// How long a scenario's last events may take to come, in milliseconds, when no client waits for them.
const QUIET_AT_THE_END: u64 = 60;

/// What became of a scenario.
#[derive(Debug)]
pub enum Outcome {
    /// Every run gave a recorded trace, and every recorded trace was given.
    Passed,
    /// The same, for what its twin has of it.
    InPart(Vec<LeftOut>),
    /// It differs, and there is a reason.
    Differs(&'static Difference),
    /// It has no meaning in Rust.
    NotInRust(&'static Difference),
    /// It differs.
    Failed(Vec<Failure>),
}

/// What is wrong with a scenario.
#[derive(Debug)]
pub enum Failure {
    /// A run gave no recorded trace.
    Departed {
        /// Where it ran.
        place: String,
        /// Where it left the trace.
        departure: Departure,
    },
    /// A run came to no end: its twin expected something else.
    Panicked {
        /// Where it ran.
        place: String,
        /// What the panic says.
        text: String,
    },
    /// No run gave this one of the recorded traces, counted from one.
    NeverReached(usize),
    /// Nobody wrote a twin, and there is no reason why not.
    NoTwin,
    /// It is said to differ, and does not.
    DiffersNoMore(&'static Difference),
}

/// Replays all scenarios; the outcomes are in their order.
///
/// # Errors
/// There is no place for a temporary folder.
pub fn replay_scenarios(scenarios: &[Scenario]) -> io::Result<Vec<Outcome>> {
    let twins = twins();
    let outcomes = scenarios.iter().map(|scenario| {
        let twin = twins.get(&*scenario.name);
        let twin = twin.cloned().or_else(|| super::ids::table_twin(scenario));
        replay(scenario, twin.as_ref())
    });
    outcomes.collect()
}

fn replay(scenario: &Scenario, twin: Option<&Twin>) -> io::Result<Outcome> {
    let difference = difference(&scenario.name);
    let Some(twin) = twin else {
        return Ok(match difference {
            Some(difference) => Outcome::NotInRust(difference),
            None => Outcome::Failed(vec![Failure::NoTwin]),
        });
    };
    let failures = run_everywhere(scenario, twin)?;
    Ok(match (difference, failures.is_empty()) {
        (Some(difference), false) => Outcome::Differs(difference),
        (Some(difference), true) => Outcome::Failed(vec![Failure::DiffersNoMore(difference)]),
        (None, false) => Outcome::Failed(failures),
        (None, true) if twin.left_out.is_empty() => Outcome::Passed,
        (None, true) => Outcome::InPart(twin.left_out.clone()),
    })
}

/// Where a twin runs.
#[derive(Clone, Copy, Debug)]
enum Place {
    InOneThread(Seed),
    AcrossLinks(Seed),
    Real,
}

fn run_everywhere(scenario: &Scenario, twin: &Twin) -> io::Result<Vec<Failure>> {
    let scenario = Rc::new(scenario.clone());
    let untimed = scenario.timing == Timing::None;
    let seeds = match twin.schedules {
        Schedules::Several => SEEDS,
        Schedules::One => 1,
    };
    let mut places: Vec<_> = (0..seeds)
        .map(|seed| Place::InOneThread(Seed(seed)))
        .collect();
    // A client's steps end when nothing happens any more, which across links may be too early.
    if untimed && twin.client.is_none() && twin.messages == Messages::MayTakeTime {
        places.extend((0..seeds).map(|seed| Place::AcrossLinks(Seed(seed))));
    }
    if untimed {
        places.push(Place::Real);
    }
    let (mut failures, mut reached) = (Vec::new(), BTreeSet::new());
    for place in places {
        let ran = catch_unwind(AssertUnwindSafe(|| run(place, twin, &scenario)));
        let events = match ran {
            Ok(events) => events?,
            Err(panic) => {
                failures.push(Failure::Panicked {
                    place: format!("{place:?}"),
                    text: panic_text(&*panic),
                });
                continue;
            }
        };
        match compare(&scenario, &twin.left_out, &events) {
            Ok(trace) => drop(reached.insert(trace)),
            Err(departure) => failures.push(Failure::Departed {
                place: format!("{place:?}"),
                departure,
            }),
        }
    }
    let missed = (0..scenario.traces.len()).filter(|trace| !reached.contains(trace));
    if failures.is_empty() {
        failures.extend(missed.map(|trace| Failure::NeverReached(trace + 1)));
    }
    Ok(failures)
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("(the panic's payload is no text)")
        .to_owned()
}

fn run(place: Place, twin: &Twin, scenario: &Rc<Scenario>) -> io::Result<Vec<Json>> {
    let (twin, scenario) = (twin.clone(), Rc::clone(scenario));
    match place {
        Place::InOneThread(seed) => Ok(run_on_a_machine(seed, |platform| {
            let (links, network) = (Rc::new(AtOnce), Rc::new(Pipes::default()));
            perform(
                Platform {
                    links,
                    network,
                    ..platform
                },
                twin,
                scenario,
                Pace::AsRecorded,
                SIMULATED_HOST,
            )
        })),
        Place::AcrossLinks(seed) => Ok(run_on_a_machine(seed, |platform| {
            perform(platform, twin, scenario, Pace::Patient, SIMULATED_HOST)
        })),
        Place::Real => {
            let folder = tempfile::tempdir()?;
            real::run(async {
                let platform = real::platform(folder.path())?;
                Ok(perform(platform, twin, scenario, Pace::Quick, "127.0.0.1").await)
            })
        }
    }
}

async fn perform(
    platform: Platform,
    twin: Twin,
    scenario: Rc<Scenario>,
    pace: Pace,
    host: &'static str,
) -> Vec<Json> {
    let recording = Recording::start(Rc::clone(&platform.clock));
    let stage = Stage::start(platform, &twin, &scenario, recording.log(), pace, host);
    if let Some(client) = twin.client {
        client(Client::new(&stage)).await;
    } else {
        stage.run_worker().await;
        stage.settle(QUIET_AT_THE_END).await;
    }
    recording.log().events()
}

/// Links of one thread: a message has arrived as soon as it is sent.
struct AtOnce;

impl Links for AtOnce {
    fn open(&self, _: &str, _: &str) -> Rc<dyn Link> {
        Rc::new(Self)
    }

    fn open_socket(&self, _: &str) -> Rc<dyn SocketLink> {
        Direct::open()
    }
}

impl Link for AtOnce {
    fn carry(&self, _: Leg) -> LocalBoxFuture<'static, Result<(), Lost>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
