//! Statements that remove: deletion and retention.

use async_trait::async_trait;
use hardstop_domain::{ChainId, JobId, State};
use uuid::Uuid;

use crate::StoreError;

/// As [`super::Transaction`].
#[async_trait]
pub(crate) trait RemovalStatements: Send {
    /// The live jobs of these chains, locked.
    async fn lock_chains_live(&mut self, chains: &[ChainId]) -> Result<Vec<ChainJob>, StoreError>;
    /// The final jobs of these chains, locked.
    async fn lock_chains_done(&mut self, chains: &[ChainId]) -> Result<Vec<ChainJob>, StoreError>;
    /// The live jobs that wait for these chains, or still need their outputs, with their own chains.
    async fn dependents(
        &mut self,
        chains: &[ChainId],
        limit: i64,
    ) -> Result<Vec<(JobId, ChainId)>, StoreError>;
    /// Removes these chains, which have these jobs, and all that belongs to either.
    async fn delete_chains(&mut self, chains: &[ChainId], jobs: &[JobId])
    -> Result<(), StoreError>;

    /// Whether this host is the one that removes now, until its transaction ends.
    async fn retain_lock(&mut self) -> Result<bool, StoreError>;
    /// Final jobs after this id, in the order of their ids, and whether each completed or continued so
    /// long ago that it may go.
    async fn expired_well(
        &mut self,
        after: Uuid,
        age_us: i64,
        limit: i64,
    ) -> Result<Vec<(JobId, bool)>, StoreError>;
    /// Discarded or cancelled jobs, as the state says, that may go.
    async fn expired_dead(
        &mut self,
        state: State,
        age_us: i64,
        limit: i64,
    ) -> Result<Vec<JobId>, StoreError>;
    /// Removes those of these final jobs, which are locked, that nobody needs. How many.
    async fn remove(&mut self, jobs: &[JobId]) -> Result<u64, StoreError>;
    /// Removes what jobs and chains of this age that are gone have left, and keys of closed chains of that
    /// age; at most `limit` rows of each kind. How many.
    async fn sweep(&mut self, age_us: i64, key_age_us: i64, limit: i64) -> Result<u64, StoreError>;
    /// Gives pages of the file back that are of no use any more. Postgres has vacuum for that.
    async fn shrink(&mut self) -> Result<(), StoreError>;
}

/// A job of a chain that is to be deleted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChainJob {
    pub(crate) id: JobId,
    pub(crate) chain_id: ChainId,
    pub(crate) state: State,
}
