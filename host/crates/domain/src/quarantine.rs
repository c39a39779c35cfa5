//! When a component is kept from running because its attempts end badly.

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::outcome::OutcomeKind;

/// The most attempts that a rule may look at.
pub const QUARANTINE_ATTEMPTS_MAX: u32 = 1_000;

/// When a component of a type is quarantined: where at least so large a share of its last attempts ended in a fault
/// ([`OutcomeKind::is_fault`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QuarantinePolicy {
    /// Whether it ever is.
    pub enabled: bool,
    /// How many attempts are looked at, from 1 to [`QUARANTINE_ATTEMPTS_MAX`]. Fewer decide nothing.
    pub attempts: u32,
    /// How many of them end so.
    pub failures: Failures,
}

/// How many of the attempts that are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(untagged)]
pub enum Failures {
    /// A share, from 1 to 100 percent. Written `"50%"`.
    Percent(#[schemars(with = "String")] u32),
    /// So many. Written as a number.
    Count(u32),
}

impl Default for QuarantinePolicy {
    /// 18 of 20: what fails by its input, and not by its code, does not come so often.
    fn default() -> Self {
        Self {
            enabled: true,
            attempts: 20,
            failures: Failures::Percent(90),
        }
    }
}

/// A rule that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuarantineError {
    /// None, or too many to look at.
    #[error("quarantine.attempts = {0} is not from 1 to {QUARANTINE_ATTEMPTS_MAX}")]
    Attempts(u32),
    /// No share.
    #[error("quarantine.failures = \"{0}%\" is not from 1% to 100%")]
    Percent(u32),
    /// More than there are attempts, or none.
    #[error("quarantine.failures = {failures} is not from 1 to quarantine.attempts = {attempts}")]
    Count {
        /// How many were to fail.
        failures: u32,
        /// Of how many.
        attempts: u32,
    },
}

/// How attempts ended that were counted together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Tally {
    /// How many there were.
    pub attempts: u32,
    /// How many of them ended in a fault.
    pub faults: u32,
}

impl QuarantinePolicy {
    /// Whether the rule can be followed.
    pub fn check(&self) -> Result<(), QuarantineError> {
        let attempts = self.attempts;
        if !(1..=QUARANTINE_ATTEMPTS_MAX).contains(&attempts) {
            return Err(QuarantineError::Attempts(attempts));
        }
        match self.failures {
            Failures::Percent(percent) if !(1..=100).contains(&percent) => {
                Err(QuarantineError::Percent(percent))
            }
            Failures::Count(failures) if !(1..=attempts).contains(&failures) => {
                Err(QuarantineError::Count { failures, attempts })
            }
            _ => Ok(()),
        }
    }

    /// Looks at the newest tallies that hold `attempts` attempts together; there may be more in the last of them, and the
    /// share is that of all. Answers with their sum where the component is to be quarantined.
    pub fn judge(&self, newest_first: impl IntoIterator<Item = Tally>) -> Option<Tally> {
        if !self.enabled {
            return None;
        }
        let mut seen = Tally::default();
        for tally in newest_first {
            seen.attempts = seen.attempts.saturating_add(tally.attempts);
            seen.faults = seen.faults.saturating_add(tally.faults);
            if seen.attempts >= self.attempts {
                break;
            }
        }
        let (part, whole) = match self.failures {
            Failures::Percent(percent) => (percent, 100),
            Failures::Count(failures) => (failures, self.attempts),
        };
        let is_bad =
            u64::from(seen.faults) * u64::from(whole) >= u64::from(seen.attempts) * u64::from(part);
        (seen.attempts >= self.attempts && is_bad).then_some(seen)
    }
}

impl OutcomeKind {
    /// Whether the host had to end the attempt: the handler trapped, or went past a limit. What a handler reports as its
    /// failure is none, nor is what it was refused, nor what the host did.
    pub fn is_fault(self) -> bool {
        match self {
            Self::TimedOutWall
            | Self::TimedOutCpu
            | Self::OutOfFuel
            | Self::OutOfMemory
            | Self::StackOverflow
            | Self::Trapped
            | Self::OutputTooLarge
            | Self::LimitExceeded => true,
            Self::Completed
            | Self::Continued
            | Self::Snoozed
            | Self::FailedRetryable
            | Self::FailedFatal
            | Self::Denied
            | Self::Cancelled
            | Self::Interrupted
            | Self::Lost => false,
        }
    }

    /// Whether the handler came to its own end, good or bad. One that was stopped from outside tells nothing of it.
    pub fn tells_of_handler(self) -> bool {
        !matches!(self, Self::Cancelled | Self::Interrupted | Self::Lost)
    }
}

