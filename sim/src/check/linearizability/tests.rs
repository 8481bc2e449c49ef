//! Histories made by hand, whose verdicts a person can see, and random ones against a judge that tries every order.

use std::time::Duration;

use proptest::{collection, prelude::*, test_runner::TestRunner};

use super::{super::model::Model, *};
use crate::history::{Call, History, Moment, Outcome};

/// What both models are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Get,
    Set(u8),
    /// Adds one and gives the sum.
    Increment,
    /// Sets the second if it finds the first, and gives 1 if it did.
    Swap(u8, u8),
}
use Op::{Get, Increment, Set, Swap};

/// One number; every operation is answered by a number, `Set` by 0.
struct Number {
    compares: Compares,
}

/// Whether the model can say that two calls are the same.
#[derive(PartialEq)]
enum Compares {
    Calls,
    Nothing,
}

const NUMBER: Number = Number {
    compares: Compares::Calls,
};

impl Model for Number {
    type Op = Op;
    type Ret = u8;
    type State = u8;

    fn initial(&self) -> u8 {
        0
    }

    fn step(&self, state: &u8, op: &Op, ret: Option<&u8>) -> Option<u8> {
        let (next, answer) = match *op {
            Get => (*state, *state),
            Set(value) => (value, 0),
            Increment => (state + 1, state + 1),
            Swap(old, new) if old == *state => (new, 1),
            Swap(..) => (*state, 0),
        };
        ret.is_none_or(|ret| *ret == answer).then_some(next)
    }

    fn object(&self, _: &Op) -> String {
        "n".to_owned()
    }

    fn is_same(&self, one: &Op, other: &Op) -> bool {
        self.compares == Compares::Calls && one == other
    }
}

/// Writes histories as a person would: who asks what, and who is answered what, line by line.
#[derive(Default)]
struct Script {
    history: History<Op, u8>,
    now: u64,
}

impl Script {
    fn moment(&mut self) -> Moment {
        self.now += 1;
        Moment {
            order: self.now,
            at: Duration::from_millis(self.now),
        }
    }

    fn ask(&mut self, client: usize, op: Op) -> &mut Self {
        let call = Call {
            client,
            index: self
                .history
                .iter()
                .filter(|call| call.client == client)
                .count(),
            op,
            invoked: self.moment(),
            returned: None,
            outcome: Outcome::Unknown("never settled".to_owned()),
        };
        self.history.push(call);
        self
    }

    fn settle(&mut self, client: usize, outcome: Outcome<u8>) -> &mut Self {
        let place = self.history.iter().rposition(|call| call.client == client);
        let returned = self.moment();
        self.history
            .settle(place.expect("it has asked"), returned, outcome);
        self
    }

    fn answer(&mut self, client: usize, ret: u8) -> &mut Self {
        self.settle(client, Outcome::Ok(ret))
    }

    fn lose(&mut self, client: usize) -> &mut Self {
        self.settle(
            client,
            Outcome::Unknown("Network connection lost.".to_owned()),
        )
    }

    fn refuse(&mut self, client: usize) -> &mut Self {
        self.settle(client, Outcome::Failed("no".to_owned()))
    }

    fn call(&mut self, client: usize, op: Op, ret: u8) -> &mut Self {
        self.ask(client, op).answer(client, ret)
    }

    fn verdict(&self) -> Verdict {
        check(&NUMBER, &self.history, Budget::default())
    }

    fn violation(&self) -> Explanation {
        match self.verdict() {
            Verdict::Illegal(violation) => violation,
            other => panic!("{other:?} for {:?}", self.history),
        }
    }
}

#[test]
fn no_calls_are_fine() {
    assert_eq!(Script::default().verdict(), Verdict::Ok);
}

#[test]
fn a_stale_read_is_found_and_told() {
    let mut script = Script::default();
    script.call(1, Set(1), 0).call(1, Set(2), 0).call(2, Get, 1);
    let violation = script.violation();
    assert_eq!(violation.longest_prefix, [0, 1]);
    assert_eq!(violation.stuck, 2);
    assert_eq!(violation.states, ["2"]);
    assert_eq!(
        violation.to_string(),
        "n: client-2's Get -> 1 (+0.005s to +0.006s) fits into no order of the calls; after the longest order that works, \
         2 calls up to client-1's Set(2) -> 0 (+0.003s to +0.004s), it met the state 2",
    );
}

