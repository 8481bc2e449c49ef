//! A small disk in memory that can lose what was not synced.
//!
//! Fault model: every write, truncation and sync is a passage. At a passage of the test's choosing the power goes: the operation and
//! all later ones fail, and of the unsynced writes a part survives, by sectors of 512 bytes. Or one operation fails and the
//! next ones do not: a write, a read, or a sync, after which the page cache takes the unsynced writes for clean. Syncs can take their
//! time. What was synced always survives, and so do the names of synced files.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::poll_fn,
    rc::Rc,
    task::Poll,
};

use crate::platform::{Disk, DiskError, FileId, LocalBoxFuture, OpenMode};

const SECTOR_BYTES: u64 = 512;

/// What survives of unsynced writes when the power goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Loss {
    Everything,
    Nothing,
    /// Each sector by the toss of a coin of this number.
    Some(u64),
}

/// What happens to a single operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The write, truncation or sync at this passage is refused by the device.
    Io,
    /// The disk is full from this passage on: writes fail, everything else goes on.
    Full,
    /// The read with this number is refused by the device.
    Read,
}

#[derive(Default)]
pub(crate) struct TestDisk(Rc<State>);

#[derive(Default)]
struct State {
    files: RefCell<BTreeMap<String, File>>,
    open: RefCell<BTreeMap<FileId, String>>,
    ids: Cell<u64>,
    writes: Cell<u64>,
    passages: Cell<u64>,
    power_goes_at: Cell<Option<u64>>,
    power_is_off: Cell<bool>,
    syncs_held: Cell<bool>,
    syncs_fail: Cell<bool>,
    syncs: Cell<u64>,
    barriers: Cell<u64>,
    full: Cell<bool>,
    /// What all files may take together, in bytes.
    room: Cell<Option<usize>>,
    reads: Cell<u64>,
    fault: Cell<Option<(u64, Fault)>>,
    fault_happened: Cell<bool>,
}

#[derive(Clone, Default)]
struct File {
    cached: Vec<u8>,
    /// Nothing if not even the name is durable.
    durable: Option<Vec<u8>>,
    unsynced: Vec<(u64, Change)>,
}

#[derive(Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Truncate(u64),
}

impl Change {
    fn apply(&self, contents: &mut Vec<u8>) {
        let index = |offset: u64| usize::try_from(offset).expect("test files are small");
        match self {
            Self::Write(offset, data) => {
                let end = index(*offset) + data.len();
                if contents.len() < end {
                    contents.resize(end, 0);
                }
                contents[index(*offset)..end].copy_from_slice(data);
            }
            Self::Truncate(len) => contents.resize(index(*len), 0),
        }
    }

    /// The pieces of it that survive or are lost as a whole.
    fn sectors(&self) -> Vec<Self> {
        let Self::Write(offset, data) = self else {
            return vec![self.clone()];
        };
        let (mut at, mut rest, mut pieces) = (*offset, data.as_slice(), Vec::new());
        while !rest.is_empty() {
            let len = usize::try_from(SECTOR_BYTES - at % SECTOR_BYTES)
                .expect("small")
                .min(rest.len());
            let (piece, after) = rest.split_at(len);
            pieces.push(Self::Write(at, piece.to_vec()));
            at += len as u64;
            rest = after;
        }
        pieces
    }
}

