//! The runtime's own tables in an object's database, made with the first write that needs them.
//!
//! Reading must not make them: an object that was only asked has no storage (KVS-6). So it must be known whether they are there, also
//! after something was rolled back in which they may have been made.

use std::cell::Cell;

use rusqlite::OptionalExtension as _;

use super::{
    object::ObjectStorage,
    sqlite::{Database, own},
};
use crate::Result;

/// What is known of one of the runtime's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Missing,
    There,
    /// It was made in something that was rolled back, or not.
    Unknown,
}

/// One of the runtime's tables.
pub(super) struct OwnTable {
    name: &'static str,
    create: &'static str,
    presence: Cell<Presence>,
}

/// The runtime's tables of one database.
pub(super) struct OwnTables {
    /// Keys and values.
    pub(super) kv: OwnTable,
    /// One row for each thing that the runtime remembers about the object: the alarm is row 1 (section 2.1).
    pub(super) metadata: OwnTable,
    /// How often something was rolled back.
    rollbacks: Cell<u64>,
}

impl OwnTables {
    /// The tables of a database that was made a moment ago.
    pub(super) fn of_new() -> Self {
        Self::with(Presence::Missing)
    }

    /// The tables of a database that was there.
    ///
    /// # Errors
    /// The database cannot be read: this is what finds a damaged file.
    pub(super) fn look(database: &Database) -> rusqlite::Result<Self> {
        let tables = Self::with(Presence::Unknown);
        for table in [&tables.kv, &tables.metadata] {
            table.look(database)?;
        }
        Ok(tables)
    }

    fn with(presence: Presence) -> Self {
        let table = |name, create| OwnTable {
            name,
            create,
            presence: Cell::new(presence),
        };
        Self {
            kv: table("_cf_KV", own::CREATE_KV),
            metadata: table("_cf_METADATA", own::CREATE_METADATA),
            rollbacks: Cell::default(),
        }
    }

    /// Something was rolled back.
    pub(super) fn forget(&self) {
        self.rollbacks.set(self.rollbacks.get() + 1);
        self.kv.presence.set(Presence::Unknown);
        self.metadata.presence.set(Presence::Unknown);
    }

    /// Grows with everything that is rolled back.
    pub(super) fn rollbacks(&self) -> u64 {
        self.rollbacks.get()
    }
}

impl OwnTable {
    fn look(&self, database: &Database) -> rusqlite::Result<bool> {
        let there = match self.presence.get() {
            Presence::There => true,
            Presence::Missing => false,
            Presence::Unknown => database
                .as_runtime(|connection| {
                    connection
                        .prepare_cached(own::HAS_TABLE)?
                        .query_row([self.name], |_| Ok(()))
                        .optional()
                })?
                .is_some(),
        };
        self.presence.set(if there {
            Presence::There
        } else {
            Presence::Missing
        });
        Ok(there)
    }

    /// Whether the table is there.
    pub(super) fn is_there(&self, storage: &ObjectStorage, database: &Database) -> Result<bool> {
        self.look(database)
            .map_err(|error| storage.statement_failed(&error, 0))
    }

    /// Makes the table, in the open batch, if it is not there.
    pub(super) fn make(&self, storage: &ObjectStorage, database: &Database) -> Result<()> {
        if self.presence.get() != Presence::There {
            database
                .run(self.create)
                .map_err(|error| storage.statement_failed(&error, 0))?;
            self.presence.set(Presence::There);
        }
        Ok(())
    }
}
