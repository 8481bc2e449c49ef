//! The search for an order of one object's calls: Wing and Gong's, with Lowe's memory of where it has been.
//!
//! It walks along the events of the calls that are not placed yet. A call can come next if it was invoked before the first
//! return among them: beyond that return it would come too late for the call that returned. If the model accepts it, its
//! two events are lifted out of the list and the walk begins again at the front; if nothing fits before the first return,
//! the call placed last is put back and the walk goes on behind it.
//!
//! Calls that must be placed are tried before those that may be left out, each kind in the order of invocation: what
//! really happened is near that order, and a good history is mostly placed without one step back. Three things keep
//! unknown calls from doubling the work each: one that would not change the state is not placed; of equal ones the first
//! is placed first; and a place that was reached in vain with fewer of them is not entered again with more.
//!
//! Where the model leaves the object a choice, each next state is a way of its own: when the first has led nowhere, the call is placed
//! again with the next one.

use std::mem::take;

use super::{
    super::{index::spread, model::NondeterministicModel},
    events::{Event, Events},
    table::{Memory, Place, States},
};
use crate::history::{Call, Outcome};

/// How many states a dead end names at most.
pub(super) const STATES_MAX: usize = 4;

/// A call that has to be placed, or may be.
struct Candidate<'a, Op, Ret> {
    op: &'a Op,
    ret: Option<&'a Ret>,
    /// In the history.
    place: usize,
    invoked: u64,
    /// `u64::MAX` if it never returned.
    returned: u64,
}

/// The farthest that a search came.
pub(super) struct DeadEnd {
    /// The calls of a longest order, by their places in the history.
    pub(super) order: Vec<usize>,
    /// The call that had to come next.
    pub(super) stuck: usize,
    /// The other calls that could have come next, as far as time goes, and were refused there, too.
    pub(super) open: Vec<usize>,
    /// The states that it met, by number; first the one after `order`.
    pub(super) states: Vec<u32>,
}

struct Farthest {
    required: usize,
    stuck: u32,
    order: Vec<Choice>,
    states: Vec<u32>,
}

/// A candidate: of the required calls, or of the optional ones.
#[derive(Clone, Copy)]
enum Choice {
    Required(u32),
    Optional(u32),
}

/// What was placed, and the state before.
struct Placed {
    choice: Choice,
    state: u32,
    /// The next state that is to be tried for it, by its number among those that the model gives.
    next_way: usize,
    /// How many next states the model gives.
    ways: usize,
}

/// What is tried next.
#[derive(Clone, Copy)]
enum Cursor {
    /// The event of a required call.
    Event(u32),
    /// An optional call, from this one on, if it was invoked before this required call returned.
    Optional { from: u32, before: u32 },
}

/// The search for one object. It can be stopped and goes on where it was.
pub(super) struct Search<'a, M: NondeterministicModel> {
    model: &'a M,
    /// Sorted by invocation.
    required: Vec<Candidate<'a, M::Op, M::Ret>>,
    /// Sorted by invocation.
    optional: Vec<Candidate<'a, M::Op, M::Ret>>,
    /// For each optional call the last one before it that asks for the same, if there is one.
    twins: Vec<Option<usize>>,
    events: Events,
    cursor: Cursor,
    /// The first next state to be tried of the call under the cursor.
    way: usize,
    /// Room for what the model gives.
    next_states: Vec<M::State>,
    state: u32,
    placed: Vec<Placed>,
    required_left: usize,
    /// One bit for each required call that is placed.
    required_bits: Vec<u64>,
    /// One bit for each optional call that is placed.
    optional_bits: Vec<u64>,
    /// Of the required calls that are placed, whatever their order: the hashes of their numbers, added bit by bit.
    required_hash: u64,
    /// Room for the bits beyond the first open call.
    beyond: Vec<u64>,
    states: States<M::State>,
    memory: Memory,
    farthest: Option<Farthest>,
    steps: u64,
}

