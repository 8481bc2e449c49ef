//! An object runs once at a time: no activation begins while another one of the same object lives.
//!
//! Two activations would each read, decide and write as if they were alone. A crash ends every activation of its machine.

use std::collections::BTreeMap;

use super::{Mark, Violation};
use crate::trace::{Event, Trace};

/// The promise that is checked here.
pub const PROMISE: &str = "an object runs once at a time";

/// Goes through the activations of a run.
///
/// An object is its class and its id. Its label does not tell: an object that was reached by its name and is later reached by its id as a text has another
/// label in its next activation.
///
/// # Errors
/// The first activation that began while another one lived.
///
/// # Panics
/// If an event of an activation does not name its object and the object's id, which the runtime's do.
pub fn check(trace: &Trace) -> Result<(), Violation> {
    // With the label by which the living activation is called.
    let mut living: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for (number, event) in trace.events().enumerate() {
        match event.name() {
            "activation_start" => {
                let (object, label) = identity(event);
                if let Some(other) = living.insert(object, label) {
                    let also = if other == label {
                        String::new()
                    } else {
                        format!(", called {other} then,")
                    };
                    let why = format!(
                        "{label}: an activation began at +{:?} while another one{also} lived",
                        event.at()
                    );
                    return Err(Violation::new(PROMISE, why).at(Mark::Event(number)));
                }
            }
            "activation_end" => {
                living.remove(&identity(event).0);
            }
            "restart" => living.clear(),
            _ => {}
        }
    }
    Ok(())
}

/// Class and id of the object that an event is about, and its label.
fn identity(event: Event<'_>) -> ((&str, &str), &str) {
    let label = event.text("object").expect("the event names its object");
    let id = event.text("id").expect("the event names its object's id");
    let class = label.split_once('/').map_or(label, |(class, _)| class);
    ((class, id), label)
}

#[cfg(test)]
mod tests {
    use std::{rc::Rc, time::Duration};

    use super::*;

    /// Events with the label and the id of their object.
    fn trace(events: &[(&'static str, &str, &str)]) -> Trace {
        let mut trace = Trace::default();
        let place: Rc<str> = "server".into();
        for (name, object, id) in events {
            let mut recorder = trace.record(Duration::ZERO, &place, name);
            recorder.text("object", object);
            recorder.text("id", id);
        }
        trace
    }

    #[test]
    fn one_after_the_other_is_fine() {
        let one_by_one = [
            ("activation_start", "Counter/a", "1a"),
            ("activation_start", "Counter/b", "1b"),
            ("activation_end", "Counter/a", "1a"),
            ("activation_start", "Counter/a", "1a"),
            ("restart", "", ""),
            ("activation_start", "Counter/a", "1a"),
        ];
        assert_eq!(check(&trace(&one_by_one)), Ok(()));
    }

    #[test]
    fn two_at_once_are_found() {
        let found = check(&trace(&[
            ("activation_start", "Counter/a", "1a"),
            ("activation_start", "Counter/a", "1a"),
        ]));
        assert_eq!(found.expect_err("both live").promise, PROMISE);
    }

    #[test]
    fn two_at_once_are_found_by_their_id_whatever_they_are_called() {
        let found = check(&trace(&[
            ("activation_start", "Counter/a", "1a"),
            ("activation_start", "Counter/1a", "1a"),
        ]));
        assert_eq!(
            found.expect_err("both live").why,
            "Counter/1a: an activation began at +0ns while another one, called Counter/a then, lived"
        );
    }

    #[test]
    fn an_end_ends_the_activation_whatever_it_is_called() {
        let events = [
            ("activation_start", "Counter/a", "1a"),
            ("activation_end", "Counter/a", "1a"),
            ("activation_start", "Counter/1a", "1a"),
            ("activation_start", "Ledger/1a", "1a"),
        ];
        assert_eq!(
            check(&trace(&events)),
            Ok(()),
            "another class is another object"
        );
    }
}
