//! Jobs, chains and their states.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{ChainId, JobId};
use crate::job_type::TypeName;
use crate::limit::LimitsPatch;

/// The state of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Waits for chains to close.
    Blocked,
    /// Waits for its time.
    Scheduled,
    /// May be claimed.
    Ready,
    /// Leased by a session.
    Running,
    /// Final: done, and so is its chain.
    Completed,
    /// Final: done, and its chain goes on.
    Continued,
    /// Final: attempts exhausted, or failed for good. Kept for inspection and replay.
    Discarded,
    /// Final: cancelled.
    Cancelled,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 8] = [
        Self::Blocked,
        Self::Scheduled,
        Self::Ready,
        Self::Running,
        Self::Completed,
        Self::Continued,
        Self::Discarded,
        Self::Cancelled,
    ];

    /// The number that the databases keep. Never renumbered. 3 is left for `throttled`.
    pub fn code(self) -> i16 {
        match self {
            Self::Blocked => 1,
            Self::Scheduled => 2,
            Self::Ready => 4,
            Self::Running => 5,
            Self::Completed => 10,
            Self::Continued => 11,
            Self::Discarded => 12,
            Self::Cancelled => 13,
        }
    }

    /// The state of a code.
    pub fn from_code(code: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// The lower-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Scheduled => "scheduled",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Continued => "continued",
            Self::Discarded => "discarded",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether no transition leads out of it, but for a replay.
    pub fn is_final(self) -> bool {
        self.code() >= 10
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Text that names no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a state: one of blocked, scheduled, ready, running, completed, continued, \
     discarded, cancelled"
)]
pub struct ParseStateError(String);

impl FromStr for State {
    type Err = ParseStateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|state| state.name() == text)
            .ok_or_else(|| ParseStateError(text.to_owned()))
    }
}

/// A job that is to be created, by a start or by a continuation.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// Its type.
    pub type_name: TypeName,
    /// JSON text.
    pub input: String,
    /// Milliseconds to wait before it is ready, from the database's time of the insert.
    pub delay_ms: u64,
    /// Smaller runs earlier among jobs of one type. None: 0 at a start, inherited at a continuation.
    pub priority: Option<i16>,
    /// Limits that this job lowers.
    pub limits: LimitsPatch,
    /// W3C `traceparent` of whoever started it.
    pub trace_parent: Option<String>,
}

/// A chain that is to be started: its first job, whose id becomes the chain's.
#[derive(Debug, Clone, PartialEq)]
pub struct NewChain {
    /// The first job.
    pub first: NewJob,
}

impl NewChain {
    /// The chain's id.
    pub fn id(&self) -> ChainId {
        self.first.id.into()
    }
}

/// Priorities that a start may name.
pub const PRIORITY_MIN: i16 = -100;
/// See [`PRIORITY_MIN`].
pub const PRIORITY_MAX: i16 = 100;
/// The longest delay of a start, retry or snooze: a year.
pub const DELAY_MS_MAX: u64 = 366 * 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_read_back() {
        for state in State::ALL {
            assert_eq!(State::from_code(state.code()), Some(state));
            assert_eq!(state.name().parse(), Ok(state));
        }
        assert_eq!(State::from_code(3), None, "left for `throttled`");
        assert!("done".parse::<State>().is_err());
    }
}
