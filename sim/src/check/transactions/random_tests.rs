//! Random transactions on a database that isolates them badly, against a judge that tries every order.
//!
//! The database runs the steps of transactions in any order, sometimes shows a reader an older state, sometimes keeps what was aborted. With lists the
//! checker and the judge must agree; with registers, whose order nobody sees, what the checker calls illegal must be.

use std::{cell::Cell, collections::BTreeMap};

use proptest::{collection, prelude::*, test_runner::TestRunner};

use super::{Action, Budget, End, Level, Scalar, Transaction, Transactions, Verdict, check};

/// What a transaction is to do: keys, and whether it reads or writes.
#[derive(Clone, Debug)]
struct Plan {
    client: usize,
    steps: Vec<(u8, bool)>,
    /// Each step's place in time.
    times: Vec<u8>,
    end: End,
    /// What was aborted or lost leaves its effects behind all the same.
    leaves_effects: bool,
    /// How many of the last writes it does not see.
    lag: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Lists,
    Registers,
}

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let end =
        prop_oneof![7 => Just(End::Committed), 1 => Just(End::Aborted), 2 => Just(End::Unknown)];
    let lag = prop_oneof![8 => Just(0_usize), 1 => Just(1), 1 => Just(2)];
    let step = ((0..2_u8, any::<bool>()), 0..40_u8);
    let plan = (
        0..3_usize,
        collection::vec(step, 1..=3),
        end,
        any::<bool>(),
        lag,
    )
        .prop_map(|(client, steps, end, leaves_effects, lag)| {
            let (steps, times) = steps.into_iter().unzip();
            Plan {
                client,
                steps,
                times,
                end,
                leaves_effects,
                lag,
            }
        });
    collection::vec(plan, 1..=5)
}

/// Runs the plans. Every write has a value of its own.
fn run(plans: &[Plan], kind: Kind) -> Vec<Transaction> {
    let mut events = Vec::new();
    for (number, plan) in plans.iter().enumerate() {
        let mut times: Vec<u64> = plan.times.iter().map(|time| u64::from(*time)).collect();
        times.sort_unstable();
        for (step, time) in times.iter().enumerate() {
            events.push((time * 64 + number as u64, number, step));
        }
    }
    events.sort_unstable();
    let mut written: BTreeMap<u8, Vec<(i64, usize)>> = BTreeMap::new();
    let mut done: Vec<Vec<Action>> = vec![Vec::new(); plans.len()];
    let mut next_value = 0;
    for (_, number, step) in &events {
        let plan = &plans[*number];
        let (key, is_read) = plan.steps[*step];
        let name = Scalar::from(i64::from(key));
        let of_key = written.entry(key).or_default();
        if is_read {
            let all = of_key.len().saturating_sub(plan.lag);
            // A transaction sees its own writes even if it lags.
            let seen: Vec<i64> = of_key
                .iter()
                .enumerate()
                .filter(|(place, (_, writer))| *place < all || writer == number)
                .map(|(_, (value, _))| *value)
                .collect();
            if plan.end == End::Committed {
                done[*number].push(match kind {
                    Kind::Lists => {
                        Action::ReadList(name, seen.into_iter().map(Scalar::from).collect())
                    }
                    Kind::Registers => {
                        Action::ReadRegister(name, seen.last().copied().map(Scalar::from))
                    }
                });
            }
        } else {
            next_value += 1;
            if plan.end == End::Committed || plan.leaves_effects {
                of_key.push((next_value, *number));
            }
            let value = Scalar::from(next_value);
            done[*number].push(match kind {
                Kind::Lists => Action::Append(name, value),
                Kind::Registers => Action::Write(name, value),
            });
        }
    }
    let mut free_at: BTreeMap<usize, u64> = BTreeMap::new();
    let mut order: Vec<usize> = (0..plans.len()).collect();
    let start = |number: usize| {
        plans[number]
            .times
            .iter()
            .copied()
            .min()
            .map_or(0, u64::from)
    };
    order.sort_by_key(|number| start(*number));
    let mut clients = vec![0; plans.len()];
    for &number in &order {
        // A client that is still busy cannot make another one: somebody else does.
        let mut client = plans[number].client;
        while free_at
            .get(&client)
            .is_some_and(|free| *free > start(number) * 64)
        {
            client += 3;
        }
        let end = plans[number]
            .times
            .iter()
            .copied()
            .max()
            .map_or(0, u64::from);
        free_at.insert(client, end * 64 + 63);
        clients[number] = client;
    }
    let spans = |number: usize| {
        let of = |time: Option<u8>| time.map_or(0, u64::from) * 64;
        let times = &plans[number].times;
        (
            of(times.iter().copied().min()),
            of(times.iter().copied().max()) + 63,
        )
    };
    done.into_iter()
        .enumerate()
        .map(|(number, actions)| {
            let (invoked, returned) = spans(number);
            Transaction {
                client: clients[number],
                invoked,
                returned: Some(returned),
                end: plans[number].end,
                actions,
            }
        })
        .collect()
}

