//! The oracles that need nothing from a scenario's author, each held against an object that it must catch.

use std::{
    cell::Cell,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use dormouse::{Delay, DurableObject, Env, Error, Result, State, durable_object, rpc};
use dormouse_sim::{Detail, Faults, Run, Scenario, Seed, Suite, oracles};
use proptest::prelude::*;

/// What one call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Op {
    Fine,
    Panic,
    Hang,
    Refuse,
    /// Yield again and again.
    Spin,
    /// Count in memory.
    Count,
    /// Wait in the background, for ever, a second at a time.
    Tick,
    /// Wait in the background, for a minute.
    Linger,
    /// Store something to be done.
    Accept,
    /// Store something to be done, and arm the alarm.
    AcceptAndArm,
}

/// The result of a storage call on SQLite, which never suspends.
fn at_once<T>(call: impl Future<Output = T>) -> T {
    match pin!(call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => unreachable!("SQLite answers at once"),
    }
}

/// Does what it is told, however bad.
#[durable_object]
struct Obedient {
    state: Rc<State>,
    count: Cell<u32>,
}

impl DurableObject for Obedient {
    fn new(state: State, _: Env) -> Self {
        // Alarms can be set in a constructor, whether the class handles them or not.
        let storage = state.storage();
        if at_once(storage.get("arm")) == Ok(Some(true)) {
            assert_eq!(at_once(storage.set_alarm(Duration::from_hours(1))), Ok(()));
        }
        Self {
            state: Rc::new(state),
            count: Cell::new(0),
        }
    }
}

#[rpc]
impl Obedient {
    pub async fn obey(&self, op: Op) -> Result<u32> {
        let storage = self.state.storage();
        match op {
            Op::Fine => {}
            Op::Panic => panic!("as you wish"),
            Op::Hang => std::future::pending().await,
            Op::Refuse => return Err(Error::from("no")),
            Op::Spin => loop {
                let mut yielded = false;
                std::future::poll_fn(|cx| {
                    cx.waker().wake_by_ref();
                    if std::mem::replace(&mut yielded, true) {
                        std::task::Poll::Ready(())
                    } else {
                        std::task::Poll::Pending
                    }
                })
                .await;
            },
            Op::Count => self.count.set(self.count.get() + 1),
            Op::Tick => self.state.wait_until(async {
                loop {
                    Delay::from(Duration::from_secs(1)).await;
                }
            }),
            Op::Linger => self.state.wait_until(Delay::from(Duration::from_mins(1))),
            Op::Accept => storage.put("work", true).await?,
            Op::AcceptAndArm => {
                storage.put("work", true).await?;
                storage.put("arm", true).await?;
            }
        }
        Ok(self.count.get())
    }

    pub async fn has_work(&self) -> Result<bool> {
        Ok(self.state.storage().get("work").await?.unwrap_or(false))
    }
}

fn scenario(op: Op) -> Scenario<Op, u32> {
    scenario_with(op, 1)
}

fn scenario_with(op: Op, calls: usize) -> Scenario<Op, u32> {
    Scenario::new("obedient")
        .object::<Obedient>("OBEDIENT")
        .clients(1)
        .workload(Just(op), calls..=calls)
        .faults(Faults::none())
        .step(|client, op| client.stub::<Obedient>("OBEDIENT", "o").obey(op))
}

fn run(suite: &Suite) -> Run {
    suite.run_seed(Seed(0), Detail::Full)
}

fn promise_broken_by(suite: &Suite) -> Option<String> {
    run(suite).violation.map(|violation| violation.promise)
}

/// What was seen when `promise` was broken.
fn seen(suite: &Suite, promise: &str) -> String {
    let violation = run(suite).violation.expect("a promise is broken");
    assert_eq!(violation.promise, promise, "{violation}");
    violation.why
}

#[test]
fn an_object_that_does_as_it_should_breaks_nothing() {
    assert_eq!(
        promise_broken_by(&scenario(Op::Fine).finally(vec![Op::Fine]).into_suite()),
        None
    );
}

#[test]
fn a_panic_is_reported_although_the_caller_only_sees_a_reset() {
    std::panic::set_hook(Box::new(|_| {})); // it is expected, and would only look like a failure
    assert_eq!(
        promise_broken_by(&scenario(Op::Panic).into_suite()).as_deref(),
        Some("no object panics")
    );
}

#[test]
fn an_object_that_cannot_be_read_any_more_at_the_end_is_reported() {
    let suite = scenario(Op::Fine).finally(vec![Op::Refuse]).into_suite();
    assert_eq!(
        promise_broken_by(&suite).as_deref(),
        Some("after the last loss of power every object answers")
    );
}

#[test]
fn a_call_that_is_never_answered_is_reported_with_what_it_waits_for_and_may_be_allowed() {
    let why = seen(
        &scenario(Op::Hang).into_suite(),
        oracles::EVERY_CALL_SETTLES,
    );
    assert!(why.contains("Obedient/o: the handler `obey`"), "{why}");
    let allowed = scenario(Op::Hang).calls_may_hang().may_stay_busy();
    assert_eq!(promise_broken_by(&allowed.into_suite()), None);
}

