//! Header lists: names in any case, values kept apart, listed in ascending order of their names.
//!
//! The order is the one in which the original lists them (sort and combine), which is also what makes two runs alike:
//! the order of insertion never shows, except among values of one name.

use std::{cell::RefCell, collections::BTreeMap, fmt};

use crate::{Error, Result};

/// The headers of a request or a response.
///
/// Setters take `&self`, as in workers-rs. Headers of a received request cannot be changed; a clone of them can.
///
/// # Example
/// ```
/// use dormouse::Headers;
/// # fn main() -> dormouse::Result<()> {
/// let headers = Headers::new();
/// headers.append("Accept", "text/html")?;
/// headers.append("accept", "text/plain")?;
/// assert_eq!(headers.get("ACCEPT")?.as_deref(), Some("text/html, text/plain"));
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct Headers {
    /// By name in lower case; no list of values is empty.
    values: RefCell<BTreeMap<String, Vec<String>>>,
    guard: Guard,
}

/// Whether the setters work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Guard {
    #[default]
    None,
    Immutable,
}

/// The one name whose values are never joined: a comma can stand inside each of them.
const SET_COOKIE: &str = "set-cookie";

impl Headers {
    /// No headers.
    pub fn new() -> Self {
        Self::default()
    }

    /// All values of `name`, joined by `, `.
    ///
    /// # Errors
    /// `TypeError: Invalid header name.`
    pub fn get(&self, name: &str) -> Result<Option<String>> {
        let name = checked_name(name)?;
        Ok(self
            .values
            .borrow()
            .get(&name)
            .map(|values| values.join(", ")))
    }

    /// Whether there is a header `name`.
    ///
    /// # Errors
    /// `TypeError: Invalid header name.`
    pub fn has(&self, name: &str) -> Result<bool> {
        let name = checked_name(name)?;
        Ok(self.values.borrow().contains_key(&name))
    }

    /// Gives `name` one value in place of all former ones.
    ///
    /// # Errors
    /// `TypeError: Invalid header name.`, `TypeError: Invalid header value.` or, for headers of a received request,
    /// `TypeError: Can't modify immutable headers.`
    pub fn set(&self, name: &str, value: &str) -> Result<()> {
        let (name, value) = self.checked(name, value)?;
        self.values.borrow_mut().insert(name, vec![value]);
        Ok(())
    }

    /// Gives `name` one more value.
    ///
    /// # Errors
    /// Those of [`set`](Self::set).
    pub fn append(&self, name: &str, value: &str) -> Result<()> {
        let (name, value) = self.checked(name, value)?;
        self.values
            .borrow_mut()
            .entry(name)
            .or_default()
            .push(value);
        Ok(())
    }

    /// Removes all values of `name`, if there are any.
    ///
    /// # Errors
    /// `TypeError: Invalid header name.` or `TypeError: Can't modify immutable headers.`
    pub fn delete(&self, name: &str) -> Result<()> {
        self.check_guard()?;
        let name = checked_name(name)?;
        self.values.borrow_mut().remove(&name);
        Ok(())
    }

    /// The headers by ascending name, in lower case; the values of one name are joined, except those of `set-cookie`.
    pub fn entries(&self) -> std::vec::IntoIter<(String, String)> {
        let mut entries = Vec::new();
        for (name, values) in &*self.values.borrow() {
            if name == SET_COOKIE {
                entries.extend(values.iter().map(|value| (name.clone(), value.clone())));
            } else {
                entries.push((name.clone(), values.join(", ")));
            }
        }
        entries.into_iter()
    }

    /// The names of [`entries`](Self::entries).
    pub fn keys(&self) -> impl Iterator<Item = String> + use<> {
        self.entries().map(|(name, _)| name)
    }

    /// The values of [`entries`](Self::entries).
    pub fn values(&self) -> impl Iterator<Item = String> + use<> {
        self.entries().map(|(_, value)| value)
    }

    /// The values of `Set-Cookie`, one by one. The original has this for no other name.
    ///
    /// # Errors
    /// `TypeError: getAll() can only be used with the header name "Set-Cookie".`
    pub fn get_all(&self, name: &str) -> Result<Vec<String>> {
        if !name.eq_ignore_ascii_case(SET_COOKIE) {
            // Exact text of the original (api/headers.c++).
            return Err(Error::type_error(
                "getAll() can only be used with the header name \"Set-Cookie\".",
            ));
        }
        Ok(self
            .values
            .borrow()
            .get(SET_COOKIE)
            .cloned()
            .unwrap_or_default())
    }

    /// Whether there are no headers.
    pub fn is_empty(&self) -> bool {
        self.values.borrow().is_empty()
    }

    /// The same headers, closed to changes.
    pub(crate) fn into_immutable(self) -> Self {
        Self {
            guard: Guard::Immutable,
            ..self
        }
    }

    /// A copy that is closed to changes if this one is. (`clone` gives an open one.)
    pub(super) fn clone_with_guard(&self) -> Self {
        Self {
            guard: self.guard,
            ..self.clone()
        }
    }

