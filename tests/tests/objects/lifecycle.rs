//! An object's life in memory: how long it stays there, what it leaves behind, and what the next one finds, also on the next node.

use std::{
    cell::{Cell, RefCell},
    io,
    rc::Rc,
};

use dormouse::{
    Delay, DurableObject, Env, Result, State, Storage, durable_object, platform::real, rpc,
};

use super::{
    Bench, NodeBuilder, error_of, ms, note, noted, on_both, on_the_simulator, secs, serving,
};

thread_local! {
    /// A storage handle that got out of its object.
    static LEAKED: RefCell<Option<Storage>> = const { RefCell::new(None) };
}

/// Counts its calls in memory and in storage.
#[durable_object]
struct Sleeper {
    state: Rc<State>,
    in_memory: Cell<u32>,
}

impl DurableObject for Sleeper {
    fn new(state: State, _: Env) -> Self {
        note("constructor");
        Self {
            state: Rc::new(state),
            in_memory: Cell::new(0),
        }
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        note("dropped");
    }
}

#[rpc]
impl Sleeper {
    /// How often it was touched: since it is in memory, and in all its lives.
    pub async fn touch(&self) -> Result<(u32, u32)> {
        self.in_memory.set(self.in_memory.get() + 1);
        let storage = self.state.storage();
        let stored = storage.get("touched").await?.unwrap_or(0) + 1;
        storage.put("touched", stored).await?;
        Ok((self.in_memory.get(), stored))
    }

    /// Answers at once and goes on working.
    pub fn work_on(&self, seconds: u64) {
        let storage = self.state.storage();
        self.state.wait_until(async move {
            Delay::from(secs(seconds) + ms(10)).await;
            let stored = storage.put("worked", true).await;
            note(format!("worked: {stored:?}"));
        });
    }

    pub async fn has_worked(&self) -> Result<bool> {
        Ok(self.state.storage().get("worked").await?.unwrap_or(false))
    }

    /// Answers when `seconds` have passed.
    pub async fn nap(&self, seconds: u64) {
        Delay::from(secs(seconds)).await;
        note("napped");
    }

    pub fn leak(&self) {
        LEAKED.set(Some(self.state.storage()));
    }

    pub async fn abort(&self) {
        self.state.abort(Some("gone")).await;
    }

    pub fn whoami(&self) -> String {
        self.state.id().to_string()
    }
}

#[test]
fn an_object_hibernates_when_it_was_idle_for_ten_seconds_and_keeps_its_storage() {
    // (lifecycle 1.2; recorded: idle_without_socket)
    on_the_simulator(&serving::<Sleeper>(), |bench| async move {
        let stub = bench.stub::<Sleeper>("a");
        assert_eq!(stub.touch().await, Ok((1, 1)));
        bench.pass(ms(9_500)).await; // the answer was under way for less than half a second
        assert_eq!(bench.node.activation_count(), 1);
        bench.pass(ms(600)).await;
        assert_eq!(bench.node.activation_count(), 0);
        assert_eq!(stub.touch().await, Ok((1, 2))); // the same stub wakes it up
        assert_eq!(noted(), ["constructor", "dropped", "constructor"]);
    });
}

#[test]
fn every_event_starts_the_idle_time_anew() {
    // (L-5)
    on_the_simulator(&serving::<Sleeper>(), |bench| async move {
        let stub = bench.stub::<Sleeper>("a");
        for touched in 1..=5 {
            assert_eq!(stub.touch().await, Ok((touched, touched)));
            bench.pass(secs(9)).await;
        }
        bench.pass(ms(1_100)).await;
        assert_eq!(stub.touch().await, Ok((1, 6)));
    });
}

#[test]
fn a_call_that_waits_keeps_the_object_in_memory_also_if_nobody_awaits_its_answer() {
    // (L-8; recorded: idle_with_pending_timeout, idle_with_request_in_flight)
    on_the_simulator(&serving::<Sleeper>(), |bench| async move {
        let stub = bench.stub::<Sleeper>("a");
        drop(stub.nap(60));
        bench.pass(secs(59)).await;
        assert_eq!(bench.node.activation_count(), 1);
        bench.pass(secs(10)).await;
        assert_eq!(noted(), ["constructor", "napped"]);
        bench.pass(secs(2)).await;
        assert_eq!(bench.node.activation_count(), 0);
    });
}

#[test]
fn background_work_goes_on_after_the_answer() {
    // (E-1; recorded: wait_until)
    on_both(&serving::<Sleeper>(), |bench| async move {
        let stub = bench.stub::<Sleeper>("a");
        assert_eq!(stub.work_on(0).await, Ok(()));
        bench.pass(ms(300)).await;
        assert_eq!(noted(), ["constructor", "worked: Ok(())"]);
        assert_eq!(stub.has_worked().await, Ok(true));
    });
}

