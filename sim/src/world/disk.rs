//! The simulated disk.
//!
//! # Fault model
//! - A *process crash* loses nothing: the page cache belongs to the machine.
//! - A *power loss* loses any subset of the unsynced writes and truncations, whole, torn at 512 bytes, or kept out of order; a file whose
//!   name was never synced may be gone altogether.
//! - A *sync* takes its time and may be slow; it may fail, and then what it covered never becomes durable by a later sync, although
//!   reads still show it (the page cache forgot that it is dirty).
//! - A *read* or a *write* may fail, and so do all writes while the disk is full; a write that fails writes nothing.
//!
//! What stays true all the same: reads see the latest writes; what was written before a completed sync began survives; deleting and renaming are
//! durable at once.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use dormouse::platform::{Disk, DiskError, FileId, LocalBoxFuture, OpenMode};

use super::{
    World,
    completion::NewCompletion,
    machine::{Life, Machine},
};
use crate::{fault::FaultKind, seed::Draw};

/// What a power loss can tear a write into.
const SECTOR: usize = 512;

/// A file as the page cache shows it, and what of it is durable.
#[derive(Debug, Default)]
struct File {
    cache: Vec<u8>,
    /// `None` as long as not even the name is durable.
    durable: Option<Vec<u8>>,
    unsynced: Vec<Change>,
    /// How many handles of the machine's process are open.
    handles: u32,
    has_lost_its_name: bool,
}

#[derive(Debug)]
struct Change {
    number: u64,
    what: What,
    /// A sync that covered it failed: no later one makes it durable.
    forgotten: bool,
}

#[derive(Debug)]
enum What {
    Write { offset: usize, data: Vec<u8> },
    Truncate { len: usize },
}

/// What a loss of power takes of the unsynced changes. Each way has bugs of its own.
#[derive(Clone, Copy, PartialEq)]
enum Loss {
    All,
    None,
    /// What was written last.
    AllAfterSome,
    /// Any writes, so that later ones survive earlier ones.
    Writes,
    /// Any sectors, so that writes are torn.
    Sectors,
}

impl Loss {
    const WAYS: [Self; 5] = [
        Self::All,
        Self::None,
        Self::AllAfterSome,
        Self::Writes,
        Self::Sectors,
    ];
}

/// All files of a machine.
#[derive(Debug, Default)]
pub(crate) struct DiskImage {
    files: BTreeMap<String, u64>,
    /// By inode, so that an open file stays usable when it is deleted or renamed; gone when its name and its last handle are.
    inodes: BTreeMap<u64, File>,
    made: u64,
    changes: u64,
}

/// What the names of the legacy storage service's files have in them.
const LEGACY_FILES: &str = ".kv";

/// What SQLite appends to a database's name for its log.
const LOG_SUFFIX: &str = "-wal";

impl DiskImage {
    /// How many changes were made so far.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// Whether what a database's files say is durable, as far as it was written up to change number `until`.
    ///
    /// Of files other than logs, what a failed sync covered does not count: a checkpoint copied it from the log, where it still stands until a
    /// later checkpoint has written it again.
    pub(crate) fn durable_through(&self, database: &str, until: u64) -> bool {
        self.data_of(database).all(|(path, inode)| {
            let is_log = path.ends_with(LOG_SUFFIX);
            let unsynced = &self.inodes[inode].unsynced;
            unsynced
                .iter()
                .all(|change| change.number > until || (change.forgotten && !is_log))
        })
    }

    /// The number of the last change to a database's files that is not durable; 0 if all are.
    pub(crate) fn last_unsynced(&self, database: &str) -> u64 {
        let files = self.data_of(database);
        let changes = files.flat_map(|(_, inode)| &self.inodes[inode].unsynced);
        changes.map(|change| change.number).max().unwrap_or(0)
    }

    /// The name of a file; none if it was deleted.
    fn path_of(&self, inode: u64) -> &str {
        let mut named = self.files.iter().filter(|(_, file)| **file == inode);
        named.next().map_or("", |(path, _)| path)
    }

    /// The files that a database consists of. What else is kept beside it, such as the times of its commits, may be lost.
    fn data_of(&self, database: &str) -> impl Iterator<Item = (&String, &u64)> {
        let names = [database.to_owned(), format!("{database}{LOG_SUFFIX}")];
        names
            .into_iter()
            .filter_map(|name| self.files.get_key_value(&name))
    }

