//! The calls of Dormouse that everything comes down to, in Rust's terms, one function each: an engine would have the same list.
//!
//! Key-value calls and alarms exist on the storage and on a transaction of it; [`Target`] says which is meant.

use std::future::Future;

use dormouse::{Error, ListOptions, NodeBuilder, PutOptions, Result, Storage, Value};

use super::{object::Scripted, vector::Case};

/// What a key-value call or an alarm's call goes to.
#[derive(Clone)]
pub(super) enum Target {
    Storage(Storage),
    Transaction(Transaction),
}

/// Options of a call, as far as the script named them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CallOptions {
    pub(super) allow_concurrency: Option<bool>,
    pub(super) allow_unconfirmed: Option<bool>,
    pub(super) no_cache: Option<bool>,
}

/// Options of a list.
#[derive(Clone, Debug, Default)]
pub(super) struct Range {
    pub(super) start: Option<String>,
    pub(super) start_after: Option<String>,
    pub(super) end: Option<String>,
    pub(super) prefix: Option<String>,
    pub(super) reverse: bool,
    pub(super) limit: Option<usize>,
    pub(super) options: CallOptions,
}

/// Entries that are fetched as they are asked for.
pub(super) type KvList = Box<dyn Iterator<Item = Result<(String, Value)>>>;

#[derive(Clone)]
pub(super) enum Transaction {}

fn missing<T>(what: &str) -> Result<T> {
    Err(Error::new("Missing", format!("Dormouse has no {what}")))
}

impl CallOptions {
    fn for_put(self) -> PutOptions {
        PutOptions {
            allow_unconfirmed: self.allow_unconfirmed.unwrap_or_default(),
            allow_concurrency: self.allow_concurrency.unwrap_or_default(),
            no_cache: self.no_cache.unwrap_or_default(),
        }
    }
}

impl Range {
    fn options(&self) -> ListOptions<'_> {
        let mut options = ListOptions::new().reverse(self.reverse);
        if let Some(key) = &self.start {
            options = options.start(key);
        }
        if let Some(key) = &self.start_after {
            options = options.start_after(key);
        }
        if let Some(key) = &self.end {
            options = options.end(key);
        }
        if let Some(prefix) = &self.prefix {
            options = options.prefix(prefix);
        }
        if let Some(limit) = self.limit {
            options = options.limit(limit);
        }
        options
    }
}

impl Target {
    pub(super) async fn get(&self, key: &str, _options: CallOptions) -> Result<Option<Value>> {
        match self {
            Self::Storage(storage) => storage.get(key).await,
            Self::Transaction(transaction) => match *transaction {},
        }
    }

    pub(super) async fn get_multiple(
        &self,
        keys: Vec<String>,
        _options: CallOptions,
    ) -> Result<Vec<(String, Value)>> {
        match self {
            Self::Storage(storage) => {
                Ok(storage.get_multiple_as(keys).await?.into_iter().collect())
            }
            Self::Transaction(transaction) => match *transaction {},
        }
    }

    pub(super) async fn put(&self, key: &str, value: Value, options: CallOptions) -> Result<()> {
        match self {
            Self::Storage(storage) => {
                storage
                    .put_with_options(key, value, options.for_put())
                    .await
            }
            Self::Transaction(transaction) => match *transaction {},
        }
    }

    pub(super) async fn put_multiple(&self, entries: Value, options: CallOptions) -> Result<()> {
        match self {
            Self::Storage(storage) => {
                storage
                    .put_multiple_with_options(entries, options.for_put())
                    .await
            }
            Self::Transaction(transaction) => match *transaction {},
        }
    }

    pub(super) async fn delete(&self, key: &str, _options: CallOptions) -> Result<bool> {
        match self {
            Self::Storage(storage) => storage.delete(key).await,
            Self::Transaction(transaction) => match *transaction {},
        }
    }

    pub(super) async fn delete_multiple(
        &self,
        keys: Vec<String>,
        _options: CallOptions,
    ) -> Result<usize> {
        match self {
            Self::Storage(storage) => storage.delete_multiple(keys).await,
            Self::Transaction(transaction) => match *transaction {},
        }
    }

    pub(super) async fn delete_all(&self, _options: CallOptions) -> Result<()> {
        missing("deleteAll")
    }

    pub(super) async fn list(&self, range: &Range) -> Result<Vec<(String, Value)>> {
        match self {
            Self::Storage(storage) => storage.list_as(range.options()).await,
            Self::Transaction(transaction) => match *transaction {},
        }
    }

    pub(super) async fn get_alarm(&self, _options: CallOptions) -> Result<Option<i64>> {
        missing("getAlarm")
    }

    pub(super) async fn set_alarm(&self, _millis: f64, _options: CallOptions) -> Result<()> {
        missing("setAlarm")
    }

    pub(super) async fn delete_alarm(&self, _options: CallOptions) -> Result<()> {
        missing("deleteAlarm")
    }
}

pub(super) async fn transaction<T, F, Fut>(_storage: &Storage, _closure: F) -> Result<T>
where
    F: FnOnce(Transaction) -> Fut + 'static,
    Fut: Future<Output = Result<T>> + 'static,
    T: 'static,
{
    missing("transaction")
}

pub(super) fn roll_back(transaction: &Transaction) -> Result<()> {
    match *transaction {}
}

pub(super) async fn current_bookmark(_storage: &Storage) -> Result<String> {
    missing("getCurrentBookmark")
}

pub(super) async fn bookmark_for_time(_storage: &Storage, _millis: f64) -> Result<String> {
    missing("getBookmarkForTime")
}

pub(super) async fn restore_bookmark(_storage: &Storage, _bookmark: &str) -> Result<String> {
    missing("onNextSessionRestoreBookmark")
}

pub(super) fn kv_get(_storage: &Storage, _key: &str) -> Result<Option<Value>> {
    missing("kv.get")
}

pub(super) fn kv_put(_storage: &Storage, _key: &str, _value: Value) -> Result<()> {
    missing("kv.put")
}

pub(super) fn kv_delete(_storage: &Storage, _key: &str) -> Result<bool> {
    missing("kv.delete")
}

pub(super) fn kv_list(_storage: &Storage, _range: &Range) -> Result<KvList> {
    missing("kv.list")
}

pub(super) fn database_size(_storage: &Storage) -> Result<f64> {
    missing("sql.databaseSize")
}

/// A node for cases with the settings of this one.
pub(super) fn node_for(_case: &Case) -> NodeBuilder {
    NodeBuilder::new("conformance").object::<Scripted>(binding_for(_case))
}

/// The binding of the class that this case is about.
pub(super) fn binding_for(_case: &Case) -> &'static str {
    "SCRIPTED"
}
