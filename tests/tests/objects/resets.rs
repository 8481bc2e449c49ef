//! Resets: what a panic or an abort ends, what it leaves alone, and which stubs go on working.

use std::{cell::Cell, rc::Rc};

use dormouse::{
    Delay, DurableObject, Env, ListOptions, Request, Response, Result, State, durable_object, rpc,
};
use futures_util::future::join3;

use super::{error_of, ms, note, noted, on_both, serving};

/// Counts in memory, and dies in several ways.
#[durable_object]
struct Mortal {
    state: Rc<State>,
    count: Cell<u32>,
}

impl DurableObject for Mortal {
    fn new(state: State, _: Env) -> Self {
        note("constructor");
        Self {
            state: Rc::new(state),
            count: Cell::new(0),
        }
    }

    async fn fetch(&self, _: Request) -> Result<Response> {
        match self.state.abort(Some("over fetch")).await {}
    }
}

#[rpc]
impl Mortal {
    pub fn count(&self) -> u32 {
        self.count.set(self.count.get() + 1);
        self.count.get()
    }

    pub async fn put_and_panic(&self) -> Result<()> {
        self.state.storage().put("of the panic", 1).await?;
        panic!("half done");
    }

    pub async fn panic_after_a_wait(&self) {
        Delay::from(ms(5)).await;
        panic!("later");
    }

    pub async fn abort(&self, reason: Option<String>) {
        self.state.abort(reason.as_deref()).await;
        note("the one who aborted goes on");
    }

    /// An abort in code that cannot wait.
    pub fn abort_without_waiting(&self) -> Result<()> {
        self.state.storage().kv().put("after the abort", 1)?;
        drop(self.state.abort(Some("no time")));
        let refused = self.state.storage().kv().put("after the abort", 2);
        note(format!("{refused:?}"));
        Ok(())
    }

    pub async fn sleep(&self) -> String {
        note("sleeper begins");
        Delay::from(ms(400)).await;
        note("sleeper goes on");
        "slept".to_owned()
    }

    pub fn work_on(&self) {
        self.state.wait_until(async {
            Delay::from(ms(900)).await;
            note("background goes on");
        });
    }

    /// Writes, perhaps waits, writes again, and aborts.
    pub async fn put_and_abort(&self, key: &str, wait: Wait) -> Result<()> {
        let storage = self.state.storage();
        storage.put(&format!("{key} before"), 1).await?;
        match wait {
            Wait::Not => {}
            Wait::Delay => Delay::from(ms(5)).await,
            Wait::Sync => storage.sync().await?,
        }
        storage.put(&format!("{key} after"), 1).await?;
        match self.state.abort(Some("die")).await {}
    }

    pub async fn keys(&self) -> Result<Vec<String>> {
        let entries: Vec<(String, u32)> = self.state.storage().list_as(ListOptions::new()).await?;
        Ok(entries.into_iter().map(|(key, _)| key).collect())
    }
}

#[derive(Clone, Copy, serde::Serialize, serde::Deserialize)]
enum Wait {
    Not,
    Delay,
    Sync,
}

#[test]
fn a_panic_resets_its_own_object_and_takes_its_turns_writes_along() {
    // (E-4)
    on_both(&serving::<Mortal>(), |bench| async move {
        let (stub, neighbour) = (bench.stub::<Mortal>("a"), bench.stub::<Mortal>("b"));
        assert_eq!(stub.count().await, Ok(1));
        assert_eq!(neighbour.count().await, Ok(1));
        let error = stub.put_and_panic().await.expect_err("it panics");
        assert!(error.message().contains("half done"), "{error:?}");
        assert!(error.durable_object_reset(), "{error:?}");
        assert_eq!(stub.count().await, Err(error));
        assert_eq!(neighbour.count().await, Ok(2));
        let new = bench.stub::<Mortal>("a");
        assert_eq!(new.count().await, Ok(1));
        assert_eq!(new.keys().await, Ok(vec![]));
    });
}

#[test]
fn a_panic_after_a_wait_is_a_reset_too() {
    on_both(&serving::<Mortal>(), |bench| async move {
        let stub = bench.stub::<Mortal>("a");
        let error = stub.panic_after_a_wait().await.expect_err("it panics");
        assert!(error.message().contains("later"), "{error:?}");
        assert!(error.durable_object_reset(), "{error:?}");
        assert_eq!(bench.stub::<Mortal>("a").count().await, Ok(1));
    });
}

