//! The storage of one activation, on whichever backend: opened with it, asked by its handles, shut down with it.
//!
//! The object's code sees one API. Underneath, a SQLite-backed object does everything at once, in the turn, while the legacy backend may have
//! to ask its service, which ends the turn and holds the input gate (KV-2, IN-3). Which of the two it is is decided here and nowhere above.

use std::{
    cell::{Cell, RefCell},
    ops::Deref,
    rc::Rc,
};

use super::{
    GetOptions, PutOptions, Sections, Storage, StorageBackend,
    legacy::{Answer, Caching, LegacyStorage, Overlay, check_pairs, refusals},
    object::{Left, ObjectStorage, StorageSetup},
    options::Bounds,
};
use crate::{
    Error, Result,
    platform::{Clock, LocalBoxFuture, WallTime},
};

/// What the storage of an activation is made of, whatever the backend.
pub(crate) struct ActivationSetup {
    pub(crate) storage: StorageSetup,
    pub(crate) backend: StorageBackend,
    pub(crate) sections: Rc<dyn Sections>,
    /// The class has a handler for alarms.
    pub(crate) alarm_handler: bool,
}

/// The storage of one activation.
pub(crate) struct ActivationStorage {
    pub(super) engine: Engine,
    pub(super) backend: StorageBackend,
    pub(super) sections: Rc<dyn Sections>,
    pub(super) clock: Rc<dyn Clock>,
    pub(super) object: Rc<str>,
    /// The object's code is held to the documented limits, and to its turns.
    strict: bool,
    /// Alarms may be set: the class has a handler, or its constructor is running.
    alarm_handler: Cell<bool>,
    pub(super) now: Rc<dyn Fn() -> WallTime>,
}

/// The two kinds of storage.
pub(super) enum Engine {
    Sqlite(Rc<ObjectStorage>),
    Legacy(Rc<LegacyStorage>),
}

/// The overlay of a legacy transaction; nothing is in it when the transaction has ended.
pub(super) type OpenOverlay = Rc<RefCell<Option<Overlay>>>;

impl ActivationStorage {
    /// Opens the object's files, making them if there are none.
    ///
    /// # Errors
    /// Naming the object, if the disk fails, a file is no database, or the object has its data on another backend. The files are left as
    /// they are.
    pub(crate) fn open(setup: ActivationSetup) -> Result<Rc<Self>> {
        let ActivationSetup {
            storage,
            backend,
            sections,
            alarm_handler,
        } = setup;
        check_backend(&storage)?;
        Ok(Rc::new(Self {
            backend,
            sections,
            alarm_handler: Cell::new(alarm_handler),
            strict: storage.strict,
            clock: Rc::clone(&storage.clock),
            object: Rc::clone(&storage.object),
            now: Rc::clone(&storage.now),
            engine: match backend {
                StorageBackend::Sqlite | StorageBackend::KeyValueEmulated => {
                    Engine::Sqlite(ObjectStorage::open(storage)?)
                }
                StorageBackend::KeyValue => Engine::Legacy(LegacyStorage::open(storage)?),
            },
        }))
    }

    /// A handle for the object's code.
    pub(crate) fn handle(self: &Rc<Self>) -> Storage {
        Storage {
            activation: Rc::clone(self),
            overlay: None,
        }
    }

