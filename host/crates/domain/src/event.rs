//! Events that subscriptions are told of: their kinds, when a type counts as failing or stuck, and what an answer of a
//! receiver means.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::capability::http::{HttpTarget, Scheme};
use crate::id::SubscriptionId;
use crate::quantity::{duration_ms, format_duration_ms};
use crate::retry::RetryRule;
use crate::statistic::Statistic;

/// The longest name of a subscription, in bytes.
pub const SUBSCRIPTION_NAME_BYTES_MAX: usize = 64;
/// The longest URL of a subscription, in bytes.
pub const SUBSCRIPTION_URL_BYTES_MAX: usize = 2_048;
/// The shortest and the longest window over which a type is seen to fail.
pub const WINDOW_MS: [u64; 2] = [60_000, 3 * 3_600_000];
/// The shortest and the longest time after which a type is stuck.
pub const STUCK_AFTER_MS: [u64; 2] = [1_000, 30 * 86_400_000];
/// The bound that waits between two deliveries grow to, in milliseconds.
pub const DELIVERY_BACKOFF_MS_MAX: u64 = 3_600_000;

/// What an event tells.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum EventKind {
    /// A job completed, and its chain with it.
    #[serde(rename = "job.completed")]
    JobCompleted,
    /// A job completed, and named the next one of its chain.
    #[serde(rename = "job.continued")]
    JobContinued,
    /// A job failed for good.
    #[serde(rename = "job.discarded")]
    JobDiscarded,
    /// A job was cancelled.
    #[serde(rename = "job.cancelled")]
    JobCancelled,
    /// A chain closed, well or not.
    #[serde(rename = "chain.closed")]
    ChainClosed,
    /// Of a type's attempts too many fail.
    #[serde(rename = "type.failing")]
    TypeFailing,
    /// A type's jobs wait too long for a worker, or one of them runs longer than it can.
    #[serde(rename = "type.stuck")]
    TypeStuck,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::JobCompleted,
        Self::JobContinued,
        Self::JobDiscarded,
        Self::JobCancelled,
        Self::ChainClosed,
        Self::TypeFailing,
        Self::TypeStuck,
    ];

    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::JobCompleted => "job.completed",
            Self::JobContinued => "job.continued",
            Self::JobDiscarded => "job.discarded",
            Self::JobCancelled => "job.cancelled",
            Self::ChainClosed => "chain.closed",
            Self::TypeFailing => "type.failing",
            Self::TypeStuck => "type.stuck",
        }
    }

    /// The number that the databases keep, alone or in a sum. Never renumbered.
    pub const fn code(self) -> i16 {
        match self {
            Self::JobDiscarded => 1,
            Self::ChainClosed => 2,
            Self::TypeFailing => 4,
            Self::TypeStuck => 8,
            Self::JobCompleted => 16,
            Self::JobContinued => 32,
            Self::JobCancelled => 64,
        }
    }

    /// The kind of a number.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A subscription that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscriptionError {
    /// Text that names no kind of event.
    #[error(
        "`{}` is not a kind of event: one of {}",
        .0,
        EventKind::ALL.map(EventKind::name).join(", ")
    )]
    Kind(String),
    /// No kinds at all.
    #[error("a subscription without kinds of events would be told nothing")]
    NoKinds,
    /// Text that cannot name a subscription.
    #[error(
        "`{0}` cannot name a subscription: 1 to {SUBSCRIPTION_NAME_BYTES_MAX} of a-z, 0-9, `-`, `_` and `.`, \
         beginning with a letter"
    )]
    Name(String),
    /// A URL that nothing can be posted to.
    #[error("the URL cannot be used: {0}: write https://HOST/PATH")]
    Url(String),
    /// A share that is none.
    #[error("a failing share of {0} percent is not from 1 to 100")]
    Share(u8),
    /// No attempt to judge by.
    #[error("a least number of 0 attempts would call a type failing that never ran")]
    Attempts,
    /// A window out of range.
    #[error(
        "a window of {} is not from {} to {}",
        format_duration_ms(*.0), format_duration_ms(WINDOW_MS[0]), format_duration_ms(WINDOW_MS[1])
    )]
    Window(u64),
    /// A time out of range.
    #[error(
        "stuck after {} is not from {} to {}",
        format_duration_ms(*.0), format_duration_ms(STUCK_AFTER_MS[0]), format_duration_ms(STUCK_AFTER_MS[1])
    )]
    StuckAfter(u64),
}