#[test]
fn all_calls_that_do_not_fit_are_told_with_their_intervals() {
    let mut script = Script::default();
    script
        .call(1, Set(1), 0)
        .ask(1, Get)
        .ask(2, Get)
        .ask(3, Set(7))
        .answer(1, 5)
        .answer(2, 6)
        .answer(3, 0);
    let violation = script.violation();
    assert_eq!(violation.longest_prefix, [0, 3]);
    assert_eq!((violation.stuck, &violation.open[..]), (1, &[2][..]));
    assert_eq!(
        format!("{violation:#}"),
        "n: no order of the calls explains every answer\n\
         the longest order that works\n  \
           client-1's Set(1) -> 0 (+0.001s to +0.002s)\n  \
           client-3's Set(7) -> 0 (+0.005s to +0.008s)\n\
         possible states then: 7\n\
         none of these fits there, and the first had to\n  \
           client-1's Get -> 5 (+0.003s to +0.006s)\n  \
           client-2's Get -> 6 (+0.004s to +0.007s)",
    );
}

#[test]
fn an_answer_that_was_never_possible_is_stuck_at_once() {
    let violation = Script::default().call(1, Get, 1).violation();
    assert_eq!(
        violation.to_string(),
        "n: client-1's Get -> 1 (+0.001s to +0.002s) fits into no order of the calls; even as the first call, it met the state 0",
    );
}

#[test]
fn an_old_value_may_be_read_while_it_is_being_replaced() {
    let mut script = Script::default();
    script
        .call(1, Set(1), 0)
        .ask(1, Set(2))
        .call(2, Get, 1)
        .answer(1, 0);
    assert_eq!(script.verdict(), Verdict::Ok);
}

#[test]
fn values_do_not_go_back_while_one_is_being_replaced() {
    let mut script = Script::default();
    script
        .ask(1, Set(1))
        .call(2, Get, 1)
        .call(2, Get, 0)
        .answer(1, 0);
    assert_eq!(script.violation().stuck, 2);
}

#[test]
fn a_lost_update_is_found() {
    let mut script = Script::default();
    script
        .ask(1, Increment)
        .ask(2, Increment)
        .answer(1, 1)
        .answer(2, 1);
    script.violation();
}

#[test]
fn updates_at_the_same_time_may_take_either_order() {
    let mut script = Script::default();
    script
        .ask(1, Increment)
        .ask(2, Increment)
        .answer(1, 2)
        .answer(2, 1);
    assert_eq!(script.verdict(), Verdict::Ok);
}

#[test]
fn an_unknown_write_may_take_effect_late() {
    let mut script = Script::default();
    script
        .ask(1, Set(1))
        .lose(1)
        .call(2, Get, 0)
        .call(2, Get, 0)
        .call(2, Get, 1);
    assert_eq!(script.verdict(), Verdict::Ok);
}

#[test]
fn an_unknown_write_may_never_take_effect() {
    let mut script = Script::default();
    script.ask(1, Set(1)).lose(1).call(2, Get, 0);
    assert_eq!(script.verdict(), Verdict::Ok);
}

#[test]
fn an_unknown_write_takes_effect_once() {
    let mut script = Script::default();
    script
        .ask(1, Set(1))
        .lose(1)
        .call(2, Get, 1)
        .call(2, Set(2), 0)
        .call(2, Get, 1);
    assert_eq!(script.violation().stuck, 3);
}

#[test]
fn an_unknown_write_takes_no_effect_before_it_was_asked_for() {
    let mut script = Script::default();
    script.call(2, Get, 1).ask(1, Set(1)).lose(1);
    assert_eq!(script.violation().stuck, 0);
}

#[test]
fn a_call_that_never_settled_counts_as_unknown() {
    let mut script = Script::default();
    script
        .ask(1, Set(1))
        .call(2, Get, 0)
        .call(2, Get, 1)
        .call(2, Get, 0);
    assert_eq!(script.violation().stuck, 3);
}

