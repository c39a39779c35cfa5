//! What goes into the store and what comes out of it.

mod audit;
mod chain;
mod dead_letter;
mod deployment;
mod explain;
mod external;
mod listener;
mod pause;
mod retention;
mod running;
mod schedule;
mod statistic;
mod subscription;
mod token;

use std::collections::BTreeMap;
use std::time::Duration;

use hardstop_domain::outcome::Progress;
use hardstop_domain::{
    ChainId, DeploymentId, Digest, Failure, JobId, Keep, LeaseToken, LimitsPatch, Lineage,
    LogEntry, NewChain, Next, OutcomeKind, SessionId, State, Timestamp, TypeId, TypeName, TypeSpec,
    Usage,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use audit::*;
pub use chain::*;
pub use explain::*;

pub use dead_letter::*;
pub use deployment::*;
pub use listener::*;
pub use pause::*;
pub use retention::*;
pub use running::*;
pub use schedule::*;
pub use statistic::*;
pub use subscription::*;
pub use token::*;

pub use external::{Completion, Expired, ExternalAnswer, ExternalOutcome};

/// Types that are to be put in force, and the component that they need.
#[derive(Debug, Clone)]
pub struct NewDeployment {
    /// The deployment's id.
    pub id: DeploymentId,
    /// The component; none where every type is completed from outside.
    pub component: Option<NewComponent>,
    /// A name for people: the manifest's.
    pub name: String,
    /// The types. Each names `component` or is external.
    pub types: Vec<TypeSpec>,
    /// The bytes of the files that the types have, by digest.
    pub files: BTreeMap<Digest, Vec<u8>>,
    /// The share of the types' jobs that goes to it, in percent, beside the deployment in force. None: it is put in force.
    pub canary_percent: Option<u8>,
}

/// A component to store.
#[derive(Debug, Clone)]
pub struct NewComponent {
    /// Its digest.
    pub digest: Digest,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl NewComponent {
    /// The component of these bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self {
            digest: Digest::of(&bytes),
            bytes,
        }
    }
}

/// A deployment as it was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Deployment {
    /// Its id.
    pub id: DeploymentId,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its types, by name, with the numbers that they have in this database.
    pub types: Vec<(TypeId, TypeName)>,
}

/// A stored component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Component {
    /// Its digest.
    pub digest: Digest,
    /// The name that it was last deployed under.
    pub name: String,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// When it was first stored.
    pub created_at: Timestamp,
    /// The active types that it serves.
    pub types: Vec<TypeName>,
}

/// A type that can be started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ActiveType {
    /// Its number.
    pub id: TypeId,
    /// The deployment that is in force.
    pub deployment: DeploymentId,
    /// When that was made.
    pub deployed_at: Timestamp,
    /// What it says.
    pub spec: TypeSpec,
    /// What is tried beside it.
    pub canary: Option<Canary>,
    /// Why no job of the type is claimed, where its component is in quarantine.
    pub quarantine: Option<Quarantine>,
}

/// What a session asks for.
#[derive(Debug, Clone)]
pub struct ClaimRequest {
    /// The lease that the jobs get. One token, one claim.
    pub token: LeaseToken,
    /// The most jobs of each type. A type that is not named is not claimed.
    pub quotas: Vec<(TypeId, u32)>,
    /// The most jobs in all.
    pub total: u32,
}

impl ClaimRequest {
    /// What is left to ask for where these jobs were had.
    pub(crate) fn less(&self, jobs: &[ClaimedJob]) -> Self {
        let mut left = self.clone();
        left.total = left.total.saturating_sub(jobs.len() as u32);
        for (type_id, quota) in &mut left.quotas {
            let had = jobs.iter().filter(|job| job.type_id == *type_id).count();
            *quota = quota.saturating_sub(had as u32);
        }
        left.quotas.retain(|(_, quota)| *quota > 0);
        left
    }
}

