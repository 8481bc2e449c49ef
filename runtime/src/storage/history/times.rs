//! When commits were made: marks of time, at most one in a second.
//!
//! The marks of the log's current generation stand in a small file of their own; those of older ones in their segments. The file is never
//! synced by itself: a loss of power takes marks, and with them nothing but resolution. Each mark carries the checksum of its
//! frame, so one whose commit was lost is not taken for the time of the commit that came in its place.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use super::{bookmark::Position, wal::Frame};
use crate::{
    platform::{Disk, DiskError},
    storage::sqlite::OpenFile,
};

/// From one mark to the next, in milliseconds.
pub(super) const APART_MILLIS: i64 = 1000;

/// The time of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// In milliseconds since the epoch.
    pub(super) at: i64,
    pub(super) position: Position,
    /// Of the log up to the commit.
    pub(super) checksum: u64,
}

impl Mark {
    pub(super) const BYTES: usize = 24;

    pub(super) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.at.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.position.generation.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.position.frame.to_le_bytes());
        bytes[16..].copy_from_slice(&self.checksum.to_le_bytes());
        bytes
    }

    pub(super) fn of_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            at: i64::from_le_bytes(bytes.get(..8)?.try_into().ok()?),
            position: Position {
                generation: u32::from_le_bytes(bytes.get(8..12)?.try_into().ok()?),
                frame: u32::from_le_bytes(bytes.get(12..16)?.try_into().ok()?),
            },
            checksum: u64::from_le_bytes(bytes.get(16..24)?.try_into().ok()?),
        })
    }

    /// It tells the time of a commit of this log.
    pub(super) fn fits(&self, generation: u32, frames: &[Frame]) -> bool {
        let frame = (self.position.frame as usize).checked_sub(1);
        self.position.generation == generation
            && frame
                .and_then(|frame| frames.get(frame))
                .is_some_and(|frame| frame.checksum == self.checksum && frame.commit != 0)
    }
}

/// The file of marks.
pub(super) struct Times {
    path: String,
    file: RefCell<Option<OpenFile>>,
    /// When the last mark was made in this activation and generation.
    last: Cell<Option<i64>>,
}

impl Times {
    pub(super) fn new(path: String) -> Self {
        Self {
            path,
            file: RefCell::default(),
            last: Cell::default(),
        }
    }

    /// Whether a commit made `now` gets a mark.
    pub(super) fn is_due(&self, now: i64) -> bool {
        self.last
            .get()
            .is_none_or(|last| now - last >= APART_MILLIS)
    }

    /// Adds a mark.
    ///
    /// # Errors
    /// Of the disk.
    pub(super) fn add(&self, disk: &Rc<dyn Disk>, mark: Mark) -> Result<(), DiskError> {
        self.last.set(Some(mark.at));
        self.with_file(disk, |file| {
            let end = disk.len(file.id)?;
            let end = end - end % Mark::BYTES as u64;
            disk.write_at(file.id, &mark.to_bytes(), end)
        })
    }

    /// The marks of a generation, in the order of its commits.
    ///
    /// # Errors
    /// Of the disk.
    pub(super) fn of(
        &self,
        disk: &Rc<dyn Disk>,
        generation: u32,
        frames: &[Frame],
    ) -> Result<Vec<Mark>, DiskError> {
        if !disk.exists(&self.path)? {
            return Ok(Vec::new());
        }
        let mut bytes = Vec::new();
        self.with_file(disk, |file| {
            let len = usize::try_from(disk.len(file.id)?).unwrap_or(0);
            bytes.resize(len, 0);
            let read = disk.read_at(file.id, &mut bytes, 0)?;
            bytes.truncate(read);
            Ok(())
        })?;
        let mut marks: Vec<Mark> = bytes
            .chunks_exact(Mark::BYTES)
            .filter_map(Mark::of_bytes)
            .filter(|mark| mark.fits(generation, frames))
            .collect();
        marks.sort_by_key(|mark| mark.position);
        marks.dedup_by_key(|mark| mark.position);
        Ok(marks)
    }

    /// The generation is over: its marks are in a segment.
    ///
    /// # Errors
    /// Of the disk.
    pub(super) fn clear(&self, disk: &Rc<dyn Disk>) -> Result<(), DiskError> {
        self.last.set(None);
        if !disk.exists(&self.path)? {
            return Ok(());
        }
        self.with_file(disk, |file| disk.truncate(file.id, 0))
    }

    fn with_file<T>(
        &self,
        disk: &Rc<dyn Disk>,
        f: impl FnOnce(&OpenFile) -> Result<T, DiskError>,
    ) -> Result<T, DiskError> {
        let mut file = self.file.borrow_mut();
        let file = match &mut *file {
            Some(file) => file,
            file => file.insert(OpenFile::open(disk, &self.path)?),
        };
        f(file)
    }
}
