//! The two files of an object, as SQLite sees them, and which of its syncs really wait.
//!
//! SQLite syncs the write-ahead log at the end of each commit and waits. We do not: a commit only counts what it wrote
//! ([`ObjectFiles::log_position`]), and the output gate waits for a sync that covers it, one for many commits. That is safe because
//! the log is read as a chain of checksums: whatever subset of unsynced frames survives a loss of power, recovery stops before the
//! first missing one and finds a prefix of the commits.
//!
//! Some syncs are not about durability but about order, and those wait on the spot. They are all in checkpoints: the log before the database is overwritten; the
//! database before the log begins anew; and the header with which it does, before anything is written after it. Without the last one the old header could survive
//! beside a part of the new frames, and what is left of the old ones would count again and bring old pages back over newer ones in the database.

use std::{
    cell::{Cell, RefCell},
    ffi::c_int,
    rc::Rc,
};

use rusqlite::ffi;

use super::{
    database::Database,
    image::{PAGE_BYTES, Page, empty_database},
    log_header::{self, HEADER_BYTES, MAGIC},
};
use crate::{
    mutation::Mutation,
    platform::{Disk, DiskError, FileId, OpenMode},
    storage::durability::SyncFailures,
};

/// A failure in SQLite's own terms: one of its extended result codes.
pub(super) type Code = c_int;

/// A file as the C side needs it.
pub(super) trait VfsFile {
    /// Reads from `offset` on; returns how many bytes there were.
    fn read_at(&self, out: &mut [u8], offset: u64) -> Result<usize, Code>;
    fn write_at(&self, data: &[u8], offset: u64) -> Result<(), Code>;
    fn truncate(&self, len: u64) -> Result<(), Code>;
    fn sync(&self) -> Result<(), Code>;
    fn len(&self) -> Result<u64, Code>;
}

/// A file of the disk that is closed when nobody needs it any more.
pub(crate) struct OpenFile {
    pub(crate) disk: Rc<dyn Disk>,
    pub(crate) id: FileId,
}

impl OpenFile {
    /// Opens a file, making it if there is none.
    ///
    /// # Errors
    /// Of the disk.
    pub(crate) fn open(disk: &Rc<dyn Disk>, path: &str) -> Result<Self, DiskError> {
        Ok(Self {
            id: disk.open(path, OpenMode::Create)?,
            disk: Rc::clone(disk),
        })
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.disk.close(self.id);
    }
}

/// How much is read and written again at a time, in bytes.
const WRITTEN_AGAIN_AT_ONCE: usize = 64 << 10;

/// The database and the write-ahead log of one object, both open.
pub(crate) struct ObjectFiles {
    database: OpenFile,
    log: OpenFile,
    /// No batch was ever committed here, as far as the page cache knows.
    is_new: bool,
    log_writes: Cell<u64>,
    /// Where the part of the log that is in use ends, in bytes; at the latest, as long as it is not `log_is_measured`.
    log_end: Cell<u64>,
    log_is_measured: Cell<bool>,
    checkpointing: Cell<bool>,
    failures: SyncFailures,
    /// How many there were when the files were opened: what was written since may have been taken along by a later one.
    failures_before: u64,
}

impl ObjectFiles {
    /// Opens both files, and writes the first page if the object is new.
    ///
    /// # Errors
    /// Of the disk. A file that is no database is left as it is: SQLite will refuse it.
    pub(crate) fn open(
        disk: &Rc<dyn Disk>,
        path: &str,
        failures: &SyncFailures,
    ) -> Result<Rc<Self>, DiskError> {
        let database = OpenFile::open(disk, path)?;
        let database_len = disk.len(database.id)?;
        let mut page = Page::Other;
        if database_len <= PAGE_BYTES as u64 {
            let mut contents = [0; PAGE_BYTES];
            let len = disk.read_at(database.id, &mut contents, 0)?;
            page = Page::of(&contents[..len]);
        }
        let was_empty = page != Page::Other;
        let log = OpenFile::open(disk, &format!("{path}{LOG_SUFFIX}"))?;
        let log_len = disk.len(log.id)?;
        if page == Page::Torn {
            // Before a log begins anew, everything in the one before it is in the database, durably.
            let times = times_begun_anew(&log)?;
            if times > 0 {
                return Err(DiskError::Io(format!(
                    "the database is empty or cut off, although its write-ahead log was moved into it {times} times"
                )));
            }
            disk.write_at(database.id, &empty_database(), 0)?;
        }
        Ok(Rc::new(Self {
            database,
            log,
            is_new: was_empty && log_len == 0,
            log_writes: Cell::new(0),
            log_end: Cell::new(log_len),
            log_is_measured: Cell::new(log_len == 0),
            checkpointing: Cell::new(false),
            failures_before: failures.count(),
            failures: failures.clone(),
        }))
    }

