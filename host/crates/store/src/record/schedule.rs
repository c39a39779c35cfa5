//! Schedules.

use std::sync::Arc;
use std::time::Duration;

use hardstop_domain::{ChainId, NewJob, ScheduleName, ScheduleSpec, Timestamp, TypeName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ActiveType, json_text};

/// How many of its last times a schedule keeps.
pub const FIRES_KEPT: u32 = 100;
/// How many of them [`ScheduleDetail`] shows.
pub const FIRES_SHOWN: u32 = 20;

/// A schedule to make or change.
#[derive(Debug, Clone)]
pub struct NewSchedule {
    /// Its name.
    pub name: ScheduleName,
    /// The type of the chains that it starts.
    pub type_name: TypeName,
    /// Their input: JSON text.
    pub input: String,
    /// Their priority.
    pub priority: i16,
    /// When, and what about overlaps and missed times.
    pub spec: ScheduleSpec,
}

/// What came of making a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PutSchedule {
    /// Whether it is new; otherwise one of that name was changed.
    pub created: bool,
    /// When it fires next; none while it is paused.
    pub next_at: Option<Timestamp>,
}

/// A schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Schedule {
    /// Its name.
    pub name: ScheduleName,
    /// The type of the chains that it starts; none where that is gone.
    #[serde(rename = "type")]
    pub type_name: Option<TypeName>,
    /// Their priority.
    pub priority: i16,
    /// Whether it rests.
    pub paused: bool,
    /// When, and what about overlaps and missed times.
    #[serde(flatten)]
    pub spec: ScheduleSpec,
    /// When it fires next; none while it is paused, and where it never does again.
    pub next_at: Option<Timestamp>,
    /// When it was made: intervals count from here.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The chain that it started last.
    pub last_chain: Option<ChainId>,
}

/// A schedule in full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScheduleDetail {
    /// The line.
    #[serde(flatten)]
    pub schedule: Schedule,
    /// JSON text.
    #[serde(with = "json_text")]
    #[schemars(with = "serde_json::Value")]
    pub input: String,
    /// What became of its last times, latest first, at most [`FIRES_SHOWN`].
    pub fires: Vec<Fire>,
}

/// What became of one time of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fire {
    /// When it was due.
    pub at: Timestamp,
    /// What became of it.
    pub result: FireResult,
    /// The chain that was started.
    pub chain_id: Option<ChainId>,
    /// More about it.
    pub note: Option<String>,
    /// When a host came to it.
    pub created_at: Timestamp,
}

/// What can become of a time of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FireResult {
    /// A chain was started.
    Started,
    /// Nothing was started, because the chain before was still open.
    Skipped,
    /// Nothing was started, because it was too long ago.
    Missed,
    /// Somebody started a chain by hand.
    Triggered,
    /// A chain could not be started.
    Failed,
}

impl FireResult {
    /// The number that the databases keep. Never renumbered.
    pub fn code(self) -> i16 {
        match self {
            Self::Started => 1,
            Self::Skipped => 2,
            Self::Missed => 3,
            Self::Triggered => 4,
            Self::Failed => 5,
        }
    }

    /// The result of a code.
    pub fn from_code(code: i16) -> Option<Self> {
        [
            Self::Started,
            Self::Skipped,
            Self::Missed,
            Self::Triggered,
            Self::Failed,
        ]
        .into_iter()
        .find(|result| result.code() == code)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Skipped => "skipped",
            Self::Missed => "missed",
            Self::Triggered => "triggered",
            Self::Failed => "failed",
        }
    }
}

/// What due schedules did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fired {
    /// The chains that were started.
    pub started: Vec<(ScheduleName, ChainId)>,
    /// Times at which none could be started, and why.
    pub failed: Vec<(ScheduleName, String)>,
    /// How long until the next schedule is due; zero where more are due than one batch holds.
    pub next_due_in: Option<Duration>,
}

/// Says why a job must not be started, where its input does not fit its type as it is deployed now. The
/// store cannot know: schemas are the host's.
pub type FireCheck = Arc<dyn Fn(&ActiveType, &NewJob) -> Result<(), String> + Send + Sync>;
