//! Behaviour that changed over time: a date chooses what a worker was written against, flags change single points of it.
//!
//! A worker names the date on which it was written, and keeps the behaviour of that day. Without it every correction of the platform
//! would break somebody. Only what differs for a Durable Object is known here.

use super::StartError;

/// The newest behaviour, in force unless a node asks for an older one.
const NEWEST: &str = "2026-07-30";

/// From this date on `deleteAll()` deletes the alarm, too (DEL-2).
const DELETE_ALL_DELETES_ALARM_FROM: &str = "2026-02-24";

const DELETES_ALARM: &str = "delete_all_deletes_alarm";
const PRESERVES_ALARM: &str = "delete_all_preserves_alarm";

/// What a node's date and flags mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Compatibility {
    /// `delete_all` removes the alarm as well (DEL-2).
    pub(crate) delete_all_deletes_alarm: bool,
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
        let known = [DELETES_ALARM, PRESERVES_ALARM];
        if let Some(unknown) = flags.iter().find(|flag| !known.contains(&flag.as_str())) {
            return Err(StartError::CompatibilityFlag {
                found: unknown.clone(),
                known: known.join(", "),
            });
        }
        let set = |name: &str| flags.iter().any(|flag| flag == name);
        let delete_all_deletes_alarm = match (set(DELETES_ALARM), set(PRESERVES_ALARM)) {
            (true, true) => {
                return Err(StartError::CompatibilityFlagsContradict {
                    first: DELETES_ALARM.to_owned(),
                    second: PRESERVES_ALARM.to_owned(),
                });
            }
            (true, false) => true,
            (false, true) => false,
            (false, false) => date >= DELETE_ALL_DELETES_ALARM_FROM,
        };
        Ok(Self {
            delete_all_deletes_alarm,
        })
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
        assert!(deletes_alarm(Some("2024-01-01"), &[DELETES_ALARM]));
        assert!(!deletes_alarm(None, &[PRESERVES_ALARM]));
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
        let both = [DELETES_ALARM.to_owned(), PRESERVES_ALARM.to_owned()];
        assert!(Compatibility::new(None, &both).is_err());
    }
}
