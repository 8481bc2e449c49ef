//! The calls of Dormouse that everything comes down to, in Rust's terms, one function each: an engine would have the same list.
//!
//! Key-value calls and alarms exist on the storage and on a transaction of it; [`Target`] says which is meant.

use std::{collections::BTreeMap, future::Future, rc::Rc};

use dormouse::{
    GetAlarmOptions, GetOptions, History, ListOptions, NodeBuilder, PutOptions, Result,
    ScheduledTime, SetAlarmOptions, Storage, StorageBackend, Transaction, Value,
};

use super::{
    object::ScriptedClass,
    vector::{Backend, Case},
};

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

impl CallOptions {
    fn for_get(self) -> GetOptions {
        GetOptions {
            allow_concurrency: self.allow_concurrency.unwrap_or_default(),
            no_cache: self.no_cache.unwrap_or_default(),
        }
    }

    fn for_get_alarm(self) -> GetAlarmOptions {
        GetAlarmOptions {
            allow_concurrency: self.allow_concurrency,
        }
    }

    fn for_set_alarm(self) -> SetAlarmOptions {
        SetAlarmOptions {
            allow_concurrency: self.allow_concurrency,
            allow_unconfirmed: self.allow_unconfirmed,
        }
    }

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
        let mut options = ListOptions::new()
            .reverse(self.reverse)
            .allow_concurrency(self.options.allow_concurrency.unwrap_or_default())
            .no_cache(self.options.no_cache.unwrap_or_default());
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

/// The same call on whichever is meant.
macro_rules! on_target {
    ($target:expr, $it:ident => $call:expr) => {
        match $target {
            Target::Storage($it) => $call,
            Target::Transaction($it) => $call,
        }
    };
}

impl Target {
    pub(super) async fn get(&self, key: &str, options: CallOptions) -> Result<Option<Value>> {
        on_target!(self, it => it.get_with_options(key, options.for_get()).await)
    }

    pub(super) async fn get_multiple(
        &self,
        keys: Vec<String>,
        options: CallOptions,
    ) -> Result<BTreeMap<String, Value>> {
        on_target!(self, it => it.get_multiple_as_with_options(keys, options.for_get()).await)
    }

    pub(super) async fn put(&self, key: &str, value: Value, options: CallOptions) -> Result<()> {
        on_target!(self, it => it.put_with_options(key, value, options.for_put()).await)
    }

    pub(super) async fn put_multiple(&self, entries: Value, options: CallOptions) -> Result<()> {
        on_target!(self, it => it.put_multiple_with_options(entries, options.for_put()).await)
    }

    pub(super) async fn delete(&self, key: &str, options: CallOptions) -> Result<bool> {
        on_target!(self, it => it.delete_with_options(key, options.for_put()).await)
    }

    pub(super) async fn delete_multiple(
        &self,
        keys: Vec<String>,
        options: CallOptions,
    ) -> Result<usize> {
        on_target!(self, it => it.delete_multiple_with_options(keys, options.for_put()).await)
    }

    pub(super) async fn delete_all(&self, options: CallOptions) -> Result<()> {
        match self {
            Self::Storage(storage) => storage.delete_all_with_options(options.for_put()).await,
            Self::Transaction(transaction) => transaction.delete_all().await,
        }
    }

    pub(super) async fn list(&self, range: &Range) -> Result<Vec<(String, Value)>> {
        on_target!(self, it => it.list_as(range.options()).await)
    }

    pub(super) async fn get_alarm(&self, options: CallOptions) -> Result<Option<i64>> {
        on_target!(self, it => it.get_alarm_with_options(options.for_get_alarm()).await)
    }

    pub(super) async fn set_alarm(&self, millis: f64, options: CallOptions) -> Result<()> {
        let at = ScheduledTime::at_millis(millis);
        on_target!(self, it => it.set_alarm_with_options(at, options.for_set_alarm()).await)
    }

    pub(super) async fn delete_alarm(&self, options: CallOptions) -> Result<()> {
        on_target!(self, it => it.delete_alarm_with_options(options.for_set_alarm()).await)
    }
}

pub(super) async fn transaction<T, F, Fut>(storage: &Storage, closure: F) -> Result<T>
where
    F: FnOnce(Transaction) -> Fut + 'static,
    Fut: Future<Output = Result<T>> + 'static,
    T: 'static,
{
    storage.transaction(closure).await
}

pub(super) fn roll_back(transaction: &Transaction) -> Result<()> {
    transaction.rollback()
}

pub(super) async fn current_bookmark(storage: &Storage) -> Result<String> {
    storage.get_current_bookmark().await
}

pub(super) async fn bookmark_for_time(storage: &Storage, millis: f64) -> Result<String> {
    storage.get_bookmark_for_time(millis).await
}

pub(super) async fn restore_bookmark(storage: &Storage, bookmark: &str) -> Result<String> {
    storage.on_next_session_restore_bookmark(bookmark).await
}

pub(super) fn kv_get(storage: &Storage, key: &str) -> Result<Option<Value>> {
    storage.kv().get(key)
}

pub(super) fn kv_put(storage: &Storage, key: &str, value: Value) -> Result<()> {
    storage.kv().put(key, value)
}

pub(super) fn kv_delete(storage: &Storage, key: &str) -> Result<bool> {
    storage.kv().delete(key)
}

pub(super) fn kv_list(storage: &Storage, range: &Range) -> Result<KvList> {
    let list = storage.kv().list_as(range.options())?;
    Ok(Box::new(list))
}

/// Rust's own call cannot fail: where there is no SQL it gives 0, and a query says why.
pub(super) fn database_size(storage: &Storage) -> Result<f64> {
    let size = storage.sql().database_size();
    if size == 0 {
        storage.sql().exec("SELECT 1", None)?;
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let size = size as f64;
    Ok(size)
}

/// The classes that cases are about, by their bindings.
const CLASSES: [(&str, Backend, bool); 4] = [
    ("Sql", Backend::Sqlite, true),
    ("SqlNoAlarm", Backend::Sqlite, false),
    ("Kv", Backend::Kv, true),
    ("KvNoAlarm", Backend::Kv, false),
];

/// A node for cases with the settings of this one. It keeps no history: bookmarks are what the original's local runtime gives.
pub(super) fn node_for(case: &Case) -> NodeBuilder {
    let node = NodeBuilder::new("conformance")
        .history(History::off())
        .compatibility_date(case.compatibility_date())
        .compatibility_flags(case.flags.iter().map(String::as_str));
    CLASSES
        .iter()
        .fold(node, |node, &(name, backend, handles_alarms)| {
            let class = ScriptedClass {
                name,
                handles_alarms,
            };
            let backend = match backend {
                Backend::Sqlite => StorageBackend::Sqlite,
                Backend::Kv => StorageBackend::KeyValueEmulated,
            };
            node.class_on(name, Rc::new(class), backend)
        })
}

/// The binding of the class that this case is about.
pub(super) fn binding_for(case: &Case) -> &'static str {
    let is_meant =
        |class: &&(_, Backend, bool)| (class.1, class.2) == (case.backend, case.alarm_handler);
    let (name, _, _) = CLASSES.iter().find(is_meant).expect("all four are there");
    name
}
