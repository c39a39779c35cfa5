use async_trait::async_trait;
use hardstop_domain::{ChainId, JobId, State, Timestamp};
use uuid::Uuid;

use super::{SqliteTransaction, counted, hex_list, hexes, json, sql};
use crate::StoreError;
use crate::row::least_id;
use crate::sqlite::statement::Row;
use crate::transaction::{ChainJob, RemovalStatements};
use crate::view::{self, View, all};

impl SqliteTransaction<'_> {
    /// The time so long ago, and the least id of a job created then.
    fn ago(&self, age_us: i64) -> (i64, Uuid) {
        let at = self.now.saturating_sub(age_us);
        (at, least_id(Timestamp(at)))
    }

    /// Counts jobs off that are no more.
    fn gone(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        for row in rows {
            let (type_id, state) = counted(row)?;
            self.counts.add(type_id, state, -1);
        }
        Ok(())
    }
}

#[async_trait]
impl RemovalStatements for SqliteTransaction<'_> {
    async fn lock_chains_live(&mut self, chains: &[ChainId]) -> Result<Vec<ChainJob>, StoreError> {
        let rows = sql!("lock_chains_live")
            .bind(hex_list(chains.iter().map(|id| id.0))?)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::chain_job)
    }

    async fn lock_chains_done(&mut self, chains: &[ChainId]) -> Result<Vec<ChainJob>, StoreError> {
        let rows = sql!("lock_chains_done")
            .bind(hex_list(chains.iter().map(|id| id.0))?)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::chain_job)
    }

    async fn dependents(
        &mut self,
        chains: &[ChainId],
        limit: i64,
    ) -> Result<Vec<(JobId, ChainId)>, StoreError> {
        let rows = sql!("dependents")
            .bind(hex_list(chains.iter().map(|id| id.0))?)
            .bind(limit)
            .fetch_all(&mut self.connection)
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
        let lists = serde_json::json!({
            "chains": hexes(chains.iter().map(|id| id.0)),
            "jobs": hexes(jobs.iter().map(|id| id.0)),
        });
        let rows = sql!("delete_chains")
            .bind(json(&lists)?)
            .fetch_all(&mut self.connection)
            .await?;
        self.gone(&rows)
    }

    async fn retain_lock(&mut self) -> Result<bool, StoreError> {
        // The writer is alone.
        Ok(true)
    }

    async fn expired_well(
        &mut self,
        after: Uuid,
        age_us: i64,
        limit: i64,
    ) -> Result<Vec<(JobId, bool)>, StoreError> {
        let (at, bound) = self.ago(age_us);
        let rows = sql!("expired_well")
            .bind(after)
            .bind(at)
            .bind(limit)
            .bind(bound)
            .fetch_all(&mut self.connection)
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
        let (at, bound) = self.ago(age_us);
        let rows = sql!("expired_dead")
            .bind(state.code())
            .bind(at)
            .bind(limit)
            .bind(bound)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, |row| row.uuid("id").map(JobId))
    }

    async fn remove(&mut self, jobs: &[JobId]) -> Result<u64, StoreError> {
        // All rows, so that the other statements are run too.
        let rows = sql!("remove")
            .bind(hex_list(jobs.iter().map(|id| id.0))?)
            .fetch_all(&mut self.connection)
            .await?;
        self.gone(&rows)?;
        Ok(rows.len() as u64)
    }

    async fn sweep(&mut self, age_us: i64, key_age_us: i64, limit: i64) -> Result<u64, StoreError> {
        let (_, bound) = self.ago(age_us);
        let (key_at, key_bound) = self.ago(key_age_us);
        let done = sql!("sweep")
            .bind(limit)
            .bind(bound)
            .bind(key_at)
            .bind(key_bound)
            .execute(&mut self.connection)
            .await?;
        Ok(done)
    }

    async fn shrink(&mut self) -> Result<(), StoreError> {
        sql!("shrink").fetch_all(&mut self.connection).await?;
        Ok(())
    }
}
