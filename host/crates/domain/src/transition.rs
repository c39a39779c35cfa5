//! What an outcome means for a job: the one place where that is decided.

use crate::job::{DELAY_MS_MAX, NewJob};
use crate::outcome::{Failure, Outcome, OutcomeKind};
use crate::retry::RetryPolicy;
use crate::snooze::SnoozePolicy;

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
    /// To `ready` at once, and from then on with the larger memory; the attempt counts.
    RetryLarger,
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

/// A job's past, as far as its future depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    /// The number of the attempt that ended, from 1.
    pub attempt: u32,
    /// How often it had snoozed before.
    pub snoozes: u32,
    /// Milliseconds that it had snoozed altogether.
    pub snoozed_ms: u64,
    /// Whether a larger memory is there for it.
    pub larger_memory: LargerMemory,
}

/// Whether a job that runs out of memory gets one attempt more with a larger limit on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LargerMemory {
    /// Its type has none, or its start lowered the limit.
    None,
    /// It would.
    Offered,
    /// It did.
    Had,
}

/// A decision on an outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Transition {
    /// What becomes of the job.
    pub next: Next,
    /// The outcome that is recorded. It is the attempt's own, but for a snooze past its bound, which is
    /// a fatal failure.
    pub outcome: OutcomeKind,
    /// The failure that is recorded.
    pub failure: Option<Failure>,
}

/// Decides what an outcome means. `jitter` is drawn evenly from 0 to 1.
pub fn transition(
    outcome: Outcome,
    past: Past,
    retry: &RetryPolicy,
    snooze: &SnoozePolicy,
    jitter: f64,
) -> Transition {
    let kind = outcome.kind();
    let good = |next| Transition {
        next,
        outcome: kind,
        failure: None,
    };
    let failure = match outcome {
        Outcome::Completed { output } => return good(Next::Complete { output }),
        Outcome::Continued { next: job } => return good(Next::Continue { job }),
        Outcome::Snoozed { delay_ms } => {
            let delay_ms = delay_ms.min(DELAY_MS_MAX);
            match snooze.allows(past.snoozes, past.snoozed_ms, delay_ms) {
                Ok(()) => return good(Next::Snooze { delay_ms }),
                Err(error) => Failure::new(OutcomeKind::FailedFatal, error.to_string()),
            }
        }
        Outcome::Failed(failure) => failure,
    };
    let next = match failure.kind {
        OutcomeKind::Interrupted => Next::Release,
        OutcomeKind::Cancelled => Next::Cancel,
        OutcomeKind::OutOfMemory if past.larger_memory == LargerMemory::Offered => {
            Next::RetryLarger
        }
        // More of the same would end the same way.
        OutcomeKind::OutOfMemory if past.larger_memory == LargerMemory::Had => Next::Discard,
        _ => match retry.wait_ms(&failure, past.attempt, jitter) {
            Some(delay_ms) => Next::Retry { delay_ms },
            None => Next::Discard,
        },
    };
    Transition {
        next,
        outcome: failure.kind,
        failure: Some(failure),
    }
}

