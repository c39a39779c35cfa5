//! When to try again.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::job::DELAY_MS_MAX;
use crate::limit::{LimitName, Limits, LimitsPatch};
use crate::outcome::{Failure, OutcomeKind};
use crate::quantity::{
    duration_ms, duration_ms_option, format_duration_ms, format_size, size_option,
};

/// The retry policy of a job type.
///
/// The wait before attempt `n + 1` is drawn evenly from 0 to `min(backoff_max, backoff * 2^(n-1))`:
/// exponential backoff with full jitter, as in Marc Brooker, "Exponential Backoff And Jitter", AWS
/// Architecture Blog, 2015.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryPolicy {
    /// How many attempts in all, from 1 to [`ATTEMPTS_MAX`].
    pub attempts_max: u32,
    /// The bound of the first wait.
    #[serde(with = "duration_ms")]
    #[schemars(with = "String")]
    pub backoff: u64,
    /// The bound that waits grow to.
    #[serde(with = "duration_ms")]
    #[schemars(with = "String")]
    pub backoff_max: u64,
    /// The longest wait that a handler may ask for with `retry_after`. One that asks for more waits so
    /// long.
    #[serde(with = "duration_ms")]
    #[schemars(with = "String")]
    pub retry_after_max: u64,
    /// The outcomes that are tried again.
    pub on: BTreeSet<OutcomeKind>,
    /// The limit on memory, in bytes, of the one attempt more that a job gets which runs out of memory, and of those after
    /// it. None: there is no such attempt.
    #[serde(with = "size_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<u64>")]
    pub larger_memory: Option<u64>,
    /// What is different for an outcome. One that is named here is tried again, whether or not it is
    /// in `on`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub kinds: BTreeMap<OutcomeKind, KindPolicy>,
}

/// What is different for one kind of outcome: the policy of the type holds for what is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KindPolicy {
    /// The number of attempts, of whatever outcome, after which this outcome is no longer tried again.
    /// 1: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts_max: Option<u32>,
    /// The bound of the first wait.
    #[serde(with = "duration_ms_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub backoff: Option<u64>,
    /// The bound that waits grow to.
    #[serde(with = "duration_ms_option", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub backoff_max: Option<u64>,
}

/// What holds for one kind of outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryRule {
    /// How many attempts in all.
    pub attempts_max: u32,
    /// The bound of the first wait, in milliseconds.
    pub backoff_ms: u64,
    /// The bound that waits grow to, in milliseconds.
    pub backoff_ms_max: u64,
}

/// The most attempts that a policy may ask for.
pub const ATTEMPTS_MAX: u32 = 1_000;

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
    /// Retries what may pass, and not what the same input would meet again: denied, out of fuel or memory,
    /// stack overflow, output too large, fatal.
    fn default() -> Self {
        Self {
            attempts_max: 5,
            backoff: 1_000,
            backoff_max: 300_000,
            retry_after_max: 3_600_000,
            on: [
                OutcomeKind::FailedRetryable,
                OutcomeKind::TimedOutWall,
                OutcomeKind::TimedOutCpu,
                OutcomeKind::Trapped,
            ]
            .into(),
            larger_memory: None,
            kinds: BTreeMap::new(),
        }
    }
}

/// A policy that cannot be followed. `key` is the key in the manifest, from `retry` on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RetryError {
    /// No attempt, or too many.
    #[error("{key} = {value} is not from 1 to {ATTEMPTS_MAX}")]
    Attempts {
        /// The key.
        key: String,
        /// Its value.
        value: u32,
    },
    /// The cap is below the first wait, or beyond what a delay may be.
    #[error(
        "{key}.backoff_max = {} is not from {key}.backoff = {} to {}",
        format_duration_ms(*max),
        format_duration_ms(*first),
        format_duration_ms(DELAY_MS_MAX)
    )]
    Backoff {
        /// The table's key. What the table of a kind leaves out is the type's.
        key: String,
        /// The first bound, in milliseconds.
        first: u64,
        /// The last bound, in milliseconds.
        max: u64,
    },
    /// Beyond what a delay may be.
    #[error(
        "retry.retry_after_max = {} is over {}",
        format_duration_ms(*.0),
        format_duration_ms(DELAY_MS_MAX)
    )]
    RetryAfter(u64),
    /// No larger than the type's own limit, or more than the operator allows.
    #[error(
        "retry.larger_memory = {} is not over the type's limit `memory` = {} and at most the operator's ceiling of {}",
        format_size(*asked),
        format_size(*limit),
        format_size(*ceiling)
    )]
    LargerMemory {
        /// What was asked for, in bytes.
        asked: u64,
        /// What the type has.
        limit: u64,
        /// What is allowed.
        ceiling: u64,
    },
    /// An outcome that no retry can follow.
    #[error("{key} names `{kind}`, which is never retried")]
    Kind {
        /// `retry.on` or `retry.kinds`.
        key: &'static str,
        /// The outcome.
        kind: OutcomeKind,
    },
}