#[test]
fn a_failed_write_took_no_effect() {
    let mut script = Script::default();
    script.ask(1, Set(1)).refuse(1).call(2, Get, 1);
    assert_eq!(script.violation().stuck, 1);
    let mut script = Script::default();
    script.ask(1, Set(1)).refuse(1).call(2, Get, 0);
    assert_eq!(script.verdict(), Verdict::Ok);
}

#[test]
fn every_order_of_unknown_calls_is_open() {
    let mut script = Script::default();
    for (client, op) in [(1, Swap(2, 3)), (2, Swap(1, 2)), (3, Set(1))] {
        script.ask(client, op).lose(client);
    }
    script.call(4, Get, 3);
    assert_eq!(script.verdict(), Verdict::Ok);
}

#[test]
fn reads_at_the_same_time_see_a_write_in_one_order() {
    let mut script = Script::default();
    script
        .ask(1, Set(1))
        .ask(2, Get)
        .ask(3, Get)
        .answer(2, 1)
        .answer(3, 0)
        .answer(1, 0);
    assert_eq!(script.verdict(), Verdict::Ok);
}

#[test]
fn objects_are_judged_one_by_one() {
    struct ByClient;
    impl Model for ByClient {
        type Op = (usize, Op);
        type Ret = u8;
        type State = u8;

        fn initial(&self) -> u8 {
            Model::initial(&NUMBER)
        }

        fn step(&self, state: &u8, (_, op): &(usize, Op), ret: Option<&u8>) -> Option<u8> {
            NUMBER.step(state, op, ret)
        }

        fn object(&self, (object, _): &(usize, Op)) -> String {
            object.to_string()
        }
    }
    let mut script = Script::default();
    script
        .call(1, Set(1), 0)
        .call(2, Get, 1)
        .call(1, Get, 1)
        .call(3, Get, 0);
    let history: History<_, _> = script
        .history
        .iter()
        .map(|call| Call {
            op: (call.client, call.op),
            client: call.client,
            index: call.index,
            invoked: call.invoked,
            returned: call.returned,
            outcome: call.outcome.clone(),
        })
        .collect();
    let Verdict::Illegal(violation) = check(&ByClient, &history, Budget::default()) else {
        panic!("object 2 was never set")
    };
    assert_eq!((violation.object.as_str(), violation.stuck), ("2", 1));
}

/// Many writes at the same time and a read that none of them explains: every subset has to be looked at.
fn hard(writers: u8) -> Script {
    let mut script = Script::default();
    for writer in 0..writers {
        script.ask(writer.into(), Set(writer));
    }
    script.call(usize::from(writers), Get, 200);
    for writer in 0..writers {
        script.answer(writer.into(), 0);
    }
    script
}

#[test]
fn past_the_steps_the_verdict_is_unknown() {
    let budget = Budget {
        steps: 10_000,
        ..Budget::default()
    };
    let verdict = check(&NUMBER, &hard(20).history, budget);
    assert_eq!(verdict, Verdict::Unknown(Bound::Steps(10_000)));
    assert!(matches!(hard(10).verdict(), Verdict::Illegal(_)));
}

#[test]
fn past_the_memory_the_verdict_is_unknown() {
    let budget = Budget {
        memory_bytes_max: 100_000,
        ..Budget::default()
    };
    let verdict = check(&NUMBER, &hard(20).history, budget);
    assert!(
        matches!(verdict, Verdict::Unknown(Bound::MemoryBytes(bytes)) if bytes < 200_000),
        "{verdict:?}"
    );
}

#[test]
fn a_check_may_go_on_over_several_rounds() {
    let verdict = check(&NUMBER, &hard(12).history, Budget::default());
    assert!(matches!(verdict, Verdict::Illegal(_)), "{verdict:?}");
    let budget = Budget {
        steps: STEPS_FIRST_ROUND,
        ..Budget::default()
    };
    let one_round = check(&NUMBER, &hard(12).history, budget);
    assert_eq!(one_round, Verdict::Unknown(Bound::Steps(STEPS_FIRST_ROUND)));
}