/// A leased job.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedJob {
    /// Its id.
    pub id: JobId,
    /// Its chain.
    pub chain_id: ChainId,
    /// Its type.
    pub type_id: TypeId,
    /// The lease.
    pub token: LeaseToken,
    /// The number of this attempt, from 1. Snoozes, interruptions and rescues do not count.
    pub attempt: u32,
    /// The number of this run, from 1. Everything counts.
    pub run: u32,
    /// How often its host was lost.
    pub rescues: u32,
    /// Its priority, which a continuation inherits.
    pub priority: i16,
    /// JSON text.
    pub input: String,
    /// Limits that its start lowered.
    pub limits: LimitsPatch,
    /// W3C `traceparent` of its start.
    pub trace_parent: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it could first have been claimed this time.
    pub due_at: Timestamp,
    /// When it was claimed.
    pub claimed_at: Timestamp,
    /// How often its handler has put it off since it was created or replayed, and for how long
    /// altogether.
    pub snoozes: u32,
    /// Milliseconds.
    pub snoozed_ms: u64,
    /// Whether an attempt before ran out of memory and this one has the larger one.
    pub larger_memory: bool,
    /// What its blockers came to, in the order in which they were named.
    pub blockers: Vec<BlockerResult>,
    /// Where its chain stands among the chains that handlers started.
    pub lineage: Lineage,
    /// How many chains descended from the root chain when the job was claimed.
    pub descendants: u64,
    /// Whether nobody has compared the input with the type's schema yet.
    pub unchecked: bool,
}

/// What a blocker came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BlockerResult {
    /// The chain.
    pub chain_id: ChainId,
    /// `completed`, `discarded` or `cancelled`. None where an operator let the job run without it, or
    /// its result is no longer kept.
    pub state: Option<State>,
    /// JSON text, where it completed. None, too, where the outputs of all blockers of the job together
    /// are over [`BLOCKER_OUTPUT_BYTES_MAX`] with it.
    #[serde(with = "json_text_option")]
    #[schemars(with = "Option<serde_json::Value>")]
    pub output: Option<String>,
    /// How large the output is, in bytes.
    pub output_bytes: u64,
    /// Why it failed, where it did.
    pub failure: Option<Failure>,
    /// The attempt that closed it, where one did and its job is kept.
    #[serde(skip)]
    pub origin: Option<BlockerOrigin>,
}

/// The attempt that closed a blocker, as traces need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockerOrigin {
    /// The job.
    pub job: JobId,
    /// The number of its last run.
    pub run: u32,
    /// The chain at the root of its lineage.
    pub root: ChainId,
    /// W3C `traceparent` of its start.
    pub trace_parent: Option<String>,
}

/// The most bytes of blockers' outputs that a job gets. The type's limit `input` is lower.
pub const BLOCKER_OUTPUT_BYTES_MAX: u64 = 16 << 20;

/// What became of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Started {
    /// The chain: the one that was started, or the one that made this start superfluous.
    pub chain_id: ChainId,
    /// Whether it was superfluous.
    pub deduplicated: bool,
}

/// What an attempt came to, and what becomes of its job.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// The job.
    pub job: JobId,
    /// The lease that it was claimed under.
    pub token: LeaseToken,
    /// What becomes of it.
    pub next: Next,
    /// The kind of outcome behind it.
    pub outcome: OutcomeKind,
    /// Why it failed, where it did.
    pub failure: Option<Failure>,
    /// What the attempt used.
    pub usage: Usage,
    /// The deployment that it ran. None where no guest was begun.
    pub deployment: Option<DeploymentId>,
    /// What it said.
    pub log: Vec<LogEntry>,
    /// How far it said that it had come. Kept for attempts that did not complete or continue.
    pub progress: Option<Progress>,
    /// The chains that it started. Created with `Complete` and `Continue`; with any other `next`
    /// there must be none.
    pub children: Vec<NewChain>,
    /// The job's own lineage, from its claim. Continuations share it; children are one deeper.
    pub lineage: Lineage,
    /// The most descendants that the root chain may have with these children.
    pub descendants_max: u64,
    /// Which final jobs of its type stay in the store.
    pub keep: Keep,
}

/// What the store made of a settlement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// Written, now or by an earlier sending of the same settlement.
    Written,
    /// The lease was no longer the job's: nothing was written.
    Stale,
    /// The settlement cannot be written: nothing was, and the job still runs under its lease.
    Refused(String),
    /// Others started chains since the job was claimed, and with its own its root chain would have too many
    /// descendants: nothing was written, and the job still runs under its lease. Another attempt is told of the limit
    /// when it starts one too many.
    Overtaken(String),
}

/// The answer to a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// Whether the session is alive. One that is not must stop its guests and open another.
    pub alive: bool,
    /// The jobs that the session held when the heartbeat was written, with their leases. What a
    /// worker ran before it sent the heartbeat, has not settled, and does not find here, was
    /// cancelled or rescued. What it finds here and neither runs nor is just claiming came with a
    /// claim whose reply was lost: it should be settled with [`Next::Release`].
    pub held: Vec<(JobId, LeaseToken)>,
}

