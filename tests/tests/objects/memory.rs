//! What keeps an object in memory, for how long, and how many things of one kind there may be.

use std::{cell::Cell, rc::Rc};

use dormouse::{Date, Delay, DurableObject, Env, NodeBuilder, Result, State, durable_object, rpc};
use futures_util::future::join_all;

use super::{error_of, ms, note, noted, on_both, on_the_simulator, secs, serving};

/// Does things that are not over when it answers.
#[durable_object]
struct Busy {
    state: Rc<State>,
    env: Env,
    touched: Cell<u32>,
}

impl DurableObject for Busy {
    fn new(state: State, env: Env) -> Self {
        Self {
            state: Rc::new(state),
            env,
            touched: Cell::new(0),
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        note("dropped");
    }
}

#[rpc]
impl Busy {
    pub fn touch(&self) -> u32 {
        self.touched.set(self.touched.get() + 1);
        self.touched.get()
    }

    /// A timer in the background.
    pub fn work_on(&self, seconds: u64) {
        self.state.wait_until(async move {
            Delay::from(secs(seconds)).await;
            note("worked");
        });
    }

    /// One timer after the other, for ever.
    pub fn poll_for_ever(&self, seconds: u64) {
        self.state.wait_until(async move {
            loop {
                Delay::from(secs(seconds)).await;
            }
        });
    }

    /// So many timers at once.
    pub fn set_timers(&self, count: u32, seconds: u64) {
        for _ in 0..count {
            self.state.wait_until(Delay::from(secs(seconds)));
        }
    }

    pub async fn nap(&self, seconds: u64) {
        Delay::from(secs(seconds)).await;
    }

    /// Calls an object that answers late, without waiting for it.
    pub fn call_and_forget(&self, seconds: u64) -> Result<()> {
        drop(self.other("other")?.nap(seconds));
        Ok(())
    }

