//! The same seed gives the same trace: again, in another order, on another thread, in another process.
//!
//! Without this no seed means anything, so it is tested before everything else.

use std::{collections::BTreeMap, process::Command, thread};

use dormouse_scenarios::{counter, mailbox, suites};
use dormouse_sim::{Detail, Seed};

const SEEDS: u64 = 2_000;

fn hashes(seeds: impl Iterator<Item = u64>) -> BTreeMap<u64, u64> {
    let suite = counter::counter();
    seeds
        .map(|seed| (seed, suite.run_seed(Seed(seed), Detail::Brief).hash))
        .collect()
}

fn differences(one: &BTreeMap<u64, u64>, other: &BTreeMap<u64, u64>) -> Vec<u64> {
    one.iter()
        .filter(|(seed, hash)| other.get(seed) != Some(hash))
        .map(|(seed, _)| *seed)
        .collect()
}

#[test]
fn two_thousand_seeds_give_the_same_traces_in_any_order_on_any_thread_and_in_another_process() {
    let backwards_on_its_own_thread = thread::spawn(|| hashes((0..SEEDS).rev()));
    let forwards = hashes(0..SEEDS);
    assert_eq!(forwards.len() as u64, SEEDS);
    let backwards = backwards_on_its_own_thread
        .join()
        .expect("it does not panic");
    assert_eq!(differences(&forwards, &backwards), [0_u64; 0]);

    let shared_out = thread::scope(|scope| {
        let parts: Vec<_> = (0..4)
            .map(|part| scope.spawn(move || hashes((part..SEEDS).step_by(4))))
            .collect();
        parts
            .into_iter()
            .flat_map(|part| part.join().expect("it does not panic"))
            .collect::<BTreeMap<_, _>>()
    });
    assert_eq!(differences(&forwards, &shared_out), [0_u64; 0]);

    let output = Command::new(env!("CARGO_BIN_EXE_dormouse"))
        .args(["hashes", "counter", "--seeds", &SEEDS.to_string()])
        .output()
        .expect("the command runs");
    let printed = String::from_utf8(output.stdout).expect("it prints text");
    let elsewhere: BTreeMap<u64, u64> = printed
        .lines()
        .map(|line| {
            let parts: Vec<_> = line.split(' ').collect();
            (
                parts[1].parse().expect("a seed"),
                u64::from_str_radix(parts[2], 16).expect("a hash"),
            )
        })
        .collect();
    assert_eq!(differences(&forwards, &elsewhere), [0_u64; 0]);
}

#[test]
fn the_legacy_backend_and_its_service_are_as_repeatable_on_another_thread() {
    let hashes = || {
        let suites = [mailbox::mailbox(), mailbox::trusting_mailbox()];
        suites.map(|suite| {
            let hash = |seed| suite.run_seed(Seed(seed), Detail::Brief).hash;
            (0..200).map(hash).collect::<Vec<_>>()
        })
    };
    let elsewhere = thread::spawn(hashes);
    assert_eq!(hashes(), elsewhere.join().expect("it does not panic"));
}

#[test]
fn different_seeds_give_different_runs() {
    let hashes = hashes(0..200);
    let distinct: std::collections::BTreeSet<_> = hashes.values().collect();
    assert_eq!(distinct.len(), hashes.len());
}

#[test]
fn a_saved_plan_with_its_tape_gives_the_run_it_was_saved_from() {
    for listed in suites() {
        let suite = listed.suite();
        for seed in (0..20).map(Seed) {
            let run = suite.run_seed(seed, Detail::Full);
            let plan = run.texts.expect("the full detail was asked for").plan_json;
            let again = suite
                .run_plan(&plan, Detail::Brief)
                .expect("it was just saved");
            assert_eq!(again.hash, run.hash, "{} seed {seed}", suite.name());
            assert_eq!(again.tape, run.tape);
        }
    }
}

#[test]
fn the_order_on_the_tape_decides_over_the_seed() {
    let suite = counter::counter();
    let changed = (0..50).map(Seed).filter(|&seed| {
        let run = suite.run_seed(seed, Detail::Full);
        let plan = run.texts.expect("the full detail was asked for").plan_json;
        let mut plan: serde_json::Value = serde_json::from_str(&plan).expect("a plan is JSON");
        // Everything in the order of its arrival.
        for choice in plan["tape"].as_array_mut().expect("the tape") {
            choice["taken"] = 0.into();
        }
        let in_order = suite
            .run_plan(&plan.to_string(), Detail::Brief)
            .expect("it is a plan");
        in_order.hash != run.hash
    });
    let changed = changed.count();
    assert!(
        changed > 30,
        "the tape has hardly any say: it changed {changed} of 50 runs"
    );
}
