//! What only the SQLite backend can do, and the original's words for it in production (2.2).
//!
//! They stand in one place, because the calls that refuse are spread over the object API. All are plain `Error`s, but for the one whose
//! name says otherwise.

/// `sql.exec` and `sql.database_size`.
pub(crate) const SQL: &str = concat!(
    "This Durable Object is not backed by SQLite storage, so the SQL API is not available. ",
    "SQL can be enabled on a new Durable Object class by using the `new_sqlite_classes` instead of `new_classes` under ",
    "`[[migrations]]` in your wrangler.toml, but an already-deployed class cannot be converted to SQLite (except by deleting the ",
    "existing data)."
);

/// Every method of the synchronous key-value API.
pub(crate) const SYNC_KV: &str = concat!(
    "The storage.kv (synchronous KV) API is only available for SQLite-backed Durable Objects, but this object's namespace is not ",
    "declared to use SQLite. ",
    "SQL can be enabled on a new Durable Object class by using the `new_sqlite_classes` instead of `new_classes` under ",
    "`[[migrations]]` in your wrangler.toml, but an already-deployed class cannot be converted to SQLite (except by deleting the ",
    "existing data)."
);

/// `transaction_sync`.
pub(crate) const TRANSACTION_SYNC: &str = "Durable Object is not backed by SQL.";

/// The calls of point-in-time recovery.
pub(crate) const BOOKMARKS: &str =
    "This Durable Object's storage back-end does not implement point-in-time recovery.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_begin_and_end_as_those_of_the_original() {
        let hint = "SQL can be enabled on a new Durable Object class by using the `new_sqlite_classes` instead of `new_classes` under \
                    `[[migrations]]` in your wrangler.toml, but an already-deployed class cannot be converted to SQLite (except by \
                    deleting the existing data).";
        for (text, beginning) in [
            (SQL, "This Durable Object is not backed by SQLite storage,"),
            (
                SYNC_KV,
                "The storage.kv (synchronous KV) API is only available for SQLite-backed Durable Objects, but",
            ),
        ] {
            assert!(
                text.starts_with(beginning) && text.ends_with(hint),
                "{text}"
            );
        }
        for text in [TRANSACTION_SYNC, BOOKMARKS] {
            assert!(text.ends_with('.') && !text.contains("  "), "{text}");
        }
    }
}
