//! An object runs once at a time: no activation begins while another one of the same object lives.
//!
//! Two activations would each read, decide and write as if they were alone. A crash ends every activation of its machine.

use std::collections::BTreeSet;

use super::{Mark, Violation};
use crate::trace::Trace;

/// The promise that is checked here.
pub const PROMISE: &str = "an object runs once at a time";

/// Goes through the activations of a run.
///
/// # Errors
/// The first activation that began while another one lived.
///
/// # Panics
/// If an event of an activation does not name its object, which the runtime's do.
pub fn check(trace: &Trace) -> Result<(), Violation> {
    let mut living = BTreeSet::new();
    for (number, event) in trace.events().enumerate() {
        match event.name() {
            "activation_start" => {
                let object = event.text("object").expect("the event names its object");
                if !living.insert(object) {
                    let why = format!(
                        "{object}: an activation began at +{:?} while another one lived",
                        event.at()
                    );
                    return Err(Violation::new(PROMISE, why).at(Mark::Event(number)));
                }
            }
            "activation_end" => {
                living.remove(event.text("object").expect("the event names its object"));
            }
            "restart" => living.clear(),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{rc::Rc, time::Duration};

    use super::*;

    fn trace(events: &[(&'static str, &str)]) -> Trace {
        let mut trace = Trace::default();
        let place: Rc<str> = "server".into();
        for (name, object) in events {
            trace
                .record(Duration::ZERO, &place, name)
                .text("object", object);
        }
        trace
    }

    #[test]
    fn one_after_the_other_is_fine() {
        let one_by_one = [
            ("activation_start", "Counter/a"),
            ("activation_start", "Counter/b"),
            ("activation_end", "Counter/a"),
            ("activation_start", "Counter/a"),
            ("restart", ""),
            ("activation_start", "Counter/a"),
        ];
        assert_eq!(check(&trace(&one_by_one)), Ok(()));
    }

    #[test]
    fn two_at_once_are_found() {
        let found = check(&trace(&[
            ("activation_start", "Counter/a"),
            ("activation_start", "Counter/a"),
        ]));
        assert_eq!(found.expect_err("both live").promise, PROMISE);
    }
}
