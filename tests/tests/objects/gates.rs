//! The input gate: which event may run while another one waits, and what an object's clock says meanwhile.

use std::{cell::RefCell, rc::Rc};

use dormouse::{Date, Delay, DurableObject, Env, Result, State, durable_object, rpc};
use futures_channel::oneshot;
use futures_util::future::{join, join_all};

use super::{Bench, ms, note, noted, on_both, serving};

/// Adds one in several ways, not all of them good.
#[durable_object]
struct Adder {
    state: State,
    env: Env,
    waiting: RefCell<Option<oneshot::Sender<u32>>>,
}

impl DurableObject for Adder {
    fn new(state: State, env: Env) -> Self {
        Self {
            state,
            env,
            waiting: RefCell::default(),
        }
    }
}

#[rpc]
impl Adder {
    pub async fn add(&self) -> Result<u32> {
        let storage = self.state.storage();
        let value = storage.get("value").await?.unwrap_or(0) + 1;
        let others: Option<u32> = storage.get("another key").await?;
        assert_eq!(others, None);
        storage.put("value", value).await?;
        Ok(value)
    }

    /// Asks somebody else between reading and writing.
    pub async fn ask_and_add(&self) -> Result<u32> {
        let storage = self.state.storage();
        let value = storage.get("value").await?.unwrap_or(0) + 1;
        ask(&self.env).await?;
        storage.put("value", value).await?;
        Ok(value)
    }

    /// The same, as a critical section.
    pub async fn ask_and_add_alone(&self) -> Result<u32> {
        let (storage, env) = (self.state.storage(), self.env.clone());
        let section = self.state.block_concurrency_while(async move {
            let value = storage.get("value").await?.unwrap_or(0) + 1;
            ask(&env).await?;
            storage.put("value", value).await?;
            Ok(value)
        });
        section.await
    }

    pub async fn wait_between(&self, name: String) {
        for step in 1..=3 {
            note(format!("{name}{step}"));
            Delay::from(ms(300)).await;
        }
    }

    pub async fn ask(&self) -> Result<()> {
        ask(&self.env).await?;
        note("the answer arrives");
        Ok(())
    }

    pub async fn section(&self) -> Result<()> {
        let section = self.state.block_concurrency_while(async {
            note("section begins");
            Delay::from(ms(500)).await;
            note("section ends");
            Ok(())
        });
        section.await
    }

    pub async fn await_release(&self) -> u32 {
        let (sender, receiver) = oneshot::channel();
        *self.waiting.borrow_mut() = Some(sender);
        receiver.await.expect("another call sends it")
    }

    pub fn release(&self, value: u32) -> bool {
        let waiting = self.waiting.borrow_mut().take();
        waiting.is_some_and(|waiting| waiting.send(value).is_ok())
    }

    /// The clock, twice in one turn with real time passing in between, and then after 20 ms.
    pub async fn clock(&self) -> Result<[u64; 3]> {
        let first = Date::now().as_millis();
        std::thread::sleep(ms(5));
        self.state.storage().put("k", 1).await?;
        let second = Date::now().as_millis();
        Delay::from(ms(20)).await;
        Ok([first, second, Date::now().as_millis()])
    }
}

async fn ask(env: &Env) -> Result<()> {
    let elder = env.durable_object("Elder")?.get_by_name("e")?;
    elder.typed::<Elder>().think().await
}

/// Takes its time: longer than any message is under way.
#[durable_object]
struct Elder;

impl DurableObject for Elder {
    fn new(_: State, _: Env) -> Self {
        Self
    }
}

#[rpc]
impl Elder {
    pub async fn think(&self) {
        Delay::from(ms(250)).await;
    }
}

fn adders() -> dormouse::NodeBuilder {
    serving::<Adder>().object::<Elder>("Elder")
}

