//! What attempts of a type came to over some time, and how long they waited and ran: numbers that can be added up.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::outcome::OutcomeKind;

/// Buckets a doubling is divided into. A quantile is off by less than one part in so many.
const PARTS: u64 = 4;
/// The last bucket: it holds whatever is longer, more than a thousand years.
const BUCKET_MAX: u8 = 219;

/// Durations, counted in buckets that grow with them. Each bucket is at the most a quarter wider than its lower end.
///
/// As JSON: how many are in each bucket that has any, by the bucket's number, and the sum in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Histogram {
    /// How many durations each bucket has, by number; see [`Histogram::bounds`].
    buckets: BTreeMap<u8, u64>,
    /// All of them together, in microseconds.
    sum_us: u64,
}

impl Histogram {
    /// Counts a duration.
    pub fn record(&mut self, us: u64) {
        *self.buckets.entry(bucket(us)).or_default() += 1;
        self.sum_us = self.sum_us.saturating_add(us);
    }

    /// Adds what another has counted.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.buckets {
            let own = self.buckets.entry(*bucket).or_default();
            *own = own.saturating_add(*count);
        }
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
    }

    /// How many durations there are.
    pub fn count(&self) -> u64 {
        self.buckets
            .values()
            .fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// All of them together, in microseconds.
    pub fn sum_us(&self) -> u64 {
        self.sum_us
    }

    /// Their mean, in microseconds; none where there are none.
    pub fn mean_us(&self) -> Option<u64> {
        self.sum_us.checked_div(self.count())
    }

    /// The duration in microseconds that so many of a thousand are not longer than, as if those of a bucket were spread
    /// over it evenly. None where there are none.
    pub fn permille_us(&self, permille: u32) -> Option<u64> {
        let count = u128::from(self.count());
        // The rank of the one meant, from 1: rounded up.
        let rank = (count * u128::from(permille.min(1_000)))
            .div_ceil(1_000)
            .max(1);
        let mut below = 0;
        for (bucket, n) in &self.buckets {
            let n = u128::from(*n);
            if below + n >= rank {
                let (low, high) = Self::bounds(*bucket);
                let part = u128::from(high - low) * (rank - below) / n;
                return Some(low + part as u64);
            }
            below += n;
        }
        None
    }

    /// The buckets that have any: the number of each, and how many.
    pub fn buckets(&self) -> impl Iterator<Item = (u8, u64)> {
        self.buckets.iter().map(|(bucket, n)| (*bucket, *n))
    }

    /// The least duration in microseconds that belongs to a bucket, and the least that does no longer.
    pub fn bounds(bucket: u8) -> (u64, u64) {
        let low = |bucket: u64| match bucket {
            ..PARTS => bucket,
            _ => (PARTS + bucket % PARTS) << (bucket / PARTS - 1),
        };
        let bucket = u64::from(bucket.min(BUCKET_MAX));
        (low(bucket), low(bucket + 1))
    }
}

/// The bucket of a duration.
fn bucket(us: u64) -> u8 {
    if us < PARTS {
        return us as u8;
    }
    let doubling = u64::from(us.ilog2());
    let part = (us >> (doubling - 2)) % PARTS;
    let bucket = (doubling - 1) * PARTS + part;
    u8::try_from(bucket).map_or(BUCKET_MAX, |bucket| bucket.min(BUCKET_MAX))
}

/// What the attempts of one type came to that were settled in some time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Statistic {
    /// Attempts that were settled, by what they came to.
    pub outcomes: BTreeMap<OutcomeKind, u64>,
    /// Those of them after which the job is to run again.
    pub retries: u64,
    /// Jobs given back because their host was gone.
    pub rescues: u64,
    /// Settlements that came too late and changed nothing.
    pub stale: u64,
    /// From when a job was due to when it was claimed.
    pub wait: Histogram,
    /// From the begin of an attempt to its end.
    pub run: Histogram,
}

impl Statistic {
    /// Adds what another has counted.
    pub fn merge(&mut self, other: &Self) {
        for (kind, count) in &other.outcomes {
            *self.outcomes.entry(*kind).or_default() += count;
        }
        self.retries += other.retries;
        self.rescues += other.rescues;
        self.stale += other.stale;
        self.wait.merge(&other.wait);
        self.run.merge(&other.run);
    }

    /// How many attempts were settled.
    pub fn attempts(&self) -> u64 {
        self.outcomes.values().sum()
    }

    /// How many of them failed: they came neither to what their handler wanted nor to an end that is nobody's fault.
    pub fn failures(&self) -> u64 {
        let failed = self.outcomes.iter().filter(|(kind, _)| kind.is_failure());
        failed.map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_is_within_the_bounds_of_its_bucket_and_buckets_leave_no_gap() {
        let mut us = 0_u64;
        while us < 1 << 55 {
            for us in [us, us + 1, us.saturating_sub(1)] {
                let (low, high) = Histogram::bounds(bucket(us));
                assert!((low..high).contains(&us), "{us}: {low}..{high}");
                assert!(high - low <= 1 + low / PARTS, "{us}: {low}..{high}");
            }
            us = us * 9 / 8 + 1;
        }
        for n in 0..BUCKET_MAX {
            assert_eq!(Histogram::bounds(n).1, Histogram::bounds(n + 1).0, "{n}");
            assert_eq!(bucket(Histogram::bounds(n).0), n);
        }
        assert_eq!(bucket(u64::MAX), BUCKET_MAX);
    }

    #[test]
    fn quantiles_are_within_a_quarter_of_the_truth() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.permille_us(500), None);
        assert_eq!(histogram.mean_us(), None);
        let all: Vec<u64> = (1..=10_000).map(|n| n * n).collect();
        for us in &all {
            histogram.record(*us);
        }
        for permille in [1, 10, 250, 500, 900, 990, 999, 1_000] {
            let truth = all[(all.len() * permille as usize).div_ceil(1_000) - 1];
            let found = histogram.permille_us(permille).expect("there are some");
            let off = found.abs_diff(truth);
            assert!(off <= truth / 4 + 1, "{permille}: {found} for {truth}");
        }
        assert_eq!(histogram.mean_us(), Some(all.iter().sum::<u64>() / 10_000));
    }

    #[test]
    fn what_two_have_counted_is_what_one_would_have() {
        let (mut one, mut left, mut right) = <(Statistic, Statistic, Statistic)>::default();
        for n in 0..500_u64 {
            let half = if n % 3 == 0 { &mut left } else { &mut right };
            for statistic in [half, &mut one] {
                let kind = OutcomeKind::ALL[n as usize % OutcomeKind::ALL.len()];
                *statistic.outcomes.entry(kind).or_default() += 1;
                statistic.retries += n % 2;
                statistic.wait.record(n * 1_000);
                statistic.run.record(n);
            }
        }
        left.merge(&right);
        assert_eq!(left, one);
        assert_eq!(one.attempts(), 500);
        let text = serde_json::to_string(&one).expect("it is JSON");
        assert_eq!(
            serde_json::from_str::<Statistic>(&text).expect("it is ours"),
            one
        );
    }

    #[test]
    fn what_nobody_did_wrong_is_no_failure() {
        let mut statistic = Statistic::default();
        for kind in OutcomeKind::ALL {
            statistic.outcomes.insert(kind, 1);
        }
        assert_eq!(statistic.attempts(), 17);
        // Completed, continued, snoozed, cancelled, interrupted.
        assert_eq!(statistic.failures(), 12);
    }
}