    /// The power goes off and on: what was not durable survives in part, as `draw` decides.
    pub(crate) fn lose_power(&mut self, draw: &mut Draw) {
        let manner = Loss::WAYS
            [usize::try_from(draw.below(Loss::WAYS.len() as u64)).expect("a small number")];
        let mut gone = Vec::new();
        for (path, inode) in &self.files {
            let file = self.inodes.get_mut(inode).expect("a name has its inode");
            let unsynced = std::mem::take(&mut file.unsynced);
            let had_a_name = file.durable.is_some();
            let mut content = file.durable.take().unwrap_or_default();
            let kept = draw.below(unsynced.len() as u64 + 1);
            let mut any = false;
            for (index, change) in unsynced.into_iter().enumerate() {
                let keep = match manner {
                    Loss::All => false,
                    Loss::None | Loss::Sectors => true,
                    Loss::AllAfterSome => (index as u64) < kept,
                    Loss::Writes => draw.one_in(2),
                };
                if keep {
                    any = true;
                    let torn = (manner == Loss::Sectors).then_some(&mut *draw);
                    change.what.survive(&mut content, torn);
                }
            }
            if !had_a_name && (!any || draw.one_in(2)) {
                gone.push(path.clone());
                continue;
            }
            file.cache.clone_from(&content);
            file.durable = Some(content);
        }
        for path in gone {
            let inode = self.files.remove(&path).expect("it was there");
            self.inodes.remove(&inode);
        }
    }

    /// The machine's process ended, and with it all handles.
    pub(crate) fn close_all(&mut self) {
        self.inodes.retain(|_, file| {
            file.handles = 0;
            !file.has_lost_its_name
        });
    }

    fn open(&mut self, inode: u64) {
        self.inodes
            .get_mut(&inode)
            .expect("a name has its inode")
            .handles += 1;
    }

    fn close(&mut self, inode: u64) {
        if let Some(file) = self.inodes.get_mut(&inode) {
            file.handles -= 1;
            self.let_go(inode);
        }
    }

    fn take_name(&mut self, path: &str) -> Option<u64> {
        let inode = self.files.remove(path)?;
        self.has_lost_its_name(inode);
        Some(inode)
    }

    fn give_name(&mut self, path: &str, inode: u64) {
        if let Some(former) = self.files.insert(path.to_owned(), inode) {
            self.has_lost_its_name(former);
        }
    }

    fn has_lost_its_name(&mut self, inode: u64) {
        if let Some(file) = self.inodes.get_mut(&inode) {
            file.has_lost_its_name = true;
            self.let_go(inode);
        }
    }

    fn let_go(&mut self, inode: u64) {
        if self
            .inodes
            .get(&inode)
            .is_some_and(|file| file.has_lost_its_name && file.handles == 0)
        {
            self.inodes.remove(&inode);
        }
    }

    fn sync_until(&mut self, inode: u64, until: u64) {
        let Some(file) = self.inodes.get_mut(&inode) else {
            return;
        };
        let durable = file.durable.get_or_insert_default();
        let mut written = Vec::new();
        file.unsynced.retain(|change| {
            let covered = change.number <= until && !change.forgotten;
            if covered {
                change.what.apply(durable);
                if matches!(change.what, What::Write { .. }) {
                    written.push((change.number, change.what.range()));
                }
            }
            !covered
        });
        // What was forgotten and has been written again since is on the disk after all.
        let (cache, durable) = (&file.cache, file.durable.get_or_insert_default());
        file.unsynced.retain(|change| {
            let lost = change.what.range();
            let written_again = written.iter().any(|(number, over)| {
                *number > change.number && over.start <= lost.start && lost.end <= over.end
            });
            !(change.forgotten && (written_again || change.what.is_in(durable, cache)))
        });
    }

    fn forget_until(&mut self, inode: u64, until: u64) {
        let Some(file) = self.inodes.get_mut(&inode) else {
            return;
        };
        for change in &mut file.unsynced {
            change.forgotten |= change.number <= until;
        }
    }

    fn change(&mut self, inode: u64, what: What) {
        self.changes += 1;
        let number = self.changes;
        let file = self
            .inodes
            .get_mut(&inode)
            .expect("an open file has its inode");
        what.apply(&mut file.cache);
        file.unsynced.push(Change {
            number,
            what,
            forgotten: false,
        });
    }
}

