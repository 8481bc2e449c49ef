//! Options of the calls, and which keys a list means.

use super::batch::Confirm;
use crate::{Error, Result};

/// Options of `get`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GetOptions {
    /// Let other events run while this waits for the storage. A SQLite-backed object never waits (KV-20).
    pub allow_concurrency: bool,
    /// Do not keep what was read in memory. A SQLite-backed object has no use for this hint (KV-22).
    pub no_cache: bool,
}

/// Options of `put`, `delete` and `delete_all`.
///
/// # Example
/// ```
/// # async fn example(storage: dormouse::Storage) -> dormouse::Result<()> {
/// use dormouse::PutOptions;
/// // A cache entry: losing it does no harm, so no reply waits for it.
/// storage.put_with_options("seen", 1, PutOptions { allow_unconfirmed: true, ..PutOptions::default() }).await
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PutOptions {
    /// Outputs do not wait until this write is durable. If it fails, the object is reset all the same. A confirmed write in the
    /// same turn makes the whole turn confirmed (KV-21).
    pub allow_unconfirmed: bool,
    /// Let other events run while this waits for the storage. A SQLite-backed object never waits (KV-20).
    pub allow_concurrency: bool,
    /// Do not keep in memory what was written. A SQLite-backed object has no use for this hint (KV-22).
    pub no_cache: bool,
}

impl PutOptions {
    pub(super) fn confirm(self) -> Confirm {
        if self.allow_unconfirmed {
            Confirm::Waived
        } else {
            Confirm::Required
        }
    }
}

/// Options of `get_alarm`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GetAlarmOptions {
    /// Let other events run while this waits for the storage. A SQLite-backed object never waits (KV-20).
    pub allow_concurrency: Option<bool>,
}

/// Options of `set_alarm` and `delete_alarm`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetAlarmOptions {
    /// Let other events run while this waits for the storage. A SQLite-backed object never waits (KV-20).
    pub allow_concurrency: Option<bool>,
    /// As for [`PutOptions`].
    pub allow_unconfirmed: Option<bool>,
}

impl SetAlarmOptions {
    pub(super) fn confirm(self) -> Confirm {
        if self.allow_unconfirmed == Some(true) {
            Confirm::Waived
        } else {
            Confirm::Required
        }
    }
}

/// Which keys [`Storage::list_as`](crate::Storage::list_as) gives: all of them, unless it is told otherwise. Keys are in ascending order
/// of their UTF-8 bytes.
///
/// # Example
/// ```
/// use dormouse::ListOptions;
/// let last_three_orders = ListOptions::new().prefix("order:").reverse(true).limit(3);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ListOptions<'a> {
    start: Option<&'a str>,
    start_after: Option<&'a str>,
    end: Option<&'a str>,
    prefix: Option<&'a str>,
    reverse: bool,
    limit: Option<usize>,
    read: GetOptions,
}

impl<'a> ListOptions<'a> {
    /// All keys, ascending.
    pub fn new() -> Self {
        Self::default()
    }

    /// The smallest key, itself included.
    pub fn start(mut self, key: &'a str) -> Self {
        self.start = Some(key);
        self
    }

    /// The key before the smallest one. Not together with [`start`](Self::start).
    pub fn start_after(mut self, key: &'a str) -> Self {
        self.start_after = Some(key);
        self
    }

    /// The key after the largest one, itself not included.
    pub fn end(mut self, key: &'a str) -> Self {
        self.end = Some(key);
        self
    }

    /// Only keys that begin so.
    pub fn prefix(mut self, prefix: &'a str) -> Self {
        self.prefix = Some(prefix);
        self
    }

    /// Descending order, in which `start` and `end` keep their meaning.
    pub fn reverse(mut self, reverse: bool) -> Self {
        self.reverse = reverse;
        self
    }

    /// At most so many keys: the first ones in the order asked for. Zero is refused.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// As [`GetOptions::allow_concurrency`].
    pub fn allow_concurrency(mut self, allow: bool) -> Self {
        self.read.allow_concurrency = allow;
        self
    }

