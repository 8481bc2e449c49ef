//! How fast the simulator is, and where the time goes: `cargo bench`.
//!
//! Machines are noisy, so figures count only beside each other, within one run: the suite `counter` beside bare madsim and bare SQLite
//! doing the same number of steps and statements.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use dormouse::{DurableObject, Env, State, durable_object, rpc};
use dormouse_scenarios::counter;
use dormouse_sim::{
    Detail, Faults, History, Linearizable, Model, Scenario, Seed, Suite,
    check::linearizability::{self, Budget, Verdict},
};
use proptest::prelude::Just;

/// Calls of one run of the measured suite: 3 clients x 20.
const CLIENTS: usize = 3;
const CALLS: usize = 20;
const RUNS: u64 = 600;

/// The suite `counter` with a fixed number of calls.
fn suite(faults: Faults) -> Suite {
    scenario(faults).into_suite()
}

/// The same without the pauses in which the object hibernates.
fn busy_suite() -> Suite {
    scenario(Faults::none()).pauses(Just(0)).into_suite()
}

/// As many calls to an object that does nothing.
fn empty_suite() -> Suite {
    Scenario::new("empty")
        .object::<Nothing>("NOTHING")
        .clients(CLIENTS)
        .workload(Just(()), CALLS..=CALLS)
        .pauses(Just(0))
        .faults(Faults::none())
        .step(|client, ()| client.stub::<Nothing>("NOTHING", "a").nothing())
        .into_suite()
}

/// An object that does nothing.
#[durable_object]
struct Nothing;

impl DurableObject for Nothing {
    fn new(_: State, _: Env) -> Self {
        Self
    }
}

#[rpc]
impl Nothing {
    /// Nothing.
    #[expect(clippy::unused_self, reason = "a method, to be called remotely")]
    pub fn nothing(&self) -> u64 {
        0
    }
}

fn scenario(faults: Faults) -> Scenario<counter::Op, u64> {
    use counter::{CounterModel, Op};
    use dormouse_objects::Counter;
    Scenario::new("counter")
        .object::<Counter>("COUNTER")
        .clients(CLIENTS)
        .workload(Just(Op::Increment("a".to_owned())), CALLS..=CALLS)
        .faults(faults)
        .step(|client, op| {
            let counter = client.stub::<Counter>("COUNTER", "a");
            match op {
                Op::Increment(_) => counter.increment(),
                Op::Get(_) => counter.get(),
            }
        })
        .finally(vec![Op::Get("a".to_owned())])
        .check(Linearizable::per_object(CounterModel))
}

/// The time that one of `runs` took, the best of five rounds.
fn time(runs: u64, mut run: impl FnMut(u64)) -> Duration {
    (0..5)
        .map(|_| {
            let start = Instant::now();
            (0..runs).for_each(&mut run);
            start.elapsed() / u32::try_from(runs).expect("few runs")
        })
        .min()
        .expect("there are rounds")
}

/// Bare madsim: the same machines, and as many wake-ups between them as a run has calls, each there and back.
fn bare_madsim(seed: u64) {
    let runtime = madsim::runtime::Runtime::with_seed_and_config(seed, madsim::Config::default());
    for client in 0..CLIENTS {
        runtime
            .create_node()
            .name(format!("client-{client}"))
            .build();
    }
    runtime.block_on(async {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                madsim::task::spawn_local(async {
                    for _ in 0..CALLS {
                        madsim::time::sleep(Duration::from_millis(1)).await; // there
                        madsim::time::sleep(Duration::from_millis(1)).await; // the sync
                        madsim::time::sleep(Duration::from_millis(1)).await; // and back
                    }
                })
            })
            .collect();
        for client in clients {
            client.await.expect("it runs to its end");
        }
    });
}

const TABLE: &str = "CREATE TABLE kv(key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID";

fn bare_sqlite_open() -> rusqlite::Connection {
    let connection = rusqlite::Connection::open_in_memory().expect("memory is there");
    connection
        .execute_batch(TABLE)
        .expect("the statement is right");
    connection
}

