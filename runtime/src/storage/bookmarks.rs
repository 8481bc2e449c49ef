//! Bookmarks: the storage's calls for the object's past. What they do stands in [`history`](super::history).

use std::rc::Rc;

use super::{Storage, legacy::refusals};
use crate::Result;

impl Storage {
    /// The bookmark of the current state: a string that grows with time. Writes of the current turn are included, later ones of the
    /// same batch as well. It stays valid as long as the node keeps the history ([`History`](super::History)).
    ///
    /// # Errors
    /// If the storage is broken or shut down; on the legacy backend, which has no bookmarks, with the original's text.
    pub async fn get_current_bookmark(&self) -> Result<String> {
        self.pause_if_mutated().await;
        self.activation
            .sqlite(refusals::BOOKMARKS)?
            .current_bookmark()
    }

    /// The bookmark of the state at a time in milliseconds since 1970-01-01T00:00Z, exact to about a second.
    ///
    /// # Errors
    /// If that is no time, in the future, or before the history that is kept; if none is kept; if the storage is broken or shut down.
    pub async fn get_bookmark_for_time(&self, millis_since_epoch: f64) -> Result<String> {
        self.pause_if_mutated().await;
        self.activation
            .sqlite(refusals::BOOKMARKS)?
            .bookmark_for_time(millis_since_epoch)
    }

    /// Has the object start with the state of a bookmark the next time: everything that it stores, its alarm included. Until then it goes
    /// on as it is (PITR-3), also after a `delete_all`; [`State::abort`](crate::State::abort) makes it restart. Returns a bookmark of
    /// the state of now, by which the restore can be undone.
    ///
    /// Completes when that is durable, so it always suspends, and ends the turn. Other events may run meanwhile (PITR-4). Inside a
    /// transaction it becomes durable with the transaction, and is undone with it.
    ///
    /// # Errors
    /// If it is no bookmark of this object, or its state is not kept; if the storage is broken, breaks meanwhile, or is shut down.
    ///
    /// # Example
    /// ```
    /// # async fn example(state: dormouse::State) -> dormouse::Result<()> {
    /// let storage = state.storage();
    /// let bookmark = storage.get_current_bookmark().await?;
    /// storage.delete_all().await?;
    /// let undo = storage.on_next_session_restore_bookmark(&bookmark).await?;
    /// state.abort(Some("restart with what there was")).await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn on_next_session_restore_bookmark(&self, bookmark: &str) -> Result<String> {
        self.pause_if_mutated().await;
        let sqlite = self.activation.sqlite(refusals::BOOKMARKS)?;
        let undo = sqlite.restore_on_next_session(bookmark)?;
        // The abort that follows throws away what the turn wrote.
        Rc::clone(sqlite).sync().await?;
        Ok(undo)
    }
}
