//! The history of an object: bookmarks that name its past states, and the way back to them (section 8).
//!
//! SQLite's write-ahead log *is* the history of its current generation. When a checkpoint moves it into the database, so that the log can
//! begin anew, the generation is put away first, together with what the checkpoint overwrites. Going back is then: take
//! away the generations from the newest on, and play the frames of the wanted one up to the wanted commit.
//!
//! - [`bookmark`]: how a commit is named;
//! - [`wal`]: which commits are in the log;
//! - [`segment`]: a generation that is over, as a file;
//! - [`times`]: when commits were made;
//! - [`restore`]: the way back;
//! - here: what is kept, and what the object's code asks.
//!
//! In: `batch` after each commit and around each checkpoint, `object` when the storage is opened, and the calls of `bookmarks`. Out: files
//! beside the database, `<path>-history-<generation>` and `<path>-times`.

mod bookmark;
mod calls;
mod restore;
mod segment;
mod times;
mod wal;

pub(super) use self::restore::Restored;
use std::{
    cell::{Cell, RefCell, RefMut},
    rc::Rc,
    time::Duration,
};

use self::{
    bookmark::{Position, tag},
    segment::{Draft, DraftError, Extent, Segment, damaged, disk_failed},
    times::{Mark, Times},
    wal::Log,
};
use super::sqlite::{ObjectFiles, OpenFile, PAGE_BYTES};
use crate::{
    Result,
    instrument::point,
    platform::{Clock, Disk, DiskError},
};

const DAY: Duration = Duration::from_hours(24);

/// How much of the past of each object is kept, for bookmarks to restore.
///
/// # Example
/// ```
/// use std::time::Duration;
/// use dormouse::{NodeBuilder, storage::History};
/// let week = History::keep(Duration::from_secs(7 * 24 * 60 * 60), 64 << 20);
/// let node = NodeBuilder::new("my-worker").history(week);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History(Option<Kept>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept {
    window: Duration,
    bytes_max: u64,
}

impl History {
    /// Keeps states for at least `window` as long as the files for it take no more than `bytes_max` for each object. The oldest go
    /// first. What the current write-ahead log holds is kept in any case and not counted: it is there anyway. What one log holds when it
    /// is moved into the database is not kept if it is too much by itself; nothing older can be restored then. On a
    /// disk that is full nothing is thrown away: the log is moved later.
    pub const fn keep(window: Duration, bytes_max: u64) -> Self {
        Self(Some(Kept { window, bytes_max }))
    }

    /// Keeps nothing. `get_current_bookmark` counts its calls then, and the other two reject, as in the original's local runtime.
    pub const fn off() -> Self {
        Self(None)
    }
}

impl Default for History {
    /// 30 days, as in production, and 256 MiB.
    fn default() -> Self {
        Self::keep(DAY * 30, 256 << 20)
    }
}

/// The history of one object that is in memory.
pub(super) struct Past {
    kept: Option<Kept>,
    files: Rc<ObjectFiles>,
    clock: Rc<dyn Clock>,
    path: String,
    tag: String,
    log: RefCell<Log>,
    times: Times,
    /// The segments that are there, from the oldest on; `None` before anybody has looked.
    segments: RefCell<Option<Vec<Known>>>,
    /// A log was moved into the database, or is about to be, while no history was kept: a file says so, durably.
    is_unrecorded: Cell<bool>,
}

/// A segment, as far as it is kept in mind.
#[derive(Clone, Copy)]
struct Known {
    generation: u32,
    bytes: u64,
    /// `None` for a damaged one.
    ended: Option<i64>,
    /// One can go back across it, to older ones.
    leads_back: bool,
}

impl Past {
    pub(super) fn new(
        history: History,
        files: Rc<ObjectFiles>,
        clock: Rc<dyn Clock>,
        path: String,
    ) -> Self {
        Self {
            kept: history.0,
            files,
            clock,
            tag: tag(&path),
            log: RefCell::default(),
            times: Times::new(format!("{path}-times")),
            segments: RefCell::default(),
            is_unrecorded: Cell::default(),
            path,
        }
    }

    /// A bookmark of this object, of which everything else is given.
    #[cfg(test)]
    pub(super) fn tag_of(&self, position: &str) -> String {
        format!("{position}-{}", self.tag)
    }

    fn is_kept(&self) -> bool {
        self.kept.is_some() && !self.is_unrecorded.get()
    }

    /// The storage is being opened, and its files were there: if no history was kept until now, it begins here.
    ///
    /// # Errors
    /// The disk fails.
    pub(super) fn begin(&self, object: &str) -> Result<()> {
        let unrecorded = self.unrecorded_path();
        if self.kept.is_none() || !self.disk().exists(&unrecorded).map_err(disk_failed)? {
            return Ok(());
        }
        let log = self.log()?;
        if !log.frames().is_empty() {
            let gap = Draft {
                files: &self.files,
                log: &log,
                ended: self.now_millis(),
                marks: Vec::new(),
                older: None,
                lost: 0,
            };
            if !self.put_away(object, &gap, Extent::Gap)? {
                self.is_unrecorded.set(true); // no room: as without a history, for this time
                return Ok(());
            }
        }
        self.disk().delete(&unrecorded).map_err(disk_failed)
    }

