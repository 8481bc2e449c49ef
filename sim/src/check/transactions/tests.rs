//! Each anomaly in the smallest history that has it, and the levels that forbid it and allow it.

use super::{
    Action, Anomaly, Budget, CycleKind, End, Explanation, Level, OrderKind, Reason, Scalar,
    Transaction, Transactions, Verdict, check,
};

fn append(key: &str, value: i64) -> Action {
    Action::Append(key.into(), value.into())
}

fn list(key: &str, seen: &[i64]) -> Action {
    Action::ReadList(
        key.into(),
        seen.iter().map(|value| (*value).into()).collect(),
    )
}

fn write(key: &str, value: i64) -> Action {
    Action::Write(key.into(), value.into())
}

fn read(key: &str, seen: i64) -> Action {
    Action::ReadRegister(key.into(), Some(seen.into()))
}

fn read_nothing(key: &str) -> Action {
    Action::ReadRegister(key.into(), None)
}

/// Transactions that all overlap, each of a client of its own.
fn at_once<const N: usize>(all: [Vec<Action>; N]) -> Vec<Transaction> {
    let transaction = |(client, actions)| Transaction {
        client,
        invoked: 0,
        returned: Some(1),
        end: End::Committed,
        actions,
    };
    (0..).zip(all).map(transaction).collect()
}

/// One after the other, by the clients named.
fn in_turn<const N: usize>(all: [(usize, Vec<Action>); N]) -> Vec<Transaction> {
    let transaction = |(turn, (client, actions)): (u64, (usize, Vec<Action>))| Transaction {
        client,
        invoked: turn * 2,
        returned: Some(turn * 2 + 1),
        end: End::Committed,
        actions,
    };
    (0..).zip(all).map(transaction).collect()
}

fn judged(all: &[Transaction], level: Level) -> Verdict {
    let history: Transactions = all.iter().cloned().collect();
    check(&history, level, Budget::default())
}

fn illegal(all: &[Transaction], level: Level) -> Explanation {
    match judged(all, level) {
        Verdict::Illegal(why) => why,
        other => panic!("{other:?} at {level}: {all:?}"),
    }
}

/// The first level that is broken, and the headline of what is found there first.
#[track_caller]
fn assert_broken_from(all: &[Transaction], level: Level, anomaly: Anomaly, headline: &str) {
    for other in Level::ALL {
        let verdict = judged(all, other);
        assert_eq!(
            verdict == Verdict::Ok,
            !other.forbids(anomaly),
            "{other}: {verdict:?}"
        );
    }
    let why = illegal(all, level);
    let found = why
        .findings
        .iter()
        .find(|finding| finding.anomaly == anomaly);
    let found = found.unwrap_or_else(|| panic!("no {anomaly} in {why}"));
    assert!(found.headline.starts_with(headline), "{found}");
}

const fn plain(kind: CycleKind) -> Anomaly {
    Anomaly::Cycle(kind, OrderKind::Plain)
}

#[test]
fn what_one_order_explains_is_fine_at_every_level() {
    let history = in_turn([
        (1, vec![append("x", 1), list("x", &[1])]),
        (2, vec![list("x", &[1]), append("x", 2), append("y", 1)]),
        (1, vec![list("x", &[1, 2]), list("y", &[1]), write("r", 1)]),
        (3, vec![read("r", 1), write("r", 2), read("r", 2)]),
    ]);
    for level in Level::ALL {
        assert_eq!(judged(&history, level), Verdict::Ok, "{level}");
    }
}

#[test]
fn nothing_is_fine() {
    assert_eq!(judged(&[], Level::StrictSerializable), Verdict::Ok);
}

#[test]
fn writes_that_cross_are_a_dirty_write() {
    let history = at_once([
        vec![append("x", 1), append("y", 1)],
        vec![append("x", 2), append("y", 2)],
        vec![list("x", &[1, 2]), list("y", &[2, 1])],
    ]);
    let headline = "G0: T0 -ww-> T1 -ww-> T0";
    assert_broken_from(
        &history,
        Level::ReadUncommitted,
        plain(CycleKind::G0),
        headline,
    );
}

