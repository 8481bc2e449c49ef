//! The storage as an object's code sees it.
//!
//! Values go in and out as the author's own types, through the structured-clone set of [`Value`]. A method's future does its work at the
//! first poll; one that is never polled does nothing.

use std::{collections::BTreeMap, fmt, ops::Deref, rc::Rc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    GetOptions, ListOptions, PutOptions, SqlStorage, StorageBackend,
    engine::{ActivationStorage, OpenOverlay},
    kv::undecodable,
};
use crate::{
    Error, Result,
    mutation::Mutation,
    value::{Value, cbor, from_value, to_value},
};

/// An object's durable storage: keys and values, and [SQL](Storage::sql), in one database of its own. A cheap handle.
///
/// Writes made without an await on anything but storage become durable together or not at all. A completed call does not mean that the
/// write is durable: replies and outgoing calls wait for that by themselves (GEN-3), [`sync`](Self::sync) does so on purpose. An error
/// that leaves the object's handler undoes nothing (GEN-4).
///
/// A handle may outlive its activation, for instance in a task that is still being torn down: then every call fails.
#[derive(Clone)]
pub struct Storage {
    pub(super) activation: Rc<ActivationStorage>,
    /// The view that a transaction of the legacy backend has.
    pub(super) overlay: Option<OpenOverlay>,
}