/// Whether some order of the committed and some of the unknown explains every read, by trying each.
fn brute_force(all: &[Transaction], level: Level) -> bool {
    fn goes_on(
        all: &[Transaction],
        level: Level,
        open: &mut Vec<usize>,
        state: &BTreeMap<Scalar, Vec<Scalar>>,
    ) -> bool {
        let is_required = |number: usize| all[number].end == End::Committed;
        if !open.iter().any(|number| is_required(*number)) {
            return true;
        }
        for at in 0..open.len() {
            let number = open[at];
            let comes_too_early = open.iter().any(|&other| {
                let (one, other) = (&all[other], &all[number]);
                let is_before = one.end == End::Committed
                    && one
                        .returned
                        .is_some_and(|returned| returned < other.invoked);
                match level {
                    Level::StrictSerializable => is_before,
                    Level::StrongSessionSerializable => {
                        is_before && one.client == other.client && other.end == End::Committed
                    }
                    _ => false,
                }
            });
            if comes_too_early {
                continue;
            }
            let mut after = state.clone();
            if !explains(&all[number].actions, &mut after) {
                continue;
            }
            open.remove(at);
            let found = goes_on(all, level, open, &after);
            open.insert(at, number);
            if found {
                return true;
            }
        }
        false
    }
    let mut open: Vec<usize> = (0..all.len())
        .filter(|number| all[*number].end != End::Aborted)
        .collect();
    goes_on(all, level, &mut open, &BTreeMap::new())
}

fn explains(actions: &[Action], state: &mut BTreeMap<Scalar, Vec<Scalar>>) -> bool {
    for action in actions {
        match action {
            Action::Append(key, value) | Action::Write(key, value) => {
                state.entry(key.clone()).or_default().push(value.clone());
            }
            Action::ReadList(key, seen) => {
                if state.get(key).map_or(&[][..], Vec::as_slice) != seen {
                    return false;
                }
            }
            Action::ReadRegister(key, seen) => {
                if state.get(key).and_then(|all| all.last()) != seen.as_ref() {
                    return false;
                }
            }
        }
    }
    true
}

fn agrees_with_brute_force(kind: Kind, cases: u32) {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let counts = [const { Cell::new(0_u32) }; 3];
    let [good, bad, missed] = &counts;
    let mut runner = TestRunner::new_with_rng(
        config,
        prop::test_runner::TestRng::deterministic_rng(prop::test_runner::RngAlgorithm::ChaCha),
    );
    let result = runner.run(&plans(), |plans| {
        let all = run(&plans, kind);
        let history: Transactions = all.iter().cloned().collect();
        for level in [
            Level::Serializable,
            Level::StrongSessionSerializable,
            Level::StrictSerializable,
        ] {
            let expected = brute_force(&all, level);
            let count = if expected { good } else { bad };
            count.set(count.get() + 1);
            match check(&history, level, Budget::default()) {
                Verdict::Ok if kind == Kind::Registers && !expected => {
                    missed.set(missed.get() + 1);
                }
                Verdict::Ok => prop_assert!(expected, "no order is {level}: {history:?}"),
                Verdict::Illegal(why) => {
                    prop_assert!(!expected, "{why}\nbut an order explains {history:?}");
                }
                Verdict::Unknown(why) => prop_assert!(false, "{why}"),
            }
        }
        Ok(())
    });
    result.expect("the checker and the brute force agree");
    let [good, bad, missed] = counts.map(Cell::into_inner);
    println!("{good} good, {bad} bad, of which {missed} cannot be told by dependencies");
    // Agreement on one verdict alone would prove little.
    assert!(good * 10 > cases && bad * 10 > cases);
    assert!(missed * 5 < bad, "{missed} of {bad}");
}

#[test]
fn lists_agree_with_brute_force() {
    agrees_with_brute_force(Kind::Lists, 4_000);
}

#[test]
fn registers_are_never_accused_wrongly() {
    agrees_with_brute_force(Kind::Registers, 4_000);
}

#[test]
#[ignore = "takes a while"]
fn many_transactions_agree_with_brute_force() {
    agrees_with_brute_force(Kind::Lists, 200_000);
    agrees_with_brute_force(Kind::Registers, 200_000);
}