#[test]
fn two_that_read_each_other_are_a_circle_of_information() {
    let history = at_once([
        vec![append("x", 1), list("y", &[1])],
        vec![append("y", 1), list("x", &[1])],
    ]);
    let headline = "G1c: T0 -wr-> T1 -wr-> T0";
    assert_broken_from(
        &history,
        Level::ReadCommitted,
        plain(CycleKind::G1c),
        headline,
    );
}

#[test]
fn half_of_anothers_effects_are_read_skew() {
    let history = at_once([
        vec![append("x", 1), append("y", 1)],
        vec![list("x", &[1]), list("y", &[])],
        vec![list("y", &[1])],
    ]);
    let headline = "G-single: T1 -rw-> T0 -wr-> T1";
    assert_broken_from(
        &history,
        Level::SnapshotIsolation,
        plain(CycleKind::GSingle),
        headline,
    );
}

#[test]
fn a_long_fork_has_two_missed_writes_that_are_not_in_a_row() {
    let history = at_once([
        vec![append("x", 1)],
        vec![append("y", 1)],
        vec![list("x", &[1]), list("y", &[])],
        vec![list("x", &[]), list("y", &[1])],
    ]);
    let why = illegal(&history, Level::SnapshotIsolation);
    let headline = "G-nonadjacent: T2 -rw-> T1 -wr-> T3 -rw-> T0 -wr-> T2";
    assert_eq!(why.findings[0].headline, headline);
    assert_eq!(judged(&history, Level::ReadCommitted), Verdict::Ok);
}

#[test]
fn two_that_miss_each_other_are_write_skew() {
    let history = at_once([
        vec![list("x", &[]), append("y", 1)],
        vec![list("y", &[]), append("x", 1)],
    ]);
    let headline = "G2-item: T0 -rw-> T1 -rw-> T0";
    assert_eq!(judged(&history, Level::SnapshotIsolation), Verdict::Ok);
    assert_broken_from(
        &history,
        Level::Serializable,
        plain(CycleKind::G2Item),
        headline,
    );
}

#[test]
fn a_client_that_does_not_see_what_it_wrote_breaks_its_session() {
    let history = [
        // Another client overlaps both, so that the session alone orders them.
        in_turn([(1, vec![append("x", 1)]), (1, vec![list("x", &[])])]),
        at_once([vec![list("x", &[1])]]),
    ]
    .concat();
    let anomaly = Anomaly::Cycle(CycleKind::GSingle, OrderKind::Process);
    assert_eq!(judged(&history, Level::Serializable), Verdict::Ok);
    assert_broken_from(
        &history,
        Level::StrongSessionSerializable,
        anomaly,
        "G-single-process: T1 -rw-> T0 -process-> T1",
    );
}

#[test]
fn another_client_that_does_not_see_what_was_acknowledged_breaks_real_time() {
    let history = in_turn([
        (1, vec![append("x", 1)]),
        (2, vec![list("x", &[])]),
        (3, vec![list("x", &[1])]),
    ]);
    let anomaly = Anomaly::Cycle(CycleKind::GSingle, OrderKind::Realtime);
    assert_eq!(
        judged(&history, Level::StrongSessionSerializable),
        Verdict::Ok
    );
    assert_broken_from(
        &history,
        Level::StrictSerializable,
        anomaly,
        "G-single-realtime: T1 -rw-> T0 -realtime-> T1",
    );
}

#[test]
fn writes_against_real_time_are_found_with_the_writes_alone() {
    let mut history = in_turn([
        (1, vec![append("x", 1)]),
        (2, vec![append("x", 2)]),
        (3, vec![list("x", &[2, 1])]),
    ]);
    let why = illegal(&history, Level::StrictSerializable);
    assert_eq!(
        why.findings[0].headline,
        "G0-realtime: T0 -realtime-> T1 -ww-> T0"
    );
    // While they overlap either order is fine.
    history[1].invoked = 1;
    assert_eq!(judged(&history, Level::StrictSerializable), Verdict::Ok);
}

#[test]
fn an_aborted_value_that_is_read_is_found() {
    let mut history = at_once([vec![append("x", 1)], vec![list("x", &[1])]]);
    history[0].end = End::Aborted;
    let headline = "G1a: T1 read x = [1], but T0, which appended 1, did not take place";
    assert_broken_from(&history, Level::ReadCommitted, Anomaly::G1a, headline);
    let mut history = at_once([vec![write("r", 1)], vec![read("r", 1)]]);
    history[0].end = End::Aborted;
    let headline = "G1a: T1 read r = 1, but T0, which wrote it, did not take place";
    assert_broken_from(&history, Level::ReadCommitted, Anomaly::G1a, headline);
}

