//! Jobs that are completed from outside.

use std::time::Duration;

use hardstop_domain::{NewJob, State, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What completes an external job, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Completion {
    /// The secret that a completion must name.
    #[serde(rename = "completion_token")]
    pub token: Uuid,
    /// When the job is discarded if nobody has completed it. None while it is not ready: its time has not begun.
    pub deadline_at: Option<Timestamp>,
}

/// What somebody outside says that an external job came to.
#[derive(Debug, Clone, PartialEq)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one for each call, for as long as it takes to write it"
)]
pub enum ExternalOutcome {
    /// Done: its chain closes with this output.
    Complete {
        /// JSON text.
        output: String,
    },
    /// Done: its chain goes on with this job.
    Continue {
        /// The next job.
        next: NewJob,
    },
    /// It failed for good: discarded. Nobody runs it again, so there is no retry.
    Fail {
        /// What happened, in a sentence.
        message: String,
        /// JSON text.
        details: Option<String>,
    },
}

/// What the store made of a completion from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExternalAnswer {
    /// Written.
    Done,
    /// The token is not the job's.
    WrongToken,
    /// The job has a handler.
    NotExternal,
    /// It is blocked or scheduled: nobody was to be asked yet.
    NotReady(State),
    /// Its deadline has passed.
    TimedOut,
    /// It is final: the token has been used, or the job was cancelled or timed out.
    AlreadyFinal(State),
    /// There is no such job.
    Unknown,
}

/// What a look for external jobs past their deadline did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired {
    /// How many were discarded.
    pub count: u64,
    /// How long until the next deadline; zero where more have passed than one batch holds.
    pub next_due_in: Option<Duration>,
}
