//! The scheduler's durable index: which object is to be woken when.
//!
//! A file that grows by one record for each change and is written anew when it has grown long; in memory it is a map. Losing a record of an
//! alarm that was confirmed means that the alarm never fires, so the file must not be read wrongly either:
//!
//! - The file is only ever replaced as a whole, synced before it gets its name. So its first part, the *snapshot*, is intact or the disk has
//!   damaged it, and then the node does not start: with an index that says nothing, alarms would be silently lost.
//! - Behind it stand the records written since. After a loss of power the unsynced ones among them may be missing, torn, or there with a hole
//!   before them. Reading ends at the first that is not intact. But each record names how much was durable when it was written; if one
//!   behind the hole says that the hole was durable, it is no hole but damage.
//! - Each record's checksum covers its place and the file's own random number: nothing old can pass for something new.
//! - At its start a node writes the file anew. What a former process left unsynced is durable then, and nothing that was cut off ever comes back.
//!
//! A failed sync says nothing about what is durable, and a second one proves nothing: the file is written anew from memory.
//!
//! In: [`Index::put`]. Out: [`Index::durable`], one sync for all changes before it; and the rows at the start.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    rc::{Rc, Weak},
};

use futures_channel::oneshot;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    mutation::Mutation,
    platform::{Disk, DiskError, Entropy, FileId, LocalBoxFuture, OpenMode, Spawn, WallTime},
};

const FILE: &str = "alarms.log";
/// The file before it has its name.
const FILE_NEXT: &str = "alarms.log.next";

const MAGIC: [u8; 8] = *b"DM_ALARM";
const FORMAT: u32 = 1;
/// Magic, format, file number, end of the snapshot, checksum.
const HEADER_BYTES: usize = 8 + 4 + 8 + 8 + CHECKSUM_BYTES;
const CHECKSUM_BYTES: usize = 8;
/// Length and checksum.
const FRAME_BYTES: usize = 4 + CHECKSUM_BYTES;
/// A class's name, an id and an object's name of at most 1 KiB: far less than this.
const RECORD_BYTES_MAX: usize = 16 << 10;

/// Whose alarm it is: an object's class and the bytes of its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) class: Rc<str>,
    pub(crate) id: [u8; 32],
}

/// When an object is to be woken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) at: WallTime,
    /// So that the object knows its name when it wakes up.
    pub(super) name: Option<Rc<str>>,
}

/// Why the index cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AlarmIndexError {
    /// It was durable, and is not what it was.
    #[error(
        "the index of alarms ({FILE}) is damaged at byte {offset}: restore it from a copy; or delete it, and every alarm is lost that its object \
         does not set again"
    )]
    Damaged {
        /// Where.
        offset: usize,
    },
    /// Another version of the program wrote it.
    #[error(
        "the index of alarms ({FILE}) has format {found}, this version reads format {FORMAT}: run the node with the version that wrote it"
    )]
    OtherFormat {
        /// The format that it names.
        found: u32,
    },
    /// The disk refused.
    #[error("cannot read the index of alarms ({FILE}): {0}")]
    Disk(#[from] DiskError),
}

/// The index, in memory and on the disk.
pub(super) struct Index {
    disk: Rc<dyn Disk>,
    entropy: Rc<dyn Entropy>,
    spawn: Rc<dyn Spawn>,
    /// From how many bytes behind the snapshot on the file is written anew.
    tail_bytes_max: usize,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    rows: BTreeMap<Key, Stored>,
    /// `None` before the first change of a new node, and after a failure: the next change writes the file anew.
    file: Option<Log>,
    waiting: Vec<Waiting>,
    is_syncing: bool,
}

struct Waiting {
    end: usize,
    done: oneshot::Sender<Result<(), DiskError>>,
}

/// The file as it is written.
#[derive(Clone, Copy)]
struct Log {
    file: FileId,
    /// Tells this file from those that had its name before.
    number: u64,
    snapshot_end: usize,
    end: usize,
    durable: usize,
}

/// One change.
#[derive(Serialize, Deserialize)]
struct Record<Text> {
    #[serde(rename = "c")]
    class: Text,
    #[serde(rename = "i")]
    id: [u8; 32],
    /// Milliseconds since the epoch; nothing if the object is not to be woken.
    #[serde(rename = "a")]
    at: Option<i64>,
    #[serde(rename = "n")]
    name: Option<Text>,
    /// How many bytes of the file were durable.
    #[serde(rename = "d")]
    durable: u64,
}