#[test]
fn a_value_between_two_of_one_transaction_is_not_read_by_another() {
    let history = at_once([vec![append("x", 1), append("x", 2)], vec![list("x", &[1])]]);
    let headline = "G1b: T1 read x = [1], but T0 appended more behind 1";
    assert_broken_from(&history, Level::ReadCommitted, Anomaly::G1b, headline);
    let history = at_once([vec![write("r", 1), write("r", 2)], vec![read("r", 1)]]);
    let headline = "G1b: T1 read r = 1, but T0 itself wrote over it";
    assert_broken_from(&history, Level::ReadCommitted, Anomaly::G1b, headline);
    let own = at_once([vec![append("x", 1), list("x", &[1]), append("x", 2)]]);
    assert_eq!(judged(&own, Level::StrictSerializable), Verdict::Ok);
}

#[test]
fn what_nobody_wrote_is_not_read_unless_the_history_is_cut() {
    let history = at_once([vec![list("x", &[7])], vec![read("r", 7)]]);
    let why = illegal(&history, Level::ReadCommitted);
    let headlines: Vec<_> = why.findings.iter().map(|found| &*found.headline).collect();
    assert_eq!(
        headlines,
        [
            "unwritten-read: T0 read x = [7], but nobody appended 7",
            "unwritten-read: T1 read r = 7, which nobody wrote"
        ]
    );
    let cut = history.into_iter().collect::<Transactions>();
    let verdict = check(
        &cut.cut_from_a_longer_one(),
        Level::StrictSerializable,
        Budget::default(),
    );
    assert_eq!(verdict, Verdict::Ok);
}

#[test]
fn reads_that_do_not_begin_with_each_other_are_found() {
    let history = at_once([
        vec![append("x", 1)],
        vec![append("x", 2)],
        vec![list("x", &[1])],
        vec![list("x", &[2, 1])],
    ]);
    let headline =
        "incompatible-order: T2 read x = [1] and T3 read x = [2 1]: neither begins with the other";
    assert_broken_from(
        &history,
        Level::ReadCommitted,
        Anomaly::IncompatibleOrder,
        headline,
    );
}

#[test]
fn a_value_that_is_there_twice_is_found() {
    let history = at_once([
        vec![append("x", 1)],
        vec![append("x", 2)],
        vec![list("x", &[1, 2, 1])],
    ]);
    let headline = "duplicate-elements: T2 read x = [1 2 1], in which a value is twice";
    assert_broken_from(
        &history,
        Level::ReadUncommitted,
        Anomaly::DuplicateElements,
        headline,
    );
}

#[test]
fn an_append_on_top_of_an_aborted_one_is_found() {
    let mut history = at_once([
        vec![append("x", 1)],
        vec![append("x", 2)],
        vec![list("x", &[1, 2])],
    ]);
    history[0].end = End::Aborted;
    let headline = "dirty-update: T1 appended 2 to x behind 1 of T0, which did not take place";
    assert_broken_from(
        &history,
        Level::ReadCommitted,
        Anomaly::DirtyUpdate,
        headline,
    );
}

#[test]
fn a_transaction_agrees_with_itself() {
    for actions in [
        vec![append("x", 1), list("x", &[])],
        vec![list("x", &[]), append("x", 1), list("x", &[])],
        vec![
            list("x", &[]),
            append("x", 1),
            append("x", 2),
            list("x", &[2, 1]),
        ],
        vec![write("r", 1), read_nothing("r")],
        vec![
            read_nothing("r"),
            write("r", 1),
            write("r", 2),
            read("r", 1),
        ],
    ] {
        let why = illegal(&at_once([actions]), Level::SnapshotIsolation);
        assert_eq!(why.findings[0].anomaly, Anomaly::Internal, "{why}");
    }
    let history = at_once([
        vec![append("x", 1)],
        vec![
            append("x", 2),
            list("x", &[1, 2]),
            append("x", 3),
            list("x", &[1, 2, 3]),
        ],
        vec![write("r", 1), write("r", 2), read("r", 2)],
    ]);
    assert_eq!(judged(&history, Level::StrictSerializable), Verdict::Ok);
}