    /// What the end of a sync proves: nothing if another one of the same files has failed since they were opened, by whomever.
    ///
    /// # Errors
    /// The sync's own, or that another one has failed.
    pub(crate) fn judge(&self, synced: Result<(), DiskError>) -> Result<(), DiskError> {
        if Mutation::FailedSyncIgnored.is_active() {
            return Ok(());
        }
        if synced.is_err() {
            self.failures.add();
            return synced;
        }
        if self.failures.count() != self.failures_before {
            return Err(DiskError::Io(
                "another sync of the same file failed meanwhile".to_owned(),
            ));
        }
        synced
    }

    /// No batch was ever committed to this object, as far as the page cache knows.
    pub(crate) fn is_new(&self) -> bool {
        self.is_new
    }

    pub(crate) fn disk(&self) -> &Rc<dyn Disk> {
        &self.log.disk
    }

    pub(crate) fn database_id(&self) -> FileId {
        self.database.id
    }

    pub(crate) fn log_id(&self) -> FileId {
        self.log.id
    }

    /// How many writes to the log there were since it was opened. A sync that begins at position `n` makes the first `n` durable.
    pub(crate) fn log_position(&self) -> u64 {
        self.log_writes.get()
    }

    /// The length of the part of the log that is in use, in bytes. Of a log that was found it is the file's, until it is measured.
    pub(crate) fn log_bytes(&self) -> u64 {
        self.log_end.get()
    }

    /// Sees to it that [`ObjectFiles::log_bytes`] is exact: a log that began anew is followed by what is left of the one before.
    ///
    /// # Errors
    /// SQLite's.
    pub(crate) fn measure_log(&self, database: &Database) -> rusqlite::Result<()> {
        if !self.log_is_measured.replace(true) {
            self.log_end.set(log_len(database.frames_in_log()?));
        }
        Ok(())
    }

    /// Writes what the page cache shows of the log, and of a database that is still its first page, once more.
    ///
    /// After a failed sync the page cache takes its pages for clean although they never reached the disk: reads show them, no later
    /// sync covers them, and a loss of power takes them back together with everything acknowledged on top of them. Written again they
    /// are dirty again, and the next sync means what it says. Longer databases need none of this: they grow in checkpoints only, whose
    /// syncs wait, and what a failed one wrote still stands in the log.
    ///
    /// # Errors
    /// Of the disk.
    pub(crate) fn write_again(&self) -> Result<(), DiskError> {
        if Mutation::DoubtfulFilesKept.is_active() {
            return Ok(());
        }
        let mut piece = vec![0; WRITTEN_AGAIN_AT_ONCE];
        for file in [&self.database, &self.log] {
            let len = self.disk().len(file.id)?;
            if file.id == self.database.id && len > PAGE_BYTES as u64 {
                continue;
            }
            let mut offset = 0;
            while offset < len {
                let read = self.disk().read_at(file.id, &mut piece, offset)?;
                if read == 0 {
                    break;
                }
                self.disk().write_at(file.id, &piece[..read], offset)?;
                offset += read as u64;
            }
        }
        Ok(())
    }

    /// Runs a checkpoint: in it every sync waits.
    pub(crate) fn during_checkpoint<T>(&self, checkpoint: impl FnOnce() -> T) -> T {
        self.checkpointing.set(true);
        let outcome = checkpoint();
        self.checkpointing.set(false);
        outcome
    }

    /// Has the log begin anew. Everything in it must be in the database, durably.
    ///
    /// # Errors
    /// Of the disk.
    pub(crate) fn begin_log_anew(&self) -> Result<(), DiskError> {
        log_header::begin_anew(&**self.disk(), self.log.id)?;
        if !Mutation::NewHeaderNotSynced.is_active() {
            self.judge(self.disk().barrier(self.log.id))?;
        }
        self.log_end.set(0);
        self.log_is_measured.set(true);
        Ok(())
    }

    fn note_log_write(&self, offset: u64, len: usize) {
        self.log_writes.set(self.log_writes.get() + 1);
        let end = offset + len as u64;
        if offset == 0 {
            self.log_end.set(end); // a header: it begins anew
            self.log_is_measured.set(true);
        } else {
            self.log_end.set(self.log_end.get().max(end));
        }
    }

    fn sync_log(&self) -> Result<(), DiskError> {
        if self.checkpointing.get() {
            self.judge(self.disk().barrier(self.log.id))
        } else {
            Ok(())
        }
    }
}

/// How long a log of so many frames is, in bytes.
fn log_len(frames: u64) -> u64 {
    const FRAME_HEADER_BYTES: u64 = 24;
    if frames == 0 {
        return 0;
    }
    HEADER_BYTES as u64 + frames * (FRAME_HEADER_BYTES + PAGE_BYTES as u64)
}

/// How often a log has begun anew, by its header; 0 if it has none.
fn times_begun_anew(log: &OpenFile) -> Result<u32, DiskError> {
    let mut header = [0; 16];
    let read = log.disk.read_at(log.id, &mut header, 0)?;
    let [magic, _, _, times] = [0, 4, 8, 12]
        .map(|at| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]));
    let is_header = read == header.len() && magic & !1 == MAGIC;
    Ok(if is_header { times } else { 0 })
}

/// What SQLite appends to the database's name for its log.
pub(super) const LOG_SUFFIX: &str = "-wal";