    /// Commits, or lets go, what the turn wrote.
    pub(crate) fn end_turn(&self) {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.end_turn(),
            Engine::Legacy(legacy) => legacy.end_turn(),
        }
    }

    /// The last batch with a confirmed write, counted from 1 in this activation; 0 if there was none.
    pub(crate) fn confirmed_batch(&self) -> u64 {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.confirmed_batch(),
            Engine::Legacy(legacy) => legacy.confirmed_batch(),
        }
    }

    /// Nothing is on its way that would be lost if the activation ended now.
    pub(crate) fn is_idle(&self) -> bool {
        match &self.engine {
            // What was committed is in the page cache, unless it waits for the scheduler.
            Engine::Sqlite(sqlite) => !sqlite.held.is_holding(),
            Engine::Legacy(legacy) => legacy.is_idle(),
        }
    }

    /// Drops from the cache, if there is one, what is stored as well; returns whether there was anything.
    pub(crate) fn forget_cached(&self) -> bool {
        match &self.engine {
            Engine::Sqlite(_) => false,
            Engine::Legacy(legacy) => legacy.forget_clean(),
        }
    }

    /// If too much waits to be written: completes when no more than that does. Until then no code of the object may run (LK-14).
    pub(crate) fn backpressure(&self) -> Option<LocalBoxFuture<'static, Result<()>>> {
        match &self.engine {
            Engine::Sqlite(_) => None,
            Engine::Legacy(legacy) => legacy.backpressure(),
        }
    }

    /// How this activation leaves the files, if it ends now.
    pub(crate) fn left(&self) -> Left {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.left(),
            Engine::Legacy(legacy) => legacy.left(),
        }
    }

    /// Discards what was not committed; every later call fails with `reason`. What is on its way to the disk may or may not land (SHUT-1).
    pub(crate) fn shut_down(&self, reason: Error) {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.shut_down(reason),
            Engine::Legacy(legacy) => legacy.shut_down(reason),
        }
    }

    /// Whether it broke because of what the application had left in it.
    pub(crate) fn was_broken_by_application(&self) -> bool {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.broken_by_application.get(),
            Engine::Legacy(_) => false,
        }
    }

    /// Lets alarms be set although the class may have no handler, as long as its constructor runs (AL-4).
    pub(crate) fn allow_alarms(&self, allow: bool) {
        self.alarm_handler.set(allow);
    }

    /// # Errors
    /// The class has no handler for alarms: with the original's text (AL-4).
    pub(super) fn check_alarm_handler(&self) -> Result<()> {
        if self.alarm_handler.get() {
            return Ok(());
        }
        Err(Error::type_error(
            "Your Durable Object class must have an alarm() handler in order to call setAlarm()",
        ))
    }

    /// # Errors
    /// A call names more keys than the documentation allows, and that is minded (KV-40).
    fn check_pairs_if_strict(&self, pairs: usize) -> Result<()> {
        if self.strict {
            check_pairs(pairs)
        } else {
            Ok(())
        }
    }

    /// The time of the turn.
    pub(super) fn now(&self) -> WallTime {
        (self.now)()
    }

    pub(super) fn label(&self) -> &str {
        &self.object
    }

    /// The SQLite engine, for a call that only it has.
    ///
    /// # Errors
    /// The legacy backend's text for that call.
    pub(super) fn sqlite(&self, otherwise: &str) -> Result<&Rc<ObjectStorage>> {
        match &self.engine {
            Engine::Sqlite(sqlite) => Ok(sqlite),
            Engine::Legacy(_) => Err(Error::from(otherwise)),
        }
    }

    /// The engine, for SQL (section 2.2).
    pub(super) fn for_sql(&self) -> Result<&Rc<ObjectStorage>> {
        self.backend.check_sql()?;
        self.sqlite(refusals::SQL)
    }

    /// The engine, for the synchronous key-value calls (section 2.2).
    pub(super) fn for_sync_kv(&self) -> Result<&Rc<ObjectStorage>> {
        self.backend.check_sync_kv()?;
        self.sqlite(refusals::SYNC_KV)
    }

    /// Waits for an answer of the legacy engine. While it does, no other event of the object runs, unless that is allowed (IN-3).
    async fn wait<T: 'static>(&self, answer: Answer<T>, allow_concurrency: bool) -> Result<T> {
        let later = match answer {
            Answer::Now(result) => return Ok(result),
            Answer::Later(later) if allow_concurrency => return later.await,
            Answer::Later(later) => later,
        };
        let result = Rc::new(RefCell::new(None));
        let outcome = Rc::clone(&result);
        let operation = async move {
            let answer = later.await;
            *outcome.borrow_mut() = Some(answer);
        };
        self.sections.with_input_held(Box::pin(operation)).await;
        let result = result.borrow_mut().take();
        result.expect("the operation is over")
    }
}

/// The end of the names of SQLite-backed objects' files.
pub(crate) const SQLITE_SUFFIX: &str = ".sqlite";

/// The same for the legacy backend.
pub(crate) const LEGACY_SUFFIX: &str = ".kv";