impl RetryPolicy {
    /// Whether the policy can be followed.
    pub fn check(&self) -> Result<(), RetryError> {
        check_rule("retry".to_owned(), &self.base())?;
        if self.retry_after_max > DELAY_MS_MAX {
            return Err(RetryError::RetryAfter(self.retry_after_max));
        }
        let named = self.on.iter().map(|kind| ("retry.on", *kind));
        let special = self.kinds.keys().map(|kind| ("retry.kinds", *kind));
        if let Some((key, kind)) = named
            .chain(special)
            .find(|(_, kind)| !RETRYABLE.contains(kind))
        {
            return Err(RetryError::Kind { key, kind });
        }
        for (kind, policy) in &self.kinds {
            check_rule(format!("retry.kinds.{kind}"), &self.with(policy))?;
        }
        Ok(())
    }

    /// Whether the larger memory can be granted to a type of these limits.
    pub fn check_memory(&self, limits: &Limits, ceiling: &Limits) -> Result<(), RetryError> {
        let (limit, ceiling) = (limits.memory_bytes_max, ceiling.memory_bytes_max);
        match self.larger_memory {
            Some(asked) if asked <= limit || asked > ceiling => Err(RetryError::LargerMemory {
                asked,
                limit,
                ceiling,
            }),
            _ => Ok(()),
        }
    }

    /// The limit on memory of an attempt after the one that ran out of it, for a job that lowers its limits so. None
    /// where there is no larger one: a job that lowers this limit gets what it asked for and no more.
    pub fn larger_memory_of(&self, asked: &LimitsPatch) -> Option<u64> {
        self.larger_memory
            .filter(|_| asked.get(LimitName::Memory).is_none())
    }

    /// What holds for every outcome in `on` that has no table of its own.
    pub fn base(&self) -> RetryRule {
        RetryRule {
            attempts_max: self.attempts_max,
            backoff_ms: self.backoff,
            backoff_ms_max: self.backoff_max,
        }
    }

    fn with(&self, special: &KindPolicy) -> RetryRule {
        let base = self.base();
        RetryRule {
            attempts_max: special.attempts_max.unwrap_or(base.attempts_max),
            backoff_ms: special.backoff.unwrap_or(base.backoff_ms),
            backoff_ms_max: special.backoff_max.unwrap_or(base.backoff_ms_max),
        }
    }

    /// What holds for an outcome; none where it is not tried again at all.
    pub fn rule(&self, kind: OutcomeKind) -> Option<RetryRule> {
        match self.kinds.get(&kind) {
            Some(special) => Some(self.with(special)),
            None => self.on.contains(&kind).then(|| self.base()),
        }
    }

    /// How many attempts are left after attempt number `attempt`, should it fail in a way that may
    /// pass.
    pub fn attempts_left(&self, attempt: u32) -> u32 {
        self.rule(OutcomeKind::FailedRetryable)
            .map_or(0, |rule| rule.attempts_max.saturating_sub(attempt))
    }

    /// Milliseconds to wait after attempt number `attempt` (from 1) failed so; none where it is not
    /// tried again. `jitter` is drawn evenly from 0 to 1 by the caller.
    ///
    /// A wait that the handler asked for stands in place of the backoff, and is not drawn.
    pub fn wait_ms(&self, failure: &Failure, attempt: u32, jitter: f64) -> Option<u64> {
        let rule = self.rule(failure.kind)?;
        if attempt >= rule.attempts_max {
            return None;
        }
        let wait_ms = match failure.retry_after_ms {
            Some(asked_ms) => asked_ms.min(self.retry_after_max),
            None => rule.backoff_ms(attempt, jitter),
        };
        Some(wait_ms.min(DELAY_MS_MAX))
    }
}

