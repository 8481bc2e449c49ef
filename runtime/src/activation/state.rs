//! What an object's code is given: its [`State`], and the time. Its timers are in [`delay`](super::delay).

use std::{
    fmt,
    future::Future,
    panic::Location,
    rc::{Rc, Weak},
};

use super::{
    Activation,
    pins::PinKind,
    turn::{Gated, Task, Turn, catching},
};
use crate::{Env, ObjectId, Result, Storage, instrument::point};

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
    /// # Panics
    /// If the activation has ended; its code does not run any more then.
    #[track_caller]
    pub fn wait_until(&self, task: impl Future<Output = ()> + 'static) {
        let activation = self.activation();
        let part_of = match Turn::current() {
            Some(Turn { task, .. }) => {
                Task::sharing(Rc::clone(&task.scope), Rc::clone(&task.connections))
            }
            None => Task::new(Rc::clone(&activation.input)),
        };
        let code = catching(Rc::clone(&part_of), async move {
            task.await;
            Ok(())
        });
        let pin = activation.pin(PinKind::WaitUntil, Some(Location::caller()));
        let gated = Gated::new(Rc::clone(&activation), part_of, code);
        let label = Rc::clone(&activation.label);
        activation.spawn_pinned(pin, async move {
            if let Err(error) = gated.await {
                // Nobody waits for it: it is noted, and that is all (E-3).
                point!(
                    "background_failed",
                    object = &*label,
                    error = error.message()
                );
            }
        });
    }

    /// Resets the object: nothing uncommitted survives, every call in flight fails with `reason` (E-6). The code that calls this
    /// does not go on: the future never completes.
    ///
    /// # Panics
    /// If the activation has ended; its code does not run any more then.
    pub async fn abort(&self, reason: Option<&str>) -> std::convert::Infallible {
        self.activation().abort(reason);
        std::future::pending().await
    }

    fn activation(&self) -> Rc<Activation> {
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

    /// Milliseconds since 1970-01-01T00:00Z.
    ///
    /// # Panics
    /// If the clock stands before 1970.
    pub fn as_millis(&self) -> u64 {
        u64::try_from(self.0).expect("the wall clock stands after 1970")
    }
}