impl What {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => put(content, *offset, data),
            Self::Truncate { len } => content.resize(*len, 0),
        }
    }

    /// The bytes that this wrote; of a truncation everything, since no write can stand for it.
    fn range(&self) -> std::ops::Range<usize> {
        match self {
            Self::Write { offset, data } => *offset..offset + data.len(),
            Self::Truncate { .. } => 0..usize::MAX,
        }
    }

    /// Whether `durable` shows the same as `cache` where this changed something.
    fn is_in(&self, durable: &[u8], cache: &[u8]) -> bool {
        match self {
            Self::Write { offset, data } => {
                let range = *offset..(offset + data.len()).min(cache.len());
                range.is_empty() || durable.get(range.clone()) == cache.get(range)
            }
            Self::Truncate { .. } => durable.len() == cache.len(),
        }
    }

    /// Like `apply`, but with a draw each sector of a write is kept or not by itself.
    fn survive(&self, content: &mut Vec<u8>, draw: Option<&mut Draw>) {
        match (self, draw) {
            (Self::Write { offset, data }, Some(draw)) => {
                let mut at = 0;
                while at < data.len() {
                    let end_of_sector = (offset + at) / SECTOR * SECTOR + SECTOR - offset;
                    let end = end_of_sector.min(data.len());
                    if draw.one_in(2) {
                        put(content, offset + at, &data[at..end]);
                    }
                    at = end;
                }
            }
            (Self::Truncate { .. }, Some(draw)) => {
                if draw.one_in(2) {
                    self.apply(content);
                }
            }
            (_, None) => self.apply(content),
        }
    }
}

fn put(content: &mut Vec<u8>, offset: usize, data: &[u8]) {
    if content.len() < offset {
        content.resize(offset, 0);
    }
    let (over, beyond) = data.split_at(data.len().min(content.len() - offset));
    content[offset..offset + over.len()].copy_from_slice(over);
    content.extend_from_slice(beyond);
}

/// The [`Disk`] port of one life.
pub(crate) struct SimDisk {
    pub(crate) world: Rc<World>,
    pub(crate) machine: Rc<Machine>,
    pub(crate) life: Rc<Life>,
    pub(crate) open: RefCell<BTreeMap<u64, u64>>,
    pub(crate) opened: Cell<u64>,
}

impl SimDisk {
    fn alive(&self) -> Result<(), DiskError> {
        if self.life.is_dead() {
            Err(DiskError::Io("the machine is down".into()))
        } else {
            Ok(())
        }
    }

    fn inode(&self, file: FileId) -> Result<u64, DiskError> {
        let open = self.open.borrow();
        open.get(&file.0)
            .copied()
            .ok_or_else(|| DiskError::Io(format!("file {} is not open", file.0)))
    }

    /// # Errors
    /// A fault that the write meets.
    fn may_write(&self, inode: u64) -> Result<(), DiskError> {
        let is_kv = || {
            self.machine
                .disk
                .borrow()
                .path_of(inode)
                .contains(LEGACY_FILES)
        };
        match self.world.write_meets(&self.life, is_kv) {
            None => Ok(()),
            Some(FaultKind::DiskFull) => Err(DiskError::Full),
            Some(_) => Err(DiskError::Io("write failed".into())),
        }
    }

    fn point(&self, name: &'static str, bytes: u64) -> Result<(), DiskError> {
        self.world.point(&self.life, name, bytes);
        self.alive()
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &str, mode: OpenMode) -> Result<FileId, DiskError> {
        self.alive()?;
        let mut image = self.machine.disk.borrow_mut();
        let inode = match (image.files.get(path), mode) {
            (Some(inode), _) => *inode,
            (None, OpenMode::Existing) => return Err(DiskError::NotFound(path.to_owned())),
            (None, OpenMode::Create) => {
                image.made += 1;
                let inode = image.made;
                image.files.insert(path.to_owned(), inode);
                image.inodes.insert(inode, File::default());
                inode
            }
        };
        image.open(inode);
        let file = self.opened.get() + 1;
        self.opened.set(file);
        self.open.borrow_mut().insert(file, inode);
        Ok(FileId(file))
    }

    fn close(&self, file: FileId) {
        let inode = self.open.borrow_mut().remove(&file.0);
        if let Some(inode) = inode.filter(|_| !self.life.is_dead()) {
            self.machine.disk.borrow_mut().close(inode);
        }
    }

