//! The function pointers, called directly, on buffers that hold something else before.

use std::{ffi::CString, mem::MaybeUninit};

use super::*;
use crate::platform::{Disk, DiskError, FileId, LocalBoxFuture, OpenMode};

/// One growing file under every name, which can be told to fail or to panic.
#[derive(Default)]
struct OneFile {
    contents: RefCell<Vec<u8>>,
    opened: Cell<usize>,
    closed: Cell<usize>,
    largest_offset: Cell<u64>,
    mood: Cell<Mood>,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Mood {
    #[default]
    Willing,
    Failing,
    Panicking,
}

impl OneFile {
    fn answer<T>(&self, value: T) -> Result<T, DiskError> {
        match self.mood.get() {
            Mood::Willing => Ok(value),
            Mood::Failing => Err(DiskError::Io("it fails".into())),
            Mood::Panicking => panic!("the disk panics"),
        }
    }
}

impl Disk for OneFile {
    fn open(&self, _: &str, _: OpenMode) -> Result<FileId, DiskError> {
        self.opened.set(self.opened.get() + 1);
        self.answer(FileId(0))
    }
    fn close(&self, _: FileId) {
        self.closed.set(self.closed.get() + 1);
    }
    fn read_at(&self, _: FileId, out: &mut [u8], offset: u64) -> Result<usize, DiskError> {
        self.largest_offset
            .set(self.largest_offset.get().max(offset));
        let contents = self.contents.borrow();
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|offset| contents.get(offset..))
            .unwrap_or_default();
        let len = rest.len().min(out.len());
        out[..len].copy_from_slice(&rest[..len]);
        self.answer(len)
    }
    fn write_at(&self, _: FileId, data: &[u8], offset: u64) -> Result<(), DiskError> {
        self.largest_offset
            .set(self.largest_offset.get().max(offset));
        if offset == 0 {
            *self.contents.borrow_mut() = data.to_vec();
        }
        self.answer(())
    }
    fn len(&self, _: FileId) -> Result<u64, DiskError> {
        self.answer(self.contents.borrow().len() as u64)
    }
    fn truncate(&self, _: FileId, len: u64) -> Result<(), DiskError> {
        self.largest_offset.set(self.largest_offset.get().max(len));
        self.answer(())
    }
    fn delete(&self, _: &str) -> Result<(), DiskError> {
        self.answer(())
    }
    fn rename(&self, _: &str, _: &str) -> Result<(), DiskError> {
        self.answer(())
    }
    fn exists(&self, _: &str) -> Result<bool, DiskError> {
        self.answer(true)
    }
    fn list(&self, _: &str) -> Result<Vec<String>, DiskError> {
        self.answer(Vec::new())
    }
    fn sync(&self, _: FileId) -> LocalBoxFuture<'static, Result<(), DiskError>> {
        let answer = self.answer(());
        Box::pin(async { answer })
    }
    fn barrier(&self, _: FileId) -> Result<(), DiskError> {
        self.answer(())
    }
}

/// The memory that SQLite would give for a file, full of something else.
struct Memory(MaybeUninit<OpenFile>);

impl Memory {
    fn new() -> Self {
        let mut memory = MaybeUninit::<OpenFile>::uninit();
        // SAFETY: any bytes are fine in memory that counts as uninitialised.
        unsafe { ptr::write_bytes(memory.as_mut_ptr(), 0xaa, 1) };
        Self(memory)
    }

    fn file(&mut self) -> *mut ffi::sqlite3_file {
        self.0.as_mut_ptr().cast()
    }

    fn open(&mut self, name: Option<&str>, flags: c_int) -> c_int {
        let name = name.map(|name| CString::new(name).expect("no NUL"));
        let pointer = name.as_ref().map_or(ptr::null(), |name| name.as_ptr());
        let mut out_flags = 0;
        // SAFETY: the memory is large enough, the name is a C string or null.
        unsafe {
            x_open(
                ptr::null_mut(),
                pointer,
                self.file(),
                flags,
                &raw mut out_flags,
            )
        }
    }

