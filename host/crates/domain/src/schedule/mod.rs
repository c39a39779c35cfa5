//! Schedules: when chains are to be started again and again, and what becomes of times that were missed.
//!
//! Time zones come from a database that is part of the program, so that all hosts agree whatever their
//! systems know.

mod cron;
mod plan;

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::timestamp::Timestamp;
pub use cron::{CRON_BYTES_MAX, Cron, CronError};
pub use plan::{FireKind, FirePlan, MISSED_AFTER_MS, plan};

/// The longest name of a schedule, in bytes.
pub const SCHEDULE_NAME_BYTES_MAX: usize = 128;
/// The shortest interval: a second.
pub const INTERVAL_MS_MIN: u64 = 1_000;
/// The longest interval: 366 days.
pub const INTERVAL_MS_MAX: u64 = 366 * 86_400_000;
/// How many missed times are made up for, where nothing else is said.
pub const MISSED_CAP_DEFAULT: u32 = 100;
/// The most missed times that can be made up for.
pub const MISSED_CAP_MAX: u32 = 1_000;

/// The name of a schedule: 1 to 128 of `a-z`, `0-9`, `-`, `_`, `.` and `/`, beginning with a letter.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct ScheduleName(String);

/// A schedule that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Text that cannot name one.
    #[error(
        "`{0}` cannot name a schedule: 1 to {SCHEDULE_NAME_BYTES_MAX} of a-z, 0-9, `-`, `_`, `.` and \
         `/`, beginning with a letter"
    )]
    Name(String),
    /// No cron expression.
    #[error(transparent)]
    Cron(#[from] CronError),
    /// No time zone.
    #[error("time zone `{0}` is not known")]
    TimeZone(String),
    /// An interval out of range.
    #[error(
        "an interval of {0} ms is not from {INTERVAL_MS_MIN} ms (1s) to {INTERVAL_MS_MAX} ms (366d)"
    )]
    Interval(u64),
    /// A cap out of range.
    #[error("a cap of {0} missed times is not from 1 to {MISSED_CAP_MAX}")]
    MissedCap(u32),
}

impl ScheduleName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ScheduleName {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = text.len() <= SCHEDULE_NAME_BYTES_MAX
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/'));
        match valid {
            true => Ok(Self(text.to_owned())),
            false => Err(ScheduleError::Name(cut(text))),
        }
    }
}

impl TryFrom<String> for ScheduleName {
    type Error = ScheduleError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ScheduleName> for String {
    fn from(name: ScheduleName) -> Self {
        name.0
    }
}

impl fmt::Display for ScheduleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Borrow<str> for ScheduleName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// What an error shows of a text that may be long.
fn cut(text: &str) -> String {
    let mut shown: String = text.chars().take(140).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    shown
}

/// When a schedule fires, and what it does about chains that still run and times that were missed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScheduleSpec {
    /// When.
    #[serde(flatten)]
    pub timing: Timing,
    /// What if the chain that it started last is still open.
    pub overlap: Overlap,
    /// What about times at which no host was there.
    pub missed: Missed,
}

/// When a schedule fires.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "timing")]
pub enum Timing {
    /// By the calendar.
    Cron {
        /// At which minutes.
        expression: Cron,
        /// Of which zone's calendar.
        time_zone: Zone,
    },
    /// Every so often, counted from when the schedule was made, so that nothing makes it drift.
    Every {
        /// Milliseconds.
        interval_ms: Interval,
    },
}

/// Milliseconds from [`INTERVAL_MS_MIN`] to [`INTERVAL_MS_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u64", into = "u64")]
pub struct Interval(u64);

impl TryFrom<u64> for Interval {
    type Error = ScheduleError;

    fn try_from(ms: u64) -> Result<Self, Self::Error> {
        match (INTERVAL_MS_MIN..=INTERVAL_MS_MAX).contains(&ms) {
            true => Ok(Self(ms)),
            false => Err(ScheduleError::Interval(ms)),
        }
    }
}

