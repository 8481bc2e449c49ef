//! The C side: SQLite's operating system layer as a table of function pointers. With the small `handle` the only unsafe code of the runtime.
//!
//! One layer for the process, named `dormouse`, registered once. A database's name is `<token>/<path>`: the token leads to the
//! [`ObjectFiles`] that were [registered](Registration) for it on this thread. One connection lives on one thread, so nothing here is
//! shared between threads but the table itself. Time and randomness have no file to go by: they come from the [`Ports`] of the
//! connection in use, which is announced by [`Ports::enter`].
//!
//! Methods of version 1 only: no shared memory (connections are exclusive), no memory mapping. Locks do nothing, for the same reason.
//! The device promises one thing: that a write leaves the bytes beside it alone.
#![expect(unsafe_code, reason = "SQLite calls C function pointers")]

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    ffi::{CStr, c_char, c_int, c_void},
    mem::{offset_of, size_of},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    rc::Rc,
    slice,
    sync::Once,
};

use rusqlite::ffi;

use super::file::{Code, DatabaseFile, LOG_SUFFIX, LogFile, ObjectFiles, ScratchFile, VfsFile};
use crate::platform::{Entropy, WallTime};

/// The name under which the layer is registered.
pub(super) const NAME: &CStr = c"dormouse";

/// 1970-01-01T00:00Z in SQLite's time: milliseconds since noon, 24 November 4714 BC.
const EPOCH_MILLIS: i64 = 210_866_760_000_000;

/// The longest name that SQLite may hand us.
const PATH_BYTES_MAX: c_int = 1024;

thread_local! {
    static FILES: RefCell<BTreeMap<u64, Rc<ObjectFiles>>> = const { RefCell::new(BTreeMap::new()) };
    static TOKENS: Cell<u64> = const { Cell::new(0) };
    static CURRENT: RefCell<Option<Rc<Ports>>> = const { RefCell::new(None) };
}

/// Where a connection takes time and randomness from.
pub(super) struct Ports {
    pub(super) entropy: Rc<dyn Entropy>,
    pub(super) now: Rc<dyn Fn() -> WallTime>,
}

/// While it lives, SQLite's questions for time and randomness on this thread go to one connection's ports.
pub(super) struct InUse(Option<Rc<Ports>>);

impl Ports {
    pub(super) fn enter(self: &Rc<Self>) -> InUse {
        InUse(CURRENT.replace(Some(Rc::clone(self))))
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

/// While it lives, its [`name`](Self::name) opens the files it was made for, on this thread.
pub(super) struct Registration {
    token: u64,
    /// What to open: `<token>/<path>`.
    pub(super) name: String,
}

impl Registration {
    pub(super) fn new(files: Rc<ObjectFiles>, path: &str) -> Self {
        let token = TOKENS.get();
        TOKENS.set(token + 1);
        FILES.with_borrow_mut(|registered| registered.insert(token, files));
        Self {
            token,
            name: format!("{token}/{path}"),
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        FILES.with_borrow_mut(|registered| registered.remove(&self.token));
    }
}

/// Makes the layer known to SQLite, once per process and never as the default: other users of SQLite in this process keep theirs.
pub(super) fn register() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        let vfs = Box::leak(Box::new(table())); // SQLite keeps the pointer for the life of the process
        // SAFETY: the table lives for ever and is well formed.
        let code = unsafe { ffi::sqlite3_vfs_register(vfs, 0) };
        assert_eq!(
            code,
            ffi::SQLITE_OK,
            "SQLite refuses its operating system layer"
        );
    });
}