impl Serialize for Failures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Percent(percent) => serializer.collect_str(&format_args!("{percent}%")),
            Self::Count(count) => serializer.serialize_u32(*count),
        }
    }
}

impl<'de> Deserialize<'de> for Failures {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "a share such as \"90%\", or a number of attempts"
        )]
        enum Written {
            Number(u32),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(count) => Ok(Self::Count(count)),
            Written::Text(text) => {
                let percent = text.strip_suffix('%').and_then(|text| text.parse().ok());
                percent.map(Self::Percent).ok_or_else(|| {
                    D::Error::custom(format!(
                        "failures = \"{text}\" is not a share: write \"90%\", or a number of attempts without quotes"
                    ))
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(attempts: u32, faults: u32) -> Tally {
        Tally { attempts, faults }
    }

    #[test]
    fn the_last_attempts_decide_and_fewer_decide_nothing() {
        let rule = QuarantinePolicy::default();
        assert_eq!(rule.judge([]), None);
        assert_eq!(rule.judge([tally(19, 19)]), None, "too few");
        assert_eq!(rule.judge([tally(20, 17)]), None, "85 %");
        assert_eq!(rule.judge([tally(20, 18)]), Some(tally(20, 18)));
        let singles = std::iter::repeat_n(tally(1, 1), 100);
        assert_eq!(
            rule.judge(singles),
            Some(tally(20, 20)),
            "no more than needed"
        );
        // What was long before does not count.
        let old = [tally(10, 10), tally(10, 10), tally(1_000, 1)];
        assert_eq!(rule.judge(old), Some(tally(20, 20)));
        // What was counted together is looked at together.
        assert_eq!(rule.judge([tally(10, 10), tally(1_000, 1)]), None);
        let huge = [tally(u32::MAX, u32::MAX), tally(u32::MAX, 0)];
        assert_eq!(rule.judge(huge), Some(tally(u32::MAX, u32::MAX)));
    }

    #[test]
    fn a_number_is_of_the_attempts_that_are_looked_at() {
        let rule = QuarantinePolicy {
            failures: Failures::Count(3),
            attempts: 5,
            enabled: true,
        };
        assert_eq!(rule.judge([tally(5, 2)]), None);
        assert_eq!(rule.judge([tally(5, 3)]), Some(tally(5, 3)));
        assert_eq!(rule.judge([tally(10, 5)]), None, "5 of 10 are not 3 of 5");
        assert_eq!(rule.judge([tally(10, 6)]), Some(tally(10, 6)));
        let never = QuarantinePolicy {
            enabled: false,
            ..rule
        };
        assert_eq!(never.judge([tally(5, 5)]), None);
    }

    #[test]
    fn rules_are_read_as_they_are_written_and_refused_by_key() {
        for (json, expected) in [
            (r#"{"failures":"50%"}"#, Failures::Percent(50)),
            (r#"{"failures":7}"#, Failures::Count(7)),
            ("{}", Failures::Percent(90)),
        ] {
            let rule: QuarantinePolicy = serde_json::from_str(json).expect(json);
            assert_eq!((rule.failures, rule.check()), (expected, Ok(())), "{json}");
            let again = serde_json::to_string(&rule).expect("serialises");
            assert_eq!(
                serde_json::from_str::<QuarantinePolicy>(&again).ok(),
                Some(rule)
            );
        }
        for (json, expected) in [
            (
                r#"{"attempts":0}"#,
                "quarantine.attempts = 0 is not from 1 to 1000",
            ),
            (
                r#"{"failures":"101%"}"#,
                "quarantine.failures = \"101%\" is not from 1% to 100%",
            ),
            (
                r#"{"failures":21}"#,
                "quarantine.failures = 21 is not from 1 to quarantine.attempts = 20",
            ),
        ] {
            let rule: QuarantinePolicy = serde_json::from_str(json).expect(json);
            assert_eq!(rule.check().expect_err(json).to_string(), expected);
        }
        for json in [
            r#"{"failures":"many"}"#,
            r#"{"failures":-1}"#,
            r#"{"share":1}"#,
        ] {
            assert!(
                serde_json::from_str::<QuarantinePolicy>(json).is_err(),
                "{json}"
            );
        }
    }

    #[test]
    fn what_a_handler_reports_is_no_fault() {
        let faults = OutcomeKind::ALL.into_iter().filter(|kind| kind.is_fault());
        assert!(faults.clone().all(OutcomeKind::tells_of_handler));
        assert_eq!(faults.count(), 8);
        for kind in [
            OutcomeKind::FailedFatal,
            OutcomeKind::FailedRetryable,
            OutcomeKind::Denied,
        ] {
            assert!(!kind.is_fault() && kind.tells_of_handler(), "{kind}");
        }
    }
}
