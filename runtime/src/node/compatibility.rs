//! Behaviour that changed over time: a date chooses what a worker was written against, flags change single points of it.
//!
//! A worker names the date on which it was written, and keeps the behaviour of that day. Without it every correction of the platform
//! would break somebody. Only what differs for a Durable Object is known here.

use super::StartError;

/// The newest behaviour, in force unless a node asks for an older one.
const NEWEST: &str = "2026-07-30";

/// From this date on `deleteAll()` deletes the alarm, too (DEL-2).
const DELETE_ALL_DELETES_ALARM_FROM: &str = "2026-02-24";

/// From this date on the reason of a socket's closing has at most as many bytes as a frame takes (W-30).
const CLOSE_REASON_LIMITED_FROM: &str = "2026-03-03";

/// From this date on an `accept()`ed socket answers a Close by itself (W-29).
const REPLIES_TO_CLOSE_FROM: &str = "2026-04-07";

/// From this date on an error that crosses a call keeps its own name and properties (RP-21).
const ERRORS_KEEP_EVERYTHING_FROM: &str = "2026-04-21";

const DELETES_ALARM: &str = "delete_all_deletes_alarm";
const PRESERVES_ALARM: &str = "delete_all_preserves_alarm";
const CLOSE_REASON_LIMITED: &str = "websocket_close_reason_byte_limit";
const REPLIES_TO_CLOSE: &str = "web_socket_auto_reply_to_close";
const LEAVES_CLOSE_TO_CODE: &str = "web_socket_manual_reply_to_close";
const ERRORS_KEEP_EVERYTHING: &str = "enhanced_error_serialization";
const ERRORS_ARE_PLAIN: &str = "legacy_error_serialization";

/// What a node's date and flags mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent changes, each with a flag of its own"
)]
pub(crate) struct Compatibility {
    /// `delete_all` removes the alarm as well (DEL-2).
    pub(crate) delete_all_deletes_alarm: bool,
    /// A socket's `close` refuses a reason of more than 123 bytes (W-30).
    pub(crate) websocket_close_reason_byte_limit: bool,
    /// An `accept()`ed socket answers a Close by itself; one that can hibernate never does (W-29).
    pub(crate) web_socket_auto_reply_to_close: bool,
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
        let known = [
            DELETES_ALARM,
            PRESERVES_ALARM,
            CLOSE_REASON_LIMITED,
            REPLIES_TO_CLOSE,
            LEAVES_CLOSE_TO_CODE,
            ERRORS_KEEP_EVERYTHING,
            ERRORS_ARE_PLAIN,
        ];
        if let Some(unknown) = flags.iter().find(|flag| !known.contains(&flag.as_str())) {
            return Err(StartError::CompatibilityFlag {
                found: unknown.clone(),
                known: known.join(", "),
            });
        }
        let set = |name: &str| flags.iter().any(|flag| flag == name);
        let choice = |on: &str, off: &str, from: &str| match (set(on), set(off)) {
            (true, true) => Err(StartError::CompatibilityFlagsContradict {
                first: on.to_owned(),
                second: off.to_owned(),
            }),
            (true, false) => Ok(true),
            (false, true) => Ok(false),
            (false, false) => Ok(date >= from),
        };
        Ok(Self {
            delete_all_deletes_alarm: choice(
                DELETES_ALARM,
                PRESERVES_ALARM,
                DELETE_ALL_DELETES_ALARM_FROM,
            )?,
            websocket_close_reason_byte_limit: set(CLOSE_REASON_LIMITED)
                || date >= CLOSE_REASON_LIMITED_FROM,
            web_socket_auto_reply_to_close: choice(
                REPLIES_TO_CLOSE,
                LEAVES_CLOSE_TO_CODE,
                REPLIES_TO_CLOSE_FROM,
            )?,
            errors_keep_everything: choice(
                ERRORS_KEEP_EVERYTHING,
                ERRORS_ARE_PLAIN,
                ERRORS_KEEP_EVERYTHING_FROM,
            )?,
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
    fn sockets_change_on_the_days_of_their_changes() {
        let of = |date: &str, flags: &[&str]| {
            let flags: Vec<_> = flags.iter().map(|&flag| flag.to_owned()).collect();
            let found = Compatibility::new(Some(date), &flags).expect("valid");
            (
                found.websocket_close_reason_byte_limit,
                found.web_socket_auto_reply_to_close,
            )
        };
        assert_eq!(of("2026-03-02", &[]), (false, false));
        assert_eq!(of("2026-03-03", &[]), (true, false));
        assert_eq!(of("2026-04-07", &[]), (true, true));
        assert_eq!(of("2026-04-07", &[LEAVES_CLOSE_TO_CODE]), (true, false));
        assert_eq!(of("2024-01-01", &[CLOSE_REASON_LIMITED]), (true, false));
        assert_eq!(of("2024-01-01", &[REPLIES_TO_CLOSE]), (false, true));
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
        assert!(keep("2026-04-20", Some(ERRORS_KEEP_EVERYTHING)));
        assert!(!keep("2026-04-21", Some(ERRORS_ARE_PLAIN)));
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