    fn methods(&mut self) -> *const ffi::sqlite3_io_methods {
        // SAFETY: x_open always initialises the pointer.
        unsafe { (*self.file()).pMethods }
    }

    fn read(&mut self, out: &mut [u8], offset: i64) -> c_int {
        let len = c_int::try_from(out.len()).expect("small");
        // SAFETY: the file is open, the buffer is as long as told.
        unsafe { x_read(self.file(), out.as_mut_ptr().cast(), len, offset) }
    }

    fn write(&mut self, data: &[u8], offset: i64) -> c_int {
        let len = c_int::try_from(data.len()).expect("small");
        // SAFETY: the file is open, the buffer is as long as told.
        unsafe { x_write(self.file(), data.as_ptr().cast(), len, offset) }
    }

    fn close(&mut self) -> c_int {
        // SAFETY: the file is open and closed once.
        unsafe { x_close(self.file()) }
    }
}

fn registered(disk: &Rc<OneFile>) -> Registration {
    let disk = Rc::clone(disk) as Rc<dyn Disk>;
    Registration::new(
        ObjectFiles::open(&disk, "x", &crate::storage::SyncFailures::default()).expect("opens"),
        "x",
    )
}

#[test]
fn a_short_read_is_filled_with_zeroes_and_says_so() {
    let disk = Rc::<OneFile>::default();
    let (registration, mut memory) = (registered(&disk), Memory::new());
    assert_eq!(
        memory.open(Some(&registration.name), ffi::SQLITE_OPEN_MAIN_DB),
        ffi::SQLITE_OK
    );
    *disk.contents.borrow_mut() = vec![7; 10];
    let mut out = [0xaa; 8];
    assert_eq!((memory.read(&mut out, 0), out), (ffi::SQLITE_OK, [7; 8]));
    let mut out = [0xaa; 8];
    assert_eq!(
        (memory.read(&mut out, 6), out),
        (ffi::SQLITE_IOERR_SHORT_READ, [7, 7, 7, 7, 0, 0, 0, 0])
    );
    let mut out = [0xaa; 8];
    assert_eq!(
        (memory.read(&mut out, 100), out),
        (ffi::SQLITE_IOERR_SHORT_READ, [0; 8])
    );
    memory.close();
}

#[test]
fn after_a_failed_open_there_are_no_methods() {
    let disk = Rc::<OneFile>::default();
    let registration = registered(&disk);
    let name = registration.name.clone();
    for (name, flags) in [
        ("no token", ffi::SQLITE_OPEN_MAIN_DB),
        ("123456789/x", ffi::SQLITE_OPEN_MAIN_DB),
        (name.as_str(), ffi::SQLITE_OPEN_MAIN_JOURNAL),
    ] {
        let mut memory = Memory::new();
        assert_eq!(
            memory.open(Some(name), flags),
            ffi::SQLITE_CANTOPEN,
            "{name}"
        );
        assert!(memory.methods().is_null());
    }
    drop(registration);
    let mut memory = Memory::new();
    assert_eq!(
        memory.open(Some(&name), ffi::SQLITE_OPEN_MAIN_DB),
        ffi::SQLITE_CANTOPEN,
        "after its registration"
    );
    assert!(memory.methods().is_null());
}

#[test]
fn the_version_is_no_higher_than_the_methods_that_exist() {
    assert_eq!(METHODS.iVersion, 1);
    assert!(METHODS.xShmMap.is_none());
    assert!(METHODS.xFetch.is_none());
    let table = table();
    assert_eq!(table.iVersion, 2);
    assert!(table.xCurrentTimeInt64.is_some());
    assert!(table.xSetSystemCall.is_none());
    assert_eq!(usize::try_from(table.szOsFile), Ok(size_of::<OpenFile>()));
}

