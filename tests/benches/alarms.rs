//! How fast time goes by for objects that live by their alarms: `cargo bench --bench alarms`.
//!
//! A hundred objects whose alarm comes once a day, for a year; beside as many plain calls, so that the figure says something on a noisy machine.

use std::time::{Duration, Instant};

use dormouse::{DurableObject, Env, Response, Result, State, durable_object, rpc};
use dormouse_sim::{Detail, Faults, Scenario, Seed, Suite};
use proptest::prelude::Just;

const OBJECTS: usize = 100;
const DAYS: u32 = 365;
const DAY: Duration = Duration::from_hours(24);

/// Counts the days.
#[durable_object(alarm)]
struct Calendar {
    state: State,
}

impl DurableObject for Calendar {
    fn new(state: State, _: Env) -> Self {
        Self { state }
    }

    async fn alarm(&self) -> Result<Response> {
        self.next_day().await?;
        self.state.storage().set_alarm(DAY).await?;
        Response::empty()
    }
}

#[rpc]
impl Calendar {
    pub async fn begin(&self) -> Result<u64> {
        self.state.storage().set_alarm(DAY).await?;
        Ok(0)
    }

    pub async fn next_day(&self) -> Result<u64> {
        let storage = self.state.storage();
        let days = storage.get::<u64>("days").await?.unwrap_or(0) + 1;
        storage.put("days", days).await?;
        Ok(days)
    }
}

#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
enum Op {
    Begin,
    NextDay,
    Count,
}

/// Clients, one for each object, of which each does `op` so many times; and then time goes by.
fn suite(op: Op, times: usize, rest: Duration) -> Suite {
    Scenario::new("calendar")
        .object::<Calendar>("CALENDAR")
        .clients(OBJECTS)
        .workload(Just(op), times..=times)
        .pauses(Just(0))
        .faults(Faults::none())
        .rest(rest)
        .without_eviction_transparency() // it would be a second run, of the calls alone
        .step(|client, op| {
            let name = (client.number() - 1) % OBJECTS;
            let calendar = client.stub::<Calendar>("CALENDAR", &name.to_string());
            match op {
                Op::Begin => calendar.begin(),
                Op::NextDay | Op::Count => calendar.next_day(),
            }
        })
        .finally(vec![Op::Count])
        .into_suite()
}

fn measured(suite: &Suite) -> (Duration, Duration) {
    let begin = Instant::now();
    let run = suite.run_seed(Seed(1), Detail::Brief);
    assert_eq!(run.violation, None);
    (run.lasted, begin.elapsed())
}

fn main() {
    let days = DAYS as usize;
    let (lasted, took) = measured(&suite(Op::Begin, 1, DAY * DAYS + DAY / 2));
    let alarms = OBJECTS * days;
    let simulated = lasted.as_secs_f64() / DAY.as_secs_f64();
    println!(
        "a year of daily alarms on {OBJECTS} objects: {simulated:.0} days in {took:.1?}, {:.0} days a second, {:.0} us an alarm",
        simulated / took.as_secs_f64(),
        took.as_secs_f64() * 1e6 / f64::from(u32::try_from(alarms).expect("a few thousand"))
    );
    let (_, took_by_calls) = measured(&suite(Op::NextDay, days, Duration::ZERO));
    println!(
        "as many calls: {took_by_calls:.1?}; an alarm costs {:.1} times as much as a call",
        took.as_secs_f64() / took_by_calls.as_secs_f64()
    );
}