#[test]
fn a_transaction_does_not_read_what_it_will_write() {
    let headline = "future-read: T0 read 1 before it appended it";
    let history = at_once([vec![list("x", &[1]), append("x", 1)]]);
    let why = illegal(&history, Level::ReadCommitted);
    assert_eq!(why.findings[0].headline, headline);
    let history = at_once([vec![read("r", 1), write("r", 1)]]);
    let why = illegal(&history, Level::ReadCommitted);
    assert_eq!(why.findings[0].anomaly, Anomaly::FutureRead);
}

#[test]
fn two_that_write_over_the_same_read_lose_an_update() {
    let history = at_once([
        vec![list("x", &[]), append("x", 1)],
        vec![list("x", &[]), append("x", 2)],
    ]);
    let why = illegal(&history, Level::SnapshotIsolation);
    assert_eq!(
        why.findings[0].headline,
        "lost-update: T0, T1 read x when nothing was the last there, and wrote it: all but one of them wrote over what they had not seen"
    );
    let history = at_once([
        vec![write("r", 1)],
        vec![read("r", 1), write("r", 2)],
        vec![read("r", 1), write("r", 3)],
    ]);
    let why = illegal(&history, Level::Serializable);
    let lost = why
        .findings
        .iter()
        .find(|found| found.anomaly == Anomaly::LostUpdate);
    assert_eq!(lost.expect("one is lost").transactions, [1, 2]);
}

#[test]
fn what_nobody_knows_may_have_taken_place_or_not() {
    let mut history = in_turn([
        (1, vec![append("x", 1), append("y", 1)]),
        (2, vec![list("x", &[]), list("y", &[])]),
    ]);
    history[0].end = End::Unknown;
    assert_eq!(
        judged(&history, Level::StrictSerializable),
        Verdict::Ok,
        "not yet, or never"
    );
    history[1].actions = vec![list("x", &[1]), list("y", &[])];
    let why = illegal(&history, Level::Serializable);
    assert_eq!(
        why.findings[0].headline, "G-single: T1 -rw-> T0 -wr-> T1",
        "it took place whole"
    );
}

#[test]
fn registers_are_ordered_by_who_read_what_before_writing() {
    // T1 wrote over 1, T2 over 2; T3 saw 2 of one register and then what came before it of the other.
    let history = at_once([
        vec![write("r", 1), write("s", 1)],
        vec![read("r", 1), write("r", 2), write("s", 2)],
        vec![read("r", 2), read("s", 1)],
        vec![read("s", 1), write("t", 9)],
        vec![read("s", 2)],
    ]);
    assert_eq!(
        judged(&history, Level::Serializable),
        Verdict::Ok,
        "nobody knows which of s came first"
    );
    let mut history = history;
    history[1].actions.insert(2, read("s", 1));
    let why = illegal(&history, Level::Serializable);
    assert_eq!(
        why.findings[0].headline, "G-single: T2 -rw-> T1 -wr-> T2",
        "{why}"
    );
}

#[test]
fn a_stale_register_is_found_by_real_time() {
    let history = in_turn([
        (1, vec![write("r", 1)]),
        (2, vec![write("r", 2)]),
        (3, vec![read("r", 1)]),
    ]);
    assert_eq!(judged(&history, Level::Serializable), Verdict::Ok);
    let why = illegal(&history, Level::StrictSerializable);
    assert_eq!(
        why.findings[0].headline, "G-single-realtime: T2 -rw-> T1 -realtime-> T2",
        "{why}"
    );
}

#[test]
fn a_register_that_goes_back_is_found_by_those_who_read_it() {
    // Nobody but the readers tells in which order the two were written.
    let mut history = in_turn([
        (3, vec![read("r", 1)]),
        (4, vec![read("r", 2)]),
        (5, vec![read("r", 1)]),
    ]);
    for value in [1, 2] {
        history.push(Transaction {
            client: 6,
            invoked: 0,
            returned: None,
            end: End::Unknown,
            actions: vec![write("r", value)],
        });
    }
    assert!(matches!(
        judged(&history, Level::StrictSerializable),
        Verdict::Illegal(_)
    ));
    history.remove(2);
    assert_eq!(judged(&history, Level::StrictSerializable), Verdict::Ok);
}

