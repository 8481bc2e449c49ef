//! Alarms: when a handler runs, how often, what it is told, and what is left when it has ended. Each on both storage backends.

use std::{cell::RefCell, collections::VecDeque};

use dormouse::{
    AbortOptions, AlarmInfo, Date, Delay, DurableObject, Env, Error, NodeBuilder, Response, Result,
    ScheduledTime, State, StorageBackend, durable_object, rpc,
};

use futures_util::FutureExt as _;

use super::{Bench, error_of, ms, note, noted, on_both, on_the_simulator, secs};

/// What one run of the handler does.
#[derive(Clone, Copy, Debug)]
enum Run {
    Succeed,
    Fail,
    /// Waits for so many milliseconds.
    Last(u64),
    /// Sets the alarm so many milliseconds ahead.
    Set(i64),
    SetAndFail(i64),
    /// Sets the alarm in a transaction that is rolled back.
    SetInVain(i64),
    DeleteAndFail,
    DeleteAll,
    Abort,
    AbortForGood,
    Panic,
    Hang,
    /// Writes two keys and fails.
    WriteAndFail,
}

thread_local! {
    /// What the next runs do, in order; after the last one they succeed.
    static RUNS: RefCell<VecDeque<Run>> = const { RefCell::new(VecDeque::new()) };
}

fn runs(runs: impl IntoIterator<Item = Run>) {
    RUNS.set(runs.into_iter().collect());
}

/// Does in its handler what the test has laid out, and notes what it sees.
#[durable_object(alarm)]
struct Alarmed {
    state: State,
}

impl DurableObject for Alarmed {
    fn new(state: State, _: Env) -> Self {
        note(format!(
            "constructor of {}",
            state.id().name().unwrap_or_default()
        ));
        Self { state }
    }

    async fn alarm_with_info(&self, alarm: AlarmInfo) -> Result<Response> {
        let storage = self.state.storage();
        let late = i64::try_from(Date::now().as_millis()).expect("fits") - alarm.scheduled_time;
        let hidden = storage.get_alarm().await?.is_none();
        assert!(late >= 0, "never early");
        assert!(hidden, "while the handler runs it counts as gone");
        assert_eq!(alarm.is_retry, alarm.retry_count > 0);
        note(format!("alarm, retry {}", alarm.retry_count));
        match RUNS
            .with_borrow_mut(VecDeque::pop_front)
            .unwrap_or(Run::Succeed)
        {
            Run::Succeed => {}
            Run::Fail => return Err(Error::from("as planned")),
            Run::Last(millis) => {
                Delay::from(ms(millis)).await;
                note("end");
            }
            Run::Set(millis) => {
                storage.set_alarm(millis).await?;
                assert!(storage.get_alarm().await?.is_some());
            }
            Run::SetAndFail(millis) => {
                storage.set_alarm(millis).await?;
                return Err(Error::from("as planned"));
            }
            Run::SetInVain(millis) => {
                let outcome: Result<()> = storage
                    .transaction(move |txn| async move {
                        txn.set_alarm(millis).await?;
                        Err(Error::from("rolled back"))
                    })
                    .await;
                assert!(outcome.is_err());
                assert!(storage.get_alarm().await?.is_none());
            }
            Run::DeleteAndFail => {
                storage.delete_alarm().await?;
                return Err(Error::from("as planned"));
            }
            Run::DeleteAll => storage.delete_all().await?,
            Run::Abort => drop(self.state.abort(Some("as planned")).await),
            Run::AbortForGood => {
                let options = AbortOptions {
                    retry_alarm: Some(false),
                };
                self.state
                    .abort_with_options(Some("for good"), options)
                    .await;
            }
            Run::Panic => panic!("as planned"),
            Run::Hang => std::future::pending().await,
            Run::WriteAndFail => {
                storage.put("awaited", 1).await?;
                drop(storage.put("not awaited", 1).await);
                return Err(Error::from("as planned"));
            }
        }
        Response::empty()
    }
}

