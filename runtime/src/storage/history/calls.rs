//! What the object's code asks of its history: where it is, where it was, and to go back there.

use std::rc::Rc;

use super::{
    Past,
    bookmark::{NotABookmark, Position},
    times::{APART_MILLIS, Mark},
    wal::Frame,
};
use crate::{
    Error, Result,
    storage::{alarm::checked_millis, batch::Confirm, metadata::Row, object::ObjectStorage},
};

/// The original's local runtime's text.
const NOT_KEPT: &str =
    "This Durable Object's storage back-end does not implement point-in-time recovery.";

impl ObjectStorage {
    /// The bookmark of the current state, the open batch or transaction included, also with what it is yet to write.
    ///
    /// Inside one, the call is itself a write: only so is it sure that there is a commit to name.
    ///
    /// # Errors
    /// The storage is closed, or the disk fails.
    pub(in crate::storage) fn current_bookmark(self: &Rc<Self>) -> Result<String> {
        self.database()?;
        if !self.past.is_kept() {
            let count = self.count_bookmark()?.cast_unsigned();
            let (high, low) = (count >> 32, count & 0xffff_ffff);
            return Ok(format!("{high:08x}-{low:08x}-00000000-{:032x}", 0));
        }
        if self.is_writing() {
            self.count_bookmark()?;
            return Ok(self.past.coming()?.bookmark(&self.past.tag));
        }
        let current = self.past.current()?;
        // Nobody may learn the name of a state that a loss of power takes.
        self.confirm_when_durable(Some(self.gate.hold()), |_| {});
        Ok(current.bookmark(&self.past.tag))
    }

    /// Counts a bookmark, in the turn's batch; returns how many there were.
    fn count_bookmark(self: &Rc<Self>) -> Result<i64> {
        let count = self.metadata(Row::Bookmarks)?.unwrap_or(0);
        self.set_metadata(Row::Bookmarks, Some(count + 1), Confirm::Required)?;
        Ok(count)
    }

    /// The bookmark of the last state not later than a time, to a second.
    ///
    /// # Errors
    /// What is no time, a time in the future or before the history; the storage is closed, or the disk fails.
    pub(in crate::storage) fn bookmark_for_time(&self, millis: f64) -> Result<String> {
        self.database()?;
        if !self.past.is_kept() {
            return Err(Error::from(NOT_KEPT));
        }
        let position = self.past.at(checked_millis(millis)?)?;
        Ok(position.bookmark(&self.past.tag))
    }

    /// Has the next session begin with the state that a bookmark names. Returns the bookmark of the state of now, to undo it.
    ///
    /// # Errors
    /// It is no bookmark of this object, or its state is not kept (any more, or yet); the storage is closed, or the disk fails.
    pub(in crate::storage) fn restore_on_next_session(
        self: &Rc<Self>,
        bookmark: &str,
    ) -> Result<String> {
        self.database()?;
        if !self.past.is_kept() {
            return Err(Error::from(NOT_KEPT));
        }
        let position = Position::of_bookmark(bookmark, &self.past.tag).map_err(|reason| {
            Error::from(match reason {
                NotABookmark::Malformed => "The bookmark is not valid.",
                NotABookmark::OfAnotherObject => "The bookmark belongs to another Durable Object.",
            })
        })?;
        self.past.check(position)?;
        let undo = if self.is_writing() {
            self.past.coming()?
        } else {
            self.past.current()?
        };
        self.set_metadata(Row::Restore, Some(position.packed()), Confirm::Required)?;
        Ok(undo.bookmark(&self.past.tag))
    }

    /// The state that the next session begins with, if it is not the current one.
    pub(in crate::storage) fn armed(&self) -> Result<Option<Position>> {
        Ok(self.metadata(Row::Restore)?.map(Position::of_packed))
    }

    fn is_writing(&self) -> bool {
        self.batch.borrow().is_some() || self.in_transaction()
    }
}

impl Past {
    /// The last commit.
    fn current(&self) -> Result<Position> {
        Ok(self.log()?.position())
    }

    /// The next commit.
    fn coming(&self) -> Result<Position> {
        let last = self.log()?.position();
        Ok(Position {
            frame: last.frame + 1,
            ..last
        })
    }

    /// # Errors
    /// The state at `position` is not kept, or not made yet.
    fn check(&self, position: Position) -> Result<()> {
        let last = self.log()?.position();
        let next_generation = Position {
            generation: last.generation + 1,
            frame: 1,
        };
        let is_future = if position.generation == last.generation {
            position.frame > last.frame + 1
        } else {
            position > next_generation
        };
        if is_future {
            return Err(Error::from("The bookmark names a point in the future."));
        }
        for generation in position.generation..=last.generation {
            match self.segment(generation)? {
                Some(segment) if !segment.reaches(position.within(generation)) => {
                    return Err(not_kept_any_more());
                }
                Some(segment) => segment.check_pages()?,
                None if generation == last.generation => {}
                None => return Err(not_kept_any_more()),
            }
        }
        Ok(())
    }

    /// The last commit that was there at a time.
    fn at(&self, millis: i64) -> Result<Position> {
        let now = self.now_millis();
        let log = self.log()?;
        let mut generation = log.generation();
        let segment = self.segment(generation)?;
        let marks = self.marks_of_log(&log, segment.as_ref())?;
        let mut commits = commits_with_times(generation, log.frames(), &marks, now);
        let mut leads_back = true;
        if let Some(segment) = segment {
            commits.retain(|(_, position)| segment.reaches(position.frame));
            leads_back = segment.reaches(0);
        }
        if commits.is_empty() && generation == 0 && millis <= now {
            return Ok(log.position()); // nothing was ever written
        }
        drop(log);
        let mut begin = now;
        loop {
            if let Some((first, _)) = commits.first() {
                begin = *first;
            }
            let found = commits.iter().rev().find(|(at, _)| *at <= millis);
            if let Some((_, position)) = found
                && millis <= now
            {
                return Ok(*position);
            }
            let older = match generation.checked_sub(1) {
                Some(older) if leads_back => self.segment(older)?,
                _ => None,
            };
            let Some(older) = older else {
                return Err(Error::from(format!(
                    "There is no bookmark for the time {millis}: the history of this Durable Object goes from {begin} to {now}."
                )));
            };
            leads_back = older.reaches(0);
            let contents = &older.contents;
            generation = contents.generation;
            commits = commits_with_times(
                generation,
                &contents.frames,
                &contents.marks,
                contents.ended,
            );
            commits.retain(|(_, position)| older.reaches(position.frame));
        }
    }
}

fn not_kept_any_more() -> Error {
    Error::from("The bookmark names a point that is not kept any more.")
}

/// The commits of a generation, each with the time at which it was there for sure: its mark, or a second after the mark before it, if that
/// is not after the next mark or the generation's end.
fn commits_with_times(
    generation: u32,
    frames: &[Frame],
    marks: &[Mark],
    ended: i64,
) -> Vec<(i64, Position)> {
    let mut marks = marks.iter().peekable();
    let mut last_mark = None;
    let mut commits = Vec::new();
    for (frame, _) in (1..).zip(frames).filter(|(_, frame)| frame.commit != 0) {
        let position = Position { generation, frame };
        let at = if let Some(mark) = marks.next_if(|mark| mark.position == position) {
            last_mark = Some(mark.at);
            mark.at
        } else {
            let next = marks.peek().map_or(ended, |mark| mark.at);
            last_mark.map_or(next, |last: i64| next.min(last + APART_MILLIS))
        };
        commits.push((at, position));
    }
    commits
}
