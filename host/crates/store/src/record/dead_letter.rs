//! Dead letters and their replays.

use hardstop_domain::{Failure, JobId, OutcomeKind, ReplayId, State, Timestamp, TypeName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::JobSummary;

/// The most dead letters or replays that one page holds, and the most jobs that one batch replays.
pub const DEAD_LETTER_LIMIT_MAX: u32 = 500;
/// The longest note of a replay, in bytes.
pub const NOTE_BYTES_MAX: usize = 1_000;
/// The longest name of an actor, in bytes.
pub const ACTOR_BYTES_MAX: usize = 128;

/// Which dead letters are meant. Every field narrows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetterFilter {
    /// Only this type.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_name: Option<TypeName>,
    /// [`State::Discarded`], which is meant where nothing is said, or [`State::Cancelled`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Only those whose last attempt came to this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OutcomeKind>,
    /// Only those whose failure's message holds this text, letter by letter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Only those created at this time or later, to the millisecond that their id carries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Only those created before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Only these, at most [`DEAD_LETTER_LIMIT_MAX`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jobs: Option<Vec<JobId>>,
}

/// Which dead letters to list.
#[derive(Debug, Clone, Default)]
pub struct DeadLetterQuery {
    /// Those meant.
    pub filter: DeadLetterFilter,
    /// Only jobs older than this one: the last of the page before.
    pub before: Option<JobId>,
    /// Only this job and newer ones.
    pub from: Option<JobId>,
    /// The most of them, from 1 to [`DEAD_LETTER_LIMIT_MAX`].
    pub limit: u32,
}

/// A job that ended badly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetter {
    /// The job.
    #[serde(flatten)]
    pub summary: JobSummary,
    /// Why it failed.
    pub failure: Option<Failure>,
}

/// Jobs to replay as a part, or all, of one replay.
#[derive(Debug, Clone)]
pub struct ReplayBatch {
    /// The replay. Batches of one id are one replay; the first one records it.
    pub id: ReplayId,
    /// Who replays: 1 to [`ACTOR_BYTES_MAX`] bytes.
    pub actor: String,
    /// Why: at most [`NOTE_BYTES_MAX`] bytes.
    pub note: Option<String>,
    /// How the jobs were chosen, for people and programs that look at the replay later.
    pub filter: DeadLetterFilter,
    /// The jobs, at most [`DEAD_LETTER_LIMIT_MAX`].
    pub jobs: Vec<JobId>,
}

/// What a replay made of one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "answer", content = "state", rename_all = "kebab-case")]
pub enum ReplayAnswer {
    /// It was in this state and is in the queue again.
    Replayed(State),
    /// It is in this state, which is not final.
    NotFinal(State),
    /// It is final, but not a dead letter; or its input is no longer kept.
    NotReplayable(State),
    /// Another job of its chain is live, or another chain has taken its deduplication key.
    ChainLive,
    /// There is no such job.
    Unknown,
    /// This replay has replayed it already: the batch was sent again.
    AlreadyInThisReplay,
}

/// A replay, as it was recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Replay {
    /// Its id.
    pub id: ReplayId,
    /// When it began.
    pub created_at: Timestamp,
    /// Who replayed.
    pub actor: String,
    /// Why.
    pub note: Option<String>,
    /// How the jobs were chosen: a [`DeadLetterFilter`] as JSON.
    pub filter: serde_json::Value,
    /// How many of its jobs are still kept.
    pub jobs: u64,
}

/// A replay and what has become of its jobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayDetail {
    /// The replay.
    #[serde(flatten)]
    pub replay: Replay,
    /// How many of its jobs are in each state now. No state: the job is no longer kept.
    pub states: Vec<(Option<State>, u64)>,
}

/// A job of a replay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayedJob {
    /// The job.
    pub id: JobId,
    /// The name of its type; none where the job is no longer kept.
    #[serde(rename = "type")]
    pub type_name: Option<TypeName>,
    /// What it was before: state, outcome, failure.
    pub was: State,
    /// See [`Self::was`].
    pub was_outcome: OutcomeKind,
    /// See [`Self::was`].
    pub was_failure: Option<Failure>,
    /// What it is now; none where it is no longer kept.
    pub state: Option<State>,
    /// What its last attempt came to, once it is final again.
    pub outcome: Option<OutcomeKind>,
}