    /// Asks `count` objects at once, each of which takes a second; how long that took, in seconds.
    pub async fn fan_out(&self, count: u32) -> Result<u64> {
        let before = Date::now().as_millis();
        let asked: Result<Vec<_>> = (0..count)
            .map(|number| Ok(self.other(&format!("other {number}"))?.nap(1)))
            .collect();
        for answered in join_all(asked?).await {
            answered?;
        }
        Ok((Date::now().as_millis() - before) / 1000)
    }
}

impl Busy {
    fn other(&self, name: &str) -> Result<BusyStub> {
        let namespace = self.env.durable_object("Busy")?;
        Ok(namespace.get_by_name(name)?.typed::<Self>())
    }
}

fn keeping_alive_for(seconds: u64) -> NodeBuilder {
    serving::<Busy>().keep_alive(secs(seconds))
}

#[test]
fn whatever_is_pending_says_what_it_is_and_where_it_began() {
    // (L-8)
    on_both(&serving::<Busy>(), |bench| async move {
        let stub = bench.stub::<Busy>("a");
        assert_eq!(stub.work_on(60).await, Ok(()));
        assert_eq!(stub.call_and_forget(60).await, Ok(()));
        let nap = stub.nap(60);
        bench.pass(ms(300)).await;
        let mut objects = bench.node.in_memory().into_iter();
        let busy = objects.find(|object| &*object.object == "Busy/a");
        let busy = busy.expect("it is in memory");
        assert!(!busy.is_idle());
        assert!(!bench.node.is_at_rest());
        let here = file!();
        let pins: Vec<_> = busy.pins.iter().map(ToString::to_string).collect();
        let begun = |pin: &str, what: &str| {
            pin.starts_with(&format!("{what}, begun at ")) && pin.contains(here)
        };
        assert!(begun(&pins[0], "a task given to wait_until"), "{pins:?}");
        assert!(begun(&pins[1], "a Delay of 60s"), "{pins:?}");
        assert!(begun(&pins[2], "a call to Busy/other"), "{pins:?}");
        assert_eq!(pins[3], "the handler `nap`");
        assert!(begun(&pins[4], "a Delay of 60s"), "{pins:?}");
        assert_eq!(pins.len(), 5);
        drop(nap);
    });
}

#[test]
fn an_object_with_nothing_pending_has_no_pins() {
    on_both(&serving::<Busy>(), |bench| async move {
        assert_eq!(bench.stub::<Busy>("a").touch().await, Ok(1));
        bench.pass(ms(300)).await;
        let objects = bench.node.in_memory();
        assert_eq!(objects.len(), 1);
        assert!(objects[0].is_idle());
        assert!(bench.node.is_at_rest());
    });
}

#[test]
fn a_call_that_nobody_awaits_keeps_its_caller_in_memory_until_it_is_answered() {
    // (L-8)
    on_the_simulator(&serving::<Busy>(), |bench| async move {
        assert_eq!(bench.stub::<Busy>("a").call_and_forget(30).await, Ok(()));
        bench.pass(secs(29)).await;
        assert_eq!(bench.node.activation_count(), 2);
        bench.pass(secs(12)).await;
        assert_eq!(bench.node.activation_count(), 0);
    });
}

#[test]
fn an_object_that_nobody_calls_is_evicted_with_its_timers_after_seventy_to_a_hundred_and_forty_seconds()
 {
    // (lifecycle 1.2, L-7: without protection, as before 2026-06)
    on_the_simulator(&keeping_alive_for(0), |bench| async move {
        let stub = bench.stub::<Busy>("a");
        bench.pass(ms(1)).await;
        assert_eq!(stub.work_on(3_600).await, Ok(()));
        bench.pass(secs(138)).await;
        assert_eq!(bench.node.activation_count(), 1);
        bench.pass(secs(2)).await;
        assert_eq!(bench.node.activation_count(), 0);
        bench.pass(secs(3_400)).await;
        assert_eq!(noted(), ["dropped"]);
        assert_eq!(stub.touch().await, Ok(1)); // the stub goes on to the next instance
    });
}

#[test]
fn each_event_puts_the_eviction_off() {
    on_the_simulator(&keeping_alive_for(0), |bench| async move {
        let stub = bench.stub::<Busy>("a");
        assert_eq!(stub.work_on(3_600).await, Ok(()));
        for touched in 1..=10 {
            bench.pass(secs(60)).await;
            assert_eq!(stub.touch().await, Ok(touched));
        }
    });
}

#[test]
fn what_is_pending_protects_its_object_for_fifteen_minutes() {
    // (L-11)
    on_the_simulator(&serving::<Busy>(), |bench| async move {
        assert_eq!(bench.stub::<Busy>("a").work_on(3_600).await, Ok(()));
        bench.pass(secs(15 * 60 - 1)).await;
        assert_eq!(bench.node.activation_count(), 1);
        bench.pass(secs(71)).await;
        assert_eq!(bench.node.activation_count(), 0);
        assert_eq!(noted(), ["dropped"]);
    });
}

#[test]
fn each_new_timer_protects_anew_so_a_loop_of_timers_stays_for_ever() {
    // (L-11)
    on_the_simulator(&serving::<Busy>(), |bench| async move {
        assert_eq!(bench.stub::<Busy>("a").poll_for_ever(600).await, Ok(()));
        bench.pass(secs(55 * 60)).await;
        assert_eq!(bench.node.activation_count(), 1);
    });
}

#[test]
fn a_call_in_flight_is_never_evicted() {
    // (L-12)
    on_the_simulator(&keeping_alive_for(0), |bench| async move {
        assert_eq!(bench.stub::<Busy>("a").nap(55 * 60).await, Ok(()));
    });
}

#[test]
fn where_objects_stay_in_memory_none_hibernates_and_none_is_evicted() {
    let staying = keeping_alive_for(0).stay_in_memory(true);
    on_the_simulator(&staying, |bench| async move {
        let stub = bench.stub::<Busy>("a");
        assert_eq!(stub.touch().await, Ok(1));
        bench.pass(secs(1_600)).await;
        assert_eq!(stub.touch().await, Ok(2));
        assert_eq!(stub.poll_for_ever(1_000).await, Ok(()));
        bench.pass(secs(1_600)).await;
        assert_eq!(stub.touch().await, Ok(3));
    });
}

#[test]
fn the_timer_after_the_ten_thousandth_fails_its_event_and_the_object_goes_on() {
    // (G-2)
    on_the_simulator(&serving::<Busy>(), |bench| async move {
        let stub = bench.stub::<Busy>("a");
        assert_eq!(stub.touch().await, Ok(1));
        assert_eq!(stub.set_timers(10_000, 30).await, Ok(()));
        bench.pass(ms(500)).await;
        assert_eq!(
            error_of(stub.nap(1).await),
            "QuotaExceededError: You have exceeded the number of timeouts you may set. [remote]"
        );
        assert_eq!(stub.touch().await, Ok(2));
        bench.pass(secs(30)).await;
        assert_eq!(stub.nap(1).await, Ok(()));
    });
}

#[test]
fn an_event_has_six_calls_under_way_at_once_and_the_others_wait() {
    // (O-6)
    on_the_simulator(&serving::<Busy>(), |bench| async move {
        assert_eq!(bench.stub::<Busy>("a").fan_out(6).await, Ok(1));
        assert_eq!(bench.stub::<Busy>("a").fan_out(7).await, Ok(2));
        assert_eq!(bench.stub::<Busy>("a").fan_out(18).await, Ok(3));
    });
    let ten = serving::<Busy>().outgoing_calls_max(10);
    on_the_simulator(&ten, |bench| async move {
        assert_eq!(bench.stub::<Busy>("a").fan_out(10).await, Ok(1));
    });
}
