//! What an outcome means for a job: the one place where that is decided.

use crate::job::{DELAY_MS_MAX, NewJob};
use crate::outcome::{Outcome, OutcomeKind};
use crate::retry::RetryPolicy;

/// What becomes of a job after an attempt.
#[allow(
    clippy::large_enum_variant,
    reason = "there is one for each settlement, for as long as it takes to write it"
)]
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// To `completed`; the chain closes with this output.
    Complete {
        /// JSON text.
        output: String,
    },
    /// To `continued`; the chain goes on with this job.
    Continue {
        /// The next job.
        job: NewJob,
    },
    /// To `scheduled`; the attempt counts.
    Retry {
        /// Milliseconds from now.
        delay_ms: u64,
    },
    /// To `scheduled`; the attempt does not count.
    Snooze {
        /// Milliseconds from now.
        delay_ms: u64,
    },
    /// To `ready` at once; the attempt does not count.
    Release,
    /// To `discarded`; the chain closes without an output.
    Discard,
    /// To `cancelled`; the chain closes without an output.
    Cancel,
}

/// Decides what an outcome means.
///
/// `attempt` is the number of the attempt that ended, from 1. `jitter` is drawn evenly from 0 to 1.
pub fn transition(outcome: &Outcome, attempt: u32, policy: &RetryPolicy, jitter: f64) -> Next {
    let failure = match outcome {
        Outcome::Completed { output } => {
            return Next::Complete {
                output: output.clone(),
            };
        }
        Outcome::Continued { next } => return Next::Continue { job: next.clone() },
        Outcome::Snoozed { delay_ms } => {
            return Next::Snooze {
                delay_ms: (*delay_ms).min(DELAY_MS_MAX),
            };
        }
        Outcome::Failed(failure) => failure,
    };
    match failure.kind {
        OutcomeKind::Interrupted => Next::Release,
        OutcomeKind::Cancelled => Next::Cancel,
        kind if policy.on.contains(&kind) && attempt < policy.attempts_max => {
            let delay_ms = failure
                .retry_after_ms
                .unwrap_or_else(|| policy.backoff_ms(attempt, jitter))
                .min(DELAY_MS_MAX);
            Next::Retry { delay_ms }
        }
        _ => Next::Discard,
    }
}

/// How often a job may lose its host before it is discarded as `lost`: whatever kills the host each
/// time is most likely the job.
pub const RESCUES_MAX: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Failure;

    fn failed(kind: OutcomeKind) -> Outcome {
        Outcome::Failed(Failure::new(kind, "why"))
    }

    #[test]
    fn the_default_policy_retries_what_may_pass_until_attempts_run_out() {
        let policy = RetryPolicy {
            attempts_max: 3,
            ..RetryPolicy::default()
        };
        for kind in policy.on.clone() {
            assert!(
                matches!(
                    transition(&failed(kind), 2, &policy, 0.5),
                    Next::Retry { .. }
                ),
                "{kind}"
            );
            assert_eq!(
                transition(&failed(kind), 3, &policy, 0.5),
                Next::Discard,
                "{kind}"
            );
        }
        for kind in [
            OutcomeKind::FailedFatal,
            OutcomeKind::Denied,
            OutcomeKind::OutOfFuel,
            OutcomeKind::StackOverflow,
            OutcomeKind::OutputTooLarge,
        ] {
            assert_eq!(
                transition(&failed(kind), 1, &policy, 0.5),
                Next::Discard,
                "{kind}"
            );
        }
    }

    #[test]
    fn interruption_and_snooze_do_not_depend_on_attempts() {
        let policy = RetryPolicy {
            attempts_max: 1,
            ..RetryPolicy::default()
        };
        assert_eq!(
            transition(&failed(OutcomeKind::Interrupted), 1, &policy, 0.5),
            Next::Release
        );
        assert_eq!(
            transition(&Outcome::Snoozed { delay_ms: u64::MAX }, 1, &policy, 0.5),
            Next::Snooze {
                delay_ms: DELAY_MS_MAX
            },
            "a delay is clamped"
        );
        assert_eq!(
            transition(&failed(OutcomeKind::Cancelled), 1, &policy, 0.5),
            Next::Cancel
        );
    }

    #[test]
    fn what_the_handler_asks_for_replaces_the_backoff() {
        let mut failure = Failure::new(OutcomeKind::FailedRetryable, "rate limited");
        failure.retry_after_ms = Some(7_000);
        let next = transition(&Outcome::Failed(failure), 1, &RetryPolicy::default(), 0.5);
        assert_eq!(next, Next::Retry { delay_ms: 7_000 });
    }
}