#[test]
fn equal_unknown_calls_are_counted_not_tried_one_by_one() {
    let mut script = Script::default();
    for client in 0..30 {
        script.ask(client, Increment).lose(client);
    }
    script.call(30, Get, 200);
    let budget = Budget {
        steps: 100,
        ..Budget::default()
    };
    assert!(matches!(
        check(&NUMBER, &script.history, budget),
        Verdict::Illegal(_)
    ));
}

#[test]
fn the_longest_order_is_told_without_unknown_calls_that_do_not_help() {
    let mut script = Script::default();
    script
        .ask(1, Increment)
        .lose(1)
        .call(2, Set(5), 0)
        .call(2, Get, 9);
    let violation = script.violation();
    assert_eq!(violation.longest_prefix, [1]);
    assert_eq!(violation.states, ["5", "6"]);
}

#[test]
fn a_long_history_needs_a_step_for_each_call() {
    let mut script = Script::default();
    for round in 0..1_000 {
        let value = u8::try_from(round % 100).expect("below 100");
        script
            .ask(1, Set(value))
            .ask(2, Get)
            .answer(1, 0)
            .answer(2, value);
    }
    let budget = Budget {
        steps: 2_000,
        ..Budget::default()
    };
    assert_eq!(check(&NUMBER, &script.history, budget), Verdict::Ok);
}

/// Whether some order of some of the calls explains all answers, by trying each.
fn brute_force(calls: &[Call<Op, u8>]) -> bool {
    fn can_end(calls: &[&Call<Op, u8>], placed: &mut Vec<usize>, state: u8) -> bool {
        let is_open = |call: &usize| !placed.contains(call);
        let open: Vec<usize> = (0..calls.len()).filter(is_open).collect();
        let is_optional = |call: usize| matches!(calls[call].outcome, Outcome::Unknown(_));
        if open.iter().all(|call| is_optional(*call)) {
            return true;
        }
        open.iter().any(|&call| {
            let comes_too_late = open.iter().any(|&other| {
                let returned = calls[other].returned.filter(|_| !is_optional(other));
                returned.is_some_and(|returned| returned < calls[call].invoked)
            });
            let ret = match &calls[call].outcome {
                Outcome::Ok(ret) => Some(ret),
                _ => None,
            };
            let next = NUMBER.step(&state, &calls[call].op, ret);
            let Some(next) = next.filter(|_| !comes_too_late) else {
                return false;
            };
            placed.push(call);
            let explains = can_end(calls, placed, next);
            placed.pop();
            explains
        })
    }
    let took_place = |call: &&Call<Op, u8>| !matches!(call.outcome, Outcome::Failed(_));
    let calls: Vec<_> = calls.iter().filter(took_place).collect();
    can_end(&calls, &mut Vec::new(), Model::initial(&NUMBER))
}

/// What a client does next, and how it ends: a random answer, or an unknown end.
type Turn = (usize, Op, Option<u8>, u8);

/// A history from turns: a client that has a call open settles it first, so that calls overlap at random.
fn scripted(turns: &[Turn]) -> History<Op, u8> {
    let mut script = Script::default();
    let mut open = [None; 3];
    for &(client, op, ret, kind) in turns {
        if let Some((ret, kind)) = open[client].take() {
            settle(&mut script, client, ret, kind);
        }
        script.ask(client, op);
        open[client] = Some((ret, kind));
        // Now and then others settle, too.
        let other = (client + usize::from(kind)) % 3;
        if kind % 2 == 0
            && let Some((ret, kind)) = open[other].take()
        {
            settle(&mut script, other, ret, kind);
        }
    }
    for (client, open) in open.into_iter().enumerate() {
        if let Some((ret, kind)) = open.filter(|(_, kind)| *kind != 9) {
            settle(&mut script, client, ret, kind);
        }
    }
    script.history
}

fn settle(script: &mut Script, client: usize, ret: Option<u8>, kind: u8) {
    match ret {
        Some(ret) => script.answer(client, ret),
        None if kind == 0 => script.refuse(client),
        None => script.lose(client),
    };
}

