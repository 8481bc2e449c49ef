//! The `Date` of a response, from the node's clock instead of the system's.

use crate::platform::WallTime;

const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The time as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`.
///
/// A clock that is out of the years that have four digits, which a fault can bring about, counts as the nearest second
/// in them.
pub(super) fn http_date(wall: WallTime) -> String {
    // The first and the last second that the format can hold: years 0000 and 9999.
    let seconds = wall
        .as_millis()
        .div_euclid(1000)
        .clamp(-62_167_219_200, 253_402_300_799);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let weekday = WEEKDAYS[index(days.rem_euclid(7))];
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let month = MONTHS[index(month - 1)];
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// Year, month (1 to 12) and day (1 to 31) of the day that is `days` after 1970-01-01, in the Gregorian calendar.
///
/// Years are counted from March, so that the day which is not always there is the last of its year; 146 097 days are a
/// whole round of 400 years.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468; // from 0000-03-01 to 1970-01-01
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

fn index(number: i64) -> usize {
    usize::try_from(number).expect("a remainder is not negative")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (millis, date) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777_999, "Sun, 06 Nov 1994 08:49:37 GMT"), // the example of RFC 9110
            (951_782_400_000, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (4_107_542_400_000, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
        ] {
            assert_eq!(http_date(WallTime::from_millis(millis)), date);
        }
    }

    #[test]
    fn a_clock_gone_mad_still_has_a_date() {
        assert_eq!(
            http_date(WallTime::from_millis(i64::MAX)),
            "Fri, 31 Dec 9999 23:59:59 GMT"
        );
        assert_eq!(
            http_date(WallTime::from_millis(i64::MIN)),
            "Sat, 01 Jan 0000 00:00:00 GMT"
        );
    }
}
