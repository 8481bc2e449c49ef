//! The constructor and `block_concurrency_while`: what runs before everything else, and what ends in a reset.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use dormouse::{
    Delay, DurableObject, Env, Error, Result, State, durable_object, platform::LocalBoxFuture, rpc,
};
use futures_util::future::{join, join3, join4};

use super::{count_build, error_of, ms, note, noted, on_both, on_the_simulator, secs, serving};

const TOO_LONG: &str = "Error: A call to blockConcurrencyWhile() in a Durable Object waited for too long. The call was canceled and \
                        the Durable Object was reset. [overloaded] [durable_object_reset]";

/// Prepares itself in two sections before it hears of anything.
#[durable_object]
struct Newborn {
    prepared: Rc<Cell<u32>>,
}

impl DurableObject for Newborn {
    fn new(state: State, _: Env) -> Self {
        note("constructor begins");
        let prepared = Rc::new(Cell::new(0));
        for (number, time) in [(1, ms(20)), (2, ms(1))] {
            let prepared = Rc::clone(&prepared);
            drop(state.block_concurrency_while(async move {
                note(format!("section {number} begins"));
                Delay::from(time).await;
                prepared.set(number);
                note(format!("section {number} ends"));
                Ok(())
            }));
        }
        note("constructor ends");
        Self { prepared }
    }
}

#[rpc]
impl Newborn {
    pub fn hello(&self) -> u32 {
        note("hello");
        self.prepared.get()
    }
}

#[test]
fn an_object_is_constructed_once_and_its_sections_run_in_order_before_the_first_event() {
    // (C-1, C-3)
    on_both(&serving::<Newborn>(), |bench| async move {
        let (one, other) = (bench.stub::<Newborn>("a"), bench.stub::<Newborn>("a"));
        let answers = join(one.hello(), other.hello()).await;
        assert_eq!(answers, (Ok(2), Ok(2)));
        assert_eq!(
            noted(),
            [
                "constructor begins",
                "constructor ends",
                "section 1 begins",
                "section 1 ends",
                "section 2 begins",
                "section 2 ends",
                "hello",
                "hello"
            ]
        );
        assert_eq!(bench.node.activation_count(), 1);
    });
}

/// Its constructor, or a section that the constructor asks for, fails the first time.
#[durable_object]
struct Stillborn;

impl DurableObject for Stillborn {
    fn new(state: State, _: Env) -> Self {
        let build = count_build();
        note(format!("build {build}"));
        let in_a_section = state.id().name().as_deref() == Some("in a section");
        if build == 1 && in_a_section {
            drop(state.block_concurrency_while::<(), _>(async {
                Delay::from(ms(5)).await;
                Err(Error::range_error("setup failed"))
            }));
        } else if build == 1 {
            panic!("no luck");
        }
        Self
    }
}

#[rpc]
impl Stillborn {
    pub fn hello(&self, number: u32) -> u32 {
        note(format!("hello {number}"));
        number
    }
}

#[test]
fn a_constructor_that_panics_fails_every_waiting_call_and_a_new_stub_constructs_again() {
    // (C-6, ST-10)
    on_both(&serving::<Stillborn>(), |bench| async move {
        let stub = bench.stub::<Stillborn>("a");
        let (first, second) = join(stub.hello(1), stub.hello(2)).await;
        let error = first.expect_err("the constructor panicked");
        assert!(error.message().contains("no luck"), "{error:?}");
        assert!(error.durable_object_reset(), "{error:?}");
        assert!(!error.remote(), "{error:?}"); // as recorded, over RPC
        assert_eq!(second, Err(error.clone()));
        assert_eq!(stub.hello(3).await, Err(error.clone()));
        assert_eq!(bench.stub::<Stillborn>("a").hello(4).await, Ok(4));
        assert_eq!(stub.hello(5).await, Err(error));
        assert_eq!(noted(), ["build 1", "build 2", "hello 4"]);
    });
}

