//! Commits that wait: writes to a log are held back in memory until something else is durable.
//!
//! An alarm that moves earlier must be known to the node's scheduler, durably, before the object's own commit may be durable: else a
//! loss of power between the two leaves an alarm that nobody will ever fire. A commit goes into the page cache, and from there the device may
//! take it at any moment; so a commit that must wait is not written at all. SQLite has made it all the same, reads it back and goes on,
//! and later commits stand behind it in the same order.
//!
//! What was given up stays given up: the connection counts those writes, so a later sync must not pass for one that covers them.
//!
//! In: [`HeldLog`] is a [`Disk`] that stands between an object's files and the node's disk. Between [`hold`](HeldLog::hold) and
//! [`release`](HeldLog::release) it keeps what is written to the watched file; reads see it, and a sync of the file waits. Dropped instead,
//! it never was: nobody can have seen it, because the sync that the output gate waits for had not even begun.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use futures_channel::oneshot;

use crate::platform::{Disk, DiskError, FileId, LocalBoxFuture, OpenMode};

/// A disk on which the writes to one file can be held back.
pub(super) struct HeldLog {
    disk: Rc<dyn Disk>,
    watched: Cell<Option<FileId>>,
    /// What is held, in order; `None` while nothing is.
    held: RefCell<Option<Held>>,
    /// Something that was held will never be written: no sync of the file means anything any more.
    given_up: Cell<bool>,
}

#[derive(Default)]
struct Held {
    steps: Vec<Step>,
    /// Syncs that wait for the release, and learn its outcome.
    syncs: Vec<oneshot::Sender<Result<(), DiskError>>>,
}

enum Step {
    Write {
        offset: u64,
        data: Vec<u8>,
    },
    Barrier,
    /// Something to be told when everything before it is written.
    Note(Box<dyn FnOnce()>),
}

impl HeldLog {
    pub(super) fn on(disk: Rc<dyn Disk>) -> Rc<Self> {
        Rc::new(Self {
            disk,
            watched: Cell::default(),
            held: RefCell::default(),
            given_up: Cell::default(),
        })
    }

    /// The file whose writes can be held back.
    pub(super) fn watch(&self, file: FileId) {
        self.watched.set(Some(file));
    }

    /// Holds back what is written from now on. Held already, it goes on to be.
    pub(super) fn hold(&self) {
        self.held.borrow_mut().get_or_insert_default();
    }

    pub(super) fn is_holding(&self) -> bool {
        self.held.borrow().is_some()
    }

    /// Tells `note` when everything written so far has gone to the disk: at once, unless it is held back. If it never goes, never.
    pub(super) fn when_written(&self, note: impl FnOnce() + 'static) {
        if let Some(held) = &mut *self.held.borrow_mut() {
            return held.steps.push(Step::Note(Box::new(note)));
        }
        note();
    }

    /// Writes what was held, in its order.
    ///
    /// # Errors
    /// Of the disk. The rest is not written then, and will never be.
    pub(super) fn release(&self) -> Result<(), DiskError> {
        let Some(Held { steps, syncs }) = self.held.take() else {
            return Ok(());
        };
        let outcome = self.carry_out(steps);
        self.given_up.set(self.given_up.get() || outcome.is_err());
        for sync in syncs {
            let _ = sync.send(outcome.clone()); // whoever waited may have been stopped
        }
        outcome
    }

    /// Forgets what was held.
    pub(super) fn discard(&self) {
        let held = self.held.take();
        let loses = held.is_some_and(|held| held.writes().next().is_some());
        self.given_up.set(self.given_up.get() || loses);
    }

    fn is_given_up(&self, file: FileId) -> bool {
        self.given_up.get() && self.watched.get() == Some(file)
    }

    fn carry_out(&self, steps: Vec<Step>) -> Result<(), DiskError> {
        let Some(file) = self.watched.get() else {
            return Ok(());
        };
        for step in steps {
            match step {
                Step::Write { offset, data } => self.disk.write_at(file, &data, offset)?,
                Step::Barrier => self.disk.barrier(file)?,
                Step::Note(note) => note(),
            }
        }
        Ok(())
    }

