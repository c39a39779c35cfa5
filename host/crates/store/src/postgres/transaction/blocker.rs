//! Who waits for whom, and telling them that it has ended.

use async_trait::async_trait;
use hardstop_domain::{ChainId, JobId, State};

use super::{PgTransaction, column, sql};
use crate::StoreError;
use crate::record::{BLOCKER_OUTPUT_BYTES_MAX, BlockerResult};
use crate::row::BlockerRow;
use crate::transaction::blocker::BlockerStatements;
use crate::view::{self, Awaiting, Blocker, FinalJob, View, all};

#[async_trait]
impl BlockerStatements for PgTransaction<'_> {
    async fn mark_blocking(&mut self, chains: &[ChainId]) -> Result<Vec<ChainId>, StoreError> {
        let rows = sql!(self.1, "mark_blocking")
            .bind(column(chains, |chain| chain.0))
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, |row| row.uuid("chain_id").map(ChainId))
    }

    async fn final_jobs(&mut self, chains: &[ChainId]) -> Result<Vec<FinalJob>, StoreError> {
        let rows = sql!(self.1, "final_jobs")
            .bind(column(chains, |chain| chain.0))
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::final_job)
    }

    async fn block(&mut self, rows: &[BlockerRow]) -> Result<(), StoreError> {
        sql!(self.1, "block")
            .bind(column(rows, |row| row.job_id))
            .bind(column(rows, |row| row.position))
            .bind(column(rows, |row| row.chain_id))
            .bind(column(rows, |row| row.closed_by))
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn reaches(&mut self, chain: ChainId, from: &[ChainId]) -> Result<bool, StoreError> {
        let row = sql!(self.1, "reaches")
            .bind(chain.0)
            .bind(column(from, |chain| chain.0))
            .fetch_optional(&mut *self.0)
            .await?;
        Ok(row.is_some())
    }

    async fn tail(&mut self, chain: ChainId) -> Result<Option<JobId>, StoreError> {
        let row = sql!(self.1, "tail")
            .bind(chain.0)
            .fetch_optional(&mut *self.0)
            .await?;
        row.map(|row| row.uuid("id").map(JobId)).transpose()
    }

    async fn closures(&mut self, limit: i64) -> Result<Vec<ChainId>, StoreError> {
        let rows = sql!(self.1, "closures")
            .bind(limit)
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, |row| row.uuid("chain_id").map(ChainId))
    }

    async fn clear_closures(&mut self, chains: &[ChainId]) -> Result<(), StoreError> {
        sql!(self.1, "clear_closures")
            .bind(column(chains, |chain| chain.0))
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn awaiting(
        &mut self,
        chains: &[ChainId],
        limit: i64,
    ) -> Result<Vec<Awaiting>, StoreError> {
        let rows = sql!(self.1, "awaiting")
            .bind(column(chains, |chain| chain.0))
            .bind(limit)
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::awaiting)
    }

    async fn close_blockers(&mut self, rows: &[Awaiting]) -> Result<Vec<JobId>, StoreError> {
        let rows = sql!(self.1, "close_blockers")
            .bind(column(rows, |row| row.job.0))
            .bind(column(rows, |row| row.position))
            .bind(column(rows, |row| row.closed_by.0))
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, |row| row.uuid("job_id").map(JobId))
    }

    async fn unblock(
        &mut self,
        closed: &[(JobId, i32)],
    ) -> Result<Vec<(JobId, State)>, StoreError> {
        let rows = sql!(self.1, "unblock")
            .bind(column(closed, |(job, _)| job.0))
            .bind(column(closed, |(_, closed)| *closed))
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, |row| Ok((JobId(row.uuid("id")?), row.state()?)))
    }

    async fn blocker_results(
        &mut self,
        jobs: &[JobId],
    ) -> Result<Vec<(JobId, BlockerResult)>, StoreError> {
        let rows = sql!(self.1, "blocker_results")
            .bind(column(jobs, |job| job.0))
            .bind(BLOCKER_OUTPUT_BYTES_MAX as i64)
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::blocker_result)
    }

    async fn override_blockers(&mut self, job: JobId) -> Result<(), StoreError> {
        sql!(self.1, "override_blockers")
            .bind(job.0)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn blockers_of(&mut self, job: JobId) -> Result<Vec<Blocker>, StoreError> {
        let rows = sql!(self.1, "blockers_of")
            .bind(job.0)
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::blocker)
    }

    async fn point_blockers(
        &mut self,
        job: JobId,
        closed_by: &[(i32, Option<JobId>)],
    ) -> Result<(), StoreError> {
        sql!(self.1, "point_blockers")
            .bind(job.0)
            .bind(column(closed_by, |(position, _)| *position))
            .bind(column(closed_by, |(_, job)| job.map(|job| job.0)))
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn hold_back(&mut self, job: JobId, open: i32) -> Result<(), StoreError> {
        sql!(self.1, "hold_back")
            .bind(job.0)
            .bind(open)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn mark_awaited(&mut self, job: JobId) -> Result<(), StoreError> {
        sql!(self.1, "mark_awaited")
            .bind(job.0)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }
}
