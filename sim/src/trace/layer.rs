//! The `tracing-subscriber` layer that brings the runtime's events to the world that runs on this thread; and the one that logs.
//!
//! A log line begins with the virtual time, the node and the object: `+0.021s server Counter/a INFO my_objects: doubled value=4`. Node and object are
//! spans (`node{name=server}`, `object{id=Counter/a}`), so a filter can ask for them: `RUST_LOG=[object{id=Counter/a}]=debug`.

use std::{
    cell::RefCell,
    fmt::{self, Debug},
    sync::OnceLock,
};

use dormouse::instrument::TARGET;
use tracing::{
    Dispatch, Event, Metadata, Subscriber,
    field::{Field, Visit},
    subscriber::Interest,
};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::filter_fn,
    fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, format::Writer},
    layer::{Context, SubscriberExt as _},
    registry::LookupSpan,
};

use super::{Recorder, entry::moment};
use crate::world::current;

thread_local! {
    /// What takes in this thread's events instead of the recorder alone.
    static LOGGING: RefCell<Option<Dispatch>> = const { RefCell::new(None) };
}

/// Runs `f` with the runtime's events going to the world of the moment, and nowhere else unless [`with_logs`] is around it.
pub(crate) fn with_trace<T>(f: impl FnOnce() -> T) -> T {
    // One for the whole process: making one walks over all callsites, and the layer keeps nothing itself.
    static DISPATCH: OnceLock<Dispatch> = OnceLock::new();
    let alone = || {
        DISPATCH
            .get_or_init(|| Dispatch::new(tracing_subscriber::registry().with(WorldLayer)))
            .clone()
    };
    let dispatch = LOGGING.with_borrow(Clone::clone).unwrap_or_else(alone);
    tracing::dispatcher::with_default(&dispatch, f)
}

/// Runs `f`; worlds in it also log what `filter` lets through to standard error.
pub(crate) fn with_logs<T>(filter: EnvFilter, f: impl FnOnce() -> T) -> T {
    struct Before(Option<Dispatch>);
    impl Drop for Before {
        fn drop(&mut self) {
            LOGGING.set(self.0.take());
        }
    }
    let logs = tracing_subscriber::fmt::layer()
        .event_format(InVirtualTime)
        .with_ansi(false)
        // A test's output is captured, as the rest of what it prints.
        .with_writer(|| Captured)
        .with_filter(filter);
    let recording = Recording.with_filter(filter_fn(is_recorded));
    let logging = Dispatch::new(tracing_subscriber::registry().with(recording).with(logs));
    let _before = Before(LOGGING.replace(Some(logging)));
    f()
}

fn is_recorded(metadata: &Metadata<'_>) -> bool {
    metadata.is_event() && metadata.target() == TARGET
}

/// Records, and tells callsites that nobody else listens.
struct WorldLayer;

impl<S: Subscriber> Layer<S> for WorldLayer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if is_recorded(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        is_recorded(metadata)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        record(event);
    }
}

/// Records what its filter lets through.
struct Recording;

impl<S: Subscriber> Layer<S> for Recording {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        record(event);
    }
}

fn record(event: &Event<'_>) {
    let Some((world, life)) = current::get() else {
        return;
    }; // a dead life's code says nothing
    let name = event.metadata().name();
    {
        let mut trace = world.trace.borrow_mut();
        let mut recorder = trace.record(world.now(), &life.machine, name);
        event.record(&mut Fields(&mut recorder));
    }
    world.passed(&life, name);
}

struct Fields<'a, 'b>(&'a mut Recorder<'b>);

impl Visit for Fields<'_, '_> {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.number(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.bool(field.name(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.text(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.text(field.name(), format_args!("{value:?}"));
    }
}

/// A log line with the time of the world that runs.
struct InVirtualTime;

impl<S, N> FormatEvent<S, N> for InVirtualTime
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        // Not from the span: a filter may have left that out.
        match current::get() {
            Some((world, life)) => write!(writer, "{} {} ", moment(world.now()), life.machine)?,
            None => write!(writer, "- ")?,
        }
        let scope = context.event_scope().into_iter();
        for span in scope.flat_map(tracing_subscriber::registry::Scope::from_root) {
            let extensions = span.extensions();
            let fields = extensions.get::<FormattedFields<N>>();
            let fields = fields.map_or("", |fields| fields.as_str());
            if span.metadata().target() != TARGET {
                write!(writer, "{}{{{fields}}} ", span.name())?;
            } else if span.name() != "node" {
                // `id=Counter/a`: the value says enough.
                let value = fields.split_once('=').map_or(fields, |(_, value)| value);
                write!(writer, "{} ", value.trim_matches('"'))?;
            }
        }
        write!(writer, "{} ", metadata.level())?;
        if metadata.target() == TARGET && !metadata.name().starts_with("event ") {
            write!(writer, "{} ", metadata.name())?;
        } else {
            write!(writer, "{}: ", metadata.target())?;
        }
        context
            .field_format()
            .format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

/// Standard error, as a test's harness captures it.
struct Captured;

impl std::io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        eprint!("{}", String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
