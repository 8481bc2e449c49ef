//! Assertions inside objects: what must always hold, and what must happen now and then, or a test tests nothing.
//!
//! A checker sees an object from outside. What the author knows of its inside, he says where he knows it:
//! [`always!`] of a condition that must hold whenever control passes there, [`unreachable!`] of a place that must never be reached; and of the cases that a
//! test must have met, [`sometimes!`] and [`reachable!`]. The first two are broken promises of the one run in which they fail. The other two are
//! judged over many runs: a thousand seeds that never once found the cache full say nothing about a full cache, and the report says so.
//!
//! An object that uses these knows no simulator: they are points of the one [instrumentation](crate::instrument), and so injection points, too. Where nobody
//! listens they cost the evaluation of the condition and one comparison; an `always!` that fails there logs an error and goes on, because an object
//! that knows that it is wrong has better ways to stop (`State::abort`, a panic).
//!
//! Every assertion is known by name before the program's `main`, whether control ever reaches it or not ([`sites`]): what was never reached could not
//! report that.
//!
//! # Example
//! ```
//! use dormouse::assert::{always, sometimes};
//!
//! fn withdraw(balance: u64, amount: u64) -> u64 {
//!     sometimes!(balance < amount, "somebody asks for more than there is");
//!     let left = balance.saturating_sub(amount);
//!     always!(left <= balance, "a withdrawal adds nothing", "{balance} - {amount} gave {left}");
//!     left
//! }
//! assert_eq!(withdraw(5, 7), 0);
//!
//! let names: Vec<_> = dormouse::assert::sites().iter().map(|site| site.name()).collect();
//! assert!(names.contains(&"a withdrawal adds nothing"));
//! ```

use crate::instrument::point;

/// What an assertion says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The condition holds whenever control passes.
    Always,
    /// The condition holds at least once, over many runs.
    Sometimes,
    /// Control passes at least once, over many runs.
    Reachable,
    /// Control never passes.
    Unreachable,
}

impl Kind {
    /// The kind whose assertions emit the event `name`, if it is one of theirs.
    pub fn of_event(name: &str) -> Option<Self> {
        Some(match name {
            "always" => Self::Always,
            "sometimes" => Self::Sometimes,
            "reachable" => Self::Reachable,
            "unreachable" => Self::Unreachable,
            _ => return None,
        })
    }

    /// Whether a run of many seeds must have seen it hold.
    pub const fn must_be_seen(self) -> bool {
        matches!(self, Self::Sometimes | Self::Reachable)
    }
}

/// One assertion in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    kind: Kind,
    name: &'static str,
    file: &'static str,
    line: u32,
    module: &'static str,
}

/// How a site becomes known before it is reached. The macros do it.
#[doc(hidden)]
#[derive(Debug)]
pub struct Registered(pub &'static Site);

inventory::collect!(Registered);

impl Site {
    #[doc(hidden)]
    pub const fn new(
        kind: Kind,
        name: &'static str,
        file: &'static str,
        line: u32,
        module: &'static str,
    ) -> Self {
        Self {
            kind,
            name,
            file,
            line,
            module,
        }
    }

    /// What it says.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its claim, in words. Sites of one name are one assertion.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The file in which it stands.
    pub fn file(&self) -> &'static str {
        self.file
    }

    /// The line on which it begins.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The module in which it stands.
    pub fn module(&self) -> &'static str {
        self.module
    }

    /// Control has reached it.
    #[doc(hidden)]
    pub fn reached(&self, holds: bool, details: impl FnOnce() -> String) {
        let name = self.name;
        match self.kind {
            Kind::Sometimes => point!("sometimes", assertion = name, holds = holds),
            Kind::Reachable => point!("reachable", assertion = name, holds = true),
            Kind::Always if holds => point!("always", assertion = name, holds = true),
            Kind::Always => {
                let details = details();
                point!(
                    "always",
                    assertion = name,
                    holds = false,
                    details = &*details
                );
                self.log(&details);
            }
            Kind::Unreachable => {
                let details = details();
                point!(
                    "unreachable",
                    assertion = name,
                    holds = false,
                    details = &*details
                );
                self.log(&details);
            }
        }
    }

    fn log(&self, details: &str) {
        let (name, file, line) = (self.name, self.file, self.line);
        tracing::error!(target: "dormouse::assert", name, file, line, details, "an assertion does not hold");
    }
}