impl State {
    fn passage(&self) -> Result<(), DiskError> {
        let passage = self.passages.get() + 1;
        self.passages.set(passage);
        if self.power_goes_at.get() == Some(passage) {
            self.power_is_off.set(true);
        }
        self.powered()?;
        match self.fault.get() {
            Some((at, Fault::Io)) if at == passage => Err(self.refuse()),
            Some((at, Fault::Full)) if at == passage => {
                self.full.set(true);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn refuse(&self) -> DiskError {
        self.fault_happened.set(true);
        DiskError::Io("the device refuses".into())
    }

    fn powered(&self) -> Result<(), DiskError> {
        if self.power_is_off.get() {
            Err(DiskError::Io("the power is off".into()))
        } else {
            Ok(())
        }
    }

    fn path(&self, id: FileId) -> String {
        self.open
            .borrow()
            .get(&id)
            .expect("the file is open")
            .clone()
    }

    fn change(&self, id: FileId, change: Change) -> Result<(), DiskError> {
        self.passage()?;
        if matches!(change, Change::Write(..)) && (self.full.get() || !self.has_room(id, &change)) {
            self.fault_happened.set(true);
            return Err(DiskError::Full);
        }
        self.writes.set(self.writes.get() + 1);
        let mut files = self.files.borrow_mut();
        let file = files.get_mut(&self.path(id)).expect("an open file exists");
        change.apply(&mut file.cached);
        file.unsynced.push((self.writes.get(), change));
        Ok(())
    }

    fn has_room(&self, id: FileId, change: &Change) -> bool {
        let (Some(room), Change::Write(offset, data)) = (self.room.get(), change) else {
            return true;
        };
        let files = self.files.borrow();
        let taken: usize = files.values().map(|file| file.cached.len()).sum();
        let len = files[&self.path(id)].cached.len();
        let end = usize::try_from(*offset).expect("test files are small") + data.len();
        taken + end.saturating_sub(len) <= room
    }

    /// After a failed sync the page cache takes its pages for clean: it shows them, and no later sync covers them.
    fn forget_unsynced(&self, path: &str) {
        let mut files = self.files.borrow_mut();
        let file = files.get_mut(path).expect("a file is not deleted");
        file.unsynced.clear();
    }

    fn make_durable(&self, path: &str, up_to: u64) {
        let mut files = self.files.borrow_mut();
        let file = files.get_mut(path).expect("a file is not deleted");
        let durable = file.durable.get_or_insert_default();
        let covered = file
            .unsynced
            .partition_point(|(number, _)| *number <= up_to);
        for (_, change) in file.unsynced.drain(..covered) {
            change.apply(durable);
        }
    }
}

impl TestDisk {
    /// How often a fault could have been injected so far.
    pub(crate) fn passages(&self) -> u64 {
        self.0.passages.get()
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.0.syncs.get()
    }

    pub(crate) fn barriers(&self) -> u64 {
        self.0.barriers.get()
    }

    /// Syncs do not complete until this is taken back.
    pub(crate) fn hold_syncs(&self, held: bool) {
        self.0.syncs_held.set(held);
    }

    pub(crate) fn fail_syncs(&self) {
        self.0.syncs_fail.set(true);
    }

    pub(crate) fn fill_up(&self, full: bool) {
        self.0.full.set(full);
    }

    /// All files together take no more than so many bytes.
    pub(super) fn give_room(&self, bytes: usize) {
        self.0.room.set(Some(bytes));
    }

    /// Lets one operation fail: the one at this passage, or the read with this number.
    pub(super) fn fail_at(&self, number: u64, fault: Fault) {
        self.0.fault.set(Some((number, fault)));
    }

    /// The disk is in order again.
    pub(super) fn mend(&self) {
        self.0.fault.set(None);
        self.0.full.set(false);
    }

    /// Whether a fault took effect.
    pub(super) fn fault_happened(&self) -> bool {
        self.0.fault_happened.get()
    }

    /// How many reads there were.
    pub(super) fn reads(&self) -> u64 {
        self.0.reads.get()
    }

    pub(crate) fn cut_power_at(&self, passage: u64) {
        self.0.power_goes_at.set(Some(passage));
    }

    /// The disk after the power came back.
    pub(crate) fn after_power_loss(&self, loss: Loss) -> Rc<Self> {
        let mut coin = match loss {
            Loss::Some(seed) => seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            Loss::Everything | Loss::Nothing => 1,
        };
        let mut survives = || match loss {
            Loss::Everything => false,
            Loss::Nothing => true,
            Loss::Some(_) => {
                coin ^= coin << 13;
                coin ^= coin >> 7;
                coin ^= coin << 17;
                coin & 4 == 0
            }
        };
        let after = Self::default();
        for (path, file) in &*self.0.files.borrow() {
            let mut contents = file.durable.clone();
            for piece in file
                .unsynced
                .iter()
                .flat_map(|(_, change)| change.sectors())
            {
                if survives() {
                    piece.apply(contents.get_or_insert_default());
                }
            }
            if let Some(contents) = contents {
                let file = File {
                    cached: contents.clone(),
                    durable: Some(contents),
                    unsynced: Vec::new(),
                };
                after.0.files.borrow_mut().insert(path.clone(), file);
            }
        }
        Rc::new(after)
    }

    /// Writes a whole file, durably.
    pub(crate) fn plant(&self, path: &str, contents: &[u8]) {
        let file = File {
            cached: contents.to_vec(),
            durable: Some(contents.to_vec()),
            unsynced: Vec::new(),
        };
        self.0.files.borrow_mut().insert(path.to_owned(), file);
    }

    pub(crate) fn contents(&self, path: &str) -> Option<Vec<u8>> {
        self.0
            .files
            .borrow()
            .get(path)
            .map(|file| file.cached.clone())
    }

    pub(crate) fn files_open(&self) -> usize {
        self.0.open.borrow().len()
    }
}

impl Disk for TestDisk {
    fn open(&self, path: &str, mode: OpenMode) -> Result<FileId, DiskError> {
        self.0.powered()?;
        let mut files = self.0.files.borrow_mut();
        if !files.contains_key(path) {
            match mode {
                OpenMode::Existing => return Err(DiskError::NotFound(path.into())),
                OpenMode::Create => files.insert(path.to_owned(), File::default()),
            };
        }
        let id = FileId(self.0.ids.get());
        self.0.ids.set(id.0 + 1);
        self.0.open.borrow_mut().insert(id, path.to_owned());
        Ok(id)
    }

    fn close(&self, file: FileId) {
        self.0.open.borrow_mut().remove(&file);
    }

    fn read_at(&self, file: FileId, out: &mut [u8], offset: u64) -> Result<usize, DiskError> {
        self.0.powered()?;
        self.0.reads.set(self.0.reads.get() + 1);
        if self.0.fault.get() == Some((self.0.reads.get(), Fault::Read)) {
            return Err(self.0.refuse());
        }
        let files = self.0.files.borrow();
        let contents = &files[&self.0.path(file)].cached;
        let rest = contents
            .get(usize::try_from(offset).expect("small")..)
            .unwrap_or_default();
        let len = rest.len().min(out.len());
        out[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn write_at(&self, file: FileId, data: &[u8], offset: u64) -> Result<(), DiskError> {
        self.0.change(file, Change::Write(offset, data.to_vec()))
    }

    fn len(&self, file: FileId) -> Result<u64, DiskError> {
        self.0.powered()?;
        Ok(self.0.files.borrow()[&self.0.path(file)].cached.len() as u64)
    }

    fn truncate(&self, file: FileId, len: u64) -> Result<(), DiskError> {
        self.0.change(file, Change::Truncate(len))
    }

    fn delete(&self, path: &str) -> Result<(), DiskError> {
        self.0.passage()?;
        match self.0.files.borrow_mut().remove(path) {
            Some(_) => Ok(()),
            None => Err(DiskError::NotFound(path.into())),
        }
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        self.0.passage()?;
        let mut files = self.0.files.borrow_mut();
        let file = files.remove(from);
        let file = file.ok_or_else(|| DiskError::NotFound(from.into()))?;
        files.insert(to.to_owned(), file);
        for path in self.0.open.borrow_mut().values_mut() {
            if path == from {
                to.clone_into(path); // who had it open has it open under its new name
            }
        }
        Ok(())
    }

    fn exists(&self, path: &str) -> Result<bool, DiskError> {
        Ok(self.0.files.borrow().contains_key(path))
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, DiskError> {
        Ok(self
            .0
            .files
            .borrow()
            .keys()
            .filter(|path| path.starts_with(prefix))
            .cloned()
            .collect())
    }

    fn sync(&self, file: FileId) -> LocalBoxFuture<'static, Result<(), DiskError>> {
        let begun = self.0.passage();
        let (state, path, up_to) = (Rc::clone(&self.0), self.0.path(file), self.0.writes.get());
        state.syncs.set(state.syncs.get() + 1);
        if begun.is_err() && state.powered().is_ok() {
            state.forget_unsynced(&path);
        }
        Box::pin(poll_fn(move |_| {
            if begun.is_ok() && state.syncs_held.get() && !state.power_is_off.get() {
                return Poll::Pending; // the tests poll without being woken
            }
            if state.syncs_fail.get() {
                return Poll::Ready(Err(DiskError::Io("the sync failed".into())));
            }
            Poll::Ready(
                begun
                    .clone()
                    .and_then(|()| state.powered())
                    .map(|()| state.make_durable(&path, up_to)),
            )
        }))
    }

    fn barrier(&self, file: FileId) -> Result<(), DiskError> {
        if let Err(error) = self.0.passage() {
            if self.0.powered().is_ok() {
                self.0.forget_unsynced(&self.0.path(file));
            }
            return Err(error);
        }
        self.0.barriers.set(self.0.barriers.get() + 1);
        if self.0.syncs_fail.get() {
            return Err(DiskError::Io("the sync failed".into()));
        }
        self.0.make_durable(&self.0.path(file), self.0.writes.get());
        Ok(())
    }
}
