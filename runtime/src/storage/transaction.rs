//! `transaction`: several turns as one, all of it or nothing.
//!
//! It is a critical section of the object with an explicit transaction in it: nothing else runs meanwhile, so there are no conflicts
//! and the closure runs once (TXN-1, TXN-6). On the legacy backend it is an overlay, which only the calls on the transaction itself
//! see and which becomes part of the next flush (TXN-20, TXN-21).

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
    future::Future,
    ops::Deref,
    rc::Rc,
};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    GetAlarmOptions, GetOptions, ListOptions, PutOptions, ScheduledTime, SetAlarmOptions, Storage,
    engine::Engine,
};
use crate::{Error, Result};

/// The storage as the closure of [`Storage::transaction`] sees it. A cheap handle; useless when the transaction has ended (TXN-4).
///
/// For a SQLite-backed object it is only another name for the storage: every call inside the closure is part of the transaction
/// (TXN-10). On the legacy backend only the calls on this handle are (TXN-20).
#[derive(Clone)]
pub struct Transaction {
    storage: Storage,
    /// How many SQLite transactions this one is inside of.
    depth: usize,
    state: Rc<Cell<State>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Committed,
    RolledBack,
}

impl Storage {
    /// Runs `closure`; if it fails, everything written meanwhile is undone and its error returned. May be nested.
    ///
    /// It runs as a critical section: when the turn is over, alone, for 30 seconds at most. What it wrote becomes durable when it has
    /// ended, and outputs wait for that from then on; a message sent *inside* may leave before, and even if everything is rolled
    /// back (GATE-16). What the turn wrote before the call is committed first and stays (TXN-11).
    ///
    /// # Errors
    /// The closure's own. If the commit fails the object is reset, and the call never completes (TXN-7). Once the storage
    /// is broken, the reason for it.
    ///
    /// # Example
    /// ```
    /// # async fn example(storage: dormouse::Storage) -> dormouse::Result<()> {
    /// use dormouse::Error;
    /// storage
    ///     .transaction(|txn| async move {
    ///         let balance: i64 = txn.get("alice").await?;
    ///         if balance < 10 {
    ///             return Err(Error::from("not enough"));
    ///         }
    ///         txn.put("alice", balance - 10).await?;
    ///         txn.put("bob", txn.get::<i64>("bob").await? + 10).await
    ///     })
    ///     .await
    /// # }
    /// ```
    pub async fn transaction<T, F, Fut>(&self, closure: F) -> Result<T>
    where
        T: 'static,
        F: FnOnce(Transaction) -> Fut + 'static,
        Fut: Future<Output = Result<T>> + 'static,
    {
        let activation = &self.activation;
        if let Engine::Sqlite(sqlite) = &activation.engine {
            sqlite.database()?;
        }
        let outcome = Rc::new(RefCell::new(None));
        let body = {
            let storage = self.clone();
            let outcome = Rc::clone(&outcome);
            async move {
                let transaction = Transaction::begin(&storage)?;
                let ended = match closure(transaction.clone()).await {
                    Ok(value) => transaction.commit().await.map(|()| Ok(value))?,
                    Err(error) => transaction.roll_back().map(|()| Err(error))?,
                };
                transaction.leave();
                *outcome.borrow_mut() = Some(ended);
                Ok(())
            }
        };
        let sections = &activation.sections;
        sections.critical_section(Box::pin(body)).await?;
        let ended = outcome.borrow_mut().take();
        ended.unwrap_or_else(|| Err(Error::from("the transaction ended without a result")))
    }
}

impl Transaction {
    fn begin(storage: &Storage) -> Result<Self> {
        let (storage, depth) = match &storage.activation.engine {
            Engine::Sqlite(sqlite) => (storage.clone(), sqlite.begin_transaction()?),
            Engine::Legacy(legacy) => (storage.with_overlay(legacy)?, 0),
        };
        Ok(Self {
            storage,
            depth,
            state: Rc::new(Cell::new(State::Open)),
        })
    }

    async fn commit(&self) -> Result<()> {
        if self.state.get() == State::Open {
            match &self.storage.activation.engine {
                Engine::Sqlite(sqlite) => sqlite.release_transaction(self.depth)?,
                Engine::Legacy(_) => self.storage.commit_overlay().await?,
            }
            self.state.set(State::Committed);
        }
        Ok(())
    }

    fn roll_back(&self) -> Result<()> {
        if self.state.get() == State::Open {
            match &self.storage.activation.engine {
                Engine::Sqlite(sqlite) => sqlite.undo_transaction(self.depth)?,
                Engine::Legacy(_) => self.storage.undo_overlay(),
            }
            self.state.set(State::RolledBack);
        }
        Ok(())
    }

    /// The closure is over.
    fn leave(&self) {
        if let Engine::Sqlite(sqlite) = &self.storage.activation.engine {
            sqlite.leave_transaction();
        }
    }

