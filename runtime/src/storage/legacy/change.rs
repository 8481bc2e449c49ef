//! One message that changes something: what the service checks and applies as a whole.

use rusqlite::{Connection, params};

use super::{
    Stored,
    alarm::AlarmChange,
    cache::Key,
    limits::{check_key, check_pairs, check_value},
    service::Failure,
};

const PUT: &str =
    "INSERT INTO entries VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
const DELETE: &str = "DELETE FROM entries WHERE key = ?1";
const SET_ALARM: &str =
    "INSERT INTO alarm VALUES (1, ?1) ON CONFLICT DO UPDATE SET at_millis = excluded.at_millis";
const DELETE_ALARM: &str = "DELETE FROM alarm";
const DELETE_ALARM_IF: &str = "DELETE FROM alarm WHERE at_millis = ?1";

/// What one message changes.
pub(super) enum Change {
    Put(Vec<(Key, Stored)>),
    Delete(Vec<Key>),
    Alarm(AlarmChange),
}

impl Change {
    /// The kind of change in a word, as in traces.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Put(_) => "put",
            Self::Delete(_) => "delete",
            Self::Alarm(_) => "alarm",
        }
    }

    /// How many keys it names.
    pub(super) fn keys(&self) -> usize {
        match self {
            Self::Put(entries) => entries.len(),
            Self::Delete(keys) => keys.len(),
            Self::Alarm(_) => 0,
        }
    }

    /// # Errors
    /// That it names too many keys, or too long ones, or too large values.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let check = || {
            check_pairs(self.keys())?;
            match self {
                Self::Put(entries) => entries.iter().try_for_each(|(key, value)| {
                    check_key(&key.0).and_then(|()| check_value(value))
                }),
                Self::Delete(keys) => keys.iter().try_for_each(|key| check_key(&key.0)),
                Self::Alarm(_) => Ok(()),
            }
        };
        check().map_err(Failure::Refused)
    }

    /// Returns how many keys it deleted, or whether a conditional deletion of the alarm applied.
    pub(super) fn apply(&self, connection: &Connection) -> rusqlite::Result<usize> {
        match self {
            Self::Put(entries) => {
                let mut statement = connection.prepare_cached(PUT)?;
                for (key, value) in entries {
                    statement.execute(params![&*key.0, &**value])?;
                }
                Ok(0)
            }
            Self::Delete(keys) => {
                let mut statement = connection.prepare_cached(DELETE)?;
                keys.iter().map(|key| statement.execute([&*key.0])).sum()
            }
            Self::Alarm(AlarmChange::Set(Some(at))) => connection
                .prepare_cached(SET_ALARM)?
                .execute([at.as_millis()]),
            Self::Alarm(AlarmChange::Set(None)) => {
                connection.prepare_cached(DELETE_ALARM)?.execute([])
            }
            Self::Alarm(AlarmChange::DeleteIf(at)) => connection
                .prepare_cached(DELETE_ALARM_IF)?
                .execute([at.as_millis()]),
        }
    }
}
