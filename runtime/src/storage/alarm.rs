//! The alarm, as a value that is stored: one per object, in a row of the runtime's own table.
//!
//! Setting it is a write like any other: part of the turn's batch, rolled back with a transaction, confirmed unless asked otherwise (AL-5).

use std::{rc::Rc, time::Duration};

use chrono::{DateTime, Utc};

use super::{
    GetAlarmOptions, SetAlarmOptions, Storage, batch::Confirm, metadata::Row, object::ObjectStorage,
};
use crate::{Error, Result, platform::WallTime};

/// The first time that does not fit into nanoseconds since the epoch, in milliseconds since then: in the year 2262.
const MILLIS_END: f64 = 9_223_372_036_855.0;

const NANOS_PER_MILLI: i64 = 1_000_000;

/// When an alarm is to fire.
///
/// As in workers-rs a number and a [`Duration`] are counted from the moment of the call, a number in milliseconds; a
/// [`DateTime`] is a point in time.
///
/// # Example
/// ```
/// # async fn example(storage: dormouse::Storage) -> dormouse::Result<()> {
/// use std::time::Duration;
/// storage.set_alarm(Duration::from_secs(10)).await?;
/// storage.set_alarm(10_000).await?; // the same
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScheduledTime(At);

#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    /// Milliseconds after the time of the call.
    Offset(i64),
    /// Milliseconds since the epoch, as a JavaScript number.
    Absolute(f64),
}

impl ScheduledTime {
    /// A point in time in milliseconds since 1970-01-01T00:00Z, as JavaScript counts. Fractions are cut; what is no time is refused by
    /// `set_alarm` (AL-2).
    pub fn at_millis(millis: f64) -> Self {
        Self(At::Absolute(millis))
    }

    /// The time that is meant, `now` being the time of the turn. A time that is past is now (AL-3).
    pub(super) fn resolve(self, now: WallTime) -> Result<WallTime> {
        let millis = match self.0 {
            At::Offset(offset) => now.as_millis().saturating_add(offset),
            At::Absolute(millis) => checked_millis(millis)?,
        };
        if millis <= 0 {
            return Err(Error::type_error(
                "setAlarm() cannot be called with an alarm time <= 0",
            ));
        }
        Ok(WallTime::from_millis(millis.max(now.as_millis())))
    }
}

/// A JavaScript time as whole milliseconds.
///
/// # Errors
/// It is not finite, or too far away: with the original's texts (AL-2).
#[expect(
    clippy::cast_possible_truncation,
    reason = "fractions are cut, and the range was checked"
)]
pub(super) fn checked_millis(millis: f64) -> Result<i64> {
    if !millis.is_finite() {
        return Err(Error::type_error(
            "The value cannot be converted because it is not a valid Date.",
        ));
    }
    if millis >= MILLIS_END {
        return Err(Error::type_error(
            "This API doesn't support dates after 2189.",
        ));
    }
    if millis <= -MILLIS_END {
        return Err(Error::type_error(
            "This API doesn't support dates before 1687.",
        ));
    }
    Ok(millis as i64)
}

impl From<i64> for ScheduledTime {
    fn from(millis_from_now: i64) -> Self {
        Self(At::Offset(millis_from_now))
    }
}

impl From<Duration> for ScheduledTime {
    fn from(from_now: Duration) -> Self {
        Self(At::Offset(
            i64::try_from(from_now.as_millis()).unwrap_or(i64::MAX),
        ))
    }
}

impl From<DateTime<Utc>> for ScheduledTime {
    #[expect(clippy::cast_precision_loss, reason = "a date is far below 2^53")]
    fn from(time: DateTime<Utc>) -> Self {
        Self(At::Absolute(time.timestamp_millis() as f64))
    }
}

/// A stored alarm.
pub(super) fn of_nanos(nanos: i64) -> WallTime {
    WallTime::from_millis(nanos / NANOS_PER_MILLI)
}

impl ObjectStorage {
    /// The alarm as the object sees it: none while its handler runs and has not set a new one (AL-10).
    pub(super) fn alarm(&self) -> Result<Option<WallTime>> {
        let stored = self.stored_alarm()?;
        Ok(stored.filter(|_| !self.running_alarm.hides_alarm()))
    }

    /// The alarm as it is stored, the open batch included.
    pub(super) fn stored_alarm(&self) -> Result<Option<WallTime>> {
        Ok(self.metadata(Row::Alarm)?.map(of_nanos))
    }

