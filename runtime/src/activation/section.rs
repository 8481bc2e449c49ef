//! Critical sections: `block_concurrency_while` (C-8 to C-14).
//!
//! The callback starts when the turn that asked for it is over, before any event that waits. While it runs, only what it started
//! may run. If it fails or takes longer than thirty seconds, the object is reset, and whoever awaits the section never hears of it.

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    panic::Location,
    pin::pin,
    rc::Rc,
    task::Poll,
    time::Duration,
};

use futures_channel::oneshot;
use futures_util::future::{Either, select};

use super::{
    Activation,
    pins::PinKind,
    turn::{Gated, Task, Turn, catching},
};
use crate::{
    Error, Result, gate::input::SECTION_DEPTH_MAX, mutation::Mutation, platform::LocalBoxFuture,
    storage::Sections,
};

/// How long a section may take, from the end of its first turn on (C-11).
const SECTION_TIME_MAX: Duration = Duration::from_secs(30);

/// The critical sections of whichever turn runs: what a transaction asks for.
pub(super) struct SectionsOfTheTurn;

impl Sections for SectionsOfTheTurn {
    fn critical_section(
        &self,
        body: LocalBoxFuture<'static, Result<()>>,
    ) -> LocalBoxFuture<'static, Result<()>> {
        match Turn::current() {
            Some(turn) => Box::pin(turn.activation.block_concurrency_while(body)),
            None => Box::pin(std::future::ready(Err(Error::from(
                "transaction() is called in an object's code, while an event of it is handled",
            )))),
        }
    }

    fn with_input_held(
        &self,
        operation: LocalBoxFuture<'static, ()>,
    ) -> LocalBoxFuture<'static, ()> {
        let Some(turn) = Turn::current() else {
            return operation; // no event, so nothing to hold
        };
        let (done, result) = oneshot::channel();
        let hold = turn.task.hold();
        let pin = turn.activation.pin(PinKind::Storage, None);
        turn.activation.spawn_pinned(pin, async move {
            operation.await;
            let _ = done.send(()); // the code may not wait any more
            drop(hold);
        });
        Box::pin(async move {
            if result.await.is_err() {
                std::future::pending::<()>().await; // the activation ended under it
            }
        })
    }
}

impl Activation {
    /// Runs `callback` as a critical section of the current scope.
    #[track_caller]
    pub(crate) fn block_concurrency_while<T, F>(
        self: &Rc<Self>,
        callback: F,
    ) -> impl Future<Output = Result<T>> + use<T, F> + 'static
    where
        T: 'static,
        F: Future<Output = Result<T>> + 'static,
    {
        let asked_by = Turn::current().map(|turn| turn.task);
        let parent = asked_by
            .as_ref()
            .map_or_else(|| Rc::clone(&self.input), |task| Rc::clone(&task.scope));
        let (event, connections) = asked_by
            .map(|task| (task.event, Rc::clone(&task.connections)))
            .unwrap_or_default();
        let (done, result) = oneshot::channel();
        // Not the one who asked for the section: its result may be awaited elsewhere.
        let awaited_by: Rc<RefCell<Option<Rc<Task>>>> = Rc::default();
        let too_deep = parent.depth() >= SECTION_DEPTH_MAX;
        if !too_deep {
            // The place is taken now: sections asked for in one turn run in the order of asking (BCW-3).
            let place = parent.enter_section();
            let activation = Rc::clone(self);
            let awaited_by = Rc::clone(&awaited_by);
            let pin = self.pin(PinKind::Section, Some(Location::caller()));
            self.spawn_pinned(pin, async move {
                let kept = place.await;
                let section = kept.open_section();
                let task = Task::sharing(event, connections, Rc::clone(&section));
                let code = Gated::new(
                    Rc::clone(&activation),
                    Rc::clone(&task),
                    catching(task, callback),
                );
                if Mutation::SectionOpen.is_active() {
                    kept.end_section(&section);
                    drop(kept);
                    match activation.within_the_limit(code).await {
                        Ok(value) => drop(done.send(value)),
                        Err(error) => activation.reset_by_code(error.with_reset()),
                    }
                    return;
                }
                let value = match activation.within_the_limit(code).await {
                    Ok(value) => value,
                    Err(error) => return activation.reset_by_code(error.with_reset()),
                };
                // Sections that the callback asked for and did not await belong to this one: it ends after them (BCW-3).
                let last = section.enter_section().await;
                kept.end_section(&section);
                drop(last);
                if done.send(value).is_ok()
                    && let Some(task) = awaited_by.borrow_mut().take()
                    && kept.is_for(&task.scope)
                {
                    // The one who awaits goes on before any event that waits (C-9): the lock is handed to him.
                    task.hand_over(kept);
                }
            });
        }
        async move {
            if too_deep {
                return Err(Error::from(
                    "blockConcurrencyWhile() calls are nested too deeply.",
                ));
            }
            let mut result = pin!(result);
            poll_fn(|cx| {
                *awaited_by.borrow_mut() = Turn::current().map(|turn| turn.task);
                match result.as_mut().poll(cx) {
                    Poll::Ready(Ok(value)) => Poll::Ready(Ok(value)),
                    // The section failed and the object is being reset: this never settles (C-10).
                    Poll::Ready(Err(oneshot::Canceled)) | Poll::Pending => Poll::Pending,
                }
            })
            .await
        }
    }

    async fn within_the_limit<T>(
        self: &Rc<Self>,
        code: Gated<impl Future<Output = Result<T>>>,
    ) -> Result<T> {
        let clock = &self.node.platform.clock;
        let limit = clock.sleep_until(clock.now() + SECTION_TIME_MAX);
        match select(pin!(code), limit).await {
            Either::Left((result, _)) => result,
            Either::Right(((), _)) => Err(Error::from(
                "A call to blockConcurrencyWhile() in a Durable Object waited for too long. The call was canceled and the \
                 Durable Object was reset.",
            )
            .with_overloaded()),
        }
    }
}