/// How often a job may lose its host before it is discarded as `lost`: whatever kills the host each
/// time is most likely the job.
pub const RESCUES_MAX: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::RETRYABLE;

    fn failed(kind: OutcomeKind) -> Outcome {
        Outcome::Failed(Failure::new(kind, "why"))
    }

    fn attempt(number: u32) -> Past {
        Past {
            attempt: number,
            snoozes: 0,
            snoozed_ms: 0,
            larger_memory: LargerMemory::None,
        }
    }

    fn decide(outcome: Outcome, past: Past, retry: &RetryPolicy) -> Transition {
        transition(outcome, past, retry, &SnoozePolicy::default(), 0.5)
    }

    #[test]
    fn the_default_policy_retries_what_may_pass_until_attempts_run_out() {
        let policy = RetryPolicy {
            attempts_max: 3,
            ..RetryPolicy::default()
        };
        for kind in policy.on.clone() {
            let decision = decide(failed(kind), attempt(2), &policy);
            assert!(matches!(decision.next, Next::Retry { .. }), "{kind}");
            assert_eq!(decision.outcome, kind);
            assert_eq!(decision.failure, Some(Failure::new(kind, "why")));
            assert_eq!(
                decide(failed(kind), attempt(3), &policy).next,
                Next::Discard,
                "{kind}"
            );
        }
        for kind in [
            OutcomeKind::FailedFatal,
            OutcomeKind::Denied,
            OutcomeKind::OutOfFuel,
            OutcomeKind::OutOfMemory,
            OutcomeKind::StackOverflow,
            OutcomeKind::OutputTooLarge,
        ] {
            assert_eq!(
                decide(failed(kind), attempt(1), &policy).next,
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
            decide(failed(OutcomeKind::Interrupted), attempt(1), &policy).next,
            Next::Release
        );
        let decision = decide(Outcome::Snoozed { delay_ms: 5 }, attempt(1), &policy);
        assert_eq!(decision.next, Next::Snooze { delay_ms: 5 });
        assert_eq!(decision.outcome, OutcomeKind::Snoozed);
        assert_eq!(
            decide(failed(OutcomeKind::Cancelled), attempt(1), &policy).next,
            Next::Cancel
        );
    }

    #[test]
    fn one_attempt_with_larger_memory_is_beyond_every_budget_and_the_last_that_may_run_out_of_it() {
        let never = RetryPolicy {
            attempts_max: 1,
            ..RetryPolicy::default()
        };
        let eager = RetryPolicy {
            on: RETRYABLE.into(),
            ..RetryPolicy::default()
        };
        let with = |larger_memory| Past {
            larger_memory,
            ..attempt(1)
        };
        let next = |kind, larger_memory, policy: &RetryPolicy| {
            decide(failed(kind), with(larger_memory), policy).next
        };
        let memory = OutcomeKind::OutOfMemory;
        for policy in [&never, &eager] {
            assert_eq!(
                next(memory, LargerMemory::Offered, policy),
                Next::RetryLarger
            );
            assert_eq!(next(memory, LargerMemory::Had, policy), Next::Discard);
        }
        let retried = next(memory, LargerMemory::None, &eager);
        assert!(matches!(retried, Next::Retry { .. }), "{retried:?}");
        let trapped = next(OutcomeKind::Trapped, LargerMemory::Offered, &eager);
        assert!(matches!(trapped, Next::Retry { .. }), "{trapped:?}");
    }

    #[test]
    fn a_snooze_past_its_bound_is_a_fatal_failure_that_names_it() {
        let snooze = SnoozePolicy {
            count_max: 3,
            total_max: 1_000,
        };
        let decide = |snoozes, snoozed_ms, delay_ms| {
            let past = Past {
                snoozes,
                snoozed_ms,
                ..attempt(1)
            };
            let outcome = Outcome::Snoozed { delay_ms };
            transition(outcome, past, &RetryPolicy::default(), &snooze, 0.5)
        };
        assert_eq!(
            decide(2, 900, 100).next,
            Next::Snooze { delay_ms: 100 },
            "the last one"
        );
        for (decision, limit) in [
            (decide(3, 0, 1), "limit `snooze.count_max` = 3"),
            (decide(2, 900, 101), "limit `snooze.total_max` = 1s"),
            (decide(0, 0, u64::MAX), "limit `snooze.total_max` = 1s"),
        ] {
            assert_eq!(decision.next, Next::Discard);
            assert_eq!(decision.outcome, OutcomeKind::FailedFatal);
            let failure = decision.failure.expect("a failure");
            assert_eq!(failure.kind, OutcomeKind::FailedFatal);
            assert!(failure.message.ends_with(limit), "{}", failure.message);
        }
    }

    #[test]
    fn what_the_handler_asks_for_replaces_the_backoff() {
        let mut failure = Failure::new(OutcomeKind::FailedRetryable, "rate limited");
        failure.retry_after_ms = Some(7_000);
        let outcome = Outcome::Failed(failure);
        let decision = decide(outcome, attempt(1), &RetryPolicy::default());
        assert_eq!(decision.next, Next::Retry { delay_ms: 7_000 });
    }
}
