//! The statements about jobs that are completed from outside.

use async_trait::async_trait;
use hardstop_domain::JobId;
use uuid::Uuid;

use super::{PgTransaction, column, sql};
use crate::StoreError;
use crate::record::Completion;
use crate::transaction::external::ExternalStatements;
use crate::view::{self, External, Late, View, all};

#[async_trait]
impl ExternalStatements for PgTransaction<'_> {
    async fn external(&mut self, job: JobId, token: Uuid) -> Result<Option<External>, StoreError> {
        let row = sql!(self.1, "external")
            .bind(job.0)
            .bind(token)
            .fetch_optional(&mut *self.0)
            .await?;
        row.map(|row| view::external(&row)).transpose()
    }

    async fn completion_token(&mut self, job: JobId) -> Result<Option<Completion>, StoreError> {
        let row = sql!(self.1, "completion_token")
            .bind(job.0)
            .fetch_optional(&mut *self.0)
            .await?;
        row.map(|row| view::completion(&row)).transpose()
    }

    async fn expired(&mut self, limit: i64) -> Result<Vec<Late>, StoreError> {
        let rows = sql!(self.1, "expired")
            .bind(limit)
            .fetch_all(&mut *self.0)
            .await?;
        all(&rows, view::late)
    }

    async fn next_deadline(&mut self) -> Result<Option<i64>, StoreError> {
        let row = sql!(self.1, "next_deadline")
            .fetch_optional(&mut *self.0)
            .await?;
        row.map(|row| row.int("due_in_us")).transpose()
    }

    async fn mark_unchecked(&mut self, jobs: &[JobId]) -> Result<(), StoreError> {
        sql!(self.1, "mark_unchecked")
            .bind(column(jobs, |job| job.0))
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }
}
