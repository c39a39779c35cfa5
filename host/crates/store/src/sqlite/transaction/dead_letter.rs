use async_trait::async_trait;
use hardstop_domain::{JobId, ReplayId, State};
use uuid::Uuid;

use super::{SqliteTransaction, hex_list, json, sql};
use crate::StoreError;
use crate::record::{DeadLetter, Replay, ReplayBatch, ReplayedJob};
use crate::row::ReplayJobRow;
use crate::transaction::{DeadLetterPage, DeadLetterStatements};
use crate::view::{self, Dead, View, all};

#[async_trait]
impl DeadLetterStatements for SqliteTransaction<'_> {
    async fn dead_letters(&mut self, page: &DeadLetterPage) -> Result<Vec<DeadLetter>, StoreError> {
        let jobs = match &page.jobs {
            Some(jobs) => Some(hex_list(jobs.iter().map(|id| id.0))?),
            None => None,
        };
        let rows = sql!("dead_letters")
            .bind(page.state)
            .bind(page.type_id)
            .bind(page.before)
            .bind(page.from)
            .bind(page.outcome)
            .bind(page.failure_part.clone())
            .bind(jobs)
            .bind(page.limit)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::dead_letter)
    }

    async fn dead_letter_bound(
        &mut self,
        page: &DeadLetterPage,
        count: u32,
    ) -> Result<Option<JobId>, StoreError> {
        let row = sql!("dead_letter_bound")
            .bind(page.state)
            .bind(page.type_id)
            .bind(page.before)
            .bind(i64::from(count.saturating_sub(1)))
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| Ok(JobId(row.uuid("id")?))).transpose()
    }

    async fn dead_lock(&mut self, jobs: &[JobId]) -> Result<Vec<Dead>, StoreError> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let rows = sql!("dead_lock")
            .bind(hex_list(jobs.iter().map(|id| id.0))?)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::dead)
    }

    async fn replayed(
        &mut self,
        replay: ReplayId,
        jobs: &[JobId],
    ) -> Result<Vec<JobId>, StoreError> {
        let rows = sql!("replayed")
            .bind(replay.0)
            .bind(hex_list(jobs.iter().map(|id| id.0))?)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, |row| row.uuid("id").map(JobId))
    }

    async fn put_replay(&mut self, replay: &ReplayBatch, filter: &str) -> Result<(), StoreError> {
        sql!("put_replay")
            .bind(replay.id.0)
            .bind(replay.actor.clone())
            .bind(replay.note.clone())
            .bind(filter.to_owned())
            .bind(self.now)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn put_replay_jobs(
        &mut self,
        replay: ReplayId,
        rows: &[ReplayJobRow],
    ) -> Result<(), StoreError> {
        sql!("put_replay_jobs")
            .bind(replay.0)
            .bind(json(rows)?)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn replays(
        &mut self,
        before: Uuid,
        only: Option<ReplayId>,
        limit: i64,
    ) -> Result<Vec<Replay>, StoreError> {
        let rows = sql!("replays")
            .bind(before)
            .bind(only.map(|id| id.0))
            .bind(limit)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::replay)
    }

    async fn replay_states(
        &mut self,
        replay: ReplayId,
    ) -> Result<Vec<(Option<State>, u64)>, StoreError> {
        let rows = sql!("replay_states")
            .bind(replay.0)
            .fetch_all(&mut self.connection)
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
        let rows = sql!("replay_jobs")
            .bind(replay.0)
            .bind(after)
            .bind(limit)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::replayed_job)
    }
}
