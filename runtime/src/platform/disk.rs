//! The files of one node, as its page cache shows them: a write survives the process, not the power.
//!
//! What the runtime relies on, and nothing more:
//! - reads see earlier writes at once, also those of a former process of the node;
//! - after a completed [`Disk::sync`] or [`Disk::barrier`] everything written to the file before that call, its length and its name
//!   survive a loss of power; unsynced writes survive in any subset, torn at 512 bytes;
//! - [`Disk::delete`] and [`Disk::rename`] are durable when they return;
//! - after a failed sync nothing is known about unsynced writes, and syncing again proves nothing.

use super::LocalBoxFuture;

/// An open file of a [`Disk`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u64);

/// How [`Disk::open`] treats a file that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// The file must exist.
    Existing,
    /// An empty file is made if there is none, with the folders above it.
    Create,
}

/// Why a disk operation failed. Nothing was changed, unless the operation was a sync.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiskError {
    /// No space left; the write did not happen.
    #[error("disk is full")]
    Full,
    /// There is no such file.
    #[error("no such file: {0}")]
    NotFound(String),
    /// The device or the operating system refused; the text is its own.
    #[error("disk error: {0}")]
    Io(String),
}

/// The port for files. Paths are relative to the node's data folder, with `/` between folders, in UTF-8.
pub trait Disk {
    /// Opens `path` for reading and writing. The same file may be open more than once.
    fn open(&self, path: &str, mode: OpenMode) -> Result<FileId, DiskError>;

    /// Closes `file`. Unsynced writes stay in the page cache.
    fn close(&self, file: FileId);

    /// Reads into `out` from `offset` bytes on; returns how many bytes there were, fewer only at the end of the file.
    fn read_at(&self, file: FileId, out: &mut [u8], offset: u64) -> Result<usize, DiskError>;

    /// Puts `data` into the page cache at `offset` bytes; a gap before it reads as zeroes. On an error nothing is written.
    fn write_at(&self, file: FileId, data: &[u8], offset: u64) -> Result<(), DiskError>;

    /// The file's length in bytes.
    fn len(&self, file: FileId) -> Result<u64, DiskError>;

    /// Cuts the file, or extends it with zeroes, to `len` bytes. Durable with the next sync.
    fn truncate(&self, file: FileId, len: u64) -> Result<(), DiskError>;

    /// Removes a file by name; durable on return. Open files of that name stay usable and are nobody's any more.
    fn delete(&self, path: &str) -> Result<(), DiskError>;

    /// Gives a file another name, replacing a file of that name; durable on return.
    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError>;

    /// Whether there is a file `path`.
    fn exists(&self, path: &str) -> Result<bool, DiskError>;

    /// The paths of all files that begin with `prefix`, in ascending byte order.
    fn list(&self, prefix: &str) -> Result<Vec<String>, DiskError>;

    /// Completes when everything written to `file` before the call is durable. After an error nothing is known.
    /// Dropping the future does not stop the sync.
    fn sync(&self, file: FileId) -> LocalBoxFuture<'static, Result<(), DiskError>>;

    /// The same, waiting on the spot: for the few moments in which the order of writes itself depends on it.
    fn barrier(&self, file: FileId) -> Result<(), DiskError>;
}