#[rpc]
impl Alarmed {
    pub async fn set(&self, millis: i64) -> Result<()> {
        self.state.storage().set_alarm(millis).await
    }

    pub async fn delete(&self) -> Result<()> {
        self.state.storage().delete_alarm().await
    }

    pub async fn delete_all(&self) -> Result<()> {
        self.state.storage().delete_all().await
    }

    pub async fn is_set(&self) -> Result<bool> {
        Ok(self.state.storage().get_alarm().await?.is_some())
    }

    pub async fn keys(&self) -> Result<Vec<String>> {
        let entries = self
            .state
            .storage()
            .list_as::<u32>(dormouse::storage::ListOptions::new())
            .await?;
        Ok(entries.into_iter().map(|(key, _)| key).collect())
    }

    pub fn hello(&self) {
        note("hello");
    }
}

const BACKENDS: [StorageBackend; 2] = [StorageBackend::Sqlite, StorageBackend::KeyValue];

fn serving(backend: StorageBackend) -> NodeBuilder {
    NodeBuilder::new("app").object_on::<Alarmed>("Alarmed", backend)
}

/// Holds a promise on both backends, on the simulated platform.
fn on_both_backends<Fut>(promise: impl Fn(Bench) -> Fut + Copy + 'static)
where
    Fut: Future<Output = ()> + 'static,
{
    for backend in BACKENDS {
        on_the_simulator(&serving(backend), promise);
    }
}

/// What was noted, without the constructors.
fn ran() -> Vec<String> {
    let mut noted = noted();
    noted.retain(|line| !line.starts_with("constructor"));
    noted
}

#[test]
fn an_alarm_fires_once_and_not_before_its_time() {
    for backend in BACKENDS {
        on_both(&serving(backend), |bench| async move {
            let object = bench.stub::<Alarmed>("a");
            object.set(2_000).await.expect("set");
            assert_eq!(object.is_set().await, Ok(true));
            assert_eq!(ran(), [""; 0]);
            bench.pass(ms(3_500)).await;
            assert_eq!(ran(), ["alarm, retry 0"]);
            assert_eq!(object.is_set().await, Ok(false));
        });
    }
}

#[test]
fn a_second_alarm_takes_the_place_of_the_first_to_either_side() {
    on_both_backends(|bench| async move {
        let object = bench.stub::<Alarmed>("a");
        object.set(200).await.expect("set");
        object.set(2_000).await.expect("set later");
        bench.pass(ms(1_000)).await;
        assert_eq!(ran(), [""; 0]);
        bench.pass(ms(1_500)).await;
        assert_eq!(ran(), ["alarm, retry 0"]);
        object.set(4_000).await.expect("set");
        object.set(1_000).await.expect("set earlier");
        bench.pass(ms(1_500)).await;
        assert_eq!(ran(), ["alarm, retry 0"]);
        bench.pass(ms(4_000)).await;
        assert_eq!(ran(), [""; 0]);
    });
}

#[test]
fn a_deleted_alarm_does_not_fire() {
    on_both_backends(|bench| async move {
        let object = bench.stub::<Alarmed>("a");
        object.delete().await.expect("nothing to delete");
        object.set(30_000).await.expect("set");
        object.delete().await.expect("deleted");
        object.set(30_000).await.expect("set");
        object.delete_all().await.expect("deleted with everything");
        bench.pass(secs(70)).await;
        assert_eq!(ran(), [""; 0]);
    });
}

#[test]
fn the_original_s_older_delete_all_keeps_the_alarm() {
    for backend in BACKENDS {
        let serves = serving(backend).compatibility_date("2026-01-01");
        on_the_simulator(&serves, |bench| async move {
            let object = bench.stub::<Alarmed>("a");
            object.set(30_000).await.expect("set");
            object.delete_all().await.expect("deleted");
            bench.pass(secs(31)).await;
            assert_eq!(ran(), ["alarm, retry 0"]);
            // Inside the handler the deletion after success is still to come.
            runs([Run::DeleteAll]);
            object.set(100).await.expect("set");
            bench.pass(secs(1)).await;
            assert_eq!(ran(), ["alarm, retry 0"]);
            assert_eq!(object.is_set().await, Ok(false));
        });
    }
}

#[test]
fn a_handler_may_set_the_next_alarm_also_to_now() {
    on_both_backends(|bench| async move {
        let object = bench.stub::<Alarmed>("a");
        runs([
            Run::Set(0),
            Run::Set(-5),
            Run::Set(60_000),
            Run::SetInVain(0),
        ]);
        object.set(0).await.expect("set");
        bench.pass(secs(20)).await;
        assert_eq!(ran(), ["alarm, retry 0"; 3]);
        assert_eq!(object.is_set().await, Ok(true));
        bench.pass(secs(60)).await;
        assert_eq!(
            ran(),
            ["alarm, retry 0"],
            "what was rolled back sets nothing"
        );
        assert_eq!(object.is_set().await, Ok(false));
    });
}

#[test]
fn an_alarm_set_while_the_handler_runs_fires_when_it_has_ended() {
    on_both_backends(|bench| async move {
        let object = bench.stub::<Alarmed>("a");
        runs([Run::Last(5_000)]);
        object.set(0).await.expect("set");
        bench.pass(secs(1)).await;
        object.set(20).await.expect("set meanwhile");
        object.hello().await.expect("others are let in");
        bench.pass(secs(20)).await;
        assert_eq!(ran(), ["alarm, retry 0", "hello", "end", "alarm, retry 0"]);
        assert_eq!(object.is_set().await, Ok(false));
    });
}

#[test]
fn a_failed_handler_runs_again_ever_later_and_seven_times_altogether() {
    on_both_backends(|bench| async move {
        let object = bench.stub::<Alarmed>("a");
        runs([Run::Fail; 9]);
        object.set(0).await.expect("set");
        bench.pass(ms(500)).await;
        let mut expected = vec!["alarm, retry 0".to_owned()];
        let mut ran_so_far = ran();
        assert_eq!(ran_so_far, expected);
        assert_eq!(object.is_set().await, Ok(true), "it is to run again");
        for (retry, delay) in [(1, 2), (2, 4), (3, 8), (4, 16), (5, 32), (6, 64)] {
            bench.pass(secs(delay) * 5 / 4 + ms(10)).await; // with the most that chance adds
            expected.push(format!("alarm, retry {retry}"));
        }
        bench.pass(secs(300)).await;
        ran_so_far.extend(ran());
        assert_eq!(ran_so_far, expected);
        assert_eq!(object.is_set().await, Ok(false), "given up");
        runs([]);
        object.set(0).await.expect("a new one");
        bench.pass(secs(1)).await;
        assert_eq!(noted().pop().as_deref(), Some("alarm, retry 0"));
    });
}

#[test]
fn retries_do_not_come_too_soon() {
    on_both_backends(|bench| async move {
        let object = bench.stub::<Alarmed>("a");
        runs([Run::Fail, Run::Fail]);
        object.set(0).await.expect("set");
        bench.pass(ms(1_200)).await;
        assert_eq!(ran(), ["alarm, retry 0"]);
        bench.pass(ms(2_000)).await; // 2 s and up to a quarter more have passed
        assert_eq!(ran(), ["alarm, retry 1"]);
        bench.pass(ms(1_800)).await;
        assert_eq!(ran(), [""; 0]);
        bench.pass(ms(3_000)).await;
        assert_eq!(ran(), ["alarm, retry 2"]);
    });
}

#[test]
fn what_a_failed_handler_says_of_the_alarm_takes_the_place_of_the_retry() {
    on_both_backends(|bench| async move {
        let object = bench.stub::<Alarmed>("a");
        runs([Run::SetAndFail(1_000)]);
        object.set(0).await.expect("set");
        bench.pass(secs(10)).await;
        assert_eq!(
            ran(),
            ["alarm, retry 0"; 2],
            "a new alarm, with tries of its own"
        );
        runs([Run::DeleteAndFail]);
        object.set(0).await.expect("set");
        bench.pass(secs(10)).await;
        assert_eq!(ran(), ["alarm, retry 0"]);
    });
}

#[test]
fn an_alarm_set_between_two_tries_takes_the_place_of_the_next_try() {
    on_both_backends(|bench| async move {
        let object = bench.stub::<Alarmed>("a");
        runs([Run::Fail]);
        object.set(0).await.expect("set");
        bench.pass(ms(500)).await;
        object.set(500).await.expect("set");
        bench.pass(ms(600)).await;
        assert_eq!(ran(), ["alarm, retry 0"; 2]);
        bench.pass(secs(10)).await;
        assert_eq!(ran(), [""; 0]);
        runs([Run::Fail]);
        object.set(0).await.expect("set");
        bench.pass(ms(500)).await;
        object.delete().await.expect("deleted");
        bench.pass(secs(10)).await;
        assert_eq!(
            ran(),
            ["alarm, retry 0"],
            "a deleted one is not tried again"
        );
    });
}

#[test]
fn writes_of_a_failed_run_stay() {
    on_both_backends(|bench| async move {
        let object = bench.stub::<Alarmed>("a");
        runs([Run::WriteAndFail]);
        object.set(0).await.expect("set");
        bench.pass(secs(1)).await;
        assert_eq!(
            object.keys().await,
            Ok(vec!["awaited".to_owned(), "not awaited".to_owned()])
        );
    });
}

#[test]
fn an_abort_in_the_handler_is_tried_again_unless_it_says_no() {
    on_both_backends(|bench| async move {
        runs([Run::Abort]);
        bench.stub::<Alarmed>("a").set(1_000).await.expect("set");
        bench.pass(secs(5)).await;
        let alarms = [
            "constructor of a",
            "alarm, retry 0",
            "constructor of a",
            "alarm, retry 1",
        ];
        assert_eq!(noted(), alarms);
        runs([Run::AbortForGood]);
        bench.stub::<Alarmed>("b").set(1_000).await.expect("set");
        bench.pass(secs(600)).await;
        assert_eq!(noted(), ["constructor of b", "alarm, retry 0"]);
        assert_eq!(bench.stub::<Alarmed>("b").is_set().await, Ok(false));
    });
}

#[test]
fn a_panic_in_the_handler_is_a_failure_of_its_own() {
    on_both_backends(|bench| async move {
        runs([Run::Panic]);
        bench.stub::<Alarmed>("a").set(1_000).await.expect("set");
        bench.pass(secs(5)).await;
        assert_eq!(ran(), ["alarm, retry 0", "alarm, retry 1"]);
    });
}

#[test]
fn a_handler_may_run_for_fifteen_minutes() {
    on_both_backends(|bench| async move {
        let object = bench.stub::<Alarmed>("a");
        runs([Run::Hang]);
        object.set(0).await.expect("set");
        bench.pass(secs(14 * 60)).await;
        assert_eq!(object.hello().await, Ok(()));
        bench.pass(secs(60)).await;
        let error = error_of(object.hello().await);
        assert!(
            error.starts_with("Error: Alarm exceeded its allowed execution time [overloaded]"),
            "{error}"
        );
        bench.pass(secs(5)).await;
        assert_eq!(ran(), ["alarm, retry 0", "hello", "alarm, retry 1"]);
    });
}

#[test]
fn an_alarm_wakes_an_object_that_hibernates_and_the_object_knows_its_name() {
    on_both_backends(|bench| async move {
        bench
            .stub::<Alarmed>("by name")
            .set(60_000)
            .await
            .expect("set");
        bench.pass(secs(30)).await;
        assert_eq!(
            bench.node.activation_count(),
            0,
            "an alarm keeps nobody awake"
        );
        noted();
        bench.pass(secs(31)).await;
        assert_eq!(noted(), ["constructor of by name", "alarm, retry 0"]);
    });
}

#[test]
fn alarms_survive_a_restart_and_those_that_were_due_meanwhile_fire_at_once() {
    for backend in BACKENDS {
        on_the_simulator(&serving(backend), move |bench| async move {
            bench.stub::<Alarmed>("a").set(20_000).await.expect("set");
            bench.stub::<Alarmed>("b").set(1_000).await.expect("set");
            let Bench { platform, node } = bench;
            drop(node);
            noted();
            platform
                .clock
                .sleep_until(platform.clock.now() + secs(3))
                .await;
            let bench = Bench::start(platform, &serving(backend));
            bench.pass(secs(1)).await;
            assert_eq!(noted(), ["constructor of b", "alarm, retry 0"]);
            bench.pass(secs(20)).await;
            assert_eq!(noted(), ["constructor of a", "alarm, retry 0"]);
            bench.restart(&serving(backend)).pass(secs(120)).await;
            assert_eq!(noted(), [""; 0], "what has run is gone");
        });
    }
}

#[test]
fn an_alarm_delivered_twice_runs_once_while_it_runs_and_not_again_when_it_has_succeeded() {
    on_both_backends(|bench| async move {
        let object = bench.stub::<Alarmed>("a");
        assert!(!bench.node.deliver_last_alarm_again());
        runs([Run::Last(5_000)]);
        object.set(0).await.expect("set");
        bench.pass(secs(1)).await;
        assert!(bench.node.deliver_last_alarm_again());
        bench.pass(secs(20)).await;
        assert_eq!(ran(), ["alarm, retry 0", "end"]);
        assert!(bench.node.deliver_last_alarm_again());
        bench.pass(secs(60)).await;
        assert_eq!(ran(), [""; 0]);
        // A failed one is still due.
        runs([Run::Fail]);
        object.set(0).await.expect("set");
        bench.pass(ms(500)).await;
        assert!(bench.node.deliver_last_alarm_again());
        bench.pass(ms(1_000)).await;
        assert_eq!(ran(), ["alarm, retry 0"; 2]);
        bench.pass(secs(60)).await;
        assert_eq!(ran(), [""; 0], "the second delivery has succeeded");
        assert_eq!(object.is_set().await, Ok(false));
    });
}

/// Sets an alarm in its constructor, although it has no handler.
#[durable_object(fetch)]
struct Deaf {
    state: State,
}

impl DurableObject for Deaf {
    fn new(state: State, _: Env) -> Self {
        note("constructor");
        if super::count_build() == 1 {
            // In the constructor's own turn, where nobody checks; it does not suspend.
            let set = state.storage().set_alarm(1_000).now_or_never();
            assert_eq!(set, Some(Ok(())));
        }
        Self { state }
    }
}

#[rpc]
impl Deaf {
    pub async fn set(&self) -> Result<()> {
        self.state
            .storage()
            .set_alarm(ScheduledTime::from(1_000))
            .await
    }

    pub async fn is_set(&self) -> Result<bool> {
        Ok(self.state.storage().get_alarm().await?.is_some())
    }
}

#[test]
fn a_class_without_a_handler_sets_no_alarm_and_one_from_its_constructor_is_dropped() {
    for backend in BACKENDS {
        let serves = NodeBuilder::new("app").object_on::<Deaf>("Deaf", backend);
        on_the_simulator(&serves, |bench| async move {
            let object = bench.stub::<Deaf>("d");
            assert_eq!(object.is_set().await, Ok(true));
            let refused = error_of(object.set().await);
            let expected = "TypeError: Your Durable Object class must have an alarm() handler";
            assert!(refused.starts_with(expected), "{refused}");
            bench.pass(secs(120)).await;
            assert_eq!(bench.stub::<Deaf>("d").is_set().await, Ok(false));
        });
    }
}
