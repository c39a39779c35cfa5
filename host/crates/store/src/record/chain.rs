//! Chains as they are read.

use hardstop_domain::{ChainId, Failure, JobId, Lineage, OutcomeKind, State, Timestamp, TypeName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{JobSummary, json_text_option};

/// The most chains that one page holds.
pub const CHAIN_QUERY_LIMIT_MAX: u32 = 1_000;
/// The most dependents that [`ChainDetail`] lists.
pub const CHAIN_DEPENDENTS_MAX: usize = 100;

/// Which chains to list. Every condition given must hold.
///
/// `since` and `until` mean the creation time that the chain's UUIDv7 carries: see [`super::JobQuery`].
#[derive(Debug, Clone, Default)]
pub struct ChainQuery {
    /// Only chains whose first job has this type.
    pub type_name: Option<TypeName>,
    /// Only chains whose last job is in this state. Open chains have a live state; no chain is ever
    /// `continued`.
    pub state: Option<State>,
    /// Only chains that were started with this deduplication key, which is one within `type_name`.
    pub key: Option<String>,
    /// Only chains created in this millisecond or later.
    pub since: Option<Timestamp>,
    /// Only chains created before this millisecond.
    pub until: Option<Timestamp>,
    /// Only chains older than this one: the last id of the page before.
    pub before: Option<ChainId>,
    /// The most chains, from 1 to [`CHAIN_QUERY_LIMIT_MAX`].
    pub limit: u32,
}

/// A chain, in a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChainSummary {
    /// Its id, which is its first job's.
    pub id: ChainId,
    /// The type of its first job.
    #[serde(rename = "type")]
    pub type_name: TypeName,
    /// The state of its last job.
    pub state: State,
    /// What that job came to, once it is final.
    pub outcome: Option<OutcomeKind>,
    /// The deduplication key that it was started with.
    pub key: Option<String>,
    /// How many jobs it has so far.
    pub jobs: u64,
    /// When its first job was created, by the database's clock.
    pub created_at: Timestamp,
    /// When it closed.
    pub finished_at: Option<Timestamp>,
    /// Its last job; the live one of an open chain.
    pub last_job: JobId,
    /// The priority of its last job.
    pub priority: i16,
}

/// A chain in full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChainDetail {
    /// The line.
    #[serde(flatten)]
    pub summary: ChainSummary,
    /// JSON text: the output of its last job, once completed.
    #[serde(with = "json_text_option")]
    #[schemars(with = "Option<serde_json::Value>")]
    pub output: Option<String>,
    /// Why its last job failed, where its last word was a failure.
    pub failure: Option<Failure>,
    /// The job whose handler started it.
    pub parent_job: Option<JobId>,
    /// Where it stands among the chains that handlers started.
    pub lineage: Lineage,
    /// Its jobs, oldest first.
    #[serde(rename = "job_list")]
    pub jobs: Vec<JobSummary>,
    /// The chains that its jobs wait for, or waited for, by job and position.
    pub blockers: Vec<JobBlocker>,
    /// The jobs that wait for it, or waited for it: the first [`CHAIN_DEPENDENTS_MAX`] by id.
    pub dependents: Vec<Dependent>,
    /// Whether there are more of them.
    pub more_dependents: bool,
}

/// A chain that a job waits for, or waited for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobBlocker {
    /// The job.
    pub job: JobId,
    /// Its place among the job's blockers, from 0.
    pub position: u32,
    /// The chain.
    pub chain_id: ChainId,
    /// The state of the chain's last job now. None where nothing of the chain is kept.
    pub state: Option<State>,
    /// Whether the job still waits for it.
    pub awaited: bool,
    /// Whether an operator let the job run without it.
    pub overridden: bool,
    /// The job whose end closed the chain for this job.
    pub closed_by: Option<JobId>,
}

/// A job that waits for a chain, or waited for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Dependent {
    /// The job.
    pub job: JobId,
    /// Its chain.
    pub chain_id: ChainId,
    /// The name of its type.
    #[serde(rename = "type")]
    pub type_name: TypeName,
    /// Its state.
    pub state: State,
    /// The place of the chain among the job's blockers, from 0.
    pub position: u32,
    /// Whether the job still waits for the chain.
    pub awaited: bool,
}
