//! The sequential specification: what an object is, if nothing ever goes wrong.
//!
//! An author who can say what one call after the other does has said all that a linearizability checker needs. A model
//! knows no time, no crash and no second client; it is a function from a state and a call to the next state, or, where an object
//! decides by itself, to the next states ([`NondeterministicModel`]).

use std::{fmt::Debug, hash::Hash};

/// An object as a function: state and call in, next state out.
///
/// A call whose result the model does not fix accepts every `ret`. An object that chooses inside, where nobody sees it
/// at once, has more than one next state: that is a [`NondeterministicModel`].
///
/// # Example
/// ```
/// use dormouse_sim::Model;
///
/// #[derive(Clone, Debug)]
/// enum Op {
///     Set(u32),
///     Get,
/// }
///
/// struct Register;
///
/// impl Model for Register {
///     type Op = Op;
///     type Ret = Option<u32>; // what Get saw; None for Set
///     type State = u32;
///
///     fn initial(&self) -> u32 {
///         0
///     }
///
///     fn step(&self, state: &u32, op: &Op, ret: Option<&Option<u32>>) -> Option<u32> {
///         match (op, ret) {
///             (Op::Set(value), _) => Some(*value),
///             (Op::Get, Some(Some(seen))) if seen != state => None,
///             (Op::Get, _) => Some(*state),
///         }
///     }
///
///     fn object(&self, _: &Op) -> String {
///         "the register".to_owned()
///     }
/// }
/// ```
pub trait Model {
    /// What clients ask.
    type Op;
    /// What they are answered.
    type Ret;
    /// What the object remembers. Small and quick to compare: the checker keeps each one that it meets.
    type State: Clone + Eq + Hash + Debug;

    /// The state before the first call.
    fn initial(&self) -> Self::State;

    /// Applies `op`. With a `ret`, only if `op` could have returned that in `state`, else `None`. Without one the result
    /// is not known, and any is allowed; `None` then means that `op` cannot have taken effect in `state`.
    fn step(
        &self,
        state: &Self::State,
        op: &Self::Op,
        ret: Option<&Self::Ret>,
    ) -> Option<Self::State>;

    /// The object that a call concerns. Objects are independent of each other, so that each is checked on its own, which
    /// is a great deal faster.
    fn object(&self, op: &Self::Op) -> String;

    /// Whether two calls ask for the very same, so that it cannot matter which of them took effect.
    ///
    /// A help for histories with many unknown calls: a checker then tries how many of equal ones took effect, instead of
    /// which. `one == other` where operations can be compared; `false` is always right, and what you get without it.
    fn is_same(&self, one: &Self::Op, other: &Self::Op) -> bool {
        let _ = (one, other);
        false
    }

    /// How many bytes a state holds on the heap, for the checker's bound on memory. Worth giving where states are lists or texts.
    fn heap_bytes(&self, state: &Self::State) -> usize {
        let _ = state;
        0
    }

    /// A state as explanations tell it: its `Debug` text, unless that says nothing to a person.
    fn in_words(&self, state: &Self::State) -> String {
        format!("{state:?}")
    }
}

/// An object that chooses: state and call in, every possible next state out.
///
/// The checker follows all of them, and a history is linearizable if one way through explains it. Every [`Model`] is one, with at most
/// one next state.
///
/// # Example
/// ```
/// use dormouse_sim::NondeterministicModel;
///
/// /// A cache of one number that may forget at any time: a read sees the number or nothing.
/// struct Forgetful;
///
/// enum Op {
///     Set(u32),
///     Get,
/// }
///
/// impl NondeterministicModel for Forgetful {
///     type Op = Op;
///     type Ret = Option<u32>; // what Get saw; None for Set
///     type State = Option<u32>;
///
///     fn initial(&self) -> Option<u32> {
///         None
///     }
///
///     fn steps(&self, state: &Option<u32>, op: &Op, ret: Option<&Option<u32>>, next: &mut Vec<Option<u32>>) {
///         match op {
///             Op::Set(value) => next.extend([Some(*value), None]), // kept, or forgotten at once
///             Op::Get => next.extend([*state, None].into_iter().filter(|seen| ret.is_none_or(|ret| ret == seen))),
///         }
///     }
///
///     fn object(&self, _: &Op) -> String {
///         "the cache".to_owned()
///     }
/// }
/// ```
pub trait NondeterministicModel {
    /// What clients ask.
    type Op;
    /// What they are answered.
    type Ret;
    /// What the object remembers. Small and quick to compare: the checker keeps each one that it meets.
    type State: Clone + Eq + Hash + Debug;

    /// The state before the first call.
    fn initial(&self) -> Self::State;

    /// Puts into `next`, which is empty, every state in which the object may be after `op`. With a `ret`, only those in which `op` could have
    /// returned that; without one any result is allowed. Nothing in `next` means that `op` cannot have taken effect in `state`.
    fn steps(
        &self,
        state: &Self::State,
        op: &Self::Op,
        ret: Option<&Self::Ret>,
        next: &mut Vec<Self::State>,
    );

    /// As [`Model::object`].
    fn object(&self, op: &Self::Op) -> String;

    /// As [`Model::is_same`].
    fn is_same(&self, one: &Self::Op, other: &Self::Op) -> bool {
        let _ = (one, other);
        false
    }

    /// As [`Model::heap_bytes`].
    fn heap_bytes(&self, state: &Self::State) -> usize {
        let _ = state;
        0
    }

    /// As [`Model::in_words`].
    fn in_words(&self, state: &Self::State) -> String {
        format!("{state:?}")
    }
}

impl<M: Model> NondeterministicModel for M {
    type Op = M::Op;
    type Ret = M::Ret;
    type State = M::State;

    fn initial(&self) -> Self::State {
        Model::initial(self)
    }

    fn steps(
        &self,
        state: &Self::State,
        op: &Self::Op,
        ret: Option<&Self::Ret>,
        next: &mut Vec<Self::State>,
    ) {
        next.extend(self.step(state, op, ret));
    }

    fn object(&self, op: &Self::Op) -> String {
        Model::object(self, op)
    }

    fn is_same(&self, one: &Self::Op, other: &Self::Op) -> bool {
        Model::is_same(self, one, other)
    }

    fn heap_bytes(&self, state: &Self::State) -> usize {
        Model::heap_bytes(self, state)
    }

    fn in_words(&self, state: &Self::State) -> String {
        Model::in_words(self, state)
    }
}