    /// Notes that the database will have what the log holds, and that nothing else tells so. Returns whether there was room for it.
    fn note_unrecorded(&self) -> Result<bool> {
        if self.is_unrecorded.get() {
            return Ok(true);
        }
        let file = match OpenFile::open(self.disk(), &self.unrecorded_path()) {
            Ok(file) => file,
            Err(DiskError::Full) => return Ok(false),
            Err(error) => return Err(disk_failed(error)),
        };
        self.disk().barrier(file.id).map_err(disk_failed)?;
        self.is_unrecorded.set(true);
        Ok(true)
    }

    fn disk(&self) -> &Rc<dyn Disk> {
        self.files.disk()
    }

    fn now_millis(&self) -> i64 {
        self.clock.wall().as_millis()
    }

    fn segments_prefix(&self) -> String {
        format!("{}-history-", self.path)
    }

    fn segment_path(&self, generation: u32) -> String {
        format!("{}{generation:08x}", self.segments_prefix())
    }

    /// A segment that is being written.
    fn unfinished_path(&self) -> String {
        format!("{}new", self.segments_prefix())
    }

    /// Is there if a log was moved into the database while no history was kept.
    fn unrecorded_path(&self) -> String {
        format!("{}off", self.segments_prefix())
    }

    fn times_path(&self) -> String {
        format!("{}-times", self.path)
    }

