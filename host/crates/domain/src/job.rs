//! Jobs, chains and their states.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{ChainId, JobId};
use crate::job_type::TypeName;
use crate::limit::LimitsPatch;
use crate::timestamp::Timestamp;

/// The state of a job.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
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
    /// Not ready before this time. One that has passed is no wait; the later of both counts.
    pub not_before: Option<Timestamp>,
    /// Smaller runs earlier among jobs of one type. None: 0 at a start, inherited at a continuation.
    pub priority: Option<i16>,
    /// Limits that this job lowers.
    pub limits: LimitsPatch,
    /// W3C `traceparent` of whoever started it.
    pub trace_parent: Option<String>,
    /// The chains that must close before it may run. It gets their outputs in this order. They exist
    /// already, or are started in the same batch.
    pub blockers: Vec<ChainId>,
    /// What becomes of it when one of them ends discarded or cancelled.
    pub on_blocker_failure: OnBlockerFailure,
    /// The job whose handler started it.
    pub parent: Option<JobId>,
}

impl NewJob {
    /// A job that is ready at once, waits for nothing and has the type's limits.
    pub fn new(id: JobId, type_name: TypeName, input: impl Into<String>) -> Self {
        Self {
            id,
            type_name,
            input: input.into(),
            delay_ms: 0,
            not_before: None,
            priority: None,
            limits: LimitsPatch::default(),
            trace_parent: None,
            blockers: Vec::new(),
            on_blocker_failure: OnBlockerFailure::default(),
            parent: None,
        }
    }
}

/// What becomes of a job when one of its blockers ends without an output: discarded or cancelled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnBlockerFailure {
    /// It is cancelled at once, and so is whatever waits for it in the same way.
    #[default]
    Cancel,
    /// It runs once every blocker has closed; the handler sees which failed and why.
    Run,
    /// It stays blocked until the blocker is replayed and completes, or somebody triggers or cancels
    /// the job.
    Hold,
}

impl OnBlockerFailure {
    /// The number that the databases keep. Never renumbered.
    pub fn code(self) -> i16 {
        match self {
            Self::Cancel => 0,
            Self::Run => 1,
            Self::Hold => 2,
        }
    }

    /// The policy of a code.
    pub fn from_code(code: i16) -> Option<Self> {
        [Self::Cancel, Self::Run, Self::Hold]
            .into_iter()
            .find(|policy| policy.code() == code)
    }
}

/// A chain that is to be started: its first job, whose id becomes the chain's.
#[derive(Debug, Clone, PartialEq)]
pub struct NewChain {
    /// The first job.
    pub first: NewJob,
    /// Whether, and against what, it is deduplicated.
    pub dedup: Option<Dedup>,
}

impl NewChain {
    /// A chain without a key.
    pub fn new(first: NewJob) -> Self {
        Self { first, dedup: None }
    }

    /// The chain's id.
    pub fn id(&self) -> ChainId {
        self.first.id.into()
    }
}

/// Deduplication of a start: within a type, by a key of the caller's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dedup {
    /// 1 to [`DEDUP_KEY_BYTES_MAX`] bytes. The chain holds it while it is open, continuations included.
    pub key: String,
    /// Against which chains of the same type and key.
    pub scope: DedupScope,
}

/// Which chains of the same type and key make a start superfluous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DedupScope {
    /// One that is open.
    Open,
    /// One that is open, or was started within so many milliseconds before, whatever became of it.
    Any {
        /// Milliseconds, from 1 to [`DEDUP_WINDOW_MS_MAX`].
        window_ms: u64,
    },
}

/// Where a chain stands among the chains that handlers started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Lineage {
    /// The chain that somebody outside started; all others descend from it.
    pub root: ChainId,
    /// Generations below the root; 0 for the root itself.
    pub depth: u32,
}

impl Lineage {
    /// The lineage of a chain that nobody's handler started.
    pub fn root(chain: ChainId) -> Self {
        Self {
            root: chain,
            depth: 0,
        }
    }

    /// The lineage of a chain that a job of this one starts.
    pub fn child(self) -> Self {
        Self {
            root: self.root,
            depth: self.depth.saturating_add(1),
        }
    }
}

/// The longest deduplication key, in bytes.
pub const DEDUP_KEY_BYTES_MAX: usize = 255;
/// The longest deduplication window: 90 days.
pub const DEDUP_WINDOW_MS_MAX: u64 = 90 * 86_400_000;
/// The most blockers of one job.
pub const BLOCKERS_MAX: usize = 10_000;

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
        for policy in [
            OnBlockerFailure::Cancel,
            OnBlockerFailure::Run,
            OnBlockerFailure::Hold,
        ] {
            assert_eq!(OnBlockerFailure::from_code(policy.code()), Some(policy));
        }
    }
}
