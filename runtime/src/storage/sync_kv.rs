//! The synchronous key-value calls: the same table as the asynchronous ones, without awaiting (KVS-1).

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt,
    marker::PhantomData,
    rc::Rc,
};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    ListOptions, Storage, api::decode, batch::Confirm, engine::ActivationStorage,
    object::ObjectStorage, options::Bounds,
};
use crate::{
    Error, Result,
    value::{cbor, to_value},
};

/// How many entries a list fetches at once. They are thrown away as soon as anything was written.
const ENTRIES_AHEAD: usize = 32;

/// What an iterator says after another list began: the original's text (KVS-4).
const INVALIDATED: &str = "kv.list() iterator was invalidated because a new call to kv.list() was started. Only one kv.list() \
    iterator can exist at a time.";

/// What an iterator says where turns are minded.
const OF_ANOTHER_TURN: &str = "strict storage: this kv.list() iterator was made in a turn that has ended, and what it shows now is not \
    specified. Read its entries before awaiting anything but storage calls that do not wait.";

/// The synchronous key-value calls of a SQLite-backed object. A cheap handle.
///
/// # Example
/// ```
/// # fn example(storage: dormouse::Storage) -> dormouse::Result<()> {
/// let kv = storage.kv();
/// kv.put("visits", kv.get::<u64>("visits")?.unwrap_or(0) + 1)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SyncKv {
    activation: Rc<ActivationStorage>,
}

impl Storage {
    /// The synchronous key-value calls, on the same keys.
    pub fn kv(&self) -> SyncKv {
        SyncKv {
            activation: Rc::clone(&self.activation),
        }
    }
}

impl SyncKv {
    fn object(&self) -> Result<&Rc<ObjectStorage>> {
        self.activation.for_sync_kv()
    }

    /// The value of `key`, or `None` if there is none.
    ///
    /// # Errors
    /// As [`Storage::get`]; on another backend with the original's explanation, like every method here.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let found = self.object()?.kv_get(key)?;
        found.map(|bytes| decode(key, &bytes)).transpose()
    }

    /// Stores `value` under `key`, in place of any former one. Always confirmed.
    ///
    /// Unlike [`Storage::put`] it stores `None`: the key is there then, and its value is undefined (KVS-3).
    ///
    /// # Errors
    /// As [`Storage::put`].
    pub fn put<T: Serialize>(&self, key: &str, value: T) -> Result<()> {
        let object = self.object()?;
        let bytes = cbor::encode(&to_value(&value)?);
        object.kv_put(key, &bytes, Confirm::Required)
    }

    /// Removes `key`; returns whether it was there.
    ///
    /// # Errors
    /// If the storage is broken or shut down.
    pub fn delete(&self, key: &str) -> Result<bool> {
        self.object()?.kv_delete(key, Confirm::Required)
    }

    /// The entries that `options` mean, one by one, each as it is when it is its turn.
    ///
    /// There can be one such iterator at a time: the next list, of either kind, ends it (KVS-4).
    ///
    /// # Errors
    /// Type errors for impossible options, as [`Storage::list_as`].
    #[expect(
        clippy::needless_pass_by_value,
        reason = "like every other call that takes options"
    )]
    pub fn list_as<T: DeserializeOwned>(&self, options: ListOptions<'_>) -> Result<SyncKvList<T>> {
        let object = Rc::clone(self.object()?);
        let bounds = options.bounds()?;
        object.database()?;
        // A list of which it is clear beforehand that it is empty does not count as one.
        let number = bounds.as_ref().map(|_| object.kv_lists.begin());
        let turn = object.turns.get();
        Ok(SyncKvList {
            object,
            bounds,
            number: number.unwrap_or_default(),
            turn,
            ahead: VecDeque::new(),
            as_of: None,
            value: PhantomData,
        })
    }
}

impl fmt::Debug for SyncKv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SyncKv")
            .field(&self.activation.label())
            .finish()
    }
}

/// Which of the lists of an object is in force.
#[derive(Default)]
pub(super) struct KvLists {
    begun: Cell<u64>,
    /// Why the ones before are not.
    why: RefCell<&'static str>,
}

impl KvLists {
    /// A new list begins, and the ones before are over.
    pub(super) fn begin(&self) -> u64 {
        self.cancel(INVALIDATED);
        self.begun.get()
    }

    /// All lists are over.
    pub(super) fn cancel(&self, why: &'static str) {
        self.begun.set(self.begun.get() + 1);
        *self.why.borrow_mut() = why;
    }

    fn check(&self, number: u64) -> Result<()> {
        if self.begun.get() == number {
            Ok(())
        } else {
            Err(Error::from(*self.why.borrow()))
        }
    }
}

/// The entries of [`SyncKv::list_as`]. After an error it goes on failing.
pub struct SyncKvList<T> {
    object: Rc<ObjectStorage>,
    /// What is left to fetch; `None` at the end.
    bounds: Option<Bounds>,
    number: u64,
    ahead: VecDeque<(String, Vec<u8>)>,
    /// How many changes and rollbacks there had been when `ahead` was fetched.
    as_of: Option<(u64, u64)>,
    /// In which turn it was made.
    turn: u64,
    value: PhantomData<T>,
}

impl<T: DeserializeOwned> SyncKvList<T> {
    fn step(&mut self) -> Result<Option<(String, T)>> {
        let Some(bounds) = &mut self.bounds else {
            return Ok(None);
        };
        self.object.kv_lists.check(self.number)?;
        if self.object.strict && self.turn != self.object.turns.get() {
            return Err(Error::from(OF_ANOTHER_TURN));
        }
        let changes = self.object.database()?.total_changes();
        let now = (changes, self.object.tables.rollbacks());
        if self.as_of.replace(now) != Some(now) || self.ahead.is_empty() {
            let wanted = bounds.limit.unwrap_or(usize::MAX).min(ENTRIES_AHEAD);
            self.ahead = if wanted == 0 {
                VecDeque::new()
            } else {
                self.object.kv_list(&bounds.at_most(wanted))?.into()
            };
        }
        let Some((key, bytes)) = self.ahead.pop_front() else {
            self.bounds = None;
            return Ok(None);
        };
        bounds.pass(&key);
        let value = decode(&key, &bytes)?;
        Ok(Some((key, value)))
    }
}

impl<T: DeserializeOwned> Iterator for SyncKvList<T> {
    type Item = Result<(String, T)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

impl<T> fmt::Debug for SyncKvList<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncKvList")
            .field("left", &self.bounds)
            .finish_non_exhaustive()
    }
}