/// Of the calls, so many of four have an answer.
fn turns(op: impl Strategy<Value = (Op, u8)>, answered: u32) -> impl Strategy<Value = Vec<Turn>> {
    let ends = prop_oneof![answered => Just(true), 4 - answered => Just(false)];
    let turn = (0..3_usize, op, ends, 0..10_u8)
        .prop_map(|(client, (op, ret), ends, kind)| (client, op, ends.then_some(ret), kind));
    collection::vec(turn, 1..=7)
}

fn register() -> impl Strategy<Value = (Op, u8)> {
    prop_oneof![
        3 => (0..3_u8).prop_map(|ret| (Get, ret)),
        3 => (1..3_u8).prop_map(|value| (Set(value), 0)),
        1 => (0..3_u8, 0..3_u8, 0..2_u8).prop_map(|(old, new, ret)| (Swap(old, new), ret)),
    ]
}

fn counter() -> impl Strategy<Value = (Op, u8)> {
    prop_oneof![
        1 => (0..4_u8).prop_map(|ret| (Get, ret)),
        2 => (1..5_u8).prop_map(|ret| (Increment, ret)),
    ]
}

fn agrees_with_brute_force(turns: impl Strategy<Value = Vec<Turn>>, cases: u32) {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let (mut good, mut bad) = (0, 0);
    let verdicts = std::cell::RefCell::new((&mut good, &mut bad));
    let mut runner = TestRunner::new_with_rng(
        config,
        prop::test_runner::TestRng::deterministic_rng(prop::test_runner::RngAlgorithm::ChaCha),
    );
    let result = runner.run(&turns, |turns| {
        let history = scripted(&turns);
        let expected = brute_force(history.calls());
        for compares in [Compares::Calls, Compares::Nothing] {
            match check(&Number { compares }, &history, Budget::default()) {
                Verdict::Ok => prop_assert!(expected, "no order explains {history:?}"),
                Verdict::Illegal(violation) => {
                    prop_assert!(!expected, "{violation}, but an order explains {history:?}");
                    prop_assert!(is_an_order(&history, &violation.longest_prefix));
                }
                Verdict::Unknown(bound) => prop_assert!(false, "gave up after {bound}"),
            }
        }
        let (good, bad) = &mut *verdicts.borrow_mut();
        **(if expected { good } else { bad }) += 1;
        Ok(())
    });
    result.expect("the checker and the brute force agree");
    // Agreement on one verdict alone would prove little.
    assert!(
        good * 10 > cases && bad * 10 > cases,
        "{good} good, {bad} bad"
    );
}

/// Whether a reported order is one: the model accepts it, and no call stands behind one that was invoked after its return.
fn is_an_order(history: &History<Op, u8>, order: &[usize]) -> bool {
    let mut state = Model::initial(&NUMBER);
    for (position, place) in order.iter().enumerate() {
        let call = &history.calls()[*place];
        let ret = match &call.outcome {
            Outcome::Ok(ret) => Some(ret),
            _ => None,
        };
        let Some(next) = NUMBER.step(&state, &call.op, ret) else {
            return false;
        };
        state = next;
        let too_late = order[position..]
            .iter()
            .map(|later| &history.calls()[*later])
            .any(|later| {
                let ended = later
                    .returned
                    .filter(|_| matches!(later.outcome, Outcome::Ok(_)));
                ended.is_some_and(|ended| ended < call.invoked)
            });
        if too_late {
            return false;
        }
    }
    true
}

#[test]
fn registers_agree_with_brute_force() {
    agrees_with_brute_force(turns(register(), 3), 10_000);
}

#[test]
fn counters_agree_with_brute_force() {
    agrees_with_brute_force(turns(counter(), 3), 10_000);
}

#[test]
fn mostly_unknown_calls_agree_with_brute_force() {
    agrees_with_brute_force(turns(register(), 1), 5_000);
    agrees_with_brute_force(turns(counter(), 1), 5_000);
}

#[test]
#[ignore = "takes a while"]
fn many_histories_agree_with_brute_force() {
    for answered in [1, 2, 3] {
        agrees_with_brute_force(turns(register(), answered), 100_000);
        agrees_with_brute_force(turns(counter(), answered), 100_000);
    }
}
