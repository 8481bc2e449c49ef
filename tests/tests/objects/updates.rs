//! Another version of the code, another instance in the object's place, and the last handler before a planned end.

use std::{cell::Cell, rc::Rc};

use dormouse::{
    CodeUpdate, Delay, DurableObject, Env, NodeBuilder, ObjectClass, Result, ShutdownReason, State,
    UpdateError, durable_object, rpc,
};

use super::{error_of, ms, note, noted, on_both, on_the_simulator, secs, serving};

const UPDATED: &str =
    "Error: Durable Object reset because its code was updated. [retryable] [durable_object_reset]";
const NOT_ACTIVE: &str = "Error: Connection closed: this Durable Object instance is no longer active. \
    Reconnect or retry the request. [retryable]";

/// The first version.
mod first {
    use super::*;

    #[durable_object]
    pub struct Versioned {
        pub state: State,
    }

    impl DurableObject for Versioned {
        fn new(state: State, _: Env) -> Self {
            Self { state }
        }
    }

    #[rpc]
    impl Versioned {
        pub async fn version(&self) -> Result<(u32, u32)> {
            let storage = self.state.storage();
            let calls = storage.get("calls").await?.unwrap_or(0) + 1;
            storage.put("calls", calls).await?;
            Ok((1, calls))
        }

        pub async fn nap(&self, seconds: u64) {
            Delay::from(secs(seconds)).await;
        }
    }
}

/// The second one, which the first one's stubs can call: it has the same methods.
mod second {
    use super::*;

    #[durable_object]
    pub struct Versioned {
        pub state: State,
    }

    impl DurableObject for Versioned {
        fn new(state: State, _: Env) -> Self {
            Self { state }
        }
    }

    #[rpc]
    impl Versioned {
        pub async fn version(&self) -> Result<(u32, u32)> {
            Ok((2, self.state.storage().get("calls").await?.unwrap_or(0)))
        }
    }
}

/// A class under two bindings.
fn twice<T: DurableObject + ObjectClass>() -> NodeBuilder {
    serving::<T>().object::<T>("ALSO")
}

fn second_version() -> NodeBuilder {
    serving::<second::Versioned>()
}

#[test]
fn an_update_is_one_under_every_binding_of_the_class() {
    on_both(&twice::<first::Versioned>(), |bench| async move {
        let version_under = async |binding: &str| {
            let objects = bench.node.env().durable_object(binding)?;
            let stub = objects.get_by_name("a")?.typed::<first::Versioned>();
            stub.version().await
        };
        assert_eq!(version_under("Versioned").await, Ok((1, 1)));
        assert_eq!(version_under("ALSO").await, Ok((1, 2)));
        let next = twice::<first::Versioned>().with_code_of::<second::Versioned>();
        let updated = bench.node.update_code(&next, CodeUpdate::Immediate);
        assert_eq!(updated, Ok(1), "it is one object");
        for binding in ["Versioned", "ALSO"] {
            assert_eq!(version_under(binding).await, Ok((2, 2)));
        }
        let two_versions = serving::<first::Versioned>().object::<second::Versioned>("ALSO");
        let refused = bench.node.update_code(&two_versions, CodeUpdate::Immediate);
        assert!(
            matches!(&refused, Err(UpdateError::Contradiction { why }) if why.contains("two classes of the name Versioned")),
            "{refused:?}"
        );
        assert_eq!(
            version_under("ALSO").await,
            Ok((2, 2)),
            "nothing was changed"
        );
    });
}

#[test]
fn an_update_resets_running_objects_and_the_new_code_finds_what_the_old_one_stored() {
    // (L-17, lifecycle 4.4)
    on_both(&serving::<first::Versioned>(), |bench| async move {
        let stub = bench.stub::<first::Versioned>("a");
        assert_eq!(stub.version().await, Ok((1, 1)));
        let nap = stub.nap(3_600);
        bench.pass(ms(300)).await;
        let updated = bench
            .node
            .update_code(&second_version(), CodeUpdate::Immediate);
        assert_eq!(updated, Ok(1));
        assert_eq!(error_of(nap.await), UPDATED);
        assert_eq!(error_of(stub.version().await), UPDATED); // the stub is broken, as after any reset
        let stub = bench.stub::<first::Versioned>("a");
        assert_eq!(stub.version().await, Ok((2, 1)));
        let over_fetch = bench.plain::<first::Versioned>("a");
        let fetched = over_fetch.fetch_with_str("http://object/");
        assert!(fetched.await.is_err(), "there is no handler");
    });
}