#[test]
fn an_abort_is_one_even_if_nobody_awaits_it() {
    // (E-6)
    on_both(&serving::<Mortal>(), |bench| async move {
        let aborted = bench.stub::<Mortal>("a").abort_without_waiting().await;
        assert_eq!(error_of(aborted), "Error: no time [durable_object_reset]");
        let refused = noted().pop().expect("it went on until it returned");
        assert!(refused.contains("no time"), "{refused}");
        let keys = bench.stub::<Mortal>("a").keys().await;
        assert_eq!(keys, Ok(vec![]), "its turn is not committed");
    });
}

#[test]
fn an_abort_says_why_or_that_it_was_one() {
    // (E-6; recorded: abort_reasons)
    on_both(&serving::<Mortal>(), |bench| async move {
        for (reason, expected) in [
            (
                None,
                "Error: Application called abort() to reset Durable Object. [durable_object_reset]",
            ),
            (
                Some("the reason"),
                "Error: the reason [durable_object_reset]",
            ),
            (Some(""), "Error:  [durable_object_reset]"),
        ] {
            let stub = bench.stub::<Mortal>("a");
            let aborted = stub.abort(reason.map(str::to_owned)).await;
            assert_eq!(error_of(aborted), expected);
            assert_eq!(bench.stub::<Mortal>("a").count().await, Ok(1));
        }
        let fetched = bench.plain::<Mortal>("a").fetch_with_str("http://object/");
        assert_eq!(
            error_of(fetched.await),
            "Error: over fetch [remote] [durable_object_reset]"
        );
        let constructions = noted();
        assert!(
            constructions.iter().all(|line| line == "constructor"),
            "{constructions:?}"
        );
    });
}

#[test]
fn an_abort_ends_every_call_in_flight_and_all_background_work() {
    // (E-4, E-7; recorded: abort_with_calls_in_flight)
    on_both(&serving::<Mortal>(), |bench| async move {
        let stub = bench.stub::<Mortal>("a");
        assert_eq!(stub.work_on().await, Ok(()));
        let calls = join3(
            stub.sleep(),
            stub.abort(Some("killed".into())),
            stub.count(),
        );
        let (slept, aborted, counted) = calls.await;
        let expected = "Error: killed [durable_object_reset]";
        assert_eq!(error_of(aborted), expected);
        assert_eq!(error_of(counted), expected);
        assert_eq!(error_of(slept), expected);
        assert_eq!(bench.stub::<Mortal>("a").count().await, Ok(1));
        bench.pass(ms(1000)).await;
        assert_eq!(noted(), ["constructor", "sleeper begins", "constructor"]);
    });
}

#[test]
fn an_abort_discards_what_its_turn_wrote_and_nothing_older() {
    // (E-6; recorded: abort_with_pending_puts)
    on_both(&serving::<Mortal>(), |bench| async move {
        for (wait, key) in [(Wait::Not, "1"), (Wait::Delay, "2"), (Wait::Sync, "3")] {
            let aborted = bench.stub::<Mortal>("a").put_and_abort(key, wait).await;
            assert_eq!(error_of(aborted), "Error: die [durable_object_reset]");
        }
        let keys = bench.stub::<Mortal>("a").keys().await;
        assert_eq!(keys, Ok(vec!["2 before".to_owned(), "3 before".to_owned()]));
    });
}

#[test]
fn a_stub_that_met_a_reset_fails_for_ever_and_one_that_was_never_used_works() {
    // (ST-10; recorded: stub_after_abort)
    on_both(&serving::<Mortal>(), |bench| async move {
        let (old, unused) = (bench.stub::<Mortal>("a"), bench.stub::<Mortal>("a"));
        let gone = "Error: gone [durable_object_reset]";
        assert_eq!(old.count().await, Ok(1));
        assert_eq!(error_of(old.abort(Some("gone".into())).await), gone);
        assert_eq!(error_of(old.count().await), gone);
        assert_eq!(unused.count().await, Ok(1));
        assert_eq!(bench.stub::<Mortal>("a").count().await, Ok(2));
        assert_eq!(error_of(old.count().await), gone);
    });
}

#[test]
fn every_stub_that_was_connected_before_the_reset_is_broken_by_it() {
    // (ST-10, E-5)
    on_both(&serving::<Mortal>(), |bench| async move {
        let (one, other) = (bench.stub::<Mortal>("a"), bench.stub::<Mortal>("a"));
        assert_eq!(one.count().await, Ok(1));
        assert_eq!(other.count().await, Ok(2));
        let gone = "Error: gone [durable_object_reset]";
        assert_eq!(error_of(one.abort(Some("gone".into())).await), gone);
        assert_eq!(error_of(other.count().await), gone);
    });
}