impl From<Interval> for u64 {
    fn from(interval: Interval) -> Self {
        interval.0
    }
}

/// An IANA time zone, such as `Europe/Berlin`, of the program's own database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

impl Zone {
    /// Universal time.
    pub fn utc() -> Self {
        Self {
            name: "UTC".to_owned(),
            zone: TimeZone::UTC,
        }
    }

    /// A time as this zone's clocks show it: `2026-11-23T09:00:00+01:00[Europe/Berlin]`.
    pub fn show(&self, at: Timestamp) -> String {
        match jiff::Timestamp::from_microsecond(at.0) {
            Ok(moment) => moment.to_zoned(self.zone.clone()).to_string(),
            Err(_) => at.to_string(),
        }
    }
}

impl FromStr for Zone {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        static BUNDLED: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);
        let zone = BUNDLED
            .get(text)
            .map_err(|_| ScheduleError::TimeZone(cut(text)))?;
        Ok(Self {
            // As the database writes it.
            name: zone.iana_name().unwrap_or(text).to_owned(),
            zone,
        })
    }
}

impl TryFrom<String> for Zone {
    type Error = ScheduleError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

/// What a schedule does while the chain that it started last is still open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// It starts nothing.
    #[default]
    Skip,
    /// It starts a chain that waits for that one to close, however it ends.
    Queue,
    /// It starts a chain all the same.
    Allow,
}

/// What a schedule does about times that were missed: due more than [`MISSED_AFTER_MS`] ago.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Missed {
    /// Nothing.
    Skip,
    /// It starts one chain for all of them.
    #[default]
    Once,
    /// It starts a chain for each of the last ones.
    All {
        /// How many, from 1 to [`MISSED_CAP_MAX`].
        cap: u32,
    },
}

impl Missed {
    /// How many missed times are made up for.
    pub fn cap(self) -> u32 {
        match self {
            Self::Skip => 0,
            Self::Once => 1,
            Self::All { cap } => cap.min(MISSED_CAP_MAX),
        }
    }
}

impl ScheduleSpec {
    /// Fails where a value is out of its range that its type does not hold.
    pub fn check(&self) -> Result<(), ScheduleError> {
        match self.missed {
            Missed::All { cap } if !(1..=MISSED_CAP_MAX).contains(&cap) => {
                Err(ScheduleError::MissedCap(cap))
            }
            _ => Ok(()),
        }
    }
}

impl Timing {
    /// The first time strictly after `after`; none where there is none any more. `anchor` is when the
    /// schedule was made.
    pub fn next(&self, after: Timestamp, anchor: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron {
                expression,
                time_zone,
            } => {
                let after = jiff::Timestamp::from_microsecond(after.0).ok()?;
                let next = expression.next(after, &time_zone.zone)?;
                Some(Timestamp(next.as_microsecond()))
            }
            Self::Every { interval_ms } => {
                let interval_us = i64::try_from(interval_ms.0).ok()?.checked_mul(1_000)?;
                let since = after.0.checked_sub(anchor.0)?;
                let rounds = since.div_euclid(interval_us).max(0).checked_add(1)?;
                anchor
                    .0
                    .checked_add(rounds.checked_mul(interval_us)?)
                    .map(Timestamp)
            }
        }
    }

    /// The zone in whose calendar it is to be shown.
    pub fn zone(&self) -> Zone {
        match self {
            Self::Cron { time_zone, .. } => time_zone.clone(),
            Self::Every { .. } => Zone::utc(),
        }
    }
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cron {
                expression,
                time_zone,
            } => write!(f, "{expression} {time_zone}"),
            Self::Every { interval_ms } => write!(
                f,
                "every {}",
                crate::quantity::format_duration_ms(interval_ms.0)
            ),
        }
    }
}

#[cfg(test)]
mod tests;