#[test]
fn background_work_keeps_the_object_in_memory() {
    // (L-8, L-9)
    on_the_simulator(&serving::<Sleeper>(), |bench| async move {
        let stub = bench.stub::<Sleeper>("a");
        assert_eq!(stub.work_on(30).await, Ok(()));
        assert_eq!(noted(), ["constructor"]);
        bench.pass(secs(29)).await;
        assert_eq!(bench.node.activation_count(), 1);
        bench.pass(secs(10)).await; // idle since nine seconds at most
        assert_eq!(noted(), ["worked: Ok(())"]);
        assert_eq!(bench.node.activation_count(), 1);
        bench.pass(secs(2)).await;
        assert_eq!(noted(), ["dropped"]);
    });
}

#[test]
fn a_node_hibernates_its_idle_objects_when_it_is_told_to_and_busy_ones_stay() {
    on_both(&serving::<Sleeper>(), |bench| async move {
        let (idle, busy) = (bench.stub::<Sleeper>("idle"), bench.stub::<Sleeper>("busy"));
        assert_eq!(idle.touch().await, Ok((1, 1)));
        assert_eq!(busy.work_on(5).await, Ok(()));
        assert_eq!(bench.node.hibernate_idle(), 1);
        assert_eq!(bench.node.activation_count(), 1);
        assert_eq!(idle.touch().await, Ok((1, 2)));
        assert_eq!(busy.touch().await, Ok((1, 1)));
    });
}

#[test]
fn an_evicted_objects_caller_sees_a_lost_connection_and_a_new_stub_finds_what_is_stored() {
    // (lifecycle 4.4)
    on_both(&serving::<Sleeper>(), |bench| async move {
        let stub = bench.stub::<Sleeper>("a");
        assert_eq!(stub.touch().await, Ok((1, 1)));
        let nap = stub.nap(3600);
        bench.pass(ms(300)).await;
        assert_eq!(bench.node.evict_all(), 1);
        let error = nap.await.expect_err("it was thrown out");
        assert!(error.retryable(), "{error:?}");
        assert!(!error.durable_object_reset(), "{error:?}");
        assert_eq!(bench.stub::<Sleeper>("a").touch().await, Ok((1, 2)));
    });
}

#[test]
fn a_storage_handle_that_outlives_its_activation_refuses() {
    // (E-4, SHUT-2, L-22)
    on_both(&serving::<Sleeper>(), |bench| async move {
        let stub = bench.stub::<Sleeper>("a");
        assert_eq!(stub.touch().await, Ok((1, 1)));
        assert_eq!(stub.leak().await, Ok(()));
        assert_eq!(bench.node.hibernate_idle(), 1);
        let hibernated = LEAKED.take().expect("it got out");
        let text = "Durable Object storage is no longer accessible.";
        assert_eq!(refusals(&hibernated).await, [text; 4]);
        assert_eq!(stub.leak().await, Ok(()));
        assert_eq!(refusals(&hibernated).await, [text; 4]); // though the object is in memory again

        assert_eq!(
            error_of(stub.abort().await),
            "Error: gone [durable_object_reset]"
        );
        let reset = LEAKED.take().expect("it got out");
        assert_eq!(refusals(&reset).await, ["gone"; 4]);
        assert_eq!(bench.stub::<Sleeper>("a").touch().await, Ok((1, 2)));
    });
}

async fn refusals(storage: &Storage) -> [String; 4] {
    let message = |error: Option<dormouse::Error>| error.expect("it must refuse").to_string();
    [
        message(storage.get::<u32>("touched").await.err()),
        message(storage.put("touched", 100).await.err()),
        message(storage.sql().exec("SELECT 1", None).err()),
        message(storage.sync().await.err()),
    ]
}

#[test]
fn a_new_node_on_the_same_disk_finds_the_objects_under_the_same_ids() {
    // (ID-8: the key is stored, so that another name for the worker changes no id)
    on_both(&serving::<Sleeper>(), |bench| async move {
        let before = bench.stub::<Sleeper>("a");
        assert_eq!(before.touch().await, Ok((1, 1)));
        let id = before.whoami().await.expect("it answers");
        let renamed = NodeBuilder::new("another-name").object::<Sleeper>("Sleeper");
        let bench = bench.restart(&renamed);
        let after = bench.stub::<Sleeper>("a");
        assert_eq!(after.whoami().await, Ok(id));
        assert_eq!(after.touch().await, Ok((1, 2)));
    });
}

#[test]
fn a_stub_that_outlives_its_node_sees_a_lost_connection() {
    // (lifecycle 1.5, 4.4)
    on_both(&serving::<Sleeper>(), |bench| async move {
        let (used, unused) = (bench.stub::<Sleeper>("a"), bench.stub::<Sleeper>("b"));
        assert_eq!(used.touch().await, Ok((1, 1)));
        drop(bench.node);
        let lost = "Error: Network connection lost. [retryable]";
        assert_eq!(error_of(used.touch().await), lost);
        assert_eq!(error_of(unused.touch().await), lost);
    });
}

#[test]
fn a_data_folder_that_is_opened_again_holds_what_was_answered() -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    for life in 1..=3 {
        let done: io::Result<()> = real::run(async {
            let bench = Bench::start(real::platform(folder.path())?, &serving::<Sleeper>());
            let stub = bench.stub::<Sleeper>("a");
            assert_eq!(stub.touch().await, Ok((1, life)));
            Ok(())
        });
        done?;
    }
    Ok(())
}
