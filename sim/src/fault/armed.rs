//! The faults of one run: which wait for their point, which are going on, which took effect.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use dormouse::platform::Leg;

use super::{Fault, FaultKind, Trigger};
use crate::seed::Draw;

/// How many messages or syncs a slow spell lasts.
const SLOW_SPELL: u32 = 8;

/// How often each kind of fault took effect.
///
/// Its JSON form names the kinds (`{"power_loss": 3}`), so that one that is new does not change what the others mean.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(from = "BTreeMap<FaultKind, u64>", into = "BTreeMap<FaultKind, u64>")]
pub struct Effects(pub(crate) [u64; FaultKind::ALL.len()]);

impl Effects {
    /// How often `kind` took effect.
    pub fn of(&self, kind: FaultKind) -> u64 {
        self.0[kind.index()]
    }

    pub(crate) fn add(&mut self, kind: FaultKind, times: u64) {
        self.0[kind.index()] += times;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum += more;
        }
    }
}

impl From<BTreeMap<FaultKind, u64>> for Effects {
    fn from(counts: BTreeMap<FaultKind, u64>) -> Self {
        let mut effects = Self::default();
        for (kind, times) in counts {
            effects.add(kind, times);
        }
        effects
    }
}

impl From<Effects> for BTreeMap<FaultKind, u64> {
    fn from(effects: Effects) -> Self {
        let kinds = FaultKind::ALL.into_iter();
        kinds
            .map(|kind| (kind, effects.of(kind)))
            .filter(|(_, times)| *times > 0)
            .collect()
    }
}

/// The faults of one run.
#[derive(Debug, Default)]
pub(crate) struct ArmedFaults {
    /// With their places in the plan.
    at_points: Vec<(usize, Fault)>,
    /// How often the points of those that wait for a call had been passed when it was made.
    passed_before: BTreeMap<usize, u64>,
    passages: BTreeMap<(Rc<str>, &'static str), u64>,
    lose_next: [bool; 2],
    slow_links: Option<Duration>,
    slow_links_left: std::cell::Cell<u32>,
    slow_syncs: Option<Duration>,
    slow_syncs_left: u32,
    /// The next operation of these kinds fails.
    fail_next: BTreeSet<FaultKind>,
    /// No space until then.
    full_until: Duration,
    /// Clients that are cut off, and until when.
    partitions: BTreeMap<Rc<str>, Duration>,
    /// How long the client that makes the next call waits for it.
    give_up_after: Option<Duration>,
    /// Effects that the runtime is about to report.
    expected: BTreeMap<&'static str, (FaultKind, u32)>,
    /// Messages and syncs take no time: for runs that compare answers.
    calm: bool,
    /// From when on there are no faults; those that last do not last longer.
    heal_at: Option<Duration>,
    next_alarm_late: Option<Duration>,
    lose_next_alarm: bool,
    healed: bool,
    pub(crate) effects: Effects,
}

impl ArmedFaults {
    /// Arms those of `faults` that wait for a point; the others have their time.
    pub(crate) fn new(faults: &[Fault]) -> Self {
        let at_points = faults
            .iter()
            .cloned()
            .enumerate()
            .filter(|(_, fault)| !matches!(fault.trigger, Trigger::At(_)));
        Self {
            at_points: at_points.collect(),
            ..Self::default()
        }
    }

    /// The client with this number makes its call with this index, from 0 on.
    pub(crate) fn invoked(&mut self, client: usize, index: usize) {
        for (place, fault) in &self.at_points {
            if let Trigger::After(after) = &fault.trigger
                && (after.client, after.call) == (client, index + 1)
            {
                let passed = self
                    .passages
                    .iter()
                    .find(|((machine, name), _)| **machine == *after.machine && *name == after.name)
                    .map_or(0, |(_, times)| *times);
                self.passed_before.entry(*place).or_insert(passed);
            }
        }
    }

    /// Counts a passage of a point, and returns the faults that fire at it, with their places in the plan.
    pub(crate) fn pass(&mut self, on: &Rc<str>, point: &'static str) -> Vec<(usize, Fault)> {
        if self.at_points.is_empty() {
            return Vec::new();
        }
        let passage = self.passages.entry((Rc::clone(on), point)).or_default();
        *passage += 1;
        let passage = *passage;
        let mut fired = Vec::new();
        let passed_before = &self.passed_before;
        self.at_points.retain(|(place, fault)| {
            let (machine, name, nth) = match &fault.trigger {
                Trigger::At(_) => return false,
                Trigger::Point { machine, name, nth } => (machine, name, Some(*nth)),
                Trigger::After(after) => {
                    let before = passed_before.get(place);
                    let nth = before.map(|before| before + after.nth);
                    (&after.machine, &after.name, nth)
                }
            };
            let fires = nth == Some(passage) && name == point && **machine == **on;
            if fires {
                fired.push((*place, fault.clone()));
            }
            !fires
        });
        fired
    }

    /// No fault happens from now on.
    pub(crate) fn heal(&mut self) {
        self.at_points.clear();
        self.lose_next = [false; 2];
        self.slow_links = None;
        self.slow_syncs = None;
        self.fail_next.clear();
        self.full_until = Duration::ZERO;
        self.partitions.clear();
        self.give_up_after = None;
        self.expected.clear();
        self.next_alarm_late = None;
        self.lose_next_alarm = false;
        self.healed = true;
    }

    pub(crate) fn is_healed(&self) -> bool {
        self.healed
    }

    pub(crate) fn lose_next(&mut self, leg: Leg) {
        self.lose_next[leg as usize] = true;
    }