impl Index {
    /// Reads the index of the node whose disk this is, and makes what it says durable. A new node has none.
    ///
    /// # Errors
    /// It is damaged or of another version; the disk's. Nothing is changed then.
    pub(super) fn open(
        disk: &Rc<dyn Disk>,
        entropy: &Rc<dyn Entropy>,
        spawn: &Rc<dyn Spawn>,
        tail_bytes_max: usize,
    ) -> Result<Rc<Self>, AlarmIndexError> {
        let index = Self {
            disk: Rc::clone(disk),
            entropy: Rc::clone(entropy),
            spawn: Rc::clone(spawn),
            tail_bytes_max,
            state: RefCell::default(),
        };
        if disk.exists(FILE)? {
            index.state.borrow_mut().rows = read(&index.bytes()?)?;
            index.write_anew()?;
        }
        Ok(Rc::new(index))
    }

    fn bytes(&self) -> Result<Vec<u8>, DiskError> {
        let file = self.disk.open(FILE, OpenMode::Existing)?;
        let bytes = self.disk.len(file).and_then(|len| {
            let len = usize::try_from(len)
                .map_err(|_| DiskError::Io("the file does not fit into memory".to_owned()))?;
            let mut bytes = vec![0; len];
            let read = self.disk.read_at(file, &mut bytes, 0)?;
            bytes.truncate(read);
            Ok(bytes)
        });
        self.disk.close(file);
        bytes
    }

    /// Every row there is, in the order of classes and ids.
    pub(super) fn rows(&self) -> Vec<(Key, Stored)> {
        let state = self.state.borrow();
        let rows = state.rows.iter();
        rows.map(|(key, row)| (key.clone(), row.clone())).collect()
    }

    /// Changes a row; `at` is `None` to remove it. A row keeps its name if the change has none. It is so at once, and durable when a call
    /// of [`durable`](Self::durable) made after it says so.
    ///
    /// # Errors
    /// The disk's; nothing has changed then.
    pub(super) fn put(
        &self,
        key: &Key,
        at: Option<WallTime>,
        name: Option<Rc<str>>,
    ) -> Result<(), DiskError> {
        let mut state = self.state.borrow_mut();
        let before = state.rows.get(key).cloned();
        let after = at.map(|at| Stored {
            at,
            name: name.or_else(|| before.as_ref().and_then(|row| row.name.clone())),
        });
        if before == after {
            return Ok(());
        }
        let Some(log) = state.file else {
            set(&mut state.rows, key, after);
            drop(state);
            return self
                .write_anew()
                .inspect_err(|_| set(&mut self.state.borrow_mut().rows, key, before));
        };
        let frame = frame(&log, log.end, key, after.as_ref());
        self.disk.write_at(log.file, &frame, log.end as u64)?;
        set(&mut state.rows, key, after);
        let end = log.end + frame.len();
        state.file = Some(Log { end, ..log });
        drop(state);
        if end - log.snapshot_end > self.tail_bytes_max.max(log.snapshot_end) {
            let _ = self.write_anew(); // if it cannot be now, it can later: nothing is lost
        }
        Ok(())
    }