impl Storage {
    /// The value of `key`, or `None` if there is none. Sees every earlier write of this activation.
    ///
    /// # Errors
    /// If the value does not fit `T`, or if the storage is broken or shut down.
    ///
    /// # Example
    /// ```
    /// # async fn example(storage: dormouse::Storage) -> dormouse::Result<()> {
    /// let count: u64 = storage.get("count").await?.unwrap_or(0);
    /// storage.put("count", count + 1).await
    /// # }
    /// ```
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        self.get_with_options(key, GetOptions::default()).await
    }

    /// [`get`](Self::get) with options.
    pub async fn get_with_options<T: DeserializeOwned>(
        &self,
        key: &str,
        options: GetOptions,
    ) -> Result<Option<T>> {
        self.pause_if_mutated().await;
        let found = self.read(key, options).await?;
        found.map(|bytes| decode(key, &bytes)).transpose()
    }

    /// The values of those of `keys` that exist, in the order of the keys' UTF-8 bytes (KV-5).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn get_multiple_as<T: DeserializeOwned>(
        &self,
        keys: Vec<impl Deref<Target = str>>,
    ) -> Result<BTreeMap<String, T>> {
        self.get_multiple_as_with_options(keys, GetOptions::default())
            .await
    }

    /// [`get_multiple_as`](Self::get_multiple_as) with options.
    pub async fn get_multiple_as_with_options<T: DeserializeOwned>(
        &self,
        keys: Vec<impl Deref<Target = str>>,
        options: GetOptions,
    ) -> Result<BTreeMap<String, T>> {
        self.pause_if_mutated().await;
        let keys: Vec<&str> = keys.iter().map(Deref::deref).collect();
        let found = self.read_multiple(&keys, options).await?.into_iter();
        found
            .map(|(key, bytes)| {
                let value = decode(&key, &bytes)?;
                Ok((key, value))
            })
            .collect()
    }

    /// Stores `value` under `key`, in place of any former one.
    ///
    /// # Errors
    /// A type error `put() called with undefined value.` for a value that is `None`; an error of the value's own serialisation; or that
    /// of the database. Nothing is written then.
    pub async fn put<T: Serialize>(&self, key: &str, value: T) -> Result<()> {
        self.put_with_options(key, value, PutOptions::default())
            .await
    }

    /// [`put`](Self::put) with options.
    pub async fn put_with_options<T: Serialize>(
        &self,
        key: &str,
        value: T,
        options: PutOptions,
    ) -> Result<()> {
        let bytes = match to_value(&value)? {
            Value::Undefined => {
                return Err(Error::type_error("put() called with undefined value."));
            }
            value => cbor::encode(&value),
        };
        self.pause_if_mutated().await;
        self.write(key, bytes, options).await
    }

    /// Stores each field of a struct, or each entry of a map with string keys, under its name: all of them or none (KV-43). Fields
    /// that are `None` are left out; nothing is deleted.
    ///
    /// # Errors
    /// `Must pass in a struct type` for anything else. As [`put`](Self::put); all values are serialised before any is written (KV-14).
    ///
    /// # Example
    /// ```
    /// # async fn example(storage: dormouse::Storage) -> dormouse::Result<()> {
    /// #[derive(serde::Serialize)]
    /// struct Settings {
    ///     theme: &'static str,
    ///     font_size: u32,
    /// }
    /// storage.put_multiple(Settings { theme: "dark", font_size: 12 }).await
    /// # }
    /// ```
    pub async fn put_multiple<T: Serialize>(&self, values: T) -> Result<()> {
        self.put_multiple_with_options(values, PutOptions::default())
            .await
    }

    /// [`put_multiple`](Self::put_multiple) with options.
    pub async fn put_multiple_with_options<T: Serialize>(
        &self,
        values: T,
        options: PutOptions,
    ) -> Result<()> {
        let entries = entries_of(to_value(&values)?)?;
        self.pause_if_mutated().await;
        self.write_multiple(entries, options).await
    }

    /// Removes `key`; returns whether it was there.
    ///
    /// # Errors
    /// If the storage is broken or shut down.
    pub async fn delete(&self, key: &str) -> Result<bool> {
        self.delete_with_options(key, PutOptions::default()).await
    }

    /// [`delete`](Self::delete) with options.
    pub async fn delete_with_options(&self, key: &str, options: PutOptions) -> Result<bool> {
        self.pause_if_mutated().await;
        Ok(self.remove(&[key], options).await? > 0)
    }

    /// Removes `keys`; returns how many of them were there.
    ///
    /// # Errors
    /// As [`delete`](Self::delete).
    pub async fn delete_multiple(&self, keys: Vec<impl Deref<Target = str>>) -> Result<usize> {
        self.delete_multiple_with_options(keys, PutOptions::default())
            .await
    }

    /// [`delete_multiple`](Self::delete_multiple) with options.
    pub async fn delete_multiple_with_options(
        &self,
        keys: Vec<impl Deref<Target = str>>,
        options: PutOptions,
    ) -> Result<usize> {
        self.pause_if_mutated().await;
        let keys: Vec<&str> = keys.iter().map(Deref::deref).collect();
        self.remove(&keys, options).await
    }

    /// Deletes everything: keys, SQL tables, and the alarm, unless the node keeps to a compatibility date before 2026-02-24 (DEL-2).
    ///
    /// All of it or nothing, together with what the turn writes afterwards. What the turn wrote *before* is gone in either case
    /// (DEL-6). Open cursors end. Always confirmed. Only after this nothing is stored any more: deleting each key leaves the
    /// runtime's own tables (GEN-5). The object's files stay, with their length, for the next writes; and [`History`](crate::History) keeps former states for as long
    /// as it is set to.
    ///
    /// # Errors
    /// `Cannot call deleteAll() within a transaction`; or if the storage is broken or shut down.
    pub async fn delete_all(&self) -> Result<()> {
        self.delete_all_with_options(PutOptions::default()).await
    }

    /// [`delete_all`](Self::delete_all) with options, none of which this backend heeds (KV-21).
    pub async fn delete_all_with_options(&self, options: PutOptions) -> Result<()> {
        if options.allow_unconfirmed && self.activation.backend != StorageBackend::KeyValue {
            tracing::warn!(target: "dormouse::storage", "deleteAll() is always confirmed on SQLite: allow_unconfirmed is ignored");
        }
        self.pause_if_mutated().await;
        self.remove_all(options).await
    }

    /// The entries that `options` mean, in the order of the keys' UTF-8 bytes, or against it with `reverse`.
    ///
    /// # Errors
    /// Type errors for impossible options: `list() cannot be called with both start and startAfter values.`, `List limit must be
    /// positive.` Else as [`get`](Self::get).
    ///
    /// # Example
    /// ```
    /// # async fn example(storage: dormouse::Storage) -> dormouse::Result<()> {
    /// use dormouse::ListOptions;
    /// let orders: Vec<(String, u64)> = storage.list_as(ListOptions::new().prefix("order:").limit(10)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn list_as<T: DeserializeOwned>(
        &self,
        options: ListOptions<'_>,
    ) -> Result<Vec<(String, T)>> {
        let Some(bounds) = options.bounds()? else {
            return Ok(Vec::new());
        };
        self.pause_if_mutated().await;
        let entries = self.read_range(bounds, options.read()).await?;
        entries
            .into_iter()
            .map(|(key, bytes)| {
                let value = decode(&key, &bytes)?;
                Ok((key, value))
            })
            .collect()
    }

    /// Completes when every write made before the call is durable, unconfirmed ones included; later ones do not matter (SYNC-1).
    ///
    /// It always suspends, so it ends the turn, and other events may run meanwhile (SYNC-3).
    ///
    /// # Errors
    /// If the storage is broken or breaks meanwhile: the object is being reset then.
    pub async fn sync(&self) -> Result<()> {
        self.wait_until_durable().await
    }

    /// The SQL side of the same database.
    pub fn sql(&self) -> SqlStorage {
        SqlStorage {
            activation: Rc::clone(&self.activation),
        }
    }

    pub(super) async fn pause_if_mutated(&self) {
        if Mutation::InputGateOpen.is_active() {
            let clock = &self.activation.clock;
            clock
                .sleep_until(clock.now() + Duration::from_millis(1))
                .await;
        }
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Storage")
            .field(&self.activation.label())
            .finish()
    }
}

pub(super) fn decode<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T> {
    let value = cbor::decode(bytes).map_err(|error| undecodable(key, &error))?;
    from_value(value)
}

/// The entries of a multi-put, serialised.
fn entries_of(values: Value) -> Result<Vec<(String, Vec<u8>)>> {
    let not_a_struct = || Error::from("Must pass in a struct type");
    let entries = match values {
        Value::Object(entries) => entries,
        Value::Map(entries) => entries
            .into_iter()
            .map(|(key, value)| {
                if let Value::String(key) = key {
                    Ok((key, value))
                } else {
                    Err(not_a_struct())
                }
            })
            .collect::<Result<_>>()?,
        _ => return Err(not_a_struct()),
    };
    let defined = entries
        .into_iter()
        .filter(|(_, value)| !matches!(value, Value::Undefined));
    Ok(defined
        .map(|(key, value)| (key, cbor::encode(&value)))
        .collect())
}
