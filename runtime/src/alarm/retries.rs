//! When a failed alarm runs again, and when it is given up.
//!
//! Failures of the object's own code are counted: after the seventh run nobody believes in an eighth. Those of the platform are not, and
//! are tried for ever, ever more slowly. The counts live in memory: a restart of the node begins anew, as in the original.

use std::time::Duration;

use super::Failure;
use crate::mutation::Mutation;

/// How often an alarm may fail by its own code and run again.
const COUNTED_MAX: u32 = 6;
const FIRST_DELAY: Duration = Duration::from_secs(2);
/// The delay doubles no further than this often: 1024 seconds.
const DOUBLINGS_MAX: u32 = 9;

/// The failures of one alarm so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Retries {
    counted: u32,
    doublings: u32,
    last_was_counted: bool,
}

impl Retries {
    /// How many runs failed by the object's own code.
    pub(super) fn counted(self) -> u32 {
        self.counted
    }

    /// A run has failed: after which time the next one begins, or `None` if it is given up. `jitter` draws a number of milliseconds from
    /// nothing up to its argument.
    pub(super) fn after(
        &mut self,
        failure: Failure,
        jitter: impl FnOnce(u64) -> u64,
    ) -> Option<Duration> {
        // Before counting, and for every failure: as in the original.
        if self.counted >= COUNTED_MAX {
            return None;
        }
        let counts = failure == Failure::Counted;
        if counts {
            self.counted += 1;
            if !self.last_was_counted {
                self.doublings = 0; // the platform's troubles are not the object's
            }
        }
        self.last_was_counted = counts;
        self.doublings = self.doublings.min(DOUBLINGS_MAX);
        let delay = FIRST_DELAY * 2_u32.pow(self.doublings);
        self.doublings += 1;
        if Mutation::AlarmBackoffIgnored.is_active() {
            return Some(Duration::from_millis(1));
        }
        let quarter = u64::try_from(delay.as_millis() / 4).unwrap_or(u64::MAX);
        Some(delay + Duration::from_millis(jitter(quarter)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(retries: &mut Retries, failure: Failure, runs: usize) -> Vec<Option<u64>> {
        (0..runs)
            .map(|_| retries.after(failure, |_| 0).map(|delay| delay.as_secs()))
            .collect()
    }

    #[test]
    fn the_objects_own_failures_are_tried_six_times_more_and_ever_more_slowly() {
        let mut retries = Retries::default();
        let six = [2, 4, 8, 16, 32, 64].map(Some);
        assert_eq!(delays(&mut retries, Failure::Counted, 6), six);
        assert_eq!(retries.counted(), 6);
        assert_eq!(delays(&mut retries, Failure::Counted, 1), [None]);
    }

    #[test]
    fn failures_of_the_platform_are_tried_for_ever_and_end_at_1024_seconds() {
        let mut retries = Retries::default();
        let slower = [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1024, 1024].map(Some);
        assert_eq!(delays(&mut retries, Failure::Uncounted, 12), slower);
        assert_eq!(retries.counted(), 0);
    }

    #[test]
    fn a_failure_of_the_object_after_those_of_the_platform_begins_at_two_seconds_again() {
        let mut retries = Retries::default();
        delays(&mut retries, Failure::Uncounted, 5);
        let after = delays(&mut retries, Failure::Counted, 2);
        assert_eq!(after, [Some(2), Some(4)]);
        // The other way round the delay goes on to grow.
        assert_eq!(delays(&mut retries, Failure::Uncounted, 1), [Some(8)]);
    }

    #[test]
    fn after_six_counted_failures_even_one_of_the_platform_is_the_end() {
        let mut retries = Retries::default();
        delays(&mut retries, Failure::Counted, 6);
        assert_eq!(delays(&mut retries, Failure::Uncounted, 1), [None]);
    }

    #[test]
    fn up_to_a_quarter_is_added_by_chance() {
        let with = |part: u64| {
            let mut retries = Retries::default();
            delays(&mut retries, Failure::Counted, 2);
            retries.after(Failure::Counted, |most| most * part / 4)
        };
        assert_eq!(with(0), Some(Duration::from_secs(8)));
        assert_eq!(with(4), Some(Duration::from_secs(10)));
    }
}
