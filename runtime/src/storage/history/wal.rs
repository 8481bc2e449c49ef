//! A reader of SQLite's write-ahead log, as its file format documents it.
//!
//! A header of 32 bytes, then frames: 24 bytes of header and a page each. Each frame carries the salts of the log's header and a checksum
//! over everything before it, so what is left of an older generation does not count, and neither does anything after a torn frame.
//! What counts are the frames up to the last commit.

use super::{PAGE_BYTES, bookmark::Position};
use crate::{
    platform::{Disk, DiskError, FileId},
    storage::sqlite::{HEADER_BYTES, LogHeader},
};

const FRAME_HEADER_BYTES: usize = 24;
const FRAME_BYTES: usize = FRAME_HEADER_BYTES + PAGE_BYTES;

/// One frame of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Which page it holds, counted from 1.
    pub(super) page: u32,
    /// The size of the database in pages, if a commit ends here; else 0.
    pub(super) commit: u32,
    /// Over the log up to its end: tells it from a frame of the same number that a loss of power took.
    pub(super) checksum: u64,
}

/// The committed part of a log.
#[derive(Default)]
pub(super) struct Log {
    header: Option<LogHeader>,
    frames: Vec<Frame>,
}

impl Log {
    /// Reads what was committed since the last time; everything, if the log has begun anew.
    ///
    /// # Errors
    /// Of the disk.
    pub(super) fn read_on(&mut self, disk: &dyn Disk, file: FileId) -> Result<(), DiskError> {
        let header = LogHeader::read(disk, file)?
            .filter(|header| header.page_bytes() as usize == PAGE_BYTES);
        if header != self.header {
            self.header = header;
            self.frames.clear();
        }
        let Some(header) = header else { return Ok(()) };
        let mut checksum = match self.frames.last() {
            Some(frame) => frame.checksum,
            None => header.sums(),
        };
        let committed = self.frames.len();
        let mut end = committed;
        let mut bytes = vec![0; FRAME_BYTES];
        loop {
            let at = frame_offset(self.frames.len());
            if disk.read_at(file, &mut bytes, at)? < FRAME_BYTES || bytes[8..16] != *header.salts()
            {
                break;
            }
            checksum = header.sums_over(&bytes[..8], checksum);
            checksum = header.sums_over(&bytes[FRAME_HEADER_BYTES..], checksum);
            let stated = u64::from(number(&bytes, 16)) << 32 | u64::from(number(&bytes, 20));
            let frame = Frame {
                page: number(&bytes, 0),
                commit: number(&bytes, 4),
                checksum,
            };
            if stated != checksum || frame.page == 0 {
                break;
            }
            self.frames.push(frame);
            if frame.commit != 0 {
                end = self.frames.len();
            }
        }
        self.frames.truncate(end);
        Ok(())
    }

    /// How often the log had begun anew when this part of it began.
    pub(super) fn generation(&self) -> u32 {
        self.header.map_or(0, LogHeader::times_begun_anew)
    }

    /// The committed frames.
    pub(super) fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// The last commit.
    pub(super) fn position(&self) -> Position {
        Position {
            generation: self.generation(),
            frame: u32::try_from(self.frames.len()).unwrap_or(u32::MAX),
        }
    }
}

/// Where in the log the page of a frame begins, the first frame having `index` 0.
pub(super) fn page_offset(index: usize) -> u64 {
    frame_offset(index) + FRAME_HEADER_BYTES as u64
}

fn frame_offset(index: usize) -> u64 {
    HEADER_BYTES as u64 + index as u64 * FRAME_BYTES as u64
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