impl FromStr for EventKind {
    type Err = SubscriptionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| SubscriptionError::Kind(cut(text)))
    }
}

/// Kinds of events that a subscription wants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct EventKinds(BTreeSet<EventKind>);

impl EventKinds {
    /// Whether this kind is among them.
    pub fn contains(&self, kind: EventKind) -> bool {
        self.0.contains(&kind)
    }

    /// Every kind.
    pub fn all() -> Self {
        EventKind::ALL.into_iter().collect()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number that the databases keep.
    pub fn code(&self) -> i16 {
        self.0.iter().map(|kind| kind.code()).sum()
    }

    /// The kinds of a number; none for one that has others in it.
    pub fn from_code(code: i16) -> Option<Self> {
        let kinds: Self = EventKind::ALL
            .into_iter()
            .filter(|kind| code & kind.code() != 0)
            .collect();
        (kinds.code() == code).then_some(kinds)
    }
}

impl FromIterator<EventKind> for EventKinds {
    fn from_iter<I: IntoIterator<Item = EventKind>>(kinds: I) -> Self {
        Self(kinds.into_iter().collect())
    }
}

impl fmt::Display for EventKinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|kind| kind.name()).collect();
        f.write_str(&names.join(","))
    }
}

/// The name of a subscription: 1 to 64 of `a-z`, `0-9`, `-`, `_` and `.`, beginning with a letter.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct SubscriptionName(String);

impl SubscriptionName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SubscriptionName {
    type Err = SubscriptionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = text.len() <= SUBSCRIPTION_NAME_BYTES_MAX
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'));
        match valid {
            true => Ok(Self(text.to_owned())),
            false => Err(SubscriptionError::Name(cut(text))),
        }
    }
}

impl TryFrom<String> for SubscriptionName {
    type Error = SubscriptionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SubscriptionName> for String {
    fn from(name: SubscriptionName) -> Self {
        name.0
    }
}

impl fmt::Display for SubscriptionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Where events are posted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventUrl {
    /// Whom it is for.
    pub target: HttpTarget,
    /// The path and the query, as they are sent.
    pub path: String,
}

impl FromStr for EventUrl {
    type Err = SubscriptionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |reason: &str| SubscriptionError::Url(reason.to_owned());
        if text.len() > SUBSCRIPTION_URL_BYTES_MAX {
            let reason = format!("it is longer than {SUBSCRIPTION_URL_BYTES_MAX} bytes");
            return Err(SubscriptionError::Url(reason));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(bad("it has characters that are to be percent-encoded"));
        }
        let (scheme, rest) = match text.split_once("://") {
            Some(("https", rest)) => (Scheme::Https, rest),
            Some(("http", rest)) => (Scheme::Http, rest),
            _ => return Err(bad("its scheme is not https or http")),
        };
        if rest.contains('#') {
            return Err(bad("it has a fragment, which is never sent"));
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = match path.starts_with('/') {
            true => path.to_owned(),
            false => format!("/{path}"),
        };
        let target = HttpTarget::new(scheme, authority, "POST", &path)
            .map_err(|error| SubscriptionError::Url(error.to_string()))?;
        Ok(Self { target, path })
    }
}

/// When a subscription takes a type for failing or stuck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// The share of failed attempts, in percent, from which on a type is failing.
    #[schemars(range(min = 1, max = 100))]
    pub failing_percent: u8,
    /// How many attempts there must be to tell.
    #[schemars(range(min = 1))]
    pub failing_attempts_min: u32,
    /// Over which time attempts are counted, such as `10m`: whole minutes, up to 3 hours.
    #[serde(with = "duration_ms")]
    #[schemars(with = "String")]
    pub failing_window: u64,
    /// How long a ready job may wait, or a running one may go on after its deadline, until its type is stuck.
    #[serde(with = "duration_ms")]
    #[schemars(with = "String")]
    pub stuck_after: u64,
}

impl Default for Thresholds {
    /// Half of at least 20 attempts in 10 minutes; 15 minutes.
    fn default() -> Self {
        Self {
            failing_percent: 50,
            failing_attempts_min: 20,
            failing_window: 600_000,
            stuck_after: 900_000,
        }
    }
}

