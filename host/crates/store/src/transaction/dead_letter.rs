//! Statements of dead letters and replays.

use async_trait::async_trait;
use hardstop_domain::{JobId, ReplayId, State};
use uuid::Uuid;

use crate::StoreError;
use crate::record::{DeadLetter, Replay, ReplayBatch, ReplayedJob};
use crate::row::ReplayJobRow;
use crate::view::Dead;

/// As [`super::Transaction`].
#[async_trait]
pub(crate) trait DeadLetterStatements: Send {
    /// A page; see the file for what it leaves to the caller.
    async fn dead_letters(&mut self, page: &DeadLetterPage) -> Result<Vec<DeadLetter>, StoreError>;
    /// The last of the newest so many that a page could hold, by state and type; none where there are fewer.
    async fn dead_letter_bound(
        &mut self,
        page: &DeadLetterPage,
        count: u32,
    ) -> Result<Option<JobId>, StoreError>;
    /// Those of these jobs that are final, locked.
    async fn dead_lock(&mut self, jobs: &[JobId]) -> Result<Vec<Dead>, StoreError>;
    /// Which of these jobs a replay has replayed.
    async fn replayed(
        &mut self,
        replay: ReplayId,
        jobs: &[JobId],
    ) -> Result<Vec<JobId>, StoreError>;
    async fn put_replay(&mut self, replay: &ReplayBatch, filter: &str) -> Result<(), StoreError>;
    async fn put_replay_jobs(
        &mut self,
        replay: ReplayId,
        rows: &[ReplayJobRow],
    ) -> Result<(), StoreError>;
    /// Newest first: those older than `before`, or the one that is `only`.
    async fn replays(
        &mut self,
        before: Uuid,
        only: Option<ReplayId>,
        limit: i64,
    ) -> Result<Vec<Replay>, StoreError>;
    async fn replay_states(
        &mut self,
        replay: ReplayId,
    ) -> Result<Vec<(Option<State>, u64)>, StoreError>;
    /// Oldest first.
    async fn replay_jobs(
        &mut self,
        replay: ReplayId,
        after: Uuid,
        limit: i64,
    ) -> Result<Vec<ReplayedJob>, StoreError>;
}

/// A query for dead letters with every choice made.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetterPage {
    pub(crate) state: i16,
    pub(crate) type_id: Option<i32>,
    /// Ids below this.
    pub(crate) before: Uuid,
    /// Ids from this.
    pub(crate) from: Uuid,
    pub(crate) outcome: Option<i16>,
    /// Part of the failure, as it is written in JSON.
    pub(crate) failure_part: Option<String>,
    pub(crate) jobs: Option<Vec<JobId>>,
    pub(crate) limit: i64,
}