#[test]
fn a_deferred_update_waits_for_the_object_to_hibernate() {
    on_the_simulator(&serving::<first::Versioned>(), |bench| async move {
        let (used, unused) = (
            bench.stub::<first::Versioned>("a"),
            bench.stub::<first::Versioned>("b"),
        );
        assert_eq!(used.version().await, Ok((1, 1)));
        let later = CodeUpdate::Deferred {
            max_delay: secs(300),
        };
        assert_eq!(bench.node.update_code(&second_version(), later), Ok(0));
        assert_eq!(used.version().await, Ok((1, 2)), "it runs on");
        assert_eq!(unused.version().await, Ok((2, 0)), "it was not running");
        bench.pass(secs(11)).await;
        assert_eq!(used.version().await, Ok((2, 2)));
    });
}

#[test]
fn a_deferred_update_does_not_wait_longer_than_it_was_told() {
    on_the_simulator(&serving::<first::Versioned>(), |bench| async move {
        let stub = bench.stub::<first::Versioned>("a");
        let nap = stub.nap(3_600);
        bench.pass(secs(1)).await;
        let later = |seconds| CodeUpdate::Deferred {
            max_delay: secs(seconds),
        };
        assert_eq!(bench.node.update_code(&second_version(), later(100)), Ok(0));
        // The first delay that ends brings the latest version.
        assert_eq!(bench.node.update_code(&second_version(), later(50)), Ok(0));
        let before = bench.now();
        assert_eq!(error_of(nap.await), UPDATED);
        let waited = bench.now() - before;
        assert!(waited >= secs(50) && waited < secs(51), "{waited:?}");
    });
}

#[test]
fn an_update_that_changes_what_is_bound_is_refused() {
    on_both(&serving::<first::Versioned>(), |bench| async move {
        let other = NodeBuilder::new("app").object::<second::Versioned>("Other");
        let refused = bench.node.update_code(&other, CodeUpdate::Immediate);
        let text = refused.expect_err("another binding").to_string();
        assert!(
            text.contains("Versioned is Versioned on Sqlite now and would be nothing"),
            "{text}"
        );
        let too_long = CodeUpdate::Deferred {
            max_delay: secs(86_401),
        };
        let refused = bench.node.update_code(&second_version(), too_long);
        let text = refused.expect_err("more than a day").to_string();
        assert!(text.contains("a day at most"), "{text}");
        let stub = bench.stub::<first::Versioned>("a");
        assert_eq!(stub.version().await, Ok((1, 1)));
    });
}

/// Waits, and then does what it is told.
#[durable_object]
struct Moving {
    state: Rc<State>,
    in_memory: Cell<u32>,
}

impl DurableObject for Moving {
    fn new(state: State, _: Env) -> Self {
        Self {
            state: Rc::new(state),
            in_memory: Cell::new(0),
        }
    }

    async fn pre_shutdown(&self, reason: ShutdownReason) -> Result<()> {
        note(format!("told: {}", reason.as_str()));
        let waits: u64 = self.state.storage().get("waits").await?.unwrap_or(0);
        Delay::from(secs(waits)).await;
        self.state.storage().put("told", true).await?;
        note("told enough");
        Ok(())
    }
}

#[rpc]
impl Moving {
    pub fn count(&self) -> u32 {
        self.in_memory.set(self.in_memory.get() + 1);
        self.in_memory.get()
    }

    pub async fn wait_and_count(&self, seconds: u64) -> u32 {
        Delay::from(secs(seconds)).await;
        self.count()
    }

    pub async fn wait_and_write(&self, seconds: u64) -> Result<()> {
        Delay::from(secs(seconds)).await;
        self.state.storage().put("written", true).await
    }

    pub async fn was_written(&self) -> Result<bool> {
        Ok(self.state.storage().get("written").await?.unwrap_or(false))
    }