fn check_rule(key: String, rule: &RetryRule) -> Result<(), RetryError> {
    if !(1..=ATTEMPTS_MAX).contains(&rule.attempts_max) {
        return Err(RetryError::Attempts {
            key: format!("{key}.attempts_max"),
            value: rule.attempts_max,
        });
    }
    let (first, max) = (rule.backoff_ms, rule.backoff_ms_max);
    if max < first || max > DELAY_MS_MAX {
        return Err(RetryError::Backoff { key, first, max });
    }
    Ok(())
}

impl RetryRule {
    /// Milliseconds to wait after failed attempt number `attempt` (from 1). `jitter` is drawn evenly
    /// from 0 to 1 by the caller.
    pub fn backoff_ms(&self, attempt: u32, jitter: f64) -> u64 {
        let doublings = attempt.saturating_sub(1).min(63);
        let bound = self
            .backoff_ms
            .saturating_mul(1 << doublings)
            .min(self.backoff_ms_max);
        (bound as f64 * jitter.clamp(0.0, 1.0)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy(json: &str) -> RetryPolicy {
        serde_json::from_str(json).expect("a policy")
    }

    fn wait(policy: &RetryPolicy, kind: OutcomeKind, attempt: u32) -> Option<u64> {
        policy.wait_ms(&Failure::new(kind, "why"), attempt, 1.0)
    }

    #[test]
    fn waits_double_up_to_the_cap() {
        let policy = policy(r#"{"backoff":"100ms","backoff_max":"1s"}"#);
        let rule = policy.rule(OutcomeKind::Trapped).expect("retried");
        let waits: Vec<u64> = (1..=6)
            .map(|attempt| rule.backoff_ms(attempt, 1.0))
            .collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(rule.backoff_ms(3, 0.0), 0);
    }

    #[test]
    fn a_kind_has_its_own_numbers_and_the_types_for_the_rest() {
        let policy = policy(
            r#"{
                "attempts_max": 3, "backoff": "1s", "backoff_max": "1m", "on": ["trapped"],
                "kinds": {
                    "timed-out-wall": {"attempts_max": 10, "backoff": "1m", "backoff_max": "1h"},
                    "out-of-fuel": {},
                    "trapped": {"attempts_max": 1}
                }
            }"#,
        );
        assert_eq!(policy.check(), Ok(()));
        assert_eq!(wait(&policy, OutcomeKind::TimedOutWall, 9), Some(3_600_000));
        assert_eq!(wait(&policy, OutcomeKind::TimedOutWall, 10), None);
        assert_eq!(
            wait(&policy, OutcomeKind::OutOfFuel, 2),
            Some(2_000),
            "to be named is enough"
        );
        assert_eq!(wait(&policy, OutcomeKind::OutOfFuel, 3), None);
        assert_eq!(wait(&policy, OutcomeKind::Trapped, 1), None, "1 is never");
        assert_eq!(wait(&policy, OutcomeKind::FailedRetryable, 1), None);
        assert_eq!(policy.attempts_left(1), 0, "a failure of its own is final");
        assert_eq!(RetryPolicy::default().attempts_left(2), 3);
    }

    #[test]
    fn what_the_handler_asks_for_is_honoured_up_to_a_bound() {
        let policy = policy(r#"{"retry_after_max":"10s"}"#);
        let mut failure = Failure::new(OutcomeKind::FailedRetryable, "rate limited");
        for (asked, given) in [(0, 0), (7_000, 7_000), (10_000, 10_000), (u64::MAX, 10_000)] {
            failure.retry_after_ms = Some(asked);
            assert_eq!(policy.wait_ms(&failure, 1, 0.5), Some(given));
        }
        assert_eq!(
            policy.wait_ms(&failure, 5, 0.5),
            None,
            "it buys no further attempt"
        );
    }

    #[test]
    fn impossible_policies_are_refused_by_key() {
        assert_eq!(RetryPolicy::default().check(), Ok(()));
        for (json, expected) in [
            (
                r#"{"attempts_max":0}"#,
                "retry.attempts_max = 0 is not from 1 to 1000",
            ),
            (
                r#"{"backoff":"10s","backoff_max":"5s"}"#,
                "retry.backoff_max = 5s is not from retry.backoff = 10s",
            ),
            (
                r#"{"retry_after_max":"400d"}"#,
                "retry.retry_after_max = 9600h is over 8784h",
            ),
            (
                r#"{"on":["failed-fatal"]}"#,
                "retry.on names `failed-fatal`, which is never retried",
            ),
            (
                r#"{"kinds":{"cancelled":{}}}"#,
                "retry.kinds names `cancelled`, which is never retried",
            ),
            (
                r#"{"kinds":{"trapped":{"attempts_max":1001}}}"#,
                "retry.kinds.trapped.attempts_max = 1001 is not from 1 to 1000",
            ),
            (
                r#"{"kinds":{"timed-out-cpu":{"backoff":"1h"}}}"#,
                "retry.kinds.timed-out-cpu.backoff_max = 5m is not from \
                 retry.kinds.timed-out-cpu.backoff = 1h",
            ),
        ] {
            let error = policy(json).check().expect_err(json).to_string();
            assert!(error.contains(expected), "{error}");
        }
        let error = serde_json::from_str::<RetryPolicy>(r#"{"kinds":{"trapped":{"on":[]}}}"#)
            .expect_err("an unknown key");
        assert!(error.to_string().contains("unknown field `on`"), "{error}");
    }

    #[test]
    fn larger_memory_is_larger_and_within_the_ceiling() {
        let policy = policy(r#"{"larger_memory":"96MiB"}"#);
        let (limits, ceiling) = (Limits::default(), Limits::default_ceiling());
        assert_eq!(policy.check_memory(&limits, &ceiling), Ok(()));
        for (limit, ceiling_mib) in [(96, 128), (64, 95)] {
            let limits = Limits {
                memory_bytes_max: limit << 20,
                ..Limits::default()
            };
            let ceiling = Limits {
                memory_bytes_max: ceiling_mib << 20,
                ..Limits::default_ceiling()
            };
            let error = policy.check_memory(&limits, &ceiling).expect_err("refused");
            assert_eq!(
                error.to_string(),
                format!(
                    "retry.larger_memory = 96MiB is not over the type's limit `memory` = {limit}MiB and at most \
                     the operator's ceiling of {ceiling_mib}MiB"
                )
            );
        }
        let mut asked = LimitsPatch::default();
        asked.set(LimitName::WallTimeout, Some(5));
        assert_eq!(policy.larger_memory_of(&asked), Some(96 << 20));
        asked.set(LimitName::Memory, Some(1 << 20));
        assert_eq!(
            policy.larger_memory_of(&asked),
            None,
            "a job may only lower"
        );
    }

    #[test]
    fn policies_from_before_a_key_read_with_its_default() {
        let mut json = serde_json::to_value(RetryPolicy::default()).expect("serialises");
        let fields = json.as_object_mut().expect("an object");
        assert!(fields.remove("retry_after_max").is_some());
        assert!(!fields.contains_key("kinds"));
        let policy: RetryPolicy = serde_json::from_value(json).expect("reads");
        assert_eq!(policy, RetryPolicy::default());
    }

    proptest! {
        #[test]
        fn a_wait_never_passes_the_cap(
            attempt in 1..u32::MAX,
            jitter in -1.0..2.0_f64,
            own in proptest::option::of(0..10_000_u64),
            asked in proptest::option::of(any::<u64>()),
        ) {
            let mut policy = RetryPolicy { attempts_max: u32::MAX, ..RetryPolicy::default() };
            if let Some(backoff) = own {
                let special = KindPolicy {
                    backoff: Some(backoff),
                    backoff_max: Some(backoff),
                    ..KindPolicy::default()
                };
                policy.kinds.insert(OutcomeKind::Trapped, special);
            }
            let mut failure = Failure::new(OutcomeKind::Trapped, "why");
            failure.retry_after_ms = asked;
            let cap = match asked {
                Some(_) => policy.retry_after_max,
                None => own.unwrap_or(policy.backoff_max),
            };
            let wait = policy.wait_ms(&failure, attempt, jitter);
            prop_assert!(wait.is_some_and(|ms| ms <= cap), "{wait:?}");
        }
    }
}