#[test]
fn over_fetch_the_error_of_a_failed_constructor_is_remote_and_a_reset() {
    // (C-6)
    on_both(&serving::<Stillborn>(), |bench| async move {
        let stub = bench.plain::<Stillborn>("a");
        let error = error_of(stub.fetch_with_str("http://object/").await);
        assert!(
            error.ends_with("no luck [remote] [durable_object_reset]"),
            "{error}"
        );
    });
}

#[test]
fn a_section_of_the_constructor_that_fails_fails_every_waiting_call() {
    // (recorded: throw_in_constructor_block)
    on_both(&serving::<Stillborn>(), |bench| async move {
        let stub = bench.stub::<Stillborn>("in a section");
        let (first, second) = join(stub.hello(1), stub.hello(2)).await;
        let expected = "RangeError: setup failed [durable_object_reset]";
        assert_eq!(error_of(first), expected);
        assert_eq!(error_of(second), expected);
        let new = bench.stub::<Stillborn>("in a section");
        assert_eq!(new.hello(3).await, Ok(3));
        assert_eq!(noted(), ["build 1", "build 2", "hello 3"]);
    });
}

/// Runs sections of every kind.
#[durable_object]
struct Sectioned {
    state: Rc<State>,
    memory: RefCell<Vec<u32>>,
}

impl DurableObject for Sectioned {
    fn new(state: State, _: Env) -> Self {
        note("constructor");
        Self {
            state: Rc::new(state),
            memory: RefCell::default(),
        }
    }
}

#[rpc]
impl Sectioned {
    /// A section with a wait and a write in it.
    pub async fn section(&self) -> Result<u32> {
        note("call begins");
        let storage = self.state.storage();
        let section = self.state.block_concurrency_while(async move {
            note("section begins");
            Delay::from(ms(20)).await;
            storage.put("k", 1).await?;
            note("section ends");
            Ok(7)
        });
        let value = section.await?;
        note("call goes on");
        Ok(value)
    }

    pub fn other(&self, number: u32) -> u32 {
        self.memory.borrow_mut().push(number);
        note(format!("other {number}"));
        number
    }

    /// Fails inside a section and tries to catch that outside of it.
    pub async fn fail(&self) -> Result<()> {
        let section = self.state.block_concurrency_while::<(), _>(async {
            Delay::from(ms(10)).await;
            note("failing");
            Err(Error::range_error("block failed"))
        });
        let caught = section.await;
        note("the one who awaits goes on");
        caught
    }

    /// Fails inside a section and catches it there.
    pub async fn fail_and_catch_inside(&self) -> Result<String> {
        let section = self.state.block_concurrency_while(async {
            let failed: Result<()> = async { Err(Error::range_error("caught")) }.await;
            Ok(error_of(failed))
        });
        section.await
    }

    /// Never comes to the end of its section.
    pub async fn hang(&self) -> Result<()> {
        let section = self.state.block_concurrency_while(async {
            note("hanging");
            Delay::from(secs(120)).await;
            note("hung long enough");
            Ok(())
        });
        section.await?;
        note("the one who awaits goes on");
        Ok(())
    }

    /// Sections inside one another; the text of the first refusal, or how deep it went.
    pub async fn nest(&self, depth: u32) -> Result<String> {
        nested(Rc::clone(&self.state), 0, depth).await
    }
}

fn nested(state: Rc<State>, depth: u32, depth_max: u32) -> LocalBoxFuture<'static, Result<String>> {
    Box::pin(async move {
        if depth == depth_max {
            return Ok(format!("{depth} deep"));
        }
        let inner = nested(Rc::clone(&state), depth + 1, depth_max);
        match state.block_concurrency_while(inner).await {
            Ok(text) => Ok(text),
            Err(error) => Ok(format!("{depth} deep, then {error:?}")),
        }
    })
}

