//! How often, and for how long altogether, a handler may put its job off.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::job::DELAY_MS_MAX;
use crate::quantity::{duration_ms, format_duration_ms};

/// The most that `snooze.count_max` may be.
pub const SNOOZES_MAX: u32 = 1_000_000;

/// The bound on the snoozes of one job. Both count from the job's creation or last replay.
///
/// A snooze past either is refused and not shortened: a handler that asks for a day and gets an hour
/// would take its turn for the one that it had asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SnoozePolicy {
    /// How many snoozes, from 0 to [`SNOOZES_MAX`].
    pub count_max: u32,
    /// Milliseconds of all delays together, up to [`DELAY_MS_MAX`].
    #[serde(with = "duration_ms")]
    #[schemars(with = "String")]
    pub total_max: u64,
}

impl Default for SnoozePolicy {
    fn default() -> Self {
        Self {
            count_max: 1_000,
            total_max: 30 * 86_400_000,
        }
    }
}

/// A snooze policy that cannot be followed, or a snooze past one that can.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnoozeError {
    /// The policy allows more snoozes than can be counted.
    #[error("snooze.count_max = {0} is over {SNOOZES_MAX}")]
    Count(u32),
    /// The policy allows more time than a delay may last.
    #[error(
        "snooze.total_max = {} is over {}",
        format_duration_ms(*.0),
        format_duration_ms(DELAY_MS_MAX)
    )]
    Total(u64),
    /// Once too often.
    #[error("asked to snooze once more after {count} times: limit `snooze.count_max` = {limit}")]
    TooOften {
        /// How often it had snoozed.
        count: u32,
        /// How often it may.
        limit: u32,
    },
    /// For too long.
    #[error(
        "asked to snooze for {} after {} altogether: limit `snooze.total_max` = {}",
        format_duration_ms(*asked),
        format_duration_ms(*total),
        format_duration_ms(*limit)
    )]
    TooLong {
        /// Milliseconds that it asked for.
        asked: u64,
        /// Milliseconds that it had snoozed.
        total: u64,
        /// Milliseconds that it may.
        limit: u64,
    },
}

impl SnoozePolicy {
    /// Whether the policy can be followed.
    pub fn check(&self) -> Result<(), SnoozeError> {
        if self.count_max > SNOOZES_MAX {
            return Err(SnoozeError::Count(self.count_max));
        }
        if self.total_max > DELAY_MS_MAX {
            return Err(SnoozeError::Total(self.total_max));
        }
        Ok(())
    }

    /// Whether a job that has snoozed `count` times for `total_ms` altogether may do so for `delay_ms`
    /// more.
    pub fn allows(&self, count: u32, total_ms: u64, delay_ms: u64) -> Result<(), SnoozeError> {
        if count >= self.count_max {
            return Err(SnoozeError::TooOften {
                count,
                limit: self.count_max,
            });
        }
        if total_ms.saturating_add(delay_ms) > self.total_max {
            return Err(SnoozeError::TooLong {
                asked: delay_ms,
                total: total_ms,
                limit: self.total_max,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_refusal_names_limit_value_and_what_was_asked() {
        let policy = SnoozePolicy {
            count_max: 2,
            total_max: 10_000,
        };
        assert_eq!(policy.allows(1, 4_000, 6_000), Ok(()), "to the millisecond");
        for (count, total, delay, expected) in [
            (
                2,
                0,
                1,
                "asked to snooze once more after 2 times: limit `snooze.count_max` = 2",
            ),
            (
                1,
                4_000,
                6_001,
                "asked to snooze for 6001ms after 4s altogether: limit `snooze.total_max` = 10s",
            ),
        ] {
            let error = policy.allows(count, total, delay).expect_err(expected);
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn impossible_policies_are_refused_by_key() {
        let base = SnoozePolicy::default();
        assert_eq!(base.check(), Ok(()));
        for (policy, key) in [
            (
                SnoozePolicy {
                    count_max: SNOOZES_MAX + 1,
                    ..base
                },
                "snooze.count_max = 1000001",
            ),
            (
                SnoozePolicy {
                    total_max: DELAY_MS_MAX + 1,
                    ..base
                },
                "snooze.total_max = ",
            ),
        ] {
            let error = policy.check().expect_err(key).to_string();
            assert!(error.contains(key), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_run_of_snoozes_passes_the_bound(
            count_max in 0..20_u32,
            total_max in 0..1_000_u64,
            delays in prop::collection::vec(0..200_u64, 0..40),
        ) {
            let policy = SnoozePolicy { count_max, total_max };
            let (mut count, mut total) = (0, 0);
            for delay in delays {
                if policy.allows(count, total, delay).is_ok() {
                    count += 1;
                    total += delay;
                }
            }
            prop_assert!(count <= count_max && total <= total_max);
        }
    }
}
