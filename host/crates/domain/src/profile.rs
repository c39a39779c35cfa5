//! What attempts use of their limits: how near they come, how use is distributed, and the limits that it suggests.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limit::{LimitName, Limits, Unit};
use crate::outcome::Usage;
use crate::quantity::{format_size, format_us};

/// The share of a limit, in percent, from which an attempt counts as near it.
pub const NEAR_PERCENT: u64 = 80;
/// The fewest attempts that limits are suggested from.
pub const SUGGESTION_SAMPLES_MIN: usize = 20;
/// The shortest limit of time that is suggested, in milliseconds: a machine that has much to do is late by more than
/// most handlers take.
const SUGGESTED_MS_MIN: u64 = 100;
/// A suggested limit is this many percent of the 99th percentile.
const HEADROOM_PERCENT: u64 = 150;

impl Usage {
    /// How much of a limit was used, in the limit's unit but for time, which is in microseconds. None where
    /// that is not measured for each attempt.
    pub fn of(&self, name: LimitName) -> Option<u64> {
        match name {
            LimitName::WallTimeout => Some(self.wall_us),
            LimitName::CpuTime => Some(self.cpu_us),
            LimitName::Fuel => self.fuel,
            LimitName::Memory => Some(self.memory_bytes_peak),
            LimitName::Output => Some(self.output_bytes),
            LimitName::Log => Some(self.log_bytes),
            LimitName::LogLines => Some(self.detail.log_lines),
            // Few attempts send requests or write files: nothing is shown of those that do not.
            LimitName::HttpRequests => some_of(self.detail.http_requests),
            LimitName::HttpRequestBytes => some_of(self.detail.http_request_bytes),
            LimitName::HttpResponseBytes => some_of(self.detail.http_response_bytes),
            LimitName::ScratchBytes => some_of(self.detail.scratch_bytes_peak),
            LimitName::ScratchFiles => some_of(self.detail.scratch_files_peak),
            LimitName::Memories
            | LimitName::Tables
            | LimitName::TableElements
            | LimitName::Instances
            | LimitName::Stack
            | LimitName::Handles
            | LimitName::HostCall
            | LimitName::Input
            | LimitName::ProgressRate
            | LimitName::Children
            | LimitName::Depth
            | LimitName::Descendants
            | LimitName::HttpConnections
            | LimitName::DnsLookups => None,
        }
    }
}

fn some_of(used: u64) -> Option<u64> {
    Some(used).filter(|used| *used > 0)
}

impl LimitName {
    /// How many of the units that [`Usage::of`] tells in make one of the limit's.
    pub fn scale(self) -> u64 {
        match self.unit() {
            Unit::Duration => 1_000,
            Unit::Size | Unit::Count => 1,
        }
    }
}

impl LimitName {
    /// How much of the limit was used, for people: as [`Usage::of`] tells it.
    pub fn format_used(self, used: u64) -> String {
        match self.unit() {
            Unit::Duration => format_us(used),
            Unit::Count => used.to_string(),
            Unit::Size => format_size(used),
        }
    }
}

/// A limit that an attempt came near.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Near {
    /// Which limit.
    pub name: LimitName,
    /// Its value.
    pub limit: u64,
    /// How much of it was used, in percent.
    pub percent: u64,
}

/// The limits of which [`NEAR_PERCENT`] or more were used, without those at 0.
pub fn near(usage: &Usage, limits: &Limits) -> Vec<Near> {
    let names = LimitName::ALL.into_iter();
    let shares = names.filter_map(|name| {
        let limit = limits.get(name).filter(|limit| *limit > 0)?;
        let used = u128::from(usage.of(name)?);
        let percent = used * 100 / (u128::from(limit) * u128::from(name.scale()));
        Some(Near {
            name,
            limit,
            percent: u64::try_from(percent).unwrap_or(u64::MAX),
        })
    });
    shares.filter(|near| near.percent >= NEAR_PERCENT).collect()
}

/// How the use of one limit is distributed over attempts, in the units of [`Usage::of`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Distribution {
    /// Which limit.
    pub name: LimitName,
    /// The least.
    pub min: u64,
    /// The median.
    pub p50: u64,
    /// The 90th percentile.
    pub p90: u64,
    /// The 99th percentile.
    pub p99: u64,
    /// The most.
    pub max: u64,
    /// A limit with headroom, in the limit's own unit: half as much again as the 99th percentile, and at least the
    /// most. None from fewer than [`SUGGESTION_SAMPLES_MIN`] attempts.
    pub suggested: Option<u64>,
}

