//! The node's alarm scheduler: it wakes objects at the time for which they have set their alarm.
//!
//! An object's alarm is stored twice. *D*, with the object's data, says what the object wants; *S*, in the node's own index, says when to
//! wake it, because nobody wants to open every object to find out which is due. There is no transaction over both, so one rule holds
//! between them at every moment, also after any crash: **S is not later than D**. An object that is woken too early looks at D and asks to be
//! woken again; one that is woken too late, or never, could not mend anything.
//!
//! - [`index`]: S, a checked log in a file of its own;
//! - [`retries`]: when a failed alarm runs again, and when it is given up;
//! - [`scheduler`]: the rows, their timers, and the deliveries.
//!
//! The object's side stands elsewhere: `storage/alarm_order` keeps the rule when D changes, `storage/alarm_run` says whether an alarm that
//! fires is to run, and `activation/alarm` runs it.

mod index;
#[cfg(test)]
mod index_tests;
mod retries;
mod scheduler;

pub use index::AlarmIndexError;
pub(crate) use index::Key;
pub(crate) use scheduler::Scheduler;

use crate::{Result, platform::LocalBoxFuture, platform::WallTime};

/// What an alarm's handler is told.
///
/// # Example
/// ```
/// use dormouse::{AlarmInfo, DurableObject, Env, Response, Result, State, durable_object};
///
/// #[durable_object(alarm)]
/// pub struct Cleaner {
///     state: State,
/// }
///
/// impl DurableObject for Cleaner {
///     fn new(state: State, _env: Env) -> Self {
///         Self { state }
///     }
///
///     async fn alarm_with_info(&self, alarm: AlarmInfo) -> Result<Response> {
///         if alarm.retry_count >= 5 {
///             self.state.storage().set_alarm(60_000).await?; // before it is given up: a new alarm with tries of its own
///         }
///         Response::empty()
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AlarmInfo {
    /// The time for which the alarm was set, in milliseconds since 1970-01-01T00:00Z. It may be long past.
    pub scheduled_time: i64,
    /// How many runs for this time failed so far by a failure of the object's own code. Those that the platform ended do not count, so a second
    /// run may have 0 here as well (A-4).
    pub retry_count: u32,
    /// Whether any did.
    pub is_retry: bool,
}

impl AlarmInfo {
    pub(crate) fn new(scheduled: WallTime, retry_count: u32) -> Self {
        Self {
            scheduled_time: scheduled.as_millis(),
            retry_count,
            is_retry: retry_count > 0,
        }
    }

    pub(crate) fn scheduled(self) -> WallTime {
        WallTime::from_millis(self.scheduled_time)
    }
}

/// What became of an alarm that was delivered (A-22).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AlarmEnd {
    /// The handler succeeded, and that is durable.
    Done,
    /// It is not this object's alarm any more; the object has said what is.
    Canceled,
    /// The class has no handler: the alarm is dropped.
    NoHandler,
    /// It is to run again (A-14, A-15).
    Failed(Failure),
    /// The object's code aborted it and wants no other run (E-8).
    Aborted,
}

/// Who is to blame for a failed run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The object's code: it may fail so a few times.
    Counted,
    /// The platform: it tries for ever.
    Uncounted,
}

impl AlarmEnd {
    /// In a word, as in traces.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Canceled => "canceled",
            Self::NoHandler => "no_handler",
            Self::Failed(Failure::Counted) => "failed",
            Self::Failed(Failure::Uncounted) => "interrupted",
            Self::Aborted => "aborted",
        }
    }
}

/// The scheduler, as one object's storage needs it.
pub(crate) trait AlarmSink {
    /// Has the object woken at this time, in place of any former one; never, with `None`. It is so at once, also for a process that crashes
    /// right after; the future completes when a loss of power cannot take it back either.
    ///
    /// # Errors
    /// The index cannot be written. Nothing has changed then.
    fn schedule(&self, at: Option<WallTime>) -> Result<LocalBoxFuture<'static, Result<()>>>;

    /// When the object is to be woken, as far as the scheduler knows.
    fn scheduled(&self) -> Option<WallTime>;
}

/// Whether `one` comes before `other`, `None` being never.
pub(crate) fn is_earlier(one: Option<WallTime>, other: Option<WallTime>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one < other,
        (Some(_), None) => true,
        (None, _) => false,
    }
}

/// A time as it stands in a trace: milliseconds since the epoch, 0 for none.
pub(crate) fn traced(at: Option<WallTime>) -> u64 {
    at.map_or(0, |at| u64::try_from(at.as_millis()).unwrap_or(0))
}