#[test]
fn an_object_that_wakes_itself_again_and_again_is_reported() {
    let why = seen(&scenario(Op::Spin).into_suite(), "time goes on");
    assert!(
        why.contains(" turn Obedient/o"),
        "it shows the last events: {why}"
    );
}

#[test]
fn an_object_with_a_timer_that_is_always_pending_is_reported_with_the_place_where_it_was_made() {
    let why = seen(&scenario(Op::Tick).into_suite(), oracles::COMES_TO_REST);
    assert!(
        why.contains("Obedient/o: a task given to wait_until, begun at "),
        "{why}"
    );
    assert!(why.contains("a Delay of 1s, begun at "), "{why}");
    assert!(why.contains(file!()), "{why}");
    assert_eq!(
        promise_broken_by(&scenario(Op::Tick).may_stay_busy().into_suite()),
        None
    );
}

#[test]
fn an_object_has_a_while_to_come_to_rest() {
    assert_eq!(promise_broken_by(&scenario(Op::Linger).into_suite()), None);
    let impatient = scenario(Op::Linger).rest_within(Duration::from_secs(30));
    seen(&impatient.into_suite(), oracles::COMES_TO_REST);
}

#[test]
fn an_object_that_counts_in_memory_is_reported_because_evictions_show() {
    let counting = || scenario_with(Op::Count, 3).eviction_transparency_one_in(1);
    let why = seen(&counting().into_suite(), oracles::transparency::PROMISE);
    assert!(
        why.contains("answered 2 by an object that stays in memory, and 1 by"),
        "{why}"
    );
    let story = run(&counting().into_suite())
        .texts
        .expect("it was asked for")
        .story;
    assert!(story.contains("client-1 asks Count  2 | 1"), "{story}");
    assert_eq!(
        promise_broken_by(&counting().without_eviction_transparency().into_suite()),
        None
    );
}

#[test]
fn an_answer_that_is_a_matter_of_chance_is_no_difference() {
    let random = Scenario::<(), String>::new("random")
        .object::<Obedient>("OBEDIENT")
        .workload(Just(()), 2..=4)
        .faults(Faults::none())
        .eviction_transparency_one_in(1)
        .step(|client, ()| async move {
            let answered = client
                .stub::<Obedient>("OBEDIENT", "o")
                .obey(Op::Count)
                .await?;
            let namespace = client.env().durable_object("OBEDIENT")?;
            Ok(format!("{answered} {}", namespace.unique_id()?))
        });
    assert_eq!(promise_broken_by(&random.into_suite()), None);
}

#[test]
fn work_without_an_alarm_is_reported_and_with_one_it_is_not() {
    let has_work = |scenario: Scenario<Op, u32>| {
        scenario.pending_work::<Obedient, _, _>(|storage| async move {
            Ok(storage.get("work").await?.unwrap_or(false))
        })
    };
    let why = seen(
        &has_work(scenario(Op::Accept)).into_suite(),
        oracles::PENDING_WORK,
    );
    assert!(why.starts_with("Obedient/o has work left"), "{why}");
    assert_eq!(
        promise_broken_by(&has_work(scenario(Op::Fine)).into_suite()),
        None
    );
    assert_eq!(promise_broken_by(&scenario(Op::Accept).into_suite()), None); // nobody said what work is
    // The next life arms the alarm: an object that sleeps is not woken up by the question.
    let armed = |calls| has_work(scenario_with(Op::AcceptAndArm, calls).pauses(Just(11_000)));
    seen(&armed(1).into_suite(), oracles::PENDING_WORK);
    assert_eq!(promise_broken_by(&armed(2).into_suite()), None);
}

#[test]
fn what_should_hold_in_the_end_and_does_not_is_reported_by_its_name() {
    let promise = "work is done";
    let done = |scenario: Scenario<Op, u32>| {
        scenario.eventually(promise, |client| async move {
            Ok(!client.stub::<Obedient>("OBEDIENT", "o").has_work().await?)
        })
    };
    assert_eq!(
        promise_broken_by(&done(scenario(Op::Fine)).into_suite()),
        None
    );
    let why = seen(&done(scenario(Op::Accept)).into_suite(), promise);
    assert!(why.contains("the last answer was: no"), "{why}");
    assert!(why.contains("the last events:"), "{why}");
    let brief = done(scenario(Op::Accept)).eventually_within(Duration::from_secs(10));
    let why = seen(&brief.into_suite(), promise);
    assert!(why.contains("it does not hold 10s after"), "{why}");
}

#[test]
fn an_object_that_is_asked_often_enough_stays_in_memory() {
    let promise = "it was counted to ten";
    let counts = || {
        scenario(Op::Fine).eventually(promise, |client| async move {
            let count = client.stub::<Obedient>("OBEDIENT", "o").obey(Op::Count);
            Ok(count.await? == 10)
        })
    };
    let often = counts().eventually_every(Duration::from_secs(5));
    assert_eq!(promise_broken_by(&often.into_suite()), None);
    // Between two questions it sleeps, and forgets.
    seen(&counts().into_suite(), promise);
}