impl Thresholds {
    /// Fails where one is out of its range.
    pub fn check(&self) -> Result<(), SubscriptionError> {
        if !(1..=100).contains(&self.failing_percent) {
            return Err(SubscriptionError::Share(self.failing_percent));
        }
        if self.failing_attempts_min == 0 {
            return Err(SubscriptionError::Attempts);
        }
        if !(WINDOW_MS[0]..=WINDOW_MS[1]).contains(&self.failing_window) {
            return Err(SubscriptionError::Window(self.failing_window));
        }
        if !(STUCK_AFTER_MS[0]..=STUCK_AFTER_MS[1]).contains(&self.stuck_after) {
            return Err(SubscriptionError::StuckAfter(self.stuck_after));
        }
        Ok(())
    }

    /// Whether a type is failing whose attempts in the window came to this.
    pub fn is_failing(&self, seen: &Statistic) -> bool {
        let attempts = seen.attempts();
        attempts >= u64::from(self.failing_attempts_min)
            && u128::from(seen.failures()) * 100
                >= u128::from(attempts) * u128::from(self.failing_percent)
    }
}

/// How far somebody has heard a stream of events: the id of an event in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventMark {
    /// Whose stream it is: a subscription without a URL.
    pub listener: SubscriptionId,
    /// The place in the stream of the last event that was heard, from 1; 0 before the first.
    pub position: i64,
}

impl fmt::Display for EventMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.listener.0.simple(), self.position)
    }
}

/// Text that is no id of an event in a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no id of an event in a stream")]
pub struct ParseMarkError(String);

impl FromStr for EventMark {
    type Err = ParseMarkError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (listener, position) = text.split_once('-')?;
            let listener = SubscriptionId(Uuid::try_parse(listener).ok()?);
            let position = position.parse().ok()?;
            let mark = Self { listener, position };
            // Written in one way only.
            (position >= 0 && mark.to_string() == text).then_some(mark)
        };
        read().ok_or_else(|| ParseMarkError(cut(text)))
    }
}

/// What the status of a receiver's answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It has the event.
    Delivered,
    /// It may take the event later.
    Retry,
    /// It will never take events here: nobody is to ask again until somebody has looked.
    Refused,
}

/// Reads the status of an answer. A refusal (4xx) is for good, but for those that ask for patience; whatever else is no
/// success, such as a redirect, which is not followed, may be mended by the receiver.
pub fn verdict(status: u16) -> Verdict {
    match status {
        200..=299 => Verdict::Delivered,
        408 | 425 | 429 => Verdict::Retry,
        400..=499 => Verdict::Refused,
        _ => Verdict::Retry,
    }
}

/// Milliseconds to wait after the failed delivery number `attempt` (from 1): doubled each time from `first_ms` on, up to an
/// hour, of which at least half is waited. `jitter` is drawn evenly from 0 to 1 by the caller.
pub fn backoff_ms(first_ms: u64, attempt: u32, jitter: f64) -> u64 {
    let rule = RetryRule {
        attempts_max: u32::MAX,
        backoff_ms: first_ms,
        backoff_ms_max: DELIVERY_BACKOFF_MS_MAX,
    };
    rule.backoff_ms(attempt, 0.5 + jitter.clamp(0.0, 1.0) / 2.0)
}

fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::OutcomeKind;

    #[test]
    fn codes_and_names_are_read_back() {
        for code in 0..128 {
            let kinds = EventKinds::from_code(code).expect("known");
            assert_eq!(kinds.code(), code);
        }
        assert_eq!(EventKinds::from_code(128), None);
        for kind in EventKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
            assert_eq!(EventKind::from_code(kind.code()), Some(kind));
            let json = serde_json::to_value(kind).expect("is JSON");
            assert_eq!(json, kind.name());
        }
        assert!("job.done".parse::<EventKind>().is_err());
    }

    #[test]
    fn marks_are_read_back_or_refused() {
        let mark = EventMark {
            listener: SubscriptionId(Uuid::from_u128(7 << 64)),
            position: 42,
        };
        let text = mark.to_string();
        assert_eq!(text, "00000000000000070000000000000000-42");
        assert_eq!(text.parse(), Ok(mark));
        for bad in [
            "",
            "-",
            "42",
            "00000000000000070000000000000000",
            "00000000000000070000000000000000-",
            "00000000000000070000000000000000-+1",
            "00000000000000070000000000000000--1",
            "00000000000000070000000000000000-01",
            "00000000-0000-0007-0000-000000000000-1",
            "00000000000000070000000000000000-99999999999999999999",
        ] {
            assert!(bad.parse::<EventMark>().is_err(), "{bad}");
        }
    }

    #[test]
    fn urls_are_taken_apart_or_refused_with_the_reason() {
        for (text, origin, path) in [
            ("https://example.com", "https://example.com", "/"),
            ("https://example.com?a=b", "https://example.com", "/?a=b"),
            (
                "http://10.0.0.5:8080/in?x=/",
                "http://10.0.0.5:8080",
                "/in?x=/",
            ),
            ("https://[::1]:8443/a", "https://[::1]:8443", "/a"),
        ] {
            let url: EventUrl = text.parse().expect(text);
            assert_eq!(
                (url.target.origin().as_str(), url.path.as_str()),
                (origin, path)
            );
        }
        for (text, reason) in [
            ("example.com", "scheme"),
            ("ftp://example.com", "scheme"),
            ("https://user:secret@example.com/", "user"),
            ("https:///path", "host"),
            ("https://example.com/a#b", "fragment"),
            ("https://example.com/a b", "percent-encoded"),
            ("https://example.com/\u{e9}", "percent-encoded"),
            (
                &format!("https://example.com/{}", "x".repeat(2_048)),
                "2048 bytes",
            ),
        ] {
            let error = text.parse::<EventUrl>().expect_err(text).to_string();
            assert!(error.contains(reason), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_type_is_failing_from_the_share_on() {
        let thresholds = Thresholds {
            failing_attempts_min: 4,
            ..Thresholds::default()
        };
        let seen = |good, bad| {
            let mut seen = Statistic::default();
            seen.outcomes.insert(OutcomeKind::Completed, good);
            seen.outcomes.insert(OutcomeKind::Trapped, bad);
            thresholds.is_failing(&seen)
        };
        assert!(seen(2, 2) && seen(0, 4) && seen(0, u64::MAX));
        assert!(!seen(3, 2) && !seen(0, 3) && !seen(0, 0));
    }

    #[test]
    fn thresholds_are_bounded() {
        let good = Thresholds::default();
        assert_eq!(good.check(), Ok(()));
        let json = serde_json::to_string(&good).expect("is JSON");
        assert_eq!(
            serde_json::from_str::<Thresholds>(&json).expect("ours"),
            good
        );
        for bad in [
            Thresholds {
                failing_percent: 0,
                ..good
            },
            Thresholds {
                failing_percent: 101,
                ..good
            },
            Thresholds {
                failing_attempts_min: 0,
                ..good
            },
            Thresholds {
                failing_window: 59_999,
                ..good
            },
            Thresholds {
                failing_window: 3 * 3_600_000 + 1,
                ..good
            },
            Thresholds {
                stuck_after: 999,
                ..good
            },
            Thresholds {
                stuck_after: u64::MAX,
                ..good
            },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn answers_are_read() {
        for (status, expected) in [
            (200, Verdict::Delivered),
            (204, Verdict::Delivered),
            (301, Verdict::Retry),
            (400, Verdict::Refused),
            (404, Verdict::Refused),
            (408, Verdict::Retry),
            (410, Verdict::Refused),
            (425, Verdict::Retry),
            (429, Verdict::Retry),
            (500, Verdict::Retry),
            (503, Verdict::Retry),
        ] {
            assert_eq!(verdict(status), expected, "{status}");
        }
    }

    #[test]
    fn waits_double_up_to_an_hour() {
        assert_eq!(backoff_ms(1_000, 1, 0.0), 500);
        assert_eq!(backoff_ms(1_000, 1, 1.0), 1_000);
        assert_eq!(backoff_ms(1_000, 4, 1.0), 8_000);
        assert_eq!(backoff_ms(1_000, 60, 1.0), DELIVERY_BACKOFF_MS_MAX);
    }
}
