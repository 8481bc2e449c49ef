//! How fast the checkers are, beside those of others on the same histories in the same run: `cargo bench -p dormouse-tests --bench checkers`.
//!
//! Machines are noisy, so figures count only beside each other. The peers are bounded by what they are given: `todc-utils` grows with the square of
//! the length, and `stateright` beyond any bound on histories that are illegal or have many clients, so they do not get those.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    hint::black_box,
    path::Path,
    time::{Duration, Instant},
};

use adya::{
    Opts, Valid,
    r#gen::{GenOpts, Kind},
    sim::{Isolation, SimOpts},
};
use dormouse_sim::{
    Call, History, Model, Moment, Outcome, Seed,
    check::{
        linearizability::{self, Budget},
        transactions::{self, Level, Transaction, Transactions},
    },
};
use dormouse_tests::judge::{Workload, judge, read, read_transactions};
use stateright::semantics::{
    ConsistencyTester, LinearizabilityTester,
    register::{Register as TheirRegister, RegisterOp, RegisterRet},
};
use todc_utils::{
    linearizability::{
        WGLChecker,
        history::{Action, History as TheirHistory},
    },
    specifications::Specification,
};

/// Each figure is the best of so many rounds.
const ROUNDS: u32 = 5;
/// A round lasts at least this long.
const ROUND: Duration = Duration::from_millis(40);

/// Another checker: whether the history is linearizable.
type Peer = fn(&History<Op, u32>) -> bool;

/// The time that one run takes.
fn time(mut run: impl FnMut()) -> Duration {
    let round = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        let mut runs = 0;
        while start.elapsed() < ROUND {
            run();
            runs += 1;
        }
        start.elapsed() / runs
    };
    (0..ROUNDS)
        .map(|_| round(&mut run))
        .min()
        .expect("there are rounds")
}

// Registers.

#[derive(Clone, Copy, Debug, PartialEq)]
enum Op {
    Write(u32),
    Read,
}

struct Register;

impl Model for Register {
    type Op = Op;
    type Ret = u32; // what Read saw; 0 for Write
    type State = u32;

    fn initial(&self) -> u32 {
        0
    }

    fn step(&self, state: &u32, op: &Op, ret: Option<&u32>) -> Option<u32> {
        match (op, ret) {
            (Op::Write(value), _) => Some(*value),
            (Op::Read, Some(seen)) => (seen == state).then_some(*state),
            (Op::Read, None) => Some(*state),
        }
    }

    fn object(&self, _: &Op) -> String {
        String::new()
    }

    fn is_same(&self, one: &Op, other: &Op) -> bool {
        one == other
    }
}

/// How a history is made.
#[derive(Clone, Copy, PartialEq)]
enum Sort {
    Good,
    /// One read in the middle saw what nobody wrote.
    Bad,
}

/// Clients that think the longer the more of them there are, so that five to eight calls overlap where there are ten clients or thirty; a call takes effect somewhere between its invocation and its return.
fn register_history(operations: u64, clients: u64, sort: Sort) -> History<Op, u32> {
    let seed = Seed(operations * 1_000 + clients);
    let draws = |what: &str, call: u64, below: u64| seed.draw(what, "call", call).below(below);
    let mut free_at = vec![0_u64; usize::try_from(clients).expect("few")];
    let mut timed = Vec::new();
    for call in 0..operations {
        let client = (0..free_at.len()).min_by_key(|client| free_at[*client]);
        let client = client.expect("there are clients");
        let invoked = free_at[client] + draws("pause", call, 20 * clients);
        let effect = invoked + 1 + draws("until the effect", call, 50);
        let returned = effect + 1 + draws("until the return", call, 50);
        free_at[client] = returned + 1;
        timed.push((effect, client, invoked, returned, call));
    }
    timed.sort_unstable();
    let (mut state, mut spoilt) = (0, false);
    let mut calls = BTreeMap::new();
    for (_, client, invoked, returned, call) in timed {
        let op = if draws("what", call, 2) == 0 {
            Op::Write(u32::try_from(1 + draws("value", call, 5)).expect("small"))
        } else {
            Op::Read
        };
        let ret = match op {
            Op::Write(value) => {
                state = value;
                0
            }
            Op::Read if sort == Sort::Bad && !spoilt && call * 2 >= operations => {
                spoilt = true;
                6 + state
            }
            Op::Read => state,
        };
        let at = |moment: u64, kind: u64| Moment {
            order: (moment * 2 + kind) * operations + call,
            at: Duration::from_millis(moment),
        };
        calls.insert(
            (invoked, call),
            Call {
                client,
                index: 0,
                op,
                invoked: at(invoked, 0),
                returned: Some(at(returned, 1)),
                outcome: Outcome::Ok(ret),
            },
        );
    }
    calls.into_values().collect()
}

