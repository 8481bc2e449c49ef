//! Invariants that a scenario's author states himself.

use std::fmt;

use super::{Check, Observed, Violation};

/// A promise in words, and a function that looks whether it was kept.
///
/// # Example
/// ```
/// use dormouse_sim::{Invariant, Outcome};
/// // No client ever reads a negative balance.
/// let promise = Invariant::<&str, i64>::new("balances are never negative", |run| {
///     let bad = run.history.calls().iter().find(|call| matches!(call.outcome, Outcome::Ok(balance) if balance < 0));
///     bad.map_or(Ok(()), |call| Err(format!("{call:?}")))
/// });
/// ```
pub struct Invariant<Op, Ret> {
    promise: &'static str,
    #[expect(
        clippy::type_complexity,
        reason = "a boxed closure, named nowhere else"
    )]
    holds: Box<dyn Fn(&Observed<'_, Op, Ret>) -> Result<(), String>>,
}

impl<Op, Ret> Invariant<Op, Ret> {
    /// `holds` says why the promise was broken, if it was.
    pub fn new(
        promise: &'static str,
        holds: impl Fn(&Observed<'_, Op, Ret>) -> Result<(), String> + 'static,
    ) -> Self {
        Self {
            promise,
            holds: Box::new(holds),
        }
    }
}

impl<Op, Ret> Check<Op, Ret> for Invariant<Op, Ret> {
    fn check(&self, run: &Observed<'_, Op, Ret>) -> Result<(), Violation> {
        (self.holds)(run).map_err(|why| Violation::new(self.promise, why))
    }
}

impl<Op, Ret> fmt::Debug for Invariant<Op, Ret> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Invariant").field(&self.promise).finish()
    }
}
