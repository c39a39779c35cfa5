use async_trait::async_trait;
use hardstop_domain::{JobId, ReplayId, State};
use uuid::Uuid;

use super::{PgTransaction, column, sql};
use crate::StoreError;
use crate::record::{DeadLetter, Replay, ReplayBatch, ReplayedJob};
use crate::row::ReplayJobRow;
use crate::transaction::{DeadLetterPage, DeadLetterStatements};
use crate::view::{self, Dead, View, all};

#[async_trait]
impl DeadLetterStatements for PgTransaction<'_> {
    async fn dead_letters(&mut self, page: &DeadLetterPage) -> Result<Vec<DeadLetter>, StoreError> {
        let jobs = page.jobs.as_deref().map(|jobs| column(jobs, |id| id.0));
        let rows = sql!(self.1, "dead_letters")
            .bind(page.state)
            .bind(page.type_id)
            .bind(page.before)
            .bind(page.from)
            .bind(page.outcome)
            .bind(page.failure_part.as_deref())
            .bind(jobs)
            .bind(page.limit)
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::dead_letter)
    }

    async fn dead_letter_bound(
        &mut self,
        page: &DeadLetterPage,
        count: u32,
    ) -> Result<Option<JobId>, StoreError> {
        let row = sql!(self.1, "dead_letter_bound")
            .bind(page.state)
            .bind(page.type_id)
            .bind(page.before)
            .bind(i64::from(count.saturating_sub(1)))
            .fetch_optional(&mut *self.0)
            .await?;
        row.map(|row| Ok(JobId(row.uuid("id")?))).transpose()
    }

    async fn dead_lock(&mut self, jobs: &[JobId]) -> Result<Vec<Dead>, StoreError> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let rows = sql!(self.1, "dead_lock")
            .bind(column(jobs, |id| id.0))
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::dead)
    }

    async fn replayed(
        &mut self,
        replay: ReplayId,
        jobs: &[JobId],
    ) -> Result<Vec<JobId>, StoreError> {
        let rows = sql!(self.1, "replayed")
            .bind(replay.0)
            .bind(column(jobs, |id| id.0))
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, |row| row.uuid("id").map(JobId))
    }

    async fn put_replay(&mut self, replay: &ReplayBatch, filter: &str) -> Result<(), StoreError> {
        sql!(self.1, "put_replay")
            .bind(replay.id.0)
            .bind(&replay.actor)
            .bind(replay.note.as_deref())
            .bind(filter)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn put_replay_jobs(
        &mut self,
        replay: ReplayId,
        rows: &[ReplayJobRow],
    ) -> Result<(), StoreError> {
        sql!(self.1, "put_replay_jobs")
            .bind(replay.0)
            .bind(column(rows, |row| row.job_id))
            .bind(column(rows, |row| row.state))
            .bind(column(rows, |row| row.outcome))
            .bind(column(rows, |row| row.failure.as_deref()))
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    async fn replays(
        &mut self,
        before: Uuid,
        only: Option<ReplayId>,
        limit: i64,
    ) -> Result<Vec<Replay>, StoreError> {
        let rows = sql!(self.1, "replays")
            .bind(before)
            .bind(only.map(|id| id.0))
            .bind(limit)
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::replay)
    }

    async fn replay_states(
        &mut self,
        replay: ReplayId,
    ) -> Result<Vec<(Option<State>, u64)>, StoreError> {
        let rows = sql!(self.1, "replay_states")
            .bind(replay.0)
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, |row| {
            Ok((row.state_option("state")?, row.int("count")?))
        })
    }

    async fn replay_jobs(
        &mut self,
        replay: ReplayId,
        after: Uuid,
        limit: i64,
    ) -> Result<Vec<ReplayedJob>, StoreError> {
        let rows = sql!(self.1, "replay_jobs")
            .bind(replay.0)
            .bind(after)
            .bind(limit)
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::replayed_job)
    }
}