fn answer(call: &Call<Op, u32>) -> u32 {
    match call.outcome {
        Outcome::Ok(ret) => ret,
        _ => unreachable!("all calls are answered"),
    }
}

/// Invocations and returns in order: the call's place, and whether it is the return.
fn events(history: &History<Op, u32>) -> Vec<(usize, bool)> {
    let mut events = Vec::new();
    for (place, call) in history.iter().enumerate() {
        events.push((call.invoked.order, place, false));
        events.push((call.returned.expect("answered").order, place, true));
    }
    events.sort_unstable();
    events
        .into_iter()
        .map(|(_, place, is_return)| (place, is_return))
        .collect()
}

struct TodcRegister;

impl Specification for TodcRegister {
    type State = u32;
    type Operation = TodcOp;

    fn init() -> u32 {
        0
    }

    fn apply(operation: &TodcOp, state: &u32) -> (bool, u32) {
        match operation {
            TodcOp::Write(value) => (true, *value),
            TodcOp::Read(seen) => (*seen == Some(*state), *state),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum TodcOp {
    Read(Option<u32>),
    Write(u32),
}

fn todc(history: &History<Op, u32>) -> bool {
    let actions = events(history).into_iter().map(|(place, is_return)| {
        let call = &history.calls()[place];
        let op = match (call.op, is_return) {
            (Op::Write(value), _) => TodcOp::Write(value),
            (Op::Read, false) => TodcOp::Read(None),
            (Op::Read, true) => TodcOp::Read(Some(answer(call))),
        };
        let action = if is_return {
            Action::Response(op)
        } else {
            Action::Call(op)
        };
        (call.client, action)
    });
    WGLChecker::<TodcRegister>::is_linearizable(TheirHistory::from_actions(actions.collect()))
}

fn stateright(history: &History<Op, u32>) -> bool {
    let mut tester = LinearizabilityTester::new(TheirRegister(0_u32));
    for (place, is_return) in events(history) {
        let call = &history.calls()[place];
        let noted = if is_return {
            let ret = match call.op {
                Op::Write(_) => RegisterRet::WriteOk,
                Op::Read => RegisterRet::ReadOk(answer(call)),
            };
            tester.on_return(call.client, ret)
        } else {
            let op = match call.op {
                Op::Write(value) => RegisterOp::Write(value),
                Op::Read => RegisterOp::Read,
            };
            tester.on_invoke(call.client, op)
        };
        noted.expect("it is a history");
    }
    tester.is_consistent()
}

fn registers() {
    println!("linearizability of one register, operations a second\n");
    println!(
        "{:>10} {:>8} {:>5} {:>14} {:>14} {:>8} {:>14} {:>8}",
        "operations", "clients", "", "dormouse", "todc-utils", "x", "stateright", "x"
    );
    for operations in [100, 1_000, 10_000_u64] {
        for clients in [3, 10, 30] {
            for sort in [Sort::Good, Sort::Bad] {
                let history = register_history(operations, clients, sort);
                let is_good = sort == Sort::Good;
                let mut is_known = true;
                let ours = time(|| {
                    let verdict = linearizability::check(&Register, &history, Budget::default());
                    is_known = !matches!(verdict, linearizability::Verdict::Unknown(_));
                    let is_ok = matches!(verdict, linearizability::Verdict::Ok);
                    assert!(is_ok == is_good || !is_known, "{verdict:?}");
                });
                let figure = if is_known {
                    format!("{:.0}", per_second(operations, ours))
                } else {
                    "unknown".to_owned() // the budget was used up
                };
                let mut row = format!(
                    "{operations:>10} {clients:>8} {:>5} {figure:>14}",
                    if is_good { "good" } else { "bad" },
                );
                let few = operations <= 1_000 && clients <= 10;
                let peers: [(bool, Peer); 2] = [
                    (few, todc),
                    (operations == 100 && clients == 3 && is_good, stateright),
                ];
                for (is_given, peer) in peers {
                    if is_given {
                        let theirs = time(|| assert!(peer(&history) == is_good));
                        let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
                        write!(
                            row,
                            " {:>14.0} {ratio:>8.1}",
                            per_second(operations, theirs)
                        )
                        .expect("a string takes it");
                    } else {
                        write!(row, " {:>14} {:>8}", "-", "").expect("a string takes it");
                    }
                }
                println!("{row}");
            }
        }
    }
}

fn per_second(count: u64, took: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let count = count as f64;
    count / took.as_secs_f64()
}

// Transactions.

fn transactions_text(kind: Kind, isolation: Isolation, txns: usize, processes: usize) -> String {
    adya::sim::run(&SimOpts {
        isolation,
        processes,
        txns,
        abort_rate: 0.05,
        info_rate: 0.02,
        r#gen: GenOpts {
            kind,
            ..GenOpts::default()
        },
        seed: 7,
    })
}

fn our_verdict(read: &[Transaction], level: Level) -> bool {
    let mut history = Transactions::new();
    for transaction in read {
        history.push(transaction);
    }
    let verdict = transactions::check(&history, level, transactions::Budget::default());
    matches!(black_box(verdict), transactions::Verdict::Ok)
}

fn transactions() {
    println!(
        "\nstrict serializability, transactions a second; of the peer without, of ours with taking the history in\n"
    );
    println!(
        "{:>12} {:>8} {:>14} {:>20} {:>14} {:>14} {:>8}",
        "transactions", "clients", "workload", "", "dormouse", "adya", "x"
    );
    let opts = Opts {
        models: vec![Level::StrictSerializable.to_string()],
        wfr_keys: true,
        ..Opts::default()
    };
    for (kind, name, workload, theirs) in [
        (
            Kind::ListAppend,
            "list-append",
            Workload::ListAppend,
            adya::Workload::ListAppend,
        ),
        (
            Kind::RwRegister,
            "rw-register",
            Workload::Register,
            adya::Workload::RwRegister,
        ),
    ] {
        for (count, clients) in [
            (100, 3),
            (1_000, 10),
            (10_000, 3),
            (10_000, 10),
            (10_000, 30),
            (100_000, 10),
        ] {
            for isolation in [Isolation::Serializable, Isolation::SnapshotIsolation] {
                let is_good = isolation == Isolation::Serializable;
                let text = transactions_text(kind, isolation, count, clients);
                let read = read_transactions(&text, workload).expect("a history");
                let their_history = adya::History::parse(&text).expect("a history");
                let ours = time(|| {
                    assert!(our_verdict(&read, Level::StrictSerializable) || !is_good);
                });
                let theirs = time(|| {
                    let report = adya::check(&their_history, theirs, &opts);
                    assert!(black_box(report).valid != Valid::False || !is_good);
                });
                let total = read.len() as u64;
                println!(
                    "{count:>12} {clients:>8} {name:>14} {:>20} {:>14.0} {:>14.0} {:>8.1}",
                    if is_good {
                        "serializable"
                    } else {
                        "snapshot isolation"
                    },
                    per_second(total, ours),
                    per_second(total, theirs),
                    theirs.as_secs_f64() / ours.as_secs_f64()
                );
            }
        }
    }
}

// Recorded histories.

fn recorded() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/histories/porcupine"));
    let (cases, _) = read(folder).expect("the list is there");
    let round = || {
        cases
            .iter()
            .map(|case| {
                let judged = judge(case).expect("a history");
                assert!(judged.agrees, "{}", case.file);
                judged.took
            })
            .sum::<Duration>()
    };
    let best = (0..ROUNDS)
        .map(|_| round())
        .min()
        .expect("there are rounds");
    println!(
        "\nthe {} recorded histories, read and judged: {:.0} ms",
        cases.len(),
        best.as_secs_f64() * 1e3
    );
}

fn main() {
    registers();
    transactions();
    recorded();
}