    pub async fn take_long_to_go(&self, seconds: u64) -> Result<()> {
        self.state.storage().put("waits", seconds).await
    }

    pub async fn was_told(&self) -> Result<bool> {
        Ok(self.state.storage().get("told").await?.unwrap_or(false))
    }
}

#[test]
fn what_a_superseded_instance_had_begun_goes_on_but_without_storage() {
    // (L-21 to L-24)
    on_the_simulator(&serving::<Moving>(), |bench| async move {
        let stub = bench.stub::<Moving>("a");
        assert_eq!(stub.count().await, Ok(1));
        let (counts, writes) = (stub.wait_and_count(5), stub.wait_and_write(5));
        bench.pass(secs(1)).await;
        assert_eq!(bench.node.supersede_all(), 1);
        // There are two instances now.
        assert_eq!(bench.stub::<Moving>("a").count().await, Ok(1));
        assert_eq!(error_of(stub.count().await), NOT_ACTIVE); // no event starts on the old one
        assert_eq!(counts.await, Ok(2), "it touches no storage");
        assert_eq!(
            error_of(writes.await),
            // (lifecycle 4.4; without `remote`, as recorded of every reset over RPC)
            "Error: Durable Object storage is no longer accessible. [retryable] [durable_object_reset]"
        );
        assert_eq!(bench.stub::<Moving>("a").was_written().await, Ok(false));
    });
}

#[test]
fn a_superseded_instance_has_half_a_minute() {
    // (lifecycle 1.5)
    on_the_simulator(&serving::<Moving>(), |bench| async move {
        let counts = bench.stub::<Moving>("a").wait_and_count(3_600);
        bench.pass(secs(1)).await;
        assert_eq!(bench.node.supersede_all(), 1);
        let before = bench.now();
        assert_eq!(error_of(counts.await), NOT_ACTIVE);
        let waited = bench.now() - before;
        assert!(waited >= secs(30) && waited < secs(31), "{waited:?}");
    });
}

#[test]
fn an_object_is_not_told_before_its_end_unless_the_node_says_so() {
    // (L-16)
    on_the_simulator(&serving::<Moving>(), |bench| async move {
        assert_eq!(bench.stub::<Moving>("a").count().await, Ok(1));
        bench.pass(secs(11)).await;
        assert_eq!(bench.node.activation_count(), 0);
        assert!(noted().is_empty());
    });
}

#[test]
fn an_object_that_is_told_before_its_end_writes_and_its_successor_finds_it() {
    // (L-16)
    let telling = serving::<Moving>().pre_shutdown(true);
    on_the_simulator(&telling, |bench| async move {
        let stub = bench.stub::<Moving>("a");
        assert_eq!(stub.take_long_to_go(5).await, Ok(()));
        assert_eq!(stub.count().await, Ok(1));
        bench.pass(secs(12)).await;
        assert_eq!(noted(), ["told: inactive"]);
        // An event that comes while it prepares waits for the next instance.
        assert_eq!(stub.was_told().await, Ok(true));
        assert_eq!(stub.count().await, Ok(1));
        assert_eq!(noted(), ["told enough"]);
    });
}

#[test]
fn an_object_that_takes_longer_than_ten_seconds_to_go_is_ended() {
    // (L-16)
    let telling = serving::<Moving>().pre_shutdown(true);
    on_the_simulator(&telling, |bench| async move {
        let stub = bench.stub::<Moving>("a");
        assert_eq!(stub.take_long_to_go(11).await, Ok(()));
        let before = bench.now();
        let updated = bench
            .node
            .update_code(&telling_again(), CodeUpdate::Immediate);
        assert_eq!(updated, Ok(1));
        bench.pass(ms(1)).await;
        assert_eq!(noted(), ["told: codeUpdated"]);
        assert_eq!(error_of(stub.count().await), UPDATED);
        let waited = bench.now() - before;
        assert!(waited >= secs(10) && waited < secs(11), "{waited:?}");
        assert_eq!(bench.stub::<Moving>("a").was_told().await, Ok(false));
    });
}

fn telling_again() -> NodeBuilder {
    serving::<Moving>().pre_shutdown(true)
}
