//! The statements that both databases offer. What an operation does with them is written once, in
//! `operation`.

pub(crate) mod audit;
pub(crate) mod blocker;
mod dead_letter;
pub(crate) mod deployment;
pub(crate) mod external;
pub(crate) mod key;
pub(crate) mod lineage;
pub(crate) mod listener;
pub(crate) mod pause;
mod read;
mod removal;
pub(crate) mod running;
pub(crate) mod schedule;
pub(crate) mod statistic;
pub(crate) mod subscription;
pub(crate) mod token;

use async_trait::async_trait;
use hardstop_domain::{ChainId, Digest, JobId, LeaseToken, SessionId, State, TypeId, TypeName};

use crate::StoreError;
use crate::record::*;
use crate::row::{AttemptRow, FinishRow, JobRow, RequeueRow};
use crate::view::{Claimed, Held, Reopened};
use blocker::BlockerStatements;
use external::ExternalStatements;
use key::KeyStatements;
use lineage::LineageStatements;

pub(crate) use dead_letter::{DeadLetterPage, DeadLetterStatements};
pub(crate) use read::ReadStatements;
pub(crate) use removal::{ChainJob, RemovalStatements};

/// One method per SQL file, of the same name. Row lists are sorted by job id, so that two
/// transactions lock what they share in the same order. An empty list is no statement.
#[async_trait]
pub(crate) trait Transaction:
    ReadStatements
    + BlockerStatements
    + ExternalStatements
    + KeyStatements
    + LineageStatements
    + listener::ListenerStatements
    + pause::PauseStatements
    + deployment::DeploymentStatements
    + schedule::ScheduleStatements
    + running::RunningStatements
    + statistic::StatisticStatements
    + subscription::SubscriptionStatements
    + token::TokenStatements
    + audit::AuditStatements
    + DeadLetterStatements
    + RemovalStatements
    + Send
{
    async fn insert(&mut self, rows: &[&JobRow]) -> Result<(), StoreError>;
    async fn existing(&mut self, ids: &[JobId]) -> Result<Option<JobId>, StoreError>;

    async fn claim(&mut self, request: &ClaimRequest) -> Result<Claimed, StoreError>;
    /// Whether the session is alive.
    async fn heartbeat(&mut self, session: SessionId) -> Result<bool, StoreError>;
    async fn held(&mut self, leases: &[LeaseToken])
    -> Result<Vec<(JobId, LeaseToken)>, StoreError>;

    /// The rows that carried their lease, as they were.
    async fn finish(&mut self, rows: &[&FinishRow]) -> Result<Vec<Held>, StoreError>;
    /// The rows that carried their lease, as they are now.
    async fn requeue(&mut self, rows: &[&RequeueRow]) -> Result<Vec<Held>, StoreError>;
    async fn attempt(&mut self, rows: &[AttemptRow]) -> Result<(), StoreError>;
    async fn settled(
        &mut self,
        leases: &[(JobId, LeaseToken)],
    ) -> Result<Vec<(JobId, LeaseToken)>, StoreError>;
    /// Those of these jobs that are neither live nor final.
    async fn gone(&mut self, jobs: &[JobId]) -> Result<Vec<JobId>, StoreError>;

    async fn open_session(
        &mut self,
        host: &str,
        lease_duration_ms: i64,
        types: Option<&str>,
    ) -> Result<SessionId, StoreError>;
    /// Whether it was alive until now.
    async fn end_session(&mut self, session: SessionId) -> Result<bool, StoreError>;
    async fn end_expired(&mut self) -> Result<(), StoreError>;
    /// Running jobs of sessions that are dead or gone, with the session's host, locked.
    async fn orphan(
        &mut self,
        session: Option<SessionId>,
        limit: i64,
    ) -> Result<Vec<(Held, Option<String>)>, StoreError>;

    async fn promote(&mut self, limit: i64) -> Result<u64, StoreError>;
    /// Microseconds, negative where one is due already.
    async fn next_due(&mut self) -> Result<Option<i64>, StoreError>;

    async fn lock(&mut self, job: JobId) -> Result<Option<(Held, State)>, StoreError>;
    async fn final_state(&mut self, job: JobId) -> Result<Option<State>, StoreError>;
    async fn reopen(&mut self, job: JobId) -> Result<Option<Reopened>, StoreError>;

    async fn component_bytes(&mut self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError>;
    async fn file_bytes(&mut self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError>;
    async fn components(&mut self) -> Result<Vec<Component>, StoreError>;
    async fn types(&mut self) -> Result<Vec<ActiveType>, StoreError>;
    async fn type_ids(&mut self) -> Result<Vec<(TypeName, TypeId)>, StoreError>;
    async fn job(&mut self, id: JobId) -> Result<Option<JobDetail>, StoreError>;
    async fn attempts(&mut self, id: JobId) -> Result<Vec<AttemptRecord>, StoreError>;
    async fn jobs(&mut self, page: &Page) -> Result<Vec<JobSummary>, StoreError>;
    async fn chain(&mut self, id: ChainId) -> Result<Vec<JobSummary>, StoreError>;
    async fn sessions(&mut self) -> Result<Vec<Session>, StoreError>;

    async fn maintain(&mut self) -> Result<(), StoreError>;
    async fn version(&mut self) -> Result<String, StoreError>;
}

/// A [`JobQuery`] or [`ChainQuery`] with every choice made.
#[derive(Debug)]
pub(crate) struct Page {
    /// Ids from this one on,
    pub(crate) from: uuid::Uuid,
    /// and before this one.
    pub(crate) before: uuid::Uuid,
    pub(crate) type_id: Option<i32>,
    pub(crate) states: Vec<i16>,
    pub(crate) limit: i64,
    /// Whether any of the states is a live one,
    pub(crate) live: bool,
    /// and whether any is a final one.
    pub(crate) done: bool,
}
