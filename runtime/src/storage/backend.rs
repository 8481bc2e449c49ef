//! Which storage an object has, and what the calls of the other kind answer.

use crate::{Error, Result};

/// The storage backend of a class of objects. It is chosen with the class and cannot be changed later (section 2.1 of the rules that this
/// runtime follows: an existing object keeps its data where they are).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum StorageBackend {
    /// A SQLite database for each object: `new_sqlite_classes` in the configuration of the original. The one to choose.
    #[default]
    Sqlite,
    /// SQLite underneath, without the calls that only SQLite has: what the original's *local* runtime does with `new_classes`. Its
    /// `delete_all` is atomic and its transactions cover everything, which hides what the hosted legacy backend does.
    KeyValueEmulated,
}

/// What `sql` answers where the local runtime emulates the legacy backend. The missing space after "directly," is the original's.
const SQL_NOT_ENABLED: &str = "SQL is not enabled for this Durable Object class. To enable it, change `new_classes` to \
    `new_sqlite_classes` within the 'migrations' field in your wrangler.jsonc or wrangler.toml file. If using workerd directly,set \
    `enableSql = true` in your workerd config for the class. Note that this change cannot be made after the class is already deployed \
    to production.";

/// What `storage.kv` answers there. "asyncronous" is the original's.
const SYNC_KV_NOT_ENABLED: &str = "The storage.kv (synchronous KV) API is only available for SQLite-backed Durable Objects, but this \
    object's namespace is not declared to use SQLite. You can use the older, asyncronous interface via methods of `storage` itself (e.g. \
    `storage.get()`). Alternatively, to enable SQLite, change `new_classes` to `new_sqlite_classes` within the 'migrations' field in your \
    wrangler.jsonc or wrangler.toml file. If using workerd directly, set `enableSql = true` in your workerd config for the class. Note \
    that this change cannot be made after the class is already deployed to production.";

impl StorageBackend {
    /// # Errors
    /// The backend has no SQL, in the words of the original.
    pub(super) fn check_sql(self) -> Result<()> {
        match self {
            Self::Sqlite => Ok(()),
            Self::KeyValueEmulated => Err(Error::from(SQL_NOT_ENABLED)),
        }
    }

    /// # Errors
    /// The backend has no synchronous key-value calls, in the words of the original.
    pub(super) fn check_sync_kv(self) -> Result<()> {
        match self {
            Self::Sqlite => Ok(()),
            Self::KeyValueEmulated => Err(Error::from(SYNC_KV_NOT_ENABLED)),
        }
    }
}