/// Bare SQLite in memory: as many reads and committed writes as a run has calls.
fn bare_sqlite(connection: &rusqlite::Connection) {
    for count in 0..CLIENTS * CALLS {
        let mut get = connection
            .prepare_cached("SELECT value FROM kv WHERE key = ?")
            .expect("right");
        black_box(
            get.query_row(["value"], |row| row.get::<_, Vec<u8>>(0))
                .ok(),
        );
        connection
            .prepare_cached("BEGIN")
            .expect("right")
            .execute([])
            .expect("right");
        let mut put = connection
            .prepare_cached("INSERT OR REPLACE INTO kv VALUES (?, ?)")
            .expect("right");
        put.execute(rusqlite::params!["value", count.to_le_bytes()])
            .expect("right");
        connection
            .prepare_cached("COMMIT")
            .expect("right")
            .execute([])
            .expect("right");
    }
}

/// The checker alone, on a history as a run makes it.
fn checker() -> Duration {
    struct Increments;
    impl Model for Increments {
        type Op = ();
        type Ret = u64;
        type State = u64;
        fn initial(&self) -> u64 {
            0
        }
        fn step(&self, count: &u64, (): &(), returned: Option<&u64>) -> Option<u64> {
            returned
                .is_none_or(|returned| *returned == count + 1)
                .then_some(count + 1)
        }
        fn object(&self, (): &()) -> String {
            String::new()
        }
    }
    let mut history = History::default();
    for round in 0..CALLS as u64 {
        let at = |order| dormouse_sim::Moment {
            order: round * 6 + order,
            at: Duration::from_millis(round),
        };
        for client in 0..CLIENTS as u64 {
            history.push(dormouse_sim::Call {
                client: usize::try_from(client).expect("few"),
                index: usize::try_from(round).expect("few"),
                op: (),
                invoked: at(client),
                returned: Some(at(5 - client)),
                outcome: dormouse_sim::Outcome::Ok(round * 3 + client + 1),
            });
        }
    }
    time(RUNS, |_| {
        let verdict = linearizability::check(&Increments, &history, Budget::default());
        assert!(matches!(verdict, Verdict::Ok), "{verdict:?}");
    })
}

fn main() {
    let with_faults = suite(Faults::all());
    let without = suite(Faults::none());
    let passes = |suite: &Suite, seed: u64| {
        let run = suite.run_seed(Seed(seed), Detail::Brief);
        assert_eq!(run.violation, None, "seed {seed}");
    };
    let whole = time(RUNS, |seed| passes(&with_faults, seed));
    let calm = time(RUNS, |seed| passes(&without, seed));
    let (busy, empty) = (busy_suite(), empty_suite());
    let busy = time(RUNS, |seed| passes(&busy, seed));
    let empty = time(RUNS, |seed| passes(&empty, seed));
    let madsim = time(RUNS, bare_madsim);
    let open = time(RUNS, |_| drop(black_box(bare_sqlite_open())));
    let connection = bare_sqlite_open();
    let statements = time(RUNS, |_| bare_sqlite(&connection));
    let checker = checker();
    let bare = madsim + open + statements;
    let ratio = |of: Duration| of.as_secs_f64() / bare.as_secs_f64();

    println!(
        "suite `counter`, {CLIENTS} clients x {CALLS} calls, one core, best of five rounds of {RUNS} seeds\n"
    );
    println!(
        "{:<58} {:>10} {:>12} {:>8}",
        "what", "a run", "schedules/s", "x bare"
    );
    for (what, took) in [
        ("counter, all faults", whole),
        ("counter, no faults", calm),
        (
            "  of it: hibernations, SQLite opened again and again",
            calm.saturating_sub(busy),
        ),
        (
            "  of it: what the object does, SQLite and syncs",
            busy.saturating_sub(empty),
        ),
        (
            "  of it: executor, links, gates, one SQLite open, trace",
            empty,
        ),
        (
            "bare madsim + bare SQLite, the same steps and statements",
            bare,
        ),
        ("  bare madsim: executor and timers", madsim),
        ("  bare SQLite: open and create", open),
        ("  bare SQLite: reads and commits in memory", statements),
        ("the linearizability checker alone", checker),
    ] {
        println!(
            "{what:<58} {:>7.0} us {:>12.0} {:>8.2}",
            took.as_secs_f64() * 1e6,
            1.0 / took.as_secs_f64(),
            ratio(took)
        );
    }
}
