//! `RUST_LOG` for one run: what the runtime, the objects and their libraries log through `tracing`, with virtual times, on standard error.
//!
//! The trace has the runtime's events only; an object's own `tracing::info!` is for its author. In a search nobody would read it, so nothing is
//! logged there and nothing is spent on it.

use crate::trace::layer;

/// Runs `f` with logs as `filter` asks for (`info`, `my_objects=debug`, `dormouse=trace`, ...), or without any if there is none.
///
/// # Errors
/// The filter cannot be read.
pub(super) fn during<T>(filter: Option<&str>, f: impl FnOnce() -> T) -> Result<T, String> {
    let Some(filter) = filter else { return Ok(f()) };
    let parsed = filter
        .parse()
        .map_err(|error| format!("RUST_LOG is `{filter}`, which cannot be read: {error}"))?;
    Ok(layer::with_logs(parsed, f))
}
