//! A segment: one generation of the log, kept when the log begins anew, and what is needed to go back before it.
//!
//! A file of its own beside the database, written before the checkpoint overwrites anything in it:
//! - the *contents*: which generation, from when to when, the size of the database before it, and the list of what follows;
//! - the pages of the database as they were before the generation, of all that its checkpoint overwrites or cuts off;
//! - the pages of the generation's frames, in their order.
//!
//! The contents carry a digest of themselves and one of the pages. A segment gets its name when it is whole and durable, so one that
//! is not whole is damaged, and is never taken for less than it was.
//!
//! A generation that is too large to be kept leaves a segment without pages, a *gap*. Without it nobody could tell from the log alone that
//! the database has what the log holds already: an early commit of the log played over it would give a mixture of two states. If the
//! log goes on after that, its later commits can be kept: the segment then leads back to where the gap ended, and no further.

use std::{collections::BTreeMap, rc::Rc};

use sha2::{Digest as _, Sha256};

use super::{
    PAGE_BYTES,
    times::Mark,
    wal::{Frame, Log, page_offset},
};
use crate::{
    Error, Result,
    platform::{Disk, DiskError},
    storage::sqlite::{ObjectFiles, OpenFile},
};

/// The first bytes of every segment; the last one is the version of the format.
const MAGIC: [u8; 8] = *b"dormhis\x02";

/// Magic and the length of the contents.
const PREFIX_BYTES: usize = 16;
const DIGEST_BYTES: usize = 32;
/// What the contents say of a frame.
const FRAME_BYTES: usize = 16;

/// What a segment says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) generation: u32,
    /// When the generation ended, in milliseconds since the epoch.
    pub(super) ended: i64,
    /// The size of the database before the generation, in pages.
    pub(super) pages_before: u32,
    /// There is no way back to before this frame: what the frames up to it overwrote was not kept. 0 if there is one.
    pub(super) lost: u32,
    /// The pages that are kept as they were before the generation, in ascending order.
    pub(super) before: Vec<u32>,
    pub(super) frames: Vec<Frame>,
    pub(super) marks: Vec<Mark>,
    pages_digest: [u8; DIGEST_BYTES],
}

/// An open segment.
pub(super) struct Segment {
    pub(super) contents: Contents,
    file: OpenFile,
    pages_at: u64,
}

/// What becomes a segment.
pub(super) struct Draft<'a> {
    pub(super) files: &'a Rc<ObjectFiles>,
    pub(super) log: &'a Log,
    pub(super) ended: i64,
    pub(super) marks: Vec<Mark>,
    /// The segment of the same generation that is there already: a checkpoint of it had begun, and the process died, or nothing
    /// was committed after it. What it holds is older than what the database file holds now. A gap holds nothing, and is none.
    pub(super) older: Option<Segment>,
    /// How much a segment of the same generation has lost.
    pub(super) lost: u32,
}

/// Why a segment was not written.
pub(super) enum DraftError {
    /// There is no room for it.
    Full,
    Failed(Error),
}

impl From<Error> for DraftError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<DiskError> for DraftError {
    fn from(error: DiskError) -> Self {
        match error {
            DiskError::Full => Self::Full,
            error => Self::Failed(disk_failed(error)),
        }
    }
}

/// What a draft holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Everything that going back takes.
    Whole,
    /// Nothing but that there was something.
    Gap,
}

impl Segment {
    /// Opens a segment and reads what it says about itself.
    ///
    /// # Errors
    /// It is damaged, or the disk fails.
    pub(super) fn open(disk: &Rc<dyn Disk>, path: &str) -> Result<Self> {
        let file = OpenFile::open(disk, path).map_err(disk_failed)?;
        let mut prefix = [0; PREFIX_BYTES];
        read_exact(&file, &mut prefix, 0)?;
        let file_len = disk.len(file.id).map_err(disk_failed)?;
        let len = u64::from_le_bytes(array(&prefix[8..])?);
        if prefix[..8] != MAGIC || len > file_len {
            return Err(damaged());
        }
        let len = usize::try_from(len).map_err(|_| damaged())?;
        let mut bytes = vec![0; len + DIGEST_BYTES];
        read_exact(&file, &mut bytes, PREFIX_BYTES as u64)?;
        let (bytes, digest) = bytes.split_at(len);
        if digest_of_contents(bytes)[..] != *digest {
            return Err(damaged());
        }
        let contents = Contents::of_bytes(bytes).ok_or_else(damaged)?;
        let pages_at = pages_at(len);
        let segment = Self {
            contents,
            file,
            pages_at,
        };
        if file_len == segment.bytes() {
            Ok(segment)
        } else {
            Err(damaged())
        }
    }

    /// Its length.
    pub(super) fn bytes(&self) -> u64 {
        let pages = self.contents.before.len() + self.contents.frames.len();
        self.pages_at + (pages * PAGE_BYTES) as u64
    }

