//! What the twins write down: the tracers of the recordings, and memory outside of any object.
//!
//! A recorded object calls `O.ev("hello", { n })`; its twin calls `O.ev("hello", json!({"n": n}))`. The log belongs to a run, not to an
//! object: it goes on when an object is thrown away, and what an object still does after its run is over is written nowhere.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::Future,
    rc::Rc,
};

use dormouse::{
    Result,
    platform::{Clock, Instant},
    value::to_value,
};
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::describe::{describe, describe_error};

/// The tracer of objects.
pub(super) const O: Tracer = Tracer { at: "object" };

/// The tracer of the stateless worker.
pub(super) const W: Tracer = Tracer { at: "worker" };

/// Writes events of one source.
#[derive(Clone, Copy)]
pub(super) struct Tracer {
    at: &'static str,
}

/// The further fields of an event: an object in JSON, or `()` for none.
pub(super) trait Fields {
    fn into_map(self) -> Map<String, Json>;
}

impl Fields for () {
    fn into_map(self) -> Map<String, Json> {
        Map::new()
    }
}

impl Fields for Json {
    fn into_map(self) -> Map<String, Json> {
        match self {
            Json::Object(fields) => fields,
            other => unreachable!("an event's fields are an object: {other}"),
        }
    }
}

impl Tracer {
    /// Writes an event.
    pub(super) fn ev(self, name: &str, fields: impl Fields) {
        with_log(|log| log.push(self.at, name, fields.into_map(), Clocked::No));
    }

    /// Writes an event with the time since the last one that was clocked.
    pub(super) fn clocked(self, name: &str, fields: impl Fields) {
        with_log(|log| log.push(self.at, name, fields.into_map(), Clocked::Yes));
    }

    /// Writes down what `tried` came to, and gives its value.
    pub(super) async fn attempt<T: Serialize>(
        self,
        label: &str,
        tried: impl Future<Output = Result<T>>,
    ) -> Option<T> {
        match tried.await {
            Ok(value) => {
                let shown = to_value(&value).expect("a twin's value can be shown");
                self.ev(
                    "returned",
                    json!({"label": label, "value": describe(&shown)}),
                );
                Some(value)
            }
            Err(error) => {
                self.ev(
                    "threw",
                    json!({"label": label, "error": describe_error(&error)}),
                );
                None
            }
        }
    }
}

/// Counts in memory outside of any object: the first call in a run gives 1 (`globalThis.builds` in the recordings).
pub(super) fn count(what: &'static str) -> u32 {
    with_log(|log| {
        let mut counts = log.counts.borrow_mut();
        let count = counts.entry(what).or_default();
        *count += 1;
        *count
    })
    .unwrap_or_default()
}

/// The events of a run.
pub(super) struct Log {
    clock: Rc<dyn Clock>,
    events: RefCell<Vec<Json>>,
    last_clocked: Cell<Option<Instant>>,
    counts: RefCell<BTreeMap<&'static str, u32>>,
}

#[derive(PartialEq)]
enum Clocked {
    No,
    Yes,
}

thread_local! {
    static LOG: RefCell<Option<Rc<Log>>> = const { RefCell::new(None) };
}

fn with_log<T>(use_it: impl FnOnce(&Log) -> T) -> Option<T> {
    let log = LOG.with_borrow(Clone::clone);
    log.map(|log| use_it(&log))
}

/// Keeps the tracers of this thread writing into one log.
pub(super) struct Recording(Rc<Log>);

impl Recording {
    /// From now on the tracers of this thread write into a log of their own.
    pub(super) fn start(clock: Rc<dyn Clock>) -> Self {
        let log = Rc::new(Log {
            clock,
            events: RefCell::default(),
            last_clocked: Cell::default(),
            counts: RefCell::default(),
        });
        LOG.set(Some(Rc::clone(&log)));
        Self(log)
    }

    pub(super) fn log(&self) -> &Rc<Log> {
        &self.0
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        LOG.set(None);
    }
}

impl Log {
    fn push(&self, at: &str, name: &str, fields: Map<String, Json>, clocked: Clocked) {
        let mut event = Map::new();
        event.insert("at".to_owned(), at.into());
        event.insert("ev".to_owned(), name.into());
        event.extend(fields);
        if clocked == Clocked::Yes {
            let now = self.clock.now();
            let since = self.last_clocked.replace(Some(now));
            let since = since.map_or_else(
                || json!("start"),
                |last| json!({"seconds": (now - last).as_secs_f64()}),
            );
            event.insert("dt".to_owned(), since);
        }
        self.events.borrow_mut().push(Json::Object(event));
    }

    /// The client begins a step.
    pub(super) fn step(&self, what: Json) {
        let mut fields = match what {
            Json::Object(fields) => fields,
            what => Map::from_iter([("what".to_owned(), what)]),
        };
        fields.shift_insert(0, "what".to_owned(), fields["what"].clone());
        self.push("client", "step", fields, Clocked::No);
    }

    /// Something happened on one of the client's connections.
    pub(super) fn client(&self, connection: &str, name: &str, fields: impl Fields) {
        let mut all = Map::from_iter([("client".to_owned(), Json::from(connection))]);
        all.extend(fields.into_map());
        self.push("client", name, all, Clocked::No);
    }

    /// How many events there are: it changes as long as something happens.
    pub(super) fn len(&self) -> usize {
        self.events.borrow().len()
    }

    /// All events so far.
    pub(super) fn events(&self) -> Vec<Json> {
        self.events.borrow().clone()
    }
}