fn table() -> ffi::sqlite3_vfs {
    ffi::sqlite3_vfs {
        iVersion: 2, // up to xCurrentTimeInt64
        szOsFile: c_int::try_from(size_of::<OpenFile>()).expect("an open file is a few words"),
        mxPathname: PATH_BYTES_MAX,
        pNext: ptr::null_mut(),
        zName: NAME.as_ptr(),
        pAppData: ptr::null_mut(),
        xOpen: Some(x_open),
        xDelete: Some(x_delete),
        xAccess: Some(x_access),
        xFullPathname: Some(x_full_pathname),
        xDlOpen: None, // extensions are never loaded
        xDlError: None,
        xDlSym: None,
        xDlClose: None,
        xRandomness: Some(x_randomness),
        xSleep: Some(x_sleep),
        xCurrentTime: Some(x_current_time),
        xGetLastError: None,
        xCurrentTimeInt64: Some(x_current_time_int64),
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    }
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(x_close),
    xRead: Some(x_read),
    xWrite: Some(x_write),
    xTruncate: Some(x_truncate),
    xSync: Some(x_sync),
    xFileSize: Some(x_file_size),
    xLock: Some(x_lock),
    xUnlock: Some(x_lock),
    xCheckReservedLock: Some(x_check_reserved_lock),
    xFileControl: Some(x_file_control),
    xSectorSize: Some(x_sector_size),
    xDeviceCharacteristics: Some(x_device_characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

/// What stands in the memory that SQLite gives us for a file.
#[repr(C)]
struct OpenFile {
    base: ffi::sqlite3_file,
    file: Box<dyn VfsFile>,
}

const _: () = assert!(offset_of!(OpenFile, base) == 0);

/// Runs `f`; a panic becomes `on_panic` and never enters C.
fn guard(on_panic: Code, f: impl FnOnce() -> Result<(), Code>) -> c_int {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(Ok(())) => ffi::SQLITE_OK,
        Ok(Err(code)) => code,
        Err(_) => on_panic,
    }
}

/// The file behind a pointer that SQLite hands back.
///
/// # Safety
/// `file` was filled in by a successful [`x_open`] and not yet closed.
unsafe fn opened<'a>(file: *mut ffi::sqlite3_file) -> &'a dyn VfsFile {
    // SAFETY: by this function's contract; the base is the first field, so the pointers are the same.
    let open = unsafe { &*file.cast::<OpenFile>() };
    &*open.file
}

/// Finds the file for a name and SQLite's flags.
fn find(name: &str, flags: c_int) -> Result<Box<dyn VfsFile>, Code> {
    let token = name
        .split_once('/')
        .and_then(|(token, _)| token.parse().ok())
        .ok_or(ffi::SQLITE_CANTOPEN)?;
    let files = FILES
        .with_borrow(|files: &BTreeMap<u64, _>| files.get(&token).cloned())
        .ok_or(ffi::SQLITE_CANTOPEN)?;
    if flags & ffi::SQLITE_OPEN_MAIN_DB != 0 {
        Ok(Box::new(DatabaseFile(files)))
    } else if flags & ffi::SQLITE_OPEN_WAL != 0 {
        Ok(Box::new(LogFile(files)))
    } else {
        Err(ffi::SQLITE_CANTOPEN) // a rollback journal: a database in write-ahead mode has none
    }
}

unsafe extern "C" fn x_open(
    _vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SQLite calls xClose whenever this pointer is set, also after an error.
    // SAFETY: by xOpen's contract `file` points to szOsFile writable bytes.
    unsafe { (*file).pMethods = ptr::null() };
    guard(ffi::SQLITE_CANTOPEN, || {
        let found: Box<dyn VfsFile> = if name.is_null() {
            Box::<ScratchFile>::default()
        } else {
            // SAFETY: a name that is not null is a C string that outlives the call.
            let name = unsafe { CStr::from_ptr(name) };
            find(name.to_str().map_err(|_| ffi::SQLITE_CANTOPEN)?, flags)?
        };
        let open = OpenFile {
            base: ffi::sqlite3_file {
                pMethods: &raw const METHODS,
            },
            file: found,
        };
        // SAFETY: as above, and SQLite aligns it for pointers. Nothing is dropped there: it was not initialised.
        unsafe { file.cast::<OpenFile>().write(open) };
        if !out_flags.is_null() {
            // SAFETY: by xOpen's contract it is writable if it is not null.
            unsafe { *out_flags = flags };
        }
        Ok(())
    })
}

unsafe extern "C" fn x_close(file: *mut ffi::sqlite3_file) -> c_int {
    guard(ffi::SQLITE_IOERR_CLOSE, || {
        // SAFETY: SQLite closes a file once, after a successful x_open; it does not touch it afterwards.
        let open = unsafe { file.cast::<OpenFile>().read() };
        // SAFETY: the same memory is still writable; a second close would find null and stop.
        unsafe { (*file).pMethods = ptr::null() };
        drop(open);
        Ok(())
    })
}

unsafe extern "C" fn x_read(
    file: *mut ffi::sqlite3_file,
    out: *mut c_void,
    len: c_int,
    offset: i64,
) -> c_int {
    guard(ffi::SQLITE_IOERR_READ, || {
        // SAFETY: SQLite passes the pointer that x_open filled in, and one connection lives on one thread.
        let file = unsafe { opened(file) };
        let len = usize::try_from(len).map_err(|_| ffi::SQLITE_IOERR_READ)?;
        let offset = u64::try_from(offset).map_err(|_| ffi::SQLITE_IOERR_READ)?;
        // SAFETY: by xRead's contract `out` is writable for `len` bytes. They may be uninitialised, so they are filled before
        // a reference to them is made.
        unsafe { ptr::write_bytes(out.cast::<u8>(), 0, len) };
        // SAFETY: as above, and initialised now. Past the end of the file SQLite must find zeroes, or the database rots later.
        let out = unsafe { slice::from_raw_parts_mut(out.cast::<u8>(), len) };
        let found = file.read_at(out, offset)?;
        if found == len {
            Ok(())
        } else {
            Err(ffi::SQLITE_IOERR_SHORT_READ)
        }
    })
}

unsafe extern "C" fn x_write(
    file: *mut ffi::sqlite3_file,
    data: *const c_void,
    len: c_int,
    offset: i64,
) -> c_int {
    guard(ffi::SQLITE_IOERR_WRITE, || {
        // SAFETY: SQLite passes the pointer that x_open filled in.
        let file = unsafe { opened(file) };
        let len = usize::try_from(len).map_err(|_| ffi::SQLITE_IOERR_WRITE)?;
        let offset = u64::try_from(offset).map_err(|_| ffi::SQLITE_IOERR_WRITE)?;
        // SAFETY: by xWrite's contract `data` is readable for `len` bytes.
        let data = unsafe { slice::from_raw_parts(data.cast::<u8>(), len) };
        file.write_at(data, offset)
    })
}

unsafe extern "C" fn x_truncate(file: *mut ffi::sqlite3_file, len: i64) -> c_int {
    guard(ffi::SQLITE_IOERR_TRUNCATE, || {
        // SAFETY: SQLite passes the pointer that x_open filled in.
        let file = unsafe { opened(file) };
        file.truncate(u64::try_from(len).map_err(|_| ffi::SQLITE_IOERR_TRUNCATE)?)
    })
}

unsafe extern "C" fn x_sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: SQLite passes the pointer that x_open filled in.
    guard(ffi::SQLITE_IOERR_FSYNC, || unsafe { opened(file) }.sync())
}

