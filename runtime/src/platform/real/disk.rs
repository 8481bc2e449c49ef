//! The system's files below one folder.
//!
//! A power loss can take back three things, and each needs a sync of its own: what a file holds (the file's), that a
//! file is there under its name (its folder's), that the folder is there (the folder above it). So the first sync of an
//! open file goes up to the data folder, also for a file that was there before: the process that made it may have died
//! before it synced the folder, and the page cache does not tell. From the second sync on it is one `fdatasync`.
//!
//! Not promised by the system, against the port's word: a write that fails halfway over bytes that were there before
//! leaves them half written. Beyond the former end of the file, where a full disk stops, it is taken back.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::platform::{Disk, DiskError, FileId, LocalBoxFuture, OpenMode};

/// The file whose lock makes the folder one process's own. Never listed, never opened through the port.
const LOCK_FILE: &str = "dormouse.lock";

/// Files below a data folder.
pub(super) struct RealDisk {
    folder: PathBuf,
    files: RefCell<BTreeMap<FileId, Rc<OpenFile>>>,
    next_file: Cell<u64>,
    /// Held as long as the disk; the system lets go of the lock when the process ends, however it ends.
    _lock: File,
}

struct OpenFile {
    path: String,
    durable: Arc<Durable>,
}

/// What a sync needs, on whatever thread it runs.
struct Durable {
    file: File,
    /// The folders whose entries lead to the file, from its own up to the data folder.
    folders: Vec<PathBuf>,
    /// Whether a sync has covered `folders`.
    name_synced: AtomicBool,
}

impl RealDisk {
    /// Takes the folder, which is made if it is missing.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let name = folder.display();
        make_folder(folder)
            .map_err(|error| describe(&error, &format!("cannot make the data folder {name}")))?;
        let unusable =
            |error: &io::Error| describe(error, &format!("cannot write to the data folder {name}"));
        let folder = folder.canonicalize().map_err(|error| unusable(&error))?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join(LOCK_FILE));
        let lock = lock.map_err(|error| unusable(&error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message = format!(
                    "the data folder {} is already in use by another process: stop it or choose another folder",
                    folder.display()
                );
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, message));
            }
            Err(TryLockError::Error(error)) => return Err(unusable(&error)),
        }
        Ok(Self {
            folder,
            files: RefCell::default(),
            next_file: Cell::new(0),
            _lock: lock,
        })
    }

    fn file(&self, file: FileId) -> Result<Rc<OpenFile>, DiskError> {
        let files = self.files.borrow();
        files
            .get(&file)
            .cloned()
            .ok_or_else(|| DiskError::Io(format!("file {} is not open", file.0)))
    }

    /// Where `path` is, if it cannot lead out of the data folder.
    fn locate(&self, path: &str) -> Result<PathBuf, DiskError> {
        if path == LOCK_FILE
            || path.contains('\0')
            || path.split('/').any(|part| matches!(part, "" | "." | ".."))
        {
            return Err(DiskError::Io(format!(
                "`{path}` is no path of a file below the data folder"
            )));
        }
        Ok(self.folder.join(path))
    }

    /// The folders above `location`, from its own up to the data folder.
    fn folders(&self, location: &Path) -> Vec<PathBuf> {
        let above = location
            .ancestors()
            .skip(1)
            .take_while(|folder| folder.starts_with(&self.folder));
        above.map(Path::to_owned).collect()
    }

    /// Adds the files below `folder` to `found`, with their paths relative to the data folder.
    fn collect(&self, folder: &Path, found: &mut Vec<String>) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                self.collect(&path, found)?;
                continue;
            }
            let relative = path
                .strip_prefix(&self.folder)
                .expect("the walk began at the data folder");
            let Some(relative) = relative.to_str() else {
                return Err(io::Error::other(format!(
                    "the name of {} is not UTF-8",
                    path.display()
                )));
            };
            if relative != LOCK_FILE {
                found.push(relative.to_owned());
            }
        }
        Ok(())
    }
}

impl Disk for RealDisk {
    fn open(&self, path: &str, mode: OpenMode) -> Result<FileId, DiskError> {
        let location = self.locate(path)?;
        let folders = self.folders(&location);
        let create = match mode {
            OpenMode::Existing => false,
            OpenMode::Create => {
                fs::create_dir_all(&folders[0]).map_err(|error| failure(path, &error))?;
                true
            }
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(create)
            .truncate(false)
            .open(&location);
        let file = file.map_err(|error| failure(path, &error))?;
        let durable = Durable {
            file,
            folders,
            name_synced: AtomicBool::new(false),
        };
        let id = FileId(self.next_file.replace(self.next_file.get() + 1));
        self.files.borrow_mut().insert(
            id,
            Rc::new(OpenFile {
                path: path.to_owned(),
                durable: Arc::new(durable),
            }),
        );
        Ok(id)
    }

    fn close(&self, file: FileId) {
        self.files.borrow_mut().remove(&file);
    }

    fn read_at(&self, file: FileId, out: &mut [u8], offset: u64) -> Result<usize, DiskError> {
        let file = self.file(file)?;
        let mut read = 0;
        while read < out.len() {
            match file
                .durable
                .file
                .read_at(&mut out[read..], offset + read as u64)
            {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failure(&file.path, &error)),
            }
        }
        Ok(read)
    }

