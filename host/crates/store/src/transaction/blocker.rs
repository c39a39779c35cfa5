//! Who waits for whom, and telling them that it has ended.

use async_trait::async_trait;
use hardstop_domain::{ChainId, JobId, State};

use crate::StoreError;
use crate::record::BlockerResult;
use crate::row::BlockerRow;
use crate::view::{Awaiting, Blocker, FinalJob};

/// Statements over `job_blocker` and `closure`.
#[async_trait]
pub(crate) trait BlockerStatements: Send {
    /// The chains that have a live job.
    async fn mark_blocking(&mut self, chains: &[ChainId]) -> Result<Vec<ChainId>, StoreError>;
    async fn final_jobs(&mut self, chains: &[ChainId]) -> Result<Vec<FinalJob>, StoreError>;
    async fn block(&mut self, rows: &[BlockerRow]) -> Result<(), StoreError>;
    async fn reaches(&mut self, chain: ChainId, from: &[ChainId]) -> Result<bool, StoreError>;
    async fn tail(&mut self, chain: ChainId) -> Result<Option<JobId>, StoreError>;

    async fn closures(&mut self, limit: i64) -> Result<Vec<ChainId>, StoreError>;
    async fn clear_closures(&mut self, chains: &[ChainId]) -> Result<(), StoreError>;
    async fn awaiting(
        &mut self,
        chains: &[ChainId],
        limit: i64,
    ) -> Result<Vec<Awaiting>, StoreError>;
    /// The jobs of the rows that were noted now, one entry a row.
    async fn close_blockers(&mut self, rows: &[Awaiting]) -> Result<Vec<JobId>, StoreError>;
    /// The jobs that were told, and the state that they are in now.
    async fn unblock(&mut self, closed: &[(JobId, i32)])
    -> Result<Vec<(JobId, State)>, StoreError>;
    async fn blocker_results(
        &mut self,
        jobs: &[JobId],
    ) -> Result<Vec<(JobId, BlockerResult)>, StoreError>;

    async fn override_blockers(&mut self, job: JobId) -> Result<(), StoreError>;
    async fn blockers_of(&mut self, job: JobId) -> Result<Vec<Blocker>, StoreError>;
    async fn point_blockers(
        &mut self,
        job: JobId,
        closed_by: &[(i32, Option<JobId>)],
    ) -> Result<(), StoreError>;
    async fn hold_back(&mut self, job: JobId, open: i32) -> Result<(), StoreError>;
    async fn mark_awaited(&mut self, job: JobId) -> Result<(), StoreError>;
}