    /// The storage, for `operation`.
    ///
    /// # Errors
    /// The transaction has ended: with the original's texts (TXN-4).
    fn open(&self, operation: &str) -> Result<&Storage> {
        match self.state.get() {
            State::Open => Ok(&self.storage),
            State::RolledBack => Err(Error::from(format!(
                "Cannot {operation} on rolled back transaction"
            ))),
            State::Committed => Err(Error::from(format!(
                "Cannot call {operation} on transaction that has already committed: did you move `txn` outside of the closure?"
            ))),
        }
    }

    /// Undoes everything that was written in the transaction. The closure goes on, and what it returns is still the result; calls on
    /// this handle fail from now on. A second call does nothing.
    ///
    /// # Errors
    /// `Cannot roll back an outer transaction while a nested transaction is still running.`, or the transaction has committed.
    pub fn rollback(&self) -> Result<()> {
        if self.state.get() == State::RolledBack {
            return Ok(());
        }
        self.open("rollback()")?;
        self.roll_back()
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// `No such value in storage.` if there is none, as in workers-rs; else as [`Storage::get`]. Every call fails when the transaction
    /// has ended.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<T> {
        let found = self.get_optional(key).await?;
        found.ok_or_else(|| Error::from("No such value in storage."))
    }

    /// The value of `key`, or `None` if there is none.
    pub async fn get_optional<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        self.get_with_options(key, GetOptions::default()).await
    }

    /// [`get_optional`](Self::get_optional) with options.
    pub async fn get_with_options<T: DeserializeOwned>(
        &self,
        key: &str,
        options: GetOptions,
    ) -> Result<Option<T>> {
        self.open("get()")?.get_with_options(key, options).await
    }

    /// As [`Storage::get_multiple_as`].
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
        let storage = self.open("get()")?;
        storage.get_multiple_as_with_options(keys, options).await
    }

    /// As [`Storage::put`].
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
        let storage = self.open("put()")?;
        storage.put_with_options(key, value, options).await
    }

    /// As [`Storage::put_multiple`].
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
        let storage = self.open("put()")?;
        storage.put_multiple_with_options(values, options).await
    }

    /// As [`Storage::delete`].
    pub async fn delete(&self, key: &str) -> Result<bool> {
        self.delete_with_options(key, PutOptions::default()).await
    }

    /// [`delete`](Self::delete) with options.
    pub async fn delete_with_options(&self, key: &str, options: PutOptions) -> Result<bool> {
        let storage = self.open("delete()")?;
        storage.delete_with_options(key, options).await
    }

    /// As [`Storage::delete_multiple`].
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
        let storage = self.open("delete()")?;
        storage.delete_multiple_with_options(keys, options).await
    }

    /// Always refused (DEL-3).
    ///
    /// # Errors
    /// `Cannot call deleteAll() within a transaction`.
    #[expect(
        clippy::unused_async,
        reason = "the signature that workers-rs gives it"
    )]
    pub async fn delete_all(&self) -> Result<()> {
        Err(Error::from("Cannot call deleteAll() within a transaction"))
    }

    /// As [`Storage::list_as`].
    pub async fn list_as<T: DeserializeOwned>(
        &self,
        options: ListOptions<'_>,
    ) -> Result<Vec<(String, T)>> {
        if options.bounds()?.is_none() {
            return Ok(Vec::new()); // no handle is asked (KV-30)
        }
        self.open("list()")?.list_as(options).await
    }

    /// As [`Storage::get_alarm`].
    pub async fn get_alarm(&self) -> Result<Option<i64>> {
        self.get_alarm_with_options(GetAlarmOptions::default())
            .await
    }

    /// [`get_alarm`](Self::get_alarm) with options.
    pub async fn get_alarm_with_options(&self, options: GetAlarmOptions) -> Result<Option<i64>> {
        let storage = self.open("getAlarm()")?;
        storage.get_alarm_with_options(options).await
    }

    /// As [`Storage::set_alarm`].
    pub async fn set_alarm(&self, scheduled_time: impl Into<ScheduledTime>) -> Result<()> {
        self.set_alarm_with_options(scheduled_time, SetAlarmOptions::default())
            .await
    }

    /// [`set_alarm`](Self::set_alarm) with options.
    pub async fn set_alarm_with_options(
        &self,
        scheduled_time: impl Into<ScheduledTime>,
        options: SetAlarmOptions,
    ) -> Result<()> {
        let scheduled_time = scheduled_time.into();
        scheduled_time.resolve(self.storage.activation.now())?; // what is no time is refused first
        let storage = self.open("setAlarm()")?;
        storage
            .set_alarm_with_options(scheduled_time, options)
            .await
    }

    /// As [`Storage::delete_alarm`].
    pub async fn delete_alarm(&self) -> Result<()> {
        self.delete_alarm_with_options(SetAlarmOptions::default())
            .await
    }

    /// [`delete_alarm`](Self::delete_alarm) with options.
    pub async fn delete_alarm_with_options(&self, options: SetAlarmOptions) -> Result<()> {
        let storage = self.open("deleteAlarm()")?;
        storage.delete_alarm_with_options(options).await
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("storage", &self.storage)
            .field("state", &self.state.get())
            .finish_non_exhaustive()
    }
}