#[test]
fn offsets_have_64_bits_and_negative_ones_are_refused() {
    let disk = Rc::<OneFile>::default();
    let (registration, mut memory) = (registered(&disk), Memory::new());
    memory.open(Some(&registration.name), ffi::SQLITE_OPEN_MAIN_DB);
    let far = (1_i64 << 33) + 5;
    assert_eq!(memory.write(&[1], far), ffi::SQLITE_OK);
    assert_eq!(i64::try_from(disk.largest_offset.get()), Ok(far));
    assert_eq!(memory.read(&mut [0], far + 1), ffi::SQLITE_IOERR_SHORT_READ);
    assert_eq!(i64::try_from(disk.largest_offset.get()), Ok(far + 1));
    // SAFETY: the file is open.
    let truncated = unsafe { x_truncate(memory.file(), far + 2) };
    assert_eq!(truncated, ffi::SQLITE_OK);
    assert_eq!(i64::try_from(disk.largest_offset.get()), Ok(far + 2));
    assert_eq!(memory.write(&[1], -1), ffi::SQLITE_IOERR_WRITE);
    assert_eq!(memory.read(&mut [0], -1), ffi::SQLITE_IOERR_READ);
    memory.close();
}

#[test]
fn everything_is_closed_once_also_after_errors_and_panics() {
    let disk = Rc::<OneFile>::default();
    let registration = registered(&disk);
    assert_eq!((disk.opened.get(), disk.closed.get()), (2, 0));
    for flags in [ffi::SQLITE_OPEN_MAIN_DB, ffi::SQLITE_OPEN_WAL] {
        let mut memory = Memory::new();
        assert_eq!(memory.open(Some(&registration.name), flags), ffi::SQLITE_OK);
        for mood in [Mood::Failing, Mood::Panicking] {
            disk.mood.set(mood);
            assert_eq!(memory.read(&mut [0], 0), ffi::SQLITE_IOERR_READ);
            assert_eq!(memory.write(&[0], 8), ffi::SQLITE_IOERR_WRITE);
            let mut size = 0;
            // SAFETY: the file is open, the result is writable.
            let measured = unsafe { x_file_size(memory.file(), &raw mut size) };
            assert_eq!(measured, ffi::SQLITE_IOERR_FSTAT);
        }
        disk.mood.set(Mood::Willing);
        assert_eq!(memory.close(), ffi::SQLITE_OK);
        assert!(memory.methods().is_null());
    }
    drop(registration);
    assert_eq!(disk.closed.get(), 2);
}

#[test]
fn a_file_without_a_name_is_scratch_memory() {
    let mut memory = Memory::new();
    assert_eq!(memory.open(None, ffi::SQLITE_OPEN_TEMP_DB), ffi::SQLITE_OK);
    assert_eq!(memory.write(&[1, 2, 3], 2), ffi::SQLITE_OK);
    let mut out = [0xaa; 5];
    assert_eq!(
        (memory.read(&mut out, 0), out),
        (ffi::SQLITE_OK, [0, 0, 1, 2, 3])
    );
    assert_eq!(memory.close(), ffi::SQLITE_OK);
}

#[test]
fn a_name_that_does_not_fit_is_refused() {
    let name = c"12/abc";
    let mut out = [0x55 as c_char; 16];
    // SAFETY: the name is a C string, the buffer has the length told.
    let full = |len, out: &mut [c_char]| unsafe {
        x_full_pathname(ptr::null_mut(), name.as_ptr(), len, out.as_mut_ptr())
    };
    assert_eq!(full(6, &mut out), ffi::SQLITE_CANTOPEN);
    assert_eq!(full(7, &mut out), ffi::SQLITE_OK);
    // SAFETY: it was terminated.
    assert_eq!(unsafe { CStr::from_ptr(out.as_ptr()) }, name);
}