/// Every assertion of the program, in the order of files and lines.
pub fn sites() -> Vec<&'static Site> {
    let registered = inventory::iter::<Registered>.into_iter();
    let mut sites: Vec<_> = registered.map(|Registered(site)| *site).collect();
    sites.sort_by_key(|site| (site.file, site.line, site.name));
    sites
}

#[doc(hidden)]
#[macro_export]
macro_rules! __assertion {
    ($kind:ident, $name:expr, $holds:expr, $details:expr) => {{
        static SITE: $crate::assert::Site = $crate::assert::Site::new(
            $crate::assert::Kind::$kind,
            $name,
            ::core::file!(),
            ::core::line!(),
            ::core::module_path!(),
        );
        $crate::__private::inventory::submit! { $crate::assert::Registered(&SITE) }
        SITE.reached($holds, $details)
    }};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __always {
    ($condition:expr, $name:expr $(,)?) => {
        $crate::__assertion!(Always, $name, $condition, ::std::string::String::new)
    };
    ($condition:expr, $name:expr, $($details:tt)+) => {
        $crate::__assertion!(Always, $name, $condition, || ::std::format!($($details)+))
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __sometimes {
    ($condition:expr, $name:expr $(,)?) => {
        $crate::__assertion!(Sometimes, $name, $condition, ::std::string::String::new)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __reachable {
    ($name:expr $(,)?) => {
        $crate::__assertion!(Reachable, $name, true, ::std::string::String::new)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __unreachable {
    ($name:expr $(,)?) => {
        $crate::__assertion!(Unreachable, $name, false, ::std::string::String::new)
    };
    ($name:expr, $($details:tt)+) => {
        $crate::__assertion!(Unreachable, $name, false, || ::std::format!($($details)+))
    };
}

/// `always!(condition, "claim")`, `always!(condition, "claim", "details {}", value)`: the condition holds whenever control passes.
///
/// A run in which it does not has broken the promise `always: claim`; outside of a simulation an error is logged, under the target
/// `dormouse::assert`. The details are only put together when it fails.
#[doc(inline)]
pub use crate::__always as always;
/// `reachable!("claim")`: control passes here in at least one of many runs.
#[doc(inline)]
pub use crate::__reachable as reachable;
/// `sometimes!(condition, "claim")`: the condition holds here in at least one of many runs.
#[doc(inline)]
pub use crate::__sometimes as sometimes;
/// `unreachable!("claim")`, `unreachable!("claim", "details {}", value)`: control never passes here.
///
/// A run in which it does has broken the promise `never: claim`; outside of a simulation an error is logged.
#[doc(inline)]
pub use crate::__unreachable as unreachable;

#[cfg(test)]
mod tests {
    use super::{Kind, always, reachable, sites, sometimes, unreachable};

    fn never_called<T: std::fmt::Debug>(value: &T) {
        sometimes!(false, "a site in a generic function that nobody calls");
        unreachable!("nobody calls this", "with {value:?}");
    }

    #[test]
    fn a_site_that_control_never_reaches_is_known() {
        let _ = never_called::<u8>;
        let sites = sites();
        let of = |name: &str| sites.iter().find(|site| site.name() == name).copied();
        let site = of("a site in a generic function that nobody calls").expect("it is registered");
        assert_eq!(site.kind(), Kind::Sometimes);
        assert!(site.file().ends_with("assert.rs"));
        assert_eq!(site.module(), module_path!());
        assert_eq!(
            of("nobody calls this").map(super::Site::kind),
            Some(Kind::Unreachable)
        );
    }

    #[test]
    fn details_are_put_together_only_when_the_assertion_fails() {
        let asked = std::cell::Cell::new(0);
        let details = || {
            asked.set(asked.get() + 1);
            "details"
        };
        always!(true, "this holds", "{}", details());
        assert_eq!(asked.get(), 0);
        always!(false, "this does not", "{}", details());
        assert_eq!(asked.get(), 1);
        reachable!("the end of the test");
    }

    #[test]
    fn an_event_names_its_kind_and_others_none() {
        assert_eq!(Kind::of_event("sometimes"), Some(Kind::Sometimes));
        assert_eq!(Kind::of_event("commit"), None);
    }
}
