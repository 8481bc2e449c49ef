//! The sequential specification: what an object is, if nothing ever goes wrong.
//!
//! An author who can say what one call after the other does has said all that a linearizability checker needs. A model
//! knows no time, no crash and no second client; it is a function from a state and a call to the next state.

use std::{fmt::Debug, hash::Hash};

/// An object as a function: state and call in, next state out.
///
/// A call whose result the model does not fix accepts every `ret`. An object that chooses inside, where nobody sees it
/// at once, is modelled by the set of the states in which it could be: `State = BTreeSet<_>`, and `step` keeps those
/// that could have given `ret`.
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
}