    /// It tells only that the generation was not kept.
    pub(super) fn is_gap(&self) -> bool {
        self.contents.frames.is_empty()
    }

    /// There is a way back to this frame of the generation; with 0, to before it.
    pub(super) fn reaches(&self, frame: u32) -> bool {
        frame >= self.contents.lost
    }

    /// Reads all pages and compares them with their digest.
    ///
    /// # Errors
    /// They are damaged, or the disk fails.
    pub(super) fn check_pages(&self) -> Result<()> {
        let mut digest = Sha256::new();
        let mut page = [0; PAGE_BYTES];
        for index in 0..self.contents.before.len() + self.contents.frames.len() {
            self.read_page(index, &mut page)?;
            digest.update(page);
        }
        if digest.finalize()[..] == self.contents.pages_digest {
            Ok(())
        } else {
            Err(damaged())
        }
    }

    /// The page as it was before the generation that stands at `index` in the list of those.
    pub(super) fn read_before(&self, index: usize, page: &mut [u8]) -> Result<()> {
        self.read_page(index, page)
    }

    /// The page of the frame with this `index`, the first one having 0.
    pub(super) fn read_frame(&self, index: usize, page: &mut [u8]) -> Result<()> {
        self.read_page(self.contents.before.len() + index, page)
    }

    fn read_page(&self, index: usize, page: &mut [u8]) -> Result<()> {
        let at = self.pages_at + (index * PAGE_BYTES) as u64;
        read_exact(&self.file, page, at)
    }
}

impl Draft<'_> {
    /// What can be kept of the generation in so many bytes.
    ///
    /// # Errors
    /// The disk fails.
    pub(super) fn fits(&self, bytes_max: u64) -> Result<Extent> {
        let (contents, _) = self.contents(Extent::Whole)?;
        let pages = contents.before.len() + contents.frames.len();
        let bytes = pages_at(contents.to_bytes().len()) + (pages * PAGE_BYTES) as u64;
        Ok(if bytes <= bytes_max {
            Extent::Whole
        } else {
            Extent::Gap
        })
    }

    /// What the segment will say about itself, without the digest of its pages, and which pages of the database go into it.
    fn contents(&self, extent: Extent) -> Result<(Contents, BTreeMap<u32, Option<usize>>)> {
        let (pages_before, before) = self.pages_before()?;
        let whole = Contents {
            generation: self.log.generation(),
            ended: self.ended,
            pages_before,
            lost: self.lost,
            before: before.keys().copied().collect(),
            frames: self.log.frames().to_vec(),
            marks: self.marks.clone(),
            pages_digest: [0; DIGEST_BYTES],
        };
        Ok(match extent {
            Extent::Whole => (whole, before),
            Extent::Gap => {
                let gap = Contents {
                    lost: self.log.position().frame,
                    before: Vec::new(),
                    frames: Vec::new(),
                    marks: Vec::new(),
                    ..whole
                };
                (gap, BTreeMap::new())
            }
        })
    }

    /// Writes the segment to `path`, anew. It is not durable then. Returns the file and its length in bytes.
    ///
    /// # Errors
    /// The disk is full, or fails.
    pub(super) fn write(&self, path: &str, extent: Extent) -> Result<(OpenFile, u64), DraftError> {
        let disk = self.files.disk();
        let file = OpenFile::open(disk, path)?;
        disk.truncate(file.id, 0)?;
        let (mut contents, before) = self.contents(extent)?;
        let mut at = pages_at(contents.to_bytes().len());
        let mut digest = Sha256::new();
        let mut page = [0; PAGE_BYTES];
        let mut write = |page: &[u8]| -> Result<(), DiskError> {
            digest.update(page);
            disk.write_at(file.id, page, at)?;
            at += page.len() as u64;
            Ok(())
        };
        for (number, older) in before {
            if let (Some(index), Some(segment)) = (older, &self.older) {
                segment.read_before(index, &mut page)?;
            } else {
                let offset = u64::from(number - 1) * PAGE_BYTES as u64;
                if disk.read_at(self.files.database_id(), &mut page, offset)? < PAGE_BYTES {
                    return Err(Error::from("the database file ends within a page").into());
                }
            }
            write(&page)?;
        }
        for index in 0..contents.frames.len() {
            if disk.read_at(self.files.log_id(), &mut page, page_offset(index))? < PAGE_BYTES {
                return Err(Error::from("the log ends within a page").into());
            }
            write(&page)?;
        }
        contents.pages_digest = digest.finalize().into();
        let contents = contents.to_bytes();
        let head = [
            &MAGIC[..],
            &(contents.len() as u64).to_le_bytes(),
            &contents,
            &digest_of_contents(&contents),
        ];
        disk.write_at(file.id, &head.concat(), 0)?;
        Ok((file, at))
    }

    /// The size of the database before the generation in pages, and which of them must be kept: all that a checkpoint overwrites or cuts
    /// off. With each its place in the older segment, if it is there.
    fn pages_before(&self) -> Result<(u32, BTreeMap<u32, Option<usize>>)> {
        let mut kept = BTreeMap::new();
        let pages_before = if let Some(older) = &self.older {
            let before = older.contents.before.iter().copied();
            kept.extend(before.enumerate().map(|(index, page)| (page, Some(index))));
            older.contents.pages_before
        } else {
            let len = self.files.disk().len(self.files.database_id());
            u32::try_from(len.map_err(disk_failed)? / PAGE_BYTES as u64)
                .map_err(|_| Error::from("the database file is too long"))?
        };
        let frames = self.log.frames();
        let size = frames.last().map_or(pages_before, |frame| frame.commit);
        let cut_off = size.saturating_add(1)..=pages_before;
        for page in frames.iter().map(|frame| frame.page).chain(cut_off) {
            if page <= pages_before {
                kept.entry(page).or_insert(None);
            }
        }
        Ok((pages_before, kept))
    }
}