unsafe extern "C" fn x_file_size(file: *mut ffi::sqlite3_file, out: *mut i64) -> c_int {
    guard(ffi::SQLITE_IOERR_FSTAT, || {
        // SAFETY: SQLite passes the pointer that x_open filled in.
        let len = unsafe { opened(file) }.len()?;
        let len = i64::try_from(len).map_err(|_| ffi::SQLITE_IOERR_FSTAT)?;
        // SAFETY: by xFileSize's contract `out` is writable.
        unsafe { *out = len };
        Ok(())
    })
}

unsafe extern "C" fn x_lock(_file: *mut ffi::sqlite3_file, _level: c_int) -> c_int {
    ffi::SQLITE_OK // the only connection there is
}

unsafe extern "C" fn x_check_reserved_lock(
    _file: *mut ffi::sqlite3_file,
    out: *mut c_int,
) -> c_int {
    // SAFETY: by xCheckReservedLock's contract `out` is writable.
    unsafe { *out = 0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_file_control(
    _file: *mut ffi::sqlite3_file,
    _operation: c_int,
    _argument: *mut c_void,
) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn x_sector_size(_file: *mut ffi::sqlite3_file) -> c_int {
    512 // what the disk port says may be torn
}

unsafe extern "C" fn x_device_characteristics(_file: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn x_delete(
    _vfs: *mut ffi::sqlite3_vfs,
    _name: *const c_char,
    _sync: c_int,
) -> c_int {
    ffi::SQLITE_IOERR_DELETE // SQLite has no reason to delete a file of ours; whatever the reason, it is wrong
}

unsafe extern "C" fn x_access(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    _flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: by xAccess's contract the name is a C string.
    let name = unsafe { CStr::from_ptr(name) };
    // The log is always there, because it was opened with the database; rollback journals never are.
    let exists = name.to_bytes().ends_with(LOG_SUFFIX.as_bytes());
    // SAFETY: by xAccess's contract `out` is writable.
    unsafe { *out = c_int::from(exists) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_full_pathname(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    len: c_int,
    out: *mut c_char,
) -> c_int {
    guard(ffi::SQLITE_CANTOPEN, || {
        // SAFETY: by xFullPathname's contract the name is a C string.
        let name = unsafe { CStr::from_ptr(name) }.to_bytes_with_nul();
        if name.len() > usize::try_from(len).map_err(|_| ffi::SQLITE_CANTOPEN)? {
            return Err(ffi::SQLITE_CANTOPEN);
        }
        // SAFETY: `out` is writable for `len` bytes, which are enough, and SQLite's buffers do not overlap.
        unsafe { ptr::copy_nonoverlapping(name.as_ptr().cast(), out, name.len()) };
        Ok(())
    })
}

unsafe extern "C" fn x_randomness(
    _vfs: *mut ffi::sqlite3_vfs,
    len: c_int,
    out: *mut c_char,
) -> c_int {
    let mut filled = 0;
    guard(ffi::SQLITE_ERROR, || {
        let size = usize::try_from(len).unwrap_or(0);
        // SAFETY: by xRandomness's contract `out` is writable for `len` bytes; they are filled before a reference is made.
        unsafe { ptr::write_bytes(out, 0, size) };
        // SAFETY: as above, and initialised now.
        let out = unsafe { slice::from_raw_parts_mut(out.cast::<u8>(), size) };
        if let Some(ports) = CURRENT.with_borrow(Clone::clone) {
            ports.entropy.fill(out);
            filled = len;
        }
        Ok(())
    });
    filled
}

unsafe extern "C" fn x_sleep(_vfs: *mut ffi::sqlite3_vfs, _micros: c_int) -> c_int {
    0 // nothing to wait for: there is no other connection
}

fn now() -> Result<i64, Code> {
    let ports = CURRENT.with_borrow(Clone::clone).ok_or(ffi::SQLITE_ERROR)?;
    Ok((ports.now)().as_millis() + EPOCH_MILLIS)
}

unsafe extern "C" fn x_current_time_int64(_vfs: *mut ffi::sqlite3_vfs, out: *mut i64) -> c_int {
    guard(ffi::SQLITE_ERROR, || {
        // SAFETY: by xCurrentTimeInt64's contract `out` is writable.
        unsafe { *out = now()? };
        Ok(())
    })
}

unsafe extern "C" fn x_current_time(_vfs: *mut ffi::sqlite3_vfs, out: *mut f64) -> c_int {
    guard(ffi::SQLITE_ERROR, || {
        #[expect(
            clippy::cast_precision_loss,
            reason = "days as a float are what the method wants; SQLite prefers the other one"
        )]
        let days = now()? as f64 / 86_400_000.0;
        // SAFETY: by xCurrentTime's contract `out` is writable.
        unsafe { *out = days };
        Ok(())
    })
}

#[cfg(test)]
#[path = "vfs_tests.rs"]
mod tests;