    /// Completes when every change made before the call is durable.
    pub(super) fn durable(self: &Rc<Self>) -> LocalBoxFuture<'static, Result<(), DiskError>> {
        if Mutation::AlarmIndexNotSynced.is_active() {
            return Box::pin(std::future::ready(Ok(())));
        }
        let mut state = self.state.borrow_mut();
        let Some(log) = state.file else {
            // Nothing was ever written; after a failure the change before this call has written everything anew.
            return Box::pin(std::future::ready(Ok(())));
        };
        if log.durable >= log.end {
            return Box::pin(std::future::ready(Ok(())));
        }
        let (done, durable) = oneshot::channel();
        state.waiting.push(Waiting { end: log.end, done });
        if !state.is_syncing {
            state.is_syncing = true;
            drop(state);
            self.spawn
                .spawn(Box::pin(sync_for_those_who_wait(Rc::downgrade(self))));
        }
        Box::pin(async move {
            durable.await.unwrap_or_else(|oneshot::Canceled| {
                Err(DiskError::Io("the node has ended".to_owned()))
            })
        })
    }

    /// The file to sync and how far it is written, if anybody waits.
    fn next_sync(&self) -> Option<Log> {
        let mut state = self.state.borrow_mut();
        let next = state.file.filter(|_| !state.waiting.is_empty());
        state.is_syncing = next.is_some();
        next
    }

    fn synced(&self, log: Log, outcome: &Result<(), DiskError>) {
        let mut state = self.state.borrow_mut();
        let Some(current) = &mut state.file else {
            return;
        };
        if current.number != log.number {
            return; // it was written anew meanwhile, and everybody who waited then was told
        }
        if outcome.is_ok() {
            current.durable = log.end;
            let waiting = std::mem::take(&mut state.waiting);
            let (told, wait): (Vec<_>, Vec<_>) = waiting
                .into_iter()
                .partition(|waiting| waiting.end <= log.end);
            state.waiting = wait;
            drop(state);
            tell(told, &Ok(()));
        } else {
            drop(state);
            if let Err(error) = self.write_anew() {
                let waiting = {
                    let mut state = self.state.borrow_mut();
                    if let Some(log) = state.file.take() {
                        self.disk.close(log.file);
                    }
                    std::mem::take(&mut state.waiting)
                };
                tell(waiting, &Err(error));
            }
        }
    }

    /// Replaces the file by one that holds the rows as they are, durable when this returns.
    ///
    /// # Errors
    /// The disk's. The old file is as it was then.
    fn write_anew(&self) -> Result<(), DiskError> {
        let mut number = [0; 8];
        self.entropy.fill(&mut number);
        let number = u64::from_le_bytes(number);
        let mut bytes = vec![0; HEADER_BYTES];
        let mut log = Log {
            file: self.disk.open(FILE_NEXT, OpenMode::Create)?,
            number,
            snapshot_end: 0,
            end: 0,
            durable: 0,
        };
        for (key, row) in &self.state.borrow().rows {
            let frame = frame(&log, bytes.len(), key, Some(row));
            bytes.extend(frame);
        }
        let end = bytes.len();
        bytes[..HEADER_BYTES].copy_from_slice(&header(number, end as u64));
        let replaced = self
            .disk
            .truncate(log.file, 0) // what a crash in here may have left
            .and_then(|()| self.disk.write_at(log.file, &bytes, 0))
            .and_then(|()| {
                if Mutation::AlarmIndexNotSynced.is_active() {
                    return Ok(());
                }
                self.disk.barrier(log.file)
            })
            .and_then(|()| self.disk.rename(FILE_NEXT, FILE));
        if let Err(error) = replaced {
            self.disk.close(log.file);
            return Err(error);
        }
        (log.snapshot_end, log.end, log.durable) = (end, end, end);
        let (old, waiting) = {
            let mut state = self.state.borrow_mut();
            (state.file.replace(log), std::mem::take(&mut state.waiting))
        };
        if let Some(old) = old {
            self.disk.close(old.file);
        }
        tell(waiting, &Ok(()));
        Ok(())
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        if let Some(log) = self.state.get_mut().file.take() {
            self.disk.close(log.file);
        }
    }
}

/// One sync after the other, each for all changes before it.
async fn sync_for_those_who_wait(index: Weak<Index>) {
    loop {
        let (sync, log) = {
            let Some(index) = index.upgrade() else { return };
            let Some(log) = index.next_sync() else { return };
            (index.disk.sync(log.file), log)
        };
        let outcome = sync.await;
        let Some(index) = index.upgrade() else { return };
        index.synced(log, &outcome);
    }
}

fn tell(waiting: Vec<Waiting>, outcome: &Result<(), DiskError>) {
    for waiting in waiting {
        let _ = waiting.done.send(outcome.clone()); // whoever asked may not wait any more
    }
}

fn set(rows: &mut BTreeMap<Key, Stored>, key: &Key, row: Option<Stored>) {
    match row {
        Some(row) => rows.insert(key.clone(), row),
        None => rows.remove(key),
    };
}

