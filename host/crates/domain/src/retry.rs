//! When to try again.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::job::DELAY_MS_MAX;
use crate::outcome::OutcomeKind;
use crate::quantity::{duration_ms, format_duration_ms};

/// The retry policy of a job type.
///
/// The wait before attempt `n + 1` is drawn evenly from 0 to `min(backoff_max, backoff * 2^(n-1))`:
/// exponential backoff with full jitter, as in Marc Brooker, "Exponential Backoff And Jitter", AWS
/// Architecture Blog, 2015.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetryPolicy {
    /// How many attempts in all, from 1 to 1000.
    pub attempts_max: u32,
    /// The bound of the first wait.
    #[serde(with = "duration_ms")]
    pub backoff: u64,
    /// The bound that waits grow to.
    #[serde(with = "duration_ms")]
    pub backoff_max: u64,
    /// The outcomes that are tried again.
    pub on: BTreeSet<OutcomeKind>,
}

/// Kinds of outcome for which a retry can be asked.
pub const RETRYABLE: [OutcomeKind; 9] = [
    OutcomeKind::FailedRetryable,
    OutcomeKind::TimedOutWall,
    OutcomeKind::TimedOutCpu,
    OutcomeKind::OutOfFuel,
    OutcomeKind::OutOfMemory,
    OutcomeKind::StackOverflow,
    OutcomeKind::Trapped,
    OutcomeKind::OutputTooLarge,
    OutcomeKind::Denied,
];

impl Default for RetryPolicy {
    /// Retries what may pass, and not what the same input would meet again: denied, out of fuel,
    /// stack overflow, output too large, fatal.
    fn default() -> Self {
        Self {
            attempts_max: 5,
            backoff: 1_000,
            backoff_max: 300_000,
            on: [
                OutcomeKind::FailedRetryable,
                OutcomeKind::TimedOutWall,
                OutcomeKind::TimedOutCpu,
                OutcomeKind::OutOfMemory,
                OutcomeKind::Trapped,
            ]
            .into(),
        }
    }
}

/// A policy that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RetryError {
    /// No attempt, or too many.
    #[error("retry.attempts_max = {0} is not from 1 to 1000")]
    Attempts(u32),
    /// The cap is below the first wait, or beyond what a delay may be.
    #[error(
        "retry.backoff_max = {} is not from retry.backoff = {} to {}",
        format_duration_ms(*max),
        format_duration_ms(*first),
        format_duration_ms(DELAY_MS_MAX)
    )]
    Backoff {
        /// The first bound, in milliseconds.
        first: u64,
        /// The last bound, in milliseconds.
        max: u64,
    },
    /// An outcome that no retry can follow.
    #[error("retry.on names `{0}`, which is never retried")]
    Kind(OutcomeKind),
}

impl RetryPolicy {
    /// Whether the policy can be followed.
    pub fn check(&self) -> Result<(), RetryError> {
        if !(1..=1000).contains(&self.attempts_max) {
            return Err(RetryError::Attempts(self.attempts_max));
        }
        if self.backoff_max < self.backoff || self.backoff_max > DELAY_MS_MAX {
            return Err(RetryError::Backoff {
                first: self.backoff,
                max: self.backoff_max,
            });
        }
        match self.on.iter().find(|kind| !RETRYABLE.contains(kind)) {
            Some(kind) => Err(RetryError::Kind(*kind)),
            None => Ok(()),
        }
    }

    /// Milliseconds to wait after failed attempt number `attempt` (from 1). `jitter` is drawn evenly
    /// from 0 to 1 by the caller.
    pub fn backoff_ms(&self, attempt: u32, jitter: f64) -> u64 {
        let doublings = attempt.saturating_sub(1).min(63);
        let bound = self
            .backoff
            .saturating_mul(1 << doublings)
            .min(self.backoff_max);
        (bound as f64 * jitter.clamp(0.0, 1.0)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn waits_double_up_to_the_cap() {
        let policy = RetryPolicy {
            backoff: 100,
            backoff_max: 1_000,
            ..RetryPolicy::default()
        };
        let waits: Vec<u64> = (1..=6)
            .map(|attempt| policy.backoff_ms(attempt, 1.0))
            .collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(policy.backoff_ms(3, 0.0), 0);
    }

    #[test]
    fn impossible_policies_are_refused() {
        let base = RetryPolicy::default();
        for bad in [
            RetryPolicy {
                attempts_max: 0,
                ..base.clone()
            },
            RetryPolicy {
                backoff: 10,
                backoff_max: 5,
                ..base.clone()
            },
            RetryPolicy {
                on: [OutcomeKind::FailedFatal].into(),
                ..base.clone()
            },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
        assert_eq!(base.check(), Ok(()));
    }

    proptest! {
        #[test]
        fn a_wait_never_passes_the_cap(attempt in 0..u32::MAX, jitter in -1.0..2.0_f64) {
            let policy = RetryPolicy::default();
            prop_assert!(policy.backoff_ms(attempt, jitter) <= policy.backoff_max);
        }
    }
}
