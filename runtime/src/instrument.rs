//! The one instrumentation: `tracing` events with stable names, under the target [`TARGET`].
//!
//! An event says what the runtime is about to do or has just done. A simulator turns the events into its trace, and each of them
//! is at the same time an *injection point*: a fault can be fired at the n-th passage of `commit` on a node. So an event
//! stands exactly where a crash would be interesting, and its name is an interface: changing one breaks saved plans.

/// The target of every event of the runtime.
pub const TARGET: &str = "dormouse";

/// Emits the event `$name`; fields are numbers, booleans and string slices, never anything that differs between two runs.
macro_rules! point {
    ($name:literal $(, $field:ident = $value:expr)* $(,)?) => {
        tracing::event!(name: $name, target: $crate::instrument::TARGET, tracing::Level::TRACE, $($field = $value),*)
    };
}

pub(crate) use point;
