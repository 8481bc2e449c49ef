//! Our transaction checker and another one, written by others, on the same histories: they must agree.
//!
//! The histories come from the other one's simulated database, which isolates transactions as well or as badly as it is told to, with aborted transactions
//! and such of which nobody knows.
//!
//! On lists, verdicts and anomalies must be equal. On registers less can be known, and we infer more: from writes of which nobody knows whether they took
//! place, once they are read, and from what serializability itself implies. So there the other one must not find anything that we do not.

use std::collections::BTreeSet;

use adya::{
    Opts, Valid,
    r#gen::{GenOpts, Kind},
    sim::{Isolation, SimOpts},
};
use dormouse_sim::check::transactions::{
    Anomaly, Budget, CycleKind, Level, Transactions, Verdict, check,
};
use dormouse_tests::judge::{Workload, read_transactions};

const ISOLATIONS: [Isolation; 5] = [
    Isolation::Serializable,
    Isolation::SnapshotIsolation,
    Isolation::ReadCommitted,
    Isolation::ReadUncommitted,
    Isolation::LostUpdate,
];

/// A history with few keys, so that transactions meet.
fn history(kind: Kind, isolation: Isolation, seed: u64) -> String {
    adya::sim::run(&SimOpts {
        isolation,
        processes: 2 + usize::try_from(seed % 5).expect("small"),
        txns: 4 + usize::try_from(seed * 7 % 60).expect("small"),
        abort_rate: 0.1,
        info_rate: 0.1,
        r#gen: GenOpts {
            kind,
            key_count: 2 + usize::try_from(seed % 3).expect("small"),
            min_txn_len: 1,
            max_txn_len: 4,
            max_writes_per_key: 4 + seed % 9,
        },
        seed,
    })
}

struct Theirs {
    is_valid: bool,
    anomalies: BTreeSet<String>,
}

fn theirs(text: &str, workload: adya::Workload, level: Level) -> Theirs {
    let history = adya::History::parse(text).expect("their own");
    let report = adya::check(
        &history,
        workload,
        &Opts {
            models: vec![level.to_string()],
            wfr_keys: level >= Level::Serializable,
            sequential_keys: level == Level::StrongSessionSerializable,
            linearizable_keys: level == Level::StrictSerializable,
            ..Opts::default()
        },
    );
    Theirs {
        // Where nothing depends on anything they say that they do not know.
        is_valid: report.valid != Valid::False,
        anomalies: report.anomaly_types.into_iter().collect(),
    }
}

/// Whether it is legal, and the kinds of anomalies.
fn ours(text: &str, workload: Workload, level: Level) -> (bool, BTreeSet<Anomaly>) {
    let read = read_transactions(text, workload).expect("they write what Elle reads");
    let history: Transactions = read.into_iter().collect();
    match check(&history, level, Budget::default()) {
        Verdict::Ok => (true, BTreeSet::new()),
        Verdict::Illegal(why) => {
            let anomalies = why.findings.iter().map(|finding| finding.anomaly);
            (false, anomalies.collect())
        }
        Verdict::Unknown(why) => panic!("{why}: {text}"),
    }
}

fn lists_agree(seeds: u64) {
    let (mut legal, mut illegal) = (0, 0);
    for seed in 0..seeds {
        for isolation in ISOLATIONS {
            let text = history(Kind::ListAppend, isolation, seed);
            for level in Level::ALL {
                let theirs = theirs(&text, adya::Workload::ListAppend, level);
                let (is_legal, anomalies) = ours(&text, Workload::ListAppend, level);
                let about = format!(
                    "seed {seed}, {isolation:?} at {level}: {:?} and {anomalies:?}\n{text}",
                    theirs.anomalies
                );
                // Where aborted values were read we follow the order of versions over them, and they do not.
                let reads_aborted = ours(&text, Workload::ListAppend, Level::ReadCommitted)
                    .1
                    .iter()
                    .any(|anomaly| {
                        matches!(
                            anomaly,
                            Anomaly::G1a | Anomaly::IncompatibleOrder | Anomaly::DirtyUpdate
                        )
                    });
                if level == Level::ReadUncommitted && reads_aborted {
                    assert!(theirs.is_valid || !is_legal, "{about}");
                    continue;
                }
                assert_eq!(theirs.is_valid, is_legal, "{about}");
                *(if is_legal { &mut legal } else { &mut illegal }) += 1;
                for (name, anomaly) in [
                    ("G1a", Anomaly::G1a),
                    ("G1b", Anomaly::G1b),
                    ("internal", Anomaly::Internal),
                    ("lost-update", Anomaly::LostUpdate),
                    ("dirty-update", Anomaly::DirtyUpdate),
                    ("future-read", Anomaly::FutureRead),
                    ("incompatible-order", Anomaly::IncompatibleOrder),
                    ("duplicate-elements", Anomaly::DuplicateElements),
                ] {
                    let is_theirs = theirs.anomalies.contains(name);
                    if reads_aborted && anomaly == Anomaly::LostUpdate {
                        continue; // they compare whole lists, we the last values
                    }
                    if anomaly == Anomaly::FutureRead && theirs.anomalies.contains("internal") {
                        continue; // they do not look at the rest of a transaction that contradicts itself
                    }
                    assert_eq!(is_theirs, anomalies.contains(&anomaly), "{name}: {about}");
                }
                if reads_aborted {
                    continue;
                }
                let gravest = |kind: CycleKind| {
                    anomalies.iter().any(
                        |anomaly| matches!(anomaly, Anomaly::Cycle(found, _) if *found == kind),
                    )
                };
                if theirs.anomalies.contains("G0") {
                    assert!(gravest(CycleKind::G0), "{about}");
                }
            }
        }
    }
    println!("{legal} legal, {illegal} illegal");
    assert!(
        legal * 5 > illegal && illegal * 5 > legal,
        "{legal} legal, {illegal} illegal"
    );
}

fn registers_agree(seeds: u64) {
    let (mut both, mut we_alone) = (0, 0);
    for seed in 0..seeds {
        for isolation in ISOLATIONS {
            let text = history(Kind::RwRegister, isolation, seed);
            for level in Level::ALL {
                let theirs = theirs(&text, adya::Workload::RwRegister, level);
                let (is_legal, anomalies) = ours(&text, Workload::Register, level);
                assert!(
                    theirs.is_valid || !is_legal,
                    "seed {seed}, {isolation:?} at {level}: {:?} and {anomalies:?}\n{text}",
                    theirs.anomalies
                );
                if isolation == Isolation::Serializable {
                    assert!(is_legal, "seed {seed} at {level}: {anomalies:?}\n{text}");
                }
                if !is_legal {
                    *(if theirs.is_valid {
                        &mut we_alone
                    } else {
                        &mut both
                    }) += 1;
                }
            }
        }
    }
    println!("{both} found by both, {we_alone} by us alone");
    assert!(both > seeds, "{both} of {seeds} seeds");
}

#[test]
fn lists_are_judged_alike() {
    lists_agree(60);
}

#[test]
fn what_they_find_in_registers_we_find() {
    registers_agree(60);
}

#[test]
#[ignore = "takes minutes"]
fn many_histories_are_judged_alike() {
    lists_agree(3_000);
    registers_agree(3_000);
}