    fn checked(&self, name: &str, value: &str) -> Result<(String, String)> {
        self.check_guard()?;
        Ok((checked_name(name)?, checked_value(value)?))
    }

    fn check_guard(&self) -> Result<()> {
        match self.guard {
            Guard::None => Ok(()),
            // Exact text of the original (api/headers.h).
            Guard::Immutable => Err(Error::type_error("Can't modify immutable headers.")),
        }
    }
}

/// `name` in lower case, if it is an HTTP token.
fn checked_name(name: &str) -> Result<String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        // Exact text of the original (api/headers.c++).
        return Err(Error::type_error("Invalid header name."));
    }
    Ok(name.to_ascii_lowercase())
}

/// `value` without white space around it, if it cannot break out of its line.
fn checked_value(value: &str) -> Result<String> {
    let value = value.trim_matches([' ', '\t', '\r', '\n']);
    if value.contains(['\0', '\r', '\n']) {
        // Exact text of the original (api/headers.c++).
        return Err(Error::type_error("Invalid header value."));
    }
    Ok(value.to_owned())
}

impl Clone for Headers {
    /// A copy that can be changed, whatever it was taken from.
    fn clone(&self) -> Self {
        Self {
            values: self.values.clone(),
            guard: Guard::None,
        }
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.entries()).finish()
    }
}

#[expect(
    clippy::into_iter_without_iter,
    reason = "the original and workers-rs name it `entries`"
)]
impl IntoIterator for &Headers {
    type Item = (String, String);
    type IntoIter = std::vec::IntoIter<(String, String)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries()
    }
}

impl<T: AsRef<str>> FromIterator<(T, T)> for Headers {
    /// The headers of these pairs; pairs that are no valid header are left out, as in workers-rs.
    fn from_iter<I: IntoIterator<Item = (T, T)>>(pairs: I) -> Self {
        let headers = Self::new();
        for (name, value) in pairs {
            let _ = headers.append(name.as_ref(), value.as_ref());
        }
        headers
    }
}

impl<'a, T: AsRef<str>> FromIterator<&'a (T, T)> for Headers {
    fn from_iter<I: IntoIterator<Item = &'a (T, T)>>(pairs: I) -> Self {
        pairs
            .into_iter()
            .map(|(name, value)| (name.as_ref(), value.as_ref()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(headers: &Headers) -> Vec<String> {
        headers
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }

    #[test]
    fn entries_come_by_name_whatever_the_order_of_insertion() {
        let headers: Headers = [("Zebra", "1"), ("apple", "2"), ("ZEBRA", "3")]
            .into_iter()
            .collect();
        assert_eq!(pairs(&headers), ["apple=2", "zebra=1, 3"]);
    }

    #[test]
    fn cookies_are_never_joined() {
        let headers = Headers::new();
        headers.append("Set-Cookie", "a=1").expect("a valid header");
        headers.append("Set-Cookie", "b=2").expect("a valid header");
        assert_eq!(pairs(&headers), ["set-cookie=a=1", "set-cookie=b=2"]);
        assert_eq!(
            headers.get_all("SET-COOKIE"),
            Ok(vec!["a=1".to_owned(), "b=2".to_owned()])
        );
        let error = headers
            .get_all("accept")
            .expect_err("only cookies have this");
        assert_eq!(
            error.message(),
            "getAll() can only be used with the header name \"Set-Cookie\"."
        );
    }

    #[test]
    fn set_replaces_and_delete_removes_all_values() {
        let headers: Headers = [("a", "1"), ("a", "2")].into_iter().collect();
        headers.set("A", " 3\t").expect("a valid header");
        assert_eq!(pairs(&headers), ["a=3"]);
        headers.delete("A").expect("a valid name");
        assert!(headers.is_empty());
        assert_eq!(headers.has("a"), Ok(false));
    }

    #[test]
    fn names_and_values_that_would_break_the_wire_are_refused() {
        let headers = Headers::new();
        for name in ["", "a b", "a:b", "ä"] {
            let error = headers.set(name, "x").expect_err(name);
            assert_eq!(format!("{error:?}"), "TypeError: Invalid header name.");
        }
        let error = headers
            .set("a", "x\r\nb: y")
            .expect_err("an injected header");
        assert_eq!(format!("{error:?}"), "TypeError: Invalid header value.");
        assert!(headers.is_empty());
    }

    #[test]
    fn immutable_headers_refuse_every_setter_and_their_clone_takes_them() {
        let headers: Headers = [("a", "1")].into_iter().collect();
        let headers = headers.into_immutable();
        for refused in [
            headers.set("a", "2"),
            headers.append("a", "2"),
            headers.delete("a"),
        ] {
            let error = refused.expect_err("the headers are immutable");
            assert_eq!(
                format!("{error:?}"),
                "TypeError: Can't modify immutable headers."
            );
        }
        assert_eq!(headers.clone().set("a", "2"), Ok(()));
        assert_eq!(pairs(&headers), ["a=1"]);
    }
}