    fn read_at(&self, file: FileId, out: &mut [u8], offset: u64) -> Result<usize, DiskError> {
        self.alive()?;
        let inode = self.inode(file)?;
        if self.world.read_fails(&self.life) {
            return Err(DiskError::Io("read failed".into()));
        }
        let image = self.machine.disk.borrow();
        let cache = &image
            .inodes
            .get(&inode)
            .ok_or_else(|| DiskError::Io("the file is gone".into()))?
            .cache;
        let offset = usize::try_from(offset).expect("simulated files are small");
        let Some(rest) = cache.get(offset..) else {
            return Ok(0);
        };
        let len = rest.len().min(out.len());
        out[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn write_at(&self, file: FileId, data: &[u8], offset: u64) -> Result<(), DiskError> {
        let inode = self.inode(file)?;
        self.point("disk_write", data.len() as u64)?;
        self.may_write(inode)?;
        let offset = usize::try_from(offset).expect("simulated files are small");
        self.machine.disk.borrow_mut().change(
            inode,
            What::Write {
                offset,
                data: data.to_vec(),
            },
        );
        Ok(())
    }

    fn len(&self, file: FileId) -> Result<u64, DiskError> {
        self.alive()?;
        let inode = self.inode(file)?;
        Ok(self
            .machine
            .disk
            .borrow()
            .inodes
            .get(&inode)
            .map_or(0, |file| file.cache.len() as u64))
    }

    fn truncate(&self, file: FileId, len: u64) -> Result<(), DiskError> {
        let inode = self.inode(file)?;
        self.point("disk_truncate", len)?;
        if len > self.len(file)? {
            self.may_write(inode)?; // cutting needs no space
        }
        let len = usize::try_from(len).expect("simulated files are small");
        self.machine
            .disk
            .borrow_mut()
            .change(inode, What::Truncate { len });
        Ok(())
    }

    fn delete(&self, path: &str) -> Result<(), DiskError> {
        self.point("disk_delete", 0)?;
        let removed = self.machine.disk.borrow_mut().take_name(path);
        removed
            .map(|_| ())
            .ok_or_else(|| DiskError::NotFound(path.to_owned()))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        self.point("disk_rename", 0)?;
        let mut image = self.machine.disk.borrow_mut();
        let inode = image
            .files
            .remove(from)
            .ok_or_else(|| DiskError::NotFound(from.to_owned()))?;
        image.give_name(to, inode);
        Ok(())
    }

    fn exists(&self, path: &str) -> Result<bool, DiskError> {
        self.alive()?;
        Ok(self.machine.disk.borrow().files.contains_key(path))
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, DiskError> {
        self.alive()?;
        let image = self.machine.disk.borrow();
        let files = image
            .files
            .range(prefix.to_owned()..)
            .take_while(|(path, _)| path.starts_with(prefix));
        Ok(files.map(|(path, _)| path.clone()).collect())
    }

    fn sync(&self, file: FileId) -> LocalBoxFuture<'static, Result<(), DiskError>> {
        let inode = match self
            .inode(file)
            .and_then(|inode| self.point("disk_sync", 0).map(|()| inode))
        {
            Ok(inode) => inode,
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        let which = self.machine.syncs.get();
        self.machine.syncs.set(which + 1);
        let mut draw = self
            .world
            .drawing_seed()
            .keyed("sync", self.machine.key, which);
        let (takes, fails) = self.world.faults.borrow_mut().sync(&mut draw);
        let until = self.machine.disk.borrow().changes;
        let (life, machine, world) = (
            Rc::clone(&self.life),
            Rc::clone(&self.machine),
            Rc::downgrade(&self.world),
        );
        let result = Rc::new(RefCell::new(Ok(())));
        let wait = self.world.complete(NewCompletion {
            kind: "sync",
            due: self.world.now() + takes,
            priority: draw.number(),
            queue: None,
            effect: Some(Box::new({
                let result = Rc::clone(&result);
                move || {
                    if life.is_dead() {
                        return; // the power was faster
                    }
                    let mut image = machine.disk.borrow_mut();
                    if fails {
                        image.forget_until(inode, until);
                        *result.borrow_mut() = Err(DiskError::Io("sync failed".into()));
                    } else {
                        image.sync_until(inode, until);
                    }
                    drop(image);
                    if let Some(world) = world.upgrade() {
                        world.point(&life, "disk_synced", 0);
                    }
                }
            })),
        });
        Box::pin(async move {
            wait.await;
            result.replace(Ok(()))
        })
    }

    fn barrier(&self, file: FileId) -> Result<(), DiskError> {
        let inode = self.inode(file)?;
        self.point("disk_barrier", 0)?;
        let fails = self.world.faults.borrow_mut().barrier_fails();
        let mut image = self.machine.disk.borrow_mut();
        let until = image.changes;
        if fails {
            image.forget_until(inode, until);
            return Err(DiskError::Io("sync failed".into()));
        }
        image.sync_until(inode, until);
        Ok(())
    }
}

#[cfg(test)]
#[path = "disk_tests.rs"]
mod tests;