    /// The log as it stands.
    fn log(&self) -> Result<RefMut<'_, Log>> {
        let mut log = self.log.borrow_mut();
        log.read_on(&**self.disk(), self.files.log_id())
            .map_err(disk_failed)?;
        Ok(log)
    }

    /// The segments that are there, from the oldest on.
    fn segments(&self) -> Result<RefMut<'_, Vec<Known>>> {
        let mut segments = self.segments.borrow_mut();
        if segments.is_none() {
            *segments = Some(self.look_for_segments()?);
        }
        Ok(RefMut::map(segments, |segments| {
            segments.get_or_insert_default()
        }))
    }

    fn look_for_segments(&self) -> Result<Vec<Known>> {
        let prefix = self.segments_prefix();
        let mut found = Vec::new();
        for path in self.disk().list(&prefix).map_err(disk_failed)? {
            let generation = path.strip_prefix(&prefix).unwrap_or_default();
            let Ok(generation) = u32::from_str_radix(generation, 16) else {
                continue; // one that was never finished
            };
            let segment = match Segment::open(self.disk(), &path) {
                Ok(segment) => Some(segment),
                Err(error) if error == damaged() => None,
                Err(error) => return Err(error), // it may be whole
            };
            found.push(Known {
                generation,
                bytes: segment.as_ref().map_or(0, Segment::bytes),
                leads_back: segment.as_ref().is_some_and(|segment| segment.reaches(0)),
                ended: segment.map(|segment| segment.contents.ended),
            });
        }
        Ok(found)
    }

    /// The segment of a generation; `None` if there is none.
    fn segment(&self, generation: u32) -> Result<Option<Segment>> {
        let path = self.segment_path(generation);
        if !self.disk().exists(&path).map_err(disk_failed)? {
            return Ok(None);
        }
        Segment::open(self.disk(), &path).map(Some)
    }

    /// A commit was made. Its time is noted, at most once in a second; that it is not only makes times less exact.
    pub(super) fn note_commit(&self) {
        let now = self.now_millis();
        if !self.is_kept() || !self.times.is_due(now) {
            return;
        }
        let Ok(log) = self.log() else { return };
        let Some(frame) = log.frames().last() else {
            return;
        };
        let mark = Mark {
            at: now,
            position: log.position(),
            checksum: frame.checksum,
        };
        let _ = self.times.add(self.disk(), mark); // see above
    }

    /// The log is about to be moved into the database: puts it away, durably. Nothing that it names is overwritten before. Returns whether
    /// the log may be moved: not if there is no room for what must be kept.
    ///
    /// # Errors
    /// The disk fails.
    pub(super) fn before_checkpoint(&self, object: &str, armed: Option<Position>) -> Result<bool> {
        let Some(limit) = self.kept.filter(|_| self.is_kept()) else {
            return self.note_unrecorded();
        };
        let log = self.log()?;
        let generation = log.generation();
        if log.frames().is_empty() {
            return Ok(true);
        }
        let all = log.position().frame;
        let (older, lost) = match self.segment(generation) {
            Ok(Some(gap)) if gap.is_gap() => (None, gap.contents.lost),
            Ok(older) => {
                let lost = older.as_ref().map_or(0, |older| older.contents.lost);
                (older, lost)
            }
            // It is damaged, and what its checkpoint overwrote is lost: nothing can go back before this point any more.
            Err(error) if error == damaged() => (None, all),
            Err(error) => return Err(error),
        };
        let marks = self.marks_of_log(&log, older.as_ref())?;
        let draft = Draft {
            files: &self.files,
            log: &log,
            ended: self.now_millis(),
            marks,
            older,
            lost,
        };
        let extent = if lost == all {
            Extent::Gap
        } else if armed.is_some_and(|armed| armed.generation <= generation) {
            draft.fits(u64::MAX)?
        } else {
            draft.fits(limit.bytes_max)?
        };
        let is_put_away = self.put_away(object, &draft, extent)?;
        if !is_put_away {
            point!("checkpoint_postponed", object = object);
        }
        Ok(is_put_away)
    }

    /// Makes a segment of a draft, durably, in place of a former one. Returns whether there was room for it.
    fn put_away(&self, object: &str, draft: &Draft<'_>, extent: Extent) -> Result<bool> {
        let generation = draft.log.generation();
        // Under another name at first: the segment that it may replace is the only place that has what it holds.
        let unfinished = self.unfinished_path();
        let (file, bytes) = match draft.write(&unfinished, extent) {
            Ok(written) => written,
            Err(DraftError::Failed(error)) => return Err(error),
            Err(DraftError::Full) => {
                if self.disk().exists(&unfinished).map_err(disk_failed)? {
                    self.disk().delete(&unfinished).map_err(disk_failed)?; // the log may need the room
                }
                return Ok(false);
            }
        };
        point!("history_segment", object = object, generation = generation);
        self.disk().barrier(file.id).map_err(disk_failed)?;
        drop(file);
        self.disk()
            .rename(&unfinished, &self.segment_path(generation))
            .map_err(disk_failed)?;
        let mut segments = self.segments()?;
        segments.retain(|known| known.generation != generation);
        segments.push(Known {
            generation,
            bytes,
            ended: Some(draft.ended),
            leads_back: extent == Extent::Whole && draft.lost == 0,
        });
        Ok(true)
    }

    /// The log was moved into the database. Lets go what is too old or too much, but nothing that the restore needs that is `armed`.
    /// What cannot be deleted now can be the next time.
    pub(super) fn after_checkpoint(&self, armed: Option<Position>) {
        let Some(kept) = self.kept.filter(|_| self.is_kept()) else {
            if armed.is_none() {
                let _ = self.delete_everything();
            }
            return;
        };
        let _ = self.times.clear(self.disk()); // if it stays, no harm is done: the marks name their generation
        let window = i64::try_from(kept.window.as_millis()).unwrap_or(i64::MAX);
        let begin = self.now_millis().saturating_sub(window);
        let sum = |segments: RefMut<'_, Vec<Known>>| {
            let bytes = segments.iter().map(|known| known.bytes).sum::<u64>();
            let end = segments.iter().rfind(|known| !known.leads_back);
            let newest = segments.last();
            (
                bytes,
                end.map(|end| end.generation),
                newest.map(|newest| newest.generation),
            )
        };
        let Ok((mut bytes, end, newest)) = self.segments().map(sum) else {
            return;
        };
        let _ = self.delete_segments(|known| {
            let is_armed = armed.is_some_and(|armed| known.generation >= armed.generation);
            let is_old = known.ended.is_none_or(|ended| ended < begin)
                || end.is_some_and(|end| known.generation < end);
            // The log may go on after the one that was just written, and then it tells what of the log is in the database.
            let is_newest = Some(known.generation) == newest;
            let goes = !is_armed && !is_newest && (is_old || bytes > kept.bytes_max);
            if goes {
                bytes -= known.bytes;
            }
            goes
        });
    }

    /// Nothing is to be kept any more.
    fn delete_everything(&self) -> Result<()> {
        self.delete_segments(|_| true)?;
        for path in [self.unfinished_path(), self.times_path()] {
            if self.disk().exists(&path).map_err(disk_failed)? {
                self.disk().delete(&path).map_err(disk_failed)?;
            }
        }
        Ok(())
    }

    /// Deletes segments from the oldest on, until one is to stay.
    fn delete_segments(&self, mut goes: impl FnMut(&Known) -> bool) -> Result<()> {
        let mut segments = self.segments()?;
        while let Some(oldest) = segments.first()
            && goes(oldest)
        {
            self.disk()
                .delete(&self.segment_path(oldest.generation))
                .map_err(disk_failed)?;
            segments.remove(0);
        }
        Ok(())
    }

    /// The marks of the log's commits, also of those that a segment of the same generation has already.
    fn marks_of_log(&self, log: &Log, segment: Option<&Segment>) -> Result<Vec<Mark>> {
        let mut marks = segment.map_or_else(Vec::new, |segment| segment.contents.marks.clone());
        let newer = self
            .times
            .of(self.disk(), log.generation(), log.frames())
            .map_err(disk_failed)?;
        marks.extend(newer);
        marks.retain(|mark| mark.fits(log.generation(), log.frames()));
        marks.sort_by_key(|mark| mark.position);
        marks.dedup_by_key(|mark| mark.position);
        Ok(marks)
    }
}