/// # Errors
/// The object has its data on the other backend: it would seem to be empty.
fn check_backend(setup: &StorageSetup) -> Result<()> {
    let StorageSetup { path, object, .. } = setup;
    let with = |suffix, other| Some(format!("{}{other}", path.strip_suffix(suffix)?));
    let Some(other) =
        with(LEGACY_SUFFIX, SQLITE_SUFFIX).or_else(|| with(SQLITE_SUFFIX, LEGACY_SUFFIX))
    else {
        return Ok(()); // a name that no object of a node has
    };
    let failed = |reason: String| {
        Err(Error::from(format!(
            "cannot open the storage of {object} ({path}): {reason}"
        )))
    };
    match setup.disk.exists(&other) {
        Ok(false) => Ok(()),
        Ok(true) => failed(format!(
            "its data are in {other}, and the storage backend of a class cannot be changed later: serve it on the one it was made with"
        )),
        Err(error) => failed(error.to_string()),
    }
}

/// A stored value as bytes.
pub(super) enum Bytes {
    Owned(Vec<u8>),
    Shared(Rc<[u8]>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

fn caching(options: GetOptions) -> Caching {
    if options.no_cache {
        Caching::Skip
    } else {
        Caching::Keep
    }
}

/// The calls of the API on serialised values. On SQLite none of them ever suspends (KV-1).
impl Storage {
    pub(super) async fn read(&self, key: &str, options: GetOptions) -> Result<Option<Bytes>> {
        let answer = match &self.activation.engine {
            Engine::Sqlite(sqlite) => return Ok(sqlite.kv_get(key)?.map(Bytes::Owned)),
            Engine::Legacy(legacy) => match &self.overlay {
                Some(overlay) => ask(overlay, |overlay| overlay.get(key, caching(options)))?,
                None => legacy.get(key, caching(options))?,
            },
        };
        let waited = self.activation.wait(answer, options.allow_concurrency);
        Ok(waited.await?.map(Bytes::Shared))
    }

    pub(super) async fn read_multiple(
        &self,
        keys: &[&str],
        options: GetOptions,
    ) -> Result<Vec<(String, Bytes)>> {
        self.activation.check_pairs_if_strict(keys.len())?;
        let answer = match &self.activation.engine {
            Engine::Sqlite(sqlite) => {
                let found = keys.iter().filter_map(|key| {
                    let value = sqlite.kv_get(key).transpose()?;
                    Some(value.map(|bytes| ((*key).to_owned(), Bytes::Owned(bytes))))
                });
                return found.collect();
            }
            Engine::Legacy(legacy) => match &self.overlay {
                Some(overlay) => ask(overlay, |overlay| {
                    overlay.get_multiple(keys, caching(options))
                })?,
                None => legacy.get_multiple(keys, caching(options))?,
            },
        };
        let waited = self.activation.wait(answer, options.allow_concurrency);
        Ok(shared(waited.await?))
    }

    pub(super) async fn read_range(
        &self,
        bounds: Bounds,
        options: GetOptions,
    ) -> Result<Vec<(String, Bytes)>> {
        let answer = match &self.activation.engine {
            Engine::Sqlite(sqlite) => {
                sqlite.kv_lists.begin(); // it ends a synchronous one (KVS-4)
                let entries = sqlite.kv_list(&bounds)?.into_iter();
                return Ok(entries
                    .map(|(key, bytes)| (key, Bytes::Owned(bytes)))
                    .collect());
            }
            Engine::Legacy(legacy) => match &self.overlay {
                Some(overlay) => ask(overlay, |overlay| overlay.list(bounds, caching(options)))?,
                None => legacy.list(bounds, caching(options))?,
            },
        };
        let waited = self.activation.wait(answer, options.allow_concurrency);
        Ok(shared(waited.await?))
    }

    pub(super) async fn write(&self, key: &str, value: Vec<u8>, options: PutOptions) -> Result<()> {
        match &self.activation.engine {
            Engine::Sqlite(sqlite) => sqlite.kv_put(key, &value, options.confirm()),
            Engine::Legacy(_) => {
                let entry = vec![(key.to_owned(), value)];
                self.write_multiple(entry, options).await
            }
        }
    }

    pub(super) async fn write_multiple(
        &self,
        entries: Vec<(String, Vec<u8>)>,
        options: PutOptions,
    ) -> Result<()> {
        self.activation.check_pairs_if_strict(entries.len())?;
        let answer = match &self.activation.engine {
            Engine::Sqlite(sqlite) => return sqlite.kv_put_multiple(&entries, options.confirm()),
            Engine::Legacy(legacy) => match &self.overlay {
                Some(overlay) => return ask(overlay, |overlay| overlay.put(entries, options)),
                None => legacy.put(entries, options)?,
            },
        };
        let waited = self.activation.wait(answer, options.allow_concurrency);
        waited.await
    }

    pub(super) async fn remove(&self, keys: &[&str], options: PutOptions) -> Result<usize> {
        self.activation.check_pairs_if_strict(keys.len())?;
        let answer = match &self.activation.engine {
            Engine::Sqlite(sqlite) => {
                return keys.iter().try_fold(0, |deleted, key| {
                    let was_there = sqlite.kv_delete(key, options.confirm())?;
                    Ok(deleted + usize::from(was_there))
                });
            }
            Engine::Legacy(legacy) => match &self.overlay {
                Some(overlay) => ask(overlay, |overlay| overlay.delete(keys, options))?,
                None => legacy.delete(keys, options)?,
            },
        };
        let waited = self.activation.wait(answer, options.allow_concurrency);
        waited.await
    }

    pub(super) async fn remove_all(&self, options: PutOptions) -> Result<()> {
        match &self.activation.engine {
            Engine::Sqlite(sqlite) => sqlite.delete_all(),
            Engine::Legacy(legacy) => {
                // The count is the service's; the original's API has none.
                let answer = legacy.delete_all(options)?.answer;
                let waited = self.activation.wait(answer, options.allow_concurrency);
                waited.await
            }
        }
    }

    pub(super) async fn wait_until_durable(&self) -> Result<()> {
        match &self.activation.engine {
            Engine::Sqlite(sqlite) => Rc::clone(sqlite).sync().await,
            // Other events may run meanwhile (SYNC-3).
            Engine::Legacy(legacy) => self.activation.wait(legacy.sync()?, true).await,
        }
    }

    pub(super) async fn read_alarm(&self, allow_concurrency: bool) -> Result<Option<WallTime>> {
        let answer = match &self.activation.engine {
            Engine::Sqlite(sqlite) => return sqlite.alarm(),
            Engine::Legacy(legacy) => match &self.overlay {
                Some(overlay) => ask(overlay, |overlay| overlay.get_alarm())?,
                None => legacy.get_alarm()?,
            },
        };
        self.activation.wait(answer, allow_concurrency).await
    }

    pub(super) async fn write_alarm(
        &self,
        alarm: Option<WallTime>,
        options: PutOptions,
    ) -> Result<()> {
        let answer = match &self.activation.engine {
            Engine::Sqlite(sqlite) => return sqlite.set_alarm(alarm, options.confirm()),
            Engine::Legacy(legacy) => match &self.overlay {
                Some(overlay) => return ask(overlay, |overlay| overlay.set_alarm(alarm, options)),
                None => legacy.set_alarm(alarm, options)?,
            },
        };
        let waited = self.activation.wait(answer, options.allow_concurrency);
        waited.await
    }

    /// Begins a transaction of the legacy engine: its own view of the storage (TXN-20).
    pub(super) fn with_overlay(&self, legacy: &Rc<LegacyStorage>) -> Result<Self> {
        let overlay = legacy.begin_transaction()?;
        Ok(Self {
            activation: Rc::clone(&self.activation),
            overlay: Some(Rc::new(RefCell::new(Some(overlay)))),
        })
    }

    /// Ends it, and keeps what it wrote, at once (TXN-21).
    pub(super) async fn commit_overlay(&self) -> Result<()> {
        let overlay = self.take_overlay();
        match overlay {
            Some(overlay) => self.activation.wait(overlay.commit()?, true).await,
            None => Ok(()),
        }
    }

    /// Ends it, and throws away what it wrote.
    pub(super) fn undo_overlay(&self) {
        if let Some(overlay) = self.take_overlay() {
            overlay.rollback();
        }
    }

    fn take_overlay(&self) -> Option<Overlay> {
        self.overlay.as_ref()?.borrow_mut().take()
    }
}

/// Asks an overlay that is open: a transaction that has ended refuses before.
fn ask<T>(overlay: &OpenOverlay, question: impl FnOnce(&mut Overlay) -> Result<T>) -> Result<T> {
    let mut overlay = overlay.borrow_mut();
    question(overlay.as_mut().expect("the transaction is open"))
}

fn shared(entries: Vec<(String, Rc<[u8]>)>) -> Vec<(String, Bytes)> {
    let entries = entries.into_iter();
    entries
        .map(|(key, bytes)| (key, Bytes::Shared(bytes)))
        .collect()
}
