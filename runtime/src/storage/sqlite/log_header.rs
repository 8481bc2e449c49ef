//! The header of a write-ahead log, as SQLite's file format documents it, and the sums that it and the frames carry.
//!
//! After a checkpoint SQLite leaves the old header, and writes the new one with the next commit. An object that sleeps before it commits again would never get
//! there: each activation would find the old log whole, append to it, and move all of it once more. So we write the header at the checkpoint.

use crate::platform::{Disk, DiskError, FileId};

/// How long a header is.
pub(crate) const HEADER_BYTES: usize = 32;

/// The first number of a log; its last bit tells the order of bytes in which sums are computed.
pub(crate) const MAGIC: u32 = 0x377f_0682;

/// Where in the header the sums stand, which are over everything before them.
const SUMS_AT: usize = 24;

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogHeader(pub(crate) [u8; HEADER_BYTES]);

impl LogHeader {
    /// Reads the header of a log; `None` if there is none, or none that is whole.
    ///
    /// # Errors
    /// Of the disk.
    pub(crate) fn read(disk: &dyn Disk, log: FileId) -> Result<Option<Self>, DiskError> {
        let mut bytes = [0; HEADER_BYTES];
        let read = disk.read_at(log, &mut bytes, 0)?;
        let header = Self(bytes);
        Ok((read == HEADER_BYTES && header.is_valid()).then_some(header))
    }

    fn is_valid(self) -> bool {
        self.number(0) & !1 == MAGIC && self.sums_of_contents() == self.sums()
    }

    /// How often the log had begun anew when this part of it began.
    pub(crate) fn times_begun_anew(self) -> u32 {
        self.number(12)
    }

    /// For how large pages it is.
    pub(crate) fn page_bytes(self) -> u32 {
        self.number(8)
    }

    /// Two numbers that every frame of this part of the log carries too.
    pub(crate) fn salts(&self) -> &[u8] {
        &self.0[16..SUMS_AT]
    }

    /// The sums of the header, which go on in the first frame.
    pub(crate) fn sums(self) -> u64 {
        u64::from(self.number(SUMS_AT)) << 32 | u64::from(self.number(SUMS_AT + 4))
    }

    /// Goes on with `sums` over `bytes`, in this log's order of bytes.
    pub(crate) fn sums_over(self, bytes: &[u8], sums: u64) -> u64 {
        sums_over(bytes, sums, self.number(0) & 1 == 1)
    }

    /// The header with which the log begins anew: as SQLite makes it, but for the second salt, which it draws. The first one alone tells the frames
    /// of the log before.
    fn of_next(self) -> Self {
        let mut next = self;
        for at in [12, 16] {
            let number = self.number(at).wrapping_add(1);
            next.0[at..at + 4].copy_from_slice(&number.to_be_bytes());
        }
        let sums = next.sums_of_contents();
        next.0[SUMS_AT..].copy_from_slice(&sums.to_be_bytes());
        next
    }

    fn sums_of_contents(self) -> u64 {
        self.sums_over(&self.0[..SUMS_AT], 0)
    }

    fn number(self, at: usize) -> u32 {
        u32::from_be_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }
}

/// Has a log begin anew. Everything in it must be in the database, durably.
///
/// # Errors
/// Of the disk.
pub(super) fn begin_anew(disk: &dyn Disk, log: FileId) -> Result<(), DiskError> {
    match LogHeader::read(disk, log)? {
        Some(header) => disk.write_at(log, &header.of_next().0, 0),
        None => Ok(()), // it is empty
    }
}

/// SQLite's checksum, continued: two sums, each of which takes in every second word and the other one.
fn sums_over(bytes: &[u8], sums: u64, big_endian: bool) -> u64 {
    let [mut first, mut second] = [sums >> 32, sums & 0xffff_ffff].map(low_half);
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