#[test]
fn who_awaits_a_section_goes_on_before_waiting_events_and_they_then_run_in_order() {
    // (C-8, C-9; recorded: block_while_other_calls_wait)
    on_both(&serving::<Sectioned>(), |bench| async move {
        let stub = bench.stub::<Sectioned>("a");
        let calls = join4(stub.section(), stub.other(1), stub.other(2), stub.other(3));
        assert_eq!(calls.await, (Ok(7), Ok(1), Ok(2), Ok(3)));
        assert_eq!(
            noted(),
            [
                "constructor",
                "call begins",
                "section begins",
                "section ends",
                "call goes on",
                "other 1",
                "other 2",
                "other 3"
            ]
        );
    });
}

#[test]
fn a_section_that_fails_resets_the_object_and_who_awaits_it_never_goes_on() {
    // (C-10; recorded: throw_in_block)
    on_both(&serving::<Sectioned>(), |bench| async move {
        let stub = bench.stub::<Sectioned>("a");
        let (failed, waiting) = join(stub.fail(), stub.other(1)).await;
        let expected = "RangeError: block failed [durable_object_reset]";
        assert_eq!(error_of(failed), expected);
        assert_eq!(error_of(waiting), expected);
        assert_eq!(error_of(stub.other(2).await), expected);
        assert_eq!(bench.stub::<Sectioned>("a").other(3).await, Ok(3));
        bench.pass(ms(50)).await;
        assert_eq!(
            noted(),
            ["constructor", "failing", "constructor", "other 3"]
        );
    });
}

#[test]
fn an_error_that_is_caught_inside_a_section_resets_nothing() {
    // (C-10)
    on_both(&serving::<Sectioned>(), |bench| async move {
        let stub = bench.stub::<Sectioned>("a");
        let text = stub.fail_and_catch_inside().await;
        assert_eq!(text.as_deref(), Ok("RangeError: caught"));
        assert_eq!(stub.other(1).await, Ok(1));
        assert_eq!(noted(), ["constructor", "other 1"]);
    });
}

#[test]
fn sections_are_nested_up_to_64_deep() {
    // (C-13)
    on_both(&serving::<Sectioned>(), |bench| async move {
        let stub = bench.stub::<Sectioned>("a");
        assert_eq!(stub.nest(64).await.as_deref(), Ok("64 deep"));
        assert_eq!(
            stub.nest(65).await.as_deref(),
            Ok("64 deep, then Error: blockConcurrencyWhile() calls are nested too deeply.")
        );
        assert_eq!(stub.other(1).await, Ok(1)); // nothing was reset
        assert_eq!(noted(), ["constructor", "other 1"]);
    });
}

#[test]
fn a_section_that_takes_longer_than_thirty_seconds_resets_the_object() {
    // (C-11; recorded: block_timeout)
    on_the_simulator(&serving::<Sectioned>(), |bench| async move {
        let (stub, began) = (bench.stub::<Sectioned>("a"), bench.now());
        let (hanging, waiting) = join(stub.hang(), stub.other(1)).await;
        let took = bench.now() - began;
        assert_eq!(error_of(hanging), TOO_LONG);
        assert_eq!(error_of(waiting), TOO_LONG);
        assert!(took >= secs(30), "{took:?}");
        assert!(took < secs(31), "{took:?}");
        assert_eq!(error_of(stub.other(2).await), TOO_LONG);
        assert_eq!(bench.stub::<Sectioned>("a").other(3).await, Ok(3));
        bench.pass(secs(200)).await;
        assert_eq!(
            noted(),
            ["constructor", "hanging", "constructor", "other 3"]
        );
    });
}

#[test]
fn sections_of_several_calls_follow_each_other() {
    // (G-11)
    on_both(&serving::<Sectioned>(), |bench| async move {
        let stub = bench.stub::<Sectioned>("a");
        let calls = join3(stub.section(), stub.section(), stub.other(1));
        assert_eq!(calls.await, (Ok(7), Ok(7), Ok(1)));
        let once = [
            "call begins",
            "section begins",
            "section ends",
            "call goes on",
        ];
        let expected = [&["constructor"], &once[..], &once[..], &["other 1"]].concat();
        assert_eq!(noted(), expected);
    });
}