impl Contents {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.generation.to_le_bytes());
        bytes.extend(self.pages_before.to_le_bytes());
        bytes.extend(self.lost.to_le_bytes());
        bytes.extend(self.ended.to_le_bytes());
        bytes.extend(self.pages_digest);
        for len in [self.before.len(), self.frames.len(), self.marks.len()] {
            bytes.extend((len as u64).to_le_bytes());
        }
        for page in &self.before {
            bytes.extend(page.to_le_bytes());
        }
        for frame in &self.frames {
            // `FRAME_BYTES` of them
            bytes.extend(frame.page.to_le_bytes());
            bytes.extend(frame.commit.to_le_bytes());
            bytes.extend(frame.checksum.to_le_bytes());
        }
        for mark in &self.marks {
            bytes.extend(mark.to_bytes());
        }
        bytes
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let mut take = |len: usize| {
            let (piece, after) = rest.split_at_checked(len)?;
            rest = after;
            Some(piece)
        };
        let generation = u32::from_le_bytes(take(4)?.try_into().ok()?);
        let pages_before = u32::from_le_bytes(take(4)?.try_into().ok()?);
        let lost = u32::from_le_bytes(take(4)?.try_into().ok()?);
        let ended = i64::from_le_bytes(take(8)?.try_into().ok()?);
        let pages_digest = take(DIGEST_BYTES)?.try_into().ok()?;
        let mut lens = [0_usize; 3];
        for len in &mut lens {
            *len = usize::try_from(u64::from_le_bytes(take(8)?.try_into().ok()?)).ok()?;
        }
        let mut list = |len: usize, of_each: usize| take(len.checked_mul(of_each)?);
        let before = list(lens[0], 4)?
            .chunks_exact(4)
            .map(|page| page.try_into().ok().map(u32::from_le_bytes))
            .collect::<Option<_>>()?;
        let frames = list(lens[1], FRAME_BYTES)?
            .chunks_exact(FRAME_BYTES)
            .map(|frame| {
                Some(Frame {
                    page: u32::from_le_bytes(frame[..4].try_into().ok()?),
                    commit: u32::from_le_bytes(frame[4..8].try_into().ok()?),
                    checksum: u64::from_le_bytes(frame[8..].try_into().ok()?),
                })
            })
            .collect::<Option<_>>()?;
        let marks = list(lens[2], Mark::BYTES)?
            .chunks_exact(Mark::BYTES)
            .map(Mark::of_bytes)
            .collect::<Option<_>>()?;
        rest.is_empty().then_some(Self {
            generation,
            ended,
            pages_before,
            lost,
            before,
            frames,
            marks,
            pages_digest,
        })
    }
}

fn pages_at(contents_len: usize) -> u64 {
    (PREFIX_BYTES + contents_len + DIGEST_BYTES) as u64
}

fn digest_of_contents(bytes: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut digest = Sha256::new();
    digest.update(MAGIC);
    digest.update(bytes);
    digest.finalize().into()
}

fn read_exact(file: &OpenFile, out: &mut [u8], offset: u64) -> Result<()> {
    if file
        .disk
        .read_at(file.id, out, offset)
        .map_err(disk_failed)?
        == out.len()
    {
        Ok(())
    } else {
        Err(damaged())
    }
}

fn array<const LEN: usize>(bytes: &[u8]) -> Result<[u8; LEN]> {
    bytes.try_into().map_err(|_| damaged())
}

/// What a segment says that was changed since it was written.
pub(super) fn damaged() -> Error {
    Error::from("a part of the history is damaged")
}

#[expect(clippy::needless_pass_by_value, reason = "it is mapped over results")]
pub(super) fn disk_failed(error: DiskError) -> Error {
    Error::from(error.to_string())
}