/// A job taken from a dead session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rescued {
    /// The job.
    pub job: JobId,
    /// Its type.
    pub type_id: TypeId,
    /// The session that held it.
    pub session: SessionId,
    /// How often this has happened to it, this time included.
    pub rescues: u32,
    /// `ready`, or `discarded` where it happened too often.
    pub state: State,
}

/// What a promotion did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promoted {
    /// How many jobs became ready.
    pub count: u64,
    /// How long until the next scheduled job is due; zero where more are due than one batch holds.
    pub next_due_in: Option<Duration>,
}

/// What a cancellation found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It was in this state and is cancelled.
    Was(State),
    /// It was final already.
    Final(State),
    /// There is no such job.
    Unknown,
}

/// What the cancellation of a chain found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelledChain {
    /// This job of it was in this state and is cancelled.
    Was {
        /// The job.
        job: JobId,
        /// Its state until then.
        state: State,
    },
    /// It was closed already, by the end of this job.
    Closed {
        /// The job.
        job: JobId,
        /// Its state.
        state: State,
    },
    /// There is no such chain.
    Unknown,
}

/// When a queued job is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// As soon as it can be claimed.
    Now,
    /// So many milliseconds from now, by the database's clock.
    After {
        /// Milliseconds.
        delay_ms: u64,
    },
    /// At this time; one that has passed is now.
    At(Timestamp),
}

/// What a change of a job's due time found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// It was in the one state and is in the other.
    From {
        /// Before.
        was: State,
        /// Now.
        state: State,
    },
    /// It is in a state in which it cannot be moved.
    Not(State),
    /// There is no such job.
    Unknown,
}

/// What a retry found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retried {
    /// It was in this state and is ready, or blocked where a blocker of it is open again.
    Was(State),
    /// It is in a state in which it cannot be retried.
    Not(State),
    /// Another open chain holds the deduplication key of its chain.
    KeyTaken(ChainId),
    /// There is no such job.
    Unknown,
}

/// A job, in a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobSummary {
    /// Its id.
    pub id: JobId,
    /// Its chain.
    pub chain_id: ChainId,
    /// The name of its type.
    #[serde(rename = "type")]
    pub type_name: TypeName,
    /// Its state.
    pub state: State,
    /// What its last attempt came to, once it is final.
    pub outcome: Option<OutcomeKind>,
    /// The number of its last or running attempt; 0 before the first.
    pub attempt: u32,
    /// How often its host was lost.
    pub rescues: u32,
    /// How often it snoozed.
    pub snoozes: u32,
    /// Its priority.
    pub priority: i16,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it is, or was last, due.
    pub due_at: Timestamp,
    /// When its last run began.
    pub started_at: Option<Timestamp>,
    /// When it became final.
    pub finished_at: Option<Timestamp>,
    /// The session that runs it, or that settled it.
    pub session: Option<SessionId>,
}

/// A job in full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobDetail {
    /// The line.
    #[serde(flatten)]
    pub summary: JobSummary,
    /// JSON text.
    #[serde(with = "json_text")]
    #[schemars(with = "serde_json::Value")]
    pub input: String,
    /// Limits that its start lowered.
    #[serde(default, skip_serializing_if = "LimitsPatch::is_empty")]
    pub limits: LimitsPatch,
    /// JSON text, once completed.
    #[serde(with = "json_text_option")]
    #[schemars(with = "Option<serde_json::Value>")]
    pub output: Option<String>,
    /// Why it failed, where its last word was a failure.
    pub failure: Option<Failure>,
    /// What the attempt that finished it used.
    pub usage: Option<Usage>,
    /// The deployment that this attempt ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment: Option<DeploymentId>,
    /// The component of that deployment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<Digest>,
    /// How many runs it had; the number of the last one.
    #[serde(default)]
    pub run: u32,
    /// The log of the attempt that finished it. While it runs, what the attempt has said up to a second or two ago.
    pub log: Vec<LogEntry>,
    /// How far the attempt that runs has come, by its own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// The next job of the chain, once continued.
    pub continued_to: Option<JobId>,
    /// The deduplication key that its chain was started with.
    pub key: Option<String>,
    /// The job whose handler started its chain.
    pub parent_job: Option<JobId>,
    /// Where its chain stands among the chains that handlers started.
    pub lineage: Lineage,
    /// The chains that it waits for, or waited for, in the order in which it gets their outputs.
    pub blockers: Vec<JobBlocker>,
    /// Until when an external job waits for its completion. None before it is ready.
    pub deadline_at: Option<Timestamp>,
    /// What completes an external job that is not final yet.
    pub completion_token: Option<Uuid>,
    /// The attempts that did not finish it well, oldest first.
    pub attempts: Vec<AttemptRecord>,
}