    /// As [`GetOptions::no_cache`].
    pub fn no_cache(mut self, no_cache: bool) -> Self {
        self.read.no_cache = no_cache;
        self
    }

    /// The bounds that the options mean, or `None` if no key can lie between them.
    ///
    /// # Errors
    /// Type errors with the original's texts, for both starts at once and for a limit of zero.
    pub(super) fn bounds(&self) -> Result<Option<Bounds>> {
        if self.start.is_some() && self.start_after.is_some() {
            return Err(Error::type_error(
                "list() cannot be called with both start and startAfter values.",
            ));
        }
        if self.limit == Some(0) {
            return Err(Error::type_error("List limit must be positive."));
        }
        let mut start = self.start.unwrap_or_default().as_bytes().to_vec();
        if let Some(key) = self.start_after {
            start.extend_from_slice(key.as_bytes());
            start.push(0); // the next key in byte order
        }
        let mut end = self.end.map(|key| key.as_bytes().to_vec());
        let prefix = self.prefix.unwrap_or_default().as_bytes();
        if let Some((&last, before)) = prefix.split_last() {
            if start.as_slice() < prefix {
                start = prefix.to_vec();
            } else if !start.starts_with(prefix) {
                return Ok(None);
            }
            if end.as_deref().is_some_and(|end| end <= prefix) {
                return Ok(None);
            }
            if !end.as_deref().is_some_and(|end| end.starts_with(prefix)) {
                // The first byte string that does not begin so. It need not be valid UTF-8; no byte of UTF-8 is 0xff.
                end = Some([before, &[last + 1]].concat());
            }
        }
        if end.as_ref().is_some_and(|end| *end <= start) {
            return Ok(None);
        }
        Ok(Some(Bounds {
            start,
            end,
            reverse: self.reverse,
            limit: self.limit,
        }))
    }
}

/// The keys of a list as byte strings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Inclusive.
    pub(super) start: Vec<u8>,
    /// Exclusive.
    pub(super) end: Option<Vec<u8>>,
    pub(super) reverse: bool,
    pub(super) limit: Option<usize>,
}

impl Bounds {
    /// The first `limit` of these keys.
    pub(super) fn at_most(&self, limit: usize) -> Self {
        Self {
            limit: Some(limit),
            ..self.clone()
        }
    }

    /// What is left after `key`, which was the first of these keys.
    pub(super) fn pass(&mut self, key: &str) {
        if self.reverse {
            self.end = Some(key.as_bytes().to_vec());
        } else {
            self.start = [key.as_bytes(), &[0]].concat(); // the next key in byte order
        }
        self.limit = self.limit.map(|limit| limit.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(error: Result<Option<Bounds>>) -> String {
        let error = error.expect_err("refused");
        assert_eq!(error.name(), "TypeError");
        error.to_string()
    }

    #[test]
    fn impossible_options_are_refused_with_the_texts_of_the_original() {
        let both = ListOptions::new().start("a").start_after("b").limit(0);
        assert_eq!(
            text(both.bounds()),
            "list() cannot be called with both start and startAfter values."
        );
        assert_eq!(
            text(ListOptions::new().limit(0).start("b").end("a").bounds()),
            "List limit must be positive."
        );
    }

    #[test]
    fn a_range_that_holds_no_key_is_known_to_be_empty() {
        assert_eq!(ListOptions::new().start("b").end("a").bounds(), Ok(None));
        assert_eq!(ListOptions::new().start("a").end("a").bounds(), Ok(None));
        assert_eq!(ListOptions::new().prefix("a").start("b").bounds(), Ok(None));
        assert_eq!(ListOptions::new().prefix("b").end("b").bounds(), Ok(None));
        assert!(matches!(
            ListOptions::new().start_after("a").end("a\u{1}").bounds(),
            Ok(Some(_))
        ));
    }
}