    /// Sets the alarm, or removes it. Writes nothing if it is so already (AL-6).
    pub(super) fn set_alarm(
        self: &Rc<Self>,
        alarm: Option<WallTime>,
        confirm: Confirm,
    ) -> Result<()> {
        self.know_alarm()?;
        let stored = self.stored_alarm()?;
        if let Some(at) = alarm
            && self.running_alarm.is_running()
            && self.alarm_order.may_repeat(at)
        {
            // With a clock that stands still in a turn, a handler that sets the alarm to now often names the very time for which it runs. Nothing is
            // written then, and it must fire again all the same (A-9).
            self.alarm_order.tell(alarm)?;
        }
        self.running_alarm.decide();
        if stored == alarm {
            return Ok(());
        }
        self.touch_alarm()?;
        let nanos = alarm.map(|alarm| alarm.as_millis() * NANOS_PER_MILLI);
        self.set_metadata(Row::Alarm, nanos, confirm)
    }
}

impl Storage {
    /// When the alarm is due, in milliseconds since 1970-01-01T00:00Z; `None` if none is set.
    ///
    /// # Errors
    /// If the storage is broken or shut down.
    pub async fn get_alarm(&self) -> Result<Option<i64>> {
        self.get_alarm_with_options(GetAlarmOptions::default())
            .await
    }

    /// [`get_alarm`](Self::get_alarm) with options.
    pub async fn get_alarm_with_options(&self, options: GetAlarmOptions) -> Result<Option<i64>> {
        self.pause_if_mutated().await;
        let allow_concurrency = options.allow_concurrency.unwrap_or_default();
        let alarm = self.read_alarm(allow_concurrency).await?;
        Ok(alarm.map(WallTime::as_millis))
    }

    /// Sets the object's one alarm, in place of any former one. A time that is past becomes the time of this turn (AL-3).
    ///
    /// # Errors
    /// Type errors with the original's texts: for what is no time, or too far away, or not after 1970 (AL-2); and if the class has no
    /// handler for alarms (AL-4).
    ///
    /// # Example
    /// See [`ScheduledTime`].
    pub async fn set_alarm(&self, scheduled_time: impl Into<ScheduledTime>) -> Result<()> {
        self.set_alarm_with_options(scheduled_time, SetAlarmOptions::default())
            .await
    }

    /// [`set_alarm`](Self::set_alarm) with options.
    pub async fn set_alarm_with_options(
        &self,
        scheduled_time: impl Into<ScheduledTime>,
        options: SetAlarmOptions,
    ) -> Result<()> {
        self.pause_if_mutated().await;
        let alarm = scheduled_time.into().resolve(self.activation.now())?;
        self.activation.check_alarm_handler()?;
        self.write_alarm(Some(alarm), options.of_a_write()).await
    }

    /// Removes the alarm, if there is one.
    ///
    /// # Errors
    /// If the storage is broken or shut down.
    pub async fn delete_alarm(&self) -> Result<()> {
        self.delete_alarm_with_options(SetAlarmOptions::default())
            .await
    }

    /// [`delete_alarm`](Self::delete_alarm) with options.
    pub async fn delete_alarm_with_options(&self, options: SetAlarmOptions) -> Result<()> {
        self.pause_if_mutated().await;
        self.write_alarm(None, options.of_a_write()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: WallTime = WallTime::from_millis(1_700_000_000_123);

    fn text(time: f64) -> String {
        let refused = ScheduledTime::at_millis(time)
            .resolve(NOW)
            .expect_err("refused");
        assert_eq!(refused.name(), "TypeError");
        refused.to_string()
    }

    #[test]
    fn what_is_no_time_is_refused_in_the_words_of_the_original() {
        assert_eq!(
            text(f64::NAN),
            "The value cannot be converted because it is not a valid Date."
        );
        assert_eq!(
            text(9_223_372_036_855.0),
            "This API doesn't support dates after 2189."
        );
        assert_eq!(
            text(-9_223_372_036_855.0),
            "This API doesn't support dates before 1687."
        );
        assert_eq!(
            text(0.0),
            "setAlarm() cannot be called with an alarm time <= 0"
        );
    }

    #[test]
    fn offsets_count_from_now_and_the_past_is_now() {
        let at = |time: ScheduledTime| time.resolve(NOW).expect("a time").as_millis();
        assert_eq!(at(1000.into()), 1_700_000_001_123);
        assert_eq!(at(Duration::from_secs(1).into()), 1_700_000_001_123);
        assert_eq!(at((-5).into()), NOW.as_millis());
        assert_eq!(at(ScheduledTime::at_millis(1000.0)), NOW.as_millis());
        assert_eq!(
            at(ScheduledTime::at_millis(4_102_444_800_000.9)),
            4_102_444_800_000
        );
        let date = DateTime::from_timestamp_millis(4_102_444_800_000).expect("a date");
        assert_eq!(at(date.into()), 4_102_444_800_000);
    }
}
