//! The statements about jobs that are completed from outside.

use async_trait::async_trait;
use hardstop_domain::JobId;
use uuid::Uuid;

use crate::StoreError;
use crate::record::Completion;
use crate::view::{External, Late};

/// One method per SQL file, of the same name.
#[async_trait]
pub(crate) trait ExternalStatements: Send {
    /// What a completion with this token is measured by.
    async fn external(&mut self, job: JobId, token: Uuid) -> Result<Option<External>, StoreError>;
    async fn completion_token(&mut self, job: JobId) -> Result<Option<Completion>, StoreError>;
    /// Jobs past their deadline, locked, earliest first.
    async fn expired(&mut self, limit: i64) -> Result<Vec<Late>, StoreError>;
    /// Microseconds, negative where one has passed already.
    async fn next_deadline(&mut self) -> Result<Option<i64>, StoreError>;
    /// Notes that nobody has compared the inputs of these jobs with their types' schemas.
    async fn mark_unchecked(&mut self, jobs: &[JobId]) -> Result<(), StoreError>;
}
