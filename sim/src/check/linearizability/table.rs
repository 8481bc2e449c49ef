//! What a search remembers: states by number, and the places where it has been in vain.
//!
//! Without it a search tries the same calls behind every order of the calls before them. A hash says only where to look:
//! an entry counts if the whole key is equal. A place that is mistaken for another one would be a wrong verdict.

use std::{hash::Hash, iter::successors, mem::replace};

use super::super::index::{Index, NONE, hash_of, spread};

/// How many entries of a chain are looked at. Chains grow long where nothing helps; a step has to stay a short one.
const CHAIN_LOOK_MAX: usize = 32;

/// The states that a search has met, each kept once and named by a number.
pub(super) struct States<State> {
    index: Index,
    known: Vec<State>,
    /// What the states hold on the heap.
    heap_bytes: usize,
}

impl<State: Eq + Hash> States<State> {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self {
            index: Index::with_capacity(capacity),
            known: Vec::with_capacity(capacity),
            heap_bytes: 0,
        }
    }

    /// The number of a state; `heap_bytes` says what it holds on the heap, and is asked for new ones only.
    pub(super) fn number(&mut self, state: State, heap_bytes: impl FnOnce(&State) -> usize) -> u32 {
        let new = u32::try_from(self.known.len()).expect("the budget ends long before");
        let known = &self.known;
        let found = self.index.find_or_put(hash_of(&state), new, |number| {
            known[number as usize] == state
        });
        found.unwrap_or_else(|| {
            self.heap_bytes += heap_bytes(&state);
            self.known.push(state);
            new
        })
    }

    pub(super) fn get(&self, number: u32) -> &State {
        &self.known[number as usize]
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.index.memory_bytes() + self.known.capacity() * size_of::<State>() + self.heap_bytes
    }
}

/// Where a search stands, apart from the order in which it came there.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// Every required call before this one is placed, this one is not.
    pub(super) first_open: u32,
    /// Which required calls behind it are placed: one bit each.
    pub(super) beyond: &'a [u64],
    /// Which optional calls are placed: one bit each.
    pub(super) optional: &'a [u64],
    /// The state's number.
    pub(super) state: u32,
}

struct Been {
    first_open: u32,
    state: u32,
    /// Another entry that differs in its optional calls only.
    next: u32,
}

/// The places where a search has been.
pub(super) struct Memory {
    index: Index,
    /// One entry for all that differ in their optional calls only; the others hang on its chain.
    chains: Index,
    entries: Vec<Been>,
    /// The bits of all entries, one after the other: first those beyond, then those of the optional calls.
    bits: Vec<u64>,
    beyond_words: usize,
    optional_words: usize,
}

impl Memory {
    /// For about so many places, with so many words of bits.
    pub(super) fn with_capacity(
        capacity: usize,
        beyond_words: usize,
        optional_words: usize,
    ) -> Self {
        let chains = if optional_words == 0 { 0 } else { capacity };
        Self {
            index: Index::with_capacity(capacity),
            chains: Index::with_capacity(chains),
            entries: Vec::with_capacity(capacity),
            bits: Vec::with_capacity(capacity * (beyond_words + optional_words)),
            beyond_words,
            optional_words,
        }
    }

    /// Remembers a place, and says whether it is new. `hash` is of all but the optional calls.
    ///
    /// A place is old, too, if the search has been there with fewer of the optional calls placed: it could have done from
    /// there whatever it can do from here, since an optional call may be left out for ever.
    pub(super) fn is_new(&mut self, hash: u64, place: Place<'_>) -> bool {
        let new = u32::try_from(self.entries.len()).expect("the budget ends long before");
        let whole_hash = place
            .optional
            .iter()
            .fold(hash, |hash, word| spread(hash ^ word));
        let (entries, bits) = (&self.entries, &self.bits);
        let (beyond_words, words) = (self.beyond_words, self.beyond_words + self.optional_words);
        let differs_in_optional_only = |number: u32| {
            let been = &entries[number as usize];
            let from = number as usize * words;
            been.first_open == place.first_open
                && been.state == place.state
                && bits[from..from + beyond_words] == *place.beyond
        };
        let optional = |number: u32| {
            let from = number as usize * words;
            &bits[from + beyond_words..from + words]
        };
        let is_it =
            |number| differs_in_optional_only(number) && *optional(number) == *place.optional;
        if self.index.find_or_put(whole_hash, new, is_it).is_some() {
            return false;
        }
        let mut is_new = true;
        let mut next = NONE;
        if self.optional_words > 0
            && let Some(first) = self.chains.find_or_put(hash, new, differs_in_optional_only)
        {
            let behind =
                |number: &u32| Some(entries[*number as usize].next).filter(|next| *next != NONE);
            is_new = !successors(Some(first), behind)
                .take(CHAIN_LOOK_MAX)
                .any(|number| is_subset(optional(number), place.optional));
            next = replace(&mut self.entries[first as usize].next, new);
        }
        let Place {
            first_open, state, ..
        } = place;
        self.entries.push(Been {
            first_open,
            state,
            next,
        });
        self.bits.extend_from_slice(place.beyond);
        self.bits.extend_from_slice(place.optional);
        is_new
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.index.memory_bytes()
            + self.chains.memory_bytes()
            + self.entries.capacity() * size_of::<Been>()
            + self.bits.capacity() * size_of::<u64>()
    }
}

fn is_subset(small: &[u64], large: &[u64]) -> bool {
    small
        .iter()
        .zip(large)
        .all(|(small, large)| small & !large == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAME_HASH: u64 = 7;

    fn place(first_open: u32, beyond: [u64; 1], optional: [u64; 1], state: u32) -> Place<'static> {
        Place {
            first_open,
            beyond: Vec::leak(beyond.to_vec()),
            optional: Vec::leak(optional.to_vec()),
            state,
        }
    }

    #[test]
    fn places_with_one_hash_are_told_apart() {
        let mut memory = Memory::with_capacity(1, 1, 1);
        for place in [
            place(0, [0], [0], 0),
            place(1, [0], [0], 0),
            place(0, [1], [0], 0),
            place(0, [0], [0], 1),
        ] {
            assert!(memory.is_new(SAME_HASH, place));
            assert!(!memory.is_new(SAME_HASH, place));
        }
    }

    #[test]
    fn a_place_with_more_optional_calls_is_old_and_one_with_others_is_new() {
        let mut memory = Memory::with_capacity(1, 1, 1);
        assert!(memory.is_new(SAME_HASH, place(0, [0], [0b011], 0)));
        assert!(!memory.is_new(SAME_HASH, place(0, [0], [0b111], 0)));
        assert!(memory.is_new(SAME_HASH, place(0, [0], [0b101], 0)));
        assert!(memory.is_new(SAME_HASH, place(0, [0], [0b110], 0)));
        assert!(!memory.is_new(SAME_HASH, place(0, [0], [0b110], 0)));
        assert!(memory.is_new(SAME_HASH, place(0, [0], [0b001], 0)));
    }

    #[test]
    fn a_state_keeps_its_number_when_the_table_grows() {
        let mut states = States::with_capacity(1);
        let numbers: Vec<_> = (0..1_000)
            .map(|state| states.number(format!("{state}"), |_| 1))
            .collect();
        assert!(numbers.iter().copied().eq(0..1_000));
        for number in numbers {
            assert_eq!(states.number(format!("{number}"), |_| 1), number);
            assert_eq!(*states.get(number), format!("{number}"));
        }
        assert_eq!(states.heap_bytes, 1_000, "each state counts once");
    }
}
