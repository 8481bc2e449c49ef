//! The director: which of the things that could happen now happens first.
//!
//! Whenever two or more completions are ready at the same virtual time, one is taken and the choice written on a *tape*. A tape that is put
//! in is followed as long as it fits; where it does not, and without one, the completion with the smallest keyed priority goes first.
//! Priorities belong to the completions and not to the choice, so that leaving a call out keeps the order of all others.

use serde::{Deserialize, Serialize};

/// One choice between things that were ready at the same time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// How many alternatives there were, in order of arrival.
    pub alternatives: u32,
    /// Which was taken; 0 is the one that arrived first.
    pub taken: u32,
    /// What was taken: `call`, `reply`, `timer` or `sync`. For readers; whether a choice fits is decided by the number of alternatives.
    pub what: String,
}

/// The choices of one run, in order.
pub type Tape = Vec<Choice>;

/// What the director may take: its kind and its priority.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alternative {
    pub(crate) kind: &'static str,
    pub(crate) priority: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Director {
    given: Tape,
    recorded: Tape,
}

impl Director {
    /// A director that follows `given` as long as it fits.
    pub(crate) fn following(given: Tape) -> Self {
        Self {
            given,
            recorded: Tape::new(),
        }
    }

    /// Takes one of at least two alternatives, which stand in order of arrival.
    pub(crate) fn choose(&mut self, alternatives: &[Alternative]) -> usize {
        assert!(alternatives.len() >= 2, "a single alternative is no choice");
        let count = u32::try_from(alternatives.len()).expect("few things are ready at one time");
        let scripted = self.given.get(self.recorded.len()).and_then(|choice| {
            let taken = usize::try_from(choice.taken).expect("a u32 fits");
            (choice.alternatives == count && choice.taken < count).then_some(taken)
        });
        let taken = scripted.unwrap_or_else(|| {
            let by_priority = alternatives
                .iter()
                .enumerate()
                .min_by_key(|(_, alternative)| alternative.priority);
            by_priority.expect("there are at least two").0
        });
        self.recorded.push(Choice {
            alternatives: count,
            taken: u32::try_from(taken).expect("below the count"),
            what: alternatives[taken].kind.to_owned(),
        });
        taken
    }

    /// The choices made so far.
    pub(crate) fn into_tape(self) -> Tape {
        self.recorded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alternatives(priorities: &[u64]) -> Vec<Alternative> {
        priorities
            .iter()
            .map(|&priority| Alternative {
                kind: "call",
                priority,
            })
            .collect()
    }

    #[test]
    fn the_tape_of_a_run_repeats_its_choices() {
        let mut first = Director::default();
        let taken = [
            first.choose(&alternatives(&[5, 2, 9])),
            first.choose(&alternatives(&[1, 0])),
        ];
        assert_eq!(taken, [1, 1]);
        let mut again = Director::following(first.into_tape());
        // Other priorities, same tape: the tape decides.
        assert_eq!(again.choose(&alternatives(&[0, 2, 9])), 1);
        assert_eq!(again.choose(&alternatives(&[0, 1])), 1);
        // Beyond the tape the priorities decide.
        assert_eq!(again.choose(&alternatives(&[0, 1])), 0);
    }

    #[test]
    fn a_choice_that_does_not_fit_the_tape_is_made_by_priority() {
        let tape = vec![Choice {
            alternatives: 3,
            taken: 2,
            what: "call".into(),
        }];
        assert_eq!(
            Director::following(tape.clone()).choose(&alternatives(&[4, 3])),
            1
        );
        assert_eq!(
            Director::following(tape).choose(&alternatives(&[4, 3, 9])),
            2
        );
    }
}
