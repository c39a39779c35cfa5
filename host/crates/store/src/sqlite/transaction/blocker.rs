//! Who waits for whom, and telling them that it has ended.

use async_trait::async_trait;
use hardstop_domain::{ChainId, JobId, State};

use super::{SqliteTransaction, chain_list, counted, hex, json, sql};
use crate::StoreError;
use crate::record::{BLOCKER_OUTPUT_BYTES_MAX, BlockerResult};
use crate::row::BlockerRow;
use crate::transaction::blocker::BlockerStatements;
use crate::view::{self, Awaiting, Blocker, FinalJob, View, all};

#[async_trait]
impl BlockerStatements for SqliteTransaction<'_> {
    async fn mark_blocking(&mut self, chains: &[ChainId]) -> Result<Vec<ChainId>, StoreError> {
        let rows = sql!("mark_blocking")
            .bind(chain_list(chains)?)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, |row| row.uuid("chain_id").map(ChainId))
    }

    async fn final_jobs(&mut self, chains: &[ChainId]) -> Result<Vec<FinalJob>, StoreError> {
        let rows = sql!("final_jobs")
            .bind(chain_list(chains)?)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::final_job)
    }

    async fn block(&mut self, rows: &[BlockerRow]) -> Result<(), StoreError> {
        sql!("block")
            .bind(json(rows)?)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn reaches(&mut self, chain: ChainId, from: &[ChainId]) -> Result<bool, StoreError> {
        let row = sql!("reaches")
            .bind(chain.0)
            .bind(chain_list(from)?)
            .fetch_optional(&mut self.connection)
            .await?;
        Ok(row.is_some())
    }

    async fn tail(&mut self, chain: ChainId) -> Result<Option<JobId>, StoreError> {
        let row = sql!("tail")
            .bind(chain.0)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| row.uuid("id").map(JobId)).transpose()
    }

    async fn closures(&mut self, limit: i64) -> Result<Vec<ChainId>, StoreError> {
        let rows = sql!("closures")
            .bind(limit)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, |row| row.uuid("chain_id").map(ChainId))
    }

    async fn clear_closures(&mut self, chains: &[ChainId]) -> Result<(), StoreError> {
        sql!("clear_closures")
            .bind(chain_list(chains)?)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn awaiting(
        &mut self,
        chains: &[ChainId],
        limit: i64,
    ) -> Result<Vec<Awaiting>, StoreError> {
        let rows = sql!("awaiting")
            .bind(chain_list(chains)?)
            .bind(limit)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::awaiting)
    }

    async fn close_blockers(&mut self, rows: &[Awaiting]) -> Result<Vec<JobId>, StoreError> {
        let rows: Vec<BlockerRow> = rows
            .iter()
            .map(|row| BlockerRow {
                job_id: row.job.0,
                position: row.position,
                chain_id: row.chain.0,
                closed_by: Some(row.closed_by.0),
            })
            .collect();
        let rows = sql!("close_blockers")
            .bind(json(&rows)?)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, |row| row.uuid("job_id").map(JobId))
    }

    async fn unblock(
        &mut self,
        closed: &[(JobId, i32)],
    ) -> Result<Vec<(JobId, State)>, StoreError> {
        let closed: Vec<_> = closed.iter().map(|(job, n)| (hex(*job), n)).collect();
        let rows = sql!("unblock")
            .bind(json(&closed)?)
            .bind(self.now)
            .fetch_all(&mut self.connection)
            .await?;
        for row in &rows {
            let (type_id, state) = counted(row)?;
            self.counts.moved(type_id, State::Blocked, state);
        }
        all(&rows, |row| Ok((JobId(row.uuid("id")?), row.state()?)))
    }

    async fn blocker_results(
        &mut self,
        jobs: &[JobId],
    ) -> Result<Vec<(JobId, BlockerResult)>, StoreError> {
        let rows = sql!("blocker_results")
            .bind(json(&jobs.iter().copied().map(hex).collect::<Vec<_>>())?)
            .bind(BLOCKER_OUTPUT_BYTES_MAX as i64)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::blocker_result)
    }

    async fn override_blockers(&mut self, job: JobId) -> Result<(), StoreError> {
        let rows = sql!("override_blockers")
            .bind(job.0)
            .bind(self.now)
            .fetch_all(&mut self.connection)
            .await?;
        for row in &rows {
            let (type_id, state) = counted(row)?;
            self.counts.moved(type_id, State::Blocked, state);
        }
        Ok(())
    }

    async fn blockers_of(&mut self, job: JobId) -> Result<Vec<Blocker>, StoreError> {
        let rows = sql!("blockers_of")
            .bind(job.0)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::blocker)
    }

    async fn point_blockers(
        &mut self,
        job: JobId,
        closed_by: &[(i32, Option<JobId>)],
    ) -> Result<(), StoreError> {
        let closed_by: Vec<_> = closed_by
            .iter()
            .map(|(position, job)| (position, job.map(hex)))
            .collect();
        sql!("point_blockers")
            .bind(job.0)
            .bind(json(&closed_by)?)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn hold_back(&mut self, job: JobId, open: i32) -> Result<(), StoreError> {
        let rows = sql!("hold_back")
            .bind(job.0)
            .bind(open)
            .fetch_all(&mut self.connection)
            .await?;
        // It was reopened just now, and so is ready.
        for row in &rows {
            let (type_id, state) = counted(row)?;
            self.counts.moved(type_id, State::Ready, state);
        }
        Ok(())
    }

    async fn mark_awaited(&mut self, job: JobId) -> Result<(), StoreError> {
        sql!("mark_awaited")
            .bind(job.0)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }
}