/// The header of the file with this number, whose snapshot ends at `snapshot_end`.
fn header(number: u64, snapshot_end: u64) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    header[12..20].copy_from_slice(&number.to_le_bytes());
    header[20..28].copy_from_slice(&snapshot_end.to_le_bytes());
    let sum = checksum(number, 0, &header[..28]);
    header[28..].copy_from_slice(&sum);
    header
}

/// A change as it stands in the file at `offset`.
fn frame(log: &Log, offset: usize, key: &Key, row: Option<&Stored>) -> Vec<u8> {
    let record = Record {
        class: &*key.class,
        id: key.id,
        at: row.map(|row| row.at.as_millis()),
        name: row.and_then(|row| row.name.as_deref()),
        durable: log.durable as u64,
    };
    let mut frame = vec![0; FRAME_BYTES];
    ciborium::into_writer(&record, &mut frame).expect("a record has a CBOR form");
    let len = frame.len() - FRAME_BYTES;
    assert!(
        len <= RECORD_BYTES_MAX,
        "a class's and an object's name have a limit"
    );
    let sum = checksum(log.number, offset, &frame[FRAME_BYTES..]);
    let len = u32::try_from(len).expect("checked against the maximum");
    frame[..4].copy_from_slice(&len.to_le_bytes());
    frame[4..FRAME_BYTES].copy_from_slice(&sum);
    frame
}

fn checksum(number: u64, offset: usize, bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hash = Sha256::new();
    hash.update(number.to_le_bytes());
    hash.update((offset as u64).to_le_bytes());
    hash.update(bytes);
    let whole = hash.finalize();
    std::array::from_fn(|index| whole[index])
}

/// What the file says.
fn read(bytes: &[u8]) -> Result<BTreeMap<Key, Stored>, AlarmIndexError> {
    let (number, snapshot_end) = read_header(bytes)?;
    let mut rows = BTreeMap::new();
    let mut offset = HEADER_BYTES;
    while let Some((record, len)) = record_at(bytes, number, offset) {
        let key = Key {
            class: record.class.into(),
            id: record.id,
        };
        let row = record.at.map(|at| Stored {
            at: WallTime::from_millis(at),
            name: record.name.map(Into::into),
        });
        set(&mut rows, &key, row);
        offset += len;
    }
    if offset < snapshot_end || was_durable(bytes, number, offset) {
        return Err(AlarmIndexError::Damaged { offset });
    }
    Ok(rows)
}

/// The file's number, and where its snapshot ends.
fn read_header(bytes: &[u8]) -> Result<(u64, usize), AlarmIndexError> {
    let damaged = AlarmIndexError::Damaged { offset: 0 };
    let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
        return Err(damaged);
    };
    let word = |range: std::ops::Range<usize>| {
        let mut word = [0; 8];
        word[..range.len()].copy_from_slice(&header[range]);
        u64::from_le_bytes(word)
    };
    if header[..8] != MAGIC {
        return Err(damaged);
    }
    let format = u32::try_from(word(8..12)).expect("four bytes");
    if format != FORMAT {
        return Err(AlarmIndexError::OtherFormat { found: format });
    }
    let (number, snapshot_end) = (word(12..20), word(20..28));
    if header[28..] != checksum(number, 0, &header[..28]) {
        return Err(damaged);
    }
    Ok((number, usize::try_from(snapshot_end).map_err(|_| damaged)?))
}

/// The intact record at `offset`, if there is one, and its length in the file.
fn record_at(bytes: &[u8], number: u64, offset: usize) -> Option<(Record<String>, usize)> {
    let frame = bytes.get(offset..)?;
    let len = usize::try_from(u32::from_le_bytes(*frame.first_chunk()?)).ok()?;
    if len > RECORD_BYTES_MAX {
        return None;
    }
    let payload = frame.get(FRAME_BYTES..FRAME_BYTES + len)?;
    if frame[4..FRAME_BYTES] != checksum(number, offset, payload) {
        return None;
    }
    let record = ciborium::from_reader(payload).ok()?;
    Some((record, FRAME_BYTES + len))
}

/// Whether a record behind `offset` says that what stood there was durable.
fn was_durable(bytes: &[u8], number: u64, offset: usize) -> bool {
    (offset + 1..bytes.len())
        .filter_map(|behind| record_at(bytes, number, behind))
        .any(|(record, _)| record.durable > offset as u64)
}
