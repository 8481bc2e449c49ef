//! What the storage asks of its activation: that nothing else runs meanwhile.
//!
//! An explicit transaction spans several turns. Without a critical section around it another event would run in between, and its writes
//! would be committed, or rolled back, with the transaction's (TXN-1).

use crate::{Result, platform::LocalBoxFuture};

/// The activation, as far as a transaction needs it.
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
}
