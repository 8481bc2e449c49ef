//! The director: which of the things that could happen now happens first.
//!
//! Whenever two or more completions are ready at the same virtual time, one is taken and the choice written on a *tape*. A tape that is put
//! in is followed as long as it fits; where it does not, and without one, the completion with the smallest keyed priority goes first.
//! Priorities belong to the completions and not to the choice, so that leaving a call out keeps the order of all others.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

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

/// Who decides where the tape does not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The seed: each completion has a priority of its own.
    #[default]
    Seed,
    /// What arrived first goes first.
    Arrival,
    /// Each caller, and the disk, and the timers of each machine, has a priority, and the highest goes first; so one of them is quick and another
    /// one waits for as long as it can. At the choices with these numbers, counted from 0, whoever would go first falls behind all
    /// others for good. (Burckhardt and others, "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", 2010.)
    Priorities {
        /// Where somebody falls behind.
        changes: Vec<u32>,
    },
}

impl Order {
    /// Whether it is the one that plans have unless they say otherwise.
    pub fn is_of_the_seed(&self) -> bool {
        *self == Self::Seed
    }
}

/// What the director may take: its kind, its priority, and on whose behalf it happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alternative {
    pub(crate) kind: &'static str,
    pub(crate) priority: u64,
    pub(crate) actor: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Director {
    given: Tape,
    recorded: Tape,
    order: Order,
    /// Those that have fallen behind, and how far.
    behind: BTreeMap<u64, u32>,
    /// Makes other priorities of the seed's.
    salt: Option<u64>,
}

impl Director {
    /// A director that follows `given` as long as it fits.
    pub(crate) fn following(given: Tape) -> Self {
        Self {
            given,
            ..Self::default()
        }
    }

    /// Lets `order` decide where the tape does not.
    pub(crate) fn set_order(&mut self, order: Order) {
        self.order = order;
    }

    /// From now on the seed's priorities are other ones, and the tape is not followed any more.
    pub(crate) fn draw_anew(&mut self, salt: u64) {
        self.salt = Some(salt);
        self.given.clear();
    }

    /// How many choices were made so far.
    pub(crate) fn choices(&self) -> usize {
        self.recorded.len()
    }

    /// Takes one of at least two alternatives, which stand in order of arrival.
    pub(crate) fn choose(&mut self, alternatives: &[Alternative]) -> usize {
        assert!(alternatives.len() >= 2, "a single alternative is no choice");
        let count = u32::try_from(alternatives.len()).expect("few things are ready at one time");
        let scripted = self.given.get(self.recorded.len()).and_then(|choice| {
            let taken = usize::try_from(choice.taken).expect("a u32 fits");
            (choice.alternatives == count && choice.taken < count).then_some(taken)
        });
        let taken = scripted.unwrap_or_else(|| self.decide(alternatives));
        self.recorded.push(Choice {
            alternatives: count,
            taken: u32::try_from(taken).expect("below the count"),
            what: alternatives[taken].kind.to_owned(),
        });
        taken
    }

    fn decide(&mut self, alternatives: &[Alternative]) -> usize {
        let salt = self.salt;
        match &self.order {
            Order::Arrival if salt.is_none() => 0,
            Order::Seed | Order::Arrival => least(alternatives, |alternative| {
                salt.map_or(alternative.priority, |salt| {
                    xxh3_64_with_seed(&alternative.priority.to_le_bytes(), salt)
                })
            }),
            Order::Priorities { changes } => {
                let number = self.recorded.len();
                let falls = changes
                    .iter()
                    .filter(|&&change| usize::try_from(change).is_ok_and(|change| change == number))
                    .count();
                // The seed stands in the actors' keys.
                let rank = |behind: &BTreeMap<u64, u32>, actor: u64| {
                    let key = xxh3_64_with_seed(&actor.to_le_bytes(), salt.unwrap_or_default());
                    (behind.get(&actor).copied().unwrap_or(0), key)
                };
                for _ in 0..falls {
                    let first = least(alternatives, |alternative| {
                        rank(&self.behind, alternative.actor)
                    });
                    let last = self.behind.values().max().copied().unwrap_or(0);
                    self.behind.insert(alternatives[first].actor, last + 1);
                }
                least(alternatives, |alternative| {
                    rank(&self.behind, alternative.actor)
                })
            }
        }
    }

    /// The choices made so far.
    pub(crate) fn into_tape(self) -> Tape {
        self.recorded
    }
}

/// The place of the alternative with the smallest key; of equal ones that which arrived first.
fn least<K: Ord>(alternatives: &[Alternative], key: impl Fn(&Alternative) -> K) -> usize {
    let least = alternatives
        .iter()
        .enumerate()
        .min_by_key(|(_, alternative)| key(alternative));
    least.expect("there are at least two").0
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
                actor: 0,
            })
            .collect()
    }

    fn of_actors(actors: &[u64]) -> Vec<Alternative> {
        let of = |&actor| Alternative {
            kind: "call",
            priority: 0,
            actor,
        };
        actors.iter().map(of).collect()
    }

    #[test]
    fn in_order_of_arrival_the_first_goes_first_whatever_the_seed_says() {
        let mut director = Director::default();
        director.set_order(Order::Arrival);
        assert_eq!(director.choose(&alternatives(&[9, 2, 5])), 0);
    }

    #[test]
    fn with_priorities_one_actor_goes_on_until_it_falls_behind() {
        let mut director = Director::default();
        director.set_order(Order::Priorities { changes: vec![2] });
        let actors = [11, 12, 13];
        let taken = [(); 5].map(|()| director.choose(&of_actors(&actors)));
        assert_eq!(taken[0], taken[1], "nothing has changed yet");
        assert_ne!(taken[1], taken[2], "at the third choice it falls behind");
        assert_eq!(taken[2..4], taken[3..5], "and stays there");
        let left: Vec<_> = (0..3).filter(|place| *place != taken[2]).collect();
        let among_the_others =
            of_actors(&left.iter().map(|&place| actors[place]).collect::<Vec<_>>());
        assert_ne!(
            left[director.choose(&among_the_others)],
            taken[0],
            "everybody goes before who fell behind"
        );
    }

    #[test]
    fn drawn_anew_the_order_is_another_one_and_the_tape_is_left() {
        let orders: std::collections::BTreeSet<_> = (0..40)
            .map(|salt| {
                let fitting = Choice {
                    alternatives: 3,
                    taken: 1,
                    what: "call".into(),
                };
                let mut director = Director::following(vec![fitting]);
                director.draw_anew(salt);
                director.choose(&alternatives(&[5, 2, 9]))
            })
            .collect();
        assert_eq!(orders.len(), 3, "each of the three is taken now and then");
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
