//! Pauses.

use std::time::Duration;

use hardstop_domain::{Timestamp, TypeName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest name of who paused something, in bytes.
pub const PAUSE_ACTOR_BYTES_MAX: usize = 128;
/// The longest note beside a pause, in bytes.
pub const PAUSE_NOTE_BYTES_MAX: usize = 1_024;

/// A pause to begin now.
#[derive(Debug, Clone)]
pub struct NewPause {
    /// What is not to be claimed; none: nothing at all.
    pub type_name: Option<TypeName>,
    /// When it ends by itself; none: never.
    pub until: Option<PauseEnd>,
    /// Who paused it: 1 to [`PAUSE_ACTOR_BYTES_MAX`] bytes.
    pub actor: String,
    /// Why: up to [`PAUSE_NOTE_BYTES_MAX`] bytes.
    pub note: Option<String>,
}

/// When a pause ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseEnd {
    /// At this time, by the database's clock.
    At(Timestamp),
    /// So long from now, by the database's clock.
    After(Duration),
}

/// A pause in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pause {
    /// What is not claimed; none: nothing at all.
    #[serde(rename = "type")]
    pub type_name: Option<TypeName>,
    /// When it began, or was last changed.
    pub paused_at: Timestamp,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// Who paused it.
    pub actor: String,
    /// Why.
    pub note: Option<String>,
}

/// What the end of pauses found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedPauses {
    /// How many were over.
    pub count: u64,
    /// How long until the next one is.
    pub next_due_in: Option<Duration>,
}