impl<'a, M: NondeterministicModel> Search<'a, M> {
    pub(super) fn new(model: &'a M, calls: &'a [Call<M::Op, M::Ret>], places: &[usize]) -> Self {
        let (mut required, mut optional) = (Vec::with_capacity(places.len()), Vec::new());
        for &place in places {
            let Call {
                op,
                invoked,
                returned,
                outcome,
                ..
            } = &calls[place];
            let invoked = invoked.order;
            let never = u64::MAX;
            match outcome {
                Outcome::Ok(ret) => {
                    let returned = returned.map_or(never, |moment| moment.order);
                    required.push(Candidate {
                        op,
                        ret: Some(ret),
                        place,
                        invoked,
                        returned,
                    });
                }
                Outcome::Unknown(_) => {
                    optional.push(Candidate {
                        op,
                        ret: None,
                        place,
                        invoked,
                        returned: never,
                    });
                }
                Outcome::Failed(_) => {}
            }
        }
        required.sort_by_key(|call| call.invoked);
        optional.sort_by_key(|call| call.invoked);
        let twins = (0..optional.len())
            .map(|call| {
                (0..call)
                    .rev()
                    .find(|&other| model.is_same(optional[call].op, optional[other].op))
            })
            .collect();
        // Whatever is placed beyond the first open call was invoked before that returned.
        let overlap = required.iter().enumerate().map(|(number, call)| {
            required
                .partition_point(|other| other.invoked <= call.returned)
                .saturating_sub(number + 1)
        });
        let beyond_words = overlap.max().unwrap_or(0).div_ceil(64);
        let optional_words = optional.len().div_ceil(64);
        let events = Events::new(required.iter().map(|call| (call.invoked, call.returned)));
        let mut states = States::with_capacity(places.len() + 1);
        let state = states.number(model.initial(), |state| model.heap_bytes(state));
        Self {
            model,
            cursor: Cursor::Event(events.first()),
            way: 0,
            next_states: Vec::new(),
            events,
            state,
            placed: Vec::with_capacity(required.len() + optional.len()),
            required_left: required.len(),
            required_bits: vec![0; required.len().div_ceil(64)],
            optional_bits: vec![0; optional_words],
            required_hash: 0,
            beyond: vec![0; beyond_words],
            states,
            memory: Memory::with_capacity(places.len(), beyond_words, optional_words),
            required,
            optional,
            twins,
            farthest: None,
            steps: 0,
        }
    }

