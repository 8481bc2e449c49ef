//! Assertions inside objects and steps: [`dormouse::assert`].
//!
//! An `always!` that did not hold, and an `unreachable!` that was reached, are broken promises of the run in which that happened. Whether a
//! `sometimes!` ever held can only be said of many runs: each run counts, and the [explorer](crate::explore::blind_spots) adds up.

use std::collections::BTreeMap;

use dormouse::assert::Kind;

use super::Violation;
use crate::trace::{Event, Trace};

/// The broken promise that an event of an assertion is, if it is one.
pub(crate) fn broken_by(event: Event<'_>) -> Option<Violation> {
    let kind = Kind::of_event(event.name())?;
    if event.is_true("holds") {
        return None;
    }
    let name = event.text("assertion").unwrap_or_default();
    let (promise, what) = match kind {
        Kind::Always => (format!("always: {name}"), "it did not hold"),
        Kind::Unreachable => (format!("never: {name}"), "it was reached"),
        Kind::Sometimes | Kind::Reachable => return None,
    };
    let details = event.text("details").unwrap_or_default();
    let at = event.at();
    let why = format!(
        "{what} at +{}.{:03}s on {}{}{details}",
        at.as_secs(),
        at.subsec_millis(),
        event.place(),
        if details.is_empty() { "" } else { ": " },
    );
    Some(Violation::new(promise, why))
}

/// How often each assertion held in a run, by its name.
pub(crate) fn held(trace: &Trace) -> BTreeMap<String, u64> {
    let mut held = BTreeMap::new();
    for event in trace.events() {
        if Kind::of_event(event.name()).is_some()
            && event.is_true("holds")
            && let Some(name) = event.text("assertion")
        {
            match held.get_mut(name) {
                Some(times) => *times += 1,
                None => drop(held.insert(name.to_owned(), 1)),
            }
        }
    }
    held
}
