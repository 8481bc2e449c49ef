//! Behaviour that changed over time: a date chooses what a worker was written against, flags change single points of it.
//!
//! A worker names the date on which it was written, and keeps the behaviour of that day. Without it every correction of the platform
//! would break somebody. Only what differs for a Durable Object is known here.

use super::StartError;

/// The newest behaviour, in force unless a node asks for an older one.
const NEWEST: &str = "2026-07-30";

/// A change of behaviour: the day from which on it holds, and the flags that bring it earlier or keep it away.
struct Change {
    from: &'static str,
    with: &'static str,
    without: &'static str,
}

/// `deleteAll()` deletes the alarm, too (DEL-2).
const DELETES_ALARM: Change = Change {
    from: "2026-02-24",
    with: "delete_all_deletes_alarm",
    without: "delete_all_preserves_alarm",
};

/// An error that crosses a call keeps its own name and properties (RP-21).
const ERRORS_KEEP_EVERYTHING: Change = Change {
    from: "2026-04-21",
    with: "enhanced_error_serialization",
    without: "legacy_error_serialization",
};

const CHANGES: [Change; 2] = [DELETES_ALARM, ERRORS_KEEP_EVERYTHING];

/// What a node's date and flags mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Compatibility {
    /// `delete_all` removes the alarm as well (DEL-2).
    pub(crate) delete_all_deletes_alarm: bool,
    /// Errors reach callers with their own names and properties (RP-21).
    pub(crate) errors_keep_everything: bool,
}

impl Default for Compatibility {
    fn default() -> Self {
        Self::new(None, &[]).expect("the newest date is a date")
    }
}

impl Compatibility {
    /// # Errors
    /// The date is none, a flag is unknown, or two flags contradict each other.
    pub(super) fn new(date: Option<&str>, flags: &[String]) -> Result<Self, StartError> {
        let date = date.unwrap_or(NEWEST);
        if !is_date(date) {
            return Err(StartError::CompatibilityDate {
                found: date.to_owned(),
            });
        }
        let mut known = CHANGES.iter().flat_map(|change| [change.with, change.without]);
        if let Some(unknown) = flags.iter().find(|flag| !known.clone().any(|known| known == **flag)) {
            let known = known.by_ref().collect::<Vec<_>>().join(", ");
            return Err(StartError::CompatibilityFlag {
                found: unknown.clone(),
                known,
            });
        }
        Ok(Self {
            delete_all_deletes_alarm: DELETES_ALARM.holds(date, flags)?,
            errors_keep_everything: ERRORS_KEEP_EVERYTHING.holds(date, flags)?,
        })
    }
}

impl Change {
    fn holds(&self, date: &str, flags: &[String]) -> Result<bool, StartError> {
        let set = |name: &str| flags.iter().any(|flag| flag == name);
        match (set(self.with), set(self.without)) {
            (true, true) => Err(StartError::CompatibilityFlagsContradict {
                first: self.with.to_owned(),
                second: self.without.to_owned(),
            }),
            (true, false) => Ok(true),
            (false, true) => Ok(false),
            (false, false) => Ok(date >= self.from),
        }
    }
}

/// `YYYY-MM-DD`: such texts compare as the dates do.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let number = |text: &str, digits: usize| {
        (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse::<u32>().ok())
            .flatten()
    };
    let [year, month, day] = parts.as_slice() else {
        return false;
    };
    let (Some(year), Some(month), Some(day)) = (number(year, 4), number(month, 2), number(day, 2))
    else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    };
    (1..=days).contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deletes_alarm(date: Option<&str>, flags: &[&str]) -> bool {
        let flags: Vec<_> = flags.iter().map(|&flag| flag.to_owned()).collect();
        Compatibility::new(date, &flags)
            .expect("valid")
            .delete_all_deletes_alarm
    }

    #[test]
    fn the_alarm_goes_with_the_data_from_the_day_of_the_change_on() {
        assert!(deletes_alarm(None, &[]));
        assert!(deletes_alarm(Some("2026-02-24"), &[]));
        assert!(!deletes_alarm(Some("2026-02-23"), &[]));
        assert!(deletes_alarm(Some("2024-01-01"), &["delete_all_deletes_alarm"]));
        assert!(!deletes_alarm(None, &["delete_all_preserves_alarm"]));
    }

    #[test]
    fn errors_keep_everything_from_the_day_of_the_change_on() {
        let keep = |date: &str, flag: Option<&str>| {
            let flags: Vec<_> = flag.into_iter().map(str::to_owned).collect();
            let compatibility = Compatibility::new(Some(date), &flags).expect("valid");
            compatibility.errors_keep_everything
        };
        assert!(keep("2026-04-21", None));
        assert!(!keep("2026-04-20", None));
        assert!(keep("2026-04-20", Some("enhanced_error_serialization")));
        assert!(!keep("2026-04-21", Some("legacy_error_serialization")));
    }

    #[test]
    fn what_is_no_date_or_no_flag_is_refused_by_name() {
        for date in [
            "2026",
            "2026-2-1",
            "2026-13-01",
            "2026-02-29",
            "tomorrow",
            "",
        ] {
            let refused = Compatibility::new(Some(date), &[]).expect_err("no date");
            assert!(
                refused.to_string().contains(&format!("{date:?}")),
                "{refused}"
            );
        }
        let unknown = Compatibility::new(None, &["nodejs".to_owned()]).expect_err("unknown");
        assert!(unknown.to_string().contains("nodejs"), "{unknown}");
        let both = ["delete_all_deletes_alarm".to_owned(), "delete_all_preserves_alarm".to_owned()];
        assert!(Compatibility::new(None, &both).is_err());
    }
}
