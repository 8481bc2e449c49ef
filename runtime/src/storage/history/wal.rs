//! A reader of SQLite's write-ahead log, as its file format documents it.
//!
//! A header of 32 bytes, then frames: 24 bytes of header and a page each. Each frame carries the salts of the log's header and a checksum
//! over everything before it, so what is left of an older generation does not count, and neither does anything after a torn frame.
//! What counts are the frames up to the last commit.

use crate::platform::{Disk, DiskError, FileId};

use super::{PAGE_BYTES, bookmark::Position};

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
const FRAME_BYTES: usize = FRAME_HEADER_BYTES + PAGE_BYTES;

/// The log's first number; its last bit tells the order of bytes in which checksums are computed.
const MAGIC: u32 = 0x377f_0682;

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
    header: Option<[u8; HEADER_BYTES]>,
    frames: Vec<Frame>,
}

impl Log {
    /// Reads what was committed since the last time; everything, if the log has begun anew.
    ///
    /// # Errors
    /// Of the disk.
    pub(super) fn read_on(&mut self, disk: &dyn Disk, file: FileId) -> Result<(), DiskError> {
        let mut header = [0; HEADER_BYTES];
        let read = disk.read_at(file, &mut header, 0)?;
        let header = (read == HEADER_BYTES && header_is_valid(&header)).then_some(header);
        if header != self.header {
            self.header = header;
            self.frames.clear();
        }
        let Some(header) = header else { return Ok(()) };
        let mut checksum = match self.frames.last() {
            Some(frame) => frame.checksum,
            None => u64::from(number(&header, 24)) << 32 | u64::from(number(&header, 28)),
        };
        let committed = self.frames.len();
        let mut end = committed;
        let mut bytes = vec![0; FRAME_BYTES];
        loop {
            let at = frame_offset(self.frames.len());
            if disk.read_at(file, &mut bytes, at)? < FRAME_BYTES || bytes[8..16] != header[16..24] {
                break;
            }
            let big_endian = number(&header, 0) & 1 == 1;
            checksum = checksum_over(&bytes[..8], checksum, big_endian);
            checksum = checksum_over(&bytes[FRAME_HEADER_BYTES..], checksum, big_endian);
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
        self.header.map_or(0, |header| number(&header, 12))
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

fn header_is_valid(header: &[u8; HEADER_BYTES]) -> bool {
    let magic = number(header, 0);
    let stated = u64::from(number(header, 24)) << 32 | u64::from(number(header, 28));
    magic & !1 == MAGIC
        && number(header, 8) as usize == PAGE_BYTES
        && checksum_over(&header[..24], 0, magic & 1 == 1) == stated
}

/// SQLite's checksum, continued: two sums, each of which takes in every second word and the other one.
fn checksum_over(bytes: &[u8], checksum: u64, big_endian: bool) -> u64 {
    let [mut first, mut second] = [checksum >> 32, checksum & 0xffff_ffff].map(low_half);
    let word = |bytes: &[u8]| {
        let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
        if big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    };
    for words in bytes.chunks_exact(8) {
        first = first.wrapping_add(word(words)).wrapping_add(second);
        second = second.wrapping_add(word(&words[4..])).wrapping_add(first);
    }
    u64::from(first) << 32 | u64::from(second)
}

#[expect(clippy::cast_possible_truncation, reason = "the half is meant")]
fn low_half(number: u64) -> u32 {
    number as u32
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