#[test]
fn many_that_miss_many_make_no_circle_with_themselves() {
    // Each reads an empty list and appends to it: of any two each missed the other. One alone is fine.
    let one = |number: i64| vec![list("x", &[]), append(&format!("y{number}"), 1)];
    let readers: Vec<_> = (0..40).map(one).collect();
    let writers = (0..40).map(|value| vec![append("x", value)]);
    let both = vec![list("x", &[]), append("x", 100)];
    let all: Vec<_> = readers.into_iter().chain(writers).chain([both]).collect();
    let history: Vec<_> = (0..)
        .zip(all)
        .map(|(client, actions)| Transaction {
            client,
            invoked: 0,
            returned: Some(1),
            end: End::Committed,
            actions,
        })
        .collect();
    assert_eq!(judged(&history, Level::StrictSerializable), Verdict::Ok);
    // And the joints lose nothing: one of the writers missed what one of the readers wrote.
    let mut history = history;
    history[40 + 17].actions.push(list("y3", &[]));
    let why = illegal(&history, Level::Serializable);
    assert_eq!(why.findings[0].headline, "G2-item: T3 -rw-> T57 -rw-> T3");
}

#[test]
fn a_circle_is_told_with_what_each_edge_rests_on() {
    let history = at_once([
        vec![append("x", 1), append("y", 1)],
        vec![list("x", &[1]), list("y", &[])],
        vec![list("y", &[1])],
    ]);
    assert_eq!(
        illegal(&history, Level::StrictSerializable).to_string(),
        "not strict-serializable\n\
         G-single: T1 -rw-> T0 -wr-> T1\n  \
           T0, client 0: append 1 to x, append 1 to y\n  \
           T1, client 1: read x = [1], read y = []\n  \
           T1 -rw-> T0: T1 read nothing in y, before T0 wrote 1 (y = [1])\n  \
           T0 -wr-> T1: T1 read 1 of x, which T0 wrote",
    );
}

#[test]
fn a_history_that_breaks_the_rules_of_the_workload_is_not_judged() {
    let twice = at_once([vec![append("x", 1)], vec![append("x", 1)]]);
    let Verdict::Unknown(Reason::Malformed(why)) = judged(&twice, Level::Serializable) else {
        panic!("nobody can tell the two apart")
    };
    assert!(
        why.starts_with("1 is written to x by T0 and by T1"),
        "{why}"
    );
    let both = at_once([vec![append("x", 1)], vec![write("x", 2)]]);
    let Verdict::Unknown(Reason::Malformed(why)) = judged(&both, Level::Serializable) else {
        panic!("a list is no register")
    };
    assert_eq!(
        why,
        "x is used as a list and as a register: a key is one of them"
    );
}

#[test]
fn past_the_bound_nothing_is_known() {
    let history: Transactions = at_once([vec![append("x", 1)], vec![list("x", &[1])]])
        .into_iter()
        .collect();
    let budget = Budget {
        edges_max: 0,
        ..Budget::default()
    };
    let verdict = check(&history, Level::Serializable, budget);
    assert_eq!(verdict, Verdict::Unknown(Reason::Edges(0)));
}

#[test]
fn past_the_bound_of_the_search_a_circle_is_still_shown() {
    let history: Transactions = at_once([
        vec![append("x", 1), append("y", 1)],
        vec![list("x", &[1]), list("y", &[])],
        vec![list("y", &[1])],
    ])
    .into_iter()
    .collect();
    let budget = Budget {
        search_steps: 0,
        ..Budget::default()
    };
    let Verdict::Illegal(why) = check(&history, Level::Serializable, budget) else {
        panic!("there is one")
    };
    assert_eq!(why.findings[0].transactions.len(), 2, "{why}");
}

#[test]
fn keys_and_values_may_be_texts() {
    let text = |text: &str| Scalar::from(text);
    let history = at_once([
        vec![Action::Append(text("x"), text("a"))],
        vec![Action::ReadList(text("x"), vec![text("a"), text("b")])],
    ]);
    let why = illegal(&history, Level::ReadCommitted);
    assert_eq!(
        why.findings[0].headline,
        "unwritten-read: T1 read x = [a b], but nobody appended b"
    );
}
