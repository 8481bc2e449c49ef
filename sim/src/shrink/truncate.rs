//! Cuts the plan after the call at which the checker can already say no.
//!
//! A run ends with its last call, and a promise may have been broken at the tenth of sixty. What comes first is the same in a run that is cut
//! off, so the place is found by halving.

use super::{draft::Draft, search::Search};

pub(super) fn pass(search: &mut Search<'_>) {
    let mut too_few = 0;
    loop {
        let (draft, seen) = (search.best().clone(), search.seen().clone());
        let places = draft.places(&seen);
        let between = places.len().saturating_sub(too_few);
        if between <= 1 || search.has_ended() {
            return;
        }
        let keeping = |calls: usize| -> Vec<Draft> {
            draft.without(&places[calls..].iter().copied().collect(), &seen)
        };
        let mut tried: Vec<_> = [1, 2, 3]
            .map(|quarter| too_few + between * quarter / 4)
            .into();
        tried.retain(|&calls| calls > too_few && calls < places.len());
        tried.dedup();
        if tried.is_empty() {
            tried.push(places.len() - 1);
        }
        let found = tried
            .iter()
            .find(|&&calls| {
                let found = search.first(keeping(calls));
                if !found {
                    too_few = calls;
                }
                found
            })
            .is_some();
        if !found && too_few + 1 >= places.len() {
            return;
        }
    }
}
