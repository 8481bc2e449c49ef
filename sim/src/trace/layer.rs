//! The `tracing-subscriber` layer that brings the runtime's events to the world that runs on this thread.

use std::{fmt::Debug, sync::OnceLock};

use dormouse::instrument::TARGET;
use tracing::{
    Dispatch, Event, Metadata, Subscriber,
    field::{Field, Visit},
    subscriber::Interest,
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
};

use super::Recorder;
use crate::world::current;

/// Runs `f` with the runtime's events going to the world of the moment, and nowhere else.
pub(crate) fn with_trace<T>(f: impl FnOnce() -> T) -> T {
    // One for the whole process: making one walks over all callsites, and the layer keeps nothing itself.
    static DISPATCH: OnceLock<Dispatch> = OnceLock::new();
    let dispatch =
        DISPATCH.get_or_init(|| Dispatch::new(tracing_subscriber::registry().with(WorldLayer)));
    tracing::dispatcher::with_default(dispatch, f)
}

struct WorldLayer;

impl<S: Subscriber> Layer<S> for WorldLayer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.target() == TARGET {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target() == TARGET
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
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
