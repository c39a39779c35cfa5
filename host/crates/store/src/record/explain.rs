//! What is known of a job that may keep it from running.

use hardstop_domain::{Failure, JobId, OnBlockerFailure, OutcomeKind, SessionId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{JobBlocker, JobSummary, Quarantine};

/// The most awaited blockers that an [`Explanation`] lists.
pub const EXPLAIN_BLOCKERS_MAX: usize = 20;
/// The most sessions that an [`Explanation`] lists.
pub const EXPLAIN_SESSIONS_MAX: usize = 20;
/// How far jobs that come earlier are counted.
pub const EXPLAIN_AHEAD_MAX: u32 = 1_000;

/// What is known of a job that may keep it from running. Facts only; the words are the host's.
///
/// The facts come from a few statements, one after the other: a job that moves meanwhile may be
/// described by facts of two moments. `job` is of the first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// The job, in a line.
    #[serde(flatten)]
    pub job: JobSummary,
    /// The database's time.
    pub now: Timestamp,
    /// Whether its type has no handler: it is finished by a completion from outside.
    pub external: bool,
    /// Until when an external job waits for its completion. None before it is ready.
    pub deadline_at: Option<Timestamp>,
    /// The next job of the chain, once continued.
    pub continued_to: Option<JobId>,
    /// What the last recorded run that did not end well came to.
    pub last_outcome: Option<OutcomeKind>,
    /// Why the job failed, or, while it is not final, its last recorded run.
    pub failure: Option<Failure>,
    /// What becomes of it when a blocker ends without an output.
    pub on_blocker_failure: OnBlockerFailure,
    /// With how many blockers it was started. Zero once it is final.
    pub blockers_total: u32,
    /// How many of them are still awaited.
    pub blockers_open: u32,
    /// The first [`EXPLAIN_BLOCKERS_MAX`] of those, by position.
    pub blockers: Vec<JobBlocker>,
    /// Pauses in force that concern its type. Empty once it is final.
    pub pauses: Vec<PauseInForce>,
    /// The quarantine of its type's component in force. None once it is final.
    pub quarantine: Option<Quarantine>,
    /// Sessions that have not ended and serve its type, at most [`EXPLAIN_SESSIONS_MAX`], the one
    /// trusted longest first. Empty once it is final.
    pub serving: Vec<SessionLease>,
    /// The session that holds it. None for a running job whose session is gone.
    pub holder: Option<SessionLease>,
    /// How many ready jobs of its type are claimed before it, while it is ready. One more than
    /// [`EXPLAIN_AHEAD_MAX`] stands for any greater number.
    pub ahead: Option<u32>,
}

/// A pause that is in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PauseInForce {
    /// Whether it is of every type.
    pub everything: bool,
    /// Since when.
    pub paused_at: Timestamp,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// Who paused.
    pub actor: String,
    /// Why.
    pub note: Option<String>,
}

/// How a session stands with its lease.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionLease {
    /// Its number.
    pub id: SessionId,
    /// Its host and process.
    pub host: String,
    /// Until when it is trusted. A rescue may take its jobs from then on.
    pub expires_at: Timestamp,
    /// For how many milliseconds each heartbeat renews it.
    pub lease_duration_ms: u64,
    /// Whether `expires_at` has passed.
    pub expired: bool,
    /// Whether it has ended: a rescue may take its jobs at once.
    pub dead: bool,
}