    pub(crate) fn slow_links(&mut self, by: Duration) {
        self.slow_links = Some(by.min(Duration::from_secs(2)));
        self.slow_links_left.set(SLOW_SPELL);
        self.effects.add(FaultKind::SlowLinks, 1);
    }

    pub(crate) fn slow_syncs(&mut self, by: Duration) {
        self.slow_syncs = Some(by);
        self.slow_syncs_left = SLOW_SPELL;
    }

    /// The next operation that `kind` can strike fails.
    pub(crate) fn fail_next(&mut self, kind: FaultKind) {
        self.fail_next.insert(kind);
    }

    /// Messages and syncs take no time from now on.
    pub(crate) fn calm(&mut self) {
        self.calm = true;
    }

    pub(crate) fn heals_at(&mut self, at: Duration) {
        self.heal_at = Some(at);
    }

    /// When something that lasts for `by` from `now` on ends: not after the healing.
    pub(crate) fn end_of(&self, now: Duration, by: Duration) -> Duration {
        let end = now + by;
        self.heal_at.map_or(end, |heal_at| end.min(heal_at))
    }

    pub(crate) fn fill_disk(&mut self, until: Duration) {
        self.full_until = until;
    }

    pub(crate) fn cut_off(&mut self, client: Rc<str>, until: Duration) {
        self.partitions.insert(client, until);
    }

    /// Until when `machine` is cut off, if it is.
    pub(crate) fn cut_off_until(&self, machine: &str, now: Duration) -> Option<Duration> {
        let until = *self.partitions.get(machine)?;
        (until > now).then_some(until)
    }

    pub(crate) fn give_up_after(&mut self, by: Duration) {
        self.give_up_after = Some(by);
    }

    /// How long the call that is made now is waited for, if not for ever.
    pub(crate) fn patience(&mut self) -> Option<Duration> {
        self.give_up_after.take()
    }

    /// The runtime will report `event` this many times, and each is an effect of `kind`.
    pub(crate) fn expect(&mut self, event: &'static str, kind: FaultKind, times: u32) {
        self.expected.insert(event, (kind, times));
    }

    /// The runtime reports `event`: perhaps it is the effect of a fault.
    pub(crate) fn reported(&mut self, event: &str) {
        if let Some((kind, left)) = self.expected.get_mut(event)
            && *left > 0
        {
            *left -= 1;
            let kind = *kind;
            self.effects.add(kind, 1);
        }
    }

    /// Whether the read that is made now fails.
    pub(crate) fn read_fails(&mut self) -> bool {
        let fails = self.fail_next.remove(&FaultKind::ReadError);
        self.effects.add(FaultKind::ReadError, u64::from(fails));
        fails
    }

    /// Which fault the write that is made now meets.
    pub(crate) fn write_meets(
        &mut self,
        now: Duration,
        is_kv: impl FnOnce() -> bool,
    ) -> Option<FaultKind> {
        let kind = if self.fail_next.remove(&FaultKind::WriteError) {
            FaultKind::WriteError
        } else if now < self.full_until {
            FaultKind::DiskFull
        } else if self.fail_next.contains(&FaultKind::FailKvBatch) && is_kv() {
            self.fail_next.remove(&FaultKind::FailKvBatch);
            FaultKind::FailKvBatch
        } else {
            return None;
        };
        self.effects.add(kind, 1);
        Some(kind)
    }

    pub(crate) fn delay_next_alarm(&mut self, by: Duration) {
        self.next_alarm_late = Some(by);
    }

    pub(crate) fn lose_next_alarm(&mut self) {
        self.lose_next_alarm = true;
    }

    /// By how much an alarm that fires now is late.
    pub(crate) fn alarm_is_late(&mut self) -> Option<Duration> {
        self.next_alarm_late.take()
    }

    /// Whether an alarm that fires now, or the end of one that is told now, is lost.
    pub(crate) fn loses_alarm(&mut self) -> bool {
        std::mem::take(&mut self.lose_next_alarm)
    }

    /// Whether the connection of a message that leaves now is lost.
    pub(crate) fn loses(&mut self, leg: Leg) -> bool {
        std::mem::take(&mut self.lose_next[leg as usize])
    }

    /// Messages take no time.
    pub(crate) fn is_calm(&self) -> bool {
        self.calm
    }

    /// What a message that leaves now takes longer than usual.
    pub(crate) fn extra_latency(&self) -> Duration {
        match (self.slow_links, self.slow_links_left.get()) {
            (Some(by), left @ 1..) => {
                self.slow_links_left.set(left - 1);
                by
            }
            _ => Duration::ZERO,
        }
    }

    /// Whether a sync that is waited for on the spot fails.
    pub(crate) fn barrier_fails(&mut self) -> bool {
        let fails = self.fail_next.remove(&FaultKind::FailSync);
        self.effects.add(FaultKind::FailSync, u64::from(fails));
        fails
    }

    /// How long a sync that starts now takes, and whether it fails.
    pub(crate) fn sync(&mut self, draw: &mut Draw) -> (Duration, bool) {
        let usual = match draw.below(8) {
            0..=3 => 0,
            4..=5 => 1,
            6 => draw.below(5),
            _ => draw.below(30),
        };
        let mut takes = Duration::from_millis(if self.calm { 0 } else { usual });
        if let (Some(by), 1..) = (self.slow_syncs, self.slow_syncs_left) {
            self.slow_syncs_left -= 1;
            self.effects.add(FaultKind::SlowSync, 1);
            takes += by;
        }
        let fails = self.fail_next.remove(&FaultKind::FailSync);
        if fails {
            self.effects.add(FaultKind::FailSync, 1);
        }
        (takes, fails)
    }
}