    /// Does `keep` with what is held, if `file` is the watched one and anything is held back.
    fn with_held<T>(&self, file: FileId, keep: impl FnOnce(&mut Held) -> T) -> Option<T> {
        if self.watched.get() != Some(file) {
            return None;
        }
        self.held.borrow_mut().as_mut().map(keep)
    }
}

impl Held {
    fn writes(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.steps.iter().filter_map(|step| match step {
            Step::Write { offset, data } => Some((*offset, &data[..])),
            Step::Barrier | Step::Note(_) => None,
        })
    }

    /// The length of a file that has `len` bytes without what is held.
    fn len(&self, len: u64) -> u64 {
        let ends = self
            .writes()
            .map(|(offset, data)| offset + data.len() as u64);
        ends.fold(len, u64::max)
    }

    /// Puts what is held over what was read from `start` on.
    fn lay_over(&self, out: &mut [u8], start: u64) {
        let end = start + out.len() as u64;
        for (offset, data) in self.writes() {
            let (from, to) = (offset.max(start), (offset + data.len() as u64).min(end));
            if from < to {
                let within = |at: u64, begin: u64| {
                    usize::try_from(at - begin).expect("it lies within a piece in memory")
                };
                out[within(from, start)..within(to, start)]
                    .copy_from_slice(&data[within(from, offset)..within(to, offset)]);
            }
        }
    }
}

impl Disk for HeldLog {
    fn open(&self, path: &str, mode: OpenMode) -> Result<FileId, DiskError> {
        self.disk.open(path, mode)
    }

    fn close(&self, file: FileId) {
        self.disk.close(file);
    }

    fn read_at(&self, file: FileId, out: &mut [u8], offset: u64) -> Result<usize, DiskError> {
        let read = self.disk.read_at(file, out, offset)?;
        if self.with_held(file, |_| ()).is_none() {
            return Ok(read);
        }
        let len = self.len(file)?;
        let there = usize::try_from(len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let there = there.min(out.len());
        out[read.min(there)..there].fill(0); // a gap before a held write
        self.with_held(file, |held| held.lay_over(&mut out[..there], offset));
        Ok(there)
    }

    fn write_at(&self, file: FileId, data: &[u8], offset: u64) -> Result<(), DiskError> {
        let kept = self.with_held(file, |held| {
            held.steps.push(Step::Write {
                offset,
                data: data.to_vec(),
            });
        });
        match kept {
            Some(()) => Ok(()),
            None => self.disk.write_at(file, data, offset),
        }
    }

    fn len(&self, file: FileId) -> Result<u64, DiskError> {
        let len = self.disk.len(file)?;
        Ok(self.with_held(file, |held| held.len(len)).unwrap_or(len))
    }

    /// # Panics
    /// If what is held back would be cut: a log is restarted, never cut.
    fn truncate(&self, file: FileId, len: u64) -> Result<(), DiskError> {
        assert!(
            self.with_held(file, |_| ()).is_none(),
            "a log is never cut while its writes are held back"
        );
        self.disk.truncate(file, len)
    }

    fn delete(&self, path: &str) -> Result<(), DiskError> {
        self.disk.delete(path)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        self.disk.rename(from, to)
    }

    fn exists(&self, path: &str) -> Result<bool, DiskError> {
        self.disk.exists(path)
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, DiskError> {
        self.disk.list(prefix)
    }

    fn sync(&self, file: FileId) -> LocalBoxFuture<'static, Result<(), DiskError>> {
        let released = self.with_held(file, |held| {
            let (release, released) = oneshot::channel();
            held.syncs.push(release);
            released
        });
        let Some(released) = released else {
            if self.is_given_up(file) {
                return Box::pin(std::future::ready(Err(given_up())));
            }
            return self.disk.sync(file);
        };
        let disk = Rc::clone(&self.disk);
        Box::pin(async move {
            match released.await {
                Ok(outcome) => outcome?,
                Err(oneshot::Canceled) => return Err(given_up()),
            }
            disk.sync(file).await
        })
    }

    fn barrier(&self, file: FileId) -> Result<(), DiskError> {
        match self.with_held(file, |held| held.steps.push(Step::Barrier)) {
            Some(()) => Ok(()),
            None if self.is_given_up(file) => Err(given_up()),
            None => self.disk.barrier(file),
        }
    }
}

fn given_up() -> DiskError {
    DiskError::Io("a commit that waited was given up".to_owned())
}
