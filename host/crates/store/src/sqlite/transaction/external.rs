//! The statements about jobs that are completed from outside.

use async_trait::async_trait;
use hardstop_domain::JobId;
use uuid::Uuid;

use super::{SqliteTransaction, hex, json, sql};
use crate::StoreError;
use crate::record::Completion;
use crate::transaction::external::ExternalStatements;
use crate::view::{self, External, Late, View, all};

#[async_trait]
impl ExternalStatements for SqliteTransaction<'_> {
    async fn external(&mut self, job: JobId, token: Uuid) -> Result<Option<External>, StoreError> {
        let row = sql!("external")
            .bind(job.0)
            .bind(token)
            .bind(self.now)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| view::external(&row)).transpose()
    }

    async fn completion_token(&mut self, job: JobId) -> Result<Option<Completion>, StoreError> {
        let row = sql!("completion_token")
            .bind(job.0)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| view::completion(&row)).transpose()
    }

    async fn expired(&mut self, limit: i64) -> Result<Vec<Late>, StoreError> {
        let rows = sql!("expired")
            .bind(limit)
            .bind(self.now)
            .fetch_all(&mut self.connection)
            .await?;
        all(&rows, view::late)
    }

    async fn next_deadline(&mut self) -> Result<Option<i64>, StoreError> {
        let row = sql!("next_deadline")
            .bind(self.now)
            .fetch_optional(&mut self.connection)
            .await?;
        row.map(|row| row.int("due_in_us")).transpose()
    }

    async fn mark_unchecked(&mut self, jobs: &[JobId]) -> Result<(), StoreError> {
        sql!("mark_unchecked")
            .bind(json(&jobs.iter().copied().map(hex).collect::<Vec<_>>())?)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }
}