/// An attempt that did not finish its job well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AttemptRecord {
    /// The number of the run, from 1; everything counts.
    pub run: u32,
    /// The number of the attempt, from 1; snoozes, interruptions and rescues do not count.
    pub attempt: u32,
    /// What it came to.
    pub outcome: OutcomeKind,
    /// Why, where it failed.
    pub failure: Option<Failure>,
    /// What it used. None where its host was lost.
    pub usage: Option<Usage>,
    /// The deployment that it ran. None where its host was lost.
    pub deployment: Option<DeploymentId>,
    /// The component of that deployment.
    pub component: Option<Digest>,
    /// What it said.
    pub log: Vec<LogEntry>,
    /// How far it said that it had come.
    pub progress: Option<Progress>,
    /// The session that ran it.
    pub session: SessionId,
    /// The host of that session.
    pub host: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was recorded.
    pub finished_at: Timestamp,
}

/// The most jobs that one page holds.
pub const JOB_QUERY_LIMIT_MAX: u32 = 1_000;

/// Which jobs to list. Every condition given must hold.
///
/// `since` and `until` mean the creation time that the job's UUIDv7 carries, in whole milliseconds, and
/// become bounds of the id: so a page is a range of the primary key and the next one meets it exactly,
/// whatever happens meanwhile. That time is the clock of whoever made the id; `created_at` is the
/// database's.
#[derive(Debug, Clone, Default)]
pub struct JobQuery {
    /// Only this type. With a key: the type of the chains' first jobs, which the key belongs to.
    pub type_name: Option<TypeName>,
    /// Only this state.
    pub state: Option<State>,
    /// Only jobs of chains that were started with this deduplication key, which is one within
    /// `type_name`; whatever types the jobs have.
    pub key: Option<String>,
    /// Only jobs created in this millisecond or later.
    pub since: Option<Timestamp>,
    /// Only jobs created before this millisecond.
    pub until: Option<Timestamp>,
    /// Only jobs older than this one: the last id of the page before.
    pub before: Option<JobId>,
    /// The most jobs, from 1 to [`JOB_QUERY_LIMIT_MAX`].
    pub limit: u32,
}

/// A registered worker process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Session {
    /// Its number.
    pub id: SessionId,
    /// Its host and process.
    pub host: String,
    /// When it registered.
    pub started_at: Timestamp,
    /// Until when it is trusted.
    pub expires_at: Timestamp,
    /// Whether that has passed.
    pub expired: bool,
    /// How many jobs it holds.
    pub running: u64,
    /// Attempts that it may run at once. This and what follows is some seconds old, and null before its worker told it.
    pub slots: Option<u32>,
    /// Those that it runs, or that wait for memory.
    pub slots_used: Option<u32>,
    /// Bytes of memory that its guests may be granted together.
    pub memory_budget: Option<u64>,
    /// Bytes that they are granted.
    pub memory_admitted: Option<u64>,
    /// Whether it claims nothing new and waits for what runs.
    pub draining: bool,
    /// When somebody asked it to drain.
    pub drain_asked_at: Option<Timestamp>,
}

/// Serde for JSON text that stands as the JSON that it is.
mod json_text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
        match serde_json::from_str::<serde_json::Value>(text) {
            Ok(value) => value.serialize(serializer),
            Err(_) => serializer.serialize_str(text),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(de: D) -> Result<String, D::Error> {
        Ok(serde_json::Value::deserialize(de)?.to_string())
    }
}

/// The same where there may be none. JSON's own `null` is none, too, when it is read back.
mod json_text_option {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        text: &Option<String>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match text {
            Some(text) => super::json_text::serialize(text, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        de: D,
    ) -> Result<Option<String>, D::Error> {
        let value = Option::<serde_json::Value>::deserialize(de)?;
        Ok(value.map(|value| value.to_string()))
    }
}
