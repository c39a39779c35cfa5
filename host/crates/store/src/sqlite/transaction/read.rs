//! Reads on SQLite that concern more than one job.

use async_trait::async_trait;
use hardstop_domain::{ChainId, JobId, State, TypeId, TypeName};

use super::{SqliteTransaction, hex, json, sql};
use crate::StoreError;
use crate::record::*;
use crate::transaction::{Page, ReadStatements};
use crate::view::{self, View, all};

#[async_trait]
impl ReadStatements for SqliteTransaction<'_> {
    async fn jobs_by_state(
        &mut self,
        page: &Page,
        state: State,
    ) -> Result<Vec<JobSummary>, StoreError> {
        let rows = sql!("jobs_by_state")
            .bind(page.before)
            .bind(page.type_id)
            .bind(state.code())
            .bind(page.limit)
            .bind(page.from)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::summary)
    }

    async fn jobs_by_key(&mut self, page: &Page, key: &str) -> Result<Vec<JobSummary>, StoreError> {
        let rows = sql!("jobs_by_key")
            .bind(page.before)
            .bind(page.type_id)
            .bind(json(&page.states)?)
            .bind(page.limit)
            .bind(page.from)
            .bind(key)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::summary)
    }

    async fn chains(&mut self, page: &Page) -> Result<Vec<ChainSummary>, StoreError> {
        let rows = sql!("chains")
            .bind(page.before)
            .bind(page.type_id)
            .bind(json(&page.states)?)
            .bind(page.limit)
            .bind(page.live)
            .bind(page.done)
            .bind(page.from)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::chain_summary)
    }

    async fn chains_by_state(
        &mut self,
        page: &Page,
        state: State,
    ) -> Result<Vec<ChainSummary>, StoreError> {
        let rows = sql!("chains_by_state")
            .bind(page.before)
            .bind(page.type_id)
            .bind(state.code())
            .bind(page.limit)
            .bind(page.from)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::chain_summary)
    }

    async fn chains_by_key(
        &mut self,
        page: &Page,
        key: &str,
    ) -> Result<Vec<ChainSummary>, StoreError> {
        let rows = sql!("chains_by_key")
            .bind(page.before)
            .bind(page.type_id)
            .bind(json(&page.states)?)
            .bind(page.limit)
            .bind(page.from)
            .bind(key)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::chain_summary)
    }

    async fn chain_detail(&mut self, id: ChainId) -> Result<Option<ChainDetail>, StoreError> {
        let row = sql!("chain_detail")
            .bind(id.0)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| view::chain_detail(&row)).transpose()
    }

    async fn chain_dependents(
        &mut self,
        id: ChainId,
        limit: i64,
    ) -> Result<Vec<Dependent>, StoreError> {
        let rows = sql!("chain_dependents")
            .bind(id.0)
            .bind(limit)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::dependent)
    }

    async fn job_blockers(
        &mut self,
        jobs: &[JobId],
        limit: i64,
        awaited_only: bool,
    ) -> Result<Vec<JobBlocker>, StoreError> {
        let rows = sql!("job_blockers")
            .bind(json(&jobs.iter().copied().map(hex).collect::<Vec<_>>())?)
            .bind(limit)
            .bind(awaited_only)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::job_blocker)
    }

    async fn type_usage(
        &mut self,
        type_id: TypeId,
        limit: i64,
    ) -> Result<Vec<UsageSample>, StoreError> {
        let rows = sql!("type_usage")
            .bind(type_id.0)
            .bind(limit)
            .fetch_all(&mut self.connection)
            .await?;
        let used = rows
            .iter()
            .filter_map(|row| view::usage_sample(row).transpose());
        used.collect()
    }

    async fn explain_job(&mut self, id: JobId) -> Result<Option<Explanation>, StoreError> {
        let row = sql!("explain_job")
            .bind(id.0)
            .bind(self.now)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| view::explanation(&row)).transpose()
    }

    async fn explain_pauses(
        &mut self,
        type_name: &TypeName,
    ) -> Result<Vec<PauseInForce>, StoreError> {
        let rows = sql!("explain_pauses")
            .bind(type_name.as_str())
            .bind(self.now)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::pause_in_force)
    }

    async fn explain_sessions(
        &mut self,
        type_name: &TypeName,
        limit: i64,
    ) -> Result<Vec<SessionLease>, StoreError> {
        let rows = sql!("explain_sessions")
            .bind(type_name.as_str())
            .bind(limit)
            .bind(self.now)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::session_lease)
    }

    async fn explain_ahead(&mut self, id: JobId, limit: i64) -> Result<u32, StoreError> {
        let row = sql!("explain_ahead")
            .bind(id.0)
            .bind(limit)
            .fetch_one(&mut self.connection)
            .await?;
        row.int("ahead")
    }
}
