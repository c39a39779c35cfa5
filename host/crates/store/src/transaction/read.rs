//! The statements of reads that concern more than one job.

use async_trait::async_trait;
use hardstop_domain::{ChainId, JobId, State, TypeId, TypeName};

use super::Page;
use crate::StoreError;
use crate::record::*;

/// One method per SQL file, of the same name.
#[async_trait]
pub(crate) trait ReadStatements: Send {
    /// `state` is running, discarded or cancelled.
    async fn jobs_by_state(
        &mut self,
        page: &Page,
        state: State,
    ) -> Result<Vec<JobSummary>, StoreError>;
    async fn jobs_by_key(&mut self, page: &Page, key: &str) -> Result<Vec<JobSummary>, StoreError>;

    async fn chains(&mut self, page: &Page) -> Result<Vec<ChainSummary>, StoreError>;
    /// `state` is running, discarded or cancelled.
    async fn chains_by_state(
        &mut self,
        page: &Page,
        state: State,
    ) -> Result<Vec<ChainSummary>, StoreError>;
    async fn chains_by_key(
        &mut self,
        page: &Page,
        key: &str,
    ) -> Result<Vec<ChainSummary>, StoreError>;

    /// Without its jobs, their blockers and its dependents.
    async fn chain_detail(&mut self, id: ChainId) -> Result<Option<ChainDetail>, StoreError>;
    async fn chain_dependents(
        &mut self,
        id: ChainId,
        limit: i64,
    ) -> Result<Vec<Dependent>, StoreError>;
    async fn job_blockers(
        &mut self,
        jobs: &[JobId],
        limit: i64,
        awaited_only: bool,
    ) -> Result<Vec<JobBlocker>, StoreError>;

    /// Of jobs that ended well, newest first.
    async fn type_usage(
        &mut self,
        type_id: TypeId,
        limit: i64,
    ) -> Result<Vec<UsageSample>, StoreError>;

    /// Without blockers, pauses, sessions and the jobs ahead of it.
    async fn explain_job(&mut self, id: JobId) -> Result<Option<Explanation>, StoreError>;
    async fn explain_pauses(
        &mut self,
        type_name: &TypeName,
    ) -> Result<Vec<PauseInForce>, StoreError>;
    async fn explain_sessions(
        &mut self,
        type_name: &TypeName,
        limit: i64,
    ) -> Result<Vec<SessionLease>, StoreError>;
    async fn explain_ahead(&mut self, id: JobId, limit: i64) -> Result<u32, StoreError>;
}
