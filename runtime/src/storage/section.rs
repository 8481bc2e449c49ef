//! What the storage asks of its activation: that nothing else runs meanwhile.
//!
//! An explicit transaction spans several turns. Without a critical section around it another event would run in between, and its writes
//! would be committed, or rolled back, with the transaction's (TXN-1). And a read that has to wait for the storage must come back to
//! the same object as it left, or a read and the write after it lose what happened in between (IN-3).

use crate::{Result, platform::LocalBoxFuture};

/// The activation, as far as its storage needs it.
pub(crate) trait Sections {
    /// Runs `body` as a critical section of the turn that asks, once that turn is over. Completes in a turn of the one who awaits it; if
    /// `body` fails the object is reset and this never completes (BCW-1 to BCW-5).
    ///
    /// # Errors
    /// At once, if sections are nested too deeply.
    fn critical_section(
        &self,
        body: LocalBoxFuture<'static, Result<()>>,
    ) -> LocalBoxFuture<'static, Result<()>>;

    /// Runs `operation` while the turn that asks keeps its lock: no other event runs until it is done and the code that asked has gone
    /// on, whether the code awaits it or not. Completes in the next turn of that code.
    fn with_input_held(
        &self,
        operation: LocalBoxFuture<'static, ()>,
    ) -> LocalBoxFuture<'static, ()>;
}