/// The main database file in SQLite's hands.
pub(super) struct DatabaseFile(pub(super) Rc<ObjectFiles>);

impl VfsFile for DatabaseFile {
    fn read_at(&self, out: &mut [u8], offset: u64) -> Result<usize, Code> {
        let file = &self.0.database;
        file.disk
            .read_at(file.id, out, offset)
            .map_err(|_| ffi::SQLITE_IOERR_READ)
    }

    fn write_at(&self, data: &[u8], offset: u64) -> Result<(), Code> {
        let file = &self.0.database;
        file.disk
            .write_at(file.id, data, offset)
            .map_err(|error| write_code(&error))
    }

    fn truncate(&self, len: u64) -> Result<(), Code> {
        let file = &self.0.database;
        file.disk
            .truncate(file.id, len)
            .map_err(|_| ffi::SQLITE_IOERR_TRUNCATE)
    }

    fn sync(&self) -> Result<(), Code> {
        if Mutation::CheckpointNotSynced.is_active() {
            return Ok(());
        }
        let file = &self.0.database;
        self.0
            .judge(file.disk.barrier(file.id))
            .map_err(|_| ffi::SQLITE_IOERR_FSYNC)
    }

    fn len(&self) -> Result<u64, Code> {
        let file = &self.0.database;
        file.disk.len(file.id).map_err(|_| ffi::SQLITE_IOERR_FSTAT)
    }
}

/// The write-ahead log in SQLite's hands.
pub(super) struct LogFile(pub(super) Rc<ObjectFiles>);

impl VfsFile for LogFile {
    fn read_at(&self, out: &mut [u8], offset: u64) -> Result<usize, Code> {
        let file = &self.0.log;
        file.disk
            .read_at(file.id, out, offset)
            .map_err(|_| ffi::SQLITE_IOERR_READ)
    }

    fn write_at(&self, data: &[u8], offset: u64) -> Result<(), Code> {
        let file = &self.0.log;
        file.disk
            .write_at(file.id, data, offset)
            .map_err(|error| write_code(&error))?;
        self.0.note_log_write(offset, data.len());
        Ok(())
    }

    fn truncate(&self, _len: u64) -> Result<(), Code> {
        // Nothing that we ask of SQLite cuts the log.
        Err(ffi::SQLITE_IOERR_TRUNCATE)
    }

    fn sync(&self) -> Result<(), Code> {
        self.0.sync_log().map_err(|_| ffi::SQLITE_IOERR_FSYNC)
    }

    fn len(&self) -> Result<u64, Code> {
        let file = &self.0.log;
        file.disk.len(file.id).map_err(|_| ffi::SQLITE_IOERR_FSTAT)
    }
}

fn write_code(error: &DiskError) -> Code {
    match error {
        DiskError::Full => ffi::SQLITE_FULL,
        DiskError::NotFound(_) | DiskError::Io(_) => ffi::SQLITE_IOERR_WRITE,
    }
}

/// How large a scratch file may get: a query that never ends of itself ends here, and not with the process. The original bounds
/// what SQLite takes altogether at this size.
const SCRATCH_BYTES_MAX: usize = 512 << 20;

/// A file without a name: what a large sort or a long statement spills. It lives in memory and dies with its handle.
#[derive(Default)]
pub(super) struct ScratchFile(RefCell<Vec<u8>>);

impl VfsFile for ScratchFile {
    fn read_at(&self, out: &mut [u8], offset: u64) -> Result<usize, Code> {
        let contents = self.0.borrow();
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|offset| contents.get(offset..))
            .unwrap_or_default();
        let len = rest.len().min(out.len());
        out[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn write_at(&self, data: &[u8], offset: u64) -> Result<(), Code> {
        let mut contents = self.0.borrow_mut();
        let start = usize::try_from(offset).map_err(|_| ffi::SQLITE_FULL)?;
        let end = start.checked_add(data.len());
        let end = end.filter(|end| *end <= SCRATCH_BYTES_MAX);
        let end = end.ok_or(ffi::SQLITE_FULL)?;
        if contents.len() < end {
            contents.resize(end, 0);
        }
        contents[start..end].copy_from_slice(data);
        Ok(())
    }

    fn truncate(&self, len: u64) -> Result<(), Code> {
        let len = usize::try_from(len).map_err(|_| ffi::SQLITE_IOERR_TRUNCATE)?;
        self.0.borrow_mut().resize(len, 0);
        Ok(())
    }

    fn sync(&self) -> Result<(), Code> {
        Ok(())
    }

    fn len(&self) -> Result<u64, Code> {
        Ok(self.0.borrow().len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scratch_file_is_full_one_day() {
        let scratch = ScratchFile::default();
        let end = SCRATCH_BYTES_MAX as u64;
        assert_eq!(scratch.write_at(&[1], end), Err(ffi::SQLITE_FULL));
        assert_eq!(scratch.write_at(&[1], u64::MAX), Err(ffi::SQLITE_FULL));
        assert_eq!(scratch.len(), Ok(0));
    }
}
