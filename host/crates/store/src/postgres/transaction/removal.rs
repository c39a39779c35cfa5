use async_trait::async_trait;
use hardstop_domain::{ChainId, JobId, State};
use uuid::Uuid;

use super::{PgTransaction, column, sql};
use crate::StoreError;
use crate::transaction::{ChainJob, RemovalStatements};
use crate::view::{self, View, all};

const DAY_US: i64 = 86_400_000_000;

#[async_trait]
impl RemovalStatements for PgTransaction<'_> {
    async fn lock_chains_live(&mut self, chains: &[ChainId]) -> Result<Vec<ChainJob>, StoreError> {
        let rows = sql!(self.1, "lock_chains_live")
            .bind(column(chains, |id| id.0))
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::chain_job)
    }

    async fn lock_chains_done(&mut self, chains: &[ChainId]) -> Result<Vec<ChainJob>, StoreError> {
        let rows = sql!(self.1, "lock_chains_done")
            .bind(column(chains, |id| id.0))
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::chain_job)
    }

    async fn dependents(
        &mut self,
        chains: &[ChainId],
        limit: i64,
    ) -> Result<Vec<(JobId, ChainId)>, StoreError> {
        let rows = sql!(self.1, "dependents")
            .bind(column(chains, |id| id.0))
            .bind(limit)
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, |row| {
            Ok((JobId(row.uuid("id")?), ChainId(row.uuid("chain_id")?)))
        })
    }

    async fn delete_chains(
        &mut self,
        chains: &[ChainId],
        jobs: &[JobId],
    ) -> Result<(), StoreError> {
        sql!(self.1, "delete_chains")
            .bind(column(chains, |id| id.0))
            .bind(column(jobs, |id| id.0))
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn retain_lock(&mut self) -> Result<bool, StoreError> {
        sql!(self.1, "retain_lock")
            .fetch_one(&mut *self.0)
            .await?
            .flag("locked")
    }

    async fn expired_well(
        &mut self,
        after: Uuid,
        age_us: i64,
        limit: i64,
    ) -> Result<Vec<(JobId, bool)>, StoreError> {
        // Partitions of days that will be dropped whole are not emptied row by row before that.
        let rows = sql!(self.1, "expired_well")
            .bind(after)
            .bind(age_us)
            .bind(limit)
            .bind(age_us < DAY_US)
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, |row| {
            Ok((JobId(row.uuid("id")?), row.flag("expired")?))
        })
    }

    async fn expired_dead(
        &mut self,
        state: State,
        age_us: i64,
        limit: i64,
    ) -> Result<Vec<JobId>, StoreError> {
        let rows = sql!(self.1, "expired_dead")
            .bind(state.code())
            .bind(age_us)
            .bind(limit)
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, |row| row.uuid("id").map(JobId))
    }

    async fn remove(&mut self, jobs: &[JobId]) -> Result<u64, StoreError> {
        sql!(self.1, "remove")
            .bind(column(jobs, |id| id.0))
            .fetch_one(&mut *self.0)
            .await?
            .int("count")
    }

    async fn sweep(&mut self, age_us: i64, key_age_us: i64, limit: i64) -> Result<u64, StoreError> {
        sql!(self.1, "sweep")
            .bind(age_us)
            .bind(key_age_us)
            .bind(limit)
            .fetch_one(&mut *self.0)
            .await?
            .int("count")
    }

    async fn shrink(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}