    /// Goes on for so many steps, or until it holds so many bytes. `None` if that did not suffice.
    pub(super) fn run(
        &mut self,
        steps: u64,
        memory_bytes_max: usize,
    ) -> Option<Result<(), DeadEnd>> {
        let steps_end = self.steps.saturating_add(steps);
        while self.required_left > 0 {
            let Some(choice) = self.next_choice() else {
                self.remember_dead_end();
                if !self.put_back() {
                    return Some(Err(self.dead_end()));
                }
                continue;
            };
            if self.steps >= steps_end || self.memory_bytes() >= memory_bytes_max {
                return None;
            }
            self.steps += 1;
            if !self.try_to_place(choice) {
                self.go_behind(choice);
            }
        }
        Some(Ok(()))
    }

    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.states.memory_bytes() + self.memory.memory_bytes()
    }

    pub(super) fn state_in_words(&self, number: u32) -> String {
        self.model.in_words(self.states.get(number))
    }

    /// The call under the cursor; `None` if all that could come next have been tried.
    fn next_choice(&mut self) -> Option<Choice> {
        if let Cursor::Event(event) = self.cursor {
            if let Event::Invoked(call) = Events::of(event) {
                return Some(Choice::Required(call));
            }
            self.cursor = Cursor::Optional {
                from: 0,
                before: Events::call(event),
            };
        }
        let Cursor::Optional { from, before } = self.cursor else {
            unreachable!("an event is an invocation, or the cursor has left the events")
        };
        let returned = self.required[before as usize].returned;
        let open = (from as usize..self.optional.len())
            .take_while(|&call| self.optional[call].invoked < returned)
            .find(|&call| {
                let is_open = |call: usize| !has_bit(&self.optional_bits, call);
                is_open(call) && !self.twins[call].is_some_and(is_open)
            })?;
        let call = u32::try_from(open).expect("counted in 32 bits");
        self.cursor = Cursor::Optional { from: call, before };
        Some(Choice::Optional(call))
    }

    /// Moves the cursor behind a call, which is not placed.
    fn go_behind(&mut self, choice: Choice) {
        self.way = 0;
        self.cursor = match choice {
            Choice::Required(call) => Cursor::Event(self.events.next(Events::invoked(call))),
            Choice::Optional(call) => Cursor::Optional {
                from: call + 1,
                before: self.events.first_return(),
            },
        };
    }

    /// Moves the cursor back to a call, which is not placed any more, to try another of its next states.
    fn go_back_to(&mut self, choice: Choice, way: usize) {
        self.way = way;
        self.cursor = match choice {
            Choice::Required(call) => Cursor::Event(Events::invoked(call)),
            Choice::Optional(call) => Cursor::Optional {
                from: call,
                before: self.events.first_return(),
            },
        };
    }

    fn try_to_place(&mut self, choice: Choice) -> bool {
        let candidate = match choice {
            Choice::Required(call) => &self.required[call as usize],
            Choice::Optional(call) => &self.optional[call as usize],
        };
        let before = self.states.get(self.state);
        let mut next = take(&mut self.next_states);
        self.model
            .steps(before, candidate.op, candidate.ret, &mut next);
        let (ways, first) = (next.len(), self.way);
        let mut is_placed = false;
        for (way, after) in next.drain(..).enumerate().skip(first) {
            if self.enter(choice, after, way + 1, ways) {
                is_placed = true;
                break;
            }
        }
        next.clear();
        self.next_states = next;
        is_placed
    }

    /// Places a call with one of its next states; `false` if that leads nowhere new.
    fn enter(&mut self, choice: Choice, after: M::State, next_way: usize, ways: usize) -> bool {
        if matches!(choice, Choice::Optional(_)) && after == *self.states.get(self.state) {
            return false;
        }
        let model = self.model;
        let after = self.states.number(after, |state| model.heap_bytes(state));
        let placed = Placed {
            choice,
            state: self.state,
            next_way,
            ways,
        };
        self.lift(choice);
        self.state = after;
        if self.required_left > 0 && !self.is_new_place() {
            self.drop_back(&placed);
            return false;
        }
        self.placed.push(placed);
        self.way = 0;
        self.cursor = Cursor::Event(self.events.first());
        true
    }

    fn is_new_place(&mut self) -> bool {
        let first_open = Events::call(self.events.first());
        for (word, beyond) in self.beyond.iter_mut().enumerate() {
            *beyond = bits_from(&self.required_bits, first_open as usize + 1 + word * 64);
        }
        let hash = spread(self.required_hash ^ spread(u64::from(self.state)));
        let place = Place {
            first_open,
            beyond: &self.beyond,
            optional: &self.optional_bits,
            state: self.state,
        };
        self.memory.is_new(hash, place)
    }

    /// Takes back the call that was placed last, and moves the cursor to its next way or behind it; `false` if there is none.
    fn put_back(&mut self) -> bool {
        let Some(placed) = self.placed.pop() else {
            return false;
        };
        self.drop_back(&placed);
        if placed.next_way < placed.ways {
            self.go_back_to(placed.choice, placed.next_way);
        } else {
            self.go_behind(placed.choice);
        }
        true
    }

    fn lift(&mut self, choice: Choice) {
        match choice {
            Choice::Required(call) => {
                self.events.lift(call);
                flip_bit(&mut self.required_bits, call as usize);
                self.required_hash ^= spread(call.into());
                self.required_left -= 1;
            }
            Choice::Optional(call) => flip_bit(&mut self.optional_bits, call as usize),
        }
    }

    /// The contrary of `lift`, in the contrary order.
    fn drop_back(&mut self, placed: &Placed) {
        self.state = placed.state;
        match placed.choice {
            Choice::Required(call) => {
                self.required_left += 1;
                self.required_hash ^= spread(call.into());
                flip_bit(&mut self.required_bits, call as usize);
                self.events.drop_back(call);
            }
            Choice::Optional(call) => flip_bit(&mut self.optional_bits, call as usize),
        }
    }

    fn remember_dead_end(&mut self) {
        let required = self.required.len() - self.required_left;
        let stuck = self.events.first_return();
        let mut states = Vec::new();
        if let Some(farthest) = &mut self.farthest {
            if required < farthest.required
                || (required == farthest.required && stuck != farthest.stuck)
            {
                return;
            }
            if required == farthest.required {
                let is_known = farthest.states.contains(&self.state);
                if self.placed.len() >= farthest.order.len() {
                    if !is_known && farthest.states.len() < STATES_MAX {
                        farthest.states.push(self.state);
                    }
                    return;
                }
                // As long, and with fewer calls of which nobody knows: an order that is easier to believe. Its state
                // comes first.
                states = take(&mut farthest.states);
                states.retain(|state| *state != self.state);
                states.truncate(STATES_MAX - 1);
            }
        }
        states.insert(0, self.state);
        let order = self.placed.iter().map(|placed| placed.choice).collect();
        self.farthest = Some(Farthest {
            required,
            stuck,
            order,
            states,
        });
    }

    fn dead_end(&self) -> DeadEnd {
        let farthest = self.farthest.as_ref();
        let Farthest {
            stuck,
            order,
            states,
            ..
        } = farthest.expect("a search ends in vain after a dead end");
        let place = |choice: &Choice| match *choice {
            Choice::Required(call) => self.required[call as usize].place,
            Choice::Optional(call) => self.optional[call as usize].place,
        };
        let mut is_placed = vec![false; self.required.len()];
        for choice in order {
            if let Choice::Required(call) = *choice {
                is_placed[call as usize] = true;
            }
        }
        let returned = self.required[*stuck as usize].returned;
        let open = (0..self.required.len()).filter(|&call| {
            !is_placed[call] && call != *stuck as usize && self.required[call].invoked <= returned
        });
        DeadEnd {
            order: order.iter().map(place).collect(),
            stuck: self.required[*stuck as usize].place,
            open: open.map(|call| self.required[call].place).collect(),
            states: states.clone(),
        }
    }
}

fn has_bit(bits: &[u64], bit: usize) -> bool {
    bits[bit / 64] >> (bit % 64) & 1 == 1
}

fn flip_bit(bits: &mut [u64], bit: usize) {
    bits[bit / 64] ^= 1 << (bit % 64);
}

/// The 64 bits from `bit` on; those behind the end are zero.
fn bits_from(bits: &[u64], bit: usize) -> u64 {
    let word = |number: usize| bits.get(number).copied().unwrap_or(0);
    let (first, shift) = (bit / 64, bit % 64);
    let low = word(first) >> shift;
    if shift == 0 {
        low
    } else {
        low | word(first + 1) << (64 - shift)
    }
}
