//! What an object's code is given: its [`State`], and the time. Its timers are in [`delay`](super::delay).

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    panic::Location,
    rc::{Rc, Weak},
};

use super::{
    Activation,
    pins::PinKind,
    turn::{Background, Gated, Task, Turn, catching},
};
use crate::{Env, Error, ObjectId, Result, Storage, instrument::point, platform::WallTime};

/// The object's side of the runtime: who it is, what it stores, what it wants done in the background.
///
/// Given to [`DurableObject::new`](crate::DurableObject::new). It belongs to one activation: after that has ended its storage refuses.
pub struct State {
    activation: Weak<Activation>,
    id: ObjectId<'static>,
    storage: Storage,
}

impl Activation {
    pub(super) fn state_and_env(self: &Rc<Self>) -> (State, Env) {
        let state = State {
            activation: Rc::downgrade(self),
            id: ObjectId::without_namespace(self.entry.id_inside()),
            storage: self.storage.handle(),
        };
        let env = self.node.env_for(&self.label, &self.output, &self.storage);
        (state, env)
    }
}

impl State {
    /// The object's own id. Its name is known if the object was reached by name (ID-12).
    pub fn id(&self) -> ObjectId<'_> {
        self.id.clone()
    }

    /// The object's storage. A cheap handle, to be asked for as often as one likes.
    pub fn storage(&self) -> Storage {
        self.storage.clone()
    }

    /// Runs `callback` while no other event of this object may run. It starts when the current turn is over, before any waiting event,
    /// also if the returned future is never awaited: the usual way to initialise an object in its constructor.
    ///
    /// Writes made in it are committed as always: it makes nothing atomic (BCW-8).
    ///
    /// # Errors
    /// At once if calls are nested deeper than 64. If `callback` itself fails or takes longer than 30 seconds, the object is reset,
    /// its callers see the error, and the returned future never completes (C-10, C-11).
    ///
    /// # Panics
    /// If the activation has ended; its code does not run any more then.
    ///
    /// # Example
    /// ```
    /// # use std::{cell::Cell, rc::Rc};
    /// # use dormouse::State;
    /// fn restore(state: &State) -> Rc<Cell<u64>> {
    ///     let count = Rc::new(Cell::new(0));
    ///     let (storage, restored) = (state.storage(), Rc::clone(&count));
    ///     drop(state.block_concurrency_while(async move {
    ///         restored.set(storage.get("count").await?.unwrap_or(0));
    ///         Ok(())
    ///     }));
    ///     count // set before the first event runs
    /// }
    /// ```
    #[track_caller]
    pub fn block_concurrency_while<T, F>(
        &self,
        callback: F,
    ) -> impl Future<Output = Result<T>> + use<T, F> + 'static
    where
        T: 'static,
        F: Future<Output = Result<T>> + 'static,
    {
        self.activation().block_concurrency_while(callback)
    }

    /// Lets `task` run on after the event that started it. The object does not hibernate before it is done; nobody waits for it (E-1).
    ///
    /// It has no time limit of its own (E-2). It keeps the object from being evicted, too, but for fifteen minutes at most (L-11).
    ///
    /// It begins in this turn, when the code that calls this waits or is over: what it writes before it waits for something that is not
    /// storage is committed together with the turn's other writes.
    ///
    /// # Panics
    /// If the activation has ended; its code does not run any more then.
    #[track_caller]
    pub fn wait_until(&self, task: impl Future<Output = ()> + 'static) {
        let activation = self.activation();
        let turn = Turn::current().filter(|turn| Rc::ptr_eq(&turn.activation, &activation));
        let scope = turn.as_ref().map_or_else(
            || Rc::clone(&activation.input),
            |turn| Rc::clone(&turn.task.scope),
        );
        let part_of = Task::new(scope);
        let code = catching(Rc::clone(&part_of), async move {
            task.await;
            Ok(())
        });
        let label = Rc::clone(&activation.label);
        let background = Background {
            pin: activation.pin(PinKind::WaitUntil, Some(Location::caller())),
            task: part_of,
            code: Box::pin(async move {
                if let Err(error) = code.await {
                    // Nobody waits for it: it is noted, and that is all (E-3).
                    point!(
                        "background_failed",
                        object = &*label,
                        error = error.message()
                    );
                }
            }),
        };
        if turn.is_some() {
            activation.begin_in_this_turn(background);
        } else {
            let Background { pin, task, code } = background;
            activation.spawn_pinned(pin, Gated::new(Rc::clone(&activation), task, code));
        }
    }

    /// Resets the object, at once: nothing uncommitted survives, every call in flight fails with `reason` (E-6). Code that awaits what this gives does not go
    /// on: it never completes. Code that cannot wait, because it is no `async` code, drops it and returns; until then its storage calls fail, and nothing that it sends
    /// leaves.
    ///
    /// # Panics
    /// If the activation has ended; its code does not run any more then.
    pub fn abort(&self, reason: Option<&str>) -> impl Future<Output = Infallible> + use<> {
        let text = reason.unwrap_or(ABORTED);
        self.activation()
            .reset_by_code(Error::from(text).with_reset());
        std::future::pending()
    }

    /// [`abort`](Self::abort) with options.
    ///
    /// # Panics
    /// If the activation has ended; its code does not run any more then.
    pub fn abort_with_options(
        &self,
        reason: Option<&str>,
        options: AbortOptions,
    ) -> impl Future<Output = Infallible> + use<> {
        if options.retry_alarm == Some(false) {
            let text = reason.unwrap_or(ABORTED);
            self.activation()
                .abort_without_retry(Error::from(text).with_reset());
        }
        self.abort(reason)
    }

    pub(crate) fn activation(&self) -> Rc<Activation> {
        self.activation
            .upgrade()
            .expect("an object's code runs only while its activation lives")
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The original's text for an abort without a reason.
pub(super) const ABORTED: &str = "Application called abort() to reset Durable Object.";

/// Options of [`State::abort_with_options`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AbortOptions {
    /// Whether an alarm whose handler is running fires again: it does unless this says no, and the run counts as failed (E-8). With `Some(false)`
    /// it is removed, also if another event calls `abort`.
    pub retry_alarm: Option<bool>,
}

/// The time that an object's code sees: it stands still during a turn (G-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(i64);

impl Date {
    /// The present, as of the beginning of this turn.
    ///
    /// # Panics
    /// Outside an object's code: there is no other clock to ask.
    pub fn now() -> Self {
        let turn = Turn::current().expect("Date::now() is called in an object's code");
        Self(turn.activation.turn_began_at.get().as_millis())
    }

    pub(crate) fn at(time: WallTime) -> Self {
        Self(time.as_millis())
    }

    /// Milliseconds since 1970-01-01T00:00Z.
    ///
    /// # Panics
    /// If the clock stands before 1970.
    pub fn as_millis(&self) -> u64 {
        u64::try_from(self.0).expect("the wall clock stands after 1970")
    }
}