/// Five additions at once, over five stubs.
macro_rules! five_at_once {
    ($bench:expr, $method:ident) => {{
        let stubs: Vec<_> = (0..5).map(|_| $bench.stub::<Adder>("a")).collect();
        let results = join_all(stubs.iter().map(|stub| stub.$method())).await;
        let mut answers: Vec<_> = results
            .into_iter()
            .map(|result| result.expect("it adds"))
            .collect();
        answers.sort_unstable();
        answers
    }};
}

async fn next(bench: &Bench) -> u32 {
    bench.stub::<Adder>("a").add().await.expect("it adds")
}

#[test]
fn reading_and_writing_storage_is_never_interrupted() {
    // (G-7; recorded: get_put_increment)
    on_both(&adders(), |bench| async move {
        assert_eq!(five_at_once!(bench, add), [1, 2, 3, 4, 5]);
    });
}

#[test]
fn a_call_to_another_object_lets_other_events_in() {
    // (G-8; recorded: call_between_get_and_put)
    on_both(&adders(), |bench| async move {
        assert_eq!(five_at_once!(bench, ask_and_add), [1, 1, 1, 1, 1]);
        assert_eq!(next(&bench).await, 2);
    });
}

#[test]
fn a_call_to_another_object_inside_a_section_lets_nobody_in() {
    // (C-8)
    on_both(&adders(), |bench| async move {
        assert_eq!(five_at_once!(bench, ask_and_add_alone), [1, 2, 3, 4, 5]);
        assert_eq!(next(&bench).await, 6);
    });
}

#[test]
fn two_calls_that_wait_take_turns() {
    // (G-8; recorded: interleaving_at_timers)
    on_both(&adders(), |bench| async move {
        let stub = bench.stub::<Adder>("a");
        let calls = join(stub.wait_between("a".into()), stub.wait_between("b".into()));
        assert_eq!(calls.await, (Ok(()), Ok(())));
        assert_eq!(noted(), ["a1", "b1", "a2", "b2", "a3", "b3"]);
    });
}

#[test]
fn an_answer_from_outside_waits_until_the_section_is_over() {
    // (C-8, G-9; recorded: running_call_during_block)
    on_both(&adders(), |bench| async move {
        let stub = bench.stub::<Adder>("a");
        let calls = join(stub.ask(), stub.section());
        assert_eq!(calls.await, (Ok(()), Ok(())));
        assert_eq!(
            noted(),
            ["section begins", "section ends", "the answer arrives"]
        );
    });
}

#[test]
fn a_call_may_wait_for_what_another_call_brings() {
    // (G-8; recorded: promises_between_calls)
    on_both(&adders(), |bench| async move {
        let stub = bench.stub::<Adder>("a");
        let calls = join(stub.await_release(), stub.release(7));
        assert_eq!(calls.await, (Ok(7), Ok(true)));
    });
}

#[test]
fn the_clock_stands_still_during_a_turn_and_goes_on_between_turns() {
    // (G-2)
    on_both(&adders(), |bench| async move {
        let [first, second, third] = bench.stub::<Adder>("a").clock().await.expect("it works");
        assert_eq!(first, second);
        assert!(third >= first + 20, "{first} {third}");
    });
}

/// Says in its constructor when it was made.
#[durable_object]
struct Dated {
    made_at: Rc<str>,
}

impl DurableObject for Dated {
    fn new(_: State, _: Env) -> Self {
        let made_at = Date::now().as_millis().to_string();
        Self {
            made_at: made_at.into(),
        }
    }
}

#[rpc]
impl Dated {
    pub fn made_at(&self) -> String {
        self.made_at.to_string()
    }
}

#[test]
fn a_constructor_knows_the_time() {
    // (C-2: it is a turn)
    on_both(&serving::<Dated>(), |bench| async move {
        let before = bench.platform.clock.wall().as_millis();
        let made_at = bench.stub::<Dated>("a").made_at().await.expect("it works");
        let made_at: i64 = made_at.parse().expect("a number");
        assert!(before <= made_at, "{before} {made_at}");
        assert!(made_at <= bench.platform.clock.wall().as_millis());
    });
}