/// The distribution of each limit that is measured in all of these attempts.
pub fn distributions(attempts: &[Usage]) -> Vec<Distribution> {
    let names = LimitName::ALL.into_iter();
    names
        .filter_map(|name| {
            let used = attempts.iter().map(|usage| usage.of(name));
            let mut used = used.collect::<Option<Vec<u64>>>()?;
            used.sort_unstable();
            let (min, max) = (*used.first()?, *used.last()?);
            let p99 = percentile(&used, 99)?;
            Some(Distribution {
                name,
                min,
                p50: percentile(&used, 50)?,
                p90: percentile(&used, 90)?,
                p99,
                max,
                suggested: (used.len() >= SUGGESTION_SAMPLES_MIN).then(|| suggest(name, p99, max)),
            })
        })
        .collect()
}

/// By the nearest rank: the smallest value that so many percent of all are not over.
fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

fn suggest(name: LimitName, p99: u64, max: u64) -> u64 {
    let used = (p99.saturating_mul(HEADROOM_PERCENT) / 100).max(max);
    let value = used.div_ceil(name.scale()).max(name.minimum()).max(1);
    match name.unit() {
        // Growth comes in pages of 64 KiB; what is smaller is payload.
        Unit::Size if value > 64 << 10 => value.checked_next_multiple_of(64 << 10).unwrap_or(value),
        Unit::Size => value.next_power_of_two(),
        Unit::Duration => round_up(value).max(SUGGESTED_MS_MIN),
        Unit::Count => round_up(value),
    }
}

/// Up to two significant digits.
fn round_up(value: u64) -> u64 {
    let digits = value.checked_ilog10().unwrap_or(0);
    let step = 10_u64.pow(digits.saturating_sub(1));
    value.checked_next_multiple_of(step).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(wall_us: u64, memory_bytes_peak: u64) -> Usage {
        Usage {
            wall_us,
            memory_bytes_peak,
            ..Usage::default()
        }
    }

    #[test]
    fn an_attempt_is_near_a_limit_from_four_fifths_of_it() {
        let limits = Limits {
            wall_timeout_ms: 10,
            memory_bytes_max: 1_000,
            log_bytes_max: 0,
            ..Limits::default()
        };
        assert_eq!(near(&usage(7_999, 799), &limits), []);
        let found = near(&usage(8_000, 1_000), &limits);
        let found: Vec<_> = found.iter().map(|it| (it.name, it.percent)).collect();
        assert_eq!(
            found,
            [(LimitName::WallTimeout, 80), (LimitName::Memory, 100)]
        );
    }

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        let attempts: Vec<_> = (1..=200).rev().map(|n| usage(n * 1_000, 70_000)).collect();
        let found = distributions(&attempts);
        let wall = found[0];
        assert_eq!(
            (wall.name, wall.min, wall.p50, wall.p90, wall.p99, wall.max),
            (
                LimitName::WallTimeout,
                1_000,
                100_000,
                180_000,
                198_000,
                200_000
            )
        );
        // Half as much again as 198 ms, to two digits; and to pages.
        assert_eq!(wall.suggested, Some(300));
        let memory = found.iter().find(|it| it.name == LimitName::Memory);
        assert_eq!(memory.expect("measured").suggested, Some(128 << 10));
        // Not counted in any of them.
        assert!(found.iter().all(|it| it.name != LimitName::Fuel));
    }

    #[test]
    fn few_attempts_suggest_nothing_and_one_outlier_is_within_the_suggestion() {
        assert_eq!(distributions(&[]), []);
        assert_eq!(distributions(&[usage(1, 1)])[0].suggested, None);
        let mut attempts = vec![usage(1_000, 0); 199];
        attempts.push(usage(100_000, 0));
        assert_eq!(distributions(&attempts)[0].suggested, Some(100));
        let huge = vec![usage(u64::MAX, u64::MAX); 20];
        assert!(distributions(&huge)[0].suggested.is_some());
    }
}
