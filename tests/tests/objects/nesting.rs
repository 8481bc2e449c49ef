//! Critical sections whose result is awaited elsewhere, or by nobody: the gate must be given on all the same.

use std::rc::Rc;

use dormouse::{Delay, DurableObject, Env, Result, State, durable_object, rpc};
use futures_channel::oneshot;

use super::{ms, note, noted, on_both, serving};

/// Asks for a section in one task and awaits it in another.
#[durable_object]
struct Delegating {
    state: Rc<State>,
}

impl DurableObject for Delegating {
    fn new(state: State, _: Env) -> Self {
        Self {
            state: Rc::new(state),
        }
    }
}

#[rpc]
impl Delegating {
    pub async fn delegate(&self) -> Result<u32> {
        let section = self.state.block_concurrency_while(async {
            Delay::from(ms(5)).await;
            Ok(7)
        });
        let (done, value) = oneshot::channel();
        self.state.wait_until(async move {
            let value = section.await;
            let _ = done.send(value); // the call below waits for it
        });
        value.await.expect("the task runs to its end")
    }

    pub fn hello(&self) -> u32 {
        1
    }
}

#[test]
fn a_section_that_is_awaited_by_another_task_than_the_one_that_asked_for_it_blocks_nothing() {
    // (C-9) The lock goes to whoever awaits the section, not to whoever asked for it.
    on_both(&serving::<Delegating>(), |bench| async move {
        assert_eq!(bench.stub::<Delegating>("a").delegate().await, Ok(7));
        assert_eq!(bench.stub::<Delegating>("a").hello().await, Ok(1));
    });
}

/// Loads in a section that a section of its constructor asks for, and awaits neither.
#[durable_object]
struct Layered;

impl DurableObject for Layered {
    fn new(state: State, _: Env) -> Self {
        let state = Rc::new(state);
        let inner_state = Rc::clone(&state);
        drop(state.block_concurrency_while(async move {
            let background = Rc::clone(&inner_state);
            drop(inner_state.block_concurrency_while(async move {
                Delay::from(ms(5)).await;
                note("loaded");
                for number in 1..=2 {
                    background.wait_until(async move { note(format!("task {number}")) });
                }
                Ok(())
            }));
            note("outer section ends");
            Ok(())
        }));
        Self
    }
}

#[rpc]
impl Layered {
    pub fn hello(&self) {
        note("hello");
    }
}

#[test]
fn a_section_ends_after_the_sections_that_it_asked_for_and_loses_none_of_their_tasks() {
    // (BCW-3, BCW-4, C-14)
    on_both(&serving::<Layered>(), |bench| async move {
        bench
            .stub::<Layered>("a")
            .hello()
            .await
            .expect("it is made");
        bench
            .stub::<Layered>("a")
            .hello()
            .await
            .expect("it is there");
        let mut seen = noted();
        assert_eq!(seen[..2], ["outer section ends", "loaded"], "{seen:?}");
        seen.sort();
        assert_eq!(
            seen,
            [
                "hello",
                "hello",
                "loaded",
                "outer section ends",
                "task 1",
                "task 2"
            ]
        );
    });
}