    fn write_at(&self, file: FileId, data: &[u8], offset: u64) -> Result<(), DiskError> {
        let file = self.file(file)?;
        let inner = &file.durable.file;
        let len_before = inner
            .metadata()
            .map_err(|error| failure(&file.path, &error))?
            .len();
        inner.write_all_at(data, offset).map_err(|error| {
            // A full disk takes the first part of a write; nobody may see it as the file's new end.
            let cut_back = if offset + data.len() as u64 > len_before {
                inner.set_len(len_before)
            } else {
                Ok(())
            };
            failure(&file.path, &cut_back.err().unwrap_or(error))
        })
    }

    fn len(&self, file: FileId) -> Result<u64, DiskError> {
        let file = self.file(file)?;
        let metadata = file
            .durable
            .file
            .metadata()
            .map_err(|error| failure(&file.path, &error))?;
        Ok(metadata.len())
    }

    fn truncate(&self, file: FileId, len: u64) -> Result<(), DiskError> {
        let file = self.file(file)?;
        file.durable
            .file
            .set_len(len)
            .map_err(|error| failure(&file.path, &error))
    }

    fn delete(&self, path: &str) -> Result<(), DiskError> {
        let location = self.locate(path)?;
        let delete = || {
            fs::remove_file(&location)?;
            sync_folder(&self.folders(&location)[0])
        };
        delete().map_err(|error| failure(path, &error))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        let (old, new) = (self.locate(from)?, self.locate(to)?);
        if !self.exists(from)? {
            return Err(DiskError::NotFound(from.to_owned()));
        }
        let new_folders = self.folders(&new);
        let rename = || {
            fs::create_dir_all(&new_folders[0])?;
            fs::rename(&old, &new)?;
            // The new name first: between the two syncs a power loss may leave both names, never none.
            new_folders
                .iter()
                .try_for_each(|folder| sync_folder(folder))?;
            sync_folder(&self.folders(&old)[0])
        };
        rename().map_err(|error| failure(from, &error))
    }

    fn exists(&self, path: &str) -> Result<bool, DiskError> {
        match fs::metadata(self.locate(path)?) {
            Ok(metadata) => Ok(metadata.is_file()),
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(failure(path, &error)),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, DiskError> {
        // Only the folder in which the prefix ends can hold such files: a node with many objects asks for one of them.
        let start = match prefix.rsplit_once('/') {
            Some((folder, _)) => self.locate(folder)?,
            None => self.folder.clone(),
        };
        let mut found = Vec::new();
        match self.collect(&start, &mut found) {
            Ok(()) => {}
            Err(error) if is_absent(&error) => return Ok(Vec::new()),
            Err(error) => return Err(failure(prefix, &error)),
        }
        found.retain(|path| path.starts_with(prefix));
        found.sort_unstable();
        Ok(found)
    }

    fn sync(&self, file: FileId) -> LocalBoxFuture<'static, Result<(), DiskError>> {
        let file = match self.file(file) {
            Ok(file) => file,
            Err(error) => return Box::pin(async { Err(error) }),
        };
        let durable = Arc::clone(&file.durable);
        // Started here, not at the first poll: the port promises what was written before this call, and a caller that
        // drops the future has started the sync all the same.
        let sync = tokio::task::spawn_blocking(move || durable.sync());
        Box::pin(async move {
            match sync.await {
                Ok(result) => result.map_err(|error| failure(&file.path, &error)),
                Err(error) => Err(DiskError::Io(format!(
                    "the sync of {} did not run: {error}",
                    file.path
                ))),
            }
        })
    }

    fn barrier(&self, file: FileId) -> Result<(), DiskError> {
        let file = self.file(file)?;
        file.durable
            .sync()
            .map_err(|error| failure(&file.path, &error))
    }
}

impl Durable {
    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()?;
        // Two syncs at once may both find the flag down; they do the same work twice, which harms nobody.
        if !self.name_synced.load(Ordering::Acquire) {
            self.folders
                .iter()
                .try_for_each(|folder| sync_folder(folder))?;
            self.name_synced.store(true, Ordering::Release);
        }
        Ok(())
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes `folder` and those above it, durably.
fn make_folder(folder: &Path) -> io::Result<()> {
    let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
    let missing = folder.ancestors().take_while(is_missing).count();
    fs::create_dir_all(folder)?;
    let above = folder.canonicalize()?;
    above
        .ancestors()
        .skip(1)
        .take(missing)
        .try_for_each(sync_folder)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn describe(error: &io::Error, what: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

fn failure(path: &str, error: &io::Error) -> DiskError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => DiskError::Full,
        _ if is_absent(error) => DiskError::NotFound(path.to_owned()),
        _ => DiskError::Io(format!("{path}: {error}")),
    }
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
